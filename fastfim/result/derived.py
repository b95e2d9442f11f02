"""Quantities that follow from the inverse or the determinant of the matrix.

All are functions of the mean replicate, by the jackknife over streams. Intervals are made on the scale that is nearest
to linear in the matrix, where Student's t holds best: for the diagonal of the inverse its reciprocal (as Fieller did
for ratios, 1954), for the determinant its p-th root, for correlations Fisher's artanh. Measured with one parameter at
seven standard errors from singular, 95 % intervals cover 91 % on the log scale and 95 % on that of the reciprocal.

Near a singular matrix (`fastfim.estimation.regularity`) the jackknife fails. Then there are bounds that need no
smoothness,

    (F^-1)_ii >= 1 / (v^T F v)  for any v with v_i = 1,
    log det F <= sum_i log(u_i^T F u_i)  for any orthonormal u_i

(Cauchy and Schwarz; Hadamard). The v and u used with stream k come from the other streams, so that F_k is independent
of them: the mean over k of v_k^T F_k v_k is unbiased for forms that each bound the truth, and a limit by Student's t
carries over. The limit is that of the two-sided interval, so that a bound in some runs and an interval in others cover
as promised taken together.

>>> replicates = np.array([[[4.04]], [[3.96]], [[4.0]]])
>>> print(inverse(replicates))
0.2500(14)
>>> nearly_singular = np.array([[[0.1]], [[0.3]], [[-0.1]]])
>>> inverse(nearly_singular).interval(0.95)[1]
array([[inf]])
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..estimation import regularity
from ..estimation.estimators import ROUNDING_FLOOR
from ..estimation.jackknife import from_values, leave_one_out, mean_and_error, with_leave_one_out
from .quantity import Bounds, Quantity, fixed_bounds, mapped_bounds, reciprocal_bounds, student_bounds
from .spectrum import Spectrum

Array = NDArray[np.float64]


def inverse(replicates: Array) -> Quantity:
    """The inverse: the covariance of an efficient estimator from one observation."""
    margin = regularity.margin(replicates)
    scaled, roots = regularity.balanced(replicates)
    units = np.outer(roots, roots)
    if regularity.nearly_singular(margin):
        return _inverse_bounds(scaled, units, regularity.note(margin))
    every = _inverses(with_leave_one_out(scaled))
    value, error = from_values(every)
    own = np.sqrt(np.diagonal(every[0]))
    floor = _rounding(scaled) * np.outer(own, own)
    same = np.eye(len(units), dtype=bool)
    centre, spread = from_values(np.where(same, 1.0 / np.where(same, every, 1.0), every))
    spread = np.hypot(spread, np.where(same, centre**2 * floor, floor))
    bounds = partial(_inverse_intervals, centre=centre, spread=spread, units=units, streams=len(replicates))
    return Quantity(value / units, np.hypot(error, floor) / units, bounds)


def _inverse_intervals(
    confidence: float, centre: Array, spread: Array, units: Array, streams: int
) -> tuple[Array, Array]:
    same = np.eye(len(units), dtype=bool)
    pairs = zip(
        reciprocal_bounds(confidence, centre, spread, streams),
        student_bounds(confidence, centre, spread, streams),
        strict=True,
    )
    low, high = (np.where(same, reciprocal, straight) / units for reciprocal, straight in pairs)
    return low, high


def crlb(replicates: Array, n: float) -> Quantity:
    """Cramér-Rao bound on the variances from ``n`` observations: the diagonal of the inverse over n."""
    matrix = inverse(replicates)
    bounds = partial(mapped_bounds, matrix.bounds, np.diagonal)
    return Quantity(np.diagonal(matrix.value), np.diagonal(matrix.standard_error), bounds, matrix.note).scaled(1.0 / n)


def standard_errors(replicates: Array, n: float) -> Quantity:
    """Square root of the Cramér-Rao bound."""
    return crlb(replicates, n).map(np.sqrt, _slope_of_root)


def correlation(replicates: Array) -> Quantity:
    """Correlation matrix of an efficient estimator."""
    margin = regularity.margin(replicates)
    scaled, _ = regularity.balanced(replicates)
    same = np.eye(scaled.shape[1], dtype=bool)
    if regularity.nearly_singular(margin):
        raw = _correlations(scaled.mean(axis=0)) if margin > 0.0 else np.nan
        bounds = partial(fixed_bounds, np.where(same, 1.0, -1.0), np.ones(same.shape))
        return Quantity(np.where(same, 1.0, raw), np.where(same, 0.0, np.inf), bounds, regularity.note(margin))
    every = _correlations(with_leave_one_out(scaled))
    centre, spread = from_values(np.arctanh(np.where(same, 0.0, every)))
    spread = np.where(same, 0.0, np.hypot(spread, _rounding(scaled) * np.cosh(centre) ** 2))
    value = _from_fisher(centre)
    bounds = partial(student_bounds, centre=centre, spread=spread, streams=len(replicates), scale=_from_fisher)
    return Quantity(value, spread * (1.0 - value**2), bounds)


def logdet(replicates: Array) -> Quantity:
    """Logarithm of the determinant."""
    margin = regularity.margin(replicates)
    scaled, roots = regularity.balanced(replicates)
    offset = 2.0 * np.log(roots).sum()
    if regularity.nearly_singular(margin):
        return _logdet_bound(scaled, offset, regularity.note(margin))
    return _logdet(_logdets(with_leave_one_out(scaled)), scaled, len(roots), offset)


def _logdet(every: Array, scaled: Array, power: int, offset: float) -> Quantity:
    """From log determinants of the mean and with one stream left out, of matrices of order ``power``."""
    value, error = from_values(every)
    floor = ROUNDING_FLOOR * np.trace(np.linalg.inv(scaled.mean(axis=0)))
    centre, spread = from_values(np.exp(every / power))
    scale = partial(_log_of_power, power=power, offset=offset)
    spread = np.hypot(spread, centre * floor / power)
    bounds = partial(student_bounds, centre=centre, spread=spread, streams=len(scaled), scale=scale)
    return Quantity(value + offset, np.hypot(error, floor), bounds)


def logdet_of_part(replicates: Array, keep: NDArray[np.intp], drop: NDArray[np.intp]) -> Quantity:
    """Log determinant of the information about some parameters where the others are unknown."""
    margin = regularity.margin(replicates)
    scaled, roots = regularity.balanced(replicates)
    offset = 2.0 * np.log(roots[keep]).sum()
    if regularity.nearly_singular(margin):  # no more than where the others are known
        return _logdet_bound(scaled[:, keep[:, None], keep], offset, regularity.note(margin))
    every = with_leave_one_out(scaled)
    return _logdet(_logdets(every) - _logdets(every[:, drop[:, None], drop]), scaled, len(keep), offset)


def trace(replicates: Array) -> Quantity:
    """Sum of the diagonal."""
    centre, spread = mean_and_error(np.trace(replicates, axis1=1, axis2=2))
    spread = np.hypot(spread, ROUNDING_FLOOR * abs(centre))
    return Quantity(centre, spread, partial(student_bounds, centre=centre, spread=spread, streams=len(replicates)))


def trace_of_inverse(replicates: Array) -> Quantity:
    """Sum of the variances of an efficient estimator from one observation."""
    margin = regularity.margin(replicates)
    if regularity.nearly_singular(margin):
        variances = crlb(replicates, 1.0)
        bounds = partial(_bounds_of_sum, variances.bounds, count=replicates.shape[1])
        return Quantity(np.sum(variances.value), np.inf, bounds, variances.note)
    scaled, roots = regularity.balanced(replicates)
    own = np.diagonal(_inverses(with_leave_one_out(scaled)), axis1=1, axis2=2)
    every: Array = (own / roots**2).sum(axis=1)
    value, error = from_values(every)
    centre, spread = from_values(1.0 / every)
    floor = _rounding(scaled)
    spread = np.hypot(spread, floor * centre)
    bounds = partial(reciprocal_bounds, centre=centre, spread=spread, streams=len(replicates))
    return Quantity(value, np.hypot(error, floor * value), bounds)


def variance_along(replicates: Array, direction: Array) -> Quantity:
    """Least variance of an unbiased estimator of c^T theta from one observation, c^T F^-1 c.

    It is that of the first of new parameters, of which c^T theta is one.
    """
    size = np.linalg.norm(direction)
    if size == 0.0:
        return Quantity(0.0, 0.0, partial(fixed_bounds, 0.0, 0.0))
    scaled, roots = regularity.balanced(replicates)
    axes = np.linalg.qr(np.column_stack([direction / roots, np.eye(len(direction))]))[0]
    length = float(np.linalg.norm(direction / roots))
    return crlb(axes.T @ scaled @ axes, 1.0).first.scaled(length**2)


def natural_gradient(replicates: Array, gradient: Array) -> Quantity:
    """The inverse times a gradient."""
    margin = regularity.margin(replicates)
    scaled, roots = regularity.balanced(replicates)
    right = (gradient / roots)[:, None]
    if regularity.nearly_singular(margin):
        unknown = np.full(len(roots), np.inf)
        value = np.linalg.solve(scaled.mean(axis=0), right)[:, 0] / roots if margin > 0.0 else np.nan * unknown
        return Quantity(value, unknown, partial(fixed_bounds, -unknown, unknown), regularity.note(margin))
    every: Any = np.linalg.solve(with_leave_one_out(scaled), right)
    value, spread = from_values(every[:, :, 0])
    centre, spread = value / roots, np.hypot(spread, _rounding(scaled) * np.abs(value).max()) / roots
    return Quantity(centre, spread, partial(student_bounds, centre=centre, spread=spread, streams=len(replicates)))


def jeffreys(replicates: Array) -> Quantity:
    """Jeffreys' prior density, not normalized: the square root of the determinant."""
    return logdet(replicates).map(_exp_of_half, _slope_of_exp_of_half)


