"""Derivatives of a chunk by tiles: eight draws at once, as `fastfim.autodiff.tiles` compiles a density or a score.

Draws of several numbers lie one behind the other; a tile wants their first elements together, then their second ones,
and so on. They are laid out so in memory of the pass, in squares of eight by eight.
"""

from __future__ import annotations

from typing import Any

import numpy as np
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
    tile_of, attempt, store = _tile_of(recipe), tiles.attempt(form), tiles.store_tile
    unfilled, room = tile - 1 if form.diverges else 0, _jit.memory(_words(recipe))

    def tiled(theta, constants, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        active = seeds(theta, 0)
        memory = room(tile * (draws.shape[1] + 1))
        done = 0
        while done < m - unfilled:
            ran, d = attempt(tile_of(draws, done, memory), active, constants)
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
    tile_of, vector_tile = _tile_of(recipe), tiles.vector_tile
    number_tile, store = tiles.number_tile, tiles.store_numbers
    room, out_room = _jit.memory(_words(recipe)), _jit.memory(tile * (parameters + 1))

    def tiled(theta, constants, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        point = private(theta)
        memory, out_memory = room(tile * (draws.shape[1] + 1)), out_room(tile * (parameters + 1))
        out_at = aligned(out_memory)
        bits, scores = out_memory.view(np.int64), offset(results, chunk)
        for i in range(0, m, tile):
            bits[:] = UNWRITTEN
            score(tile_of(draws, i, memory), point, vector_tile(out_at, parameters), *constants)
            for j in range(len(wrt)):
                store(number_tile(offset(out_at, tile * wrt[j])), offset(scores, chunk * j + i))

    return _jit.inner(tiled)


def _words(recipe: Recipe) -> int | None:
    """Memory for a tile of draws, if their length is known."""
    return None if recipe.length is None else tiles.DRAWS * (recipe.length + 1)


def _tile_of(recipe: Recipe) -> Any:
    """Draws i, i + 1, ... of a chunk, as a density takes a tile of them; vectors are laid out in ``memory``."""
    number_tile, vector_tile, transpose = tiles.number_tile, tiles.vector_tile, tiles.transpose_square
    tile, offset, address, aligned = tiles.DRAWS, _abi.offset, _abi.address, tiles.aligned
    read_only = _abi.read_only

    def number(draws, i, memory):  # type: ignore[no-untyped-def]
        return number_tile(offset(address(draws), i))

    def vector(draws, i, memory):  # type: ignore[no-untyped-def]
        size = draws.shape[1]
        source, target = offset(address(draws), i * size), aligned(memory)
        elements = carray(target, (size, tile))
        for j in range(0, size - tile + 1, tile):
            transpose(offset(source, j), size, offset(target, tile * j), tile)
        for j in range(size - size % tile, size):
            for k in range(tile):
                elements[j, k] = draws[i + k, j]
        return read_only(vector_tile(target, size))

    return _jit.inner(number if recipe.scalar else vector)
