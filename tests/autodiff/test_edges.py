"""Hessians of several draws on one tape, by edges and by motions, against each draw in forward mode or by columns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from . import test_linear_algebra, test_programs
from .differentiate import TILE, compiled_hessians, differentiate, differentiate_by_columns, unpacked
from .test_reverse import infinite_slope, sum_over_rules
from .test_rules import BINARY, UNARY
from .test_seeds import chain, point
from .test_tape_tiles import ALONE, SCALES, X

THETA = np.array([1.25, 1.5, 0.8])


def assert_same(function, draws, theta, by=differentiate, rtol=1e-12, wrt=None):
    """The first and the last draw as by themselves; ``rtol`` is of the largest entry."""
    evaluate = compiled_hessians(function, len(theta), wrt, scalar=draws.ndim == 1)
    some = np.arange(len(theta)) if wrt is None else np.array(wrt)
    for by_motions in (False, True):
        values, gradients, hessians = evaluate(draws[None] if draws.ndim == 1 else draws.T, theta, by_motions)
        for k in (0, TILE - 1):
            value, slopes, second = by(function, draws[k], theta)
            found = values[k], gradients[k], unpacked(hessians[k], len(some))
            for got, wanted in zip(found, (value, slopes[some], second[np.ix_(some, some)]), strict=True):
                np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * np.abs(wanted).max())


PROGRAMS = [f for f in (*test_linear_algebra.PROGRAMS, *test_programs.PROGRAMS) if f.__name__ not in ALONE]
#: Every sixth program on every run, all of them on long ones.
SOME = [f if k % 6 == 0 else pytest.param(f, marks=pytest.mark.long) for k, f in enumerate(PROGRAMS)]


@pytest.mark.parametrize("program", SOME, ids=lambda f: f.__name__)
def test_program(program):
    assert_same(program, np.outer(SCALES, X), THETA)


@pytest.mark.parametrize(("table", "arity"), [(UNARY, 1), (BINARY, 2)], ids=["unary", "binary"])
def test_rules(table, arity):
    """Every rule, of parameters alone and with draws."""
    rules, p = sum_over_rules(table, arity)

    def density(x, theta):
        scaled = np.empty(p)
        for i in range(p):
            scaled[i] = theta[i] * x
        return rules(x, theta) - 0.5 * rules(x, scaled)

    theta = np.linspace(0.31, 0.97, p)
    assert_same(density, SCALES, theta, differentiate_by_columns, rtol=1e-13)


MATRIX = np.linspace(-1.0, 1.5, 28).reshape(4, 7)


def products(x, theta):
    """Elements of a product that bend alone and together; a product with numbers that are no parameters."""
    eta = MATRIX @ theta
    total = np.sum(np.exp(-0.1 * eta * x[:4])) + eta[1] * eta[3] * x[0] - np.dot(x[:7], theta) ** 2
    return total + np.sum(np.sin(MATRIX[:, :5] @ np.tanh(theta[1:6] * x[1]))) - np.sum(MATRIX[:, ::2] @ theta[:4]) ** 2


def squares(x, theta):
    """Numbers that meet themselves: in a product, in a sum, and in a sum that meets one of its terms."""
    s = theta[0] + theta[1] * x + theta[0]
    r = theta[0] * theta[0] * x + s * theta[0]
    return r * r - s * s * s + (r + s) * r


def test_products():
    draws = np.outer(SCALES, np.linspace(0.4, 1.6, 7))
    assert_same(products, draws, np.linspace(-0.6, 0.9, 7), rtol=1e-13)


def test_squares():
    assert_same(squares, SCALES, np.array([0.7, -1.2]), rtol=1e-14)


def test_many_parameters():
    x, theta = point(40)
    wrt = (5, 39, 20, 21, 0)
    assert_same(chain, np.outer(SCALES, x), theta, differentiate_by_columns, wrt=wrt)


@pytest.mark.parametrize("constant", [3.0, -math.inf])
def test_constant_density(constant):
    values, gradients, hessians = compiled_hessians(lambda x, theta: constant, 2, scalar=True)(SCALES[None], (1.5, 0.5))
    assert values.tolist() == TILE * [constant]
    assert not gradients.any()
    assert not hessians.any()


def test_an_infinite_slope_that_is_not_used_spoils_nothing():
    draws = np.where(np.arange(TILE) % 2 == 0, -1.0, 1.0)
    assert_same(infinite_slope, -np.ones(TILE), np.array([0.0, 2.0]))

    def one_of_two(x, theta):
        return np.where(x > 0, np.sqrt(theta[0]) * x, theta[1] ** 3)

    evaluate = compiled_hessians(one_of_two, 2, scalar=True)
    for by_motions in (False, True):
        _, gradients, hessians = evaluate(draws[None], (0.0, 2.0), by_motions)
        assert gradients[0].tolist() == [0.0, 12.0]
        assert hessians[0].tolist() == [0.0, 0.0, 12.0]


def test_more_edges_than_there_is_room_for():
    """A square of a sum of three hundred numbers makes each meet all others; every use begins anew."""

    def density(x, theta):
        numbers, total = np.zeros(300), 0.0
        for k in range(300 if theta[1] > 0 else 100):
            numbers[k] = math.sin(theta[0] * k * x)
        for k in range(300):
            total += numbers[k]
        return total * total * theta[1]

    evaluate, few, many = compiled_hessians(density, 2, scalar=True), (0.3, -1.0), (0.3, 1.0)
    before = evaluate(SCALES[None], few)
    assert evaluate(SCALES[None], many) is None
    expected = differentiate(density, SCALES[0], many).hessian
    np.testing.assert_allclose(unpacked(evaluate(SCALES[None], many, True)[2][0], 2), expected, rtol=1e-12)
    for found, again in zip(before, evaluate(SCALES[None], few), strict=True):
        np.testing.assert_array_equal(found, again)
    expected = differentiate(density, SCALES[0], few).hessian
    np.testing.assert_allclose(unpacked(before[2][0], 2), expected, rtol=1e-12)
