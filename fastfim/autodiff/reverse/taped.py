# mypy: disable-error-code="untyped-decorator"
"""Taped numbers as a Numba type: a float64 that knows how much it moves with places on the tape.

A ``Taped(k)`` number moves by the sum of ``scale_i`` times what moves at place ``node_i``, i < k.  Parameter j is
``Taped(1)`` with its own place and scale 1; a constant has the bin's place and scale 0.  The terms of a result are
those of its operands, scaled, so that an expression collects its terms before anything is recorded: ``s + a * b`` is
one record of three, ``2 * log(a)`` none.  Recording is a conversion, from ``Taped(k)`` to ``Taped(1)``: Numba makes it
where a number is stored in an array or goes round a loop, and operations ask for it beyond `TERMS` terms.

``Taped(k, draws)`` goes with a tape for several draws at once: adjoints are vectors.  What depends on parameters alone
is the same for all draws, and stays a number with plain scales, worked out and recorded once for all of them; where
the draws themselves come in, it becomes ``Taped(k, draws, wide=True)``, whose value and scales are vectors.  Types tell
the two apart while compiling: nothing is asked at run time.

``order=2`` is for tapes that are read to second order (see `fastfim.autodiff.second_order`).  Sums and multiples stay
what they are; an operation that is not linear is recorded at once, with its second derivatives.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typeconv import Conversion
from numba.extending import register_model

from fastfim.autodiff.dual import Dual, Lanes
from fastfim.autodiff.emit import Emitter, Value
from fastfim.autodiff.masks import Mask
from fastfim.autodiff.number import REAL, Active
from fastfim.autodiff.reverse.kept import remembered
from fastfim.autodiff.reverse.tape import (
    BIN,
    TAPE,
    TapeType,
    append,
    deposit,
    in_reach,
    is_null,
    nowhere,
    record,
    record_bent,
    word,
)
from fastfim.autodiff.rules import Adding, Choice, Derivatives, Entry, Partial, Rule, evaluate

#: Terms that a number may collect.
TERMS = 4

#: The bit of a place that marks an open sum; of others it is that of the sign.
OPEN = word(1 << 62)

#: (place, scale)
Term: TypeAlias = "tuple[Value, Value]"


class Taped(Active):
    """A float64 whose derivatives are found by reading a tape backwards."""

    #: The place of the first parameter's adjoint, and how far it is from one to the next.
    extra = (("tape", TapeType(always=True)), ("first", types.intp), ("step", types.intp))

    def __init__(self, terms: int = 1, tile: int = 1, wide: bool = False, order: int = 1) -> None:
        self.terms, self.tile, self.wide, self.order = terms, tile, wide, order
        self.draws = tile if wide else 1
        several = f", {tile}{', wide' * wide}" if tile > 1 else ""
        super().__init__(f"Taped({terms}{several}{', order=2' * (order == 2)})")

    @property
    def data(self) -> Dual | None:
        """As many plain numbers as it holds draws."""
        return Dual(0, draws=self.draws) if self.wide else None

    @property
    def stored(self) -> Taped:
        """The type of the same number in an array: one term."""
        return self.of(1)

    def of(self, terms: int, wide: bool | None = None) -> Taped:
        """The type of numbers with other terms on the same tape."""
        return Taped(terms, self.tile, self.wide if wide is None else wide, self.order)

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return 8 * (self.draws * (1 + self.terms) + self.terms + 1)

    @property
    def members(self) -> list[tuple[str, types.Type]]:
        """The parts of a number."""
        number = Lanes(self.draws)
        terms = [part for i in range(self.terms) for part in ((f"node{i}", types.int64), (f"scale{i}", number))]
        return [("value", number), *terms, ("tape", TapeType(always=False))]

    def meet(self, other: Active) -> Active | None:
        """Numbers of either kind, and the data of as many draws."""
        if isinstance(other, Taped) and other.tile == self.tile:
            return self.of(1, self.wide or other.wide)
        return self.of(1, True) if self.tile > 1 and other == Dual(0, draws=self.tile) else None

    def holding(self, parameters: bool, draws: bool) -> Active:
        """Derivatives where parameters come in, several numbers where draws do."""
        return self.of(1, draws) if parameters or not self.wide else Dual(0, draws=self.tile)

    def together(self, kinds: Sequence[Active], entry: Entry) -> tuple[Active, Callable[[Active], Active]]:
        """The terms of all; if these are too many, or one of the numbers is chosen, each is recorded first."""
        if isinstance(entry, Choice):
            return self.stored, lambda kind: self.stored
        if isinstance(entry, Rule) and entry.adds_up is Adding.RESULT:
            return self.data or types.float64, lambda kind: kind
        if isinstance(entry, Rule) and entry.adds_up is Adding.SUM:
            return self.stored, lambda kind: kind
        counts = [kind.terms for kind in kinds if isinstance(kind, Taped)]
        if self.order == 2 and not _is_linear(entry, len(counts)):
            return self.stored, lambda kind: kind.stored
        if sum(counts) <= TERMS:
            return self.of(sum(counts)), lambda kind: kind
        return self.of(len(counts)), lambda kind: kind.stored

    def converted(self, e: Emitter, number: Any) -> TapedParts:
        """A number with another number of terms; fewer are one, at a record of its own."""
        if not isinstance(number, TapedParts):
            return self.constant(e, number.value)
        parts = recorded(e, number) if number.kind.terms > self.terms else number
        closed = number.kind.wide == self.wide
        terms = [(n if closed else Value(e, unmarked(e.builder, n.ir)), scale) for n, scale in parts.terms]
        return self.padded(e, parts.value, terms, parts.tape)

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
        padded = (*terms, *[nothing] * (self.terms - len(terms)))
        scaled = tuple((node, e.splat(scale, self.draws)) for node, scale in padded)
        return TapedParts(self, e.splat(value, self.draws), scaled, tape)

    def parameter(self, e: Emitter, value: Value, place: Any, theta: Any) -> TapedParts:
        """A parameter, whose adjoint has a place of its own."""
        tape = e.builder.bitcast(theta.tape, TAPE)
        place = e.builder.add(theta.first, e.builder.mul(place, theta.step))
        return TapedParts(self, value, ((Value(e, place), e.value(1.0)),), Value(e, tape))

    def derivatives(
        self, e: Emitter, entry: Rule, operands: Sequence[TapedParts | Value], emit: Callable[[], Derivatives]
    ) -> Derivatives:
        """Where no draw comes in, it is worked out once."""
        numbers = [operand for operand in operands if isinstance(operand, TapedParts)]
        single = all((x.value if isinstance(x, TapedParts) else x).width == 1 for x in operands)
        if self.tile == 1 or not entry.costly or not single or any(part.kind.wide for part in numbers):
            return emit()
        partials: list[Value | float | None] = []
        needed = [isinstance(x, TapedParts) for x in operands]
        pairs = itertools.combinations_with_replacement(needed, 2) if self.order == 2 else ()
        wanted = [*needed, *(a and b for a, b in pairs)]

        def make() -> list[Value]:
            value, firsts, seconds = emit()
            partials.extend(evaluate(p) if w else None for p, w in zip((*firsts, *seconds), wanted, strict=False))
            return [value, *(partial for partial in partials if isinstance(partial, Value))]

        tape = any_tape(e, common_tape(e, [part.tape for part in numbers]), self.tile)
        value, *found = remembered(e, tape, 1 + sum(wanted), make)
        following = iter(found)
        known = tuple(next(following) if isinstance(p, Value) else p for p in partials)
        return value, known[: len(operands)], known[len(operands) :]

    def propagate(
        self,
        e: Emitter,
        value: Value,
        active: Sequence[TapedParts],
        firsts: Sequence[Partial],
        seconds: Callable[[int, int], Partial],
    ) -> TapedParts:
        """The chain rule."""
        weights, bends = [evaluate(first) for first in firsts], self._bends(len(active), seconds)
        wide = value.width > 1 or any(part.kind.wide for part in active)
        if any(bend is not None for bend in bends.values()):
            return _bent(e, self.of(1, wide), value, active, weights, bends)
        terms = [(n, s * w) for part, w in zip(active, weights, strict=True) if w is not None for n, s in part.terms]
        tape = common_tape(e, [part.tape for part in active])
        return self.of(sum(part.kind.terms for part in active), wide).padded(e, value, terms, tape)

    def _bends(self, count: int, seconds: Callable[[int, int], Partial]) -> dict[tuple[int, int], Any]:
        """Second partial derivatives, where they are asked for."""
        pairs = itertools.combinations_with_replacement(range(count), 2)
        return {pair: evaluate(seconds(*pair)) for pair in pairs} if self.order == 2 else {}

    def append(
        self, e: Emitter, value: Value, active: Sequence[TapedParts], firsts: Sequence[Partial], seconds: Any
    ) -> TapedParts:
        """The chain rule for a sum: of two active operands, the terms of the second are appended to the first."""
        if len(active) == 1:
            return recorded(e, self.propagate(e, value, active, firsts, seconds))
        total, other = recorded(e, active[0]), active[1]
        weight = evaluate(firsts[1])
        assert weight is not None, "a sum moves with its terms"
        kind = self.of(1, total.kind.wide or other.kind.wide)
        (node, scale), *_ = total.terms
        place = unmarked(e.builder, node.ir)
        front = place, e.splat(scale, kind.draws)
        terms = [(n.ir, e.splat(s * weight, kind.draws)) for n, s in other.terms]
        is_open = e.builder.icmp_signed("!=", place, node.ir)
        if kind != total.kind:
            is_open = ir.Constant(is_open.type, 0)

        def write(tape: Any) -> Any:
            return e.builder.or_(append(e.builder, tape, front, is_open, terms, self.tile), OPEN)

        return on_tape(e, kind, value, (total.tape, other.tape), write)

    def deposit(self, e: Emitter, value: Value, active: Sequence[TapedParts], firsts: Sequence[Partial]) -> Value:
        """The chain rule for a sum that is the result: nothing need be recorded."""
        terms = self.propagate(e, value, active, firsts, no_second).terms
        found = any_tape(e, common_tape(e, [part.tape for part in active]), self.tile)
        deposit(e.builder, found, [(node.ir, scale) for node, scale in terms], self.tile)
        return value

    def chosen(self, e: Emitter, condition: Value, first: TapedParts, second: TapedParts) -> TapedParts:
        """Draws that choose differently move with both, by a scale of 0 for what they did not choose."""
        if condition.width == 1:
            return first.map(lambda a, b: e.select(condition, a, b), second)
        terms = [(node, e.select(condition, scale, 0.0)) for node, scale in first.terms]
        terms += [(node, e.select(condition, 0.0, scale)) for node, scale in second.terms]
        value, tape = e.select(condition, first.value, second.value), common_tape(e, [first.tape, second.tape])
        return recorded(e, self.of(len(terms)).padded(e, value, terms, tape))

    def unify(self, context: Any, other: types.Type) -> types.Type | None:
        """One term, whatever meets."""
        if isinstance(other, Mask):
            return self.of(1, True) if other.draws == self.tile > 1 else None
        return self.meet(other) if isinstance(other, Active) else self.stored if isinstance(other, REAL) else None

    def can_convert_from(self, context: Any, other: types.Type) -> Any:
        """Any number of terms into any other; a single draw into several."""
        fits = isinstance(other, Active) and self.meet(other) == self.stored
        return Conversion.safe if fits or self._takes(other) else None


def no_second(a: int, b: int) -> None:
    """What is linear has no second derivatives."""


def _is_linear(entry: Entry, count: int) -> bool:
    """Whether an operation, ``count`` of whose arguments are taped, has no second derivatives for sure."""
    name = getattr(entry, "name", "")
    return name in ("add", "subtract", "negative", "positive") or (name == "multiply" and count == 1)


TAPED = Taped()


@register_model(Taped)
class TapedModel(models.StructModel):  # type: ignore[misc]
    """A constant is a value with zero bits behind it, so that cleared memory holds constants."""

    def __init__(self, manager: Any, kind: Taped) -> None:
        super().__init__(manager, kind, kind.members)

    def get_data_type(self) -> Any:
        """Packed, so that vectors need no alignment."""
        return ir.LiteralStructType([m.get_data_type() for m in self._models], packed=True)


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


def unmarked(builder: Any, place: Any) -> Any:
    """A place without the mark of an open sum: the bit below tells the sign, too."""
    return builder.ashr(builder.shl(place, word(2)), word(2))


def common_tape(e: Emitter, tapes: Sequence[Value]) -> Value:
    """The tape of several numbers; null if all are constants."""
    found = in_reach(e.builder)
    if found is not None:
        return Value(e, found)
    tape = tapes[0]
    for other in tapes[1:]:
        tape = Value(e, e.builder.select(is_null(e.builder, tape.ir), other.ir, tape.ir))
    return tape


def any_tape(e: Emitter, tape: Value, draws: int) -> Any:
    """A tape to write on, whatever becomes of it where there is none."""
    if in_reach(e.builder) is not None:
        return tape.ir
    return e.builder.select(is_null(e.builder, tape.ir), nowhere(e.builder, draws), tape.ir)


def recorded(e: Emitter, number: TapedParts) -> TapedParts:
    """The same number with one term."""
    return number if number.kind.terms == 1 else rerecorded(e, number)


def rerecorded(e: Emitter, number: TapedParts) -> TapedParts:
    """The same number at the place of a new record."""
    operands, kind = [(unmarked(e.builder, node.ir), scale) for node, scale in number.terms], number.kind.stored
    return on_tape(e, kind, number.value, [number.tape], lambda tape: record(e.builder, tape, operands, kind.tile))


def _bent(
    e: Emitter, kind: Taped, value: Value, active: Sequence[TapedParts], weights: Sequence[Any], bends: dict[Any, Any]
) -> TapedParts:
    """A number at the place of a new record with second derivatives."""
    scaled = [recorded(e, part).terms[0] for part in active]
    terms = [
        (unmarked(e.builder, node.ir), e.splat(0.0 if w is None else scale * w, kind.draws))
        for (node, scale), w in zip(scaled, weights, strict=True)
    ]
    second = {
        (i, j): e.splat(scaled[i][1] * scaled[j][1] * bend, kind.draws)
        for (i, j), bend in bends.items()
        if bend is not None
    }
    tapes = [part.tape for part in active]
    return on_tape(e, kind, value, tapes, lambda tape: record_bent(e.builder, tape, terms, second, kind.tile))


def on_tape(e: Emitter, kind: Taped, value: Value, tapes: Sequence[Value], write: Callable[[Any], Any]) -> TapedParts:
    """A number at the place of a record that ``write(tape)`` makes; where there is no tape, a constant."""
    tape = common_tape(e, tapes)
    node = write(any_tape(e, tape, kind.tile))
    if in_reach(e.builder) is None:
        node = e.builder.select(is_null(e.builder, tape.ir), word(BIN), node)
    return kind.padded(e, value, [(Value(e, node), e.value(1.0))], tape)
