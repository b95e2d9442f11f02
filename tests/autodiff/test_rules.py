"""Every rule against mpmath over its domain: first derivatives to 1e-13, second to 1e-12, relative.

Where a derivative passes through zero it is judged against the scale of its terms: how much it moves when the argument
moves by its own rounding error, ``eps * |x| * |next derivative|``, is added to the tolerance.
"""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from fastfim.autodiff import rules

from . import extended
from .differentiate import compiled

EPS = np.finfo(float).eps
#: Digits of the oracle where a derivative is tiny beside the value.
DIGITS = {"math.erf": 1000, "math.tanh": 1000, "math.erfc": 1000}


def spread(*ranges):
    """Points over several ranges: evenly, and evenly in the logarithm where a range has one sign."""
    points = []
    for low, high in ranges:
        points += list(np.linspace(low, high, 9)[1:-1])
        if low * high > 0:
            points += list(np.geomspace(low, high, 9)[1:-1])
    return points


REALS = spread((-30, 30), (1e-12, 1), (-1, -1e-12))
POSITIVE = spread((1e-300, 1e300), (1e-5, 50), (0.99, 1.01))
INSIDE = [*spread((-1, 1), (1e-9, 1)), *(s * (1 - 2.0**-k) for k in (10, 30, 50) for s in (-1, 1))]

UNARY = {
    "math.log": POSITIVE,
    "math.log2": POSITIVE,
    "math.log10": POSITIVE,
    "math.log1p": spread((-1 + 1e-12, -0.5), (-0.5, 5), (1e-15, 1e-3), (-1e-3, -1e-15), (1, 1e100)),
    "math.exp": spread((-700, 700), (-1e-9, 1e-9)),
    "math.exp2": spread((-1000, 1000)),
    "math.expm1": spread((-40, 700), (-1e-9, 1e-9)),
    "math.sqrt": POSITIVE,
    "math.cbrt": [*POSITIVE, *(-x for x in POSITIVE)],
    "math.sin": REALS,
    "math.cos": REALS,
    "math.tan": spread((-1.57, 1.57), (10, 20)),
    "math.asin": INSIDE,
    "math.acos": INSIDE,
    "math.atan": [*REALS, *spread((1e3, 1e90))],
    "math.sinh": spread((-700, 700), (-1, 1)),
    "math.cosh": spread((-700, 700), (-1, 1)),
    "math.tanh": spread((-340, 340), (-1, 1), (-1e-9, 1e-9)),
    "math.asinh": [*REALS, *spread((1e3, 1e90))],
    "math.acosh": spread((1 + 1e-12, 1.1), (1.1, 50), (1e3, 1e90)),
    "math.atanh": INSIDE,
    "math.erf": spread((-26, 26), (-1, 1)),
    "math.erfc": spread((-26, 26), (-1, 1)),
    "math.lgamma": spread(
        (1e-300, 1e-3), (1e-3, 3), (3, 170), (1e3, 1e100), (-0.9, -0.1), (-7.9, -7.1), (-20.4, -20.2)
    ),
    "math.gamma": spread((1e-100, 1e-3), (1e-3, 3), (3, 170), (-0.9, -0.1), (-7.9, -7.1), (-20.4, -20.2)),
    "math.degrees": REALS,
    "math.radians": REALS,
    "math.fabs": REALS,
    "numpy.square": REALS,
    "numpy.reciprocal": spread((1e-90, 1e90), (-3, -1e-3)),
    "numpy.positive": REALS,
    "operator.neg": REALS,
}
EXACT = {name: getattr(extended.MATH, name.partition(".")[2], None) for name in UNARY} | {
    "math.degrees": mpmath.degrees,
    "math.radians": mpmath.radians,
    "numpy.square": lambda x: x * x,
    "numpy.reciprocal": lambda x: 1 / x,
    "numpy.positive": lambda x: x,
    "operator.neg": lambda x: -x,
}
SIZES = ((1.5, 0.4), (3e-3, 20.0), (1e150, 3e150), (2e-150, 1e-150))
SIGNS = [(a * s, b * t) for a, b in SIZES for s in (1, -1) for t in (1, -1)]
PAIRS = [(x, y) for x in spread((-5, 5), (1e-3, 1)) for y in spread((-3, 3))[::2] if x and y]
BINARY = {
    "operator.add": (lambda x, y: x + y, PAIRS),
    "operator.sub": (lambda x, y: x - y, PAIRS),
    "operator.mul": (lambda x, y: x * y, PAIRS),
    "operator.truediv": (lambda x, y: x / y, [*PAIRS, (1e100, 1e-60), (1e-100, 1e60)]),
    "operator.pow": (
        lambda x, y: x**y,
        [(x, y) for x in spread((1e-3, 5), (0.999, 1.001), (1e-20, 1e20)) for y in spread((-4, 6))[::2]],
    ),
    "math.atan2": (mpmath.atan2, [*SIGNS, *PAIRS]),
    "math.hypot": (mpmath.hypot, SIGNS),
    "math.copysign": (extended.MATH.copysign, PAIRS),
    "numpy.logaddexp": (extended.logaddexp, [*PAIRS, (700.0, 690.0), (-700.0, -690.0), (1e5, 1e5)]),
    "numpy.logaddexp2": (lambda x, y: mpmath.log(2**x + 2**y, 2), [*PAIRS, (1000.0, 990.0)]),
}


