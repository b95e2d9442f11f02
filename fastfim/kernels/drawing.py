"""The first pass over a chunk by tiles: a sampler of one draw, unchanged, that makes eight at once.

To the sampler, ``rng`` is then a `TileStream`: each method gives eight numbers, a plain number of `autodiff.tiles`, one
for each of eight draws, so that ``rng.normal(loc, scale)`` is a load from the buffer of normals and one multiply-add::

    def sample(rng, theta, x, T):                   # eight series side by side
        value = theta[0] * rng.standard_normal()
        for t in range(T):
            value = theta[1] * value + rng.standard_normal()
            x[t] = value

Draws of a tile take neighbouring numbers: where one draw after another would take numbers 1, 2, 3 of a stream, a tile
takes 1 to 8, 9 to 16, 17 to 24. Gamma variates are made by rejection: eight candidates at once, nearly all of which are
accepted without a logarithm; the others are looked at again, and replaced one by one. Of quasi-random points a tile
takes eight neighbours, and each draw is what it would be by itself.

A sampler whose draws may go different ways (a loop until something holds, a branch on what was drawn), that counts or
indexes with what was drawn, or that draws what is not in `METHODS`, makes one draw at a time.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import overload, overload_method, register_model

from .. import _abi, _jit, autodiff
from .._arrays import keep
from ..autodiff import tiles
from ..autodiff.active import TopCompiler
from ..autodiff.callgraph import reachable
from ..autodiff.masks import bits_of
from ..autodiff.number import Source
from ..streams import VARIATES, cursors, stream
from ..streams.quantiles.elementary import exponential_quantile
from ..streams.typed import Rng
from ..streams.variates.gammas import (
    gamma_above_one,
    gamma_accepts,
    gamma_accepts_at_once,
    gamma_constants,
    log_gamma_variate,
)
from .block import DRAWN_TOGETHER, TILE, UNWRITTEN, Recipe
from .placing import place, vectors_in_place

assert tiles.DRAWS == DRAWN_TOGETHER  # blocks begin at multiples of it

#: What every stream offers, and variates made of these by arithmetic alone.
BASIC = ("random", "standard_normal", "standard_exponential")
ARITHMETIC = ("uniform", "normal", "lognormal", "exponential", "rayleigh", "weibull", "pareto", "power")
#: Those made of several of them, or of gamma variates, where a quasi-random stream inverts one coordinate.
SEVERAL = (
    *("standard_cauchy", "laplace", "logistic", "gumbel"),
    *("standard_gamma", "gamma", "chisquare", "beta", "f", "standard_t"),
)
#: What tiles know, by the kind of stream.
METHODS = {"mc": (*BASIC, *ARITHMETIC, *SEVERAL), "rqmc": (*BASIC, *ARITHMETIC)}


class TileStream(Source):
    """Numba type of a stream that gives a number for each draw of a tile."""

    dual = tiles.DATA

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(name=f"TileStream({kind})")


TILE_STREAMS = {kind: TileStream(kind) for kind in METHODS}
register_model(TileStream)(cursors.StreamModel)


def _seen_as(kind: Any) -> Any:
    """Intrinsic ``f(rng)``: the same stream as a value of another type."""

    @_jit.intrinsic
    def convert(typingctx: Any, rng: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            given = cgutils.create_struct_proxy(rng)(context, builder, args[0])
            value = cgutils.create_struct_proxy(kind)(context, builder)
            value.state, value.cursors = given.state, given.cursors
            return value._getvalue()

        return kind(rng), codegen

    return convert


by_tiles, one_by_one = {kind: _seen_as(tile) for kind, tile in TILE_STREAMS.items()}, _seen_as(cursors.Stream("mc"))
_ALL = (1 << tiles.DRAWS) - 1
_eight_numbers = _jit.stack_array(tiles.DRAWS, types.float64)


def _offer(name: str, take: Any, of_points: Any) -> None:
    """A method: the next eight numbers of a buffer, or ``of_points(rng, k)``, made of eight points' coordinate k."""
    tile, number_tile, next_column = tiles.DRAWS, tiles.number_tile, stream.next_column

    def independent(rng):  # type: ignore[no-untyped-def]
        return number_tile(take(rng, tile))

    def quasi_random(rng):  # type: ignore[no-untyped-def]
        k = next_column(rng)
        return number_tile(take(rng, tile)) if k < 0 else of_points(rng, k)

    chosen = {"mc": independent, "rqmc": quasi_random}
    overload_method(TileStream, name, jit_options=_jit.INNER)(lambda rng: chosen[rng.kind])


