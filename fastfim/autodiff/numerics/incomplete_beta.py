"""Regularized incomplete beta function with its derivatives in both shapes and in the argument.

On the logistic scale t / (1 - t) = x / (1 - x) * e^-w the lower tail is

    I_x(a, b) = x^a (1 - x)^b / B(a, b) * J,     J = integral over w > 0 of (t/x)^a ((1 - t)/(1 - x))^b,

log-concave in w.  A derivative in a is a factor log(t/x) under the integral and log(x) + digamma(a + b) - digamma(a)
from outside; one in b the same with 1 - t.  The tail is the smaller one (roughly, the one away from the mode
x = a / (a + b)), the upper one by symmetry:

- a < 25: the series for a J, whose terms (a + b)_n / (a + 1)_n x^n are positive (NIST DLMF 8.17.8), with its
  derivatives; where x > 0.7 it is used at 1/2, and Gauss's rule carries it from there to x;
- a >= 25: Gauss's rule.

The fall of the integrand is -a E(t/x - 1) - b E((1-t)/(1-x) - 1) + r (...), with E(y) = log(1 + y) - y <= 0 and
r = a (1 - x) - b x >= 0: positive terms away from the mode, also for a and b of 1e10.  The factor 1/B(a, b) is written
a b Gamma(a + b) / (Gamma(1 + a) Gamma(1 + b)), whose last factor has no pole, so that nothing cancels for small a, b::

    betainc_derivatives(2.0, 3.0, 0.4)  # I and its derivatives a, b, x, aa, ab, ax, bb, bx, xx
"""

from __future__ import annotations

import math

from fastfim.autodiff.numerics.compile import compilable
from fastfim.autodiff.numerics.differences import log1p_excess
from fastfim.autodiff.numerics.log_gamma import betaln, lgamma1p, stirling_correction
from fastfim.autodiff.numerics.psi import (
    LARGE,
    digamma,
    digamma_difference,
    log_minus_digamma,
    trigamma,
    trigamma_difference,
)
from fastfim.autodiff.numerics.quadrature import CUTOFF, NODES, WEIGHTS

LARGE_SHAPE = 25.0

#: Longest stretch, on the logistic scale, of one rule of Gauss: the integrand is singular at a distance of pi.
PANEL = 6.0


@compilable
def _log_odds(x: float, y: float) -> float:
    return math.log(x) - math.log(y)


@compilable
def _log_prefactor(a: float, b: float, x: float, y: float) -> float:
    """log(x^a y^b / (a b B(a, b))), y = 1 - x."""
    if a >= LARGE and b >= LARGE:
        r = a * y - b * x
        correction = stirling_correction(a + b) - stirling_correction(a) - stirling_correction(b)
        shape = a * log1p_excess(-r / a) + b * log1p_excess(r / b)
        return correction + shape - 0.5 * (math.log(2.0 * math.pi * (a + b)) + math.log(a) + math.log(b))
    powers = a * _log(x, y) + b * _log(y, x)
    if a + b < LARGE:
        return powers + lgamma1p(a + b) - math.log(a + b) - lgamma1p(a) - lgamma1p(b)
    return powers - betaln(a, b) - math.log(a) - math.log(b)


@compilable
def _log(x: float, y: float) -> float:
    """log(x) where y = 1 - x."""
    return math.log(x) if x < 0.5 else math.log1p(-y)


@compilable
def _slope(a: float, b: float, x: float, y: float) -> float:
    """log(x) + digamma(a + b) - digamma(a)."""
    if a >= LARGE and b >= LARGE:
        return math.log1p((b * x - a * y) / a) + (log_minus_digamma(a) - log_minus_digamma(a + b))
    return _log(x, y) + digamma_difference(a, b)


