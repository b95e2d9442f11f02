"""Modified Bessel functions of the second kind, with derivatives in the order and in the argument.

From K_v(x) = 1/2 * integral over all t of exp(v t - x cosh t) (NIST DLMF 10.32.9), the integrand is entire and falls
off doubly exponentially, so that the trapezoid rule converges exponentially (Trefethen and Weideman 2014, SIAM Review
56, 385).  A derivative in v is a factor t, a derivative of exp(x) K_v(x) in x a factor 1 - cosh t, all under one sum.

For v >= 1 the sum runs outwards from the peak sinh t0 = v / x, u = t - t0, on which the exponent falls by
R (cosh u - 1) + v (sinh u - u), R = sqrt(v^2 + x^2): positive terms, so nothing cancels however large v or x::

    kve_derivatives(0.0, 2.0)[0]  # exp(2) K_0(2) = 0.8415682150707714
"""

from __future__ import annotations

import math

from fastfim.autodiff.numerics.compile import compilable
from fastfim.autodiff.numerics.differences import expm1_excess, sinh_excess

#: Terms below exp(-CUTOFF) of the largest are left out; second derivatives weigh far terms more.
CUTOFF = 60.0


@compilable
def kve_derivatives(v: float, x: float) -> tuple[float, float, float, float, float, float]:
    """exp(x) K_v(x) and its partial derivatives: value, v, x, vv, vx, xx."""
    if not x > 0.0:
        bad = math.inf if x == 0.0 else math.nan
        return bad, math.nan, -bad, math.nan, math.nan, bad
    if abs(v) < 1.0:
        return _from_zero(v, x)
    f, fv, fx, fvv, fvx, fxx = _about_peak(abs(v), x)
    sign = math.copysign(1.0, v)
    return f, sign * fv, fx, fvv, sign * fvx, fxx


@compilable
def _from_zero(v: float, x: float) -> tuple[float, float, float, float, float, float]:
    """The integral over t > 0 of cosh(v t) exp(-x cosh t), which is even in v to the last digit."""
    h = min(0.15, 0.5 / math.sqrt(x))
    f, fv, fx, fvv, fvx, fxx = 0.5, 0.0, 0.0, 0.0, 0.0, 0.0
    t, fall = 0.0, 0.0
    while fall < CUTOFF:
        t += h
        c = 2.0 * math.sinh(0.5 * t) ** 2
        fall = x * c - abs(v) * t
        w = math.exp(-x * c)
        even, odd = w * math.cosh(v * t), w * math.sinh(v * t)
        f, fv, fvv = f + even, fv + t * odd, fvv + t * t * even
        fx, fvx, fxx = fx - c * even, fvx - t * c * odd, fxx + c * c * even
    return h * f, h * fv, h * fx, h * fvv, h * fvx, h * fxx


@compilable
def _about_peak(v: float, x: float) -> tuple[float, float, float, float, float, float]:
    """The sum over t = t0 + k h for v >= 1."""
    r, t0 = math.hypot(v, x), math.asinh(v / x)
    h = min(0.15, 0.5 / math.sqrt(r))
    drop = v * (v / (r + x))
    if v * t0 - drop > 709.0:
        return math.inf, math.inf, -math.inf, math.inf, -math.inf, math.inf
    # exp(v t0) as a power loses fewer digits, while it does not overflow
    height = math.pow((v + r) / x, v) * math.exp(-drop) if v * t0 < 700.0 else math.exp(v * t0 - drop)
    c = 2.0 * math.sinh(0.5 * t0) ** 2
    f, fv, fx, fvv, fvx, fxx = 1.0, t0, -c, t0 * t0, -t0 * c, c * c
    u, fall_left, fall_right = 0.0, 0.0, 0.0
    while min(fall_left, fall_right) < CUTOFF:
        u += h
        e = 2.0 * math.sinh(0.5 * u) ** 2
        fall_right = r * e + v * sinh_excess(u)
        fall_left = x * x / (r + v) * e + v * expm1_excess(-u)
        for side in range(2):
            fall, t = (fall_left, t0 - u) if side == 0 else (fall_right, t0 + u)
            if fall < 2.0 * CUTOFF:
                w, c = math.exp(-fall), 2.0 * math.sinh(0.5 * t) ** 2
                f, fv, fvv = f + w, fv + t * w, fvv + t * t * w
                fx, fvx, fxx = fx - c * w, fvx - t * c * w, fxx + c * c * w
    scale = 0.5 * h * height
    return scale * f, scale * fv, scale * fx, scale * fvv, scale * fvx, scale * fxx


@compilable
def kv_derivatives(v: float, x: float) -> tuple[float, float, float, float, float, float]:
    """K_v(x) and its partial derivatives: value, v, x, vv, vx, xx."""
    f, fv, fx, fvv, fvx, fxx = kve_derivatives(v, x)
    s = math.exp(-x)
    return s * f, s * fv, s * (fx - f), s * fvv, s * (fvx - fv), s * (fxx - 2.0 * fx + f)


@compilable
def kve(v: float, x: float) -> float:
    """exp(x) K_v(x)."""
    return kve_derivatives(v, x)[0]


@compilable
def kv(v: float, x: float) -> float:
    """K_v(x)."""
    return kv_derivatives(v, x)[0]


@compilable
def k0(x: float) -> float:
    """K_0(x)."""
    return kv(0.0, x)


@compilable
def k0e(x: float) -> float:
    """exp(x) K_0(x)."""
    return kve(0.0, x)


@compilable
def k1(x: float) -> float:
    """K_1(x)."""
    return kv(1.0, x)


@compilable
def k1e(x: float) -> float:
    """exp(x) K_1(x)."""
    return kve(1.0, x)
