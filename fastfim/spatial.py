"""The log density as a function of the draw: its values, gradients and Hessians in x.

Scores look along theta. Stein's identity, E[g'(x) + g(x) d/dx log p(x)] = 0, looks along x, and so do samplers that
follow the gradient. The derivatives come from the same dual numbers as scores do, with the seeds on the draw; theta and
what ``prepare`` makes of it are plain numbers here.

>>> from fastfim.catalogue import catalogue
>>> model = catalogue["norm"].bind()
>>> found = along_draws(model, model.theta([1.0, 2.0]), [2.0, 5.0], order=2)
>>> found.gradient.ravel().tolist(), found.hessian.ravel().tolist()  # -(x - loc) / scale^2, -1 / scale^2
([-0.25, -1.0], [-0.25, -0.25])

What ``logpdf`` does with integers has no derivative: ``int(x)``, or x as an index, is refused on the user's line, with
``order=0`` (values alone) as the way out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import carray
from numpy.typing import NDArray

from . import _abi, _jit, autodiff, calls, store
from .assembly import native
from .errors import LikelihoodError, OptionError
from .kernels import Recipe
from .likelihood import BoundLikelihood, location
from .passes import draw_reader, prepared

Array = NDArray[np.float64]

#: Entries of a draw that are differentiated at once; longer draws take several passes.
LANES = 16
#: Longest draw for which there are Hessians.
LONGEST_HESSIAN = 12
_UNUSED = np.empty(0)


@dataclass(frozen=True)
class AlongDraws:
    """Of each draw: ``logpdf`` (n,), ``gradient`` (n, size), ``hessian`` (n, size, size); None where not asked for."""

    logpdf: Array
    gradient: Array | None
    hessian: Array | None


def along_draws(model: BoundLikelihood, theta: Array, draws: Any, order: int = 1) -> AlongDraws:
    """Log densities and their derivatives with respect to x at given draws.

    Parameters
    ----------
    model, theta
        The likelihood with its constants, and one point.
    draws
        Shape (n, size), or (n,) for scalar draws.
    order
        0: values alone; 1: gradients; 2: Hessians too, of draws up to `LONGEST_HESSIAN` long.

    Returns
    -------
    AlongDraws
        No check is made that anything is finite.

    Raises
    ------
    LikelihoodError
        ``logpdf`` raises, or cannot be differentiated with respect to x: on the user's own file and line.
    OptionError
        A Hessian of a longer draw.
    """
    if order == 2 and model.size > LONGEST_HESSIAN:
        raise OptionError(f"order = 2 is for draws of at most {LONGEST_HESSIAN} numbers; these have {model.size}")
    given = np.array(draws, dtype=np.float64).reshape(-1, model.size)
    n, size, pairs = len(given), model.size, model.size * (model.size + 1) // 2
    results = np.empty(n * (1 + size * (order > 0) + pairs * (order == 2)))
    _call(model, theta, given, order, results)
    logpdf, gradient, packed = np.split(results, np.cumsum([n, n * size * (order > 0)]))
    return AlongDraws(
        logpdf,
        gradient.reshape(size, n).T if order else None,
        _symmetric(packed.reshape(pairs, n), size) if order == 2 else None,
    )


def _symmetric(packed: Array, size: int) -> Array:
    """Matrices (n, size, size) from upper triangles (pairs, n)."""
    rows, columns = np.triu_indices(size)
    matrices = np.empty((packed.shape[1], size, size))
    matrices[:, rows, columns] = matrices[:, columns, rows] = packed.T
    return matrices


def _call(model: BoundLikelihood, theta: Array, draws: Array, order: int, results: Array) -> None:
    likelihood = model.likelihood
    run = _compiled(
        Recipe(
            sample=None,
            logpdf=likelihood.logpdf,
            prepare=likelihood.prepare,
            score=None,
            hessian=None,
            parameters=len(model.names),
            wrt=model.wrt,
            order=order,
            sampling="given",
            weighted=False,
            scalar=likelihood.scalar,
            length=model.size,
            kinds=calls.kinds_of(model.args),
        )
    )
    table = calls.words((model.size, len(draws)), model.args)
    try:
        run(draws, _UNUSED, np.array(theta, dtype=np.float64), table, results, _UNUSED)
    except Exception as error:
        raise LikelihoodError(
            f"{likelihood.name}: logpdf raised {type(error).__name__}: {error} at theta = {theta.tolist()}",
            *location(likelihood.logpdf),
        ) from error


# ---------------------------------------------------------------- what is compiled


@lru_cache(maxsize=256)
def _compiled(recipe: Recipe) -> Callable[..., None]:
    code = store.fetch(("x", *recipe.depends_on), lambda: native(lambda: _block(recipe), recipe.logpdf, of="x"))
    return calls.entry(code)


def _block(recipe: Recipe) -> Callable[..., int]:
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
    logpdf, draw_of = autodiff.plain(recipe.logpdf), draw_reader(recipe)

    def values(draws, point, args, results):  # type: ignore[no-untyped-def]
        out = carray(results, (len(draws),))
        for i in range(len(draws)):
            out[i] = logpdf(draw_of(draws, i), point, *args)

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
