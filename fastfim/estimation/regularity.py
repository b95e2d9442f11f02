"""How far a matrix is from singular, in standard errors.

The inverse is smooth as long as the information of every combination v of the parameters is known well relative to
itself. With W_k = F^-1/2 F_k F^-1/2 the whitened replicates, that is the largest

    sd over k of u^T W_k u / sqrt(K),    |u| = 1,

found by power steps u <- sum_k (u^T D_k u) D_k u, with D_k = W_k - I, which never go down since the sum of the squares
of u^T D_k u is convex. Its reciprocal is the margin: for a diagonal matrix, the number of standard errors between zero
and the least certain eigenvalue. Units of the parameters, and linear changes of them, leave it as it is.

>>> replicates = np.array([[[1.2]], [[0.8]], [[1.0]]])
>>> print(f"{margin(replicates):.2f}")
8.66
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .estimators import ROUNDING_FLOOR
from .jackknife import leave_one_out, mean_and_error

Array = NDArray[np.float64]

#: Standard errors from singular at which the inverse is smooth enough for the jackknife.
SAFE = 6.0
#: The inverse is not smooth either if leaving out one stream leaves less than this of the information in a direction.
LEAST_LEFT = 0.5
#: Power steps, and how many starts take them: the best among the eigenvectors and the axes. Any value is a lower bound.
STEPS, STARTS = 30, 8


def balanced(replicates: Array) -> tuple[Array, Array]:
    """Replicates in units that make the diagonal about one, within its errors; the square roots of those units."""
    own, errors = mean_and_error(np.diagonal(replicates, axis1=1, axis2=2))
    size = np.hypot(own, errors)
    roots = np.sqrt(np.where(size > 0.0, size, 1.0))
    return replicates / np.outer(roots, roots), roots


def margin(replicates: Array) -> float:
    """Standard errors between the mean replicate and a singular matrix; zero if it is not positive definite."""
    scaled, _ = balanced(replicates)
    values, vectors = np.linalg.eigh(scaled.mean(axis=0))
    if values[0] <= ROUNDING_FLOOR * max(values[-1], 1.0):
        return 0.0
    whitened = (vectors.T @ scaled @ vectors) / np.sqrt(np.outer(values, values))
    deviations = whitened - np.eye(len(values))
    least_left = np.linalg.eigvalsh(leave_one_out(whitened))[:, 0].min()
    axes = np.sqrt(values)[:, None] * vectors.T
    error = np.hypot(_largest_error(deviations, axes), ROUNDING_FLOOR / values[0])
    found = float(1.0 / error)
    return found if least_left >= LEAST_LEFT else min(found, SAFE * least_left / (2.0 * LEAST_LEFT))


def nearly_singular(margin: float) -> bool:
    """Whether the inverse has bounds only."""
    return margin < SAFE


def note(margin: float) -> str:
    """Why there are bounds in place of intervals."""
    return (
        f"the matrix is {max(margin, 0.0):.1f} standard errors from singular, {SAFE:g} are needed for error bars: "
        "bounds only; more draws or fewer parameters would help"
    )


def _largest_error(deviations: Array, axes: Array) -> float:
    """Largest standard error of u^T W u over unit vectors u, from the eigenvectors and the parameters' own axes."""
    starts = np.concatenate([np.eye(deviations.shape[1]), (axes / np.linalg.norm(axes, axis=0)).T])
    starts = starts[np.argsort(_errors(deviations, starts))[-STARTS:]]
    for _ in range(STEPS):
        images = np.einsum("kab,nb->nka", deviations, starts)
        forms = np.einsum("nka,na->nk", images, starts)
        steps = np.einsum("nk,nka->na", forms, images)
        lengths = np.linalg.norm(steps, axis=1, keepdims=True)
        starts = np.where(lengths > 0.0, steps / np.where(lengths > 0.0, lengths, 1.0), starts)
    return float(_errors(deviations, starts).max())


def _errors(deviations: Array, directions: Array) -> Array:
    """Standard errors of u^T W u, one for each u."""
    streams = len(deviations)
    images = np.einsum("kab,nb->nka", deviations, directions)
    forms = np.einsum("nka,na->nk", images, directions)
    errors: Array = np.sqrt(np.sum(forms**2, axis=1) / (streams * (streams - 1)))
    return errors
