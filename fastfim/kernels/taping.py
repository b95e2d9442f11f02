"""Scores of a chunk from tapes (see `fastfim.autodiff.reverse`): of many draws at once, or of one after the other.

What depends on theta alone, ``prepare`` before all else, is recorded once for all draws of a tile, and what ``prepare``
makes once for all tiles of a chunk. Where draws never part ways, functions of theta are worked out once a block (see
`fastfim.autodiff.reverse.kept`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _abi, _jit, autodiff
from .._arrays import empty, window
from ..autodiff import Theta, reverse, second_order, tiles
from ..autodiff.reverse import Taped
from ..autodiff.reverse.operands import address_of
from .block import TILE, Recipe
from .placing import reader, room_for, tile_reader

#: Words of notes and of rows that a tape has at first. Too short a one costs an evaluation.
FIRST_NOTES, FIRST_ROWS = 1 << 17, 1 << 18
#: Words that a block keeps of what depends on theta alone: beyond, it is worked out for every tile.
MOST_KEPT = 1 << 14


def tape_form(recipe: Recipe, order: int) -> tiles.TileForm | None:
    """How a density does several draws at once on a tape, if it can."""
    theta, kinds = Theta(Taped(1, TILE, order=order), recipe.parameters), [_abi.kind_of(kind) for kind in recipe.kinds]
    if recipe.prepare is not None:
        try:
            kinds.append(_abi.shared_kind(_jit.returned(autodiff.active(recipe.prepare), (theta, *kinds))))
        except Exception:  # the same function of one draw will say what is wrong
            return None
    return tiles.tile_form(recipe.logpdf, theta, scalar=recipe.scalar, kinds=kinds)


def tape_pass(form: tiles.TileForm, recipe: Recipe, with_prepared: Any, order: int) -> tuple[Any, Any]:
    """Compiled ``begin(theta, constants)`` and ``f(theta, constants, kept, draws, results, chunk, m) -> done``.

    ``done`` of m draws have been done by tiles: all, or those before the first tile that diverged. ``kept`` is what
    ``begin`` gives, for all chunks of a block.
    """
    keeping = _nothing_kept() if form.diverges else _kept()
    read = tile_reader(recipe, TILE, form)
    by_tape = _pass(recipe, TILE, order, tiles.attempt(form), with_prepared, read, _jit.nothing, keeping)
    number = _jit.number

    def tiled(theta, constants, kept, draws, results, chunk, m):  # type: ignore[no-untyped-def]
        return by_tape(theta, constants, kept, draws, results, chunk, number(0), m)

    return keeping.begin, _jit.inner(tiled)


def single_pass(recipe: Recipe, with_prepared: Any) -> Any:
    """Compiled ``f(theta, constants, draws, results, chunk, i, m)``: draws i to m, one at a time."""
    density = autodiff.active(recipe.logpdf, outermost=True)
    attempt = _jit.inner(lambda x, theta, args: (True, density(x, theta, *args)))
    by_tape = _pass(recipe, 1, 1, attempt, with_prepared, reader(recipe), room_for(recipe), _nothing_kept())

    def single(theta, constants, draws, results, chunk, i, m):  # type: ignore[no-untyped-def]
        by_tape(theta, constants, (), draws, results, chunk, i, m)

    return _jit.inner(single)


class _Keeping(NamedTuple):
    """From tile to tile, compiled: ``begin(theta, constants)``, ``open(theta, kept)`` and ``learn(theta, kept)``."""

    begin: Any
    open: Any
    learn: Any


def _nothing_kept() -> _Keeping:
    """Where draws may part ways, or go one by one."""
    return _Keeping(_jit.no_items, _jit.nothing, _jit.nothing)


def _kept() -> _Keeping:
    """Memory for what depends on theta alone, and how much of it is known."""
    words = MOST_KEPT

    def begin(theta, constants):  # type: ignore[no-untyped-def]
        kept = empty(words)
        kept[0] = 0.0
        return kept

    return _Keeping(_jit.inner(begin), reverse.keep_in, reverse.learn)


def _pass(
    recipe: Recipe,
    tile: int,
    order: int,
    attempt: Any,
    with_prepared: Any,
    read: Any,
    memory_for: Any,
    keeping: _Keeping,
) -> Any:
    """The first draw that is not done comes back."""
    in_place = order == 1 and tile > 1 and recipe.selected is None and recipe.prepare is None
    open_tape, store = reverse.recorder(recipe.parameters, tile, in_place, order), reverse.value_store(tile)
    memory_of, begin, finish = _gradients(recipe, tile, in_place) if order == 1 else _hessians(recipe, tile)
    end, room, keep, learn = reverse.end, reverse.room, keeping.open, keeping.learn
    offset, number, least = _abi.offset, _jit.number, (recipe.parameters + 2 + reverse.SPARE) * tile

    def by_tape(theta, constants, kept, draws, results, chunk, i, m):  # type: ignore[no-untyped-def]
        scores, memory = offset(results, chunk), memory_for(draws.shape[1] + 1)
        notes, rows, beside = memory_of(number(FIRST_NOTES), number(FIRST_ROWS + least))
        crowded: Any = np.bool_(False)  # no literal, either
        while i < m:
            taped = open_tape(theta, notes, rows)
            keep(taped, kept)
            args = with_prepared(taped, constants)
            start = end(taped)
            while i < m and room(taped):
                here = begin(taped, rows, offset(scores, i), chunk)
                done, d = attempt(read(draws, i, memory), here, args)
                if not done:
                    return i
                if room(taped):
                    learn(taped, kept)
                    store(d, offset(results, i))
                    if not finish(d, here, notes, rows, start, beside, crowded, offset(scores, i), chunk):
                        crowded = True
                        break
                    i += tile
            if i < m and not room(taped):
                needed = end(taped)
                notes, rows, beside = memory_of(2 * needed[0], 2 * needed[1])
        return i

    return _jit.inner(by_tape)


def _gradients(recipe: Recipe, tile: int, in_place: bool) -> tuple[Any, Any, Any]:
    """Memory for a tape; what precedes a density, and what follows it: whether that could be done.

    ``in_place``: where all derivatives are wanted, in their order, and nothing is recorded for several tiles, they are
    summed up where they are to be.
    """
    memory_of, wrt = _jit.inner(lambda notes, rows: tape_memory(notes, rows, 0)), np.array(recipe.wrt)
    collect, gradient = reverse.collector(tile), reverse.reader(tile)

    def collected(d, theta, notes, rows, start, beside, crowded, out, stride):  # type: ignore[no-untyped-def]
        collect(d, theta, notes, rows, start)
        return True

    def copied(d, theta, notes, rows, start, beside, crowded, out, stride):  # type: ignore[no-untyped-def]
        gradient(d, theta, notes, rows, start, wrt, out, stride)
        return True

    begin, finish = (reverse.adjoints_at(tile), collected) if in_place else (_as_it_is, copied)
    return memory_of, begin, _jit.inner(finish)


def _hessians(recipe: Recipe, tile: int) -> tuple[Any, Any, Any]:
    """The same for gradients and Hessians."""
    words_of, differentiate, offset = second_order.words_of, second_order.hessian_reader(tile), _abi.offset
    wrt, p = np.array(recipe.wrt), recipe.p
    memory_of = _jit.inner(lambda notes, rows: tape_memory(notes, rows, words_of(tile, rows, p)))

    def hessian(d, theta, notes, rows, start, beside, crowded, out, stride):  # type: ignore[no-untyped-def]
        return differentiate(d, theta, notes, rows, start, wrt, beside, crowded, out, offset(out, p * stride), stride)

    return memory_of, _as_it_is, _jit.inner(hessian)


@_jit.inner
def _as_it_is(theta: Any, rows: Any, out: Any, stride: Any) -> Any:
    return theta


@_jit.inner
def tape_memory(notes: Any, rows: Any, beside: Any) -> Any:
    """So many words of notes, of rows, and of something else.

    In one piece, which the allocator keeps at hand: several are given back to the system, and each page found anew.
    """
    memory = empty(notes + rows + beside + 8)
    first = -(address_of(memory) >> 3) & 7  # words before the first boundary between two lines of the cache
    return (
        window(memory, first + rows, notes),
        window(memory, first, rows),
        window(memory, first + rows + notes, beside),
    )
