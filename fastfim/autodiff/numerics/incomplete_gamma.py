"""Regularized incomplete gamma functions with their derivatives in the shape and in the argument.

With D = a x^a e^-x / Gamma(1 + a) and x e^w in place of the variable of integration,

    P(a, x) = D * integral over w < 0 of exp(a w - x (e^w - 1)),      Q(a, x) = D * the same over w > 0.

A derivative in a is a factor w under the integral, and log(x) - digamma(a) from D.  Three ways:

- x <= a with a < 25, and x <= 1: the series for a * integral, x^n / ((a + 1) ... (a + n)) (NIST DLMF 8.11.4), each term
  with its two derivatives in a; all terms are positive.
- x <= a with a >= 25: the lower integral by Gauss's rule.
- x > a: the upper integral by Gauss's rule.

The exponent is (a - x) w plus x times the excess of e^w over its tangent, so that nothing cancels for large a, and D is
taken from Stirling's formula there.  Derivatives in x are closed forms.  All six are right for a from 1e-10 to 1e10::

    gammainc_derivatives(2.0, 3.0)  # P and its derivatives a, x, aa, ax, xx
"""

from __future__ import annotations

import math

from fastfim.autodiff.numerics.compile import compilable
from fastfim.autodiff.numerics.differences import expm1_excess, log1p_excess, log_ratio
from fastfim.autodiff.numerics.log_gamma import lgamma1p, stirling_correction
from fastfim.autodiff.numerics.psi import LARGE, digamma, log_minus_digamma, trigamma
from fastfim.autodiff.numerics.quadrature import CUTOFF, NODES, WEIGHTS

#: Shapes from here on: the lower tail is short enough for Gauss's rule.
LARGE_SHAPE = 25.0


@compilable
def _prefactor(a: float, x: float) -> float:
    """x^a exp(-x) / Gamma(a + 1)."""
    if a < LARGE:
        return math.exp(a * math.log(x) - x - lgamma1p(a))
    near = 0.5 * a < x < 2.0 * a
    fall = -a * log1p_excess((x - a) / a) if near else (x - a) - a * math.log(x / a)
    return math.exp(-fall - stirling_correction(a)) / math.sqrt(2.0 * math.pi * a)


@compilable
def _series(a: float, x: float) -> tuple[float, float, float]:
    """The sum of x^n / ((a + 1) ... (a + n)) and its derivatives in a."""
    f, fa, faa = 1.0, 0.0, 0.0
    term, slope, curvature, n = 1.0, 0.0, 0.0, a
    while term > 1e-18 * f:
        n += 1.0
        i = 1.0 / n
        term, slope, curvature = term * x * i, slope - i, curvature + i * i
        f, fa, faa = f + term, fa + term * slope, faa + term * (slope * slope + curvature)
    return f, fa, faa


@compilable
def _cut(a: float, x: float, sign: float) -> float:
    """Where the fall sign (x - a) w + x (e^(sign w) - 1 - sign w) reaches CUTOFF: Newton's method, convex."""
    slope = sign * (x - a)
    w = 2.0 * CUTOFF / (slope + math.sqrt(slope * slope + 2.0 * CUTOFF * x))
    if sign > 0.0:
        w = min(w, math.log1p(2.0 * CUTOFF / x))
    for _ in range(6):
        fall = slope * w + x * expm1_excess(sign * w)
        w -= (fall - CUTOFF) / (slope + x * sign * math.expm1(sign * w))
    return w


@compilable
def _integral(a: float, x: float, sign: float) -> tuple[float, float, float]:
    """The integral over sign * w > 0 of exp(a w - x (e^w - 1)), and its derivatives in a."""
    length, slope = _cut(a, x, sign), sign * (x - a)
    f, fa, faa = 0.0, 0.0, 0.0
    for k in range(len(NODES)):
        w = length * NODES[k]
        term = WEIGHTS[k] * math.exp(-slope * w - x * expm1_excess(sign * w))
        f, fa, faa = f + term, fa + w * term, faa + w * w * term
    return length * f, sign * length * fa, length * faa