@compilable
def _series(a: float, b: float, x: float) -> tuple[float, float, float, float, float, float]:
    """The sum of (a + b)_n / (a + 1)_n x^n and its derivatives: value, a, b, aa, ab, bb."""
    f, fa, fb, faa, fab, fbb = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    term, sa, sb, saa, sbb, n = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    while term > 1e-18 * f:
        u, v = 1.0 / (a + b + n), 1.0 / (a + 1.0 + n)
        term *= (a + b + n) * v * x
        difference = (1.0 - b) * u * v  # u - v
        sa, sb = sa + difference, sb + u
        saa, sbb = saa - difference * (u + v), sbb - u * u
        f, fa, fb = f + term, fa + term * sa, fb + term * sb
        faa, fab, fbb = faa + term * (sa * sa + saa), fab + term * (sa * sb + sbb), fbb + term * (sb * sb + sbb)
        n += 1.0
    return f, fa, fb, faa, fab, fbb


@compilable
def _ratios(x: float, y: float, w: float) -> tuple[float, float, float]:
    """t/x - 1, (1 - t)/y - 1, and their common factor (1 - e^-w) / (y + x e^-w), at t = x e^-w / (y + x e^-w)."""
    g = -math.expm1(-w)
    g /= 1.0 - x * g if x * g < 0.5 else y + x * math.exp(-w)
    return -y * g, x * g, g


@compilable
def _fall(a: float, b: float, x: float, y: float, w: float) -> float:
    """Minus the logarithm of the integrand."""
    p, q, g = _ratios(x, y, w)
    return -a * _excess(p, y, w, g) - b * log1p_excess(q) + (a * y - b * x) * g


@compilable
def _excess(p: float, y: float, w: float, g: float) -> float:
    """log(t/x) - (t/x - 1), where t/x = e^-w (1 + x g)."""
    return log1p_excess(p) if p > -0.9 else -w + math.log1p((1.0 - y) * g) - p


@compilable
def _cut(a: float, b: float, x: float, y: float) -> float:
    """Where the fall reaches CUTOFF: Newton's method, which a convex function cannot mislead."""
    r = max(a * y - b * x, 0.0)
    w = 2.0 * CUTOFF / (r + math.sqrt(r * r + 2.0 * CUTOFF * (a + b) * x * y))
    w = min(w, (CUTOFF + b * math.log1p(x / y)) / a + math.log1p(x / y) + 1.0)
    for _ in range(8):
        p, _q, _g = _ratios(x, y, w)
        slope = a - (a + b) * x * (1.0 + p)
        w -= (_fall(a, b, x, y, w) - CUTOFF) / slope
    return w


@compilable
def _integral(a: float, b: float, x: float, y: float, w1: float) -> tuple[float, float, float, float, float, float]:
    """The integral over 0 < w < w1 and its derivatives: value, a, b, aa, ab, bb."""
    f, fa, fb, faa, fab, fbb = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    panels = math.ceil(w1 / PANEL)
    length = w1 / panels
    for i in range(panels):
        for k in range(len(NODES)):
            w = length * (i + NODES[k])
            p, q, g = _ratios(x, y, w)
            ep, eq = _excess(p, y, w, g), log1p_excess(q)
            term = length * WEIGHTS[k] * math.exp(a * ep + b * eq - (a * y - b * x) * g)
            la, lb = ep + p, eq + q
            f, fa, fb = f + term, fa + la * term, fb + lb * term
            faa, fab, fbb = faa + la * la * term, fab + la * lb * term, fbb + lb * lb * term
    return f, fa, fb, faa, fab, fbb


@compilable
def _scaled_integral(a: float, b: float, x: float, y: float) -> tuple[float, float, float, float, float, float]:
    """A J and its derivatives: value, a, b, aa, ab, bb."""
    w1, s = 0.0, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if a >= LARGE_SHAPE:
        w1 = _cut(a, b, x, y)
    else:
        s = _series(a, b, x if x <= 0.7 else 0.5)
        if x <= 0.7:
            return s
        w1 = _log_odds(x, y)
    j, ja, jb, jaa, jab, jbb = _integral(a, b, x, y, w1)
    la, lb = (_log(0.5 / x, 1.0 - 0.5 / x), math.log(0.5 / y)) if a < LARGE_SHAPE else (0.0, 0.0)
    e = math.exp(a * la + b * lb)
    f, fa, fb, faa, fab, fbb = s
    return (
        e * f + a * j,
        e * (fa + la * f) + j + a * ja,
        e * (fb + lb * f) + a * jb,
        e * (faa + 2.0 * la * fa + la * la * f) + 2.0 * ja + a * jaa,
        e * (fab + la * fb + lb * fa + la * lb * f) + jb + a * jab,
        e * (fbb + 2.0 * lb * fb + lb * lb * f) + a * jbb,
    )


