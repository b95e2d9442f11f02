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
from numpy.typing import NDArray

from .. import store
from ..errors import LikelihoodError, OptionError
from ..likelihood import BoundLikelihood, location
from . import calls
from .block import Recipe

Array = NDArray[np.float64]

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


@lru_cache(maxsize=256)
def _compiled(recipe: Recipe) -> Callable[..., None]:
    def compiled() -> store.Compiled:
        from . import assembly, spatial_passes  # import Numba

        return assembly.native(lambda: spatial_passes.block(recipe), recipe.logpdf, of="x")

    return calls.entry(store.fetch(("x", *recipe.depends_on), compiled))