# Bounds where the matrix is nearly singular


def _inverse_bounds(scaled: Array, units: Array, note: str) -> Quantity:
    """Lower bounds on the diagonal; nothing on the rest."""
    spectrum = Spectrum.of(scaled)
    values, vectors = np.linalg.eigh(leave_one_out(scaled))
    # any v will do; eigenvalues lost in noise are raised to their error, so that v stays moderate
    safe = np.maximum(values, np.maximum(np.diagonal(spectrum.errors), ROUNDING_FLOOR))
    inverses = (vectors / safe[:, None, :]) @ vectors.swapaxes(1, 2)
    directions = inverses / np.diagonal(inverses, axis1=1, axis2=2)[:, None, :]
    means, errors = mean_and_error(np.einsum("kai,kab,kbi->ki", directions, scaled, directions))
    unknown = np.where(np.eye(len(units), dtype=bool), np.inf, np.nan)
    value = _inverses(scaled.mean(axis=0)) if spectrum.values[0] > ROUNDING_FLOOR else unknown
    bounds = partial(_inverse_limits, means=means, errors=errors, units=units, streams=len(scaled))
    return Quantity(value / units, np.full(units.shape, np.inf), bounds, note)


def _inverse_limits(confidence: float, means: Array, errors: Array, units: Array, streams: int) -> tuple[Array, Array]:
    high = np.full(units.shape, np.inf)
    low = -high
    np.fill_diagonal(low, reciprocal_bounds(confidence, means, errors, streams)[0])
    return low / units, high


