"""Sums of scores, and of their outer products: the sum over draws k of s_i s_j, in registers over all draws of a chunk.

All sums of up to `FEW` parameters have room there, and each score is read once. Of more, products are made in square
blocks of entries: a dot product of two rows reads two numbers for each multiplication, a block of `SIDE` rows against
`SIDE` others ``2 SIDE`` for ``SIDE * SIDE`` (Goto and van de Geijn 2008, "Anatomy of high-performance matrix
multiplication", *ACM Trans. Math. Softw.* 34); blocks below the diagonal are left out. Every sum is one of `LANES`. At
the end the lanes of several are added together, as one would add the columns of a small matrix: pairs of sums share
each instruction. No library takes part, and none brings its threads.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from .. import _abi, _jit
from .._arrays import carray

SIDE, LANES = 4, 8

#: So many parameters at most have all their sums, 6 + 21, in the 32 vector registers there are.
FEW = 6

_I64 = ir.IntType(64)
_CONTRACT = ("contract",)
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


def _shuffled(builder: Any, x: Any, y: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))


def _totals(builder: Any, sums: list[Any]) -> Any:
    """The vector of the totals of vectors, whose number is a power of two up to `LANES`."""
    count, width = len(sums), 1
    while len(sums) > 1:  # a pair becomes one: ``width`` lanes of the first, of the second, and so on in turn
        low = [at + own + k for at in range(0, LANES, 2 * width) for own in (0, LANES) for k in range(width)]
        high = [lane + width for lane in low]
        pairs = zip(sums[::2], sums[1::2], strict=True)
        sums = [builder.fadd(_shuffled(builder, x, y, low), _shuffled(builder, x, y, high)) for x, y in pairs]
        width *= 2
    total, width = sums[0], LANES
    while width > count:
        width //= 2
        halves = (list(range(at, at + width)) for at in (0, width))
        total = builder.fadd(*(_shuffled(builder, total, total, half) for half in halves))
    return total


def few_adder(p: int) -> Any:
    """Compiled ``f(rows, chunk, m, out)``: add sums of p <= `FEW` rows over m columns, and of products, packed.

    Rows are as those of `add_products`.
    """
    pairs = [(i, j) for i in range(p) for j in range(i, p)]

    @_jit.intrinsic
    def add_all(typing_context: Any, rows: Any, chunk: Any, m: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            rows, chunk, m, out = args
            zeros = ir.Constant(_VECTOR, [0.0] * LANES)
            cells = [cgutils.alloca_once_value(builder, zeros) for _ in range(p + len(pairs))]
            with cgutils.for_range(builder, builder.udiv(m, _I64(LANES))) as loop:
                start = builder.mul(loop.index, _I64(LANES))
                places = [builder.gep(rows, [builder.add(start, builder.mul(chunk, _I64(i)))]) for i in range(p)]
                x = [_loaded(builder, place, _VECTOR)[1] for place in places]
                products = [builder.fmul(x[i], x[j], flags=_CONTRACT) for i, j in pairs]
                for cell, term in zip(cells, [*x, *products], strict=True):
                    builder.store(builder.fadd(builder.load(cell), term, flags=_CONTRACT), cell)
            done, left = 0, [builder.load(cell) for cell in cells]
            for count in (8, 4, 2, 1):
                while len(left) >= count:
                    totals, left = _totals(builder, left[:count]), left[count:]
                    place, before = _loaded(builder, builder.gep(out, [_I64(done)]), totals.type)
                    builder.store(builder.fadd(before, totals), place, align=8)
                    done += count
            return context.get_dummy_value()

        return types.none(_abi.FLOATS, types.int64, types.int64, _abi.FLOATS), generate

    @_jit.external(types.void(_abi.FLOATS, types.int64, types.int64, _abi.FLOATS), suffix=f"_{p}")
    def add_few(rows_at, chunk, m, out_at):  # type: ignore[no-untyped-def]
        add_all(rows_at, chunk, _completed(rows_at, p, chunk, m), out_at)

    return add_few


@_jit.inner
def _completed(rows_at, p, chunk, m):  # type: ignore[no-untyped-def]
    """A multiple of `LANES`, up to which all rows are zero from m on."""
    whole = -(-m // LANES) * LANES
    for i in range(p if whole > m else 0):
        row = carray(_abi.offset(rows_at, i * chunk), (whole,))
        row[m:] = 0.0
    return whole


#: For each number of parameters.
ADD_FEW = {p: few_adder(p) for p in range(1, FEW + 1)}


@_jit.intrinsic
def _add_block(typingctx: Any, rows: Any, columns: Any, m: Any, targets: Any, j: Any, firsts: Any) -> Any:
    """``target_r[c] += sum_k row_r[k] column_c[k]`` for `SIDE` rows and columns, those c with ``j + c >= first_r``.

    Their length m is a multiple of `LANES`.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows, columns, targets, firsts = (cgutils.unpack_tuple(builder, args[i]) for i in (0, 1, 3, 5))
        zeros = ir.Constant(_VECTOR, [0.0] * LANES)
        sums = [[cgutils.alloca_once_value(builder, zeros) for _ in columns] for _ in rows]
        with cgutils.for_range(builder, builder.udiv(args[2], _I64(LANES))) as loop:
            start = builder.mul(loop.index, _I64(LANES))
            x, y = ([_loaded(builder, builder.gep(p, [start]), _VECTOR)[1] for p in ps] for ps in (rows, columns))
            for factor, cells in zip(x, sums, strict=True):
                for column, cell in zip(y, cells, strict=True):
                    product = builder.fmul(factor, column, flags=_CONTRACT)
                    builder.store(builder.fadd(builder.load(cell), product, flags=_CONTRACT), cell)
        for target, first, cells in zip(targets, firsts, sums, strict=True):
            totals = _from(
                builder, builder.sub(first, args[4]), _totals(builder, [builder.load(cell) for cell in cells])
            )
            place, before = _loaded(builder, target, totals.type)
            builder.store(builder.fadd(before, totals), place, align=8)
        return context.get_dummy_value()

    pointers, numbers = types.UniTuple(_abi.FLOATS, SIDE), types.UniTuple(types.int64, SIDE)
    return types.none(pointers, pointers, types.int64, pointers, types.int64, numbers), codegen


