"""Tests of means: their level over thousands of seeds, with and without tolerance, and their power."""

import numpy as np
import pytest
from scipy import stats

from fastfim.estimation.significance import entrywise, holm, visible, zero_means

STREAMS = 32


def normal_replicates(seed, q, rank=None):
    """Correlated normal vectors that span ``rank`` dimensions."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(q).normal(size=(rank or q, q))
    return rng.normal(size=(STREAMS, rank or q)) @ mixing


@pytest.mark.parametrize(("q", "rank"), [(1, None), (3, None), (10, None), (21, None), (21, 2)])
@pytest.mark.parametrize("level", [0.05, 0.001])
def test_levels_hold(q, rank, level):
    """Rejections among 4,000 sound samples, beyond five sigma (3e-7). A chi-square would reject 69 % at q = 21."""
    p_values = [zero_means(normal_replicates(k, q, rank), np.ones(q)).p_value for k in range(4000)]
    rejected = int(np.sum(np.array(p_values) < level))
    assert stats.binomtest(rejected, 4000, level, alternative="greater").pvalue > 3e-7


def test_level_holds_at_the_edge_of_a_tolerance():
    """Means as far from zero as allowed, in every direction: level 5 %, 2,000 samples, five sigma."""
    tolerance = np.array([0.5, 0.1, 0.3])
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (2000, 3))
    found = [zero_means(normal_replicates(k, 3) + s * tolerance, np.ones(3), tolerance) for k, s in enumerate(signs)]
    rejected = sum(f.p_value < 0.05 for f in found)
    assert stats.binomtest(rejected, 2000, 0.05, alternative="greater").pvalue > 3e-7


def test_hotelling_sees_what_no_entry_shows():
    """Two entries correlated at 0.999, shifted apart."""
    rng = np.random.default_rng(1)
    common = rng.normal(size=(STREAMS, 1))
    replicates = common + 0.03 * rng.normal(size=(STREAMS, 2)) + np.array([0.03, -0.03])
    assert entrywise(replicates, np.ones(2))[1].min() > 0.1
    assert zero_means(replicates, np.ones(2)).p_value < 1e-4


def test_statistic_is_that_of_scipy():
    replicates = normal_replicates(5, 1)
    expected = stats.ttest_1samp(replicates[:, 0], 0.0)
    statistic, p_values = entrywise(replicates, np.ones(1))
    np.testing.assert_allclose([statistic[0], p_values[0]], [expected.statistic, expected.pvalue], rtol=1e-9)


def test_holm_steps_down():
    """By hand: sorted 0.01, 0.02, 0.03 times 3, 2, 1, never falling."""
    np.testing.assert_allclose(holm(np.array([0.03, 0.01, 0.02])), [0.04, 0.03, 0.04])
    np.testing.assert_allclose(holm(np.array([0.6, 0.7])), [1.0, 1.0])


def test_constants_are_compared_with_rounding():
    scale = np.array([1.0, 1.0, 0.0, 0.0])
    replicates = np.broadcast_to([1e-14, 1e-6, 0.0, 1e-6], (STREAMS, 4))
    assert (entrywise(replicates, scale)[1] < 1e-6).tolist() == [False, True, False, True]


def test_power_is_as_said():
    """Shifts of the visible size are seen nine times in ten: 4,000 samples, five sigma (6e-7)."""
    distance = visible(1e-3, 3, STREAMS, 0.9) / np.sqrt(STREAMS)
    seen = 0
    for k in range(4000):
        replicates = np.random.default_rng(k).normal(size=(STREAMS, 3)) + np.array([distance, 0.0, 0.0])
        seen += entrywise(replicates, np.ones(3))[1][0] < 1e-3
    # Holm starts as Bonferroni does, on which the promise rests
    assert stats.binomtest(seen, 4000, 0.9).pvalue > 6e-7
