"""Array code whose intermediate results are never stored: what may wait, what may not, and that both are right."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core import types
from numba.core.runtime import _nrt_python, rtsys

from fastfim.autodiff import Dual, Theta, active
from fastfim.autodiff.reverse.taped import TAPED

from . import extended
from .differentiate import compiled, differentiate, differentiate_backwards

DESIGN = np.array([[1.0, 0.5, -0.2], [1.0, -1.5, 0.3], [1.0, 0.1, 2.0]])


def double(values):
    for i in range(len(values)):
        values[i] *= 2.0
    return 0.0


def residuals(x, theta):
    z = (x - DESIGN @ theta) / theta[1]
    return -0.5 * np.sum(z**2) - len(z) * np.log(theta[1]) - z.size * z.shape[0]


def used_twice_in_one_loop(x, theta):
    eta = DESIGN @ theta
    return np.sum(x * eta - np.log(1.0 + np.exp(eta))) + np.sum(eta * eta * np.exp(-eta))


def softmax(x, theta):
    e = np.exp(theta * x - np.max(theta * x))
    return np.sum(x * np.log(e / np.sum(e))) + np.mean(e) * np.prod(e) - np.min(e)


def choices(x, theta):
    z = x - theta
    below = z < 0.0
    return np.sum(np.where(below, z * theta, np.exp(-z))) + np.sum(np.where(z > 0.5, 1.0, 0.0)) * theta[0]


def choices_by_numbers(x, theta):
    flags, weights = np.array([1, 0, 2]), np.array([0.0, 2.0, 1.0])
    return np.sum(np.where(flags, x * theta, theta)) + np.sum(np.where(weights, theta, 0.0)) * theta[1]


def truth_values_kept(x, theta):
    below = x < theta
    count = 0
    for b in below:
        count += 1 if b else 0
    return np.sum(np.where(below, theta, x)) * count


def products(x, theta):
    z, m = x - theta, DESIGN * theta
    quadratic = z @ z + np.dot(theta * x, z) + (theta * theta) @ x
    return quadratic + np.sum(m @ (z * theta)) * np.sum((DESIGN + 1.0 * theta) @ x) + np.sum((theta * z) @ m)


def stretched(x, theta):
    one, column = theta[:1], (theta * x)[:, None]
    m = column - np.exp(theta) * DESIGN
    return np.sum(m * m) + np.sum(np.sqrt(one) * x / theta) + np.sum((x[:, None] - theta[None, :]) ** 2 / one)


def slices(x, theta):
    z = (x[1:] - theta[0] * x[:-1]) / theta[1]
    return np.sum(z * z) - np.sum(theta[1:] * theta[:-1] - np.log(theta[::-1])[1:])


def changed_by_a_store(x, theta):
    z = theta * x
    y = z * theta
    z[0] = 5.0 * theta[1]
    w = z - theta
    z[1] *= 3.0
    return np.sum(y) * np.sum(w) + np.sum(z)


def changed_by_addition(x, theta):
    z = theta * x
    y = z * theta
    z += theta
    return np.sum(y) + np.sum(z * z)


def changed_by_a_helper(x, theta):
    z = theta * x
    y = z * theta
    nothing = double(z)
    return np.sum(y) + np.sum(z * theta) + nothing


def changed_within_an_expression(x, theta):
    z = theta * x
    return np.sum(z * theta + double(z) * x) * np.sum(z)


def changed_through_a_view(x, theta):
    z = theta * x
    v = z[1:]
    y = z * z
    v[0] = theta[0]
    return np.sum(y) + np.sum(z)


def changed_in_place_by_its_own_view(x, theta):
    z, w, m = theta * x, theta * x, np.outer(theta, x)
    z += z[::-1]
    w[1:] *= w[:-1]
    m -= m.T
    m *= theta
    z += z
    return z[0] + z[1] * z[2] + w[1] * w[2] + np.sum(m * DESIGN)


def in_a_loop(x, theta):
    state, total = theta * 1.0, 0.0
    for t in range(3):
        ahead = 0.5 * state + x[t] * theta
        total += np.sum((ahead - state) ** 2)
        state = ahead
    return total


def swapped(x, theta):
    a, b = theta * x, theta + x
    for _ in range(3):
        c = a * b
        a, b = b, c / 10.0
    return np.sum(a) + np.sum(b * theta)


def on_either_side_of_a_branch(x, theta):
    z = x - theta
    if z[0] < 0.0:
        z = -z
        total = np.sum(z * z * z)
    else:
        total = np.sum(np.exp(z))
    return total + np.sum(z)


def deep(x, theta):
    return np.sum(np.exp(-((x - theta) ** 2)) / (1.0 + np.abs(x * theta)) - np.maximum(x, theta) * -theta)


def whole(x, theta):
    v = theta
    w = v
    return np.sum(w) + np.mean(w * 1.0) + np.max(w) + np.sum(np.square(w))


PROGRAMS = [
    f for f in list(globals().values()) if getattr(f, "__code__", None) and f.__code__.co_varnames[:1] == ("x",)
]
X, THETA = np.array([0.7, 1.3, 2.1]), (1.25, 1.5, 0.8)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_forward(program):
    value, gradient, hessian = differentiate(program, X, THETA)
    exact = extended.derivatives(program, X.astype(object), THETA)
    assert value == pytest.approx(exact[0], rel=1e-14)
    np.testing.assert_allclose(gradient, exact[1], rtol=1e-13, atol=1e-14 * np.abs(exact[1]).max())
    np.testing.assert_allclose(hessian, exact[2], rtol=1e-12, atol=1e-20 + 1e-13 * np.abs(exact[2]).max())


@pytest.mark.parametrize("program", PROGRAMS[::2], ids=lambda f: f.__name__)
def test_backward(program):
    value, gradient, _ = differentiate_backwards(program, X, THETA)
    exact = extended.derivatives(program, X.astype(object), THETA)
    assert value == pytest.approx(exact[0], rel=1e-14)
    np.testing.assert_allclose(gradient, exact[1], rtol=1e-13, atol=1e-14 * np.abs(exact[1]).max())


# ---------------------------------------------------------------- what is stored


def arrays_made(program, dual):
    """How often the code of a function asks for memory."""
    density, vector = active(program), types.Array(types.float64, 1, "C")
    density.compile((vector, Theta(dual, 3)))
    (found,) = density.overloads.values()
    return found.library.get_llvm_str().count("@NRT_MemInfo_alloc")


@pytest.mark.parametrize("dual", [Dual(3), Dual(3, 2), TAPED], ids=str)
def test_nothing_is_stored_that_is_used_once(dual):
    def loop(x, theta):
        total = 0.0
        for i in range(len(x)):
            total -= 0.5 * ((x[i] - theta[0]) / theta[1]) ** 2
        return total

    def arrays(x, theta):
        z = (x[1:] - theta[0] * x[:-1]) / theta[1]
        return -0.5 * np.sum(z**2) - len(z) * np.log(theta[1])

    def stored(x, theta):
        z = (x - theta[0]) / theta[1]
        return np.sum(z) / np.sum(z * z)

    assert arrays_made(loop, dual) == arrays_made(arrays, dual) == 0
    assert arrays_made(stored, dual) > 0


# ---------------------------------------------------------------- lengths


def too_short(x, theta):
    return np.sum(x[:2] - theta)


def too_short_for_a_product(x, theta):
    return (x[:2] - theta[:2]) @ theta


def too_few_columns(x, theta):
    return np.sum(DESIGN @ (theta[:2] * x[:2]))


def too_few_columns_for_parameters(x, theta):
    return np.sum(DESIGN[:, 1:] @ theta)


def too_long_for_the_left(x, theta):
    z = theta[:2] * 1.0
    z += theta
    return np.sum(z)


def nothing_there(x, theta):
    return np.max(theta[:0] * 2.0)


@pytest.mark.parametrize(
    "program",
    [
        too_short,
        too_short_for_a_product,
        too_few_columns,
        too_few_columns_for_parameters,
        too_long_for_the_left,
        nothing_there,
    ],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("how", [differentiate, differentiate_backwards], ids=["forward", "backward"])
def test_lengths_that_differ(program, how):
    with pytest.raises(ValueError, match=r"lengths|too short|empty"):
        how(program, X, THETA)


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize("program", [softmax, products, changed_in_place_by_its_own_view, stretched, in_a_loop])
def test_all_memory_is_given_back(program):
    _nrt_python.memsys_enable_stats()
    run, out = compiled(program, 3, 1), (0, np.empty(3), np.empty(6))
    run(X, np.array(THETA), *out)
    before = rtsys.get_allocation_stats()
    run(X, np.array(THETA), *out)
    after = rtsys.get_allocation_stats()
    assert after.mi_alloc > before.mi_alloc
    assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free
