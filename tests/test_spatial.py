"""Derivatives of log densities with respect to the draw, against closed forms, mpmath and scipy.stats."""

from __future__ import annotations

import math

import models
import mpmath
import numpy as np
import oracles
import pytest

from fastfim import Likelihood, LikelihoodError, OptionError
from fastfim.catalogue import catalogue
from fastfim.kernels.spatial import along_draws
from fastfim.kernels.spatial_passes import LANES


def at(name, case, draws, order=1):
    model = catalogue[name].bind(case.args)
    return along_draws(model, model.theta(case.theta), draws, order)


# First and second derivatives of log densities in x, by hand, for theta in the order of the catalogue.
CLOSED = {
    "norm": lambda x, loc, s: (-(x - loc) / s**2, -1 / s**2 + 0 * x),
    "gamma": lambda x, a, s: ((a - 1) / x - 1 / s, -(a - 1) / x**2),
    "beta": lambda x, a, b: ((a - 1) / x - (b - 1) / (1 - x), -(a - 1) / x**2 - (b - 1) / (1 - x) ** 2),
    "weibull_min": lambda x, c, s: (
        (c - 1) / x - c / s * (x / s) ** (c - 1),
        -(c - 1) / x**2 - c * (c - 1) / s**2 * (x / s) ** (c - 2),
    ),
    "t": lambda x, v, m, s: (
        -(v + 1) * (x - m) / (v * s**2 + (x - m) ** 2),
        -(v + 1) * (v * s**2 - (x - m) ** 2) / (v * s**2 + (x - m) ** 2) ** 2,
    ),
    "gumbel_r": lambda x, m, s: ((np.exp(-(x - m) / s) - 1) / s, -np.exp(-(x - m) / s) / s**2),
}


@pytest.mark.parametrize(("name", "case"), oracles.each(CLOSED))
def test_families_of_numbers(name, case):
    exact = oracles.CONTINUOUS[name](*case.theta)
    x = exact.ppf([1e-6, 0.01, 0.2, 0.5, 0.77, 0.999, 1 - 1e-6])
    found = at(name, case, x, order=2)
    gradient, hessian = CLOSED[name](x, *case.theta)
    scale = 1 / exact.std() if np.isfinite(exact.std()) else 1.0
    np.testing.assert_allclose(found.logpdf, exact.logpdf(x), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found.gradient[:, 0], gradient, rtol=1e-11, atol=1e-12 * scale)
    np.testing.assert_allclose(found.hessian[:, 0, 0], hessian, rtol=1e-10, atol=1e-12 * scale**2)


@pytest.mark.parametrize("x", [-4.0, -0.3, 0.6, 1.7, 5.0])
def test_a_mixture_against_mpmath(x):
    case = oracles.CASES["normal_mixture"][0]
    w, m1, s1, m2, s2 = map(mpmath.mpf, case.theta)

    def logpdf(y):
        return mpmath.log(w * mpmath.npdf(y, m1, s1) + (1 - w) * mpmath.npdf(y, m2, s2))

    found = at("normal_mixture", case, [x], order=2)
    with mpmath.workdps(40):
        assert found.gradient[0, 0] == pytest.approx(float(mpmath.diff(logpdf, x)), rel=1e-12)
        assert found.hessian[0, 0, 0] == pytest.approx(float(mpmath.diff(logpdf, x, 2)), rel=1e-11)


@pytest.mark.parametrize("case", oracles.CASES["ar1"])
def test_a_gaussian_vector(case):
    """The gradient of a Gaussian log density is -P (x - mean) with P the inverse covariance; T = 40 takes 3 passes."""
    mean, covariance = oracles.ar1_moments(case.theta, *case.args)
    x = np.random.default_rng(0).multivariate_normal(mean, covariance, size=9)
    assert case.args[0] in (10, 40)
    assert 40 % LANES  # the last pass is not full
    np.testing.assert_allclose(
        at("ar1", case, x).gradient, -np.linalg.solve(covariance, (x - mean).T).T, rtol=1e-11, atol=1e-12
    )


