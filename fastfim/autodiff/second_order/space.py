# mypy: disable-error-code="untyped-decorator"
"""The memory of a sweep that pushes edges (see `edges`): rows of draws, and a graph whose vertices come and go.

Vertices are numbers of a tape, known by the index of the row that their adjoint is; while they have edges, they have
*slots*.  The edge of slots i >= j is row i (i + 1) / 2 + j of ``edges``.  All is reached by bare pointers: arrays would
be counted wherever they are handed on, which takes longer than what is done with them.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from fastfim import _jit
from fastfim.autodiff.dual import Lanes
from fastfim.autodiff.emit import DOUBLE, INDEX, Emitter, Value
from fastfim.autodiff.reverse.tape import row

#: Slots beside those of the parameters: a tape that needs more has many numbers that all depend on each other.
SPARE_SLOTS = 192
#: Slots of numbers: not given yet, and of what no derivative is wanted in.
NONE, NEVER = -1, -2

FLOATS, INTEGERS = types.CPointer(types.float64), types.CPointer(types.int64)


# ---------------------------------------------------------------- rows of draws


@intrinsic
def floats_of(typing_context: Any, array: Any) -> Any:
    """Where an array lies."""
    return FLOATS(array), lambda context, builder, sig, args: make_array(array)(context, builder, args[0]).data


def _moved_to(target: Any, content: Any) -> Any:
    @intrinsic
    def moved(typing_context: Any, pointer: Any, words: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.bitcast(builder.gep(args[0], [args[1]]), content.as_pointer())

        return target(pointer, types.intp), generate

    return moved


#: What lies so many words further on.
floats_at, integers_at = _moved_to(FLOATS, DOUBLE), _moved_to(INTEGERS, INDEX)


class RowsAt:
    """Intrinsics for rows of ``draws`` numbers at a pointer."""

    def __init__(self, draws: int) -> None:
        self.draws = draws
        self.read, self.put, self.spread = self._read(), self._put(), self._spread()
        self.add, self.begin = self._add(fresh=False), self._add(fresh=True)

    def _read(self) -> Any:
        draws = self.draws

        @intrinsic
        def read(typing_context: Any, rows: Any, place: Any) -> Any:
            """A row."""

            def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                return builder.load(row(builder, args[0], args[1], draws), align=8)

            return Lanes(draws)(FLOATS, types.intp), generate

        return read

    def _put(self) -> Any:
        draws = self.draws

        @intrinsic
        def put(typing_context: Any, rows: Any, place: Any, found: Any) -> Any:
            """Store a row."""

            def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                builder.store(args[2], row(builder, args[0], args[1], draws), align=8)
                return context.get_dummy_value()

            return types.none(FLOATS, types.intp, found), generate

        return put

    def _spread(self) -> Any:
        draws = self.draws

        @intrinsic
        def spread(typing_context: Any, number: Any) -> Any:
            """The same number for all draws."""

            def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                e = Emitter(context, builder)
                return e.splat(Value(e, args[0]), draws).ir

            return Lanes(draws)(types.float64), generate

        return spread

    def _add(self, fresh: bool) -> Any:
        draws = self.draws

        @intrinsic
        def add(typing_context: Any, rows: Any, place: Any, x: Any, w: Any) -> Any:
            """Add ``x w`` to a row, or (``fresh``) begin it so, but for draws whose x is 0."""

            def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                e, at = Emitter(context, builder), row(builder, args[0], args[1], draws)
                x, w = (Value(e, arg) for arg in args[2:])
                if fresh:
                    after = masked_product(e, x, w)
                else:
                    before = Value(e, builder.load(at, align=8))
                    after = e.select(x != 0.0, before + x * w, before)
                builder.store(after.ir, at, align=8)
                return context.get_dummy_value()

            return types.none(FLOATS, types.intp, x, w), generate

        return add


@functools.cache
def rows_at(draws: int) -> RowsAt:
    """The intrinsics for so many draws, made once."""
    return RowsAt(draws)


def masked_product(e: Emitter, x: Value, w: Value) -> Value:
    """``x w``, and 0 where x is 0: an infinite weight of what was not chosen counts not."""
    return e.select(x != 0.0, x * w, 0.0)


@intrinsic
def times(typing_context: Any, x: Any, w: Any) -> Any:
    """`masked_product` of two rows."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e = Emitter(context, builder)
        return masked_product(e, Value(e, args[0]), Value(e, args[1])).ir

    return x(x, w), generate


