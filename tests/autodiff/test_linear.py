"""Linear predictors by their rule against the same sums written as loops, which go term by term."""

from __future__ import annotations

import numpy as np
import pytest

from .differentiate import compiled, differentiate


def _loop(x, theta):
    total = 0.0
    for i in range(len(theta)):
        total += x[i] * theta[i]
    return total


def whole(x, theta):
    return np.dot(x[: len(theta)], theta)


def whole_loop(x, theta):
    return _loop(x, theta)


def stretches(x, theta):
    return np.dot(theta[1:4], x[::2][:3]) * (x[3:5] @ theta[-2:]) + theta[0]


def stretches_loop(x, theta):
    return _loop(x[::2], theta[1:4]) * _loop(x[3:], theta[-2:]) + theta[0]


def of_one(x, theta):
    return np.exp(x[1:2] @ theta[2:3]) + np.dot(x[:0], theta[:0])


def of_one_loop(x, theta):
    return np.exp(x[1] * theta[2])


PAIRS = [(whole, whole_loop), (stretches, stretches_loop), (of_one, of_one_loop)]
X = np.random.default_rng(0).normal(size=40)


@pytest.mark.parametrize(("rule", "loop"), PAIRS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("p", [5, 6, 9])
def test_the_rule_gives_what_loops_give(rule, loop, p):
    theta = np.random.default_rng(p).normal(size=p)
    found, expected = differentiate(rule, X, theta), differentiate(loop, X, theta)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("first", [0, 3, 4])
def test_windows_of_lanes(first):
    """A gradient of 7 parameters, four lanes at a time."""
    theta = np.random.default_rng(1).normal(size=7)
    gradient, packed = np.zeros(7), np.zeros(28)
    compiled(stretches, 7, order=1, n=4)(X, theta, first, gradient, packed)
    expected = differentiate(stretches_loop, X, theta).gradient
    np.testing.assert_allclose(gradient[first : first + 4], expected[first : first + 4], rtol=1e-13)


def test_derivatives_of_others_stay_zero_where_the_data_are_infinite():
    x = np.array([1.0, np.inf, 2.0])
    np.testing.assert_array_equal(differentiate(whole, x, np.ones(3), order=1).gradient, x)
