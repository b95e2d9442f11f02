"""What counts as a recurrence, and that a Hessian is the same whichever way it is made."""

import math

import numpy as np
import pytest

from benchmarks import many_parameters, models
from fastfim import Likelihood
from fastfim.autodiff.recurrences import recurs
from fastfim.kernels import passes
from fastfim.kernels.block import derivatives_at, forget


def volatility(y, theta):
    """A GARCH in an array, with two means, and two coefficients of the value before."""
    first, second, omega, one, two, beta = theta
    h, total = np.empty(len(y)), 0.0
    for t in range(len(y)):
        e = y[t - 1] - (first if t % 2 else second)
        h[t] = omega + one * e * e + two * abs(e) + beta * (h[t - 1] if t else omega)
        total -= 0.5 * (math.log(h[t]) + y[t] ** 2 / h[t])
    return total


def in_an_array(y, theta):
    h = np.empty(len(y))
    h[0] = theta[0]
    for t in range(1, len(y)):
        h[t] = theta[0] + theta[1] * h[t - 1]
    return -np.sum(y * y / h)


def by_turns(y, theta):
    """Two states that change places."""
    a, b, total = theta[0], theta[1], 0.0
    for v in y:
        a, b = theta[2] * b, a + v
        total -= a * b
    return total


def sums(y, theta):
    """Running sums, a largest element, an array added to, and a sum of squares of these."""
    level, top, counts, total = 0.0, theta[0], np.zeros(2), 0.0
    for t in range(len(y)):
        level += theta[1]
        top = max(top, theta[0] * y[t])
        counts[t % 2] += theta[2] * y[t]
        total -= (y[t] - level) ** 2
    return total - top * counts[0] - counts[1] ** 2


def factorial(y, theta):
    product = 1.0
    for v in y:
        product *= theta[0] - v
    return math.log(product)


@pytest.mark.parametrize("function", [in_an_array, by_turns, factorial, models.logpdf_garch, models.logpdf_level])
def test_recurrences(function):
    assert recurs(function)


@pytest.mark.parametrize("function", [sums, many_parameters.network, many_parameters.logistic, models.logpdf_normal3])
def test_sums_are_none(function):
    assert not recurs(function)


def test_found_in_helpers():
    def logpdf(y, theta):
        return in_an_array(y, theta)

    assert recurs(logpdf)


@pytest.fixture
def way(monkeypatch):
    """Take recurrences by tape up to so many parameters."""

    def take(most):
        forget()
        monkeypatch.setattr("fastfim.store.fetch", lambda depends_on, make: make().code())  # not what is on disk
        monkeypatch.setattr(passes, "RECURRENT", {1: 0, 2: most})

    yield take
    forget()


def test_same_hessians_by_tape(way):
    names = ("first", "second", "omega", "one", "two", "beta")
    model = Likelihood(lambda rng, theta, x: None, volatility, parameters=names, size=12).bind()
    draws, theta = np.random.default_rng(0).normal(size=(40, 12)), np.array([0.1, -0.2, 0.3, 0.2, 0.1, 0.5])
    found = []
    for most in (6, 0):
        way(most)
        found.append(derivatives_at(model, theta, draws, 2))
    assert not np.array_equal(found[0].hessians, found[1].hessians)  # sums in another order
    np.testing.assert_allclose(found[0].scores, found[1].scores, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found[0].hessians, found[1].hessians, rtol=1e-10, atol=1e-10)
