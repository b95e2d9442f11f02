"""Gamma and beta functions on the logarithmic scale, without cancellation where arguments are large or small.

log B(a, b) is the difference of large numbers when a is large; Stirling's formula, with its correction
log Gamma(z) = (z - 1/2) log z - z + log(2 pi) / 2 + correction(z) (NIST DLMF 5.11.1), takes the large parts out
(DiDonato and Morris 1992, ACM TOMS 708, functions ``algdiv`` and ``betaln``)::

    betaln(1e10, 1.0)  # -23.025850929940457, where the difference of three logarithms is good to 1e-5
"""

from __future__ import annotations

import math

import numpy as np

from fastfim.autodiff.numerics.compile import compilable
from fastfim.autodiff.numerics.hurwitz import zeta
from fastfim.autodiff.numerics.psi import LARGE, digamma, digamma_difference, trigamma, trigamma_difference

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)

#: (-1)^k (zeta(k) - 1) / k for k = 2, 3, ...: log Gamma(1 + x) + log(1 + x) - x (1 - Euler's constant).
LOG_GAMMA_SERIES = np.array([(-1) ** k * zeta(float(k), 2.0) / k for k in range(2, 29)])


@compilable
def gammaln(x: float) -> float:
    """Logarithm of the absolute value of the gamma function."""
    if x <= 0.0 and x == np.floor(x):
        return math.inf
    return math.lgamma(x)


@compilable
def gamma(x: float) -> float:
    """Gamma function."""
    if x > 171.7:
        return x if x == math.inf else math.inf
    if x <= 0.0 and x == np.floor(x):
        return math.copysign(math.inf, x) if x == 0.0 else math.nan
    return math.gamma(x)


@compilable
def lgamma1p(x: float) -> float:
    """Log Gamma(1 + x), x > -1, accurate near its zero at 0."""
    if abs(x) > 0.5:
        return math.lgamma(1.0 + x)
    series = 0.0
    for k in range(len(LOG_GAMMA_SERIES) - 1, -1, -1):
        series = series * x + LOG_GAMMA_SERIES[k]
    return x * (1.0 - np.euler_gamma) - math.log1p(x) + x * x * series


@compilable
def stirling_correction(x: float) -> float:
    """What Stirling's formula for log Gamma(x) leaves out, x > 0."""
    if x < LARGE:
        return math.lgamma(x) - ((x - 0.5) * math.log(x) - x + HALF_LOG_2PI)
    i = 1.0 / (x * x)
    series = 1 / 1680 - i * (1 / 1188 - i * (691 / 360360 - i / 156))
    return (1 / 12 - i * (1 / 360 - i * (1 / 1260 - i * series))) / x


@compilable
def lgamma_difference(a: float, b: float) -> float:
    """The difference log Gamma(a + b) - log Gamma(a) for positive a and b; good to 1e-18 where it is small."""
    steps = 0.0
    while a < LARGE:
        steps += math.log1p(b / a)
        a += 1.0
    c = a + b
    growth = (a - 0.5) * math.log1p(b / a) + b * (math.log(c) - 1.0)
    return growth + (stirling_correction(c) - stirling_correction(a)) - steps


@compilable
def betaln(a: float, b: float) -> float:
    """Logarithm of the absolute value of the beta function."""
    if not (a > 0.0 and b > 0.0):
        return gammaln(a) + gammaln(b) - gammaln(a + b)
    if a < b:
        a, b = b, a
    if b < LARGE:
        return math.lgamma(b) - lgamma_difference(a, b)
    correction = stirling_correction(a) + stirling_correction(b) - stirling_correction(a + b)
    shape = -(a - 0.5) * math.log1p(b / a) - b * math.log1p(a / b)
    return shape + correction + HALF_LOG_2PI - 0.5 * math.log(b)


@compilable
def betaln_slope(a: float, b: float) -> float:
    """Derivative of `betaln` in a: digamma(a) - digamma(a + b)."""
    return -digamma_difference(a, b) if a > 0.0 and b > 0.0 else digamma(a) - digamma(a + b)


@compilable
def betaln_curvature(a: float, b: float) -> float:
    """Second derivative of `betaln` in a: trigamma(a) - trigamma(a + b)."""
    return trigamma_difference(a, b) if a > 0.0 and b > 0.0 else trigamma(a) - trigamma(a + b)
