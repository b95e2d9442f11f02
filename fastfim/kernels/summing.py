"""The third pass over a chunk: sums of scores, of their outer products and of Hessians.

Scores and Hessians lie parameter by parameter, so that every sum is one of a contiguous row, and every entry of the
outer product a dot product of two.
"""

from __future__ import annotations

from typing import Any

from numba import types

from .. import _abi, _jit
from .._arrays import part
from .block import TILE
from .products import ADD_FEW, FEW, add_products, packed


def sum_pass(p: int, weighted: bool) -> Any:
    """Compiled ``f(work, size, order, chunk, m, densities, sums)`` for p parameters, draws with weights or without."""
    offset, add_few = _abi.offset, ADD_FEW.get(p, _jit.nothing)

    def few(work, size, order, chunk, m, densities, sums):  # type: ignore[no-untyped-def]
        sum_chunk(work, size, p, order, chunk, m, densities, sums)
        add_few(offset(work, chunk * (size + 1)), chunk, m, sums)

    def many(work, size, order, chunk, m, densities, sums):  # type: ignore[no-untyped-def]
        sum_chunk(work, size, p, order, chunk, m, densities, sums)
        add_products(offset(work, chunk * (size + 1)), p, chunk, m, offset(sums, p))

    def with_weights(work, size, order, chunk, m, densities, sums):  # type: ignore[no-untyped-def]
        sum_weighted_chunk(work, size, p, order, chunk, m, densities, sums)

    return _jit.inner(with_weights if weighted else few if p <= FEW else many)


@_jit.external(
    types.void(_abi.FLOATS, *[types.int64] * 6, _abi.FLOATS),
    flags=_jit.SUMMING,
)
def sum_chunk(work, size, p, order, chunk, m, densities, sums):  # type: ignore[no-untyped-def]
    """Add m draws to ``sums``: sums and dot products of contiguous rows, in SIMD lanes; look at some densities.

    Products of scores, and sums of those of `FEW` parameters, are left to `fastfim.kernels.products`.
    """
    pairs = p * (p + 1) // 2
    rows = p + (pairs if order == 2 else 0)
    table, last = _abi.offset(work, chunk * (size + 1)), p + order * pairs + 1
    sums[last - 1] += m
    sums[last] += _zero_of_draws(work, size, m) + _zero(work, chunk * size, densities)
    for i in range(p if p > FEW else 0):
        sums[i] += _row_sum(part(table, i * chunk, chunk), m)
    for i in range(p, rows):
        sums[pairs + i] -= _row_sum(part(table, i * chunk, chunk), m)


@_jit.external(
    types.void(_abi.FLOATS, *[types.int64] * 6, _abi.FLOATS),
    flags=_jit.SUMMING,
)
def sum_weighted_chunk(work, size, p, order, chunk, m, densities, sums):  # type: ignore[no-untyped-def]
    """The same for m draws with weights."""
    pairs = p * (p + 1) // 2
    rows = p + (pairs if order == 2 else 0)
    table, last = _abi.offset(work, chunk * (size + 1)), p + order * pairs + 1
    weights, scratch = part(table, rows * chunk, chunk), part(table, (rows + 1) * chunk, chunk)
    sums[last - 1] += _row_sum(weights, m)
    sums[last] += _zero_of_draws(work, size, m) + _zero(work, chunk * size, densities)
    for i in range(p, rows):
        sums[pairs + i] -= _dot(weights, part(table, i * chunk, chunk), m)
    for i in range(p):
        row = part(table, i * chunk, chunk)
        for k in range(m):
            scratch[k] = weights[k] * row[k]
        sums[i] += _row_sum(scratch, m)
        for j in range(i, p):
            sums[p + packed(p, i, j)] += _dot(scratch, part(table, j * chunk, chunk), m)


@_jit.apart_summing
def _dot(a, b, m):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(m):
        total += a[k] * b[k]
    return total


@_jit.apart_summing
def _row_sum(row, m):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(m):
        total += row[k]
    return total


@_jit.inner
def _zero_of_draws(work, size, m):  # type: ignore[no-untyped-def]
    """The same of the first m draws: of whole tiles, and of what the last one holds."""
    whole = m // TILE * TILE * size
    zero = _zero(work, _jit.number(0), whole)
    for place in range(whole, whole + size * TILE if m % TILE else whole, TILE):
        zero += _zero(work, place, m % TILE)
    return zero


@_jit.apart_summing
def _zero(values, first, n):  # type: ignore[no-untyped-def]
    """NaN if one of n values is infinite or NaN, else 0: at one instruction each, a third of what looking takes."""
    zero = 0.0
    for k in range(first, first + n):
        zero += 0.0 * values[k]
    return zero
