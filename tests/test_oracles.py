"""The oracles themselves, held against quadrature, summation or mpmath over densities that nobody here wrote."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from model_oracles import MODEL_CASES, MODEL_CONTINUOUS, MODEL_DISCRETE
from oracles import CASES, CONTINUOUS, DISCRETE, ar1_moments, each
from scipy import special, stats


def numerical_scores(log_density, theta):
    """Gradient by central differences of fourth order; ``log_density`` may be an array."""
    columns = []
    for j, value in enumerate(theta):
        step = 1e-3 * (abs(value) if value else 1.0)
        weights = {1: 2 / 3, -1: -2 / 3, 2: -1 / 12, -2: 1 / 12}
        shifted = ((w, [v + k * step * (i == j) for i, v in enumerate(theta)]) for k, w in weights.items())
        columns.append(sum(w * log_density(point) for w, point in shifted) / step)
    return np.array(columns)


@pytest.mark.parametrize(("name", "case"), each(CONTINUOUS) + each(MODEL_CONTINUOUS, MODEL_CASES))
def test_continuous_oracles_are_the_integral_of_squared_scores(name, case):
    families = CONTINUOUS | MODEL_CONTINUOUS
    frozen = families[name](*case.theta)

    # With F(x) = 1 / (1 + exp(-v)) the integrand is smooth on the whole line and dies off as exp(-|v|).
    nodes, weights = np.polynomial.legendre.leggauss(16)
    v = (np.arange(-30, 30)[:, None] + (nodes + 1) / 2).ravel()
    weights = np.tile(weights / 2, 60) * special.expit(v) * special.expit(-v)
    x = np.where(v < 0, frozen.ppf(special.expit(v)), frozen.isf(special.expit(-v)))
    score = numerical_scores(lambda point: families[name](*point).logpdf(x), case.theta)
    matrix = (score * weights) @ score.T
    scale = np.sqrt(np.outer(np.diag(case.exact), np.diag(case.exact)))
    assert np.max(np.abs(matrix - case.exact) / scale) < 1e-7


@pytest.mark.parametrize(("name", "case"), each(DISCRETE) + each(MODEL_DISCRETE, MODEL_CASES))
def test_discrete_oracles_are_the_sum_of_squared_scores(name, case):
    families = DISCRETE | MODEL_DISCRETE
    frozen = families[name](*case.theta, *case.args)
    x = np.arange(frozen.support()[0], min(frozen.support()[1], frozen.mean() + 20 * frozen.std() + 40) + 1)
    score = numerical_scores(lambda point: families[name](*point, *case.args).logpmf(x), case.theta)
    matrix = (score * frozen.pmf(x)) @ score.T
    np.testing.assert_allclose(matrix, case.exact, rtol=1e-8)


def mixture_density(x, weight, loc1, scale1, loc2, scale2):
    return weight * mpmath.npdf(x, loc1, scale1) + (1 - weight) * mpmath.npdf(x, loc2, scale2)


@pytest.mark.parametrize(("name", "case"), each(["normal_mixture"]))
def test_mixture_oracle_against_mpmath(name, case):
    """Diagonal and one off-diagonal, with derivatives and integrals by mpmath."""
    _, loc1, scale1, loc2, scale2 = case.theta
    reach = 12 * max(scale1, scale2)
    points = sorted({loc1 - reach, loc1, loc1 + reach, (loc1 + loc2) / 2, loc2 - reach, loc2, loc2 + reach})

    def entry(i, j):
        def integrand(x):
            def partial(k):
                along = lambda v: mixture_density(x, *case.theta[:k], v, *case.theta[k + 1 :])
                return mpmath.diff(along, case.theta[k])

            return partial(i) * partial(j) / mixture_density(x, *case.theta)

        return float(mpmath.quad(integrand, points))

    for i, j in ((0, 0), (0, 1), (2, 4)):
        assert entry(i, j) == pytest.approx(case.exact[i, j], rel=1e-8, abs=1e-10)


def test_mixture_oracle_of_far_components_falls_apart():
    """Components 40 deviations apart: a Bernoulli for the weight, a normal for each component."""
    exact = CASES["normal_mixture"][0].information((0.3, -20.0, 1.0, 40.0, 2.0))
    expected = np.diag([1 / (0.3 * 0.7), 0.3, 0.6, 0.7 / 4, 1.4 / 4])
    np.testing.assert_allclose(exact, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "case"), each(["logistic_regression"]))
def test_logistic_oracle_is_a_sum_over_independent_bernoullis(name, case):
    (X,) = case.args
    matrix = np.zeros_like(case.exact)
    for row in X:
        for y in (0, 1):
            log_mass = lambda b, row=row, y=y: stats.bernoulli.logpmf(y, special.expit(row @ np.array(b)))
            score = numerical_scores(log_mass, case.theta)
            matrix += np.exp(log_mass(case.theta)) * np.outer(score, score)
    np.testing.assert_allclose(matrix, case.exact, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("name", "case"), each(["ar1"]))
def test_ar1_oracle_is_the_curvature_of_the_divergence(name, case):
    """KL(theta || theta + h) between two Gaussian vectors is h^T I h / 2 + O(h^3), symmetrized O(h^4)."""
    mean, covariance = ar1_moments(case.theta, *case.args)

    def divergence(h):
        other_mean, other = ar1_moments(np.array(case.theta) + h, *case.args)
        solved = np.linalg.solve(other, covariance)
        shift = mean - other_mean
        log_ratio = np.linalg.slogdet(solved)[1]
        return (np.trace(solved) - len(mean) - log_ratio + shift @ np.linalg.solve(other, shift)) / 2

    def quadratic(h):
        return divergence(h) + divergence(-h)

    step = 2e-4 * np.eye(3)
    for i in range(3):
        for j in range(3):
            value = (quadratic(step[i] + step[j]) - quadratic(step[i] - step[j])) / (4 * 2e-4**2)
            assert value == pytest.approx(
                case.exact[i, j], rel=1e-4, abs=1e-4 * np.sqrt(case.exact[i, i] * case.exact[j, j])
            )


@pytest.mark.parametrize(("name", "case"), each(CASES) + each(MODEL_CASES, MODEL_CASES))
def test_exact_matrices_are_symmetric_and_positive_definite(name, case):
    np.testing.assert_allclose(case.exact, case.exact.T, rtol=1e-12, atol=1e-12)
    assert np.linalg.eigvalsh(case.exact)[0] > 0
