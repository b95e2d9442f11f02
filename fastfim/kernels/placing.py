"""How the draws of a chunk lie in memory: in tiles of `TILE` draws, element by element.

The first elements of 32 draws are neighbours, then come their second ones, and so on: an array of shape (tiles, length
of a draw, `TILE`). So a register of the processor takes the same element of several draws without a step, from where
the sampler left it to where the density looks for it, and nothing is transposed in between (it took up to 40 % of the
time of a score). What works on one draw at a time has it gathered.
"""

from __future__ import annotations

from typing import Any

from numba import types

from .. import _abi, _jit
from .._arrays import carray
from ..autodiff import tiles
from .block import TILE, UNWRITTEN, Recipe


def room_for(recipe: Recipe, draws: int = 1) -> Any:
    """Compiled ``f(words)``: memory to gather so many draws in, on the stack where that can be."""
    return _jit.memory(None if recipe.length is None else draws * (recipe.length + 1))


def reader(recipe: Recipe) -> Any:
    """Compiled ``f(draws, i, memory)``: draw i, as the user's functions take it; a vector is gathered in ``memory``."""
    address, read_only = _abi.address, _abi.read_only

    def vector(draws, i, memory):  # type: ignore[no-untyped-def]
        size = draws.shape[1]
        for j in range(size):
            memory[j] = draws[i // TILE, j, i % TILE]
        return read_only(carray(address(memory), (size,)))

    return _jit.inner((lambda draws, i, memory: draws[i // TILE, 0, i % TILE]) if recipe.scalar else vector)


def vectors_in_place(draws: int) -> Any:
    """Compiled ``f(draws, i)``: draws i, i + 1, ..., as an array of vectors in place; i is a multiple of it."""
    vector_tile, offset, address = tiles.vector_tile_of(draws, TILE), _abi.offset, _abi.address

    def vectors(all_draws, i):  # type: ignore[no-untyped-def]
        size = all_draws.shape[1]
        return vector_tile(offset(address(all_draws), place(i, size)), size)

    return _jit.inner(vectors)


def tile_reader(recipe: Recipe, draws: int, form: tiles.TileForm) -> Any:
    """Compiled ``f(draws, i, memory)``: draws i, i + 1, ..., as a density takes a tile of them; i is a multiple of it.

    Half a tile or less of what lies together is gathered in ``memory``, if ``form`` wants it contiguous.
    """
    number_tile, vector_tile = tiles.number_tile_of(draws), tiles.vector_tile_of(draws)
    offset, address, aligned, read_only = _abi.offset, _abi.address, tiles.aligned, _abi.read_only
    store, in_place = tiles.store_numbers, vectors_in_place(draws)

    def number(all_draws, i, memory):  # type: ignore[no-untyped-def]
        return number_tile(offset(address(all_draws), i))

    def vector(all_draws, i, memory):  # type: ignore[no-untyped-def]
        size = all_draws.shape[1]
        return read_only(vector_tile(offset(address(all_draws), i * size), size))

    def part(all_draws, i, memory):  # type: ignore[no-untyped-def]
        size = all_draws.shape[1]
        source, target = offset(address(all_draws), place(i, size)), aligned(memory)
        for j in range(size):
            store(number_tile(offset(source, TILE * j)), offset(target, draws * j))
        return read_only(vector_tile(target, size))

    def where_they_lie(all_draws, i, memory):  # type: ignore[no-untyped-def]
        return read_only(in_place(all_draws, i))

    if recipe.scalar:
        return _jit.inner(number)
    if not form.contiguous:
        return _jit.inner(where_they_lie)
    return _jit.inner(vector if draws == TILE else part)


@_jit.inner
def place(i: Any, size: Any) -> Any:
    """Where the first element of draw i lies."""
    return i // TILE * (TILE * size) + i % TILE


@_jit.external(types.void(_abi.FLOATS, types.int64, types.int64))
def clear(draws, size, m):  # type: ignore[no-untyped-def]
    """Let nothing in the tiles of m draws pass for what a sampler wrote, until it does."""
    bits = _jit.as_int64(carray(draws, ((m + TILE - 1) // TILE * (TILE * size),)))
    for j in range(len(bits)):
        bits[j] = UNWRITTEN


@_jit.external(types.void(_abi.FLOATS, types.int64, types.int64))
def fill_up(draws, size, m):  # type: ignore[no-untyped-def]
    """Let the last of m draws stand in for those that its tile lacks, so that none has numbers of its own to go by."""
    if m % TILE:
        tile = carray(_abi.offset(draws, place(m - m % TILE, size)), (size, TILE))
        for j in range(size):
            for k in range(m % TILE, TILE):
                tile[j, k] = tile[j, m % TILE - 1]
