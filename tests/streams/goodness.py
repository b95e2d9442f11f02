"""Goodness of fit over many independent streams, with one false-alarm rate for a whole file of tests.

Each stream gives one p-value; the p-values of a right sampler are uniform. They are combined two ways: Fisher's sum
of logarithms (a small bias in every stream adds up) and Kolmogorov-Smirnov against the uniform (p-values too good to
be true, or a few very bad). A case fails if either falls below ``RARE``. There are about 180 cases, two tests each:
the ordinary run as a whole gives a false alarm with a probability of 5e-4, once, since seeds are fixed.
"""

from __future__ import annotations

from functools import cache

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


@cache
def cells(law, n):
    """Upper ends of up to ``CELLS`` cells between quantiles, each expecting 20 of n draws; their probabilities."""
    many = min(CELLS, n // 100)
    ends = np.unique(law.ppf(np.arange(1, many) / many))
    ends = ends[ends < law.support()[1]]
    kept, below = [], [0.0]
    for end, probability in zip(ends, law.cdf(ends), strict=True):
        if min(probability - below[-1], 1.0 - probability) * n >= 20.0:
            kept.append(end)
            below.append(probability)
    assert kept, "all draws expected in one cell: nothing is tested"
    return np.array(kept), np.diff([*below, 1.0])


def cell_p_value(x, law):
    """Chi-square over cells between quantiles."""
    ends, probabilities = cells(law, len(x))
    return chi_square(np.bincount(np.searchsorted(ends, x), minlength=len(ends) + 1), probabilities)


def chi_square(counts, probabilities):
    expected = counts.sum() * probabilities
    return stats.chi2.sf(np.sum((counts - expected) ** 2 / expected), len(counts) - 1)


def smooth_p_value(counts, probabilities, order=5):
    """Neyman's smooth test: the share of the deviations in polynomials of the distribution function.

    It looks where errors of an algorithm are (location, spread, skewness), and finds them with ten times fewer draws.
    """
    middle = np.cumsum(probabilities) - 0.5 * probabilities
    polynomials = np.polynomial.legendre.legvander(2.0 * middle - 1.0, min(order, len(counts) - 1))
    orthonormal = np.linalg.qr(np.sqrt(probabilities)[:, None] * polynomials)[0][:, 1:]
    expected = counts.sum() * probabilities
    scores = orthonormal.T @ ((counts - expected) / np.sqrt(expected))
    return stats.chi2.sf(scores @ scores, len(scores))


def assert_fits(draws, law):
    """Fail if the streams' draws do not follow the law: a chi-square for each, a smooth test for all together."""
    p_values, total = [], 0
    for x in draws:
        assert np.all(np.isfinite(x))
        ends, probabilities = cells(law, len(x))
        counts = np.bincount(np.searchsorted(ends, x), minlength=len(ends) + 1)
        p_values.append(chi_square(counts, probabilities))
        total = total + counts
    assert_flat(p_values)
    smooth = smooth_p_value(total, probabilities)
    assert smooth > RARE, smooth
