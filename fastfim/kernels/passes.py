"""The first two passes over a chunk: draws, and their derivatives, around one likelihood's functions.

Each function here makes a compiled one for a `Recipe`. Automatic derivatives come first where any are needed, then the
hand-written ones are written over them. All write parameter by parameter ("structure of arrays"), behind the draws: log
densities (chunk), scores (p, chunk), for order 2 also packed Hessians (see `fastfim.kernels.block.Layout`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _abi, _jit, autodiff, streams
from .._arrays import carray, empty, keep
from ..autodiff import second_order
from ..autodiff.recurrences import recurs
from .block import TILE, UNWRITTEN, Recipe
from .drawing import tile_draws
from .placing import reader, room_for
from .taping import single_pass, tape_form, tape_pass
from .tiling import beginner, density_pass, score_pass, tile_form, tile_pass

#: Parameters differentiated at once; beyond, one pass over the chunk for each group.
GRADIENT_LANES = 64
#: Beyond, derivatives come from tiles on a tape, by order. Scores, at a cost that does not grow with their number: at
#: p = 10, ns a draw in forward mode and by tape, normal mean 16 and 3, precision matrix 84 and 31, logistic regression
#: 790 and 73; an AR(1) of three parameters 930 and 2,200. Hessians, ns before there were tapes of tiles and with them:
#: normal mean at p = 6, 47 and 14; 3-d normal (9) 133 and 107; linear factors at p = 8, 24, 730 and 440, 8,000 and
#: 3,400; logistic regression with a random covariate each at p = 20, 1,090 and 90; a two-layer network at p = 19, 61,
#: 12,200 and 1,550, 72,000 and 15,600; precision matrix at p = 50, 144,000 and 1,900.
TAPE_PARAMETERS = {1: 8, 2: 5}
#: Recurrences, in which every number meets all parameters, stay with tiles in forward mode up to so many. Hessians, ns
#: by tape and so: GARCH with regressors at p = 7, 1,790 and 740, local level at 6, 2,200 and 1,600, hidden Markov model
#: of two states at 7, 6,900 and 3,200, local trend at 7 and 8, 10,000 and 4,400, 13,000 and 6,500, at 10 and 12, 14,600
#: and 11,000, 15,600 and 17,500, but then it takes 7 and 12 seconds to compile.
RECURRENT = {1: 0, 2: 8}
#: And up to so many: each worker's second derivatives take 14 MB for 128 parameters, and more like their square.
MOST_ON_TAPE = {1: 1 << 30, 2: 128}
#: Where draws go one by one, beyond. Times the plain density, forward and by tape, at p = 10, 20, 32: normal mean 5.1
#: and 8.8, 6.3 and 5.8, 9.0 and 4.8; with a precision matrix, by loops, 2.1 and 6.4, 3.8 and 6.4, 5.0 and 5.5.
FORWARD_PARAMETERS = 24
#: Most parameters for which draws are differentiated several at once in forward mode, by order: registers run out,
#: compilation grows.
TILE_PARAMETERS = {1: 24, 2: 5}
#: Whether scores written by hand, and densities beside them, run on several draws at once where they can.
TILE_SCORES = True
#: Beyond, Hessians come from a tape of second order. Microseconds, carried along and by tape, at p = 8, 16, 20:
#: logistic regression 5 and 17, 21 and 31, 68 and 61; a linear factor model 0.8 and 1.5, 10 and 7.7, 128 and 112.
#: What is compiled grows like p^2 (2.9 s at p = 20 for a Gaussian process), and by tape not at all (1.1 s).
FORWARD_HESSIAN = 16
#: Nodes that such a tape has at first.
FIRST_NODES = 1 << 10


def prepared(recipe: Recipe, compiler: Callable[..., Any]) -> Any:
    """The constants, and what ``prepare`` makes of theta after them."""
    if recipe.prepare is None:
        return _jit.second
    prepare, shared = compiler(recipe.prepare), _abi.shared
    return _jit.inner(lambda theta, constants: constants + (shared(prepare(theta, *constants)),))  # noqa: RUF005


def draw_pass(recipe: Recipe) -> Any:
    """Compiled ``f(rng, theta, args, draws, weights, m)``: the first m draws of a chunk, and their weights if any."""
    if recipe.sample is None:
        return _jit.nothing
    by_tiles = tile_draws(recipe)
    if by_tiles is not None:
        return by_tiles
    draw, next_point, draw_weight = autodiff.plain(recipe.sample), streams.mover(recipe.sampling), streams.draw_weight
    weighted, room, address = recipe.weighted, room_for(recipe), _abi.address

    def scalars(rng, point, args, draws, weights, m):  # type: ignore[no-untyped-def]
        for i in range(m):
            draws[i // TILE, 0, i % TILE] = draw(rng, point, *args)
            if weighted:
                weights[i] = draw_weight(rng)
            next_point(rng)

    def vectors(rng, point, args, draws, weights, m):  # type: ignore[no-untyped-def]
        size = draws.shape[1]
        memory = room(size + 1)
        x, bits = carray(address(memory), (size,)), _jit.as_int64(memory)
        for i in range(m):
            for j in range(size):
                bits[j] = UNWRITTEN  # what the sampler leaves out must not pass for a draw
            draw(rng, point, x, *args)
            for j in range(size):
                draws[i // TILE, j, i % TILE] = x[j]
            if weighted:
                weights[i] = draw_weight(rng)
            next_point(rng)
        keep(memory)

    return _jit.inner(scalars if recipe.scalar else vectors)


def derivative_pass(recipe: Recipe) -> tuple[Any, Any]:
    """Compiled ``begin`` and ``f(theta, constants, kept, draws, results, chunk, m, first) -> count``.

    The latter makes derivatives of m draws; ``kept`` is what ``begin(theta, constants)`` gives for all chunks of a
    block. ``count`` draws have a log density, all or none. Where derivatives are given by hand, it
    would be worked out for nothing but to see whether it is finite; that is done for the ``first`` chunk of a block.
    """
    by_hand = (recipe.score is not None, recipe.hessian is not None or recipe.order == 1)
    begin, automatic = (_jit.no_items, _none_done) if all(by_hand) else _automatic_pass(recipe)
    score = _jit.nothing if recipe.score is None else _hand_score_pass(recipe)
    hessian = _jit.nothing if recipe.hessian is None or recipe.order == 1 else _hand_hessian_pass(recipe)

    density = _density_alone(recipe) if all(by_hand) else _jit.nothing
    always = not all(by_hand)

    def differentiate_chunk(theta, constants, kept, draws, results, chunk, m, first):  # type: ignore[no-untyped-def]
        automatic(theta, constants, kept, draws, results, chunk, m)
        if first:
            density(theta, constants, draws, results, chunk, m)
        score(theta, constants, draws, results, chunk, m)
        hessian(theta, constants, draws, results, chunk, m)
        return m if first or always else 0

    return begin, _jit.inner(differentiate_chunk)


def _automatic_pass(recipe: Recipe) -> tuple[Any, Any]:
    """Tiles as far as they go, and the rest of the draws one by one."""
    order = 1 if recipe.hessian is not None else recipe.order
    begin, tiled, complete = _tiled_pass(recipe, order)
    if complete:
        return begin, tiled
    single = _single_pass(recipe, order)

    def automatic(theta, constants, kept, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        done = tiled(theta, constants, kept, draws, results, chunk, m)
        single(theta, constants, draws, results, chunk, done, m)
        return m

    return begin, _jit.inner(automatic)


def _tiled_pass(recipe: Recipe, order: int) -> tuple[Any, Any, bool]:
    """How many draws can be done by tiles, from the first on, and whether these are always all."""
    with_prepared = prepared(recipe, autodiff.active)  # first, so that `tape_form` compiles for it, too
    on_tape = TAPE_PARAMETERS[order] < recipe.p <= MOST_ON_TAPE[order]
    recurrent = on_tape and recipe.p <= RECURRENT[order] and recurs(recipe.logpdf)
    form = tile_form(recipe, order) if recurrent else None
    if form is None and on_tape and (form := tape_form(recipe, order)):
        return *tape_pass(form, recipe, with_prepared, order), not form.diverges
    if form is None and recipe.p <= TILE_PARAMETERS[order]:
        form = tile_form(recipe, order)
    if form is None:
        return _jit.no_items, _none_done, False
    return beginner(recipe, order, with_prepared), tile_pass(form, recipe, order), not form.diverges


@_jit.inner
def _none_done(theta, constants, kept, draws, results, chunk, m):  # type: ignore[no-untyped-def]
    return 0


def _single_pass(recipe: Recipe, order: int) -> Any:
    """The rest of the draws, one by one."""
    if order == 2 and recipe.p > FORWARD_HESSIAN:
        return _column_pass(recipe)
    if order == 1 and recipe.p > FORWARD_PARAMETERS:
        return single_pass(recipe, prepared(recipe, autodiff.active))
    return _forward_pass(recipe)


def _column_pass(recipe: Recipe) -> Any:
    """Scores and Hessians from a tape of second order, which is made longer where a draw does not fit."""
    logpdf, draw_of, gathered = autodiff.active(recipe.logpdf), reader(recipe), room_for(recipe)
    with_prepared, value = prepared(recipe, autodiff.active), autodiff.value
    open_tape, differentiate = second_order.recorder(recipe.parameters), second_order.differentiate
    end, room, rewind, words = second_order.end, second_order.room, second_order.rewind, second_order.NODE_WORDS
    p, wrt, offset = recipe.p, np.array(recipe.wrt), _abi.offset

    def single(theta, constants, draws, results, chunk, i, m):  # type: ignore[no-untyped-def]
        densities = carray(results, (m,))
        scores = carray(offset(results, chunk), (p, chunk))
        hessians = carray(offset(results, chunk * (1 + p)), (p * (p + 1) // 2, chunk))
        memory, x = empty((FIRST_NODES, words)), gathered(draws.shape[1] + 1)
        while i < m:
            taped = open_tape(theta, memory)
            args = with_prepared(taped, constants)
            start = end(taped)
            while i < m and room(taped):
                d = logpdf(draw_of(draws, i, x), taped, *args)
                if room(taped):
                    densities[i] = value(d)
                    differentiate(d, taped, memory, wrt, scores[:, i], hessians[:, i])
                    rewind(taped, start)
                    i += 1
            if i < m:
                memory = empty((2 * end(taped), words))

    return _jit.inner(single)


def _forward_pass(recipe: Recipe) -> Any:
    logpdf, draw_of, room, offset = autodiff.active(recipe.logpdf), reader(recipe), room_for(recipe), _abi.offset
    with_prepared = prepared(recipe, autodiff.active)
    value, store_gradient, store_hessian = autodiff.value, autodiff.store_gradient, autodiff.store_hessian
    p, order = recipe.p, 1 if recipe.hessian is not None else recipe.order
    if order == 1:
        lanes = min(p, GRADIENT_LANES)
        step, seeds = lanes, autodiff.seeds(recipe.parameters, lanes, 1, recipe.selected)
    else:
        lanes = step = p
        seeds = autodiff.seeds(recipe.parameters, p, 2, recipe.selected)

    def single(theta, constants, draws, results, chunk, done, m):  # type: ignore[no-untyped-def]
        scores = offset(results, chunk)
        hessians = offset(scores, chunk * p)
        densities, x = carray(results, (m,)), room(draws.shape[1] + 1)
        for first in range(0, p, step):
            active = seeds(theta, first)
            active_args = with_prepared(active, constants)
            for i in range(done, m):
                d = logpdf(draw_of(draws, i, x), active, *active_args)
                densities[i] = value(d)
                if order == 1:
                    store_gradient(d, offset(scores, i), chunk, first, lanes if lanes < p - first else p - first)
                else:
                    if first == 0:
                        store_gradient(d, offset(scores, i), chunk, 0, p)
                    store_hessian(d, offset(hessians, i), chunk, first, p)

    return _jit.inner(single)


def _density_alone(recipe: Recipe) -> Any:
    return (density_pass(recipe) if TILE_SCORES else None) or _single_density_pass(recipe)


def _single_density_pass(recipe: Recipe) -> Any:
    logpdf, draw_of, room = autodiff.plain(recipe.logpdf), reader(recipe), room_for(recipe)
    private, with_prepared = _abi.private_copy(recipe.parameters), prepared(recipe, autodiff.plain)

    def density(theta, constants, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        point = private(theta)
        args = with_prepared(point, constants)
        densities, x = carray(results, (m,)), room(draws.shape[1] + 1)
        for i in range(m):
            densities[i] = logpdf(draw_of(draws, i, x), point, *args)

    return _jit.inner(density)


def _hand_score_pass(recipe: Recipe) -> Any:
    return (score_pass(recipe) if TILE_SCORES else None) or _single_score_pass(recipe)


def _single_score_pass(recipe: Recipe) -> Any:
    score, draw_of, room, p = autodiff.plain(recipe.score), reader(recipe), room_for(recipe), recipe.p
    parameters, wrt = recipe.parameters, recipe.wrt
    private, offset, with_prepared = _abi.private_copy(parameters), _abi.offset, prepared(recipe, autodiff.plain)

    def hand_score(theta, constants, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        point = private(theta)
        args = with_prepared(point, constants)
        rows = carray(offset(results, chunk), (p, chunk))
        out, x = empty(parameters), room(draws.shape[1] + 1)
        bits = _jit.as_int64(out)
        for i in range(m):
            bits[:] = UNWRITTEN
            score(draw_of(draws, i, x), point, out, *args)
            for j in range(p):
                rows[j, i] = out[wrt[j]]

    return _jit.inner(hand_score)


def _hand_hessian_pass(recipe: Recipe) -> Any:
    hessian, draw_of, room, p = autodiff.plain(recipe.hessian), reader(recipe), room_for(recipe), recipe.p
    parameters, wrt = recipe.parameters, recipe.wrt
    private, offset, with_prepared = _abi.private_copy(parameters), _abi.offset, prepared(recipe, autodiff.plain)
    pairs = p * (p + 1) // 2

    def hand_hessian(theta, constants, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        point = private(theta)
        args = with_prepared(point, constants)
        rows = carray(offset(results, chunk * (p + 1)), (pairs, chunk))
        out, x = empty((parameters, parameters)), room(draws.shape[1] + 1)
        bits = _jit.as_int64(out)
        for i in range(m):
            bits[:, :] = UNWRITTEN
            hessian(draw_of(draws, i, x), point, out, *args)
            k = 0
            for a in range(p):
                for b in range(a, p):
                    rows[k, i] = out[wrt[a], wrt[b]]
                    k += 1

    return _jit.inner(hand_hessian)
