"""Reverse mode to second order against its slow twins: 60 digits, and numbers that carry their Hessians along."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from fastfim.autodiff import explain, second_order

from . import extended
from .differentiate import compiled, compiled_by_columns, differentiate, differentiate_by_columns, unpacked
from .test_errors import CASES, DATA, refusal
from .test_programs import PROGRAMS
from .test_reverse import constants_among_themselves, infinite_slope, long_product, sum_over_rules
from .test_rules import BINARY, UNARY
from .test_seeds import chain, dense, dense_exact, point

X, THETA = np.array([0.7, 1.3, 2.1]), (1.25, 1.5, 0.8)


#: Every third program on every run, all of them on long ones.
SOME = [p if k % 3 == 0 else pytest.param(p, marks=pytest.mark.long) for k, p in enumerate(PROGRAMS)]


@pytest.mark.parametrize("program", SOME, ids=lambda f: f.__name__)
def test_program(program):
    found, exact = differentiate_by_columns(program, X, THETA), extended.derivatives(program, X, THETA)
    assert found.value == pytest.approx(exact[0], rel=1e-14)
    for got, wanted, digits in zip(found[1:], exact[1:], (1e-13, 1e-12), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=digits, atol=0.1 * digits * np.abs(wanted).max())


@pytest.mark.parametrize(("table", "arity"), [(UNARY, 1), (BINARY, 2)], ids=["unary", "binary"])
def test_rules(table, arity):
    """Every rule as in forward mode, which sees the parameters of one rule at a time."""
    density, p = sum_over_rules(table, arity)
    theta = np.linspace(0.31, 0.97, p)
    found, forward = differentiate_by_columns(density, 0.0, theta), compiled(density, p, n=arity)
    packed, gradient = np.zeros(p * (p + 1) // 2), np.empty(p)
    for first in range(0, p, arity):
        forward(0.0, theta, first, gradient, packed)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-15)
    np.testing.assert_allclose(found.hessian, unpacked(packed, p), rtol=1e-14)


def test_three_operands():
    """A sum of forms in pairs of operands, of which one is used twice and one is a constant."""

    def density(x, theta):
        a, b, c = theta
        known = np.zeros(2)
        known[1] = a * b
        return (
            special.betainc(a, b * c, c) + special.betainc(a, known[0] + 2.0, c * c) + special.betainc(b, b, known[1])
        )

    theta = (0.8, 0.7, 0.4)
    found, expected = differentiate_by_columns(density, 0.0, theta), differentiate(density, 0.0, theta)
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-13)


@pytest.mark.parametrize("p", [1, 2, 15, 16, 17, 40, 200])
def test_any_number_of_columns(p):
    x, theta = point(p)
    gradient, hessian = dense_exact(x, theta)
    found = differentiate_by_columns(dense, x, theta)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-13)
    np.testing.assert_allclose(found.hessian, hessian, rtol=1e-12, atol=1e-16)


def test_some_parameters_in_any_order():
    p, chosen = 24, np.array([5, 3, 20, 21, 0, 23])
    x, theta = point(p)
    packed, gradient, memory = np.empty(21), np.empty(6), np.empty((999, second_order.NODE_WORDS))
    evaluate = compiled_by_columns(chain, p, tuple(chosen))
    evaluate(x, theta, memory, gradient, packed)
    everything = differentiate_by_columns(chain, x, theta)
    np.testing.assert_array_equal(gradient, everything.gradient[chosen])
    np.testing.assert_array_equal(unpacked(packed, 6), everything.hessian[np.ix_(chosen, chosen)])


@pytest.mark.parametrize("function", [case[0] for case in CASES], ids=[case[0].__name__ for case in CASES])
def test_refusals_are_those_of_forward_mode(function):
    expected = refusal(function)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever Numba raises
        differentiate_by_columns(function, DATA, np.ones(3))
    error = explain(caught.value, function)
    assert (str(error), error.file, error.line) == (str(expected), expected.file, expected.line)


@pytest.mark.parametrize("constant", [3, -math.inf])
def test_constant_density(constant):
    found = differentiate_by_columns(lambda x, theta: constant, 0.0, (1.5, 0.5))
    assert found.value == constant
    assert not found.gradient.any()
    assert not found.hessian.any()


def test_constants_among_themselves_write_nothing():
    evaluate, memory = compiled_by_columns(constants_among_themselves, 1), np.empty((99, second_order.NODE_WORDS))
    assert evaluate(1.0, np.array([1.5]), memory, gradient := np.empty(1), np.empty(1)) == (3.0, 2)
    assert gradient[0] == 2.0


def test_an_infinite_slope_that_is_not_used_spoils_nothing():
    found = differentiate_by_columns(infinite_slope, -1.0, (0.0, 2.0))
    assert found.gradient.tolist() == [1.0, 1.0]
    assert not found.hessian.any()


def test_a_slope_of_zero_may_bend():
    """The adjoint of the product vanishes here, its derivative does not."""
    found = differentiate_by_columns(lambda x, theta: (theta[0] * theta[1]) ** 2, 0.0, (0.0, 3.0))
    assert found.gradient.tolist() == [0.0, 0.0]
    assert found.hessian.tolist() == [[18.0, 0.0], [0.0, 0.0]]


def test_a_short_tape_is_noticed_and_nothing_is_written_beyond():
    evaluate, x, theta = compiled_by_columns(long_product, 2), np.linspace(0.5, 1.5, 20), np.array([1.1, 0.9])
    _, needed = evaluate(x, theta, np.empty((10_000, second_order.NODE_WORDS)), gradient := np.empty(2), np.empty(3))
    assert needed == 3 + 2 * len(x)
    for nodes in range(3, needed + 3):
        memory, short = np.full((nodes + 5, second_order.NODE_WORDS), 7.0), np.full(2, np.nan)
        value, again = evaluate(x, theta, memory[:nodes], short, np.empty(3))
        assert (value, again) == (pytest.approx(long_product(x, theta)), needed)
        assert np.all(memory[nodes:] == 7.0)
        assert np.isnan(short[0]) if nodes <= needed else short.tolist() == gradient.tolist()


def test_every_use_starts_from_a_clean_tape():
    evaluate, memory = compiled_by_columns(long_product, 2), np.empty((999, second_order.NODE_WORDS))
    x, theta, first, second = np.linspace(0.5, 1.5, 20), np.array([1.1, 0.9]), np.empty(3), np.empty(3)
    evaluate(x, theta, memory, np.empty(2), first)
    evaluate(x[:3], theta, memory, np.empty(2), second)
    evaluate(x, theta, memory, np.empty(2), second)
    assert first.tolist() == second.tolist()
    np.testing.assert_allclose(unpacked(first, 2), differentiate(long_product, x, theta).hessian, rtol=1e-12)