def _logdet_bound(scaled: Array, offset: float, note: str) -> Quantity:
    """One-sided, from above."""
    _, vectors = np.linalg.eigh(leave_one_out(scaled))
    means, errors = mean_and_error(np.einsum("kai,kab,kbi->ki", vectors, scaled, vectors))
    values = np.linalg.eigvalsh(scaled.mean(axis=0))
    value = np.sum(np.log(values)) + offset if values[0] > ROUNDING_FLOOR else -np.inf
    bounds = partial(_hadamard_bounds, means=means, errors=errors, offset=offset, streams=len(scaled))
    return Quantity(value, np.inf, bounds, note)


def _hadamard_bounds(
    confidence: float, means: Array, errors: Array, offset: float, streams: int
) -> tuple[float, float]:
    """Each factor by Bonferroni at its share of the risk."""
    _, high = student_bounds(1.0 - (1.0 - confidence) / len(means), means, errors, streams)
    with np.errstate(divide="ignore"):
        return -np.inf, float(np.sum(np.log(np.maximum(high, 0.0))) + offset)


# Helpers


def _logdets(matrices: Array) -> Array:
    logarithms: Array = np.linalg.slogdet(matrices).logabsdet
    return logarithms


def _bounds_of_sum(bounds: Bounds, confidence: float, count: int) -> tuple[Any, Any]:
    """Of quantities that share the risk among them, by Bonferroni."""
    low, high = bounds(1.0 - (1.0 - confidence) / count)
    return np.sum(low), np.sum(high)


def _rounding(scaled: Array) -> float:
    """Relative error of the inverse: rounding in the matrix grows by the reciprocal of its least eigenvalue."""
    return float(ROUNDING_FLOOR / np.linalg.eigvalsh(scaled.mean(axis=0))[0])


def _inverses(matrices: Array) -> Array:
    inverses: Any = np.linalg.inv(matrices)
    symmetric: Array = 0.5 * (inverses + np.swapaxes(inverses, -1, -2))
    return symmetric


def _correlations(matrices: Array) -> Array:
    inverses = _inverses(matrices)
    own = np.sqrt(np.diagonal(inverses, axis1=-2, axis2=-1))
    correlations: Array = inverses / (own[..., :, None] * own[..., None, :])
    return correlations


def _log_of_power(values: Any, power: int, offset: float) -> Any:
    with np.errstate(divide="ignore"):
        return power * np.log(np.maximum(values, 0.0)) + offset


def _from_fisher(values: Any) -> Any:
    """Correlations from Fisher's scale, with ones on the diagonal."""
    return np.where(np.eye(len(values), dtype=bool), 1.0, np.tanh(values))


def _slope_of_root(values: Any) -> Any:
    return 0.5 / np.sqrt(values)


def _exp_of_half(values: Any) -> Any:
    return np.exp(0.5 * values)


def _slope_of_exp_of_half(values: Any) -> Any:
    return 0.5 * np.exp(0.5 * values)
