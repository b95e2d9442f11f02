"""Eigenvalues of the matrix, and where their error bars can be trusted.

With F = U diag(l) U^T the mean replicate, an eigenvalue that stands apart is a smooth function of F, and the jackknife
holds. Where two come close, the error E of the matrix mixes their eigenvectors, the sorted eigenvalues are pushed
apart, and the jackknife's intervals cover too little. Such eigenvalues form a cluster. By Weyl's inequality each of
them errs by no more than the norm of E within the cluster's subspace:

    |l_i - true l_i| <= ||E||_F,    ||E||_F^2 ~ m F(nu, K - 1),    E = U_c^T (F - true F) U_c,

where m is the expectation of ||E||_F^2 and nu its effective degrees of freedom (Satterthwaite 1946), both from the
covariance of the replicates. For a single eigenvalue this is the interval by Student's t.

The condition number has an interval where the matrix is clear of singular, and else a lower bound.

An eigenvector that stands apart is smooth too, once its sign is that of its neighbour's among the means of all streams
but one. Those of a cluster are not: only the space that they span is known.

>>> replicates = np.diag([3.0, 1.0]) + np.array([-0.01, 0.01])[:, None, None] * np.eye(2)
>>> print(eigenvalues(replicates))
1.000(10)
3.000(10)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..estimation import regularity
from ..estimation.estimators import ROUNDING_FLOOR
from ..estimation.jackknife import from_values, leave_one_out, mean_and_error, with_leave_one_out
from ..estimation.stopping import critical_value
from .quantity import Bounds, Quantity, exp_where, log_where, reciprocal_bounds, student_bounds

Array = NDArray[np.float64]

#: Eigenvalues closer than so many standard errors form a cluster.
APART = 5.0
#: Standard errors from zero at which an eigenvalue goes to the log scale. Nearer to zero that scale covers too little:
#: 91 % in place of 95 % at six standard errors.
POSITIVE = 10.0


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of the mean replicate, and how well each is known.

    Attributes
    ----------
    values
        Eigenvalues in ascending order, shape (p,).
    vectors
        Eigenvectors, as columns.
    projected
        Replicates in the basis of the eigenvectors, shape (K, p, p).
    errors
        Standard errors of the entries of their mean, with the rounding floor, shape (p, p).
    """

    values: Array
    vectors: Array
    projected: Array
    errors: Array

    @classmethod
    def of(cls, replicates: Array) -> Spectrum:
        """Diagonalize the mean of the replicates."""
        values, vectors = np.linalg.eigh(replicates.mean(axis=0))
        projected = vectors.T @ replicates @ vectors
        _, errors = mean_and_error(projected)
        return cls(values, vectors, projected, np.hypot(errors, ROUNDING_FLOOR * np.abs(values).max()))

    def clusters(self) -> list[slice]:
        """Runs of eigenvalues that are closer than `APART` standard errors to one another."""
        gaps = self.values[None, :] - self.values[:, None]
        close = gaps < APART * self._gap_errors()
        p = len(gaps)
        starts = [k for k in range(p) if not close[:k, k:].any()]
        return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], p], strict=True)]

    def _gap_errors(self) -> Array:
        """Standard errors of the gaps; that of a block ((a, c), (c, b)) is sqrt((a - b)^2 + 4 c^2)."""
        diagonal = np.diagonal(self.projected, axis1=1, axis2=2)
        _, errors = mean_and_error(diagonal[:, :, None] - diagonal[:, None, :])
        gap_errors: Array = np.hypot(errors, 2.0 * self.errors)
        return gap_errors

    def norm_of_error(self, cluster: slice) -> tuple[float, float]:
        """Root of the expectation of ||E||_F^2 within a cluster, and its effective degrees of freedom."""
        block = self.projected[:, cluster, cluster]
        deviations = (block - block.mean(axis=0)).reshape(len(block), -1)
        inner = deviations @ deviations.T / (len(block) * (len(block) - 1))
        mean, spread = np.trace(inner), np.sum(inner**2)
        floor = ROUNDING_FLOOR * np.abs(self.values).max()
        return float(np.hypot(np.sqrt(mean), floor)), float(mean**2 / spread) if spread > 0.0 else 1.0


def eigenvalues(replicates: Array) -> Quantity:
    """Eigenvalues in ascending order: on the log scale where clearly positive, close ones as clusters."""
    spectrum = Spectrum.of(replicates)
    clusters = [cluster for cluster in spectrum.clusters() if cluster.stop - cluster.start > 1]
    every = np.linalg.eigvalsh(with_leave_one_out(replicates))
    logarithmic: NDArray[np.bool_] = np.all(every > POSITIVE * np.diagonal(spectrum.errors), axis=0)
    for cluster in clusters:
        logarithmic[cluster] = False
    slope = np.where(logarithmic, every[0], 1.0)
    centre, spread = from_values(log_where(logarithmic, every))
    spread, dimension = np.hypot(spread, ROUNDING_FLOOR * np.abs(every[0]).max() / slope), np.ones(len(centre))
    for cluster in clusters:
        # the mean of a cluster is smooth, so that its bias can be removed; that of its members cannot
        centre[cluster] = every[0, cluster] + np.mean(centre[cluster] - every[0, cluster])
        spread[cluster], dimension[cluster] = spectrum.norm_of_error(cluster)
    value = exp_where(logarithmic, centre)
    bounds = partial(
        student_bounds,
        centre=centre,
        spread=spread,
        streams=len(replicates),
        scale=partial(exp_where, logarithmic),
        dimension=dimension,
    )
    note = _cluster_note(clusters, "their intervals are Weyl bounds")
    return Quantity(value, spread * np.where(logarithmic, value, 1.0), bounds, note)