@compilable
def _tail(a: float, x: float) -> tuple[bool, float, float, float]:
    """Whether the lower tail is given, the tail, and its derivatives a and aa."""
    lower = x <= max(a, 1.0)
    if x <= max(min(a, LARGE_SHAPE), 1.0):
        f, fa, faa = _series(a, x)
    else:
        g, ga, gaa = _integral(a, x, -1.0 if lower else 1.0)
        f, fa, faa = a * g, g + a * ga, 2.0 * ga + a * gaa
    # log(x) - digamma(1 + a), the derivative of the logarithm of the prefactor
    slope = log_ratio(x, a) + log_minus_digamma(a) - 1.0 / a if a >= LARGE else math.log(x) - digamma(1.0 + a)
    d = _prefactor(a, x)
    second = (slope * slope - trigamma(1.0 + a)) * f + 2.0 * slope * fa + faa
    return lower, d * f, d * (slope * f + fa), d * second


@compilable
def _complement(a: float, x: float, p: float) -> float:
    """Q = 1 - P for x <= max(a, 1), with all digits for small a, where P is nearly 1."""
    if a >= 1.0 or x > 1.0:
        return 1.0 - p
    log_g = a * math.log(x) - lgamma1p(a)
    term, series, n = 1.0, 0.0, 0.0
    while abs(term) > 1e-18 or n < 2.0:
        n += 1.0
        term *= -x / n
        series += term / (a + n)
    return -math.expm1(log_g) - math.exp(log_g) * a * series


@compilable
def gammainc_derivatives(a: float, x: float) -> tuple[float, float, float, float, float, float]:
    """P(a, x) and its partial derivatives: value, a, x, aa, ax, xx."""
    if not (a > 0.0 and x > 0.0 and a < math.inf and x < math.inf):
        return _at_ends(a, x, 0.0, 1.0)
    lower, t, ta, taa = _tail(a, x)
    fx, fax, fxx = _density(a, x)
    return (t, ta, fx, taa, fax, fxx) if lower else (1.0 - t, -ta, fx, -taa, fax, fxx)


@compilable
def gammaincc_derivatives(a: float, x: float) -> tuple[float, float, float, float, float, float]:
    """Q(a, x) and its partial derivatives: value, a, x, aa, ax, xx."""
    if not (a > 0.0 and x > 0.0 and a < math.inf and x < math.inf):
        return _at_ends(a, x, 1.0, 0.0)
    lower, t, ta, taa = _tail(a, x)
    fx, fax, fxx = _density(a, x)
    return (_complement(a, x, t), -ta, -fx, -taa, -fax, -fxx) if lower else (t, ta, -fx, taa, -fax, -fxx)


@compilable
def _at_ends(a: float, x: float, low: float, high: float) -> tuple[float, float, float, float, float, float]:
    """Values at x = 0, at x = inf, and at a = 0 < x."""
    if a > 0.0 and a < math.inf and x == 0.0:
        sign = high - low
        first = sign if a == 1.0 else 0.0 if a > 1.0 else sign * math.inf
        second = -sign if a == 1.0 else sign if a == 2.0 else 0.0 if a > 2.0 else math.nan
        return low, 0.0, first, 0.0, 0.0 if a > 1.0 else math.nan, second
    if (a > 0.0 and a < math.inf and x == math.inf) or (a == 0.0 and x > 0.0):
        return high, 0.0 if a > 0.0 else math.nan, 0.0, 0.0 if a > 0.0 else math.nan, 0.0, 0.0
    return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan


@compilable
def _density(a: float, x: float) -> tuple[float, float, float]:
    """The gamma density x^(a-1) e^-x / Gamma(a) with its derivatives in a and in x."""
    f = _prefactor(a, x) / x * a
    slope = log_ratio(x, a) + log_minus_digamma(a) if a >= LARGE else math.log(x) - digamma(a)
    return f, f * slope, f * (((a - x) - 1.0) / x)


@compilable
def gammainc(a: float, x: float) -> float:
    """Regularized lower incomplete gamma function."""
    return gammainc_derivatives(a, x)[0]


@compilable
def gammaincc(a: float, x: float) -> float:
    """Regularized upper incomplete gamma function."""
    return gammaincc_derivatives(a, x)[0]
