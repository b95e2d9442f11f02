"""Value, gradient and Hessian of a user's function by the package's own pieces, one point a call."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from fastfim import _abi, _jit, autodiff
from fastfim.autodiff import (
    Dual,
    Theta,
    active,
    reverse,
    second_order,
    seeds,
    store_gradient,
    store_hessian,
    tiles,
    value,
)

#: Draws in a tile.
TILE = 8


class Diverged(AssertionError):  # noqa: N818 - as the package calls it
    """Draws of one tile took different branches."""


class Derivatives(NamedTuple):
    value: float
    gradient: np.ndarray
    hessian: np.ndarray | None


def plain(function):
    """``function`` of plain numbers, to be called from Python."""
    compiled = autodiff.plain(function)
    return njit(lambda *args: compiled(*args))


@intrinsic
def pointer(typing_context, array):
    """Address of a float64 vector's first element."""

    def generate(context, builder, sig, args):
        return context.make_array(sig.args[0])(context, builder, args[0]).data

    return types.CPointer(types.float64)(array), generate


def compiled(function, p, order=2, n=None):
    """``f(x, theta, first, gradient, packed hessian) -> value`` of ``function(x, theta)``."""
    density, with_seeds = active(function), seeds(p, n or p, order)
    lanes = n or p

    @njit(no_cfunc_wrapper=True)
    def evaluate(x, theta, first, gradient, packed):
        d = density(x, with_seeds(pointer(theta), first))
        store_gradient(d, pointer(gradient), 1, first, min(lanes, p - first))
        if order == 2:
            store_hessian(d, pointer(packed), 1, first, p)
        return value(d)

    return evaluate


def unpacked(packed, p):
    """The symmetric matrix of a packed upper triangle."""
    matrix = np.zeros((p, p))
    matrix[np.triu_indices(p)] = packed
    return matrix + np.triu(matrix, 1).T


