"""Reverse mode against its slow twins: 60 digits, and forward mode."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastfim.autodiff import explain, rules

from . import extended
from .differentiate import compiled, compiled_backwards, differentiate, differentiate_backwards
from .test_errors import CASES, DATA, refusal
from .test_programs import PROGRAMS, returned_rows, uses_returned_rows
from .test_rules import BINARY, UNARY

X, THETA = np.array([0.7, 1.3, 2.1]), (1.25, 1.5, 0.8)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_program(program):
    value, gradient, _ = differentiate_backwards(program, X, THETA)
    exact = extended.derivatives(program, X, THETA)
    assert value == pytest.approx(exact[0], rel=1e-14)
    np.testing.assert_allclose(gradient, exact[1], rtol=1e-13, atol=1e-14 * np.abs(exact[1]).max())


def sum_over_rules(table, arity):
    """A density that uses every function of a table once, each of parameters of its own."""
    modules = {"math": math, "numpy": np}
    symbols = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**"}
    lines = []
    for name in table:
        if rules.resolve(name) is None:
            continue
        module, _, attribute = name.partition(".")
        shift = "1.0 + " if name == "math.acosh" else ""
        arguments = [f"{shift}theta[{arity * len(lines) + j}]" for j in range(arity)]
        expression = f"{name}({', '.join(arguments)})" if module != "operator" else None
        if expression is None:
            expression = f"-{arguments[0]}" if attribute == "neg" else f" {symbols[attribute]} ".join(arguments)
        lines.append(f"    total += {0.5 + len(lines) % 3} * ({expression})")
    source = "\n".join(["def density(x, theta):", "    total = 0.0", *lines, "    return total"])
    exec(source, modules)
    return modules["density"], len(lines) * arity


@pytest.mark.parametrize(("table", "arity"), [(UNARY, 1), (BINARY, 2)], ids=["unary", "binary"])
def test_rules(table, arity):
    """Every rule as in forward mode."""
    density, p = sum_over_rules(table, arity)
    theta = np.linspace(0.31, 0.97, p)
    forward, backward = differentiate(density, 0.0, theta, order=1), differentiate_backwards(density, 0.0, theta)
    assert p >= arity * len(table) - 2
    np.testing.assert_allclose(backward.gradient, forward.gradient, rtol=1e-15)


@pytest.mark.parametrize("function", [case[0] for case in CASES], ids=[case[0].__name__ for case in CASES])
def test_refusals_are_those_of_forward_mode(function):
    expected = refusal(function)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever Numba raises
        compiled_backwards(function, 3)(DATA, np.ones(3), np.empty(100), np.empty(100), np.empty(3))
    error = explain(caught.value, function)
    assert (str(error), error.file, error.line) == (str(expected), expected.file, expected.line)


def test_arrays_that_leave_a_helper():
    found = differentiate_backwards(lambda x, theta: uses_returned_rows(x, theta), 0.0, (1.5, 0.5))
    exact = extended.derivatives(uses_returned_rows, 0.0, (1.5, 0.5))
    assert found.gradient == pytest.approx(exact[1], rel=1e-13)
    assert returned_rows.__name__ == "returned_rows"


def test_constants():
    found = differentiate_backwards(lambda x, theta: 3, 0.0, (1.5, 0.5))
    assert found.value == 3.0
    np.testing.assert_array_equal(found.gradient, 0.0)


def constants_among_themselves(x, theta):
    a, b, c = np.zeros(2), theta[0], 0.0
    if x > 0:
        c = c * c + c
    a[1] = a[0] * a[1] + a[0] - c * 3.0
    return b * (a[1] + 2.0) + c


def test_constants_record_nothing():
    found = differentiate_backwards(constants_among_themselves, 1.0, (1.5,))
    assert (found.value, found.gradient[0]) == (3.0, 2.0)


def infinite_slope(x, theta):
    root = math.sqrt(theta[0]) * theta[1]
    return root if x > 0 else theta[1] + theta[0]


def test_an_infinite_slope_that_is_not_used_spoils_nothing():
    assert differentiate_backwards(infinite_slope, -1.0, (0.0, 2.0)).gradient.tolist() == [1.0, 1.0]
    assert differentiate(infinite_slope, -1.0, (0.0, 2.0), order=1).gradient.tolist() == [1.0, 1.0]


def long_product(x, theta):
    total = theta[0]
    for i in range(len(x)):
        total = total * (theta[1] + x[i]) / (theta[0] + 2.0)
    return total


def assert_noticed(program, x, theta, step):
    """With too short a tape, of notes or of rows, nothing is read, and nothing is written beyond it."""
    evaluate, gradient = compiled_backwards(program, len(theta)), np.empty(len(theta))
    value, needed = evaluate(x, theta, np.empty(100_000), np.empty(100_000), gradient)
    for stretch in range(2):
        sizes = [100_000, 100_000]
        for size in [*range(len(theta) + 20, needed[stretch] + 17, step), needed[stretch] + 15, needed[stretch] + 16]:
            sizes[stretch] = size
            memories, short = [np.full(n + 50, 7.0) for n in sizes], np.full(len(theta), np.nan)
            again, asked = evaluate(x, theta, memories[0][: sizes[0]], memories[1][: sizes[1]], short)
            assert again == pytest.approx(value)
            assert asked[stretch] >= needed[stretch]  # more where sums find no place to be appended to
            assert all(np.all(memory[n:] == 7.0) for memory, n in zip(memories, sizes, strict=True))
            assert np.isnan(short[0]) if size < needed[stretch] + 16 else short.tolist() == gradient.tolist()


def test_a_short_tape_is_noticed_and_nothing_is_written_beyond():
    assert_noticed(long_product, np.linspace(0.5, 1.5, 20), np.array([1.1, 0.9]), 7)


def test_every_use_starts_from_a_clean_tape():
    evaluate, memory = compiled_backwards(long_product, 2), np.empty((2, 10_000))
    x, theta = np.linspace(0.5, 1.5, 20), np.array([1.1, 0.9])
    first, second = np.empty(2), np.empty(2)
    evaluate(x, theta, *memory, first)
    evaluate(x[:3], theta, *memory, second)
    evaluate(x, theta, *memory, second)
    assert first.tolist() == second.tolist()
    assert first == pytest.approx(gradient_of(long_product, x, theta), rel=1e-13)


def gradient_of(function, x, theta):
    gradient = np.empty(len(theta))
    compiled(function, len(theta), order=1)(x, np.array(theta), 0, gradient, np.empty(3))
    return gradient


def sum_read_in_its_loop(x, theta):
    s, out = 0.0, 0.0
    for i in range(3):
        s += theta[i] * x[i]
        out += s * s
    return out


def sum_kept_under_another_name(x, theta):
    s = theta[0] * theta[1]
    for i in range(3):
        s += theta[i] * x[i]
    kept = s
    for i in range(3):
        s -= theta[i] * theta[i] * x[i]
    return kept * s


def sum_stored_and_continued(x, theta):
    z, s = np.zeros(4), 0.0
    for i in range(3):
        s += theta[i] * theta[0]
        z[i] = s
    z[3] = s
    for i in range(3):
        z[3] += z[i] * x[i]
    return z[3] * s + z[0]


def sums_that_begin_with_a_stored_one(x, theta):
    z = np.zeros(2)
    for i in range(3):
        z[0] += theta[i] * theta[1]
    s, t = z[0], z[0]
    for i in range(3):
        s += theta[i] * x[i]
    for i in range(3):
        t -= theta[i] * x[i] * x[i]
    return s * t * z[0]


def two_sums_in_turn(x, theta):
    s, t = 0.0, theta[2]
    for i in range(3):
        s += theta[i] * theta[0]
        t -= theta[i] * theta[1]
        if x[i] > 1:
            s = s - t
        else:
            t = s
    return s * t


def sum_that_starts_again(x, theta):
    total, s = 0.0, 0.0
    for i in range(3):
        for j in range(i + 1):
            s += theta[j] * theta[i]
        if i != 1:
            total += s * x[i]
            s = 0.0
    return total + s


def sum_that_leaves_early(x, theta):
    s = 1.0
    for i in range(9):
        s += theta[i % 3] * theta[0]
        if s > 5.0:
            return s * s
    return s


def sum_of_a_sum(x, theta):
    s, t = theta[0] * theta[1], 0.0
    for i in range(3):
        for j in range(3):
            s += theta[j] * x[i]
        t += s
        t += s * theta[0]
    return t * s


def swapped_sums(x, theta):
    s, t = theta[0] * 1.0, theta[1] * theta[0]
    for i in range(3):
        s += theta[i] * theta[2]
        s, t = t, s
    return s * s * t


def sum_in_a_tuple(x, theta):
    s = 0.0
    for i in range(3):
        s += theta[i] * theta[1]
    pair = (s, s)
    a, b = pair
    for i in range(3):
        a += theta[i] * x[i]
    return a * b * pair[0]


def chosen_sum(x, theta):
    s, best = 0.0, theta[0]
    for i in range(3):
        s += theta[i] * theta[1]
        best = s if x[i] > 1 else best
    return s * best


def helper_sum(v, n):
    s = v
    for _i in range(n):
        s += v * v
    return s


def sums_in_helpers(x, theta):
    s = 0.0
    for i in range(3):
        s += helper_sum(theta[i], i)
        s += helper_sum(s * theta[0], 2)
    return s


def vectors_that_add_up(x, theta):
    v, w = theta.copy(), np.zeros(3)
    for i in range(3):
        v = v + theta * x[i]
        w += v
        v -= w * w
    return np.sum(v * w)


SUMS = [sum_read_in_its_loop, sum_kept_under_another_name, sum_stored_and_continued, sums_that_begin_with_a_stored_one]
SUMS += [two_sums_in_turn, sum_that_starts_again, sum_that_leaves_early, sum_of_a_sum, swapped_sums, sum_in_a_tuple]
SUMS += [chosen_sum, sums_in_helpers, vectors_that_add_up]


@pytest.mark.parametrize("program", SUMS, ids=lambda f: f.__name__)
def test_sums_that_are_used_on_the_way(program):
    """Appending to a sum that something else refers to would change that, too."""
    value, gradient, _ = differentiate_backwards(program, X, THETA)
    exact = extended.derivatives(program, X, THETA)
    assert value == pytest.approx(exact[0], rel=1e-14)
    np.testing.assert_allclose(gradient, exact[1], rtol=1e-12)


def plain_sum(x, theta):
    s = 0.0
    for _i in range(100):
        s -= theta[0] * theta[1] * x
    return s * s


def test_a_loop_that_adds_up_is_one_record():
    """200 terms of two words, one for the start, and two words behind them."""
    memory = np.empty((2, 10_000))
    _, needed = compiled_backwards(plain_sum, 2)(2.0, np.array([1.5, 0.5]), *memory, np.empty(2))
    assert needed[:2] == (2 + 2 * (1 + 200) + 2, 3 + 1)


MATRIX = np.linspace(-1.0, 1.5, 35).reshape(7, 5) ** 2
WIDE = np.cos(np.arange(240.0)).reshape(6, 40)


def products_of_matrices(x, theta):
    y = MATRIX @ theta
    z = np.dot(y[:5] * theta, MATRIX.T)
    w = theta @ MATRIX[1:6].T + (theta * theta) @ MATRIX[:5, :5]
    return np.sum(y * z) + np.dot(w, theta) + np.dot(MATRIX[::2, ::-1], theta)[1] * x


def long_vectors(x, theta):
    v = np.zeros(40)
    for k in range(40):
        v[k] = theta[k % 5] * (k + 1) if k % 3 else x
    return np.dot(WIDE[0], v) * (v @ WIDE[1]) + np.sum(WIDE @ v) - np.dot(v[::-1], WIDE[2]) + np.dot(v, v)


def matrices_that_do_not_last(x, theta):
    a, total = np.ones((3, 5)), 0.0
    for i in range(4):
        a[i % 3, i] = x + i
        y = a @ theta
        counts = np.arange(5) * (i + 1)
        total += y[0] * y[i % 3] * np.dot(counts, theta)
        a[:, :] = 2.0
    return total


def products_of_constants(x, theta):
    v = np.zeros(5)
    v[1] = x
    y = MATRIX @ v
    v[0] = theta[0]
    return np.sum(y) * np.sum(MATRIX @ v) * theta[1] + np.sum(np.zeros((0, 5)) @ theta)


@pytest.mark.parametrize(
    "program", [products_of_matrices, long_vectors, matrices_that_do_not_last, products_of_constants]
)
def test_products_with_plain_matrices(program):
    theta = np.array([1.25, 0.5, -0.8, 0.3, 2.0])
    forward, backward = (f(program, 0.75, theta) for f in (differentiate, differentiate_backwards))
    assert backward.value == pytest.approx(forward.value, rel=1e-14)
    np.testing.assert_allclose(backward.gradient, forward.gradient, rtol=1e-12)


def test_a_short_tape_is_noticed_by_products():
    assert_noticed(long_vectors, 0.75, np.arange(1.0, 6.0), 50)


def test_products_of_different_lengths_are_refused():
    evaluate = compiled_backwards(lambda x, theta: np.sum(MATRIX @ theta), 3)
    with pytest.raises(ValueError, match="different lengths"):
        evaluate(0.0, np.ones(3), np.empty(999), np.empty(999), np.empty(3))
