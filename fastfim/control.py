"""Control variates from the Bartlett identities: the same matrix with far less noise.

With s the score, Y = s s^T and N = -Hessian, E[s] = 0 and E[D] = 0 for D = Y - N. So for any fixed coefficients

    I_e = mean( N_e - beta_e^T [s ; vech D] )

is unbiased for entry e: beta = 0 is the Hessian estimator, the beta that picks -D_e the score estimator, and the
regression of N_e on the controls has the least variance of all. The coefficients come from a pilot sample that is used
for nothing else, so that they are independent of the draws they meet, and the estimate stays exactly unbiased. Being
linear in the sums that a run keeps anyway, it costs nothing but the Hessian.

The controls are often collinear (in an exponential family N is constant; supports are discrete; for t, N itself is a
combination of them). Hence a least-squares solution by singular values with a relative cut-off: directions that the
pilot cannot tell apart get no coefficient. Up to `FULL_UP_TO` parameters every entry is regressed on all controls,
beyond only entry (i, j) on [s_i, s_j, D_ij]; without a Hessian it is Y_ij that is regressed, on [s_i, s_j].

>>> rng = np.random.default_rng(0)
>>> x = rng.normal(size=(1, 500, 1))                    # location of a normal: s = x, N = 1
>>> fit(Pilot(x, np.full((1, 500, 1), -1.0), np.ones((1, 500))), "mc").values
array([[0., 0.]])

Sources: Bartlett (1953); Glynn and Szechtman (2002) on control variates as regression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .estimators import Sums, symmetric
from .pilot import Pilot

Array = NDArray[np.float64]

#: Parameters up to which each entry uses all controls; with more, a pilot cannot afford p (p + 3) / 2 of them.
FULL_UP_TO = 9
#: Singular values below this share of the largest are noise, and so is a spread below this share of a column's size.
CUTOFF, LEAST_SPREAD = 1e-10, 1e-12
#: Residuals below this share of the size of s s^T are rounding.
EXACT = 1e-10


@dataclass(frozen=True)
class ControlVariates:
    """Coefficients of c controls for each of E = p (p + 1) / 2 entries.

    Attributes
    ----------
    indices
        Which of the controls [s ; vech D], shape (E, c).
    values
        Their coefficients, shape (E, c); (m, E, c) where each of m points has its own.
    """

    indices: NDArray[np.intp]
    values: Array

    def replicates(self, sums: Sums) -> Array:
        """One unbiased matrix a stream, shape (K, p, p)."""
        p = sums.score.shape[-1]
        rows, columns = np.triu_indices(p)
        controls, target = sums.score / sums.draws, sums.outer[..., rows, columns] / sums.draws
        if sums.negative_hessian is not None:
            hessian = sums.negative_hessian[..., rows, columns] / sums.draws
            controls, target = np.concatenate([controls, target - hessian], axis=-1), hessian
        packed = target - np.einsum("...kec,...ec->...ke", controls[..., self.indices], self.values)
        return symmetric(packed, p)


def fit(pilot: Pilot, sampling: str) -> ControlVariates:
    """Coefficients from the draws of a pilot, for a run under ``sampling``.

    They have the least mean of the squared residual r, E[w r^2] over draws with weights w, for independent draws; for
    quasi-random ones, which add up w r, that of (w r)^2.
    """
    factors = _factors(pilot.weights, sampling)
    p = pilot.scores.shape[2]
    scores = pilot.scores.reshape(-1, p)
    rows, columns = np.triu_indices(p)
    products = scores[:, rows] * scores[:, columns]
    if pilot.hessians is None:
        return _fit_scores(scores, products, factors)
    hessians = pilot.hessians.reshape(pilot.draws, -1)
    (design, lengths), (target, scales) = _problem(scores, products, hessians, factors)
    entries = len(rows)
    if p <= FULL_UP_TO:
        indices = np.tile(np.arange(len(lengths)), (entries, 1))
        solution = _regress(design, target)
    else:
        indices = np.stack([rows, columns, p + np.arange(entries)], axis=1)
        solution = _regress_each(design, target, indices)
    return ControlVariates(indices, solution * scales[:, None] / lengths[indices])


def _fit_scores(scores: Array, products: Array, factors: Array) -> ControlVariates:
    """Entry (i, j) of s s^T on s_i and s_j."""
    rows, columns = np.triu_indices(scores.shape[1])
    design, lengths = _standardized(scores, _norms(scores), factors)
    target, scales = _standardized(products, _norms(products), factors)
    indices = np.stack([rows, columns], axis=1)
    return ControlVariates(indices, _regress_each(design, target, indices) * scales[:, None] / lengths[indices])


def fit_each(
    scores: Array, hessians: Array, weights: Array, sampling: str
) -> tuple[ControlVariates, NDArray[np.bool_]]:
    """The same for each of m points, from scores (m, n, p), packed Hessians, weights (n,); where no residual is left.

    By inner products, all points at once, with a step of refinement for the digits that these lose.
    """
    p = scores.shape[2]
    rows, columns = np.triu_indices(p)
    products = scores[:, :, rows] * scores[:, :, columns]
    (design, lengths), (target, scales) = _problem(scores, products, hessians, _factors(weights, sampling))
    across = design.transpose(0, 2, 1)
    inverse = np.linalg.pinv(across @ design, rcond=CUTOFF, hermitian=True)
    solution = inverse @ (across @ target)
    solution += inverse @ (across @ (target - design @ solution))
    residual = np.abs(target - design @ solution).max(axis=1) * scales
    indices = np.tile(np.arange(lengths.shape[1]), (len(rows), 1))
    values = solution.transpose(0, 2, 1) * scales[:, :, None] / lengths[:, None, :]
    exact = (residual <= EXACT * _norms(products).max(axis=1, keepdims=True)).all(axis=1)
    return ControlVariates(indices, values), exact


def _problem(
    scores: Array, products: Array, hessians: Array, factors: Array
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Standardized controls [s ; vech D] and targets -H, each with its lengths; for several points at once too."""
    # D is a difference, and noise where it is small against its terms
    sizes = np.concatenate([_norms(scores), np.hypot(_norms(products), _norms(hessians))], axis=-1)
    controls = np.concatenate([scores, products + hessians], axis=-1)
    return _standardized(controls, sizes, factors), _standardized(-hessians, _norms(hessians), factors)


