"""NumPy code on whole arrays, unmodified: against the same source in 60 digits (see `extended`)."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core.errors import TypingError

from fastfim.autodiff import explain

from . import extended
from .differentiate import differentiate

DESIGN = np.array([[1.0, 0.5, -0.2], [1.0, -1.5, 0.3], [1.0, 0.1, 2.0]])


def built_matrices(x, theta):
    m = np.outer(theta, x) + np.diag(theta * x) + np.outer(theta, theta).T
    lower, upper = np.tril(m), np.triu(m, 1)
    return np.trace(m @ lower) + upper[0, 2] * m.trace() + np.diag(m)[1] * np.diag(m, 1)[1] + lower[0, 1] + upper[1, 1]


def axes(x, theta):
    m = DESIGN * theta
    columns, rows = np.sum(m, axis=0), np.sum(m, axis=1)
    return columns[1] * rows[2] + m.sum(axis=0)[0] * m.mean(axis=1)[2] + np.mean(m, 0)[1] * np.sum(m, axis=-1)[0]


def reductions(x, theta):
    z = theta * x
    total = np.linalg.norm(z) * np.linalg.norm(DESIGN * theta) + np.var(z) * np.std(z) + np.inner(z, theta)
    return total + theta[np.argmax(z)] * z[np.argmin(theta)] + np.vdot(theta, x) * np.max(DESIGN * theta)


def copies_that_take_values(x, theta):
    r = x.copy()
    r[0] -= theta[0]
    r[1] = theta[1] * r[0]
    s = np.array([1.0, 2.0, 3.0])
    s[2] *= r[1]
    t = np.arange(3.0)
    t += theta
    u = x * 2.0
    u[0] = theta[2] * s[2]
    return np.sum(r * s) * t[2] + u[0] * u[1] + np.sum(x)


def identities_that_take_values(x, theta):
    m, n, o = np.eye(3), np.identity(3), np.linspace(0.0, 1.0, 3)
    m[0, 1] = theta[0] * theta[1]
    n[2, 2] += theta[2]
    o[1] = theta[0]
    return np.sum(m @ n @ m) * np.sum(o * theta)


def scale(values, theta):
    for i in range(len(values)):
        values[i] *= theta[i]


def copies_for_helpers(x, theta):
    r, index = x.copy(), x - 0.7
    scale(r, theta)
    return r[0] * r[2] + r[int(index[0])]


def theta_as_an_array(x, theta):
    order = np.array([2, 0, 1])
    distances = x[:, None] - theta[None, :]
    return np.sum(theta[::-1] * x) * theta[order][0] + np.sum(distances**2) * np.sum(theta[theta > 1.0])


def elementwise(x, theta):
    z = np.where(x > 1.0, theta, theta**2) + np.clip(theta * x, 0.9, 1.5) - np.abs(theta - x)
    z[1:] += np.cumsum(theta * x)[:2] * np.diff(theta)
    while z[0] < 10.0:
        z = z * 2.0
    return np.sum(np.exp(z / 9)) * np.prod(z[:2])


PROGRAMS = [
    f for f in list(globals().values()) if getattr(f, "__code__", None) and f.__code__.co_varnames[:1] == ("x",)
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_program(program):
    x, theta = np.array([0.7, 1.3, 2.1]), (1.25, 1.5, 0.8)
    value, gradient, hessian = differentiate(program, x, theta)
    exact = extended.derivatives(program, x.astype(object), theta)
    assert value == pytest.approx(exact[0], rel=1e-14)
    np.testing.assert_allclose(gradient, exact[1], rtol=1e-13, atol=1e-14 * np.abs(exact[1]).max())
    np.testing.assert_allclose(hessian, exact[2], rtol=1e-12, atol=1e-20 + 1e-13 * np.abs(exact[2]).max())


def test_integers_are_not_made_to_hold_values():
    """NumPy would cut them; so they are refused."""

    def density(x, theta):
        counts = np.array([1, 2, 3])
        counts[0] = theta[0]
        return counts[0]

    with pytest.raises(TypingError) as caught:
        differentiate(density, np.ones(3), (1.5,))
    assert "stored in an array that cannot hold it" in str(explain(caught.value, density))


def test_the_draw_is_not_changed_by_a_changed_copy():
    def density(x, theta):
        r = x.copy()
        r *= theta[0]
        return r[0] + x[0]

    x = np.ones(3)
    assert differentiate(density, x, (2.0,)).value == 3.0
    assert x[0] == 1.0
