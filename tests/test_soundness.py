"""Tests of the two Bartlett identities: their level over many seeds, their power, and what they leave open."""

import numpy as np
import pytest
from scipy import stats

from fastfim.estimation.estimators import Sums
from fastfim.estimation.soundness import information_equality, mean_score

STREAMS, DRAWS = 32, 200


def sums_of(scores, hessians):
    """Sums over (K, n, p) scores and (K, n, p, p) Hessians."""
    return Sums(scores.shape[1], scores.sum(1), np.einsum("kni,knj->kij", scores, scores), -hessians.sum(1))


def sound(seed, p=2):
    """Score and Hessian of the mean of p normals."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(STREAMS, DRAWS, p))
    return scores, np.broadcast_to(-np.eye(p), (STREAMS, DRAWS, p, p))


def test_levels_hold():
    """Holm keeps the level whatever the dependence: rejections at 5 % among 2,000 runs, beyond five sigma 3e-7."""
    found = [(mean_score(s, 0.05), information_equality(s, 0.05)) for s in (sums_of(*sound(k)) for k in range(2000))]
    for findings in zip(*found, strict=True):
        rejected = sum(f.verdict == "fail" for f in findings)
        assert stats.binomtest(rejected, 2000, 0.05, alternative="greater").pvalue > 3e-7
        assert stats.binomtest(rejected, 2000, 0.02, alternative="less").pvalue > 3e-7  # nor is it asleep


def test_p_values_of_one_parameter_are_flat():
    """Kolmogorov and Smirnov at 1e-6; a normal in place of Student's t would be seen at 20,000 runs."""
    values = [mean_score(sums_of(*sound(k, p=1))).p_value for k in range(4000)]
    assert stats.kstest(values, "uniform").pvalue > 1e-6


@pytest.mark.parametrize("shift", [0.1, -0.1])
def test_a_mean_is_found(shift):
    scores, hessians = sound(1)
    finding = mean_score(sums_of(scores + np.array([0.0, shift]), hessians))
    assert finding.verdict == "fail"
    assert finding.entry == (1,)


def correlated(seed, correlation, shift):
    """Scores of three parameters, the first two correlated and shifted apart; the last is the first in other units."""
    scores, _ = sound(seed)
    scores[..., 1] = correlation * scores[..., 0] + np.sqrt(1 - correlation**2) * scores[..., 1]
    scores += np.array([shift, -shift])
    return sums_of(np.concatenate([scores, 1e3 * scores[..., :1]], axis=2), np.zeros((STREAMS, DRAWS, 3, 3)))


def test_a_mean_that_no_entry_shows_is_found():
    """The p-value is twice that of Hotelling's T^2 on the two dimensions that three scores have."""
    sums = correlated(5, 0.99, 0.01)
    means = sums.score[:, :2] / DRAWS
    mean = means.mean(axis=0)
    square = STREAMS * mean @ np.linalg.solve(np.cov(means.T), mean)
    expected = stats.f.sf((STREAMS - 2) / (2 * (STREAMS - 1)) * square, 2, STREAMS - 2)
    finding = mean_score(sums)
    assert finding.figure < 3
    assert finding.verdict == "fail"
    assert finding.p_value == pytest.approx(2 * expected, rel=1e-6)


def test_levels_hold_for_correlated_scores():
    """Rejections at 5 % among 2,000 runs, beyond five sigma 3e-7."""
    rejected = sum(mean_score(correlated(k, 0.9, 0.0), 0.05).verdict == "fail" for k in range(2000))
    assert stats.binomtest(rejected, 2000, 0.05, alternative="greater").pvalue > 3e-7


def test_an_inequality_is_found():
    scores, hessians = sound(2)
    wrong = hessians.copy()
    wrong[..., 0, 1] = wrong[..., 1, 0] = 0.1
    finding = information_equality(sums_of(scores, wrong))
    assert finding.verdict == "fail"
    assert finding.entry == (0, 1)


def test_a_constant_difference_fails_at_once():
    """A Laplace location: s = +-1, so that s^2 = 1 for every draw, and H = 0."""
    signs = np.sign(np.random.default_rng(3).normal(size=(STREAMS, DRAWS, 1)))
    finding = information_equality(sums_of(signs, np.zeros((STREAMS, DRAWS, 1, 1))))
    assert (finding.verdict, finding.p_value) == ("fail", 0.0)


def test_nothing_is_said_of_constant_scores_or_rare_events():
    constant = np.full((STREAMS, DRAWS, 1), -0.5)
    rare = np.where(np.random.default_rng(4).random((STREAMS, DRAWS, 1)) < 1e-3, 1e3, -1.0)
    for scores in (constant, rare):
        sums = sums_of(scores, -(scores**2)[..., None])
        assert mean_score(sums).verdict == "skipped"


def test_idle_parameters_pass():
    scores, hessians = sound(5)
    scores[..., 1] = 0.0
    idle = hessians * np.array([[1.0, 0.0], [0.0, 0.0]])
    assert mean_score(sums_of(scores, idle)).verdict == "pass"
    assert information_equality(sums_of(scores, idle)).verdict == "pass"
