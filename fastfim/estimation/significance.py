"""Are the means of independent streams zero, or are they only as far from it as chance allows?

With K independent replicates of a vector of q entries, mean m and standard error e of each:

- *entry by entry*: t = |m| / e has Student's distribution with K - 1 degrees of freedom; Holm's correction (1979) over
  the entries keeps its level whatever they have to do with one another;
- *jointly*, if the replicates span r <= K / 3 dimensions: Hotelling's (1931) T^2 = m^T S^-1 m on those dimensions, with
  (K - r) / (r (K - 1)) T^2 distributed as F(r, K - r). It sees a shift that no entry shows by itself. Never as a
  chi-square: with 21 entries and 32 streams that rejects 69 % of what is right at a level of 0.1 %.

Where both are there, the p-value is twice the smaller one (Bonferroni).

A mean may differ from zero by a ``tolerance``: t = (|m| - tolerance) / e, and T is taken along S^-1 m alone, less what
the tolerances could make of it there, which is no more than the true T. Spread below `ROUNDING_FLOOR` is no accuracy.

>>> rng = np.random.default_rng(0)
>>> noise = rng.normal(size=(32, 3))
>>> zero_means(noise, np.ones(3)).p_value > 0.05, zero_means(noise + 1.0, np.ones(3)).p_value < 1e-6
(True, True)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .estimators import ROUNDING_FLOOR
from .jackknife import mean_and_error

Array = NDArray[np.float64]

#: Largest number of dimensions for Hotelling's test, as a share of the streams.
DIMENSIONS = 1 / 3
#: A direction counts as a dimension if its standard error exceeds the rounding floor so many times.
ABOVE_ROUNDING = 10.0


@dataclass(frozen=True)
class Significance:
    """Outcome of `zero_means`.

    Attributes
    ----------
    statistic
        Mean, less the tolerance, over standard error: entry by entry, signed.
    p_values
        Entry by entry, after Holm's correction.
    p_value
        Of all entries together.
    share
        What part of a level the test entry by entry has: all of it, or half beside Hotelling's.
    """

    statistic: Array
    p_values: Array
    p_value: float
    share: float


def zero_means(replicates: Array, scale: Array, tolerance: Any = 0.0) -> Significance:
    """Test that the columns of ``replicates`` (K, q) have mean zero, or no more than ``tolerance``.

    Parameters
    ----------
    replicates
        Independent over rows.
    scale
        Size of each column (q,), relative to which rounding is judged.
    tolerance
        By how much each mean may differ from zero.
    """
    statistic, p_values = entrywise(replicates, scale, tolerance)
    joint = _hotelling(replicates, scale, np.broadcast_to(tolerance, scale.shape)) if len(scale) > 1 else np.nan
    least = float(p_values.min())
    if np.isnan(joint):
        return Significance(statistic, p_values, least, 1.0)
    return Significance(statistic, p_values, min(1.0, 2.0 * least, 2.0 * joint), 0.5)


def entrywise(replicates: Array, scale: Array, tolerance: Any = 0.0) -> tuple[Array, Array]:
    """Statistic and p-value, after Holm's correction, of each column: `zero_means` without Hotelling's test."""
    mean, error = mean_and_error(replicates)
    error = np.hypot(error, ROUNDING_FLOOR * scale)
    statistic = np.sign(mean) * _ratio(np.maximum(np.abs(mean) - tolerance, 0.0), error)
    return statistic, holm(_student(statistic, len(replicates)))


def holm(p_values: Array) -> Array:
    """P-values adjusted for their number: all below a level are significant at that level, familywise."""
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[order]))
    return adjusted


def visible(level: float, entries: int, streams: int, power: float) -> float:
    """Distance from zero, in standard errors, that an entry's test at ``level`` over all entries sees with ``power``.

    With the estimated error in place of the true one, which is off by a few per cent.
    """
    from scipy.special import nctdtrinc, stdtrit

    critical = stdtrit(streams - 1, 1.0 - level / (2 * entries))
    return float(nctdtrinc(streams - 1, 1.0 - power, critical))


def _student(statistic: Array, streams: int) -> Array:
    """Two-sided p-values."""
    # imported here, as scipy.special takes longer to import than the rest of the package
    from scipy.special import stdtr

    p_values: Array = 2.0 * stdtr(streams - 1, -np.abs(statistic))
    return p_values


def _ratio(mean: Array, error: Array) -> Array:
    """Mean over error, where zero over zero is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Array = np.where(mean == 0.0, 0.0, mean / error)
    return ratio


def _hotelling(replicates: Array, scale: Array, tolerance: Array) -> float:
    """P-value of T^2 on the span of the replicates; NaN where that has no or too many dimensions."""
    from scipy.special import fdtrc

    streams = len(replicates)
    units = np.where(scale > 0.0, scale, 1.0)
    mean, _ = mean_and_error(replicates / units)
    deviations = (replicates / units - mean) / np.sqrt(streams * (streams - 1.0))
    _, sizes, axes = np.linalg.svd(deviations, full_matrices=False)
    kept = sizes > ABOVE_ROUNDING * ROUNDING_FLOOR
    rank = int(kept.sum())
    if not 0 < rank <= DIMENSIONS * streams:
        return float("nan")
    along = axes[kept].T @ (axes[kept] @ mean / sizes[kept] ** 2)
    square = float(along @ mean)
    excess = max(square - float(np.abs(along) @ (tolerance / units)), 0.0)
    reduced = excess**2 / square if square > 0.0 else 0.0
    return float(fdtrc(rank, streams - rank, (streams - rank) / (rank * (streams - 1.0)) * reduced))
