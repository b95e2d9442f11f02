"""Derivatives of a chunk by tiles: eight draws at once, as `fastfim.autodiff.tiles` compiles a density or a score."""

from __future__ import annotations

from typing import Any

from numba import types

from .. import _abi, _jit, autodiff
from .._arrays import keep
from ..autodiff import Dual, Theta, tiles
from .block import UNWRITTEN, Recipe
from .placing import room_for, tile_reader


def tile_form(recipe: Recipe, order: int) -> tiles.TileForm | None:
    """How a density does several draws at once, if it can; to it, what ``prepare`` makes is what all draws share."""
    kinds = [_abi.kind_of(kind) for kind in recipe.kinds]
    if recipe.prepare is not None:
        made = _prepared_kind(recipe, order, kinds)
        if made is None:
            return None
        kinds.append(made)
    return tiles.tile_form(recipe.logpdf, _theta(recipe, order, tiles.DRAWS), scalar=recipe.scalar, kinds=kinds)


def _theta(recipe: Recipe, order: int, draws: int) -> Theta:
    return Theta(Dual(recipe.p, order, draws=draws), recipe.parameters, recipe.selected is not None)


def _prepared_kind(recipe: Recipe, order: int, kinds: list[Any]) -> Any:
    """Type of what ``prepare`` makes; ``None`` if it makes windows on theta, which cannot be kept for a block."""
    try:
        made = _jit.returned(autodiff.active(recipe.prepare), (_theta(recipe, order, 1), *kinds))
    except Exception:  # the same function will say what is wrong
        return None
    members = made if isinstance(made, types.BaseTuple) else (made,)
    return None if any(isinstance(kind, Theta) for kind in members) else _abi.shared_kind(made)


def beginner(recipe: Recipe, order: int, with_prepared: Any) -> Any:
    """Compiled ``begin(theta, constants)``: the constants, and what ``prepare`` makes, for all tiles of a block."""
    if recipe.prepare is None:
        return _jit.second
    seeds = autodiff.seeds(recipe.parameters, recipe.p, order, recipe.selected)
    return _jit.inner(lambda theta, constants: with_prepared(seeds(theta, 0), constants))


def tile_pass(form: tiles.TileForm, recipe: Recipe, order: int) -> Any:
    """Compiled ``f(theta, constants, kept, draws, results, chunk, m) -> done``.

    ``done`` of m draws, all, or those before the first tile that diverged; ``kept`` is what `beginner` has made. Tiles
    are whole: the room behind the last draw belongs to nobody.
    """
    tile, p, offset = tiles.DRAWS, recipe.p, _abi.offset
    seeds = autodiff.seeds(recipe.parameters, p, order, recipe.selected, tile)
    read, attempt, store = tile_reader(recipe, tile, form), tiles.attempt(form), tiles.store_tile
    room, number = room_for(recipe, tile), _jit.number

    def tiled(theta, constants, kept, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        active = seeds(theta, 0)
        memory = room(tile * (draws.shape[1] + 1))
        done = number(0)
        while done < m:
            ran, d = attempt(read(draws, done, memory), active, kept)
            if not ran:
                return done
            store(d, offset(results, done), offset(results, chunk + done), chunk)
            done += tile
        return done

    return _jit.inner(tiled)


def score_pass(recipe: Recipe) -> Any:
    """Compiled ``f(theta, constants, draws, results, chunk, m)``: scores by hand of all draws.

    ``None`` where the function does not work on several at once.
    """
    form = _for_all(tiles.plain_form, recipe.score, recipe)
    if form is None:
        return None
    tile, parameters, wrt, score = tiles.DRAWS, recipe.parameters, recipe.wrt, form.function
    private, offset, aligned = _abi.private_copy(parameters), _abi.offset, tiles.aligned
    read, vector_tile = tile_reader(recipe, tile, form), tiles.vector_tile
    number_tile, store = tiles.number_tile, tiles.store_numbers
    room, out_room = room_for(recipe, tile), _jit.memory(tile * (parameters + 1))

    def tiled(theta, constants, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        point = private(theta)
        memory, out_memory = room(tile * (draws.shape[1] + 1)), out_room(tile * (parameters + 1))
        out_at = aligned(out_memory)
        bits, scores = _jit.as_int64(out_memory), offset(results, chunk)
        bits[:] = UNWRITTEN  # once: draws that take the same way leave the same out
        for i in range(0, m, tile):
            score(read(draws, i, memory), point, vector_tile(out_at, parameters), *constants)
            for j in range(len(wrt)):
                store(number_tile(offset(out_at, tile * wrt[j])), offset(scores, chunk * j + i))
        keep(out_memory)

    return _jit.inner(tiled)


def _for_all(compiled: Any, function: Any, recipe: Recipe) -> tiles.TileForm | None:
    """How a function does all draws by tiles; ``None`` if it cannot, or takes what ``prepare`` makes."""
    if recipe.prepare:
        return None
    form: tiles.TileForm | None = compiled(function, scalar=recipe.scalar, kinds=tuple(map(_abi.kind_of, recipe.kinds)))
    return None if form is None or form.diverges else form


def density_pass(recipe: Recipe) -> Any:
    """The same of a density without derivatives."""
    form = _for_all(tiles.density_form, recipe.logpdf, recipe)
    if form is None:
        return None
    tile, density, offset, store = tiles.DRAWS, form.function, _abi.offset, tiles.store_numbers
    private, read, room = _abi.private_copy(recipe.parameters), tile_reader(recipe, tile, form), room_for(recipe, tile)

    def tiled(theta, constants, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        point, memory = private(theta), room(tile * (draws.shape[1] + 1))
        for i in range(0, m, tile):
            store(density(read(draws, i, memory), point, *constants), offset(results, i))

    return _jit.inner(tiled)
