"""The first pass over a chunk by tiles: a sampler of one draw, unchanged, that makes eight at once.

To the sampler, ``rng`` is then a `TileStream`: each method gives eight numbers, a plain number of `autodiff.tiles`, one
for each of eight draws, so that ``rng.normal(loc, scale)`` is a load from the buffer of normals and one multiply-add::

    def sample(rng, theta, x, T):                   # eight series side by side
        value = theta[0] * rng.standard_normal()
        for t in range(T):
            value = theta[1] * value + rng.standard_normal()
            x[t] = value

Draws of a tile take neighbouring numbers: where one draw after another would take numbers 1, 2, 3 of a stream, a tile
takes 1 to 8, 9 to 16, 17 to 24. A sampler whose draws may go different ways (rejection, a branch on what was drawn),
that counts or indexes with what was drawn, or that draws what is not in `METHODS`, makes one draw at a time.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import carray
from numba.core import cgutils
from numba.extending import overload_method, register_model

from . import _abi, _jit, autodiff
from .autodiff import tiles
from .autodiff.active import TopCompiler
from .autodiff.callgraph import reachable
from .autodiff.number import Source
from .kernels import UNWRITTEN, Recipe
from .streams import VARIATES, stream

#: Variates made of uniforms, normals and exponentials by arithmetic alone.
METHODS = (
    *("uniform", "normal", "lognormal", "exponential", "standard_cauchy", "laplace"),
    *("logistic", "gumbel", "rayleigh", "weibull", "pareto", "power"),
)


class TileStream(Source):
    """Numba type of a stream that gives a number for each draw of a tile."""

    dual = tiles.DATA


TILE_STREAM = TileStream("TileStream")
register_model(TileStream)(stream.StreamModel)


@_jit.intrinsic
def by_tiles(typingctx: Any, rng: Any) -> Any:
    """The same stream, asked for tiles."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given = cgutils.create_struct_proxy(rng)(context, builder, args[0])
        value = cgutils.create_struct_proxy(TILE_STREAM)(context, builder)
        value.state, value.cursors = given.state, given.cursors
        return value._getvalue()

    return TILE_STREAM(rng), codegen


def _offer(name: str, take: Any) -> None:
    tile, number_tile = tiles.DRAWS, tiles.number_tile
    overload_method(TileStream, name, jit_options=_jit.INNER)(lambda rng: lambda rng: number_tile(take(rng, tile)))


_offer("random", stream.next_uniforms)
_offer("standard_normal", stream.next_normals)
_offer("standard_exponential", stream.next_exponentials)


def _combine(name: str) -> None:
    def choose(rng: Any, *args: Any, **kwargs: Any) -> Any:
        return VARIATES[name]

    choose.__signature__ = inspect.signature(VARIATES[name])  # type: ignore[attr-defined]
    overload_method(TileStream, name, jit_options={**_jit.INNER, "pipeline_class": TopCompiler})(choose)


for _name in METHODS:
    _combine(_name)


# ---------------------------------------------------------------- the pass


def tile_draws(recipe: Recipe) -> Any:
    """Compiled ``f(rng, theta, args, draws, m)``: m draws and up to a tile; ``None`` where they go one by one."""
    unknown = set(VARIATES) - {"random", "standard_normal", "standard_exponential", *METHODS}
    if recipe.sampling != "mc" or any(unknown & set(f.__code__.co_names) for f in reachable(recipe.sample)):
        return None
    form = tiles.sampler_form(recipe.sample, TILE_STREAM, scalar=recipe.scalar, kinds=_kinds(recipe))
    if form is None or form.diverges:
        return None
    return _scalar_pass(form.function) if recipe.scalar else _vector_pass(form.function, recipe.length)


def _kinds(recipe: Recipe) -> Sequence[Any]:
    """Types of what a sampler takes after its draw."""
    kinds = tuple(map(_abi.kind_of, recipe.kinds))
    if recipe.prepare is None:
        return kinds
    prepare, arguments = autodiff.plain(recipe.prepare), (tiles.PLAIN, *kinds)
    prepare.compile(arguments)
    return (*kinds, prepare.overloads[arguments].signature.return_type)


def _scalar_pass(sample: Any) -> Any:
    tile, offset, address, store = tiles.DRAWS, _abi.offset, _abi.address, tiles.store_numbers

    def scalars(rng, point, args, draws, m):  # type: ignore[no-untyped-def]
        together = by_tiles(rng)
        for i in range(0, m, tile):
            store(sample(together, point, *args), offset(address(draws), i))

    return _jit.inner(scalars)


def _vector_pass(sample: Any, length: int | None) -> Any:
    """Tiles of vectors come element by element, and are laid out draw by draw in squares of eight by eight."""
    tile, offset, address, aligned = tiles.DRAWS, _abi.offset, _abi.address, tiles.aligned
    vector_tile, transpose = tiles.vector_tile, tiles.transpose_square
    room = _jit.memory(None if length is None else tile * (length + 1))

    def vectors(rng, point, args, draws, m):  # type: ignore[no-untyped-def]
        together, size = by_tiles(rng), draws.shape[1]
        memory = room(tile * (size + 1))
        bits, source = memory.view(np.int64), aligned(memory)
        elements = carray(source, (size, tile))
        for i in range(0, m, tile):
            bits[:] = UNWRITTEN  # what the sampler leaves out must not pass for a draw
            sample(together, point, vector_tile(source, size), *args)
            target = offset(address(draws), i * size)
            for j in range(0, size - tile + 1, tile):
                transpose(offset(source, tile * j), tile, offset(target, j), size)
            for j in range(size - size % tile, size):
                for k in range(tile):
                    draws[i + k, j] = elements[j, k]

    return _jit.inner(vectors)