def test_a_hessian_of_a_vector():
    case = oracles.CASES["ar1"][0]
    _, covariance = oracles.ar1_moments(case.theta, 10)
    found = at("ar1", case, np.zeros((2, 10)), order=2)
    np.testing.assert_allclose(found.hessian, [-np.linalg.inv(covariance)] * 2, rtol=1e-10, atol=1e-11)


def test_lengths_that_depend_on_the_constants():
    c, theta = models.NOISE_WEIGHTS, np.array([0.3, 1.0, 0.5])
    z = np.random.default_rng(1).normal(size=(4, 30))
    found = along_draws(models.unequal_noise.bind((c,)), theta, z)
    np.testing.assert_allclose(found.gradient, -(z - 0.3) / (1.0 + 0.5 * c), rtol=1e-13)


def draw_six(rng, theta, x, *args):
    x[:] = rng.normal()


def six_numbers(logpdf, **options):
    return Likelihood(draw_six, logpdf, parameters=("a", "b"), size=6, **options)


def test_a_draw_is_an_ordinary_array():
    """Strides, shapes, sums, local arrays and helpers, none of which parameters need."""

    def cubes(v):
        out = np.zeros(len(v))
        for i in range(len(v)):
            out[i] = v[i] ** 3
        return out

    def logpdf(x, theta):
        m = x.reshape(3, 2)
        return theta[0] * np.sum(x[::2] ** 2) + theta[1] * x[-1] * m[0, 1] + np.sum(cubes(x[1:4]))

    x = np.arange(1.0, 7.0)
    found = along_draws(six_numbers(logpdf).bind(), np.array([2.0, 3.0]), x, order=2)
    assert found.logpdf[0] == 2 * (1 + 9 + 25) + 3 * 6 * 2 + 8 + 27 + 64
    assert found.gradient[0].tolist() == [4, 3 * 6 + 12, 12 + 27, 48, 20, 6]
    hessian = np.diag([4.0, 12, 4 + 18, 24, 4, 0])
    hessian[1, 5] = hessian[5, 1] = 3
    assert found.hessian[0].tolist() == hessian.tolist()


def test_what_prepare_makes_is_constant():
    def prepare(theta):
        return math.exp(theta[0])

    def logpdf(x, theta, rate):
        return -rate * np.dot(x, x)

    found = along_draws(six_numbers(logpdf, prepare=prepare).bind(), np.array([0.0, 1.0]), np.ones(6))
    assert found.gradient[0].tolist() == [-2.0] * 6


def whole_number(x, theta):
    return theta[0] * int(x)


def index(x, theta):
    return theta[x]


def remainder(x, theta):
    return theta[0] * (x % 2)


@pytest.mark.parametrize("logpdf", [whole_number, index, remainder])
def test_what_integers_do_is_refused(logpdf):
    model = Likelihood(lambda rng, theta: rng.normal(), logpdf, parameters=("a",)).bind()
    with pytest.raises(LikelihoodError, match=r"test_spatial\.py:\d+: .*depends on x") as caught:
        along_draws(model, np.array([1.0]), [1.0])
    assert caught.value.line == logpdf.__code__.co_firstlineno + 1


def test_values_alone_take_integers():
    model = Likelihood(lambda rng, theta: rng.poisson(2.0), whole_number, parameters=("a",)).bind()
    found = along_draws(model, np.array([1.5]), [0, 3], order=0)
    assert found.logpdf.tolist() == [0.0, 4.5]
    assert found.gradient is None


def test_long_hessians_are_refused():
    with pytest.raises(OptionError, match="at most 12 numbers; these have 40"):
        at("ar1", oracles.CASES["ar1"][-1], np.zeros(40), order=2)


def test_no_draws():
    assert at("norm", oracles.CASES["norm"][0], []).gradient.shape == (0, 1)
