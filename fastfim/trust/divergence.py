"""The curvature of two divergences between p_theta and its neighbours: the Fisher information without any derivative.

Both are read off log densities l at the draws of theta and at theta +- h e, common random numbers throughout:

- Kullback and Leibler: KL(theta || theta + h e) = E[l(theta) - l(theta + h e)] = h^2 e^T I e / 2 + O(h^3), so that

      e^T I e = lim E[2 l(theta) - l(theta + h e) - l(theta - h e)] / h^2,

  and mixed entries follow from the directions e_i + e_j;
- Hellinger: I = 4 int (grad sqrt p) (grad sqrt p)^T dx, the root differenced on both sides, so that with
  g_j = (exp((l(theta + h e_j) - l(theta)) / 2) - exp((l(theta - h e_j) - l(theta)) / 2)) / h_j

      I = lim E[g g^T].

A step h gives c0 + c1 h + c2 h^2 + ...: smooth densities have even powers alone, a kink brings odd ones. Richardson's
(1911) extrapolation from h, h/2 and h/4 removes both c1 and c2; what is left is judged by the distance to the one from
h/2 and h/4 that takes c2 alone to be there.

A draw whose log density at theta +- h e is -inf has left the support: KL is infinite.

>>> from fastfim.catalogue import catalogue
>>> model = catalogue["norm"].bind()
>>> theta, draws = model.theta([0.0, 1.0]), np.random.default_rng(0).normal(size=(1000, 1))
>>> seen = curvatures(model, theta, draws, steps_at(model, theta, np.array([1.0, 2.0])))
>>> np.round(seen.kullback_leibler[0], 2) + 0.0  # this is minus the mean Hessian of these draws
array([ 1.  , -0.1 ,  1.87])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError
from ..kernels.block import derivatives_at
from ..likelihood import BoundLikelihood

Array = NDArray[np.float64]

#: Largest step, in standard errors of a parameter from one observation and on the way to the end of its domain, and how
#: often it may be halved.
STEP, TOWARDS_END, HALVINGS = 0.1, 0.25, 40
#: Steps, as shares of the largest; weights that extrapolate from them; weights that take the density to be smooth.
SHARES = np.array([1.0, 0.5, 0.25])
KINKED, SMOOTH = np.array([1.0, -6.0, 8.0]) / 3.0, np.array([0.0, -1.0, 4.0]) / 3.0


@dataclass(frozen=True)
class Curvatures:
    """Means over draws; matrices as packed upper triangles, row by row.

    Attributes
    ----------
    kullback_leibler, hellinger
        Shape (2, p (p + 1) / 2): extrapolated, and extrapolated as if smooth.
    outside
        For each parameter, how many draws leave the support.
    """

    kullback_leibler: Array
    hellinger: Array
    outside: NDArray[np.int64]


def steps_at(model: BoundLikelihood, theta: Array, information: Array) -> Array:
    """The largest step of each parameter, given the diagonal of the information: no direction leaves the domain."""
    known, size = information > 0.0, np.maximum(np.abs(theta[list(model.wrt)]), 1.0)
    steps = STEP * np.where(known, 1.0 / np.sqrt(np.where(known, information, 1.0)), size)
    ends = [min(theta[k] - model.domain[k].low, model.domain[k].high - theta[k]) for k in model.wrt]
    steps = np.minimum(steps, TOWARDS_END * np.array(ends))
    steps *= [_allowed_share(model, theta, axis[None]) for axis in np.diag(steps)]
    return steps * _allowed_share(model, theta, np.array([d for _, _, d in _directions(steps)]))


def curvatures(model: BoundLikelihood, theta: Array, draws: Array, steps: Array) -> Curvatures:
    """Both curvatures from the same draws, (n, size)."""
    here = derivatives_at(model, theta, draws).logpdf
    changes = partial(_change, model, theta, draws, here)
    with np.errstate(invalid="ignore", over="ignore"):
        seconds, products, outside = zip(*(_differences(changes, share * steps) for share in SHARES), strict=True)
        return Curvatures(_extrapolated(seconds), _extrapolated(products), np.max(outside, axis=0))


def _allowed_share(model: BoundLikelihood, theta: Array, directions: Array) -> float:
    """What share of the directions, (n, p), stays within the domain and the constraint on both sides of theta."""
    share = 1.0
    for _ in range(HALVINGS):
        try:
            for step in share * directions:
                model.theta(_beside(model, theta, step))
                model.theta(_beside(model, theta, -step))
        except ParameterError:
            share *= 0.5
        else:
            break
    return share


def _directions(steps: Array) -> list[tuple[int, int, Array]]:
    """For each entry (i, j) of a matrix the direction e_i + e_j, or e_i, in steps."""
    axes = np.diag(steps)
    p = len(steps)
    return [(i, j, axes[i] + (i != j) * axes[j]) for i in range(p) for j in range(i, p)]


def _change(model: BoundLikelihood, theta: Array, draws: Array, here: Array, step: Array) -> Array:
    """The log density of each draw at theta + step, less that at theta."""
    change: Array = derivatives_at(model, _beside(model, theta, step), draws).logpdf - here
    return change


def _beside(model: BoundLikelihood, theta: Array, step: Array) -> Array:
    """Theta with a step in the parameters that are differentiated."""
    there = theta.copy()
    there[list(model.wrt)] += step
    return there


def _differences(changes: Callable[[Array], Array], steps: Array) -> tuple[Array, Array, NDArray[np.int64]]:
    """Second differences of the divergence of Kullback and Leibler, products of roots, and who left the support."""
    p = len(steps)
    seconds, roots, outside = np.empty((p, p)), [], []
    for i, j, direction in _directions(steps):
        up, down = changes(direction), changes(-direction)
        seconds[i, j] = -np.mean(up + down)
        if i == j:
            roots.append((np.exp(0.5 * up) - np.exp(0.5 * down)) / steps[i])
            outside.append(np.count_nonzero(np.isneginf(up) | np.isneginf(down)))
    own = np.diagonal(seconds)
    mixed = np.where(np.eye(p, dtype=bool), seconds, 0.5 * (seconds - own[:, None] - own))
    return (
        _packed(mixed / np.outer(steps, steps)),
        _packed(np.array(roots) @ np.array(roots).T / len(roots[0])),
        np.array(outside),
    )


def _packed(matrix: Array) -> Array:
    """The upper triangle, row by row."""
    return matrix[np.triu_indices(len(matrix))]


def _extrapolated(values: tuple[Array, ...]) -> Array:
    """To a step of zero: allowing for kinks, and as if smooth."""
    return np.stack([KINKED @ np.array(values), SMOOTH @ np.array(values)])
