# mypy: disable-error-code="untyped-decorator"
"""Rows of adjoints, one number for each draw, for compiled code that is written as loops over them.

``Rows(draws)`` holds intrinsics that see a float64 vector ``rows`` as rows of ``draws`` numbers, each known by the
place of its first::

    adjoint, some, all = of.read(rows, place)       # and whether some, or all, of it is not 0
    of.add(rows, operand, weight, adjoint)          # row += weight * adjoint, where the adjoint is not 0
    of.add_all(rows, operand, weight, adjoint)      # everywhere
    of.combine(...)                                 # rows += matrix @ rows
"""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from fastfim import _jit
from fastfim.autodiff.dual import Lanes
from fastfim.autodiff.emit import DOUBLE, Emitter, Value
from fastfim.autodiff.reverse.tape import row, word

#: Rows of a product that are summed up at once: with as many draws as a tile has, they fill the registers.
TOGETHER = 6


def _data(context: Any, builder: Any, array: Any, value: Any) -> Any:
    return make_array(array)(context, builder, value).data


@intrinsic
def clear(typing_context: Any, rows: Any, start: Any, length: Any) -> Any:
    """Set so many numbers to 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        at = builder.gep(_data(context, builder, sig.args[0], args[0]), [args[1]])
        cgutils.memset(builder, at, builder.mul(args[2], word(8)), 0)
        return context.get_dummy_value()

    return types.none(rows, types.intp, types.intp), generate


class Rows:
    """Intrinsics for rows of ``draws`` numbers."""

    def __init__(self, draws: int) -> None:
        self.draws = draws
        self.read, self.add_row = self._read(), self._add_row()
        self.add, self.add_all = self._add(_where_some), self._add(_everywhere)
        self.combine, self.combine_two, self.combine_several = map(self._combine, (1, 2, TOGETHER))
        self.put_out = self._put_out()

    def _read(self) -> Any:
        draws = self.draws

        @intrinsic
        def read_row(typing_context: Any, rows: Any, place: Any) -> Any:
            """A row, whether it holds anything but 0, and whether it holds no 0."""

            def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                e = Emitter(context, builder)
                at = row(builder, _data(context, builder, sig.args[0], args[0]), args[1], draws)
                found = Value(e, builder.load(at, align=8))
                some = every = (found != 0.0).ir
                if draws > 1:
                    bits = builder.bitcast(some, ir.IntType(draws))
                    some = builder.icmp_unsigned("!=", bits, bits.type(0))
                    every = builder.icmp_unsigned("==", bits, bits.type(-1))
                return context.make_tuple(builder, sig.return_type, [found.ir, some, every])

            return types.Tuple((Lanes(draws), types.boolean, types.boolean))(rows, place), generate

        return read_row

    def _add(self, add_product: Any) -> Any:
        draws = self.draws

        @intrinsic
        def add(typing_context: Any, rows: Any, place: Any, weight: Any, adjoint: Any) -> Any:
            """Add the multiple of an adjoint to a row."""

            def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                e = Emitter(context, builder)
                at = row(builder, _data(context, builder, sig.args[0], args[0]), args[1], draws)
                add_product(e, at, Value(e, args[2]), Value(e, args[3]))
                return context.get_dummy_value()

            return types.none(rows, types.intp, types.float64, adjoint), generate

        return add

    def _add_row(self) -> Any:
        draws = self.draws

        @intrinsic
        def add_row(typing_context: Any, rows: Any, place: Any, weight: Any, adjoint: Any) -> Any:
            """The same with another weight for each draw, a row at ``weight``."""

            def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                e, data = Emitter(context, builder), _data(context, builder, sig.args[0], args[0])
                at, weights = (row(builder, data, place, draws) for place in args[1:3])
                _where_some(e, at, Value(e, builder.load(weights, align=8)), Value(e, args[3]))
                return context.get_dummy_value()

            return types.none(rows, types.intp, types.intp, adjoint), generate

        return add_row

    def _combine(self, count: int) -> Any:
        draws = self.draws

        @intrinsic
        def combine(
            typing_context: Any,
            rows: Any,
            into: Any,
            a: Any,
            across: Any,
            values: Any,
            start: Any,
            n: Any,
            down: Any,
            anew: Any,
        ) -> Any:
            """Add multiples of n rows of ``values`` to ``count`` rows, or to 0 where these are ``anew``.

            ``into`` and ``start`` are pairs: place of the first, and from row to row.  ``a`` is the address of the
            matrix; its entries for the next row to add to are ``across`` bytes further, for the next row of
            ``values``, ``down``.
            """

            def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                e = Emitter(context, builder)
                data, source = (_data(context, builder, sig.args[i], args[i]) for i in (0, 4))
                (first, step), (begin, stride) = (cgutils.unpack_tuple(builder, args[i]) for i in (1, 5))
                sums = [cgutils.alloca_once_value(builder, e.splat(0.0, draws).ir) for _ in range(count)]
                with cgutils.for_range(builder, args[6]) as loop:
                    place = builder.add(begin, builder.mul(loop.index, stride))
                    found = Value(e, builder.load(row(builder, source, place, draws), align=8))
                    entries = builder.add(args[2], builder.mul(loop.index, args[7]))
                    if count == TOGETHER:  # down a column of a large matrix, no processor foresees the way
                        _jit.prefetch(builder, builder.add(entries, builder.mul(word(count + 2), args[3])))
                    for r, cell in enumerate(sums):
                        entry = builder.add(entries, builder.mul(word(r), args[3]))
                        factor = Value(e, builder.load(builder.inttoptr(entry, DOUBLE.as_pointer())))
                        builder.store((Value(e, builder.load(cell)) + found * factor).ir, cell)
                targets = [
                    row(builder, data, builder.add(first, builder.mul(word(r), step)), draws) for r in range(count)
                ]
                with builder.if_else(args[8]) as (storing, adding):
                    with storing:
                        for at, cell in zip(targets, sums, strict=True):
                            builder.store(builder.load(cell), at, align=8)
                    with adding:
                        for at, cell in zip(targets, sums, strict=True):
                            total = Value(e, builder.load(at, align=8)) + Value(e, builder.load(cell))
                            builder.store(total.ir, at, align=8)
                return context.get_dummy_value()

            pair, index = types.UniTuple(types.intp, 2), types.intp
            return types.none(rows, pair, index, index, values, pair, index, index, types.boolean), generate

        return combine

    def _put_out(self) -> Any:
        draws = self.draws

        @intrinsic
        def put_out(typing_context: Any, rows: Any, place: Any, out: Any, index: Any) -> Any:
            """Store a row at ``out + index``, and leave 0."""

            def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                e = Emitter(context, builder)
                at = row(builder, _data(context, builder, sig.args[0], args[0]), args[1], draws)
                builder.store(builder.load(at, align=8), row(builder, args[2], args[3], draws), align=8)
                builder.store(e.splat(0.0, draws).ir, at, align=8)
                return context.get_dummy_value()

            return types.none(rows, types.intp, out, types.intp), generate

        return put_out


@functools.cache
def rows_of(draws: int) -> Rows:
    """The intrinsics for so many draws, made once."""
    return Rows(draws)


def _everywhere(e: Emitter, at: Any, weight: Value, adjoint: Value) -> None:
    """``*at += weight * adjoint``."""
    e.builder.store((Value(e, e.builder.load(at, align=8)) + adjoint * weight).ir, at, align=8)


def _where_some(e: Emitter, at: Any, weight: Value, adjoint: Value) -> None:
    """The same, but where the adjoint is 0: an infinite weight of what was not chosen counts not."""
    before = Value(e, e.builder.load(at, align=8))
    after = before + adjoint * weight
    if adjoint.width > 1:
        after = e.select(adjoint != 0.0, after, before)
    e.builder.store(after.ir, at, align=8)
