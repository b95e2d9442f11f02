# mypy: disable-error-code="untyped-decorator"
"""Taped numbers as a Numba type: a float64 that knows its place on the tape.

A `Taped` number moves by ``scale`` times what moves at the place ``node`` on the tape; parameter j is (theta_j, its own
place, 1), a constant (c, the bin, 0).  An operation with one active operand scales it on; with more it writes a record,
and the result stands at the record's place with scale 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import register_model

from fastfim.autodiff.emit import Emitter, Value
from fastfim.autodiff.number import Active
from fastfim.autodiff.reverse.tape import BIN, TAPE, TapeType, in_reach, is_null, nowhere, record, word
from fastfim.autodiff.rules import Partial, evaluate


class Taped(Active):
    """A float64 whose derivatives are found by reading a tape backwards."""

    extra = (("tape", TapeType(always=True)),)

    def __init__(self) -> None:
        super().__init__("Taped()")

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return 32

    def unpack(self, e: Emitter, number: Any) -> TapedParts:
        """Take an LLVM struct apart."""
        struct = cgutils.create_struct_proxy(self)(e.context, e.builder, number)
        return TapedParts(self, *(Value(e, getattr(struct, name)) for name in ("value", "scale", "node", "tape")))

    def constant(self, e: Emitter, value: Value) -> TapedParts:
        """A number that does not depend on the parameters."""
        return TapedParts(self, value, e.value(0.0), Value(e, word(BIN)), Value(e, ir.Constant(TAPE, None)))

    def parameter(self, e: Emitter, value: Value, place: Any, theta: Any) -> TapedParts:
        """A parameter, whose adjoint has a place of its own."""
        tape = e.builder.bitcast(theta.tape, TAPE)
        return TapedParts(self, value, e.value(1.0), Value(e, place), Value(e, tape))

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
        terms = [(part, part.scale * w) for part, w in zip(active, weights, strict=True) if w is not None]
        if not terms:
            return self.constant(e, value)
        if len(terms) == 1:
            part, scale = terms[0]
            return TapedParts(self, value, scale, part.node, part.tape)
        tape, known = common_tape(e.builder, [part.tape.ir for part, _ in terms])
        target = tape if known else e.builder.select(is_null(e.builder, tape), nowhere(e.builder), tape)
        node = record(e.builder, target, [(part.node.ir, weight) for part, weight in terms])
        if not known:
            node = e.builder.select(is_null(e.builder, tape), word(BIN), node)
        return TapedParts(self, value, e.value(1.0), Value(e, node), Value(e, tape))


TAPED = Taped()


@register_model(Taped)
class TapedModel(models.StructModel):  # type: ignore[misc]
    """A constant is a value with zero bits behind it, so that cleared memory holds constants."""

    def __init__(self, manager: Any, kind: Taped) -> None:
        members = [("value", types.float64), ("scale", types.float64), ("node", types.int64)]
        super().__init__(manager, kind, [*members, ("tape", TapeType(always=False))])


@dataclass(frozen=True)
class TapedParts:
    """A taped number taken apart while compiling."""

    kind: Taped
    value: Value
    scale: Value
    node: Value
    tape: Value

    def map(self, function: Callable[..., Value], *others: TapedParts) -> TapedParts:
        """Apply ``function`` to all parts of this and of ``others`` alike."""
        names = ("value", "scale", "node", "tape")
        return TapedParts(self.kind, *(function(*(getattr(p, name) for p in (self, *others))) for name in names))

    def pack(self, e: Emitter) -> Any:
        """Put the LLVM struct together again."""
        struct = cgutils.create_struct_proxy(self.kind)(e.context, e.builder)
        for name in ("value", "scale", "node", "tape"):
            setattr(struct, name, getattr(self, name).ir)
        return struct._getvalue()


def common_tape(builder: Any, tapes: Sequence[Any]) -> tuple[Any, bool]:
    """The tape of several numbers, and whether it is certain that it is not null (then none of them is asked)."""
    found = in_reach(builder)
    if found is not None:
        return found, True
    tape = tapes[0]
    for other in tapes[1:]:
        tape = builder.select(is_null(builder, tape), other, tape)
    return tape, False
