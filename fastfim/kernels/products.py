"""Outer products of many scores at once: the sum over draws k of s_i s_j, as a matrix product in blocks.

A dot product of two rows reads two numbers for each multiplication. A block of `ROWS` by `COLUMNS` entries reads
``ROWS + COLUMNS`` for ``ROWS * COLUMNS``, and keeps its sums in registers over all draws of a chunk (Goto and van de
Geijn 2008, "Anatomy of high-performance matrix multiplication", *ACM Trans. Math. Softw.* 34). For the inner loop
`COLUMNS` rows of the chunk are laid out draw by draw, so that a vector holds neighbouring entries of a row of the
result; blocks below the diagonal are left out. No library takes part, and none brings its threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from .. import _abi, _jit
from .._arrays import carray, keep
from ..autodiff.tiles import aligned

ROWS, WIDTH, VECTORS = 4, 8, 2
COLUMNS = WIDTH * VECTORS

_I64, _F64 = ir.IntType(64), ir.DoubleType()
_VECTOR = ir.VectorType(_F64, WIDTH)


def _at(builder: Any, pointer: Any, index: Any) -> Any:
    return builder.bitcast(builder.gep(pointer, [index]), _VECTOR.as_pointer())


def _everywhere(builder: Any, number: Any) -> Any:
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.IntType(32)(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))


def _prefetched(builder: Any, target: Any) -> None:
    """Call a row of the result, `COLUMNS` entries, from memory while its sums are made."""
    for v in range(VECTORS + 1):
        _jit.prefetch(builder, builder.ptrtoint(builder.gep(target, [_I64(v * WIDTH)]), _I64), write=True)


@_jit.intrinsic
def _add_block(typingctx: Any, rows: Any, panel: Any, m: Any, targets: Any) -> Any:
    """``target_r[c] += sum_k row_r[k] panel[k, c]`` for `ROWS` rows of length m."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows, targets = (cgutils.unpack_tuple(builder, args[i]) for i in (0, 3))
        sums = [[cgutils.alloca_once(builder, _VECTOR) for _ in range(VECTORS)] for _ in range(ROWS)]
        for target, cells in zip(targets, sums, strict=True):
            _prefetched(builder, target)
            for cell in cells:
                builder.store(ir.Constant(_VECTOR, [0.0] * WIDTH), cell)
        with cgutils.for_range(builder, args[2]) as loop:
            start = builder.gep(args[1], [builder.mul(loop.index, _I64(COLUMNS))])
            columns = [builder.load(_at(builder, start, _I64(v * WIDTH)), align=8) for v in range(VECTORS)]
            for row, cells in zip(rows, sums, strict=True):
                factor = _everywhere(builder, builder.load(builder.gep(row, [loop.index])))
                for cell, column in zip(cells, columns, strict=True):
                    product = builder.fmul(factor, column, flags=("contract",))
                    builder.store(builder.fadd(builder.load(cell), product, flags=("contract",)), cell)
        for target, cells in zip(targets, sums, strict=True):
            for v, cell in enumerate(cells):
                place = _at(builder, target, _I64(v * WIDTH))
                builder.store(builder.fadd(builder.load(place, align=8), builder.load(cell)), place, align=8)
        return context.get_dummy_value()

    pointers = types.UniTuple(_abi.FLOATS, ROWS)
    return types.none(pointers, _abi.FLOATS, types.int64, pointers), codegen


@_jit.inner
def _row_starts(p, i):  # type: ignore[no-untyped-def]
    """Place of entry (i, 0), were it there, in a packed upper triangle."""
    return i * p - i * (i - 1) // 2 - i


@_jit.inner
def _four(pointer, a, b, c, d):  # type: ignore[no-untyped-def]
    return _abi.offset(pointer, a), _abi.offset(pointer, b), _abi.offset(pointer, c), _abi.offset(pointer, d)


@_jit.external(types.void(_abi.FLOATS, *[types.int64] * 3, _abi.FLOATS))
def add_products(rows_at, p, chunk, m, out_at):  # type: ignore[no-untyped-def]
    """Add the products of p rows of numbers, ``chunk`` apart, over m columns to a packed upper triangle."""
    table, out, last = carray(rows_at, (p, chunk)), carray(out_at, (p * (p + 1) // 2,)), p - 1
    offset = _abi.offset
    memory, edge_memory = np.empty((m + 1) * COLUMNS), np.empty((ROWS + 1) * COLUMNS)
    panel_at, edge_at = aligned(memory), aligned(edge_memory)
    panel, edge = carray(panel_at, (m, COLUMNS)), carray(edge_at, (ROWS, COLUMNS))
    for j in range(0, p, COLUMNS):
        for c in range(COLUMNS):
            row = table[min(j + c, last)]
            for k in range(m):
                panel[k, c] = row[k]
        for i in range(0, min(j + COLUMNS, p), ROWS):
            a, b, c, d = i, min(i + 1, last), min(i + 2, last), min(i + 3, last)
            rows = _four(rows_at, a * chunk, b * chunk, c * chunk, d * chunk)
            if i + ROWS <= j and j + COLUMNS <= p:
                starts = _row_starts(p, a), _row_starts(p, b), _row_starts(p, c), _row_starts(p, d)
                _add_block(rows, panel_at, m, _four(offset(out_at, j), *starts))
            else:
                edge[:, :] = 0.0
                _add_block(rows, panel_at, m, _four(edge_at, 0, COLUMNS, 2 * COLUMNS, 3 * COLUMNS))
                for r in range(i, min(i + ROWS, p)):
                    for q in range(max(j, r), min(j + COLUMNS, p)):
                        out[_row_starts(p, r) + q] += edge[r - i, q - j]
    keep(memory)
    keep(edge_memory)
