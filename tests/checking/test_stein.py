"""The Stein discrepancy: its kernel against differences, its p-values under what is right, its power."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fastfim.trust.checking.stein import Frame, joint, largest, stein_matrices


def quadric(x, y, scale):
    return (1 + np.sum((x - y) ** 2) / scale) ** -0.5


def test_the_matrix_is_the_operator_on_both_sides_of_the_kernel():
    """Stein's operator by central differences on the inverse multiquadric, with weights that are functions of z."""
    rng = np.random.default_rng(0)
    n, d, h = 6, 3, 1e-4
    z, b = rng.normal(size=(n, d)), rng.normal(size=(n, d))
    g, slope = 1 / (1 + z**2), -2 * z / (1 + z**2) ** 2
    squares = [np.sum((z[i] - z[k]) ** 2) for i in range(n // 2) for k in range(n // 2, n)]
    scale = np.median(squares)

    def applied(i, k):
        def one(j, x, y):  # d/dy_j (g k) + g k b, along y
            up, down = y.copy(), y.copy()
            up[j] += h
            down[j] -= h
            weight = lambda v: 1 / (1 + v[j] ** 2)
            change = (weight(up) * quadric(x, up, scale) - weight(down) * quadric(x, down, scale)) / (2 * h)
            return change + weight(y) * quadric(x, y, scale) * b[k, j]

        total = 0.0
        for j in range(d):
            up, down = z[i].copy(), z[i].copy()
            up[j] += h
            down[j] -= h
            weight = lambda v, j=j: 1 / (1 + v[j] ** 2)
            change = (weight(up) * one(j, up, z[k]) - weight(down) * one(j, down, z[k])) / (2 * h)
            total += change + weight(z[i]) * one(j, z[i], z[k]) * b[i, j]
        return total

    expected = np.array([[applied(i, k) for k in range(n)] for i in range(n)])
    np.testing.assert_allclose(joint(z, g, slope + g * b), expected, rtol=1e-5, atol=1e-6)


LAWS = {
    "normal": (lambda rng, s: rng.normal(size=s), lambda x: -x),
    "exponential": (lambda rng, s: rng.exponential(size=s), lambda x: -np.ones_like(x)),
    "uniform": (lambda rng, s: rng.random(s), np.zeros_like),
    "gamma": (lambda rng, s: rng.gamma(0.3, size=s), lambda x: -0.7 / x - 1),
    "beta": (lambda rng, s: rng.beta(0.5, 0.5, s), lambda x: -0.5 / x + 0.5 / (1 - x)),
    "cauchy": (lambda rng, s: rng.standard_cauchy(s), lambda x: -2 * x / (1 + x**2)),
}


def p_values(sample, gradient, seeds, n=150, d=1):
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        frame = Frame.of(sample(rng, (1000, d)))
        x = sample(rng, (n, d))
        yield largest(stein_matrices(*frame.weighted(x, gradient(x))), rng).p_value


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("d", [1, pytest.param(5, marks=pytest.mark.long)])
def test_levels_hold_whatever_the_ends_of_the_support(law, d):
    """No more than 10 % below 0.1, 1 % below 0.01 (binomial at 1e-5); an end that is not heeded gives all of them."""
    found = np.array(list(p_values(*LAWS[law], seeds=80, d=d)))
    for level in (0.1, 0.01):
        assert stats.binomtest(int((found <= level).sum()), len(found), level, alternative="greater").pvalue > 1e-5


@pytest.mark.parametrize("law", ["exponential", "gamma"])
def test_a_wrong_scale_is_seen(law):
    sample, gradient = LAWS[law]
    found = list(p_values(lambda rng, s: 1.5 * sample(rng, s), gradient, seeds=5, n=500))
    assert max(found) < 0.01


def test_one_wrong_margin_of_twenty_is_seen():
    def sample(rng, s):
        x = rng.normal(size=s)
        x[:, 7] *= 2.0
        return x

    assert max(p_values(sample, lambda x: -x, seeds=3, n=500, d=20)) < 0.01


def test_a_term_left_out_of_a_long_series_is_seen_where_it_is():
    """AR(1), 40 steps, without the density of the second value given the first."""

    def sample(rng, s):
        x = rng.normal(size=s)
        for t in range(1, s[1]):
            x[:, t] += 0.5 * x[:, t - 1]
        return x

    def gradient(x):
        residual = np.diff(x, prepend=0.0, axis=1) + 0.5 * np.roll(x, 1, axis=1) * (np.arange(x.shape[1]) > 0)
        residual[:, 1] = 0.0
        return -residual + 0.5 * np.append(residual[:, 1:], np.zeros((len(x), 1)), axis=1)

    rng = np.random.default_rng(0)
    frame = Frame.of(sample(rng, (4096, 40)))
    x = sample(rng, (512, 40))
    found = largest(stein_matrices(*frame.weighted(x, gradient(x))), rng)
    assert found.p_value < 0.001
    assert found.place == 2  # after the joint kernel, x[0]


def test_the_statistic_is_a_mean_over_pairs_in_standard_deviations():
    h = np.array([[5.0, 1.0, 2.0], [1.0, 7.0, 3.0], [2.0, 3.0, 9.0]])
    found = largest([np.eye(3), h], np.random.default_rng(0))
    assert found.figure == pytest.approx(12 / np.sqrt(2 * 28))
    assert found.place == 1
    assert found.p_value == pytest.approx(0.25, abs=0.05)  # all signs alike


def test_units_do_not_matter():
    rng = np.random.default_rng(1)
    a, x = rng.normal(size=(500, 2)), rng.normal(size=(100, 2))
    here = stein_matrices(*Frame.of(a).weighted(x, -x))
    there = stein_matrices(*Frame.of(1000 * a + 3).weighted(1000 * x + 3, -x / 1000))
    np.testing.assert_allclose(list(here), list(there), rtol=1e-8, atol=1e-10)