def _each(function: Any) -> Any:
    """``f(rng, k)``: a function of the signed tail probabilities of eight points."""
    tile, in_column = tiles.DRAWS, stream.in_column
    number_tile, address = tiles.number_tile, _abi.address

    def of_points(rng, k):  # type: ignore[no-untyped-def]
        tails, out = in_column(rng, k), _eight_numbers()
        for j in range(tile):
            out[j] = function(tails[j])
        return number_tile(address(out))

    return _jit.inner(of_points)


@_jit.inner
def _normals_of_points(rng, k):  # type: ignore[no-untyped-def]
    return tiles.number_tile(stream.in_normal_column(rng, k))


_offer("random", stream.next_uniforms, _each(stream.uniform_of))
_offer("standard_normal", stream.next_normals, _normals_of_points)
_offer("standard_exponential", stream.next_exponentials, _each(exponential_quantile))


def _gamma_tile(rng: Any, shape: Any) -> Any:
    d, c = gamma_constants(shape)
    x, u = c * rng.standard_normal(), rng.random()
    v = (1.0 + x) * (1.0 + x) * (1.0 + x)
    accepted = bits_of(gamma_accepts_at_once(x, u, d))
    if accepted == _ALL:
        return d * v
    return _second_look(rng, shape, x, u, d * v, accepted)


@_jit.inner
def _second_look(rng, shape, xs, us, draws, accepted):  # type: ignore[no-untyped-def]
    """Gamma variates, where not all candidates were accepted at once."""
    x, u, draw = _eight_numbers(), _eight_numbers(), _eight_numbers()
    store, address, single = tiles.store_numbers, _abi.address, one_by_one(rng)
    store(xs, address(x))
    store(us, address(u))
    store(draws, address(draw))
    d, _ = gamma_constants(shape)
    for k in range(tiles.DRAWS):
        if not (accepted >> k & 1 or gamma_accepts(x[k], u[k], d)):
            draw[k] = gamma_above_one(single, shape)
    return tiles.number_tile(address(draw))


@overload(gamma_above_one, jit_options=_jit.INNER)  # type: ignore[untyped-decorator]
def _overload_gamma_above_one(rng: Any, shape: Any) -> Any:
    return _gamma_tile if isinstance(rng, TileStream) and isinstance(shape, types.Float) else None


_ACTIVE = {**_jit.INNER, "pipeline_class": TopCompiler}


@overload(log_gamma_variate, jit_options=_ACTIVE)  # type: ignore[untyped-decorator]
def _overload_log_gamma_variate(rng: Rng, shape: float) -> Any:
    return log_gamma_variate if isinstance(rng, TileStream) else None


def _combine(name: str) -> None:
    def choose(rng: Any, *args: Any, **kwargs: Any) -> Any:
        # arrays are refused by the streams themselves, in words
        return None if any(isinstance(a, types.ArrayCompatible) for a in (*args, *kwargs.values())) else VARIATES[name]

    choose.__signature__ = inspect.signature(VARIATES[name])  # type: ignore[attr-defined]
    overload_method(TileStream, name, jit_options=_ACTIVE)(choose)


for _name in (*ARITHMETIC, *SEVERAL):
    _combine(_name)


# ---------------------------------------------------------------- the pass


