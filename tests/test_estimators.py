"""Estimators against exact rational arithmetic, closed forms and the laws that they must obey."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fastfim.estimators import ESTIMATORS, ROUNDING_FLOOR, Sums, replicates, scale, standard_error


def sums_of(scores, negative_hessians=None):
    """Sums over scores of shape (K, n, p)."""
    return Sums(
        scores.shape[1],
        scores.sum(axis=1),
        np.einsum("kni,knj->kij", scores, scores),
        None if negative_hessians is None else negative_hessians.sum(axis=1),
    )


def exact_u_statistic(scores, i, j, streams):
    """Entry (i, j) of the U-statistic over the given streams, from its definition, in rational arithmetic."""
    n = scores.shape[1]
    products = sum(Fraction(a) * Fraction(b) for k in streams for a, b in scores[k][:, [i, j]].tolist())
    means = {k: [sum(map(Fraction, scores[k][:, e].tolist())) / n for e in (i, j)] for k in streams}
    crossed = sum(means[k][0] * means[m][1] for k in streams for m in streams if k != m)
    return products / (n * len(streams)) - crossed / (len(streams) * (len(streams) - 1))


def exact_pseudo_values(scores, i, j):
    streams = range(len(scores))
    whole = exact_u_statistic(scores, i, j, streams)
    parts = [exact_u_statistic(scores, i, j, [m for m in streams if m != k]) for k in streams]
    return [len(scores) * whole - (len(scores) - 1) * part for part in parts], whole


@pytest.mark.parametrize("mean", [0.0, 1.0, 1e3])
def test_covariance_replicates_are_the_pseudo_values_of_the_u_statistic(mean):
    # scores on a grid of 2**-10, so that the sums are exact and only the closed form itself can round
    draws = np.random.default_rng(1).normal(mean, 1.0, size=(5, 8, 2))
    scores = np.round(draws * 1024) / 1024
    found = replicates(sums_of(scores), "covariance")
    for i, j in [(0, 0), (0, 1), (1, 1)]:
        pseudo, whole = exact_pseudo_values(scores, i, j)
        # a handful of roundings of numbers of the size of 1 + mean^2
        allowed = 32 * np.finfo(float).eps * (1.0 + mean**2)
        np.testing.assert_allclose(found[:, i, j], [float(value) for value in pseudo], rtol=0, atol=allowed)
        np.testing.assert_allclose(found[:, i, j].mean(), float(whole), rtol=0, atol=allowed)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_replicates_are_exactly_symmetric(estimator):
    rng = np.random.default_rng(2)
    hessians = rng.normal(size=(8, 16, 4, 4))
    sums = sums_of(rng.normal(3.0, 1.0, size=(8, 16, 4)), hessians + hessians.swapaxes(2, 3))
    found = replicates(sums, estimator)
    assert np.array_equal(found, found.swapaxes(1, 2))


@settings(max_examples=50, deadline=None)
@given(st.integers(3, 9), st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_score_and_covariance_estimates_are_positive_semidefinite(streams, draws, p, seed):
    # the U-statistic is the mean covariance within streams plus a sample covariance between: no noise makes it negative
    scores = np.random.default_rng(seed).normal(size=(streams, draws, p)) * 10.0 ** np.arange(p)
    for estimator in ("score", "covariance"):
        matrix = replicates(sums_of(scores), estimator).mean(axis=0)
        unit = np.sqrt(np.diagonal(matrix))
        assert np.linalg.eigvalsh(matrix / np.outer(unit, unit)).min() > -1e-11


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_every_estimator_transforms_as_a_tensor(p, seed):
    # parameters theta = J phi: scores J^T s, Hessians J^T H J (at a linear change), information J^T I J
    rng = np.random.default_rng(seed)
    scores, jacobian = rng.normal(1.0, 1.0, size=(6, 10, p)), rng.normal(size=(p, p))
    hessians = rng.normal(size=(6, 10, p, p))
    hessians = hessians + hessians.swapaxes(2, 3)
    before = sums_of(scores, hessians)
    after = sums_of(scores @ jacobian, jacobian.T @ hessians @ jacobian)
    for estimator in ESTIMATORS:
        expected = jacobian.T @ replicates(before, estimator) @ jacobian
        np.testing.assert_allclose(replicates(after, estimator), expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def test_covariance_is_unbiased_where_the_score_has_a_mean_and_streams_are_short():
    # 4,000 runs of 4 streams of 2 draws of a gamma(3) score shifted to mean 3: variance 3.
    # A covariance divided by n in place of n - 1 would give 2.6; z beyond 4: false alarm 6e-5
    draws = np.random.default_rng(3).gamma(3.0, size=(4000, 4, 2, 1))
    means = np.array([replicates(sums_of(run), "covariance").mean() for run in draws])
    assert abs(means.mean() - 3.0) / (means.std() / np.sqrt(len(means))) < 4.0


@pytest.mark.parametrize("estimator", ["score", "covariance"])
def test_standard_errors_cover(estimator):
    # normal scores, information 1; 2,000 runs of 32 streams of 64 draws, intervals at 95 %.
    # Binomial: covering between 93.3 % and 96.7 % except with probability 5e-4
    draws = np.random.default_rng(4).normal(size=(2000, 32, 64, 1))
    quantile = stats.t.ppf(0.975, 31)
    covered = 0
    for run in draws:
        matrices = replicates(sums_of(run), estimator)
        half_width = quantile * standard_error(matrices, np.ones((1, 1)))
        covered += abs(matrices.mean() - 1.0) <= half_width.item()
    assert 0.933 < covered / len(draws) < 0.967


def test_standard_error_has_a_rounding_floor_in_the_units_of_each_entry():
    matrices = np.broadcast_to(np.diag([1e-20, 1e20]), (4, 2, 2))
    units = np.outer([1e-10, 1e10], [1e-10, 1e10])
    np.testing.assert_allclose(standard_error(matrices, units), ROUNDING_FLOOR * units, rtol=1e-12)


def test_scale_follows_the_score_except_where_the_score_has_a_mean():
    scores = np.random.default_rng(5).normal(size=(16, 500, 2)) * [1.0, 100.0]
    sums = sums_of(scores, -np.ones((16, 500, 2, 2)))
    root = np.sqrt(np.diagonal(replicates(sums, "score").mean(axis=0)))
    np.testing.assert_allclose(scale(sums, "hessian"), np.outer(root, root))
    shifted = sums_of(scores + 1e3)
    np.testing.assert_allclose(scale(shifted, "covariance"), scale(sums, "covariance"), rtol=1e-6)


def test_a_parameter_without_information_has_no_scale_and_no_error():
    scores = np.random.default_rng(6).normal(size=(4, 10, 2)) * [1.0, 0.0]
    sums = sums_of(scores)
    units = scale(sums, "score")
    assert np.array_equal(units != 0.0, [[True, False], [False, False]])
    assert np.array_equal(standard_error(replicates(sums, "score"), units) != 0.0, units != 0.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.booleans(), st.integers(0, 2**32 - 1))
def test_unpack_reads_upper_triangles(p, with_hessian, seed):
    rng = np.random.default_rng(seed)
    matrices = rng.normal(size=(2, 3, p, p))
    outer, hessian = matrices + matrices.swapaxes(2, 3)
    score = rng.normal(size=(3, p))
    upper = np.triu_indices(p)
    rows = [score, outer[:, *upper]] + [hessian[:, *upper]] * with_hessian + [np.zeros((3, 1))]
    sums = Sums.unpack(np.hstack(rows), p, 7)
    assert sums.draws == 7
    assert np.array_equal(sums.score, score)
    assert np.array_equal(sums.outer, outer)
    assert np.array_equal(sums.negative_hessian, hessian) if with_hessian else sums.negative_hessian is None
