# mypy: disable-error-code="untyped-decorator"
"""Gradient and Hessian of many draws at once, by pushing edges along a tape of `fastfim.autodiff.reverse`.

Read backwards, a tape eliminates one number after the other: what is left, f as a function of the numbers that came
before, has the gradient a (the adjoints) and the Hessian W.  The entries of W that are not 0 for good are the edges of
a graph between numbers.  Eliminating q, made of others by

    dq = sum_i w_i dn_i + sum_ij h_ij dn_i dn_j / 2,

pushes its edges on to these, and makes new ones where q is not linear:

    W_ri += w_i W_rq  (r != q),    W_ij += w_i w_j W_qq + a_q h_ij.

In the end there are edges between parameters alone: the Hessian.  A sum of terms has none before the terms are reached,
a product X @ theta of which each element is used by itself has X' diag(W) X, and nothing is ever done twice for W_ij
and W_ji.  Which edges there are is the same for all draws of a tape, so that the work is in rows of draws.

Sources: Gower and Mello (2012), Optimization Methods and Software 27, 251; Wang, Gebremedhin and Pothen (2016),
Mathematical Programming Computation 8, 393.
"""

from __future__ import annotations

import functools
from typing import Any

from numba import types

from fastfim import _jit
from fastfim.autodiff.reverse.operands import VECTOR, row_at
from fastfim.autodiff.reverse.products import PRODUCT, product_before, product_reader
from fastfim.autodiff.reverse.sweep import TOGETHER
from fastfim.autodiff.reverse.tape import START
from fastfim.autodiff.second_order.records import Record, record_before, weigher
from fastfim.autodiff.second_order.space import (
    FLOATS,
    any_of,
    floats_of,
    give_slot,
    integers_at,
    joiner,
    rows_at,
    space_at,
    take_slot,
    times,
    unlink,
)

# ---------------------------------------------------------------- elimination


@functools.cache
def _eliminator(draws: int) -> Any:
    """Compiled functions that push the edges of a number on to its operands, and make new ones between these."""
    read, weight, join, shift = rows_at(draws).read, weigher(draws), joiner(draws), draws.bit_length() - 1

    @_jit.inner
    def slot(space: Any, places: Any, record: Any, k: Any) -> Any:
        return space.slots[places[record.start + k * record.step] >> shift]

    @_jit.apart
    def push(space: Any, q: Any, rows: Any, places: Any, numbers: Any, record: Any) -> None:
        """The edges of slot q."""
        r = 0
        while space.degrees[q] > 0:
            edge = unlink(space, q, r) if r != q else -1
            if edge >= 0:
                x = read(space.edges, edge * draws)
                for k in range(record.n):
                    i = slot(space, places, record, k)
                    if i >= 0:
                        for _ in range(1 + (i == r)):
                            join(space, i, r, x, weight(rows, numbers, record, k))
            r += 1
        edge = unlink(space, q, q)
        if edge >= 0:
            push_square(space, read(space.edges, edge * draws), rows, places, numbers, record)

    @_jit.inner
    def push_square(space: Any, x: Any, rows: Any, places: Any, numbers: Any, record: Any) -> None:
        for k in range(record.n):
            i = slot(space, places, record, k)
            if i >= 0:
                y = times(x, weight(rows, numbers, record, k))
                for m in range(k + 1):
                    j = slot(space, places, record, m)
                    if j >= 0:
                        for _ in range(1 + (i == j and m < k)):
                            join(space, i, j, y, weight(rows, numbers, record, m))

    @_jit.apart
    def bend(space: Any, adjoint: Any, rows: Any, places: Any, numbers: Any, record: Any) -> None:
        """New edges where a record is not linear."""
        bits, at = record.bits, record.n
        for k in range(record.n):
            i = slot(space, places, record, k)
            for m in range(k, record.n):
                if bits & 1:
                    j = slot(space, places, record, m)
                    if i >= 0 and j >= 0:
                        for _ in range(1 + (i == j and m > k)):
                            join(space, i, j, adjoint, weight(rows, numbers, record, at))
                    at += 1
                bits >>= 1

    return push, bend


@functools.cache
def _product_eliminator(draws: int) -> Any:
    push, _ = _eliminator(draws)
    shift = draws.bit_length() - 1

    @_jit.apart
    def push_product(space: Any, words: Any, rows: Any, behind: Any) -> Any:
        """Eliminate the elements of a product, last first; whether there was room."""
        address, down, across, first, step, columns, n, _, own = product_before(words, behind)
        scratch, operands, begun = space.scratch, integers_at(space.scratch, columns), False
        record = Record(0, 1, columns, False, 0, 1, 0)
        for i in range(n - 1, -1, -1):
            number = (own >> shift) + i
            if space.slots[number] >= 0:
                if not begun:
                    begun = True
                    if columns > space.most:
                        return False
                    for k in range(columns):
                        operands[k] = first + k * step
                        if not give_slot(space, operands[k] >> shift):
                            return False
                for k in range(columns):
                    scratch[k] = row_at(address + i * down + k * across, 1)[0]
                push(space, space.slots[number], rows, operands, scratch, record)
                take_slot(space, number)
        return True

    return push_product


@functools.cache
def edge_sweeper(draws: int) -> Any:
    """External ``f(notes, rows, high, memory, p) -> whether there was room``: read a tape.

    Adjoints are in the rows of the parameters then, and the edges left are those between parameters.
    """
    read, read_product, push_product = rows_at(draws).read, product_reader(draws), _product_eliminator(draws)
    (push, bend), add, weight, shift = _eliminator(draws), rows_at(draws).add, weigher(draws), draws.bit_length() - 1

    @_jit.inner
    def eliminate(space: Any, rows: Any, words: Any, numbers: Any, record: Any, own: Any, bent: Any) -> Any:
        """The edges of a number that has some, or makes some; whether there was room."""
        for k in range(record.n):
            if not give_slot(space, words[record.start + k * record.step] >> shift):
                return False
        number = own >> shift
        if space.slots[number] >= 0:
            push(space, space.slots[number], rows, words, numbers, record)
            take_slot(space, number)
        if bent:
            bend(space, read(rows, own), rows, words, numbers, record)
        return True

    @_jit.external(types.boolean(VECTOR, VECTOR, types.intp, FLOATS, types.intp), suffix=f"_{draws}")
    def sweep_edges(notes: Any, rows: Any, high: Any, memory: Any, p: Any) -> Any:
        space, numbers, adjoints = space_at(memory, draws, p), floats_of(notes), floats_of(rows)
        words, behind = integers_at(numbers, 0), high
        while behind > START:
            if words[behind - 2] == PRODUCT:
                if not push_product(space, words, adjoints, behind):
                    return False
                behind = read_product(notes, rows, behind, False)
            else:
                record, own = record_before(words, behind, draws), words[behind - 1]
                adjoint = read(adjoints, own)
                some = any_of(adjoint)
                bent = some and record.bits != 0
                has_edges = space.slots[own >> shift] >= 0
                if (has_edges or bent) and not eliminate(space, adjoints, words, numbers, record, own, bent):
                    return False
                for k in range(record.n if some else 0):
                    add(adjoints, words[record.start + k * record.step], adjoint, weight(adjoints, numbers, record, k))
                behind = record.start
        return True

    return sweep_edges


for _draws in TOGETHER:
    edge_sweeper(_draws)
