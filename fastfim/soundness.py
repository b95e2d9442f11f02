"""Do the identities hold that the estimators rest on? Judged from the sums that every run keeps anyway.

- *mean score*: E[s] = 0 (first Bartlett identity). It fails when the sampler and the density disagree, when a constant
  that depends on theta is missing, or when the support moves with theta: for Uniform(0, theta) s = -1/theta throughout.
- *information equality*: E[s s^T + H] = 0 (second identity), where Hessians are at hand. It fails for kinks: a Laplace
  location has H = 0 almost everywhere.

Both compare K stream means with zero: Student's t for each entry, Holm's correction over the entries. A chi-square of
the whole vector with an estimated covariance would reject far too often at K = 32. A suspicion (level `SUSPICION`) is
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

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .estimators import Sums

Array = NDArray[np.float64]

SUSPICION, CONFIRMATION = 1e-3, 1e-2
#: Level of a test that cannot be confirmed: both would have to err.
OUTRIGHT = SUSPICION * CONFIRMATION
#: Informative draws a stream below which nothing is tested.
EVENTS = 5
#: Means below this share of the score's size are rounding.
ROUNDING = 1e-11

__all__ = ["Finding", "information_equality", "mean_score"]


@dataclass(frozen=True)
class Finding:
    """Outcome of one test.

    Attributes
    ----------
    figure
        Largest |mean| / standard error over the entries.
    p_value
        Least p-value after Holm's correction (nan when skipped).
    verdict
        ``"pass"``, ``"fail"`` or ``"skipped"``.
    entry
        Index of the entry with the largest figure, or of the one that stopped the test.
    """

    figure: float
    p_value: float
    verdict: str
    entry: tuple[int, ...]


def mean_score(sums: Sums, level: float = SUSPICION) -> Finding:
    """Test E[s] = 0."""
    return _zero_mean(sums.score / sums.draws, _sizes(sums), _uninformed(sums), level)


def information_equality(sums: Sums, level: float = SUSPICION) -> Finding:
    """Test E[s s^T + H] = 0."""
    assert sums.negative_hessian is not None
    difference = (sums.outer - sums.negative_hessian) / sums.draws
    sizes, uninformed = _sizes(sums), _uninformed(sums)
    rows, columns = np.triu_indices(len(sizes))
    finding = _zero_mean(
        difference[:, rows, columns], sizes[rows] * sizes[columns], uninformed[rows] | uninformed[columns], level
    )
    return replace(finding, entry=(int(rows[finding.entry[0]]), int(columns[finding.entry[0]])))


def _sizes(sums: Sums) -> Array:
    """Root mean square of each parameter's score."""
    sizes: Array = np.sqrt(np.einsum("kii->i", sums.outer) / (sums.draws * len(sums.outer)))
    return sizes


def _uninformed(sums: Sums) -> NDArray[np.bool_]:
    """Per parameter: too few informative draws a stream, or the same score for every draw.

    With n informative draws a stream, its sum of squares has a relative spread of about 1/sqrt(n).
    """
    squares = np.einsum("kii->ki", sums.outer)
    few = squares.std(axis=0, ddof=1) > squares.mean(axis=0) / np.sqrt(EVENTS)
    means, sizes = sums.score / sums.draws, _sizes(sums)
    same = (np.ptp(means, axis=0) <= ROUNDING * sizes) & (np.abs(means.mean(axis=0)) > ROUNDING * sizes)
    uninformed: NDArray[np.bool_] = few | same
    return uninformed


def _zero_mean(means: Array, sizes: Array, uninformed: NDArray[np.bool_], level: float) -> Finding:
    """Student's t for each column of ``means`` (K, q), with Holm's correction; zero to rounding is zero.

    A column that does not vary and is not zero fails outright.
    """
    from scipy.special import stdtr

    streams = len(means)
    mean, error = means.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(streams)
    zero = np.abs(mean) <= ROUNDING * sizes
    if (uninformed & ~zero).any():
        return Finding(np.inf, np.nan, "skipped", (int(np.argmax(uninformed & ~zero)),))
    error = np.where(error <= ROUNDING * sizes, 0.0, error)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(zero, 0.0, np.abs(mean) / error)
    p_value = min(1.0, 2 * float(stdtr(streams - 1, -statistic.max())) * max(1, int((~zero).sum())))
    return Finding(float(statistic.max()), p_value, "fail" if p_value < level else "pass", (int(statistic.argmax()),))