def differentiate(function, x, theta, order=2):
    """All derivatives of ``function(x, theta)`` with respect to theta."""
    theta = np.array(theta, dtype=float)
    p = len(theta)
    gradient, packed = np.full(p, np.nan), np.full(p * (p + 1) // 2, np.nan)
    result = compiled(function, p, order)(x, theta, 0, gradient, packed)
    return Derivatives(result, gradient, unpacked(packed, p) if order == 2 else None)


def compiled_backwards(function, p, outermost=True):
    """``f(x, theta, notes, rows, gradient) -> (value, words needed)`` of ``function(x, theta)`` in reverse mode."""
    density, record, everything = active(function, outermost=outermost), reverse.recorder(p), np.arange(p)
    read = reverse.reader()

    @njit(no_cfunc_wrapper=True)
    def evaluate(x, theta, notes, rows, gradient):
        taped = record(pointer(theta), notes, rows)
        start = reverse.end(taped)
        d = density(x, taped)
        needed = reverse.end(taped)
        if reverse.room(taped):
            read(d, taped, notes, rows, start, everything, pointer(gradient), 1)
        return value(d), needed

    return evaluate


def differentiate_backwards(function, x, theta, outermost=True, words=10_000):
    """Value and gradient of ``function(x, theta)`` in reverse mode."""
    theta = np.array(theta, dtype=float)
    gradient = np.full(len(theta), np.nan)
    evaluate, memory = compiled_backwards(function, len(theta), outermost), np.full((2, words), np.nan)
    result, _ = evaluate(x, theta, *memory, gradient)
    return Derivatives(result, gradient, None)


def compiled_by_columns(function, p, wrt=None):
    """``f(x, theta, memory, gradient, packed Hessian) -> (value, nodes)`` of ``function(x, theta)`` by second order."""
    density, record, wrt = active(function), second_order.recorder(p), np.array(range(p) if wrt is None else wrt)

    @njit(no_cfunc_wrapper=True)
    def evaluate(x, theta, memory, gradient, packed):
        taped = record(pointer(theta), memory)
        d = density(x, taped)
        if second_order.room(taped):
            second_order.differentiate(d, taped, memory, wrt, gradient, packed)
        return value(d), second_order.end(taped)

    return evaluate


def differentiate_by_columns(function, x, theta, nodes=10_000):
    """All derivatives of ``function(x, theta)`` by reverse mode to second order."""
    theta = np.array(theta, dtype=float)
    p = len(theta)
    gradient, packed = np.full(p, np.nan), np.full(p * (p + 1) // 2, np.nan)
    memory = np.full((nodes, second_order.NODE_WORDS), np.nan)
    result, _ = compiled_by_columns(function, p)(x, theta, memory, gradient, packed)
    return Derivatives(result, gradient, unpacked(packed, p))


def compiled_tile(function, p, scalar=True, place=None):
    """``f(draws, theta) -> (values, gradients)`` of `TILE` draws at once, or None where it cannot be.

    ``place``: adjoints of parameters are summed up in memory that lies ``"before"`` or ``"behind"`` that of the tape,
    or ``"beside"`` it: as those of the last of several tiles, right before the rows.
    """
    theta_type, stride = Theta(reverse.Taped(1, TILE), p), 4 * TILE if place == "beside" else TILE
    form = tiles.tile_form(function, theta_type, scalar=scalar, kinds=())
    if form is None:
        return None
    record, store, everything = reverse.recorder(p, TILE, place is not None), reverse.value_store(TILE), np.arange(p)
    gradient, collect = reverse.reader(TILE), reverse.collector(TILE)
    begin, read = _jit.inner(lambda theta, rows, out, step: theta), gradient
    if place:
        begin = reverse.adjoints_at(TILE)
        read = _jit.inner(lambda d, theta, notes, rows, start, wrt, out, step: collect(d, theta, notes, rows, start))
    read_only = _abi.read_only
    attempt, number, vector = tiles.attempt(form), tiles.number_tile_of(TILE), tiles.vector_tile_of(TILE)
    one, several = (lambda d: number(pointer(d[0]))), (lambda d: read_only(vector(pointer(d[0]), len(d))))
    draw = _jit.inner(one if scalar else several)

    @njit(no_cfunc_wrapper=True)
    def evaluate(draws, theta, notes, rows, values, gradients):
        taped = record(pointer(theta), notes, rows)
        start = reverse.end(taped)
        here = begin(taped, rows, pointer(gradients[0]), stride)
        done, d = attempt(draw(draws), here, ())
        if done and reverse.room(taped):
            store(d, pointer(values))
            read(d, here, notes, rows, start, everything, pointer(gradients[0]), stride)
        return done and reverse.room(taped)

    def differentiated(draws, theta):
        values, memory = np.full(TILE, np.nan), np.full((4, 400_000), np.nan)
        notes, rows = memory[0 if place == "beside" else 1], memory[2]
        whole = memory[{"behind": 3, "beside": 1}.get(place, 0)].reshape(-1, stride)
        gradients = (whole[-p:] if place == "beside" else whole[:p])[:, -TILE:]
        done = evaluate(np.ascontiguousarray(draws), np.array(theta, dtype=float), notes, rows, values, gradients)
        if not done:
            raise Diverged
        return values, gradients.T

    return differentiated


def compiled_hessians(function, p, wrt=None, scalar=False):
    """``f(draws, theta, by_motions) -> (values, gradients, packed Hessians)`` of `TILE` draws, or None: it cannot be.

    Where there is no room for all edges, its result is ``None``.
    """
    form = tiles.tile_form(function, Theta(reverse.Taped(1, TILE, order=2), p), scalar=scalar, kinds=())
    if form is None:
        return None
    record, store, read = (
        reverse.recorder(p, TILE, order=2),
        reverse.value_store(TILE),
        second_order.hessian_reader(TILE),
    )
    attempt, number, vector = tiles.attempt(form), tiles.number_tile_of(TILE), tiles.vector_tile_of(TILE)
    one, several = (lambda d: number(pointer(d[0]))), (lambda d: _abi.read_only(vector(pointer(d[0]), len(d))))
    draw, chosen = _jit.inner(one if scalar else several), np.array(range(p) if wrt is None else wrt)
    n = len(chosen)

    @njit(no_cfunc_wrapper=True)
    def evaluate(draws, theta, notes, rows, memory, by_motions, values, gradients, hessians):
        taped = record(pointer(theta), notes, rows)
        start = reverse.end(taped)
        done, d = attempt(draw(draws), taped, ())
        if not (done and reverse.room(taped)):
            return 0
        store(d, pointer(values))
        places = pointer(gradients[0]), pointer(hessians[0])
        return 1 + read(d, taped, notes, rows, start, chosen, memory, by_motions, *places, TILE)

    def differentiated(draws, theta, by_motions=False):
        notes, rows = np.full((2, 400_000), np.nan)
        memory = np.full(second_order.words_of.py_func(TILE, len(rows), n), np.nan)
        values, gradients, hessians = np.empty(TILE), np.empty((n, TILE)), np.full((n * (n + 1) // 2, TILE), np.nan)
        results = values, gradients, hessians
        found = evaluate(
            np.ascontiguousarray(draws), np.array(theta, dtype=float), notes, rows, memory, by_motions, *results
        )
        if not found:
            raise Diverged
        return (values, gradients.T, hessians.T) if found == 2 else None

    return differentiated


def on_a_tile(evaluate, draws):
    """What ``evaluate`` gives for each of a few draws, side by side; of the first alone where they take different ways.

    Lanes of a tile with the same draw must agree to the last bit.
    """
    draws = np.array(draws, dtype=float)
    try:
        parts = evaluate(np.ascontiguousarray(np.resize(draws, (TILE, draws.shape[1])).T))
    except Diverged:
        if len(draws) == 1:
            raise
        return on_a_tile(evaluate, draws[:1])
    for part in parts:
        np.testing.assert_array_equal(part, part[np.arange(TILE) % len(draws)])
    return [tuple(part[k] for part in parts) for k in range(len(draws))]


def differentiate_by_edges(function, draws, theta):
    """All derivatives of draws on one tape, by edges and by motions; where that cannot be, of the first by columns."""
    evaluate, p = compiled_hessians(function, len(theta)), len(theta)
    if evaluate is None:
        return [differentiate_by_columns(function, draws[0], theta)]
    both = [on_a_tile(lambda tile: evaluate(tile, theta, by_motions), draws) for by_motions in (False, True)]
    for one, other in zip(*both, strict=True):
        for part, moved in zip(one, other, strict=True):
            np.testing.assert_allclose(part, moved, rtol=1e-10, atol=1e-11 * (1 + np.abs(moved).max()))
    return [Derivatives(value, gradient, unpacked(packed, p)) for value, gradient, packed in both[1]]


def differentiate_on_a_tile(function, draws, theta):
    """The same to first order of draws on one tape, or where that cannot be, of the first."""
    evaluate = compiled_tile(function, len(theta), scalar=False)
    if evaluate is None:
        return [differentiate_backwards(function, draws[0], theta)]
    return [Derivatives(*found, None) for found in on_a_tile(lambda tile: evaluate(tile, theta), draws)]


def differentiate_forward_on_a_tile(function, draws, theta, order=2):
    """All derivatives of draws side by side in forward mode, or where that cannot be, of the first."""
    theta = np.array(theta, dtype=float)
    p, rows = len(theta), len(theta) * (1 + (len(theta) + 1) * (order == 2) // 2)
    form = tiles.tile_form(function, Theta(Dual(p, order, draws=TILE), p), scalar=False, kinds=())
    if form is None:
        return [differentiate(function, draws[0], theta, order)]
    attempt, with_seeds, store = tiles.attempt(form), seeds(p, p, order, draws=TILE), tiles.store_tile
    vector, read_only = tiles.vector_tile_of(TILE, None if form.contiguous else TILE), _abi.read_only
    draw = _jit.inner(lambda d: read_only(vector(pointer(d[0]), len(d))))

    @njit(no_cfunc_wrapper=True)
    def evaluate(draws, theta, values, derivatives):
        done, d = attempt(draw(draws), with_seeds(pointer(theta), 0), ())
        if done:
            store(d, pointer(values), pointer(derivatives[0]), TILE)
        return done

    def differentiated(tile):
        values, derivatives = np.full(TILE, np.nan), np.full((rows, TILE), np.nan)
        if not evaluate(tile, theta, values, derivatives):
            raise Diverged
        return values, derivatives[:p].T, derivatives[p:].T

    found = on_a_tile(differentiated, draws)
    return [Derivatives(d, slopes, unpacked(packed, p) if order == 2 else None) for d, slopes, packed in found]
