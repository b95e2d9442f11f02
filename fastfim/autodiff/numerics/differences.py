"""Elementary functions less the first terms of their Taylor series at 0, small arguments without cancellation.

log1p_excess(1e-8)  # log(1 + x) - x = -4.99999996666667e-17
"""

from __future__ import annotations

import math

from fastfim.autodiff.numerics.compile import compilable


@compilable
def log1p_excess(x: float) -> float:
    """The difference log(1 + x) - x, at most 0.

    Near zero from log(1 + x) = 2 artanh(s), s = x / (2 + x): the difference is -s x + 2 (s^3 / 3 + s^5 / 5 + ...).
    """
    if x > 1.0 or x < -0.5:
        return math.log1p(x) - x if x > -1.0 else -math.inf
    s = x / (2.0 + x)
    z = s * s
    series = 0.0
    for k in range(_odd_terms(z), 1, -2):
        series = z * (series + 1.0 / k)
    return s * (2.0 * series - x)


@compilable
def _odd_terms(z: float) -> int:
    """The last odd divisor needed for a series in z <= 1/9."""
    return 11 if z < 1e-3 else 19 if z < 0.02 else 37


@compilable
def log_ratio(x: float, a: float) -> float:
    """log(x / a) for positive x and a, however close."""
    return math.log1p((x - a) / a) if 0.5 * a < x < 2.0 * a else math.log(x / a)


@compilable
def expm1_excess(x: float) -> float:
    """The difference exp(x) - 1 - x, at least 0."""
    if abs(x) > 1.0:
        return math.expm1(x) - x
    series = 0.0
    for k in range(20, 2, -1):
        series = x / k * (1.0 + series)
    return 0.5 * x * x * (1.0 + series)


@compilable
def sinh_excess(x: float) -> float:
    """The difference sinh(x) - x for x >= 0."""
    if x > 1.0:
        return math.sinh(x) - x
    z, series = x * x, 0.0
    for k in range(18, 2, -2):
        series = z / (k * (k + 1.0)) * (1.0 + series)
    return x * z / 6.0 * (1.0 + series)