def close(found, exact, tolerance, slack):
    return found == pytest.approx(exact, rel=tolerance, abs=EPS * slack + 1e-307)


def program(name):
    """``f(x, theta)`` that applies the callable of a dotted name to theta's elements."""
    function = rules.resolve(name)
    table = {
        "operator.neg": lambda x, theta: -theta[0],
        "operator.add": lambda x, theta: theta[0] + theta[1],
        "operator.sub": lambda x, theta: theta[0] - theta[1],
        "operator.mul": lambda x, theta: theta[0] * theta[1],
        "operator.truediv": lambda x, theta: theta[0] / theta[1],
        "operator.pow": lambda x, theta: theta[0] ** theta[1],
    }
    if name in table:
        return table[name]
    if name in UNARY:
        return lambda x, theta: function(theta[0])
    return lambda x, theta: function(theta[0], theta[1])


def evaluated(name, p, points):
    evaluate, results = compiled(program(name), p), []
    for point in points:
        gradient, packed = np.empty(p), np.empty(p * (p + 1) // 2)
        value = evaluate(0.0, np.array(point), 0, gradient, packed)
        results.append((value, gradient, packed))
    return results


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    points = [p for p in UNARY[name] if p != 0]
    digits = DIGITS.get(name, 300)
    with mpmath.workdps(digits):
        for x, (value, gradient, packed) in zip(points, evaluated(name, 1, [[p] for p in points]), strict=True):
            exact = series(EXACT[name], x, digits)
            assert close(value, exact[0], 1e-13, abs(x * exact[1])), x
            assert close(gradient[0], exact[1], 1e-13, abs(x * exact[2])), x
            assert close(packed[0], exact[2], 1e-12, abs(x * exact[3])), x


def series(function, x, digits):
    """Value and three derivatives by central differences in extended precision."""
    x = mpmath.mpf(float(x))
    h = abs(x) * mpmath.mpf(10) ** -(digits // 5)
    f = [function(x + k * h) for k in (-2, -1, 0, 1, 2)]
    third = (f[4] - 2 * f[3] + 2 * f[1] - f[0]) / (2 * h**3)
    found = [f[2], (f[3] - f[1]) / (2 * h), (f[3] - 2 * f[2] + f[1]) / h**2, third]
    noise = abs(f[2]) * mpmath.mpf(10) ** -(digits // 3)
    return [float(v) if abs(v * x**k) > noise else 0.0 for k, v in enumerate(found)]


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    function, points = BINARY[name]
    with mpmath.workdps(70):
        for point, (value, gradient, packed) in zip(points, evaluated(name, 2, points), strict=True):
            f, first, second, scale = partials(function, *point)
            assert close(value, f, 1e-13, 0), point
            for i in range(2):
                assert close(gradient[i], first[i], 1e-13, scale / abs(point[i])), point
            for k, (i, j) in enumerate([(0, 0), (0, 1), (1, 1)]):
                assert close(packed[k], second[k], 1e-12, 4 * scale / abs(point[i] * point[j])), point


def partials(function, x, y):
    """Value, first and second partials, and the scale of their terms."""
    x, y = mpmath.mpf(x), mpmath.mpf(y)
    a, b = abs(x) * mpmath.mpf(10) ** -14, abs(y) * mpmath.mpf(10) ** -14

    def f(i, j):
        return function(x + i * a, y + j * b)

    first = (f(1, 0) - f(-1, 0)) / (2 * a), (f(0, 1) - f(0, -1)) / (2 * b)
    mixed = (f(1, 1) - f(1, -1) - f(-1, 1) + f(-1, -1)) / (4 * a * b)
    second = (f(1, 0) - 2 * f(0, 0) + f(-1, 0)) / a**2, mixed, (f(0, 1) - 2 * f(0, 0) + f(0, -1)) / b**2
    scale = max(abs(first[0] * x), abs(first[1] * y))
    return float(f(0, 0)), [float(d) for d in first], [float(d) for d in second], float(scale)


def at(function, *point):
    """Value, gradient and Hessian's upper triangle of ``function(theta)``."""
    p = len(point)
    gradient, packed = np.empty(p), np.empty(p * (p + 1) // 2)
    value = compiled(lambda x, theta: function(theta), p)(0.0, np.array(point), 0, gradient, packed)
    return value, list(gradient), list(packed)


CUBE, INVERSE_SQUARE = 3, -2

EDGES = [
    ("x ** 0 at 0", lambda t: t[0] ** 0, (0.0,), (1.0, [0.0], [0.0])),
    ("x ** 1 at 0", lambda t: t[0] ** 1, (0.0,), (0.0, [1.0], [0.0])),
    ("x ** 2 at 0", lambda t: t[0] ** 2, (0.0,), (0.0, [0.0], [2.0])),
    ("x ** 3 below 0", lambda t: t[0] ** CUBE, (-2.0,), (-8.0, [12.0], [-12.0])),
    ("x ** -2 below 0", lambda t: t[0] ** INVERSE_SQUARE, (-2.0,), (0.25, [0.25], [0.375])),
    ("0 ** y", lambda t: 0.0 ** t[0], (2.0,), (0.0, [0.0], [0.0])),
    ("x ** y at 0", lambda t: t[0] ** t[1], (0.0, 3.0), (0.0, [0.0, 0.0], [0.0, 0.0, 0.0])),
    ("x ** y at (0, 2)", lambda t: t[0] ** t[1], (0.0, 2.0), (0.0, [0.0, 0.0], [2.0, 0.0, 0.0])),
    ("sqrt at 0", lambda t: math.sqrt(t[0]), (0.0,), (0.0, [math.inf], None)),
    ("abs at 0", lambda t: abs(t[0]), (0.0,), (0.0, [0.0], [0.0])),
    ("log1p at -1", lambda t: math.log1p(t[0]), (-1.0,), (-math.inf, [math.inf], None)),
    ("log at 0", lambda t: math.log(t[0]), (0.0,), (-math.inf, [math.inf], None)),
    ("maximum keeps the first of a tie", lambda t: max(2 * t[0], t[1]), (1.0, 2.0), (2.0, [2.0, 0.0], [0.0] * 3)),
    (
        "the branch not taken may be infinite",
        lambda t: max(math.sqrt(t[0]), t[0] + 1),
        (0.0,),
        (1.0, [1.0], [0.0]),
    ),
    (
        "logaddexp with -inf",
        lambda t: np.logaddexp(math.log(t[0]), t[1] * 0 - np.inf),
        (2.0, 1.0),
        (math.log(2.0), [0.5, 0.0], [-0.25, 0.0, 0.0]),
    ),
    ("hypot at 0", lambda t: math.hypot(t[0], 0.0), (0.0,), (0.0, [0.0], None)),
    ("atan2 at pi", lambda t: math.atan2(t[0], t[1]), (0.0, -2.0), (math.pi, [-0.5, 0.0], [0.0, -0.25, 0.0])),
    ("erfc far out", lambda t: math.erfc(t[0]), (40.0,), (0.0, [0.0], [0.0])),
]


@pytest.mark.parametrize(("name", "function", "point", "expected"), EDGES, ids=[edge[0] for edge in EDGES])
def test_edges(name, function, point, expected):
    value, gradient, packed = at(function, *point)
    assert value == pytest.approx(expected[0], rel=1e-15, abs=0)
    assert gradient == pytest.approx(expected[1], rel=1e-15, abs=0)
    if expected[2] is not None:
        assert packed == pytest.approx(expected[2], rel=1e-15, abs=0)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, -1, -4])
@pytest.mark.parametrize("x", [1.7, -1.7, 1e-50, 1e50])
def test_variable_integer_powers(n, x):
    """An exponent that is known only at run time, also under a negative base."""
    evaluate = compiled(lambda n, theta: theta[0] ** n, 1)
    gradient, packed = np.empty(1), np.empty(1)
    exact = mpmath.mpf(x)
    assert evaluate(n, np.array([x]), 0, gradient, packed) == pytest.approx(float(exact**n), rel=1e-14, abs=0)
    assert gradient[0] == pytest.approx(float(n * exact ** (n - 1)), rel=1e-13, abs=0)
    assert packed[0] == pytest.approx(float(n * (n - 1) * exact ** (n - 2)), rel=1e-12, abs=0)


@pytest.mark.parametrize(
    "x", [1.4616321449683623, 1.461632144968362, 1.4616, 1.47, -0.5040830082644554, -1.57349847316239]
)
def test_log_gamma_near_the_zeros_of_its_derivative(x):
    """For positive arguments to all digits; next to a negative zero to the rounding of the reflection's terms."""
    gradient, packed = np.empty(1), np.empty(1)
    compiled(lambda x, theta: math.lgamma(theta[0]), 1)(0.0, np.array([x]), 0, gradient, packed)
    with mpmath.workdps(60):
        exact = [float(mpmath.psi(k, mpmath.mpf(x))) for k in (0, 1)]
    assert gradient[0] == pytest.approx(exact[0], rel=1e-13, abs=0 if x > 0 else EPS * 8)
    assert packed[0] == pytest.approx(exact[1], rel=1e-12)


def test_every_rule_is_tested():
    """A rule of the elementary functions that is not in the tables above would go unchecked."""
    tested = {rules.resolve(name) for name in [*UNARY, *BINARY]}
    own = [r for r in rules.ENTRIES if isinstance(r, rules.Rule) and r.emit.__module__.endswith("elementary")]
    missing = [r.name for r in own if not tested & {rules.resolve(name) for name in r.names}]
    assert not missing
