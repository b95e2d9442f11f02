"""The compiled block behind `spatial`: log densities of given draws, and their derivatives with respect to the draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _abi, _jit, autodiff
from .._arrays import carray
from .block import Recipe
from .passes import prepared

#: Entries of a draw that are differentiated at once; longer draws take several passes.
LANES = 16


def block(recipe: Recipe) -> Callable[..., int]:
    """With the signature of all blocks: draws where a stream's state would be, results where the workspace would."""
    private, unpack = _abi.private_copy(recipe.parameters), _abi.unpacker(recipe.kinds, 2)
    with_prepared = prepared(recipe, autodiff.plain)
    evaluate = (_values if recipe.order == 0 else _derivatives)(recipe)

    def block(draws, seeds, theta, table, results, unused):  # type: ignore[no-untyped-def]
        point = private(theta)
        args = with_prepared(point, unpack(table))
        evaluate(carray(draws, (table[1], table[0])), point, args, results)
        return 0

    return block


def _values(recipe: Recipe) -> Any:
    logpdf, scalar, read_only = autodiff.plain(recipe.logpdf), recipe.scalar, _abi.read_only
    draw_of = _jit.inner((lambda draw: draw[0]) if scalar else (lambda draw: read_only(draw)))

    def values(draws, point, args, results):  # type: ignore[no-untyped-def]
        out = carray(results, (len(draws),))
        for i in range(len(draws)):
            out[i] = logpdf(draw_of(draws[i]), point, *args)

    return _jit.inner(values)


def _kind(recipe: Recipe) -> autodiff.Dual:
    """Numbers with a lane for each entry that is differentiated at once."""
    assert recipe.length is not None
    return autodiff.Dual(min(recipe.length, LANES), recipe.order)


def _derivatives(recipe: Recipe) -> Any:
    kind, offset = _kind(recipe), _abi.offset
    logpdf, seeded, variables = autodiff.active(recipe.logpdf), _seeded(recipe), autodiff.variables(kind)
    value, store_gradient, store_hessian = autodiff.value, autodiff.store_gradient, autodiff.store_hessian
    lanes, twice = kind.n, recipe.order == 2

    def derivatives(draws, point, args, results):  # type: ignore[no-untyped-def]
        n, size = draws.shape
        out = carray(results, (n,))
        gradients = offset(results, n)
        hessians = offset(gradients, n * size)
        memory = variables(size)
        for first in range(0, size, lanes):
            for i in range(n):
                d = logpdf(seeded(draws[i], first, memory), point, *args)
                out[i] = value(d)
                store_gradient(d, offset(gradients, i), n, first, min(lanes, size - first))
                if twice:
                    store_hessian(d, offset(hessians, i), n, 0, size)

    return _jit.inner(derivatives)


def _seeded(recipe: Recipe) -> Any:
    """A draw as dual numbers, entry ``first`` in lane 0."""
    variable = autodiff.variable(_kind(recipe))

    def vector(draw, first, memory):  # type: ignore[no-untyped-def]
        for j in range(len(draw)):
            memory[j] = variable(draw[j], j - first)
        return memory

    return _jit.inner((lambda draw, first, memory: variable(draw[0], 0)) if recipe.scalar else vector)