@compilable
def _lower(a: float, b: float, x: float, y: float) -> tuple[float, float, float, float, float, float]:
    """I_x(a, b) by its lower tail, and its derivatives: value, a, b, aa, ab, bb."""
    s, sa, sb, saa, sab, sbb = _scaled_integral(a, b, x, y)
    # times b
    f, fa, fb = b * s, b * sa, s + b * sb
    faa, fab, fbb = b * saa, sa + b * sab, 2.0 * sb + b * sbb
    # times the prefactor, of which la, lb are the logarithmic derivatives
    la, lb = _slope_less_pole(a, b, x, y), _slope_less_pole(b, a, y, x)
    laa, lab, lbb = _curvature_less_pole(a, b), trigamma(a + b), _curvature_less_pole(b, a)
    d = math.exp(_log_prefactor(a, b, x, y))
    return (
        d * f,
        d * (fa + la * f),
        d * (fb + lb * f),
        d * (faa + 2.0 * la * fa + (la * la + laa) * f),
        d * (fab + la * fb + lb * fa + (la * lb + lab) * f),
        d * (fbb + 2.0 * lb * fb + (lb * lb + lbb) * f),
    )


@compilable
def _slope_less_pole(a: float, b: float, x: float, y: float) -> float:
    """log(x) + digamma(a + b) - digamma(1 + a)."""
    if a < 1.0:
        return _log(x, y) + digamma(a + b) - digamma(1.0 + a)
    return _slope(a, b, x, y) - 1.0 / a


@compilable
def _curvature_less_pole(a: float, b: float) -> float:
    """trigamma(a + b) - trigamma(1 + a)."""
    if a < 1.0:
        return trigamma(a + b) - trigamma(1.0 + a)
    return 1.0 / (a * a) - trigamma_difference(a, b)


@compilable
def _lower_is_smaller(a: float, b: float, x: float, y: float) -> bool:
    """Whether to compute the lower tail: from what is lost near 1 the derivatives of a small tail cannot be had."""
    if a >= 1.0 and b >= 1.0:
        return a * y >= b * x
    return b * math.exp(a * _log(x, y)) <= a * math.exp(b * _log(y, x))


@compilable
def betainc_derivatives(
    a: float, b: float, x: float
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """I_x(a, b) and its partial derivatives: value, a, b, x, aa, ab, ax, bb, bx, xx."""
    if not (a > 0.0 and b > 0.0 and a < math.inf and b < math.inf and x > 0.0 and x < 1.0):
        inside = a > 0.0 and b > 0.0 and (x == 0.0 or x == 1.0)
        nan, zero = math.nan, 0.0 if inside else math.nan
        return x if inside else nan, zero, zero, nan, zero, zero, nan, zero, nan, nan
    y = 1.0 - x
    lower = _lower_is_smaller(a, b, x, y)
    p, q, u, v = (a, b, x, y) if lower else (b, a, y, x)
    f, fa, fb, faa, fab, fbb = _lower(p, q, u, v)  # called in one place: it is long, and gets inlined
    if not lower:
        f, fa, fb, faa, fab, fbb = 1.0 - f, -fb, -fa, -fbb, -fab, -faa
    fx = math.exp(_log_prefactor(a, b, x, y)) * (a / x) * (b / y)
    fax, fbx = fx * _slope(a, b, x, y), fx * _slope(b, a, y, x)
    fxx = fx * ((a - 1.0) / x - (b - 1.0) / y)
    return f, fa, fb, fx, faa, fab, fax, fbb, fbx, fxx


@compilable
def betainc(a: float, b: float, x: float) -> float:
    """Regularized incomplete beta function."""
    return betainc_derivatives(a, b, x)[0]
