# mypy: disable-error-code="untyped-decorator"
"""The engine's side: tapes of many draws are written by a density and read to second order.

::

    open_tape, differentiate = reverse.recorder(p, draws, order=2), hessian_reader(draws)
    memory = np.empty(words_of(draws, len(rows), p))
    theta = open_tape(theta_pointer, notes, rows)
    start = reverse.end(theta)
    d = density(x, theta)
    if reverse.room(theta):
        done = differentiate(d, theta, notes, rows, start, wrt, memory, False, gradient, hessian, stride)
    if not done:
        ...                     # record it again, and read it with True
"""

from __future__ import annotations

import functools
from typing import Any

from fastfim import _jit
from fastfim._arrays import empty, keep
from fastfim.autodiff.reverse.recording import end, rewind, seed
from fastfim.autodiff.reverse.rows import clear
from fastfim.autodiff.second_order.edges import edge_sweeper
from fastfim.autodiff.second_order.motions import beside, motion_placer, motion_sweeper
from fastfim.autodiff.second_order.space import (
    NEVER,
    NONE,
    clear_slot,
    edge_of,
    floats_at,
    floats_of,
    rows_at,
    space_at,
)


@functools.cache
def _edge_reader(draws: int) -> Any:
    """A compiled function that tries to push edges; whether there was room."""
    sweep, at = edge_sweeper(draws), rows_at(draws)
    read, put, spread = at.read, at.put, at.spread

    @_jit.inner
    def begin(space: Any, wrt: Any, parameters: Any, rows: Any) -> None:
        p, slots = len(wrt), space.slots
        for number in range(rows):
            slots[number] = NEVER if number <= parameters else NONE
        for k in range(p):
            slots[1 + wrt[k]] = k
            clear_slot(space, k)
        space.free[0], space.free[1] = p, 0

    @_jit.inner
    def read_edges(theta: Any, notes: Any, rows: Any, wrt: Any, memory: Any, hessian: Any, stride: Any) -> Any:
        p, high, pointer, place = len(wrt), end(theta), floats_of(memory), 0
        space = space_at(pointer, draws, p)
        begin(space, wrt, len(theta), high[1] // draws)
        if not sweep(notes, rows, high[0], pointer, p):
            return False
        for i in range(p):
            for j in range(i, p):
                edge = edge_of(i, j)
                put(hessian, place, read(pointer, edge * draws) if space.links[edge] else spread(0.0))
                place += stride
        return True

    return read_edges


@functools.cache
def _motion_reader(draws: int) -> Any:
    """A compiled function that reads a tape by motions."""
    place, sweep = motion_placer(draws), motion_sweeper(draws)

    @_jit.inner
    def read_motions(theta: Any, notes: Any, rows: Any, wrt: Any, hessian: Any, stride: Any) -> None:
        high, p = end(theta), len(wrt)
        tables = empty(high[1] // draws + high[0])
        where = floats_of(tables)
        ends = floats_at(where, high[1] // draws)
        memory = empty(place(notes, rows, high[0], len(theta), wrt, where, ends) + beside(draws, p))
        sweep(notes, rows, where, ends, floats_of(memory), p, hessian, stride)
        keep(tables)
        keep(memory)

    return read_motions


@functools.cache
def hessian_reader(draws: int) -> Any:
    """A compiled function that reads a tape for ``draws`` draws at once to second order."""
    read_edges, read_motions, at = _edge_reader(draws), _motion_reader(draws), rows_at(draws)
    read, put = at.read, at.put

    @_jit.inner
    def differentiate(
        d: Any,
        theta: Any,
        notes: Any,
        rows: Any,
        start: Any,
        wrt: Any,
        memory: Any,
        by_motions: Any,
        gradient: Any,
        hessian: Any,
        stride: Any,
    ) -> Any:
        """Store derivatives of ``d``, and go back to ``start`` on the tape, if there is room; whether there was.

        Parameters
        ----------
        d, theta, notes, rows, start, wrt
            As of `reverse.reader`.
        memory
            `words_of` words.
        by_motions
            For which there is always room.
        gradient, hessian, stride
            Where derivatives are to be, from one to the next; of the Hessian the upper triangle, row by row.
        """
        seed(d, rows)
        if by_motions:
            read_motions(theta, notes, rows, wrt, hessian, stride)
        elif not read_edges(theta, notes, rows, wrt, memory, hessian, stride):
            return False
        for i in range(len(wrt)):
            put(gradient, i * stride, read(floats_of(rows), (1 + wrt[i]) * draws))
        clear(rows, 0, start[1])
        rewind(theta, start)
        return True

    return differentiate