def _loaded(builder: Any, pointer: Any, kind: Any) -> tuple[Any, Any]:
    """A place as one of vectors, and the vector there."""
    place = builder.bitcast(pointer, kind.as_pointer())
    return place, builder.load(place, align=8)


def _from(builder: Any, first: Any, totals: Any) -> Any:
    """Zero in the lanes before ``first``."""
    lanes = ir.VectorType(_I64, SIDE)
    one = builder.insert_element(ir.Constant(lanes, ir.Undefined), first, _I64(0))
    counts = builder.icmp_signed("<=", _shuffled(builder, one, one, [0] * SIDE), ir.Constant(lanes, list(range(SIDE))))
    return builder.select(counts, totals, ir.Constant(totals.type, [0.0] * SIDE))


@_jit.inner
def _rows(pointer, i, stride):  # type: ignore[no-untyped-def]
    at = _abi.offset(pointer, i * stride)
    return at, _abi.offset(at, stride), _abi.offset(at, 2 * stride), _abi.offset(at, 3 * stride)


@_jit.inner
def packed(p, i, j):  # type: ignore[no-untyped-def]
    """Place of entry (i, j), i <= j, in a packed upper triangle; of others, where it would be in its row."""
    return i * p - i * (i - 1) // 2 + j - i


@_jit.inner
def _target(pointer, p, i, j):  # type: ignore[no-untyped-def]
    return _abi.offset(pointer, packed(p, i, j))


@_jit.inner
def _first(r, row, column):  # type: ignore[no-untyped-def]
    """First column that row r takes, where blocks begin at ``row`` and ``column``: what lies before them is done."""
    return max(column, r) if r >= row else column + SIDE


@_jit.external(types.void(_abi.FLOATS, *[types.int64] * 3, _abi.FLOATS))
def add_products(rows_at, p, chunk, m, out_at):  # type: ignore[no-untyped-def]
    """Add the products of p >= `SIDE` rows of numbers, ``chunk`` apart, over m columns to a packed upper triangle.

    Rows have room for a multiple of `LANES`, which is cleared. The last blocks begin where they end with the last row
    or column, and take what is not done.
    """
    last, whole = p - SIDE, _completed(rows_at, p, chunk, m)
    for row in range(0, p, SIDE):
        a = min(row, last)
        b, c, d = a + 1, a + 2, a + 3
        rows = _rows(rows_at, a, chunk)
        for column in range(row, p, SIDE):
            j = min(column, last)
            to = _target(out_at, p, a, j), _target(out_at, p, b, j), _target(out_at, p, c, j), _target(out_at, p, d, j)
            firsts = _first(a, row, column), _first(b, row, column), _first(c, row, column), _first(d, row, column)
            _add_block(rows, _rows(rows_at, j, chunk), whole, to, j, firsts)
