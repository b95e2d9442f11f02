"""Matrices of values that depend on theta: every operation against the same source in 60 digits (see `extended`)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from . import extended
from .differentiate import differentiate, plain

FIXED = np.array([[2.0, 0.3, -0.1], [0.5, 1.5, 0.2], [-0.4, 0.1, 1.0]])


def covariance(theta):
    """Positive definite, and every entry depends on theta."""
    m = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            m[i, j] = math.exp(-theta[0] * (i - j) ** 2) + 0.1 * theta[1] * i * j
        m[i, i] += theta[2] * theta[2]
    return m


def general(theta):
    """Neither symmetric nor triangular; the largest entries of its columns are not on the diagonal."""
    m = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            m[i, j] = math.sin(theta[0] * (i + 1) + theta[1] * j) + theta[2] / (1 + i + 2 * j)
    m[2, 0] += 3.0
    return m


def cholesky(x, theta):
    L = np.linalg.cholesky(covariance(theta))
    return L[0, 0] * L[1, 0] + L[2, 0] * L[2, 1] + math.log(L[1, 1] * L[2, 2]) + L[0, 2]


def normal_by_cholesky(x, theta):
    L = np.linalg.cholesky(covariance(theta))
    z = np.linalg.solve(L, x - theta)
    return -0.5 * np.sum(z * z) - np.log(L[0, 0]) - np.log(L[1, 1]) - np.log(L[2, 2])


def normal_by_precision(x, theta):
    S = covariance(theta)
    sign, logdet = np.linalg.slogdet(S)
    r = x - theta
    return -0.5 * (r @ np.linalg.inv(S) @ r + sign * logdet)


def solve_active(x, theta):
    m = general(theta)
    y, z, Y = np.linalg.solve(m, x), np.linalg.solve(m, theta), np.linalg.solve(m, covariance(theta))
    return y[0] * y[1] + y[2] * z[0] * z[1] + z[2] * Y[0, 0] * Y[1, 2] + Y[2, 1]


def solve_fixed(x, theta):
    y, Y = np.linalg.solve(FIXED, theta), np.linalg.solve(FIXED, covariance(theta))
    Z = np.linalg.solve(covariance(theta), FIXED[:, :2])
    return y[0] * y[1] + y[2] * Y[0, 0] * Y[1, 2] + Y[2, 1] + Z[0, 0] * Z[1, 1] + Z[2, 1]


def solve_upper(x, theta):
    L = np.linalg.cholesky(covariance(theta))
    y = np.linalg.solve(L.T, np.linalg.solve(L, x))
    return y[0] * y[1] + y[2]


def inverses(x, theta):
    X, Y = np.linalg.inv(general(theta)), np.linalg.inv(np.linalg.cholesky(covariance(theta)))
    return X[0, 1] * X[2, 2] + X[1, 0] + Y[2, 0] * Y[1, 1] + Y[2, 1] + Y[0, 2]


def determinants(x, theta):
    result = np.linalg.slogdet(general(theta))
    sign, value = np.linalg.slogdet(-covariance(theta))
    total = np.linalg.det(general(theta)) * theta[1] + np.linalg.det(covariance(theta))
    return total + result[0] * result[1] + sign * value * theta[0]


def scalar_systems(x, theta):
    m = np.zeros((1, 1))
    m[0, 0] = theta[0] * theta[1]
    return np.linalg.inv(m)[0, 0] + np.linalg.cholesky(m)[0, 0] * np.linalg.det(m) + np.linalg.slogdet(m)[1]


def numbers_alone(x, theta):
    """Nothing here depends on theta, up to the last line."""
    L = np.linalg.cholesky(FIXED @ FIXED.T)
    y = np.linalg.solve(FIXED, x) + np.linalg.solve(L, x) + np.linalg.inv(FIXED)[0]
    return theta[0] * (y[0] + y[1] * y[2] + np.linalg.det(FIXED) * np.linalg.slogdet(FIXED)[1])


def zero_value_is_no_zero(x, theta):
    """A correlation of zero makes the matrix look diagonal; its derivatives do not."""
    m = np.zeros((2, 2))
    m[0, 0], m[1, 1] = theta[0], theta[1]
    m[0, 1] = m[1, 0] = theta[2] - 0.8
    y = np.linalg.solve(m, x[:2])
    return y[0] * y[1] + np.linalg.inv(m)[0, 1] + np.linalg.slogdet(m)[1] + np.linalg.cholesky(m)[1, 0]


PROGRAMS = [
    f for f in list(globals().values()) if getattr(f, "__code__", None) and f.__code__.co_varnames[:1] == ("x",)
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_program(program):
    x, theta = np.array([0.7, 1.3, 2.1]), (1.25, 1.5, 0.8)
    value, gradient, hessian = differentiate(program, x, theta)
    exact = extended.derivatives(program, x, theta)
    assert value == pytest.approx(exact[0], rel=1e-13)
    np.testing.assert_allclose(gradient, exact[1], rtol=1e-12, atol=1e-13 * np.abs(exact[1]).max())
    np.testing.assert_allclose(hessian, exact[2], rtol=1e-11, atol=1e-20 + 1e-12 * np.abs(exact[2]).max())
    assert differentiate(program, x, theta, order=1).gradient == pytest.approx(gradient, rel=1e-12, abs=1e-13)
    assert plain(program)(x, np.array(theta)) == pytest.approx(value, rel=1e-13)


def not_definite(x, theta):
    m = np.zeros((2, 2))
    m[0, 0], m[1, 1] = theta[0], theta[1]
    m[1, 0] = m[0, 1] = theta[2]
    return np.sum(np.log(np.diag(np.linalg.cholesky(m))))


def singular(x, theta):
    m = np.ones((2, 2)) * theta[0]
    sign, logarithm = np.linalg.slogdet(m)
    return np.sum(np.linalg.solve(m, x[:2])) + np.linalg.inv(m)[0, 1] + sign * logarithm


def singular_triangle(x, theta):
    m = np.zeros((2, 2))
    m[0, 0] = theta[0]
    return np.linalg.solve(m, x[:2])[1]


@pytest.mark.parametrize("program", [not_definite, singular, singular_triangle], ids=lambda f: f.__name__)
def test_what_has_no_solution_is_nan(program):
    x, theta = np.ones(3), (1.0, 1.0, 2.0)
    assert math.isnan(differentiate(program, x, theta, order=1).value)
    assert math.isnan(plain(program)(x, np.array(theta)))


@pytest.mark.parametrize("call", ["cholesky(x)", "inv(x)", "det(x)", "slogdet(x)", "solve(x, y)", "solve(y, y)"])
def test_shapes_that_do_not_fit(call):
    density = eval(f"lambda x, y: np.linalg.{call}", {"np": np})
    with pytest.raises(ValueError, match=r"np\.linalg.*(not square|not as long)"):
        plain(density)(np.ones((3, 2)), np.ones((2, 2)) if "solve(x" in call else np.ones((4, 4))[:, :3])


def test_determinant_of_a_singular_matrix_of_plain_numbers():
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert plain(lambda m: np.linalg.det(m))(singular) == 0.0
    assert plain(lambda m: np.linalg.slogdet(m))(singular) == (0.0, -math.inf)


def test_random_matrices_of_plain_numbers():
    """Against LAPACK: the residuals are as small, also where rows have to be exchanged at every step."""
    solve, inv, slogdet = (plain(f) for f in (lambda a, b: np.linalg.solve(a, b), lambda a: np.linalg.inv(a), _logdet))
    rng = np.random.default_rng(1)
    for n in (1, 2, 7, 40):
        a, b = rng.normal(size=(n, n)), rng.normal(size=(n, 3))
        scale = 1e-14 * n * np.linalg.cond(a)
        np.testing.assert_allclose(solve(a, b), np.linalg.solve(a, b), rtol=0, atol=scale * np.abs(b).max())
        np.testing.assert_allclose(inv(a), np.linalg.inv(a), rtol=0, atol=scale * np.abs(np.linalg.inv(a)).max())
        assert slogdet(a) == pytest.approx(tuple(np.linalg.slogdet(a)), rel=1e-12)
        shifted = np.roll(np.eye(n), 1, axis=0)
        np.testing.assert_array_equal(inv(shifted), shifted.T)
        assert slogdet(shifted) == (np.linalg.det(shifted), 0.0)


def _logdet(a):
    return np.linalg.slogdet(a)