def _factors(weights: Array, sampling: str) -> Array:
    """Of the rows of a least-squares problem, as a column."""
    column = weights.reshape(-1, 1)
    return column if sampling == "rqmc" else np.sqrt(column)


def _norms(values: Array) -> Array:
    norms: Array = np.sqrt((values**2).sum(axis=-2))
    return norms


def _standardized(values: Array, sizes: Array, factors: Array) -> tuple[Array, Array]:
    """Centred columns of unit length, and their lengths; columns that are constant to rounding become zero."""
    centre = (factors**2 * values).sum(axis=-2, keepdims=True) / (factors**2).sum()
    centred = factors * (values - centre)
    lengths = _norms(centred)
    varies = lengths > LEAST_SPREAD * sizes
    lengths = np.where(varies, lengths, 1.0)
    return centred * (varies / lengths)[..., None, :], lengths


def _regress(design: Array, target: Array) -> Array:
    """Least squares with a relative cut-off: shape (targets, controls)."""
    solution: Array = np.asarray(np.linalg.lstsq(design, target, rcond=CUTOFF)[0], dtype=np.float64).T
    return solution


def _regress_each(design: Array, target: Array, indices: NDArray[np.intp]) -> Array:
    """The same for few controls a target, all at once, from inner products."""
    few = [design[:, indices[:, k]] for k in range(indices.shape[1])]
    gram = np.array([[np.einsum("ne,ne->e", a, b) for b in few] for a in few]).transpose(2, 0, 1)
    moments = np.array([np.einsum("ne,ne->e", a, target) for a in few]).T
    solution: Array = np.einsum("eab,eb->ea", np.linalg.pinv(gram, rcond=CUTOFF, hermitian=True), moments)
    return solution
