"""Scores of a chunk from tapes (see `fastfim.autodiff.reverse`): of many draws at once, or of one after the other.

What depends on theta alone, ``prepare`` before all else, is recorded once for all draws of a tile, and what ``prepare``
makes once for all tiles of a chunk.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _abi, _jit, autodiff
from .._arrays import empty
from ..autodiff import Theta, reverse, tiles
from ..autodiff.reverse import Taped
from .block import TILE, Recipe
from .placing import reader, room_for, tile_reader

#: Words of notes and of rows that a tape has at first. Too short a one costs an evaluation.
FIRST_NOTES, FIRST_ROWS = 1 << 17, 1 << 18


def tape_form(recipe: Recipe) -> tiles.TileForm | None:
    """How a density does several draws at once on a tape, if it can."""
    theta, kinds = Theta(Taped(1, TILE), recipe.parameters), [_abi.kind_of(kind) for kind in recipe.kinds]
    if recipe.prepare is not None:
        try:
            kinds.append(_returned(autodiff.active(recipe.prepare), (theta, *kinds)))
        except Exception:  # the same function of one draw will say what is wrong
            return None
    return tiles.tile_form(recipe.logpdf, theta, scalar=recipe.scalar, kinds=kinds)


def _returned(compiled: Any, arguments: tuple[Any, ...]) -> Any:
    compiled.compile(arguments)
    return compiled.overloads[arguments].signature.return_type


def tape_pass(form: tiles.TileForm, recipe: Recipe, with_prepared: Any) -> Any:
    """Compiled ``f(theta, constants, draws, results, chunk, m)``: how many of m draws it has done by tiles.

    All, or those before the first tile that diverged.
    """
    by_tape = _pass(recipe, TILE, tiles.attempt(form), with_prepared, tile_reader(recipe, TILE), _jit.nothing)

    def tiled(theta, constants, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        return by_tape(theta, constants, draws, results, chunk, 0, m)

    return _jit.inner(tiled)


def single_pass(recipe: Recipe, with_prepared: Any) -> Any:
    """Compiled ``f(theta, constants, draws, results, chunk, i, m)``: draws i to m, one at a time."""
    density = autodiff.active(recipe.logpdf, outermost=True)
    attempt = _jit.inner(lambda x, theta, args: (True, density(x, theta, *args)))
    return _pass(recipe, 1, attempt, with_prepared, reader(recipe), room_for(recipe))


def _pass(recipe: Recipe, tile: int, attempt: Any, with_prepared: Any, read: Any, memory_for: Any) -> Any:
    """The first draw that is not done comes back."""
    in_place = tile > 1 and recipe.selected is None and recipe.prepare is None
    open_tape, store = reverse.recorder(recipe.parameters, tile, in_place), reverse.value_store(tile)
    begin, finish = _in_place(tile) if in_place else _by_copy(recipe, tile)
    end, room = reverse.end, reverse.room
    offset, least = _abi.offset, (recipe.parameters + 2 + reverse.SPARE) * tile

    def by_tape(theta, constants, draws, results, chunk, i, m):  # type: ignore[no-untyped-def]
        scores, memory = offset(results, chunk), memory_for(draws.shape[1] + 1)
        notes, rows = empty(FIRST_NOTES), on_line(empty(FIRST_ROWS + least))
        while i < m:
            taped = open_tape(theta, notes, rows)
            args = with_prepared(taped, constants)
            start = end(taped)
            while i < m and room(taped):
                here = begin(taped, rows, offset(scores, i), chunk)
                done, d = attempt(read(draws, i, memory), here, args)
                if not done:
                    return i
                if room(taped):
                    store(d, offset(results, i))
                    finish(d, here, notes, rows, start, offset(scores, i), chunk)
                    i += tile
            if i < m:
                needed = end(taped)
                notes, rows = empty(2 * needed[0]), on_line(empty(2 * needed[1]))
        return i

    return _jit.inner(by_tape)


def _in_place(tile: int) -> tuple[Any, Any]:
    """What precedes and follows a density whose derivatives are summed up where they are to be.

    All of them are, in their order, and nothing is recorded for several tiles.
    """
    collect = reverse.collector(tile)
    return reverse.adjoints_at(tile), _jit.inner(
        lambda d, theta, notes, rows, start, out, stride: collect(d, theta, notes, rows, start)
    )


def _by_copy(recipe: Recipe, tile: int) -> tuple[Any, Any]:
    """The same where they are copied from the tape."""
    gradient, wrt = reverse.reader(tile), np.array(recipe.wrt)
    return _jit.inner(lambda theta, rows, out, stride: theta), _jit.inner(
        lambda d, theta, notes, rows, start, out, stride: gradient(d, theta, notes, rows, start, wrt, out, stride)
    )


@_jit.inner
def on_line(memory: Any) -> Any:
    """What lies behind the first boundary between two lines of the processor's cache."""
    return memory[-(memory.ctypes.data // 8) % 8 :]
