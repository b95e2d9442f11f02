"""Several draws on one tape against the same draws one by one, in reverse and in forward mode: every function there is.

The lines of `test_names` are functions of three parameters; here each parameter is multiplied by the draw, so that all
that they do is done on vectors.
"""

from __future__ import annotations

import numpy as np
import pytest

from . import test_linear_algebra, test_programs
from .differentiate import (
    TILE,
    compiled,
    compiled_tile,
    differentiate,
    differentiate_backwards,
    differentiate_forward_on_a_tile,
)
from .test_names import LARGE, MATH, NUMPY, SPECIAL, THETA, VECTORS

SCALES = np.linspace(0.97, 1.01, TILE)
TOGETHER = 4


def sum_of_lines(lines):
    """A density that adds up lines, each in its own proportion."""
    f0, f1, f2, f3 = (lines * TOGETHER)[:TOGETHER]

    def density(x, theta):
        t = np.zeros(3)  # on the stack: with memory of its own it could not go back where draws may diverge
        for i in range(3):
            t[i] = theta[i] * x
        return 1.5 * f0(t) + 0.7 * f1(t) - 1.1 * f2(t) + x * f3(t)

    return density


def assert_same(function, draws, theta, rtol):
    evaluate, p = compiled_tile(function, len(theta), scalar=draws.ndim == 1), len(theta)
    assert evaluate is not None, "not to be compiled for several draws"
    values, gradients = evaluate(draws.T if draws.ndim == 2 else draws[None], theta)
    forward, expected = compiled(function, p, order=1), np.empty(p)
    for x, value, slopes in zip(draws, values, gradients, strict=True):
        assert value == pytest.approx(forward(x, theta, 0, expected, np.empty(0)), rel=rtol)
        np.testing.assert_allclose(slopes, expected, rtol=rtol, atol=1e-13 * np.abs(expected).max())
    return expected


#: Lines with arrays of truth values, or where draws may diverge while arrays are alive: draws go one by one.
ONE_BY_ONE = {"compare", "logsumexp"}
GROUPS = [
    pytest.param(names[k : k + TOGETHER], lines, marks=pytest.mark.long if lines is LARGE else ())
    for lines in (MATH, NUMPY, SPECIAL, LARGE, VECTORS)
    for names in [[name for name in lines if name not in ONE_BY_ONE]]
    for k in range(0, len(names), TOGETHER)
]


@pytest.mark.parametrize(("names", "lines"), GROUPS, ids=lambda v: "-".join(v) if isinstance(v, list) else "")
def test_every_function(names, lines):
    density = sum_of_lines([lines[name] for name in names])
    forward = assert_same(density, SCALES, THETA, 1e-11)
    single = differentiate_backwards(density, SCALES[-1], THETA).gradient
    np.testing.assert_allclose(single, forward, rtol=1e-11, atol=1e-13 * np.abs(forward).max())


@pytest.mark.parametrize("name", sorted(ONE_BY_ONE))
def test_lines_that_draws_do_one_by_one(name):
    line = {**SPECIAL, **VECTORS}[name]
    assert compiled_tile(sum_of_lines([line]), 3) is None
    forward, single = (f(lambda x, theta: line(theta), 1.0, THETA) for f in (differentiate, differentiate_backwards))
    np.testing.assert_allclose(single.gradient, forward.gradient, rtol=1e-12)


X = np.array([0.7, 1.3, 2.1])
#: Draws go one by one: these keep something on the heap, and may diverge.
ALONE = {"conditional_arrays", "arrays_of_numbers_that_change_in_a_loop", "dictionaries"}
PROGRAMS = [*test_linear_algebra.PROGRAMS, *test_programs.PROGRAMS]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_program(program):
    if program.__name__ in ALONE:
        assert compiled_tile(program, 3, scalar=False) is None
    else:
        assert_same(program, np.outer(SCALES, X), np.array([1.25, 1.5, 0.8]), 1e-11)


def arrays_of_data_changed_in_place(x, theta):
    v, w, z = x * 1.0, x - 0.25, -x
    v[1:] += theta[0]
    w *= theta[1]
    rest = z[:2]
    rest -= theta[2] * x[0]
    v -= x * 0.5
    return v[2] * np.sum(w) - z[0] * v[1]


def test_new_arrays_of_draws_take_derivatives_in_place():
    """What they hold are plain numbers at first."""
    draws, theta = np.outer(SCALES, X), np.array([1.25, 1.5, 0.8])
    assert_same(arrays_of_data_changed_in_place, draws, theta, 1e-13)
    (together,) = differentiate_forward_on_a_tile(arrays_of_data_changed_in_place, [X], theta)
    for found, expected in zip(together, differentiate(arrays_of_data_changed_in_place, X, theta), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def begins_with_a_parameter(x, theta):
    """Sums that are appended to, of which the first term is a parameter; and a product with a stretch of them."""
    s, t = theta[0], theta[-1]
    for i in range(len(x)):
        s += x[i] * theta[i]
        t -= x[i] * x[i] * s
    return s * t - np.sum(MATRIX @ theta[1:4]) * x[0] - np.maximum(theta[2], theta[-2] * x[1])


MATRIX = np.linspace(-1.0, 1.5, 12).reshape(4, 3)


def squares(x, theta):
    total = 0.0
    for i in range(len(theta)):
        z = x[i % 3] - theta[i]
        total -= 0.5 * z * z if x[0] < 2.0 else abs(z)  # a number with a row of its own
    return total


@pytest.mark.parametrize("function", [begins_with_a_parameter, squares])
@pytest.mark.parametrize("place", ["before", "behind", "beside"])
def test_adjoints_of_parameters_may_lie_elsewhere(place, function):
    """At places that are negative, too; what lies a step behind the last of them is not a parameter's."""
    theta, draws = np.array([0.3, -0.7, 1.1, 0.4]), np.linspace(0.5, 1.5, 3 * TILE).reshape(3, TILE)
    on_tape, there = (compiled_tile(function, 4, False, place) for place in (None, place))
    for found, expected in zip(there(draws, theta), on_tape(draws, theta), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert_same(function, draws.T, theta, 1e-12)
