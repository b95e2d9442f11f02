# mypy: disable-error-code="untyped-decorator"
"""Numbers that write a tape of second order: a float64 that knows how it moves, and bends, with one node of the tape.

A node is a parameter, or what an operation made of two others.  A number z is known as a function of one node n,

    dz = slope dn + curvature dn^2 / 2,

so that a function of one number notes nothing: f(z) has the slope f' slope and the curvature f' curvature +
f'' slope^2.  An operation on functions of two nodes, m and n, makes a new node q and a *row* of the tape,

    dq = w_m dm + w_n dn + (h_mm dm^2 + 2 h_mn dm dn + h_nn dn^2) / 2;

one on more operands is the sum of such forms in their pairs.  Node 0, the bin, is that of constants, the parameters
follow.  Source: Griewank and Walther, *Evaluating Derivatives* (2008), chapters 4 and 5.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from fastfim.autodiff.emit import DOUBLE, INDEX, Emitter, Value
from fastfim.autodiff.number import Active
from fastfim.autodiff.rules import Partial, evaluate
from fastfim.autodiff.theta import Theta, index_constant, local_copy

#: Words of a row: nodes m and n, w_m, w_n, h_mm, h_mn, h_nn, and room for the adjoint.
ROW = 8
#: Directions that are followed at once: two registers of AVX-512 (one: up to 1.5 times slower).
TOGETHER = 16
#: Words of a node: its row, and for each direction how the node moves, and how its adjoint does.
NODE_WORDS = ROW + 2 * TOGETHER

#: The node of constants.
BIN = 0
#: Of a tape: nodes so far, nodes that there is room for, memory.
HEADER = ir.LiteralStructType([INDEX, INDEX, DOUBLE.as_pointer()])
CURSOR, LIMIT, MEMORY = range(3)

#: First and second derivative of a number along its node.
Bend: TypeAlias = tuple[Value, Value]


class Rows(types.Type):  # type: ignore[misc]
    """Address of a tape's header; null in constants."""

    def __init__(self) -> None:
        super().__init__("Rows")


@register_model(Rows)
class RowsModel(models.PrimitiveModel):  # type: ignore[misc]
    """A pointer."""

    def __init__(self, manager: Any, kind: Rows) -> None:
        super().__init__(manager, kind, HEADER.as_pointer())


class Quadratic(Active):
    """A float64 whose first and second derivatives are found by reading a tape of rows."""

    extra = (("tape", Rows()),)
    order = 2

    def __init__(self) -> None:
        super().__init__("Taped(order=2)")

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return 8 * len(MEMBERS)

    def unpack(self, e: Emitter, number: Any) -> QuadraticParts:
        """Take an LLVM struct apart."""
        struct = cgutils.create_struct_proxy(self)(e.context, e.builder, number)
        return QuadraticParts(*(Value(e, getattr(struct, name)) for name, _ in MEMBERS))

    def constant(self, e: Emitter, value: Value) -> QuadraticParts:
        """A number that does not depend on the parameters."""
        nowhere = Value(e, ir.Constant(HEADER.as_pointer(), None))
        return QuadraticParts(value, Value(e, index_constant(BIN)), e.value(0.0), e.value(0.0), nowhere)

    def parameter(self, e: Emitter, value: Value, place: Any, theta: Any) -> QuadraticParts:
        """A parameter is a node."""
        return QuadraticParts(value, Value(e, place), e.value(1.0), e.value(0.0), Value(e, theta.tape))

    def propagate(
        self,
        e: Emitter,
        value: Value,
        active: Sequence[QuadraticParts],
        firsts: Sequence[Partial],
        seconds: Callable[[int, int], Partial],
    ) -> QuadraticParts:
        """The chain rule."""
        bends = [_chain(e, evaluate(f), evaluate(seconds(i, i)), active[i]) for i, f in enumerate(firsts)]
        if len(active) == 1:
            return QuadraticParts(value, active[0].node, *bends[0], active[0].tape)
        zero, one = (e.value(0.0), e.value(0.0)), (e.value(1.0), e.value(0.0))
        tape = functools.reduce(functools.partial(_either, e), [part.tape for part in active])
        forms = []
        for i, j in itertools.combinations(range(len(active)), 2):
            mixed = _times(e, evaluate(seconds(i, j)), active[i].slope * active[j].slope)
            alone = bends[i] if j == 1 else zero, bends[j] if i == 0 else zero  # of each operand once
            forms.append(write(e, tape, (active[i].node, active[j].node), alone, mixed))
        node = functools.reduce(lambda m, n: write(e, tape, (m, n), (one, one), e.value(0.0)), forms)
        return QuadraticParts(value, node, *one, tape)


QUADRATIC = Quadratic()
MEMBERS = [
    ("value", types.float64),
    ("node", types.int64),
    ("slope", types.float64),
    ("curvature", types.float64),
    ("tape", Rows()),
]


@register_model(Quadratic)
class QuadraticModel(models.StructModel):  # type: ignore[misc]
    """A constant is a value with zero bits behind it, so that cleared memory holds constants."""

    def __init__(self, manager: Any, kind: Quadratic) -> None:
        super().__init__(manager, kind, MEMBERS)


