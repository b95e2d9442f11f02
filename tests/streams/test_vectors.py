"""Multinomial, Dirichlet, multivariate normal and choice, by their marginal and joint laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from .drivers import compiled
from .goodness import assert_flat, cell_p_value, continuous_p_value, samples

DRAWS = 8192


def multinomial(rng, theta, row):
    row[:] = rng.multinomial(theta[0], theta[1:])


@pytest.mark.parametrize("n", [3, 40, 10**6])
def test_multinomial(n):
    p = np.array([0.2, 0.0, 0.5, 0.1, 0.2])
    p_values = {i: [] for i in ("first", "third", "last", "two", "rest given the first")}
    for x in samples(compiled(multinomial, size=5), [n, *p], DRAWS, size=5):
        assert np.all(x.sum(axis=1) == n)
        assert np.all(x[:, 1] == 0)
        p_values["first"].append(cell_p_value(x[:, 0], stats.binom(n, 0.2)))
        p_values["third"].append(cell_p_value(x[:, 2], stats.binom(n, 0.5)))
        p_values["last"].append(cell_p_value(x[:, 4], stats.binom(n, 0.2)))
        p_values["two"].append(cell_p_value(x[:, 2] + x[:, 4], stats.binom(n, 0.7)))
        # given the first, the third is binomial: its residual is uncorrelated with the first
        residual = x[:, 2] - (n - x[:, 0]) * 0.5 / 0.8
        p_values["rest given the first"].append(_mean_p_value(residual * (x[:, 0] - 0.2 * n)))
    for some in p_values.values():
        assert_flat(some)


def _mean_p_value(x):
    return 2 * stats.norm.sf(abs(x.mean()) / (x.std() / math.sqrt(len(x))))


def test_multinomial_of_one_category_and_of_certain_ones():
    (x,) = samples(compiled(multinomial, size=1 + 1), [7, 0.0, 1.0], 100, size=2, many=1)
    assert np.all(x == [0, 7])
    (x,) = samples(compiled(multinomial, size=3), [7, 1.0, 0.0, 0.0], 100, size=3, many=1)
    assert np.all(x == [7, 0, 0])


def dirichlet(rng, theta, row):
    row[:] = rng.dirichlet(theta)


@pytest.mark.parametrize("alpha", [(1.0, 2.0, 4.0), (0.3, 2.0, 0.7), (100.0, 300.0, 50.0)])
def test_dirichlet(alpha):
    total = sum(alpha)
    p_values = [[] for _ in range(4)]
    for x in samples(compiled(dirichlet, size=3), alpha, DRAWS, size=3):
        np.testing.assert_allclose(x.sum(axis=1), 1.0, rtol=1e-14)
        for i in range(3):
            p_values[i].append(continuous_p_value(x[:, i], stats.beta(alpha[i], total - alpha[i])))
        p_values[3].append(continuous_p_value(x[:, 0] / (x[:, 0] + x[:, 1]), stats.beta(alpha[0], alpha[1])))
    for some in p_values:
        assert_flat(some)


def test_dirichlet_of_concentrations_that_underflow():
    # in the limit of tiny concentrations one share is 1, number i with probability alpha_i / total
    alpha = np.array([1e-5, 2e-5, 7e-5])
    x = np.concatenate(list(samples(compiled(dirichlet, size=3), alpha, DRAWS, size=3)))
    np.testing.assert_allclose(x.sum(axis=1), 1.0, rtol=1e-14)
    counts = np.bincount(x.argmax(axis=1), minlength=3)
    assert stats.chisquare(counts, len(x) * alpha / alpha.sum()).pvalue > 1e-6


@pytest.mark.parametrize(("alpha", "expected"), [((0.0, 2.0), [0.0, 1.0]), ((-1.0, 2.0), [math.nan] * 2)])
def test_dirichlet_at_and_beyond_the_edge(alpha, expected):
    (x,) = samples(compiled(dirichlet, size=2), alpha, 10, size=2, many=1)
    np.testing.assert_array_equal(x, [expected] * 10)


def normal_vector(rng, theta, row):
    row[:] = rng.multivariate_normal(theta[:3], theta[3:].reshape(3, 3))


COVARIANCES = {
    "full": [[4.0, 1.2, -0.6], [1.2, 1.0, 0.1], [-0.6, 0.1, 0.5]],
    "diagonal": [[4.0, 0, 0], [0, 1e-6, 0], [0, 0, 1e6]],
    "singular": [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 2.0]],
    "rank one": np.outer([1.0, -2.0, 0.3], [1.0, -2.0, 0.3]),
    "null": np.zeros((3, 3)),
}


@pytest.mark.parametrize("name", COVARIANCES)
def test_multivariate_normal(name):
    mean, cov = np.array([1.0, -2.0, 0.5]), np.array(COVARIANCES[name])
    directions = np.vstack([np.eye(3), [1.0, 1.0, 1.0], [1.0, -1.0, 2.0]])
    p_values = [[] for _ in directions]
    for x in samples(compiled(normal_vector, size=3), [*mean, *cov.ravel()], DRAWS, size=3):
        for some, a in zip(p_values, directions, strict=True):
            deviation = math.sqrt(a @ cov @ a)
            if deviation > 0.0:
                some.append(continuous_p_value((x - mean) @ a, stats.norm(0.0, deviation)))
            else:
                np.testing.assert_allclose((x - mean) @ a, 0.0, atol=1e-12)
    for some in filter(None, p_values):
        assert_flat(some)


def test_multivariate_normal_of_an_indefinite_matrix_is_nan():
    cov = [[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    (x,) = samples(compiled(normal_vector, size=3), [0, 0, 0, *np.ravel(cov)], 10, size=3, many=1)
    assert np.all(np.isnan(x[:, 1]))


EVEN = (0.25, 0.25, 0.25, 0.25)
CHOICES = [
    (lambda g, t: g.choice(4), EVEN),
    (lambda g, t: g.choice(4, p=t), (0.1, 0.0, 0.6, 0.3)),
    (lambda g, t: g.choice(a=4, p=t), (1.0, 0.0, 0.0, 0.0)),
    (lambda g, t: g.choice(4, p=(t[0], t[1], t[2], t[3])), (0.1, 0.2, 0.3, 0.4)),
    (lambda g, t: g.choice(np.arange(4) + 0 * t[0]), EVEN),
    (lambda g, t: g.choice(np.arange(4.0), p=t), (0.1, 0.2, 0.3, 0.4)),
    (lambda g, t: g.choice((0, 1, 2, 3), p=t), (0.1, 0.2, 0.3, 0.4)),
]


@pytest.mark.parametrize(("sample", "p"), CHOICES)
def test_choice(sample, p):
    p = np.array(p)
    p_values = []
    for x in samples(compiled(sample), p, DRAWS):
        counts = np.bincount(x.astype(int), minlength=4)
        assert np.all(counts[p == 0.0] == 0)
        if np.count_nonzero(p) > 1:
            p_values.append(stats.chisquare(counts[p > 0.0], len(x) * p[p > 0.0]).pvalue)
    if p_values:
        assert_flat(p_values)


INVALID = [
    (lambda g, t: g.choice(4, p=t), (0.5, 0.5), "as many entries"),
    (lambda g, t: g.choice(2, p=t), (0.5, 0.6), "sum to 1"),
    (lambda g, t: g.choice(2, p=t), (-0.5, 1.5), "negative"),
    (lambda g, t: g.choice(2, p=t), (math.nan, 1.0), "nan"),
    (lambda g, t: g.choice(t), (), "something to choose from"),
    (lambda g, t: g.multinomial(-1, t)[0], (0.5, 0.5), "multinomial: n"),
    (lambda g, t: g.multinomial(5, t)[0], (0.8, 0.3, 0.0), "multinomial: n"),
    (lambda g, t: g.multinomial(5, t)[0], (0.5, 1.5), "multinomial: probabilities"),
    (lambda g, t: g.multinomial(5, t)[0], (math.nan, 0.5), "multinomial: probabilities"),
]


@pytest.mark.parametrize(("sample", "theta", "message"), INVALID)
def test_invalid_probabilities_raise(sample, theta, message):
    with pytest.raises(ValueError, match=message):
        next(samples(compiled(sample), theta, 5))


def test_the_same_sources_run_uncompiled():
    rng, row = np.random.default_rng(7), np.empty(3)
    dirichlet(rng, np.array([0.3, 2.0, 0.7]), row)
    assert row.sum() == pytest.approx(1.0)
    normal_vector(rng, np.array([1.0, -2.0, 0.5, *np.ravel(COVARIANCES["full"])]), row)
    assert np.all(np.isfinite(row))
    for sample, p in CHOICES:
        assert sample(rng, np.array(p)) in (0, 1, 2, 3)
