"""From sums to matrices: one unbiased estimate of the information a stream.

With the score s and the Hessian H of a draw, E[s] = 0 and E[s s^T] = -E[H] (Bartlett's identities, 1953), so there are
several unbiased estimators. With s_k, Y_k, N_k the means of s, s s^T and -H over the draws of stream k of K:

- ``score``: Y_k, the mean outer product of scores;
- ``hessian``: N_k;
- ``bartlett``: N_k less its regression on the controls s and Y - N, whose means are zero (see `fastfim.control`);
- ``covariance``: the covariance of the score. It also holds for a density known up to a factor that depends on theta,
  whose score has a mean. Taken over streams,

      I = mean_k Y_k - sum_{k != l} s_k s_l^T / (K (K - 1)),

  is a U-statistic (Hoeffding 1948), unbiased whatever the draws within a stream have to do with one another. Its
  jackknife pseudo-values serve as replicates, and their mean is I itself.

The streams are independent, so the spread of the K matrices is the error of their mean: no fourth moments are kept.

>>> sums = Sums(2, score=np.array([[2.0], [-2.0]]), outer=np.array([[[4.0]], [[6.0]]]))
>>> replicates(sums, "score").ravel()
array([2., 3.])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Least standard error that is reported, relative to sqrt(I_ii I_jj). A smaller spread is agreement between streams,
#: not accuracy: rounding in special functions is the same in all of them.
ROUNDING_FLOOR = 1e-12


@dataclass(frozen=True)
class Sums:
    """Sums over ``draws`` draws of each of K streams, without weights; of several points at once, with a leading axis.

    Attributes
    ----------
    draws
        Draws a stream.
    score
        Sum of s, shape (K, p).
    outer
        Sum of s s^T, shape (K, p, p).
    negative_hessian
        Sum of -H, shape (K, p, p), where the estimator needs it.
    """

    draws: int
    score: Array
    outer: Array
    negative_hessian: Array | None = None

    def __sub__(self, other: Sums) -> Sums:
        """The sums over the draws that ``other`` does not have."""
        ours, theirs = self.negative_hessian, other.negative_hessian
        hessian = None if ours is None or theirs is None else ours - theirs
        return Sums(self.draws - other.draws, self.score - other.score, self.outer - other.outer, hessian)

    @classmethod
    def unpack(cls, totals: Array, p: int, draws: int) -> Sums:
        """Read rows, one a stream, of (s, packed Y, packed N if there, weights, a count); triangles row by row.

        Quasi-random draws have weights w of mean 1 (see `fastfim.streams.stretching`). For any number c the mean of
        w f - c (w - 1) is that of f, and near c = E[f] it has none of the weights' own noise: a constant is known
        exactly. For stream k, c is the ratio of the sums of w f and w over the other streams, which is independent of
        it, so that the estimate stays unbiased.
        """
        pairs = p * (p + 1) // 2
        weights, values = totals[..., -2:-1], totals[..., :-2]
        if (weights != draws).any():
            others = values.sum(axis=-2, keepdims=True) - values
            values = values - others / (weights.sum(axis=-2, keepdims=True) - weights) * (weights - draws)
        outer = symmetric(values[..., p : p + pairs], p)
        hessian = symmetric(values[..., p + pairs :], p) if values.shape[-1] > p + pairs else None
        return cls(draws, values[..., :p].copy(), outer, hessian)


def symmetric(packed: Array, p: int) -> Array:
    """Matrices (..., p, p) of upper triangles (..., p (p + 1) / 2) packed row by row."""
    matrices: Array = packed[..., _places(p)]
    return matrices


@cache
def triangle(p: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of a matrix's upper triangle, row by row."""
    return np.triu_indices(p)


@cache
def _places(p: int) -> NDArray[np.intp]:
    """Where each entry of a matrix is in a packed upper triangle."""
    places = np.empty((p, p), dtype=np.intp)
    rows, columns = triangle(p)
    places[rows, columns] = places[columns, rows] = np.arange(len(rows))
    return places


@dataclass(frozen=True)
class Estimator:
    """One row of `ESTIMATORS`: how to get replicates, whether they need Hessians, the least number of streams.

    ``replicates(sums, control)`` gets the control variates of `fastfim.control` if ``needs_pilot``, else None.
    """

    replicates: Callable[[Sums, Any], Array]
    needs_hessian: bool
    needs_pilot: bool = False
    least_streams: int = 2


def _score(sums: Sums, control: Any = None) -> Array:
    return sums.outer / sums.draws


def _hessian(sums: Sums, control: Any = None) -> Array:
    assert sums.negative_hessian is not None
    return sums.negative_hessian / sums.draws


def _covariance(sums: Sums, control: Any = None) -> Array:
    """Pseudo-values K I - (K - 1) I_(k), with I_(k) the U-statistic without stream k.

    With V_k the covariance within stream k and d_k the deviation of its mean score from that of all streams, they are
    V_k + K / (K - 2) d_k d_k^T - sum_l d_l d_l^T / ((K - 1) (K - 2)): symmetric to the last bit, with no cancellation
    beyond that of V_k, and a mean that is positive semidefinite.
    """
    streams, means = len(sums.score), sums.score / sums.draws
    between = _squares(means - means.mean(axis=0))
    pseudo: Array = sums.outer / sums.draws - _squares(means) + streams / (streams - 2) * between
    pseudo -= between.sum(axis=0) / ((streams - 1) * (streams - 2))
    return pseudo


def _bartlett(sums: Sums, control: Any = None) -> Array:
    matrices: Array = control.replicates(sums)
    return matrices


def _squares(vectors: Array) -> Array:
    return vectors[:, :, None] * vectors[:, None, :]


ESTIMATORS = {
    "score": Estimator(_score, needs_hessian=False),
    "covariance": Estimator(_covariance, needs_hessian=False, least_streams=3),
    "hessian": Estimator(_hessian, needs_hessian=True),
    "bartlett": Estimator(_bartlett, needs_hessian=True, needs_pilot=True),
}


def replicates(sums: Sums, estimator: str, control: Any = None) -> Array:
    """One unbiased estimate a stream, shape (K, p, p)."""
    return ESTIMATORS[estimator].replicates(sums, control)


def scale(sums: Sums, estimator: str) -> Array:
    """What ``rtol`` is relative to: sqrt(I_ii I_jj), shape (p, p).

    The diagonal is that of the outer products, which no noise makes negative; for ``covariance`` it is that of the
    estimate, since a score with a mean would widen the tolerance.
    """
    source = replicates(sums, estimator) if estimator == "covariance" else _score(sums)
    diagonal = np.diagonal(source, axis1=-2, axis2=-1).mean(axis=-2)
    root = np.sqrt(np.maximum(diagonal, 0.0))
    product: Array = root[..., :, None] * root[..., None, :]
    return product


def standard_error(matrices: Array, scale: Array) -> Array:
    """Standard error of the mean of the replicates, with the rounding floor added in quadrature."""
    spread = matrices.std(axis=-3, ddof=1) / np.sqrt(matrices.shape[-3])
    error: Array = np.hypot(spread, ROUNDING_FLOOR * scale)
    return error
