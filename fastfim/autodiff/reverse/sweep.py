# mypy: disable-error-code="untyped-decorator"
"""Reading a tape backwards: from the adjoint of the result to those of the parameters."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import types

from fastfim import _jit
from fastfim.autodiff.reverse.operands import VECTOR
from fastfim.autodiff.reverse.products import PRODUCT, product_reader
from fastfim.autodiff.reverse.rows import rows_of
from fastfim.autodiff.reverse.tape import WIDE

#: Numbers of draws for which there are tapes.
TOGETHER = (1, 8, 32)


@functools.cache
def sweeper(draws: int) -> Any:
    """External ``f(notes, rows, high, low, anew)``: read the records between ``low`` and ``high``.

    ``anew``: the last is a product, and the adjoints of its operands hold nothing yet.

    Indices are made unsigned, which spares the question whether they count from the end (1.3 times faster).  A record
    whose adjoints are 0 is passed over: an infinite weight in a branch that was not taken must not spoil it.
    """
    of, read_product = rows_of(draws), product_reader(draws)
    read, add, add_all, add_row = of.read, of.add, of.add_all, of.add_row

    @_jit.external(types.void(VECTOR, VECTOR, types.intp, types.intp, types.boolean), suffix=f"_{draws}")
    def sweep(notes: Any, rows: Any, high: Any, low: Any, anew: Any) -> None:
        places, counts = _jit.as_uint64(notes), _jit.as_int64(notes)
        end = high
        while end > low:
            own, count = counts[np.uint64(end - 1)], counts[np.uint64(end - 2)]
            if count < 0:
                end = read_product(notes, rows, end, anew and end == high)
                continue
            adjoint, some, every = read(rows, own)
            if count < WIDE:
                start = end - 2 - 2 * count
                if every:
                    for k in range(start, end - 2, 2):
                        add_all(rows, places[np.uint64(k)], notes[np.uint64(k + 1)], adjoint)
                elif some:
                    for k in range(start, end - 2, 2):
                        add(rows, places[np.uint64(k)], notes[np.uint64(k + 1)], adjoint)
            else:
                start = end - 2 - (count - WIDE)
                if some:
                    weight = own
                    for k in range(start, end - 2):
                        weight += draws
                        add_row(rows, places[np.uint64(k)], weight, adjoint)
            end = start

    assert PRODUCT < 0
    return sweep


for _draws in TOGETHER:
    sweeper(_draws)
