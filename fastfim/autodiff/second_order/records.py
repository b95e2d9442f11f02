"""Records of a tape of `fastfim.autodiff.reverse`, as those see them that read it to second order."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from fastfim import _jit
from fastfim.autodiff.reverse.tape import BENT, BITS, WIDE
from fastfim.autodiff.second_order.space import rows_at


class Record(NamedTuple):
    """A record of n operands: number k is ``places[start + k step]``.

    Its weight is row ``weights + k draws`` of the tape's rows (``wide``), or number ``weights + k apart`` of others.
    ``bits`` tell which second derivatives there are, behind the weights.
    """

    start: Any
    step: Any
    n: Any
    wide: Any
    weights: Any
    apart: Any
    bits: Any


@_jit.inner
def record_before(words: Any, behind: Any, draws: Any) -> Any:
    """The record that ends at word ``behind``, and is not a product."""
    count, rows = words[behind - 2], words[behind - 1] + draws
    if count == BENT:
        summary = words[behind - 3]
        wide, n, bits = summary >= WIDE, summary & ((1 << BITS) - 1), (summary & ~WIDE) >> BITS
        start = behind - 3 - n - (0 if wide else n + _ones(bits))
        return Record(start, 1, n, wide, rows if wide else start + n, 1, bits)
    if count >= WIDE:
        n = count & ~WIDE
        return Record(behind - 2 - n, 1, n, True, rows, 1, 0)
    return Record(behind - 2 - 2 * count, 2, count, False, behind - 1 - 2 * count, 2, 0)


@_jit.inner
def _ones(bits: Any) -> Any:
    total = 0
    while bits:
        total += bits & 1
        bits >>= 1
    return total


@functools.cache
def weigher(draws: int) -> Any:
    """A compiled function ``f(rows, numbers, record, k)``: weight k of a record; second derivatives follow."""
    read, spread = rows_at(draws).read, rows_at(draws).spread

    @_jit.inner
    def weight(rows: Any, numbers: Any, record: Any, k: Any) -> Any:
        if record.wide:
            return read(rows, record.weights + k * draws)
        return spread(numbers[record.weights + k * record.apart])

    return weight
