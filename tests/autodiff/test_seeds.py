"""From 1 to 60 parameters: whole gradients, windows of lanes, strides, constants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit

from fastfim.autodiff import active, seeds, store_gradient, store_hessian, value

from .differentiate import compiled, differentiate, pointer, unpacked


def chain(x, theta):
    """``sum_i exp(a_i theta_i theta_(i+1))``, whose Hessian is tridiagonal."""
    total = 0.0
    for i in range(len(theta) - 1):
        total += math.exp(x[i] * theta[i] * theta[i + 1])
    return total + theta[-1] ** 3


def dense(x, theta):
    """``log sum_i exp(x_i theta_i)``: gradient x w, Hessian x_i x_j (w_i [i = j] - w_i w_j), w the softmax."""
    total = 0.0
    for i in range(len(theta)):
        total += math.exp(x[i] * theta[i])
    return math.log(total)


def dense_exact(x, theta):
    w = np.exp(x * theta)
    w /= w.sum()
    return x * w, np.outer(x, x) * (np.diag(w) - np.outer(w, w))


def point(p):
    rng = np.random.default_rng(p)
    return rng.uniform(-1, 1, p), rng.uniform(-1, 1, p)


@pytest.mark.parametrize("p", [1, 2, 3, 4, 5, 7, 8, 9, 12])
def test_whole(p):
    x, theta = point(p)
    gradient, hessian = dense_exact(x, theta)
    found = differentiate(dense, x, theta)
    assert found.gradient == pytest.approx(gradient, rel=1e-13, abs=1e-15)
    np.testing.assert_allclose(found.hessian, hessian, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("p", [20, 33, 60])
def test_gradient_of_many(p):
    x, theta = point(p)
    assert differentiate(dense, x, theta, order=1).gradient == pytest.approx(dense_exact(x, theta)[0], rel=1e-13)


@pytest.mark.parametrize(("p", "n"), [(5, 2), (10, 4), (11, 3), (60, 16)])
def test_windows(p, n):
    """A gradient made n lanes at a time is the same gradient."""
    x, theta = point(p)
    evaluate, gradient = compiled(dense, p, order=1, n=n), np.full(p, np.nan)
    for first in range(0, p, n):
        evaluate(x, theta, first, gradient, np.empty(0))
    assert gradient == pytest.approx(dense_exact(x, theta)[0], rel=1e-13)


def test_window_of_a_hessian():
    """Fewer lanes than parameters: the block of the Hessian that belongs to them, and nothing else is touched."""
    p, n, first = 7, 3, 5
    x, theta = point(p)
    gradient, packed = np.full(p, np.nan), np.full(p * (p + 1) // 2, np.nan)
    compiled(dense, p, n=n)(x, theta, first, gradient, packed)
    matrix, exact = unpacked(packed, p), dense_exact(x, theta)[1]
    np.testing.assert_allclose(matrix[first:, first:], exact[first:, first:], rtol=1e-12)
    assert np.isnan(gradient[:first]).all()
    assert np.isnan(packed).sum() == p * (p + 1) // 2 - 3


def test_strides_lay_out_structures_of_arrays():
    p, draws = 3, 4
    density, with_seeds = active(chain), seeds(p, p, 2)

    @njit
    def block(xs, theta, gradients, hessians, values):
        seeded = with_seeds(pointer(theta), 0)
        for k in range(draws):
            d = density(xs[k], seeded)
            store_gradient(d, pointer(gradients[k:]), draws, 0, p)
            store_hessian(d, pointer(hessians[k:]), draws, 0, p)
            values[k] = value(d)

    xs, theta = np.random.default_rng(1).normal(size=(draws, p)), np.array([0.3, -0.4, 0.9])
    gradients, hessians, values = np.empty(p * draws), np.empty(p * (p + 1) // 2 * draws), np.empty(draws)
    block(xs, theta, gradients, hessians, values)
    for k in range(draws):
        one = differentiate(chain, xs[k], theta)
        assert values[k] == one.value
        np.testing.assert_allclose(gradients.reshape(p, draws)[:, k], one.gradient, rtol=1e-14)
        np.testing.assert_allclose(unpacked(hessians.reshape(-1, draws)[:, k], p), one.hessian, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("constant", [1.5, 2, True, -math.inf])
def test_constant_density(constant):
    found = differentiate(lambda x, theta: constant, 0.0, [1.0, 2.0, 3.0])
    assert found.value == constant
    assert not found.gradient.any()
    assert not found.hessian.any()


def test_theta_is_private():
    """A density that changes its input buffer does not see theta change: the seeds hold a copy."""
    density, with_seeds = active(lambda x, theta: theta[0] * x), seeds(1, 1, 1)

    @njit
    def twice(theta):
        seeded = with_seeds(pointer(theta), 0)
        before = value(density(2.0, seeded))
        theta[0] = 100.0
        return before, value(density(2.0, seeded))

    assert twice(np.array([3.0])) == (6.0, 6.0)


def test_closures_of_the_same_code_stay_apart():
    def scaled(factor):
        return lambda x, theta: factor * theta[0]

    double, triple = scaled(2.0), scaled(3.0)
    assert differentiate(double, 0.0, [1.0]).gradient[0] == 2.0
    assert differentiate(triple, 0.0, [1.0]).gradient[0] == 3.0
    assert active(double) is active(double)
    assert active(double) is not active(triple)
