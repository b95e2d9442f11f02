"""Derivatives of log Gamma on the whole real line: digamma, trigamma, tetragamma, and differences of them.

Upward recurrence to an argument of 10 or more, then the asymptotic series (NIST DLMF 5.11.2, 5.15.8); arguments below
zero by reflection (5.5.4, 5.15.6) with the argument of the trigonometric functions reduced exactly.  Between 1 and 2
digamma is a rational function that vanishes at its root, which is stored in three parts (Boost.Math,
``digamma_imp_1_2``), so that it keeps its relative accuracy there::

    digamma(1.4616321449683623)  # -9.2e-17, with all digits

Differences such as digamma(a + b) - digamma(a) lose their digits when b is small beside a; `digamma_difference` takes
the common factor b out of every term of the recurrence and of the series instead.
"""

from __future__ import annotations

import math

import numpy as np

from fastfim.autodiff.numerics.compile import compilable

ROOT = (
    1569415565.0 / 1073741824.0,
    (381566830.0 / 1073741824.0) / 1073741824.0,
    0.9016312093258695918615325266959189e-19,
)
SHIFT = 0.99558162689208984

#: Where the asymptotic series take over.
LARGE = 10.0


@compilable
def digamma(x: float) -> float:
    """Logarithmic derivative of the gamma function."""
    if x <= 0.0:
        if x == np.floor(x):
            return math.nan
        return digamma_positive(1.0 - x) - math.pi / math.tan(math.pi * (x - np.floor(x + 0.5)))
    return digamma_positive(x)


@compilable
def digamma_positive(x: float) -> float:
    """`digamma` for positive arguments."""
    if x >= LARGE:
        return math.log(x) - log_minus_digamma_series(x)
    result = 0.0
    while x > 2.0:
        x -= 1.0
        result += 1.0 / x
    if x < 1.0:
        result -= 1.0 / x
        x += 1.0
    return result + _digamma_near_root(x)


@compilable
def _digamma_near_root(x: float) -> float:
    """On [1, 2]: (x - root) * (SHIFT + rational function of x - 1)."""
    y = x - 1.0
    p = -0.045251321448739056 + y * -0.0020713321167745952
    p = 0.25479851061131551 + y * (
        -0.32555031186804491 + y * (-0.65031853770896507 + y * (-0.28919126444774784 + y * p))
    )
    q = 0.054151797245674225 + y * (0.0021284987017821144 + y * -0.55789841321675513e-6)
    q = 1.0 + y * (2.0767117023730469 + y * (1.4606242909763515 + y * (0.43593529692665969 + y * q)))
    distance = ((x - ROOT[0]) - ROOT[1]) - ROOT[2]
    return distance * SHIFT + distance * (p / q)


@compilable
def log_minus_digamma_series(x: float) -> float:
    """The difference log(x) - digamma(x) for x >= 10, from 1/(2x) on."""
    i = 1.0 / (x * x)
    series = i * (1 / 12 - i * (1 / 120 - i * (1 / 252 - i * (1 / 240 - i * (1 / 132 - i * (691 / 32760 - i / 12))))))
    return 0.5 / x + series


@compilable
def log_minus_digamma(x: float) -> float:
    """The difference log(x) - digamma(x), x > 0, without the cancellation at large x."""
    return log_minus_digamma_series(x) if x >= LARGE else math.log(x) - digamma_positive(x)


@compilable
def trigamma(x: float) -> float:
    """Derivative of `digamma`."""
    if x > 0.0:
        return trigamma_positive(x)
    if x == np.floor(x):
        return math.inf
    q = math.pi / math.sin(math.pi * (x - np.floor(x + 0.5)))
    return q * q - trigamma_positive(1.0 - x)


@compilable
def trigamma_positive(x: float) -> float:
    """`trigamma` for positive arguments."""
    total = 0.0
    while x < LARGE:
        total += 1.0 / (x * x)
        x += 1.0
    i = 1.0 / (x * x)
    series = i / x * (1 / 6 - i * (1 / 30 - i * (1 / 42 - i * (1 / 30 - i * (5 / 66 - i * (691 / 2730 - i * 7 / 6))))))
    return total + 1.0 / x + 0.5 * i + series


@compilable
def tetragamma(x: float) -> float:
    """Second derivative of `digamma`."""
    if x > 0.0:
        return -_minus_tetragamma_positive(x)
    if x == np.floor(x):
        return math.nan
    angle = math.pi * (x - np.floor(x + 0.5))
    q = math.pi / math.sin(angle)
    return -2.0 * q * q * q * math.cos(angle) - _minus_tetragamma_positive(1.0 - x)


@compilable
def _minus_tetragamma_positive(x: float) -> float:
    total = 0.0
    while x < LARGE + 2.0:
        total += 2.0 / (x * x * x)
        x += 1.0
    i = 1.0 / (x * x)
    series = 1 / 2 - i * (1 / 6 - i * (1 / 6 - i * (3 / 10 - i * (5 / 6 - i * (691 / 210 - i * 35 / 2)))))
    return total + i + i / x + i * i * series


@compilable
def digamma_difference(a: float, b: float) -> float:
    """The difference digamma(a + b) - digamma(a) for positive a and b >= 0."""
    total, c = 0.0, a + b
    while a < LARGE:
        total += b / a / c
        a, c = a + 1.0, c + 1.0
    w = b / c  # 1 - r, with r = a / c
    r2 = (a / c) * (a / c)
    i = 1.0 / (a * a)
    # i ** k - c ** (-2 k) = i ** k (1 - r2 ** k), and 1 - r2 ** k = (1 - r2) (1 + r2 + ... + r2 ** (k - 1))
    g1 = 1.0
    g2 = 1.0 + r2 * g1
    g3 = 1.0 + r2 * g2
    g4 = 1.0 + r2 * g3
    g5 = 1.0 + r2 * g4
    g6 = 1.0 + r2 * g5
    g7 = 1.0 + r2 * g6
    series = g4 / 240 - i * (g5 / 132 - i * (g6 * (691 / 32760) - i * g7 / 12))
    series = i * (g1 / 12 - i * (g2 / 120 - i * (g3 / 252 - i * series)))
    return total + math.log1p(b / a) + 0.5 * w / a + w * (1.0 + a / c) * series


@compilable
def trigamma_difference(a: float, b: float) -> float:
    """The difference trigamma(a) - trigamma(a + b) for positive a and b >= 0."""
    total, c = 0.0, a + b
    while a < LARGE + 2.0:
        total += (b / c / a) * (1.0 / a + 1.0 / c)
        a, c = a + 1.0, c + 1.0
    w, r = b / c, a / c
    r2 = r * r
    i = 1.0 / (a * a)
    # 1 - r ** (2 k + 1) = (1 - r) (1 + r + ... + r ** (2 k))
    g1 = 1.0 + r + r2
    g2 = 1.0 + r + r2 * g1
    g3 = 1.0 + r + r2 * g2
    g4 = 1.0 + r + r2 * g3
    g5 = 1.0 + r + r2 * g4
    g6 = 1.0 + r + r2 * g5
    g7 = 1.0 + r + r2 * g6
    series = g4 / 30 - i * (g5 * (5 / 66) - i * (g6 * (691 / 2730) - i * g7 * (7 / 6)))
    series = i / a * (g1 / 6 - i * (g2 / 30 - i * (g3 / 42 - i * series)))
    return total + w * (1.0 / a + 0.5 * i * (1.0 + r) + series)
