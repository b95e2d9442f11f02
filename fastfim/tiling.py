"""Derivatives of a chunk by tiles: eight draws at once, as `fastfim.autodiff.tiles` compiles a density or a score.

Draws of several numbers lie one behind the other; a tile wants their first elements together, then their second ones,
and so on. They are laid out so in memory of the pass, in squares of eight by eight.
"""

from __future__ import annotations

from typing import Any

from numba import carray

from . import _abi, _jit, autodiff
from .autodiff import tiles
from .kernels import UNWRITTEN, Recipe


def tile_pass(form: tiles.TileForm, recipe: Recipe, order: int) -> Any:
    """Compiled ``f(theta, constants, draws, results, chunk, m)``: how many of m draws it has done from the first.

    All, or those before the first tile that diverged. A density whose draws cannot diverge does whole tiles: the room
    behind the last draw belongs to nobody.
    """
    tile, p, offset = tiles.DRAWS, recipe.p, _abi.offset
    seeds = autodiff.seeds(recipe.parameters, p, order, recipe.selected, tile)
    laid_out, attempt, store = tile_of(recipe, tile), tiles.attempt(form), tiles.store_tile
    unfilled, room = tile - 1 if form.diverges else 0, _jit.memory(words(recipe, tile))

    def tiled(theta, constants, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        active = seeds(theta, 0)
        memory = room(tile * (draws.shape[1] + 1))
        done = 0
        while done < m - unfilled:
            ran, d = attempt(laid_out(draws, done, done + tile, memory), active, constants)
            if not ran:
                return done
            store(d, offset(results, done), offset(results, chunk + done), chunk)
            done += tile
        return done

    return _jit.inner(tiled)


def score_pass(recipe: Recipe) -> Any:
    """The same of a score written by hand, for all draws; ``None`` where it does not work on several at once."""
    kinds = tuple(map(_abi.kind_of, recipe.kinds))
    form = None if recipe.prepare else tiles.plain_form(recipe.score, scalar=recipe.scalar, kinds=kinds)
    if form is None or form.diverges:
        return None
    tile, parameters, wrt, score = tiles.DRAWS, recipe.parameters, recipe.wrt, form.function
    private, offset, aligned = _abi.private_copy(parameters), _abi.offset, tiles.aligned
    laid_out, vector_tile = tile_of(recipe, tile), tiles.vector_tile
    number_tile, store = tiles.number_tile, tiles.store_numbers
    room, out_room = _jit.memory(words(recipe, tile)), _jit.memory(tile * (parameters + 1))

    def tiled(theta, constants, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        point = private(theta)
        memory, out_memory = room(tile * (draws.shape[1] + 1)), out_room(tile * (parameters + 1))
        out_at = aligned(out_memory)
        bits, scores = _jit.as_int64(out_memory), offset(results, chunk)
        for i in range(0, m, tile):
            bits[:] = UNWRITTEN
            score(laid_out(draws, i, i + tile, memory), point, vector_tile(out_at, parameters), *constants)
            for j in range(len(wrt)):
                store(number_tile(offset(out_at, tile * wrt[j])), offset(scores, chunk * j + i))

    return _jit.inner(tiled)


def words(recipe: Recipe, draws: int) -> int | None:
    """Memory for a tile of draws, if their length is known."""
    return None if recipe.length is None else draws * (recipe.length + 1)


def tile_of(recipe: Recipe, draws: int) -> Any:
    """Compiled ``f(draws, i, m, memory)``: draws i, i + 1, ... of m, as a density takes a tile of them.

    They are laid out in ``memory``. The last draw stands in for those that are missing.
    """
    number_tile, vector_tile, transpose = (
        tiles.number_tile_of(draws),
        tiles.vector_tile_of(draws),
        tiles.transpose_square,
    )
    square, offset, address, aligned = tiles.DRAWS, _abi.offset, _abi.address, tiles.aligned
    read_only, tile = _abi.read_only, draws

    def number(draws, i, m, memory):  # type: ignore[no-untyped-def]
        if i + tile <= m:
            return number_tile(offset(address(draws), i))
        target = aligned(memory)
        elements = carray(target, (tile,))
        for k in range(tile):
            elements[k] = draws[min(i + k, m - 1), 0]
        return number_tile(target)

    def vector(draws, i, m, memory):  # type: ignore[no-untyped-def]
        size = draws.shape[1]
        target = aligned(memory)
        elements = carray(target, (size, tile))
        for k in range(0, tile, square):
            source = offset(address(draws), (i + k) * size)
            whole = size - size % square if i + k + square <= m else 0
            for j in range(0, whole, square):
                transpose(offset(source, j), size, offset(target, tile * j + k), tile)
            for j in range(whole, size):
                for r in range(k, k + square):
                    elements[j, r] = draws[min(i + r, m - 1), j]
        return read_only(vector_tile(target, size))

    return _jit.inner(number if recipe.scalar else vector)