def tile_draws(recipe: Recipe) -> Any:
    """Compiled ``f(rng, theta, args, draws, weights, m)``: m draws and up to a tile; ``None`` if they go one by one."""
    unknown = set(VARIATES) - set(METHODS[recipe.sampling])
    if any(unknown & set(f.__code__.co_names) for f in reachable(recipe.sample)):
        return None
    rng = TILE_STREAMS[recipe.sampling]
    form = tiles.sampler_form(recipe.sample, rng, scalar=recipe.scalar, kinds=_kinds(recipe))
    if form is None or form.diverges:
        return None
    return _scalar_pass(form.function, recipe) if recipe.scalar else _vector_pass(form, recipe)


def _kinds(recipe: Recipe) -> Sequence[Any]:
    """Types of what a sampler takes after its draw."""
    kinds = tuple(map(_abi.kind_of, recipe.kinds))
    if recipe.prepare is None:
        return kinds
    return (*kinds, _abi.shared_kind(_jit.returned(autodiff.plain(recipe.prepare), (tiles.PLAIN, *kinds))))


def _completed(recipe: Recipe) -> Any:
    """Compiled ``f(rng, weights, i)``: note the weights of the tile of draws from i on, if any, and go on."""
    tile, weighted = tiles.DRAWS, recipe.weighted
    draw_weight, next_point = stream.draw_weight, stream.mover(recipe.sampling)

    def complete(rng, weights, i):  # type: ignore[no-untyped-def]
        if weighted:
            for k in range(tile):
                weights[i + k] = draw_weight(rng, k)
        next_point(rng, tile)

    return _jit.inner(complete)


def _scalar_pass(sample: Any, recipe: Recipe) -> Any:
    tile, offset, address, store = tiles.DRAWS, _abi.offset, _abi.address, tiles.store_numbers
    seen_by_tiles, complete = by_tiles[recipe.sampling], _completed(recipe)

    def scalars(rng, point, args, draws, weights, m):  # type: ignore[no-untyped-def]
        together = seen_by_tiles(rng)
        for i in range(0, m, tile):
            store(sample(together, point, *args), offset(address(draws), i))
            complete(rng, weights, i)

    return _jit.inner(scalars)


def _vector_pass(form: tiles.TileForm, recipe: Recipe) -> Any:
    tile, sample, in_place = tiles.DRAWS, form.function, vectors_in_place(tiles.DRAWS)
    seen_by_tiles, complete = by_tiles[recipe.sampling], _completed(recipe)

    def vectors(rng, point, args, draws, weights, m):  # type: ignore[no-untyped-def]
        together = seen_by_tiles(rng)
        for i in range(0, m, tile):
            sample(together, point, in_place(draws, i), *args)
            complete(rng, weights, i)

    return _jit.inner(vectors if not form.contiguous else _gathered(sample, recipe))


def _gathered(sample: Any, recipe: Recipe) -> Any:
    """The same, where a draw is to be contiguous."""
    tile, offset, address, aligned = tiles.DRAWS, _abi.offset, _abi.address, tiles.aligned
    number_tile, vector_tile, store = tiles.number_tile, tiles.vector_tile, tiles.store_numbers
    seen_by_tiles, complete, length = by_tiles[recipe.sampling], _completed(recipe), recipe.length
    room = _jit.memory(None if length is None else tile * (length + 1))

    def vectors(rng, point, args, draws, weights, m):  # type: ignore[no-untyped-def]
        together, size = seen_by_tiles(rng), draws.shape[1]
        memory = room(tile * (size + 1))
        bits, source = _jit.as_int64(memory), aligned(memory)
        for j in range(len(bits)):
            bits[j] = UNWRITTEN  # what the sampler leaves out, the same in every tile, must not pass for a draw
        for i in range(0, m, tile):
            sample(together, point, vector_tile(source, size), *args)
            complete(rng, weights, i)
            target = offset(address(draws), place(i, size))
            for j in range(size):
                store(number_tile(offset(source, tile * j)), offset(target, TILE * j))
        keep(memory)

    return vectors
