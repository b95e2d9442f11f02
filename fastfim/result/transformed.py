r"""Information about other parameters than those that were estimated: fewer, with a prior, or functions of them.

With F the matrix, a the parameters that stay and b those that go:

- *known* parameters leave their rows and columns: F_aa;
- *unknown* ones (nuisance parameters) take information with them: the Schur complement F_aa - F_ab F_bb^-1 F_ba, the
  inverse of what the inverse says of a;
- a *prior* adds its precision;
- for phi = g(theta) with Jacobian G = dg/dtheta, log p has the gradient G^-T s in phi, and the matrix is
  G^-T F G^-1.

All but the second are linear in F, and are applied to each replicate. Of the Schur complement the replicates are the
jackknife's pseudo-values (`fastfim.estimation.jackknife`): their mean lacks the bias of order 1/K, and their spread is
the error bar.

Sources: Lehmann and Casella (1998), "Theory of Point Estimation", sections 2.6 and 6.6; Gill and Levit (1995) on
priors.

>>> replicates = np.array([[[2.0, 1.0], [1.0, 2.0]]] * 3)
>>> marginal(replicates, np.array([0]), np.array([1]))[0]
array([[1.5]])
>>> carried(replicates, np.diag([2.0, 1.0]))[0]
array([[0.5, 0.5],
       [0.5, 2. ]])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..estimation import regularity
from ..estimation.jackknife import with_leave_one_out

Array = NDArray[np.float64]

#: Relative error of a numerical Jacobian beyond which it is refused.
LARGEST_ERROR = 1e-8
#: Condition number, each row having been scaled, beyond which a Jacobian counts as singular.
LARGEST_CONDITION = 1e9
#: First step of its differences, relative to the parameter.
STEP = 0.01


def marginal(replicates: Array, keep: NDArray[np.intp], drop: NDArray[np.intp]) -> Array:
    """Pseudo-values of the information about some parameters where others are unknown, shape (K, q, q).

    Raises
    ------
    OptionError
        The information about the others is not clear of singular.
    """
    scaled, roots = regularity.balanced(replicates)
    margin = regularity.margin(scaled[:, drop[:, None], drop])
    if regularity.nearly_singular(margin):
        raise OptionError(
            f"what the data say about the parameters to marginalize is {margin:.1f} standard errors from singular, and "
            f"{regularity.SAFE:g} are needed for their inverse: fix some of them, or take more draws"
        )
    every, streams = with_leave_one_out(scaled), len(replicates)
    mixed = every[:, drop[:, None], keep]
    taken = mixed.swapaxes(1, 2) @ np.linalg.solve(every[:, drop[:, None], drop], mixed)
    left = every[:, keep[:, None], keep] - 0.5 * (taken + taken.swapaxes(1, 2))
    pseudo: Array = (streams * left[0] - (streams - 1) * left[1:]) * np.outer(roots[keep], roots[keep])
    return pseudo


def carried(replicates: Array, jacobian: Array) -> Array:
    """Replicates for parameters whose derivatives with respect to the old ones are ``jacobian``."""
    half = np.linalg.solve(jacobian.T, replicates)
    both = np.linalg.solve(jacobian.T, half.swapaxes(1, 2))
    symmetric: Array = 0.5 * (both + both.swapaxes(1, 2))
    return symmetric


def new_parameters(change: Any, theta: Array, old: tuple[str, ...]) -> tuple[Array, Array]:
    """Values of new parameters and their Jacobian, from a function of the old ones or the Jacobian itself.

    A Jacobian does not say where the new parameters are: their values are NaN.

    Raises
    ------
    OptionError
        It is not a regular matrix of the right shape, or the function cannot be differentiated at theta.
    """
    if callable(change):
        values, jacobian = _differentiated(change, theta)
    else:
        values = np.full(len(theta), np.nan)
        try:
            jacobian = np.array(change, dtype=np.float64)
        except (TypeError, ValueError):
            raise OptionError(
                f"reparametrize takes a function of theta or a Jacobian, a matrix of numbers; got {change!r}"
            ) from None
    p = len(old)
    if jacobian.shape != (p, p) or not np.isfinite(jacobian).all():
        raise OptionError(
            f"the Jacobian must be a finite matrix of shape ({p}, {p}), one new parameter for each of {list(old)} "
            f"(marginalize() or fix() leave parameters out); got shape {jacobian.shape}"
        )
    units = np.abs(jacobian).max(axis=1, initial=0.0)
    if not units.all() or np.linalg.cond(jacobian / units[:, None]) > LARGEST_CONDITION:
        raise OptionError(
            f"the new parameters do not determine the old ones: their Jacobian {jacobian.tolist()} is singular"
        )
    return values, jacobian


def _differentiated(function: Callable[[Array], Any], theta: Array) -> tuple[Array, Array]:
    """A function's value and Jacobian, by extrapolated central differences."""
    # imported here, as few need it
    from scipy.differentiate import jacobian

    def along(points: Array) -> Array:
        return np.apply_along_axis(lambda point: np.asarray(function(point), dtype=np.float64), 0, points)

    try:
        values = along(theta)
        step = np.where(theta == 0.0, STEP, STEP * np.abs(theta))
        found = jacobian(along, theta, initial_step=step, order=8)
    except Exception as error:
        raise OptionError(f"reparametrize: the function failed near theta = {theta.tolist()} ({error!r})") from error
    size = np.abs(found.df).max(axis=-1, initial=0.0)[..., None]
    if values.ndim != 1 or not np.isfinite(values).all() or not (found.error <= LARGEST_ERROR * size).all():
        raise OptionError(
            f"reparametrize: the function must map theta to as many numbers, smoothly near {theta.tolist()}; "
            f"it gives {values.tolist()}"
        )
    return values, found.df
