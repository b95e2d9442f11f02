"""The third pass over a chunk: sums of scores, of their outer products and of Hessians.

Scores and Hessians lie parameter by parameter, so that every sum is one of a contiguous row, and every entry of the
outer product a dot product of two.
"""

from __future__ import annotations

from typing import Any

from numba import types

from .. import _abi, _jit
from .._arrays import carray, part
from .block import MANY, TILE
from .products import add_products


def sum_pass(p: int, weighted: bool) -> Any:
    """Compiled ``f(work, size, order, chunk, m, densities, sums)`` for p parameters, draws with weights or without."""
    offset = _abi.offset

    def few(work, size, order, chunk, m, densities, sums):  # type: ignore[no-untyped-def]
        sum_chunk(work, size, p, order, chunk, m, densities, sums)

    def many(work, size, order, chunk, m, densities, sums):  # type: ignore[no-untyped-def]
        sum_chunk(work, size, p, order, chunk, m, densities, sums)
        add_products(offset(work, chunk * (size + 1)), p, chunk, m, offset(sums, p))

    def with_weights(work, size, order, chunk, m, densities, sums):  # type: ignore[no-untyped-def]
        sum_weighted_chunk(work, size, p, order, chunk, m, densities, sums)

    return _jit.inner(with_weights if weighted else many if p > MANY else few)


@_jit.external(
    types.void(_abi.FLOATS, *[types.int64] * 6, _abi.FLOATS),
    flags=_jit.SUMMING,
)
def sum_chunk(work, size, p, order, chunk, m, densities, sums):  # type: ignore[no-untyped-def]
    """Add m draws to ``sums``: sums and dot products of contiguous rows, in SIMD lanes; look at some densities.

    Products of more than `MANY` rows are left to `fastfim.kernels.products`.
    """
    pairs = p * (p + 1) // 2
    rows = p + (pairs if order == 2 else 0)
    table, last = _abi.offset(work, chunk * (size + 1)), p + order * pairs + 1
    sums[last - 1] += m
    sums[last] += _nonfinite_draws(work, size, m) + _count_nonfinite(work, chunk * size, densities)
    for i in range(p):
        sums[i] += _row_sum(part(table, i * chunk, chunk), m)
    for i in range(p, rows):
        sums[pairs + i] -= _row_sum(part(table, i * chunk, chunk), m)
    if p <= MANY:
        _add_pairs(carray(table, (p, chunk)), p, m, part(sums, 0, last))


@_jit.apart_summing
def _add_pairs(table, p, m, out):  # type: ignore[no-untyped-def]
    """Add dot products of rows, two rows against two others at a time; an odd row out meets itself.

    Half the loads: 1.6 times faster at p = 20.
    """
    for i in range(0, p, 2):
        a, b = table[i], table[min(i + 1, p - 1)]
        at, below = p + _packed(p, i, i), p + _packed(p, i + 1, i + 1)
        for j in range(i, p, 2):
            c, d = table[j], table[min(j + 1, p - 1)]
            ac, ad, bc, bd = 0.0, 0.0, 0.0, 0.0
            for k in range(m):
                ac += a[k] * c[k]
                ad += a[k] * d[k]
                bc += b[k] * c[k]
                bd += b[k] * d[k]
            out[at + j - i] += ac
            if j + 1 < p:
                out[at + j + 1 - i] += ad
            if i + 1 < p and j > i:
                out[below + j - i - 1] += bc
            if i + 1 < p and j + 1 < p:
                out[below + j - i] += bd


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
    sums[last] += _nonfinite_draws(work, size, m) + _count_nonfinite(work, chunk * size, densities)
    for i in range(p, rows):
        sums[pairs + i] -= _dot(weights, part(table, i * chunk, chunk), m)
    for i in range(p):
        row = part(table, i * chunk, chunk)
        for k in range(m):
            scratch[k] = weights[k] * row[k]
        sums[i] += _row_sum(scratch, m)
        for j in range(i, p):
            sums[p + _packed(p, i, j)] += _dot(scratch, part(table, j * chunk, chunk), m)


@_jit.apart_summing
def _dot(a, b, m):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(m):
        total += a[k] * b[k]
    return total


@_jit.inner
def _packed(p, i, j):  # type: ignore[no-untyped-def]
    """Place of entry (i, j), i <= j, in a packed upper triangle."""
    return i * p - i * (i - 1) // 2 + j - i


@_jit.apart_summing
def _row_sum(row, m):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(m):
        total += row[k]
    return total


@_jit.inner
def _nonfinite_draws(work, size, m):  # type: ignore[no-untyped-def]
    """How many numbers of the first m draws: of whole tiles, and of what the last one holds."""
    whole = m // TILE * TILE * size
    count = _count_nonfinite(work, _jit.number(0), whole)
    for place in range(whole, whole + size * TILE if m % TILE else whole, TILE):
        count += _count_nonfinite(work, place, m % TILE)
    return count


@_jit.inner
def _count_nonfinite(values, first, n):  # type: ignore[no-untyped-def]
    """How many of n values are infinite or NaN: exponent bits all set, so no arithmetic flag can hide one."""
    bits = _jit.as_int64(part(values, first, n))
    count = 0
    for k in range(n):
        count += (bits[k] >> 52) & 0x7FF == 0x7FF
    return count
