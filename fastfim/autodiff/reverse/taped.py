# mypy: disable-error-code="untyped-decorator"
"""Taped numbers as a Numba type: a float64 that knows how much it moves with places on the tape.

A ``Taped(k)`` number moves by the sum of ``scale_i`` times what moves at place ``node_i``, i < k.  Parameter j is
``Taped(1)`` with its own place and scale 1; a constant has the bin's place and scale 0.  The terms of a result are
those of its operands, scaled, so that an expression collects its terms before anything is recorded: ``s + a * b`` is
one record of three, ``2 * log(a)`` none.  Recording is a conversion, from ``Taped(k)`` to ``Taped(1)``: Numba makes it
where a number is stored in an array or goes round a loop, and operations ask for it beyond `TERMS` terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typeconv import Conversion
from numba.extending import register_model

from fastfim.autodiff.emit import Emitter, Value
from fastfim.autodiff.number import REAL, Active
from fastfim.autodiff.reverse.tape import BIN, TAPE, TapeType, append, in_reach, is_null, nowhere, record, word
from fastfim.autodiff.rules import Choice, Entry, Partial, Rule, evaluate

#: Terms that a number may collect.
TERMS = 4

#: The bit of a place that marks an open sum, and all others.
OPEN, PLACE = word(1 << 62), word(~(1 << 62))

#: (place, scale)
Term: TypeAlias = "tuple[Value, Value]"


class Taped(Active):
    """A float64 whose derivatives are found by reading a tape backwards."""

    extra = (("tape", TapeType(always=True)),)

    def __init__(self, terms: int = 1) -> None:
        self.terms = terms
        super().__init__(f"Taped({terms})")

    @property
    def stored(self) -> Taped:
        """The type of the same number in an array: one term."""
        return TAPED

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return 16 * (1 + self.terms)

    @property
    def members(self) -> list[tuple[str, types.Type]]:
        """The parts of a number."""
        terms = [(f"{part}{i}", kind) for i in range(self.terms) for part, kind in _TERM]
        return [("value", types.float64), *terms, ("tape", TapeType(always=False))]

    def together(self, kinds: Sequence[Active], entry: Entry) -> tuple[Active, Callable[[Active], Active]]:
        """The terms of all; if these are too many, or one of the numbers is chosen, each is recorded first."""
        if isinstance(entry, Choice):
            return TAPED, lambda kind: TAPED
        if isinstance(entry, Rule) and entry.adds_up:
            return TAPED, lambda kind: kind
        total = sum(kind.terms for kind in kinds if isinstance(kind, Taped))
        return (Taped(total), lambda kind: kind) if total <= TERMS else (Taped(len(kinds)), lambda kind: TAPED)

    def converted(self, e: Emitter, number: Any) -> TapedParts:
        """A number with another number of terms; fewer are one, at a record of its own."""
        parts = recorded(e, number) if number.kind.terms > self.terms else number
        return self.padded(e, parts.value, parts.terms, parts.tape)

    def unpack(self, e: Emitter, number: Any) -> TapedParts:
        """Take an LLVM struct apart."""
        struct = cgutils.create_struct_proxy(self)(e.context, e.builder, number)
        terms = [
            (Value(e, getattr(struct, f"node{i}")), Value(e, getattr(struct, f"scale{i}"))) for i in range(self.terms)
        ]
        return TapedParts(self, Value(e, struct.value), tuple(terms), Value(e, struct.tape))

    def constant(self, e: Emitter, value: Value) -> TapedParts:
        """A number that does not depend on the parameters."""
        return self.padded(e, value, (), Value(e, ir.Constant(TAPE, None)))

    def padded(self, e: Emitter, value: Value, terms: Sequence[Term], tape: Value) -> TapedParts:
        """A number of this type that has no more terms."""
        nothing = (Value(e, word(BIN)), e.value(0.0))
        return TapedParts(self, value, (*terms, *[nothing] * (self.terms - len(terms))), tape)

    def parameter(self, e: Emitter, value: Value, place: Any, theta: Any) -> TapedParts:
        """A parameter, whose adjoint has a place of its own."""
        tape = e.builder.bitcast(theta.tape, TAPE)
        return TapedParts(self, value, ((Value(e, place), e.value(1.0)),), Value(e, tape))

    def propagate(
        self,
        e: Emitter,
        value: Value,
        active: Sequence[TapedParts],
        firsts: Sequence[Partial],
        seconds: Callable[[int, int], Partial],
    ) -> TapedParts:
        """The chain rule."""
        weights = [evaluate(first) for first in firsts]
        terms = [(n, s * w) for part, w in zip(active, weights, strict=True) if w is not None for n, s in part.terms]
        tape = common_tape(e, [part.tape for part in active])
        return Taped(sum(part.kind.terms for part in active)).padded(e, value, terms, tape)

    def append(
        self, e: Emitter, value: Value, active: Sequence[TapedParts], firsts: Sequence[Partial], seconds: Any
    ) -> TapedParts:
        """The chain rule for a sum: of two active operands, the terms of the second are appended to the first."""
        if len(active) == 1:
            return recorded(e, self.propagate(e, value, active, firsts, seconds))
        total, other = recorded(e, active[0]), active[1]
        weight = evaluate(firsts[1])
        assert weight is not None, "a sum moves with its terms"
        terms = [(node.ir, scale * weight) for node, scale in other.terms]

        def write(tape: Any) -> Any:
            (node, scale), *_ = total.terms
            is_open = e.builder.icmp_signed("!=", e.builder.and_(node.ir, OPEN), word(0))
            place = e.builder.and_(node.ir, PLACE)
            return e.builder.or_(append(e.builder, tape, (place, scale), is_open, terms), OPEN)

        return on_tape(e, value, (total.tape, other.tape), write)

    def unify(self, context: Any, other: types.Type) -> types.Type | None:
        """One term, whatever meets."""
        return TAPED if isinstance(other, (Taped, *REAL)) else None

    def can_convert_from(self, context: Any, other: types.Type) -> Any:
        """Any number of terms into any other."""
        return Conversion.safe if isinstance(other, (Taped, *REAL)) else None


_TERM = (("node", types.int64), ("scale", types.float64))
TAPED = Taped()


@register_model(Taped)
class TapedModel(models.StructModel):  # type: ignore[misc]
    """A constant is a value with zero bits behind it, so that cleared memory holds constants."""

    def __init__(self, manager: Any, kind: Taped) -> None:
        super().__init__(manager, kind, kind.members)


@dataclass(frozen=True)
class TapedParts:
    """A taped number taken apart while compiling."""

    kind: Taped
    value: Value
    terms: tuple[Term, ...]
    tape: Value

    @property
    def fields(self) -> tuple[Value, ...]:
        """All parts in the order of `Taped.members`."""
        return (self.value, *(part for term in self.terms for part in term), self.tape)

    def map(self, function: Callable[..., Value], *others: TapedParts) -> TapedParts:
        """Apply ``function`` to all parts of this and of ``others`` alike."""
        value, *terms, tape = map(function, self.fields, *(other.fields for other in others))
        return TapedParts(self.kind, value, tuple(zip(terms[::2], terms[1::2], strict=True)), tape)

    def pack(self, e: Emitter) -> Any:
        """Put the LLVM struct together again."""
        struct = cgutils.create_struct_proxy(self.kind)(e.context, e.builder)
        for (name, _), part in zip(self.kind.members, self.fields, strict=True):
            setattr(struct, name, part.ir)
        return struct._getvalue()


def common_tape(e: Emitter, tapes: Sequence[Value]) -> Value:
    """The tape of several numbers; null if all are constants."""
    found = in_reach(e.builder)
    if found is not None:
        return Value(e, found)
    tape = tapes[0]
    for other in tapes[1:]:
        tape = Value(e, e.builder.select(is_null(e.builder, tape.ir), other.ir, tape.ir))
    return tape


def recorded(e: Emitter, number: TapedParts) -> TapedParts:
    """The same number with one term."""
    if number.kind.terms == 1:
        return number
    operands = [(node.ir, scale) for node, scale in number.terms]
    return on_tape(e, number.value, [number.tape], lambda tape: record(e.builder, tape, operands))


def on_tape(e: Emitter, value: Value, tapes: Sequence[Value], write: Callable[[Any], Any]) -> TapedParts:
    """A number at the place of a record that ``write(tape)`` makes; where there is no tape, a constant."""
    tape = common_tape(e, tapes)
    if in_reach(e.builder) is not None:
        node = write(tape.ir)
    else:
        null = is_null(e.builder, tape.ir)
        node = write(e.builder.select(null, nowhere(e.builder), tape.ir))
        node = e.builder.select(null, word(BIN), node)
    return TapedParts(TAPED, value, ((Value(e, node), e.value(1.0)),), tape)
