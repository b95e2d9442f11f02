"""User programs, unmodified: every construct against the same source in 60 digits (see `extended`)."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import types
import weakref
from math import exp, log

import numpy as np
import pytest
from numba import njit

from fastfim.autodiff import active, seeds, store_gradient, value

from . import extended
from .differentiate import differentiate, plain, pointer

SCALE = 1.75
WEIGHTS = np.array([0.25, 0.5, 1.25])
DESIGN = np.array([[1.0, 0.5, -0.2], [1.0, -1.5, 0.3], [1.0, 0.1, 2.0]])
PAIR = (0.5, 3)


def unpack(x, theta):
    a, b, c = theta
    return a * b - c / a


def negative_index(x, theta):
    return theta[-1] * theta[0] + len(theta) * theta[-2] + theta.size * theta.shape[0]


def slices(x, theta):
    head, tail = theta[:2], theta[1:]
    return head[0] * tail[-1] + len(tail) * head[1] * tail[0] + theta[1:3][1]


def iterate(x, theta):
    total = 0.0
    for v in theta:
        total += v * v * v
    return total


def enumerate_theta(x, theta):
    total = 0.0
    for i, v in enumerate(theta):
        total += (i + 1) * v * x[i]
    for v, w in zip(theta, x):  # noqa: B905 - Numba's zip takes no keyword
        total -= v * v * w
    return total


def while_loop(x, theta):
    s, count = theta[0], 0
    while s < 100.0:
        s = s * theta[1] + theta[2]
        count += 1
    return s * count


def branches(x, theta):
    if x[0] < 0 or theta[0] < 0:
        return -np.inf
    elif theta[1] > 1 and not theta[2] > 3:
        return log(theta[0]) * theta[1]
    return theta[2]


def early_return(x, theta):
    for i in range(3):
        if theta[i] > 1.2:
            return theta[i] * theta[0]
    return theta[0]


def ternary(x, theta):
    sign = 1.0 if theta[0] > theta[1] else -theta[2]
    return sign * theta[0] + (theta[1] if x[0] > 0 else 2)


def truth(x, theta):
    return theta[0] * 2 if theta[1] and x[0] else theta[2]


def tuples(x, theta):
    pair = (theta[0], theta[1] * 2, 3)
    first, second, third = pair
    return first * second * third + pair[1]


def lists(x, theta):
    values = [theta[0], 2.0 * theta[1]]
    values.append(theta[2])
    total = 0.0
    for v in values:
        total += v * v
    return total + sum(values) + max(values) * min(values)


def comprehension(x, theta):
    return sum([theta[i] * x[i] for i in range(3)])


def array_1d(x, theta):
    z = np.zeros(3)
    for i in range(3):
        z[i] = theta[i] * x[i]
        z[i] += theta[0]
    z[1] *= theta[2]
    z[:2] = z[1]
    return z[0] * z[1] + z[2] - z[-1] / z[0]


def array_2d(x, theta):
    m = np.zeros((3, 3))
    for i in range(3):
        for j in range(i + 1):
            m[i, j] = theta[j] * x[i]
    row = m[2]
    row[0] = row[1] * theta[0]
    column = m[:, 1]
    return m[2, 0] * row[2] + m[1][1] + column[2] * m.T[1, 2]


def array_kinds(x, theta):
    a, b, c = np.ones(3), np.full(3, 2.5), np.zeros_like(x)
    d, e, f = np.empty(3, dtype=np.float64), np.zeros(3, float), np.full_like(x, 0.5)
    for i in range(3):
        a[i] *= theta[i]
        b[i] -= theta[i] * a[i]
        c[i] = b[i] * a[i]
        d[i] = c[i] + a[0]
        e[i] += d[i] * d[i]
        f[i] *= e[i]
    g = np.ones_like(theta)
    g[1] = f[2] * f[0]
    return np.sum(f) + g[1] + g[0]


def array_in_loop(x, theta):
    total = 0.0
    for k in range(3):
        z = np.zeros(2)
        z[0] = theta[k] * (k + 1)
        z[1] = z[0] * theta[0] + z[1]
        total += z[0] * z[1]
    return total


def swapped_arrays(x, theta):
    old, new = np.zeros(2), np.zeros(2)
    old[0] = theta[0]
    for t in range(4):
        new[0] = old[0] * theta[1] + old[1]
        new[1] = old[1] + theta[2] * x[t % 3]
        old, new = new, old
    return old[0] * old[1]


def counts_stay_integers(x, theta):
    counts = np.zeros(3)
    counts[1] = 2
    z = np.zeros(3)
    z[int(counts[1])] = theta[0]
    order = np.arange(3)
    return z[order[2]] * theta[order[1]]


def solve_lower(L, b):
    z = np.empty(len(b))
    for i in range(len(b)):
        s = b[i]
        for j in range(i):
            s -= L[i, j] * z[j]
        z[i] = s / L[i, i]
    return z


def fill_lower(L, theta):
    for i in range(2):
        for j in range(i + 1):
            L[i, j] = exp(theta[i]) if i == j else theta[2]


def helpers_and_arrays(x, theta):
    L = np.zeros((2, 2))
    fill_lower(L, theta)
    r = np.empty(2)
    for i in range(2):
        r[i] = x[i] - theta[i]
    z = solve_lower(L, r)
    return -0.5 * (z[0] ** 2 + z[1] ** 2) - log(L[0, 0]) - log(L[1, 1])


@njit
def softplus(v):
    return np.log1p(np.exp(v))


def nested(v, power=2):
    return softplus(v) ** power


def nested_helpers(x, theta):
    return nested(theta[0]) + nested(theta[1], 3) * nested(theta[2], power=1)


def spread(first, *rest):
    total = first
    for v in rest:
        total *= v
    return total


def star_arguments(x, theta):
    args = (theta[1], theta[2])
    return spread(theta[0], *args) + spread(theta[1], theta[1], x[0])


def global_constants(x, theta):
    total = SCALE * theta[0] + PAIR[0] * theta[1] ** PAIR[1]
    for i in range(3):
        total += WEIGHTS[i] * log(theta[i])
    return total


def products(x, theta):
    eta = DESIGN @ theta
    left = theta @ DESIGN
    total = np.dot(x, theta) * (theta @ x) + np.dot(DESIGN[0], theta)
    for i in range(3):
        total += eta[i] * eta[i] * left[i]
    return total + theta @ theta + np.dot(eta, left)


def reductions(x, theta):
    z = np.empty(3)
    for i in range(3):
        z[i] = theta[i] * x[i]
    total = np.sum(z) * np.mean(z) + z.sum() + z.mean() * np.max(z) + z.max() * np.min(z) - z.min()
    return total + np.sum(theta) * np.max(theta) + np.sum(np.array([theta[0], theta[1]])) + np.prod(z)


def numpy_scalars(x, theta):
    a, b, c = theta
    total = np.log(a) * np.exp(b) + np.sqrt(c) + np.square(a) + np.power(b, c) + np.log1p(a)
    total += np.maximum(a, b) * np.minimum(b, c) + np.where(a > b, a, c) + np.logaddexp(a, b) * np.sign(c)
    return total + np.arctan(a) * np.tanh(b)


def builtin_scalars(x, theta):
    a, b, c = theta
    total = abs(a - 10) * max(a, b, 1.0) + min(a, b, c) * min(2, c) + float(a) * pow(b, c) + (+a) ** 3
    return total + math.hypot(a, b) * math.atan2(b, c) + -a / 7


def powers(x, theta):
    n, m = 3, -2
    total = theta[0] ** 2 + theta[1] ** n - theta[2] ** m + theta[0] ** theta[1] + 2.0 ** theta[2] + 2 ** theta[0]
    return total * (theta[1] ** 0.5) ** 1 + theta[0] ** 0 + theta[2] ** -1.5 + theta[1] ** len(x)


def inplace_scalars(x, theta):
    v = theta[0]
    v += theta[1]
    v -= 2
    v *= theta[2]
    v /= theta[0]
    v **= 2
    return v


def comparison_as_number(x, theta):
    inside = theta[0] > 0.5
    count = 0
    count += theta[1] > 0.1
    return inside * theta[2] * theta[0] + count * theta[1] + (theta[0] == theta[0]) * theta[1] * theta[2]


def guards(x, theta):
    bad = math.isnan(theta[0]) or math.isinf(theta[1]) or not np.isfinite(theta[2])
    return theta[0] * theta[1] if not bad else theta[2]


def streaming_log_sum(x, theta):
    acc = -np.inf
    for i in range(3):
        acc = np.logaddexp(acc, theta[i] * x[i])
    return acc


def garch(x, theta):
    omega, alpha, beta = theta
    h, total = omega / (1 - alpha / 8 - beta / 8), 0.0
    for t in range(len(x)):
        total -= 0.5 * (math.log(h) + x[t] * x[t] / h)
        h = omega + alpha / 8 * x[t] ** 2 + beta / 8 * h
    return total


def dictionaries(x, theta):
    values = {"scale": theta[0], "shape": theta[1] * x[0]}
    values["scale"] *= theta[2]
    return values["scale"] * values["shape"]


def texts_in_branches(x, theta):
    kind = "heavy" if theta[0] > 1.0 else "light"
    return theta[0] * theta[1] if kind == "heavy" else theta[2]


def shifted_onto_itself(x, theta):
    z = np.zeros(4)
    z[0], z[1] = theta[0], theta[1] * x[0]
    z[1:] += z[:-1]
    z[:-1] = z[1:]
    reversed_ = z[::-1]
    reversed_[0] = theta[2] * z[0]
    return z[0] * z[1] * z[2] * z[3]


def copies(x, theta):
    z = theta.copy()
    w = z.copy()
    w[0] = z[1] * z[2]
    return w[0] * z[0] + w[1]


def conditional_arrays(x, theta):
    if x[0] > 0:
        z = np.zeros(2)
    else:
        z = np.ones(2)
    z[0] = theta[0] * theta[1]
    w = z if theta[0] > 0 else np.full(2, 3.0)
    w[1] = z[0] * theta[2]
    return z[1] * w[0]


def rows_and_blocks(x, theta):
    m = np.zeros((3, 3))
    m[0] = theta.copy()
    m[1, :] = theta
    m[2, 1:] = theta[:2]
    m[2, 1] *= theta[0]
    t = np.zeros((2, 2, 2))
    t[1, 0, 1] = m[2, 2] * m[1, 0]
    t[0] = t[1]
    total = 0.0
    for row in m:
        total += row[0] * row[2]
    return total + t[0, 0, 1] + np.sum(m) * np.sum(t)


def lists_of_arrays(x, theta):
    parts = [np.zeros(2) for _ in range(3)]
    for i in range(3):
        parts[i][0] = theta[i]
        parts[i][1] = x[i] * theta[0]
    total = 0.0
    for part in parts:
        total += part[0] * part[1]
    return total


def nested_functions(x, theta):
    scale = theta[2]

    def inner(v):
        return v * v * scale

    return inner(theta[0]) + inner(theta[1])


def chained_comparison(x, theta):
    if 0 < theta[0] < 5 and theta[1] != theta[2]:
        return theta[0] / (1 + math.exp(-theta[1])) - theta[2]
    return theta[0]


@njit
def compiled_already(x, theta):
    return math.sqrt(theta[0]) * softplus(theta[1]) - theta[2]


def scaled(v, factor):
    return v * factor


def arrays_of_numbers_that_change_in_a_loop(x, theta):
    """Their types are known later than those of arrays made of them are first guessed."""
    level, count, other = 0.0, 0, x[0]
    for t in range(len(x)):
        level = theta[0] * level + x[t]
        other = other * 0.5 + theta[1] if x[t] > 1.0 else other
        count += 1
    z, w, total = x * level, scaled(x, other), 1
    for t in range(count):
        total = total * theta[2] + z[t] * w[t] + np.array([total, 1.0])[0]
    return np.sum(z * w) + total * x[count - 1]


PROGRAMS = [
    f
    for f in list(globals().values())
    if (code := getattr(getattr(f, "py_func", f), "__code__", None)) and code.co_varnames[:2] == ("x", "theta")
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_program(program):
    x, theta = np.array([0.7, 1.3, 2.1]), (1.25, 1.5, 0.8)
    value, gradient, hessian = differentiate(program, x, theta)
    exact = extended.derivatives(program, x, theta)
    assert value == pytest.approx(exact[0], rel=1e-14)
    np.testing.assert_allclose(gradient, exact[1], rtol=1e-13, atol=1e-14 * np.abs(exact[1]).max())
    np.testing.assert_allclose(hessian, exact[2], rtol=1e-12, atol=1e-13 * np.abs(exact[2]).max())


def test_same_function_without_derivatives():
    """`plain` gives the numbers of the uncompiled function, with helpers compiled along."""
    x, theta = np.array([0.7, 1.3, 2.1]), np.array([1.25, 1.5, 0.8])
    for program in (helpers_and_arrays, nested_helpers, array_kinds, reductions, star_arguments):
        assert plain(program)(x, theta) == pytest.approx(program(x, theta), rel=1e-14)


def test_helpers_as_module_attributes():
    """A helper reached through its module is compiled along, here one that nobody imports by name."""
    module = types.ModuleType("model_helpers")
    source = "import math\n\ndef link(v):\n    return math.log(v) - math.log1p(-v)\n"
    exec(compile(source, "model_helpers.py", "exec"), module.__dict__)
    found = differentiate(lambda x, theta: module.link(theta[0]), 0.0, [0.3])
    assert found.gradient[0] == pytest.approx(1 / (0.3 * 0.7), rel=1e-14)
    assert plain(lambda v: module.link(v))(0.3) == pytest.approx(math.log(3 / 7), rel=1e-14)


def test_user_functions_and_globals_are_left_alone():
    before = (softplus.signatures, nested.__dict__.copy(), math.log, np.log)
    differentiate(nested_helpers, np.ones(3), (1.0, 2.0, 3.0))
    assert (softplus.signatures, nested.__dict__, math.log, np.log) == before
    assert njit(lambda v: math.log(v))(2.0) == math.log(2.0)


def test_parameters_may_be_differentiated_in_compiled_helpers_of_any_type():
    """Integer, boolean and single-precision data mix with theta."""

    def density(x, theta):
        counts, flags, singles = x
        return counts[0] * theta[0] + flags[1] * theta[1] - singles[0] / theta[0] + theta[0] ** counts[1]

    x = (np.array([3, 2]), np.array([False, True]), np.array([0.5], dtype=np.float32))
    found = differentiate(density, x, [2.0, 5.0])
    assert found.gradient == pytest.approx([3 + 0.5 / 4 + 4, 1.0], rel=1e-15)
    assert found.hessian.ravel() == pytest.approx([-1 / 8 + 2, 0, 0, 0], rel=1e-15)


def test_forgotten_functions_are_collected():
    """Compiled forms live only as long as somebody uses them."""

    def density(x, theta):
        return theta[0]

    assert active(density) is active(density)
    reference = weakref.ref(density)
    del density
    for _ in range(200):  # Numba itself keeps the latest dispatchers alive for a while
        njit(lambda v: v)
    gc.collect()
    assert reference() is None


def test_plain_numbers_keep_their_functions():
    """Inside a differentiated function, what does not depend on theta is what NumPy and Numba make of it."""

    def density(x, theta):
        m = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float64)
        columns, total = np.sum(m, axis=0), m.sum() + np.mean(m) + np.max(m) + max(3, 1) + min(x)
        logs = np.log(m)[0, 1] + np.where(m > 1.0)[0][0] + np.exp(np.zeros(2)).sum() + round(x[1], 1) + abs(-2)
        small = np.zeros(2, dtype=np.int64)
        small[0] = 7 // 2 + 7 % 4
        best = x[np.argmax(x)] + np.dot(m, columns)[0] + (m @ m)[0, 0] + small[0]
        return theta[0] * (total + logs + best)

    x = np.array([0.5, 1.25, 0.75])
    assert differentiate(density, x, [1.5]).gradient[0] == pytest.approx(density(x, [1.0]), rel=1e-14)


def returned_rows(n, theta):
    """Arrays that leave the function, directly or as views of themselves, must outlive it."""
    m = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            m[i, j] = theta[i] * (j + 1)
    flat = np.zeros(3)
    flat[0] = theta[0]
    flat[1] = m[1, 1]
    return np.ravel(m), m[1], (flat.reshape(3)[:2], theta[1])


def uses_returned_rows(x, theta):
    rows, last, (flat, b) = returned_rows(2, theta)
    return rows[0] * rows[3] + last[0] * flat[1] + flat[0] * b


def test_returned_arrays_are_not_on_the_stack():
    """The function that makes the arrays is the top one here, where arrays may lie on the stack."""
    make, use, with_seeds = active(returned_rows), active(uses_arrays), seeds(2, 2, 1)

    @njit
    def evaluate(theta, gradient):
        seeded = with_seeds(pointer(theta), 0)
        made = make(2, seeded)
        make(2, with_seeds(pointer(theta[::-1].copy()), 0))  # would overwrite them
        d = use(made, seeded)
        store_gradient(d, pointer(gradient), 1, 0, 2)
        return value(d)

    x, theta, gradient = 0.0, np.array([1.5, 0.5]), np.empty(2)
    exact = extended.derivatives(uses_returned_rows, x, theta)
    assert evaluate(theta, gradient) == pytest.approx(exact[0], rel=1e-14)
    assert gradient == pytest.approx(exact[1], rel=1e-13)
    assert differentiate(uses_returned_rows, x, theta).gradient == pytest.approx(exact[1], rel=1e-13)


def uses_arrays(made, theta):
    rows, last, (flat, b) = made
    return rows[0] * rows[3] + last[0] * flat[1] + flat[0] * b


def test_scipy_special_is_not_imported():
    source = "import sys, fastfim.autodiff; assert not {'scipy.special', 'scipy.stats'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", source], check=True)
