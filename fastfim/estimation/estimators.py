"""From sums to matrices: one unbiased estimate of the information a stream.

With the score s and the Hessian H of a draw, E[s] = 0 and E[s s^T] = -E[H] (Bartlett's identities, 1953), so there are
several unbiased estimators. With s_k, Y_k, N_k the means of s, s s^T and -H over the draws of stream k of K:

- ``score``: Y_k, the mean outer product of scores;
- ``hessian``: N_k;
- ``bartlett``: N_k less its regression on the controls s and Y - N, whose means are zero (see
  `fastfim.engine.control`);
- ``covariance``: the covariance of the score. It also holds for a density known up to a factor that depends on theta,
  whose score has a mean. With the streams in a ring,

      I = mean_k Y_k - mean_k sym(s_k s_(k+1)^T),    sym(A) = (A + A^T) / 2,

  is unbiased whatever the draws within a stream have to do with one another. It is the mean covariance within streams
  plus half of von Neumann's (1941) mean square successive difference of their means. The products of neighbours are
  uncorrelated, so replicates can be had whose spread is the error of their mean even where s s^T has no noise of its
  own (a Laplace location, whose score is +-1/b). The U-statistic over all pairs of streams is degenerate there: its
  jackknife error bars cover 91 %. The ring costs half a draw's worth of variance a stream.

The streams are independent, so the spread of the K matrices is the error of their mean: no fourth moments are kept.

>>> sums = Sums(2, score=np.array([[2.0], [-2.0]]), outer=np.array([[[4.0]], [[6.0]]]))
>>> replicates(sums, "score").ravel()
array([2., 3.])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Number = TypeVar("Number", np.float64, np.intp)

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

    @cached_property
    def squares(self) -> Array:
        """Mean of each parameter's squared score, stream by stream (K, p)."""
        squares: Array = np.diagonal(self.outer, axis1=-2, axis2=-1) / self.draws
        return squares

    @cached_property
    def sizes(self) -> Array:
        """Root mean square of each parameter's score (p,)."""
        squares = self.squares.sum(axis=-2) / self.squares.shape[-2]
        sizes: Array = np.sqrt(np.maximum(squares, 0.0))
        return sizes

    def __sub__(self, other: Sums) -> Sums:
        """The sums over the draws that ``other`` does not have."""
        ours, theirs = self.negative_hessian, other.negative_hessian
        hessian = None if ours is None or theirs is None else ours - theirs
        return Sums(self.draws - other.draws, self.score - other.score, self.outer - other.outer, hessian)

    @classmethod
    def unpack(cls, totals: Array, p: int, draws: int) -> Sums:
        """Read rows, one a stream, of (s, packed Y, packed N if there, weights, and 0); triangles row by row.

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


def symmetric(packed: NDArray[Number], p: int) -> NDArray[Number]:
    """Matrices (..., p, p) of upper triangles (..., p (p + 1) / 2) packed row by row."""
    matrices: NDArray[Number] = packed[..., _places(p)]
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

    ``replicates(sums, control)`` gets the control variates of `fastfim.engine.control` if ``needs_pilot``, else None.
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
    """With V_k the covariance within stream k and d_k the deviation of its mean score from that of all streams,
    V_k + sym(d_k (d_k - d_(k+1))^T): no cancellation beyond that of V_k, and a mean that is positive semidefinite.
    """
    means = sums.score / sums.draws
    deviations = means - means.mean(axis=-2, keepdims=True)
    products = _outer(deviations, deviations - np.roll(deviations, -1, axis=-2))
    matrices: Array = sums.outer / sums.draws - _outer(means, means) + 0.5 * (products + products.swapaxes(-2, -1))
    return matrices


def _bartlett(sums: Sums, control: Any = None) -> Array:
    matrices: Array = control.replicates(sums)
    return matrices


def _outer(left: Array, right: Array) -> Array:
    return left[..., :, None] * right[..., None, :]


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
    root = sums.sizes
    if estimator == "covariance":
        diagonal = np.diagonal(replicates(sums, estimator), axis1=-2, axis2=-1).mean(axis=-2)
        root = np.sqrt(np.maximum(diagonal, 0.0))
    product: Array = root[..., :, None] * root[..., None, :]
    return product


def standard_error(matrices: Array, scale: Array) -> Array:
    """Standard error of the mean of the replicates, with the rounding floor added in quadrature."""
    streams = matrices.shape[-3]
    deviations = matrices - (matrices.sum(axis=-3) / streams)[..., None, :, :]  # as numpy.std, without its detours
    variance = (deviations * deviations).sum(axis=-3) / ((streams - 1) * streams)
    error: Array = np.hypot(np.sqrt(variance), ROUNDING_FLOOR * scale)
    return error
