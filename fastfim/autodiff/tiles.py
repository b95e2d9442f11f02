# mypy: disable-error-code="untyped-decorator"
"""Tiles: a density of one draw, unchanged, differentiated at eight draws at once.

Every number becomes a vector of eight (see `dual`), so that arithmetic, and with `vector_math` the exponential
functions and logarithms too, do eight draws at the price of one or two.  What does not work on eight draws at once
goes without tiles:

- a density that uses its draw as an index, a count or in a function of whole numbers;
- one that keeps arrays on the heap and may diverge (see `masks`), since what is raised there would leak them.

`tile_form` compiles a density so and says whether its draws may take different branches.  An engine then calls it by
`attempt`, which answers whether they did not::

    form = tile_form(logpdf, Theta(Dual(p, draws=DRAWS), p), scalar=True, kinds=())
    attempt_tile, data, theta_with_seeds = attempt(form), number_tile, seeds(p, p, draws=DRAWS)

    @njit
    def scores(draws_pointer, theta_pointer, densities_pointer, scores_pointer, stride):
        done, d = attempt_tile(data(draws_pointer), theta_with_seeds(theta_pointer, 0), ())
        if done:
            store_tile(d, densities_pointer, scores_pointer, stride)    # else one by one
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from fastfim import _jit
from fastfim.autodiff.active import active
from fastfim.autodiff.dual import Dual, unpack
from fastfim.autodiff.emit import DOUBLE, Emitter, Value
from fastfim.autodiff.masks import Diverged, Mask
from fastfim.autodiff.number import Active, Source
from fastfim.autodiff.reverse.taped import Taped
from fastfim.autodiff.theta import Theta, index_constant

#: Draws in a tile: one register of AVX-512, two of AVX2.
DRAWS = 8
#: Bytes that vectors of a tile like to lie on multiples of.
ALIGNMENT = 8 * DRAWS

DATA, MASK = Dual(0, draws=DRAWS), Mask(DRAWS)
#: Parameters without derivatives.
PLAIN = types.Array(types.float64, 1, "C", readonly=True)
#: A vector for each draw of a tile.
VECTORS = types.Array(DATA, 1, "C")
_VECTOR = ir.VectorType(DOUBLE, DRAWS)
_POINTER = types.CPointer(types.float64)


@dataclass(frozen=True)
class TileForm:
    """A function compiled for tiles, ``function(x, *others)``, whether its draws may diverge, and what it returns.

    ``contiguous``: elements of a draw that is a vector follow each other, else they may lie further apart.
    """

    function: Any
    diverges: bool
    result: Any
    contiguous: bool


def tile_form(density: Any, theta: Theta, *, scalar: bool, kinds: Sequence[Any]) -> TileForm | None:
    """Compile a density for tiles of `DRAWS` draws, or give ``None`` where it cannot be.

    Parameters
    ----------
    density
        ``density(x, theta, *args)``, as `active` takes it.
    theta
        Type of the parameters, as `seeds` makes them with ``draws=DRAWS``, or `reverse.recorder` for any number.
    scalar
        Whether a draw is a number, else a vector.
    kinds
        Numba types of the further arguments.
    """
    if isinstance(theta.dual, Taped):
        found = [Dual(0, draws=theta.dual.tile)] if scalar else _vectors(theta.dual.tile)[1:]
        form = _form(active(density, outermost=True), [(x, theta, *kinds) for x in found])
        return form if form and isinstance(form.result, (Active, types.Float)) else None
    return _form(active(density), [(x, theta, *kinds) for x in _draws(scalar)], theta.dual)


def plain_form(function: Any, *, scalar: bool, kinds: Sequence[Any]) -> TileForm | None:
    """Compile ``function(x, theta, out, *args)`` of plain parameters, which fills a vector for each draw of a tile."""
    return _form(active(function), [(x, PLAIN, VECTORS, *kinds) for x in _draws(scalar)], types.none)


def density_form(density: Any, *, scalar: bool, kinds: Sequence[Any]) -> TileForm | None:
    """Compile ``density(x, theta, *args)`` of plain parameters, which gives a number for each draw of a tile."""
    return _form(active(density), [(x, PLAIN, *kinds) for x in _draws(scalar)], DATA)


def sampler_form(sample: Any, rng: Source, *, scalar: bool, kinds: Sequence[Any]) -> TileForm | None:
    """Compile ``sample(rng, theta, *args)``, or where a draw is a vector, ``sample(rng, theta, x, *args)``.

    ``rng`` is the type of what gives plain numbers for all draws of a tile; the parameters are plain, too.
    """
    if scalar:
        return _form(active(sample), [(rng, PLAIN, *kinds)], DATA, MASK)
    found = [x.copy(readonly=False) for x in _vectors(DRAWS)]
    return _form(active(sample), [(rng, PLAIN, x, *kinds) for x in found], types.none)


def _draws(scalar: bool) -> list[Any]:
    return [DATA] if scalar else _vectors(DRAWS)


def _vectors(draws: int) -> list[Any]:
    """Types of a vector for each draw, the one to try first: what reshapes it wants its elements to be neighbours."""
    return [types.Array(Dual(0, draws=draws), 1, layout, readonly=True) for layout in "AC"]


def _form(compiled: Any, alternatives: Sequence[tuple[Any, ...]], *results: Any) -> TileForm | None:
    """Compile a function for the first types of arguments that it can be compiled for."""
    for arguments in alternatives:
        with suppress(Exception):  # the same function of one draw will say what is wrong, if anything is
            compiled.compile(arguments)
            break
    else:
        return None
    found = compiled.overloads[arguments]
    code, returned = found.library.get_llvm_str(), found.signature.return_type
    diverges = Diverged.__name__ in code
    if (results and returned not in results) or (diverges and "NRT_MemInfo_alloc" in code):
        return None
    return TileForm(compiled, diverges, returned, contiguous=arguments == alternatives[-1])


def attempt(form: TileForm) -> Any:
    """``f(x, theta, args) -> (done, density)`` for compiled code; not done: draws diverged, or the density raised.

    Where draws cannot diverge, a tile is always done, and what the density raises comes through.
    """
    if not form.diverges:
        function = form.function
        return _jit.inner(lambda x, theta, args: (True, function(x, theta, *args)))
    function_type = types.Dispatcher(form.function)

    @intrinsic
    def call(typing_context: Any, x: Any, theta: Any, args: Any) -> Any:
        inner = function_type.get_call_type(typing_context, (x, theta, *args.types), {})
        result = types.Tuple((types.boolean, inner.return_type))

        def generate(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            compiled = form.function.overloads[inner.args]
            context.add_linking_libs((compiled.library,))
            unpacked = [*values[:2], *cgutils.unpack_tuple(builder, values[2])]
            status, d = context.call_internal_no_propagate(builder, compiled.fndesc, compiled.signature, unpacked)
            return context.make_tuple(builder, result, [status.is_ok, d])

        return result(x, theta, args), generate

    return call


@functools.cache
def number_tile_of(draws: int) -> Any:
    """An intrinsic ``f(pointer)``: the scalar draws at a pointer."""
    kind, vector = Dual(0, draws=draws), ir.VectorType(DOUBLE, draws)

    @intrinsic
    def tile_at(typing_context: Any, draws: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            e = Emitter(context, builder)
            found = builder.load(builder.bitcast(args[0], vector.as_pointer()), align=8)
            return kind.constant(e, Value(e, found)).pack(e)

        return kind(_POINTER), generate

    return tile_at


@intrinsic
def store_numbers(typing_context: Any, numbers: Any, place: Any) -> Any:
    """Store plain numbers, or truth values as 1 and 0, of `DRAWS` draws at a pointer."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = context.cast(builder, args[0], numbers, DATA)
        vector = unpack(Emitter(context, builder), DATA, number).value
        builder.store(vector.ir, builder.bitcast(args[1], _VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.none(numbers, _POINTER), generate


@functools.cache
def vector_tile_of(draws: int, apart: int | None = None) -> Any:
    """An intrinsic ``f(elements, size)``: an array over draws of length ``size`` that lie element by element.

    ``apart`` numbers lie from one element to the next, or, of neighbours, as many as there are draws.
    """
    kind, stride = Dual(0, draws=draws), 8 * (apart or draws)
    array_type = types.Array(kind, 1, "A" if apart else "C")

    @intrinsic
    def tile_over(typing_context: Any, elements: Any, size: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            array, item = make_array(array_type)(context, builder), index_constant(8 * draws)
            data, step = builder.bitcast(args[0], context.get_data_type(kind).as_pointer()), index_constant(stride)
            populate_array(array, data=data, shape=[args[1]], strides=[step], itemsize=item, meminfo=None)
            return array._getvalue()

        return array_type(_POINTER, types.intp), generate

    return tile_over


#: The same of `DRAWS` draws.
number_tile, vector_tile = number_tile_of(DRAWS), vector_tile_of(DRAWS)


@intrinsic
def aligned(typing_context: Any, memory: Any) -> Any:
    """The first address in ``memory``, a float64 vector, that a tile likes to begin at."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = builder.ptrtoint(make_array(memory)(context, builder, args[0]).data, ir.IntType(64))
        upwards = builder.add(address, index_constant(ALIGNMENT - 1))
        return builder.inttoptr(builder.and_(upwards, index_constant(-ALIGNMENT)), DOUBLE.as_pointer())

    return _POINTER(memory), generate


@intrinsic
def store_tile(typing_context: Any, d: Any, densities: Any, gradients: Any, stride: Any) -> Any:
    """Store the values of a tile at ``densities``, derivatives along lane i at ``gradients + i stride``.

    Of order 2 the upper triangle of the Hessian follows, row by row.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number, densities, gradients, stride = args
        parts = unpack(Emitter(context, builder), d, number)
        derivatives = [*parts.gradient, *parts.hessian]
        places = [builder.gep(gradients, [builder.mul(stride, index_constant(k))]) for k in range(len(derivatives))]
        for place, vector in zip([densities, *places], [parts.value, *derivatives], strict=True):
            builder.store(vector.ir, builder.bitcast(place, _VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.none(d, _POINTER, _POINTER, types.intp), generate