@intrinsic
def plus(typing_context: Any, total: Any, x: Any, w: Any) -> Any:
    """``total + x w``, but for draws whose x is 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e = Emitter(context, builder)
        before, x, w = (Value(e, arg) for arg in args)
        return e.select(x != 0.0, before + x * w, before).ir

    return total(total, x, w), generate


@intrinsic
def first_of(typing_context: Any, x: Any) -> Any:
    """The number of the first draw."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e = Emitter(context, builder)
        return e.lane(Value(e, args[0]), 0).ir

    return types.float64(x), generate


@intrinsic
def any_of(typing_context: Any, x: Any) -> Any:
    """Whether a row holds anything but 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e = Emitter(context, builder)
        found = (Value(e, args[0]) != 0.0).ir
        if x.width == 1:
            return found
        bits = builder.bitcast(found, ir.IntType(x.width))
        return builder.icmp_unsigned("!=", bits, bits.type(0))

    return types.boolean(x), generate


# ---------------------------------------------------------------- vertices and edges


class Space(NamedTuple):
    """Memory of a sweep.

    Attributes
    ----------
    edges
        Rows of second derivatives.
    links
        Which of them are there: 1 or 0.
    degrees
        For every slot, how many others it has edges with.
    free
        How many slots have been given, how many of these are free again, and which.
    slots
        For every row of the tape, if it is the adjoint of a number, its slot.
    scratch
        A row of a matrix, and the places of as many numbers.
    most
        How many slots there can be.
    """

    edges: Any
    links: Any
    degrees: Any
    free: Any
    slots: Any
    scratch: Any
    most: Any


@_jit.inner
def words_of(draws: Any, rows: Any, p: Any) -> Any:
    """Words of memory for reading tapes of so many draws, and words of rows, with derivatives in p parameters."""
    most = p + SPARE_SLOTS
    return most * (most + 1) // 2 * (draws + 1) + 4 * most + 2 + rows // draws + 1


@_jit.inner
def space_at(memory: Any, draws: Any, p: Any) -> Any:
    """So many words at a pointer, set out."""
    most = p + SPARE_SLOTS
    count = most * (most + 1) // 2
    links = count * draws
    degrees, scratch = links + count, links + count + 2 * most + 2
    return Space(
        memory,
        integers_at(memory, links),
        integers_at(memory, degrees),
        integers_at(memory, degrees + most),
        integers_at(memory, scratch + 2 * most),
        floats_at(memory, scratch),
        most,
    )


@_jit.inner
def edge_of(i: Any, j: Any) -> Any:
    """Which row the edge between two slots is."""
    high, low = max(i, j), min(i, j)
    return ((high * (high + 1)) >> 1) + low


@_jit.inner
def clear_slot(space: Any, slot: Any) -> None:
    """A slot that has never been given has no edges with those before it."""
    first = edge_of(slot, 0)
    for j in range(slot + 1):
        space.links[first + j] = 0
    space.degrees[slot] = 0


@_jit.inner
def give_slot(space: Any, number: Any) -> Any:
    """Make sure that a number has a slot; whether there is one."""
    slots, free = space.slots, space.free
    if slots[number] != NONE:
        return True
    if free[1] > 0:
        slots[number] = free[1 + free[1]]
        free[1] -= 1
        return True
    if free[0] == space.most:
        return False
    clear_slot(space, free[0])
    slots[number] = free[0]
    free[0] += 1
    return True


@_jit.inner
def take_slot(space: Any, number: Any) -> None:
    """A number without edges needs no slot."""
    slots, free = space.slots, space.free
    free[1] += 1
    free[1 + free[1]] = slots[number]
    slots[number] = NONE


@_jit.inner
def unlink(space: Any, i: Any, j: Any) -> Any:
    """Take the edge of two slots away, if there is one; its row, or -1."""
    edge = edge_of(i, j)
    if not space.links[edge]:
        return -1
    space.links[edge] = 0
    if i != j:
        space.degrees[i] -= 1
        space.degrees[j] -= 1
    return edge


@functools.cache
def joiner(draws: int) -> Any:
    """A compiled function ``f(space, i, j, x, w)`` that adds ``x w`` to the edge of two slots."""
    add, begin = rows_at(draws).add, rows_at(draws).begin

    @_jit.inner
    def join(space: Any, i: Any, j: Any, x: Any, w: Any) -> None:
        edge = edge_of(i, j)
        if space.links[edge]:
            add(space.edges, edge * draws, x, w)
        else:
            space.links[edge] = 1
            if i != j:
                space.degrees[i] += 1
                space.degrees[j] += 1
            begin(space.edges, edge * draws, x, w)

    return join
