"""Goodness of fit over many independent streams, with one false-alarm rate for a whole file of tests.

Each stream gives one p-value; the p-values of a right sampler are uniform. They are combined two ways: Fisher's sum
of logarithms (a small bias in every stream adds up) and Kolmogorov-Smirnov against the uniform (p-values too good to
be true, or a few very bad). A case fails if either falls below ``RARE``. There are about 180 cases, two tests each:
the ordinary run as a whole gives a false alarm with a probability of 4e-4, once, since seeds are fixed.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from fastfim import streams

RARE = 1e-6
STREAMS = 12
CELLS = 128


def samples(fill, theta, n, size=1, many=STREAMS, entropy=20240607):
    """One array of n draws a stream."""
    theta = np.asarray(theta, float)
    for stream in range(many):
        out = np.empty(n if size == 1 else (n, size))
        fill(streams.initial_state(entropy, stream, 0), theta, out)
        yield out


def assert_flat(p_values):
    """Fail if the p-values are not uniform."""
    fisher = stats.combine_pvalues(np.maximum(p_values, 1e-300), method="fisher").pvalue
    even = stats.kstest(p_values, "uniform").pvalue
    assert min(fisher, even) > RARE, (fisher, even, np.sort(p_values))


def continuous_p_value(x, law):
    """Kolmogorov-Smirnov. Draws that are nan, or outside the support, fail."""
    assert np.all(np.isfinite(x))
    return stats.kstest(law.cdf(x), "uniform").pvalue


def cells(law, n):
    """Upper ends of about ``CELLS`` cells between quantiles, fewer if n draws are few, and their probabilities."""
    many = min(CELLS, n // 100)
    ends = np.unique(law.ppf(np.arange(1, many) / many))
    ends = ends[ends < law.support()[1]]
    below = np.concatenate([[0.0], law.cdf(ends), [1.0]])
    return ends, np.diff(below)


def cell_p_value(x, law):
    """Chi-square over cells between quantiles, neighbours pooled until each expects enough."""
    assert np.all(np.isfinite(x))
    ends, probabilities = cells(law, len(x))
    counts = np.bincount(np.searchsorted(ends, x, side="left"), minlength=len(ends) + 1)
    pooled_counts, pooled = [0], [0.0]
    for count, probability in zip(counts, probabilities, strict=True):
        if pooled[-1] * len(x) >= 20.0:
            pooled_counts.append(0)
            pooled.append(0.0)
        pooled_counts[-1] += count
        pooled[-1] += probability
    if pooled[-1] * len(x) < 20.0 and len(pooled) > 1:
        rest, count = pooled.pop(), pooled_counts.pop()
        pooled[-1] += rest
        pooled_counts[-1] += count
    assert len(pooled) > 1, "all draws expected in one cell: nothing is tested"
    expected_counts = len(x) * np.array(pooled)
    statistic = np.sum((np.array(pooled_counts) - expected_counts) ** 2 / expected_counts)
    return stats.chi2.sf(statistic, len(pooled) - 1)
