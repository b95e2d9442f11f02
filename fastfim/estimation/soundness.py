"""Do the identities hold that the estimators rest on? Judged from the sums that every run keeps anyway.

- *mean score*: E[s] = 0 (first Bartlett identity). It fails when the sampler and the density disagree, when a constant
  that depends on theta is missing, or when the support moves with theta: for Uniform(0, theta) s = -1/theta throughout.
- *information equality*: E[s s^T + H] = 0 (second identity), where Hessians are at hand. It fails for kinks: a Laplace
  location has H = 0 almost everywhere.

Both compare K stream means with zero: Student's t for each entry, Holm's correction over the entries. The mean score is
also tested as a vector, by Hotelling's T^2 (see `fastfim.estimation.significance`), where its r dimensions are at most
K / 3: with two parameters whose scores are correlated by 0.9, a mean of six standard errors in one of them is seen at a
level of 0.001 in 93 of 100 runs in place of 14. Then each of the two tests has half of the level. A chi-square of the
whole vector with an estimated covariance would reject far too often at K = 32. A suspicion (level `SUSPICION`) is
tested once more on fresh streams alone (level `CONFIRMATION`), and only that verdict counts; a sound run is refused
with probability below the product of the two at each of its few looks.

Where the streams disagree by so much about E[s_i^2] that each has seen fewer than `EVENTS` informative draws (rare
events: Bernoulli with p = 1e-4), or where all scores are equal to the last bit, a test would be empty: it is skipped,
and the run has to go on.

>>> from dataclasses import replace
>>> rng = np.random.default_rng(0)
>>> s = rng.normal(size=(32, 1000, 1))
>>> sums = Sums(1000, s.sum(axis=1), np.einsum("kni,knj->kij", s, s))
>>> mean_score(sums).verdict, mean_score(replace(sums, score=sums.score + 500)).verdict
('pass', 'fail')
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .estimators import Sums, triangle
from .significance import DIMENSIONS

Array = NDArray[np.float64]

SUSPICION, CONFIRMATION = 1e-3, 1e-2
#: Level of a test that cannot be confirmed: both would have to err.
OUTRIGHT = SUSPICION * CONFIRMATION
#: Informative draws a stream below which nothing is tested.
EVENTS = 5
#: Means below this share of the score's size are rounding; correlations with smaller eigenvalues than this are perfect.
ROUNDING, COLLINEAR = 1e-11, 1e-8

__all__ = ["ASSUMES", "TESTS", "Evidence", "Finding", "information_equality", "mean_score"]


@dataclass(frozen=True)
class Finding:
    """Outcome of one test.

    Attributes
    ----------
    figure
        Largest |mean| / standard error over the entries.
    p_value
        Of all entries together (nan when skipped).
    verdict
        ``"pass"``, ``"fail"`` or ``"skipped"``.
    entry
        Index of the entry with the largest figure, or of the one that stopped the test.
    """

    figure: float
    p_value: float
    verdict: str
    entry: tuple[int, ...]


def mean_score(sums: Sums | Evidence, level: float = SUSPICION) -> Finding:
    """Test E[s] = 0."""
    return _finding(_evidence(sums).of_scores(), level)


def information_equality(sums: Sums | Evidence, level: float = SUSPICION) -> Finding:
    """Test E[s s^T + H] = 0."""
    evidence = _evidence(sums)
    finding = _finding(evidence.of_equality(), level)
    rows, columns = triangle(evidence.p)
    return replace(finding, entry=(int(rows[finding.entry[0]]), int(columns[finding.entry[0]])))


TESTS: dict[str, Callable[..., Finding]] = {"mean_score": mean_score, "information_equality": information_equality}
#: What each estimator rests on; `covariance` on neither identity.
ASSUMES = {"score": ("mean_score",), "covariance": (), "hessian": tuple(TESTS), "bartlett": tuple(TESTS)}


@dataclass(frozen=True)
class Statistics:
    """A test of q means, or of those at each of m points: then with a leading axis.

    Attributes
    ----------
    statistic
        |mean| / standard error of each, (q,).
    barred
        Those of which too little has been seen for a test, (q,).
    p_value
        Of all together.
    """

    statistic: Array
    barred: NDArray[np.bool_]
    p_value: Array


@dataclass(frozen=True)
class Evidence:
    """What sums say of the identities: what both tests need is worked out once."""

    sums: Sums

    @property
    def p(self) -> int:
        """Number of parameters."""
        return int(self.sums.score.shape[-1])

    def of_scores(self) -> Statistics:
        """Of the mean score."""
        sizes = self.sums.sizes
        found = _zero_mean(self._scores, sizes, self._uninformed)
        if self.p == 1:
            return found
        jointly = _hotelling(self._scores, sizes)
        both = np.minimum(1.0, 2.0 * np.minimum(found.p_value, jointly))
        return Statistics(found.statistic, found.barred, np.where(np.isnan(jointly), found.p_value, both))

    def of_equality(self) -> Statistics:
        """Of the difference between outer product and Hessian."""
        sums, (rows, columns) = self.sums, triangle(self.p)
        assert sums.negative_hessian is not None
        difference = (sums.outer - sums.negative_hessian)[..., rows, columns] / sums.draws
        return _zero_mean(
            _Columns.of(difference),
            sums.sizes[..., rows] * sums.sizes[..., columns],
            self._uninformed[..., rows] | self._uninformed[..., columns],
        )

    @cached_property
    def _scores(self) -> _Columns:
        return _Columns.of(self.sums.score / self.sums.draws)

    @cached_property
    def _uninformed(self) -> NDArray[np.bool_]:
        """Per parameter: too few informative draws a stream, or the same score for every draw.

        With n informative draws a stream, its sum of squares has a relative spread of about 1/sqrt(n).
        """
        squares, scores = _Columns.of(self.sums.squares), self._scores
        rounding = ROUNDING * self.sums.sizes
        same = (scores.spread <= rounding) & (np.abs(scores.mean) > rounding)
        uninformed: NDArray[np.bool_] = (EVENTS * squares.spread**2 > squares.mean**2) | same
        return uninformed


def _evidence(sums: Sums | Evidence) -> Evidence:
    return sums if isinstance(sums, Evidence) else Evidence(sums)


class _Columns(NamedTuple):
    """Means of K streams: over streams their mean (q,), the deviations from it (K, q), and their spread (q,)."""

    mean: Array
    deviations: Array
    spread: Array

    @classmethod
    def of(cls, means: Array) -> _Columns:
        """`numpy.mean` and `numpy.std` take longer to begin than this takes."""
        streams = means.shape[-2]
        mean = means.sum(axis=-2) / streams
        deviations = means - mean[..., None, :]
        return cls(mean, deviations, np.sqrt((deviations * deviations).sum(axis=-2) / (streams - 1)))


def _zero_mean(means: _Columns, sizes: Array, uninformed: NDArray[np.bool_]) -> Statistics:
    """Student's t for each column, with Holm's correction; zero to rounding is zero.

    A column that does not vary and is not zero fails outright.
    """
    from scipy.special import stdtr

    streams, rounding = means.deviations.shape[-2], ROUNDING * sizes
    distance, error = np.abs(means.mean), means.spread / math.sqrt(streams)
    away = distance > rounding
    known = error > rounding
    statistic = np.where(away, np.where(known, distance / np.where(known, error, 1.0), np.inf), 0.0)
    tested = np.maximum(1, away.sum(axis=-1))
    p_value = np.minimum(1.0, 2 * stdtr(streams - 1, -statistic.max(axis=-1)) * tested)
    return Statistics(statistic, uninformed & away, p_value)


def _hotelling(means: _Columns, sizes: Array) -> Array:
    """P-value of T^2 = t^T R^-1 t, with R the correlations of the columns and t their means over standard errors.

    In directions whose spread is more than rounding; NaN where these are too many for K streams, or one or none.
    """
    from scipy.special import fdtrc

    streams, rounding = means.deviations.shape[-2], ROUNDING * sizes
    known = means.spread > rounding
    inverse = known / np.where(known, means.spread, 1.0)
    deviations = means.deviations * inverse[..., None, :]
    values, axes = np.linalg.eigh(np.swapaxes(deviations, -1, -2) @ deviations / (streams - 1))
    along = np.squeeze((means.mean * inverse)[..., None, :] @ axes, axis=-2)
    least = np.maximum((rounding * inverse).max(axis=-1) ** 2, COLLINEAR)[..., None]
    kept = values > least
    square = streams * (kept * along**2 / np.where(kept, values, 1.0)).sum(axis=-1)
    rank = kept.sum(axis=-1)
    possible = (rank > 1) & (rank <= DIMENSIONS * streams)
    rank = np.where(possible, rank, 1)
    p_value: Array = fdtrc(rank, streams - rank, (streams - rank) / (rank * (streams - 1.0)) * square)
    return np.where(possible, p_value, np.nan)


def _finding(found: Statistics, level: float) -> Finding:
    if found.barred.any():
        return Finding(np.inf, np.nan, "skipped", (int(found.barred.argmax()),))
    worst, p_value = int(found.statistic.argmax()), float(found.p_value)
    return Finding(float(found.statistic[worst]), p_value, "fail" if p_value < level else "pass", (worst,))