def least(replicates: Array) -> Quantity:
    """The least eigenvalue."""
    return eigenvalues(replicates).first


def eigenvectors(replicates: Array) -> Quantity:
    """Eigenvectors as columns, the largest component of each positive; none of a cluster is known."""
    spectrum, streams = Spectrum.of(replicates), len(replicates)
    _, every = np.linalg.eigh(with_leave_one_out(replicates))
    largest = np.abs(every[0]).argmax(axis=0)
    value = every[0] * np.sign(every[0][largest, range(len(largest))])
    every = every * np.where(np.einsum("kij,ij->kj", every, value) < 0.0, -1.0, 1.0)[:, None, :]
    centre, spread = from_values(every)
    spread = np.hypot(spread, ROUNDING_FLOOR)
    unknown = [cluster for cluster in spectrum.clusters() if cluster.stop - cluster.start > 1]
    for cluster in unknown:
        centre[:, cluster], spread[:, cluster] = 0.0, np.inf
    bounds = partial(student_bounds, centre=centre, spread=spread, streams=streams, scale=_within_one)
    return Quantity(value, spread, bounds, _cluster_note(unknown, "they span a space, of which any basis would do"))


def _within_one(values: Any) -> Any:
    return np.clip(values, -1.0, 1.0)


def condition_number(replicates: Array) -> Quantity:
    """Largest eigenvalue over the least: a lower bound where the least is not clear of zero."""
    spectrum = Spectrum.of(replicates)
    if len(spectrum.values) == 1 and spectrum.values[0] > 0.0:
        return Quantity(1.0, 0.0, _known_to_be_one)
    margin = regularity.margin(replicates)
    if regularity.nearly_singular(margin):
        return _condition_bound(replicates, spectrum, regularity.note(margin))
    clusters = spectrum.clusters()
    if max(c.stop - c.start for c in (clusters[0], clusters[-1])) > 1:
        return _condition_of_clusters(eigenvalues(replicates))
    every = np.linalg.eigvalsh(with_leave_one_out(replicates))
    reciprocals = every[:, 0] / every[:, -1]
    logarithm, relative = from_values(-np.log(reciprocals))
    value = np.exp(logarithm)
    centre, spread = from_values(reciprocals)
    bounds = partial(reciprocal_bounds, centre=centre, spread=np.hypot(spread, ROUNDING_FLOOR), streams=len(replicates))
    return Quantity(value, value * np.hypot(relative, ROUNDING_FLOOR * value), bounds)


def _condition_of_clusters(spectrum: Quantity) -> Quantity:
    least, largest = spectrum.value[[0, -1]]
    value = max(largest / least, 1.0)
    error = value * np.hypot(*(spectrum.standard_error[[0, -1]] / (least, largest)))
    return Quantity(value, error, partial(_ratio_bounds, spectrum.bounds), spectrum.note)


def _ratio_bounds(eigenvalue_bounds: Bounds, confidence: float) -> tuple[Any, Any]:
    """The largest eigenvalue over the least, each by Bonferroni at half the risk."""
    low, high = eigenvalue_bounds(0.5 + 0.5 * confidence)
    return max(low[-1] / high[0], 1.0), high[-1] / low[0] if low[0] > 0.0 else np.inf


def _condition_bound(replicates: Array, spectrum: Spectrum, note: str) -> Quantity:
    """One-sided: the ratio of u^T F u to v^T F v for any u and v is a lower bound.

    The u and v of each stream are eigenvectors of the mean of the other streams, so that no bias comes from the choice.
    """
    _, vectors = np.linalg.eigh(leave_one_out(replicates))
    ends = vectors[:, :, [0, -1]]
    means, errors = mean_and_error(np.einsum("kia,kij,kja->ka", ends, replicates, ends))
    least, largest = spectrum.values[[0, -1]]
    value = largest / least if least > 0.0 else np.inf
    bounds = partial(_condition_bounds, means=means, errors=errors, streams=len(replicates))
    return Quantity(value, np.inf, bounds, note)


def _condition_bounds(confidence: float, means: Array, errors: Array, streams: int) -> tuple[Any, Any]:
    """Each of the two forms by Bonferroni at half the risk."""
    half_widths = critical_value(0.5 + 0.5 * confidence, streams) * errors
    least, largest = means[0] + half_widths[0], means[1] - half_widths[1]
    if largest <= 0.0:
        return 1.0, np.inf
    return max(largest / least, 1.0) if least > 0.0 else np.inf, np.inf


def _known_to_be_one(confidence: float) -> tuple[Any, Any]:
    return 1.0, 1.0


def _cluster_note(clusters: list[slice], therefore: str) -> str:
    """Which eigenvalues are too close to be told apart, and what follows."""
    named = ", ".join(f"{cluster.start + 1} to {cluster.stop}" for cluster in clusters)
    if not named:
        return ""
    return f"eigenvalues {named} lie too close to be told apart (a cluster); {therefore}"