@dataclass(frozen=True)
class QuadraticParts:
    """A number taken apart while compiling, in the order of `MEMBERS`."""

    value: Value
    node: Value
    slope: Value
    curvature: Value
    tape: Value

    @property
    def kind(self) -> Quadratic:
        """Its type."""
        return QUADRATIC

    @property
    def fields(self) -> tuple[Value, ...]:
        """All parts."""
        return self.value, self.node, self.slope, self.curvature, self.tape

    def map(self, function: Callable[..., Value], *others: QuadraticParts) -> QuadraticParts:
        """Apply ``function`` to all parts of this and of ``others`` alike."""
        return QuadraticParts(*map(function, self.fields, *(other.fields for other in others)))

    def pack(self, e: Emitter) -> Any:
        """Put the LLVM struct together again."""
        struct = cgutils.create_struct_proxy(self.kind)(e.context, e.builder)
        for (name, _), part in zip(MEMBERS, self.fields, strict=True):
            setattr(struct, name, part.ir)
        return struct._getvalue()


def _times(e: Emitter, coefficient: Value | float | None, x: Value) -> Value:
    return e.value(0.0) if coefficient is None else x * coefficient


def _chain(e: Emitter, first: Value | float | None, second: Value | float | None, number: QuadraticParts) -> Bend:
    """Derivatives of a function of a number along the number's node."""
    bend = _times(e, first, number.curvature)
    if second is not None:
        bend = bend + _times(e, second, number.slope * number.slope)
    return _times(e, first, number.slope), bend


# ---------------------------------------------------------------- writing


def _is_null(e: Emitter, tape: Value) -> Any:
    return e.builder.icmp_unsigned("==", tape.ir, ir.Constant(HEADER.as_pointer(), None))


def _either(e: Emitter, tape: Value, other: Value) -> Value:
    """The tape of two numbers, of which one may be a constant."""
    return Value(e, e.builder.select(_is_null(e, tape), other.ir, tape.ir))


def _field(builder: Any, tape: Any, which: int) -> Any:
    """Address of a member of the header."""
    return builder.gep(tape, [ir.Constant(ir.IntType(32), i) for i in (0, which)], inbounds=True)


def write(e: Emitter, tape: Value, nodes: tuple[Value, Value], alone: tuple[Bend, Bend], mixed: Value) -> Value:
    """Write a row; its node.  Constants have none, and what does not fit is counted, and written behind the limit."""
    builder, before = e.builder, e.builder.block
    (first, second), (other_first, other_second) = alone
    with builder.if_then(builder.not_(_is_null(e, tape)), likely=True):
        cursor, limit, memory = (builder.load(_field(builder, tape.ir, which)) for which in (CURSOR, LIMIT, MEMORY))
        builder.store(builder.add(cursor, index_constant(1)), _field(builder, tape.ir, CURSOR))
        node = builder.select(builder.icmp_unsigned("<", cursor, limit), cursor, limit)
        row = builder.gep(memory, [builder.mul(node, index_constant(NODE_WORDS))], inbounds=True)
        for i, content in enumerate((*nodes, first, other_first, second, mixed, other_second)):
            word = builder.gep(row, [index_constant(i)], inbounds=True)
            builder.store(content.ir, builder.bitcast(word, content.ir.type.as_pointer()))
        within = builder.block
    found = builder.phi(INDEX)
    found.add_incoming(node, within)
    found.add_incoming(index_constant(BIN), before)
    return Value(e, found)


# ---------------------------------------------------------------- the engine's side


@functools.cache
def recorder(p: int) -> Any:
    """A compiled function ``f(theta_pointer, memory) -> Theta`` that opens a tape for ``p`` parameters.

    ``memory`` has `NODE_WORDS` columns, and a row for each node and one to spare; its content is of no interest.
    The `Theta` holds a private copy of the parameters, and the header, on the stack of the caller.
    """
    theta_type = Theta(QUADRATIC, p)

    @intrinsic
    def open_tape(typing_context: Any, theta: Any, memory: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            array = context.make_array(sig.args[1])(context, builder, args[1])
            header = cgutils.alloca_once(builder, HEADER)
            limit = builder.sub(builder.extract_value(array.shape, 0), index_constant(1))
            for which, content in ((CURSOR, index_constant(p + 1)), (LIMIT, limit), (MEMORY, array.data)):
                builder.store(content, _field(builder, header, which))
            copy = local_copy(context, builder, theta_type, args[0], index_constant(-1), p)
            opened = cgutils.create_struct_proxy(theta_type)(context, builder, copy)
            opened.tape = header
            return opened._getvalue()

        return theta_type(theta, memory), generate

    return open_tape


def _header_of(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0]).tape


@intrinsic
def end(typing_context: Any, theta: Any) -> Any:
    """How many nodes the tape of a `Theta` has, or would have."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_field(builder, _header_of(context, builder, sig, args), CURSOR))

    return types.intp(theta), generate


@intrinsic
def room(typing_context: Any, theta: Any) -> Any:
    """Whether all nodes have found room."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        header = _header_of(context, builder, sig, args)
        cursor, limit = (builder.load(_field(builder, header, which)) for which in (CURSOR, LIMIT))
        return builder.icmp_signed("<=", cursor, limit)

    return types.boolean(theta), generate


@intrinsic
def rewind(typing_context: Any, theta: Any, place: Any) -> Any:
    """Go on writing the tape of a `Theta` at node ``place``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], _field(builder, _header_of(context, builder, sig, args), CURSOR))
        return context.get_dummy_value()

    return types.none(theta, types.intp), generate
