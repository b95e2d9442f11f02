"""Modified Bessel functions of the first kind, with derivatives in the order and in the argument.

Three ways, for exp(-x) I_v(x) =: f and the five partial derivatives up to order 2:

- R = sqrt(v^2 + x^2) < 35: the ascending series, all of whose terms are positive (NIST DLMF 10.25.2); a derivative in v
  brings log(x/2) - digamma(v + k + 1) into each term, and one of f in x brings (v + 2k)/x - 1.
- R >= 35: Debye's expansion, which is uniform in v and x (DLMF 10.41.3), written in 1/R and w = (v/R)^2, in which it is
  Hankel's expansion for large x when v = 0.  Its terms are polynomials in w, so the chain rule gives the derivatives.
- v < 0: I_v = I_-v + (2/pi) sin(-pi v) K_-v (DLMF 10.27.2).

As v tends to 0 the derivative in v tends to -exp(-x) K_0(x), which is exponentially small beside f.  There f is split:
its odd part in v is -exp(-x) sin(pi v) K_v / pi (DLMF 10.27.2), its even part E has E'(v) = int_-v^v f_vv / 2, of a
smooth function that does not change its sign, by Gauss' rule.

    ive_derivatives(0.5, 2.0)[0]  # sqrt(1 / (4 pi)) (1 - exp(-4)) = 0.27692804...
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastfim.autodiff.numerics.bessel_k import kve_derivatives
from fastfim.autodiff.numerics.compile import compilable
from fastfim.autodiff.numerics.psi import digamma, trigamma

#: From here on the asymptotic expansion is good to rounding.
LARGE_RADIUS = 35.0


def debye_polynomials(count: int) -> NDArray[np.float64]:
    """Row k: coefficients of u_k(p) / p^k in powers of p^2 (DLMF 10.41.9), k < count."""
    rows = [[Fraction(1)]]
    for k in range(count - 1):
        following = [Fraction(0)] * (k + 2)
        for j, c in enumerate(rows[-1]):
            n = k + 2 * j
            following[j] += c * (Fraction(n, 2) + Fraction(1, 8 * (n + 1)))
            following[j + 1] -= c * (Fraction(n, 2) + Fraction(5, 8 * (n + 3)))
        rows.append(following)
    return np.array([[float(c) for c in row] + [0.0] * (count - len(row)) for row in rows])


DEBYE = debye_polynomials(17)

#: Orders below are near 0: from there on the even part is large enough.  Arguments below have no small derivatives.
NEAR_ZERO, SMALL = 0.25, 1.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(6)


@compilable
def ive_derivatives(v: float, x: float) -> tuple[float, float, float, float, float, float]:
    """exp(-x) I_v(x), x > 0, and its partial derivatives: value, v, x, vv, vx, xx."""
    if not x > 0.0:
        return _at_zero(v, x)
    f, fv, fx, fvv, fvx, fxx = _positive_order(abs(v), x)
    if v >= 0.0:
        return f, fv, fx, fvv, fvx, fxx
    k, kv, kx, kvv, kvx, kxx = kve_derivatives(-v, x)
    decay, turn = math.exp(-2.0 * x), -v - 2.0 * np.floor(0.5 - 0.5 * v)
    s = 2.0 / math.pi * math.sin(math.pi * turn) * decay
    c = 2.0 * math.cos(math.pi * turn) * decay
    fx, fxx = fx + s * (kx - 2.0 * k), fxx + s * (kxx - 4.0 * kx + 4.0 * k)
    fvx += s * (kvx - 2.0 * kv) + c * (kx - 2.0 * k)
    fv, fvv = fv + s * kv + c * k, fvv + s * (kvv - math.pi * math.pi * k) + 2.0 * c * kv
    return f + s * k, -fv, fx, fvv, -fvx, fxx


@compilable
def _at_zero(v: float, x: float) -> tuple[float, float, float, float, float, float]:
    """Limits at x = 0; NaN for negative x."""
    nan = math.nan
    if x < 0.0 or math.isnan(x) or math.isnan(v) or (v < 0.0 and v != np.floor(v)):
        return nan, nan, nan, nan, nan, nan
    n = abs(v)
    if n == 0.0:
        return 1.0, -math.inf, -1.0, nan, nan, 1.5
    first = 0.5 if n == 1.0 else 0.0 if n > 1.0 else math.inf
    second = -1.0 if n == 1.0 else 0.25 if n == 2.0 else 0.0 if n > 2.0 else math.inf
    order = 0.0 if v > 0.0 else nan
    return 0.0, order, first, order, order if n > 1.0 else nan, second if n >= 1.0 else -math.inf


@compilable
def _positive_order(v: float, x: float) -> tuple[float, float, float, float, float, float]:
    large = math.hypot(v, x) >= LARGE_RADIUS
    f, fv, fx, fvv, fvx, fxx = _expansion(v, x) if large else _series(v, x)
    if v < NEAR_ZERO and x > SMALL:
        if not large:  # the expansion has the even part alone
            fv, fvx = _even_part(v, x)
        k, kv, kx, _, kvx, _ = kve_derivatives(v, x)
        s, c = math.sin(math.pi * v) / math.pi * math.exp(-2.0 * x), math.cos(math.pi * v) * math.exp(-2.0 * x)
        fv, fvx = fv - s * kv - c * k, fvx - s * (kvx - 2.0 * kv) - c * (kx - 2.0 * k)
    return f, fv, fx, fvv, fvx, fxx


@compilable
def _even_part(v: float, x: float) -> tuple[float, float]:
    """The derivatives v and vx of exp(-x) (I_v + I_-v) / 2."""
    fv, fvx = 0.0, 0.0
    for i in range(len(NODES)):
        fvv, fvvx = _curvature(v * NODES[i], x)
        fv, fvx = fv + WEIGHTS[i] * fvv, fvx + WEIGHTS[i] * fvvx
    return 0.5 * v * fv, 0.5 * v * fvx


@compilable
def _curvature(v: float, x: float) -> tuple[float, float]:
    """Second derivative in v > -1, and its derivative in x, by the ascending series."""
    q, r = 0.25 * x * x, 1.0 / x
    l, p = math.log(0.5 * x) - digamma(v + 1.0), trigamma(v + 1.0)
    f, fvv, fvvx, term, k = 0.0, 0.0, 0.0, 1.0, 0.0
    while term > 1e-20 * f or k * (k + v) < q:
        bend = l * l - p
        f, fvv = f + term, fvv + term * bend
        fvvx += term * (bend * ((2.0 * k + v) * r - 1.0) + 2.0 * l * r)
        k += 1.0
        i = 1.0 / (k + v)
        term, l, p = term * q / k * i, l - i, p - i * i
    s = math.pow(0.5 * x, v) / math.gamma(v + 1.0) * math.exp(-x)
    return s * fvv, s * fvvx


@compilable
def _series(v: float, x: float) -> tuple[float, float, float, float, float, float]:
    """Ascending series."""
    q, r = 0.25 * x * x, 1.0 / x
    l, p = math.log(0.5 * x) - digamma(v + 1.0), trigamma(v + 1.0)
    f, fv, fx, fvv, fvx, fxx = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    term, k = 1.0, 0.0
    while term > 1e-20 * f or k * (k + v) < q:
        m = 2.0 * k + v
        e = m * r - 1.0
        f, fv, fvv = f + term, fv + term * l, fvv + term * (l * l - p)
        fx, fvx, fxx = fx + term * e, fvx + term * (l * e + r), fxx + term * ((m * (m - 1.0) * r - 2.0 * m) * r + 1.0)
        k += 1.0
        i = 1.0 / (k + v)
        term, l, p = term * q / k * i, l - i, p - i * i
    s = math.pow(0.5 * x, v) / math.gamma(v + 1.0) * math.exp(-x)
    return s * f, s * fv, s * fx, s * fvv, s * fvx, s * fxx


@compilable
def _debye_sum(y: float, w: float) -> tuple[float, float, float, float, float, float]:
    """The sum over k of y^k U_k(w) and its partial derivatives: value, y, w, yy, yw, ww."""
    f, fy, fw, fyy, fyw, fww = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(DEBYE) - 1, -1, -1):
        u, uw, uww = 0.0, 0.0, 0.0
        for j in range(k, -1, -1):
            uww = uww * w + 2.0 * uw
            uw = uw * w + u
            u = u * w + DEBYE[k, j]
        fyy = fyy * y + 2.0 * fy
        fyw = fyw * y + fw
        fy = fy * y + f
        f, fw, fww = f * y + u, fw * y + uw, fww * y + uww
    return f, fy, fw, fyy, fyw, fww


@compilable
def _expansion(v: float, x: float) -> tuple[float, float, float, float, float, float]:
    """Debye's uniform expansion: exp(g) S with g = log of the leading term and S the sum in y = 1/R and w."""
    r = math.hypot(v, x)
    y = 1.0 / r
    y2 = y * y
    a, b = v * y, x * y
    s, sy, sw, syy, syw, sww = _debye_sum(y, a * a)
    # derivatives of y and w = a^2 in v and x
    yv, yx = -a * y2, -b * y2
    yvv, yvx, yxx = (3.0 * a * a - 1.0) * y2 * y, 3.0 * a * b * y2 * y, (3.0 * b * b - 1.0) * y2 * y
    wv, wx = 2.0 * a * b * b * y, -2.0 * a * a * b * y
    wvv = 2.0 * b * b * (1.0 - 4.0 * a * a) * y2
    wvx, wxx = 4.0 * a * b * (1.0 - 2.0 * b * b) * y2, 2.0 * a * a * (4.0 * b * b - 1.0) * y2
    sv, sx = sy * yv + sw * wv, sy * yx + sw * wx
    svv = sy * yvv + sw * wvv + syy * yv * yv + 2.0 * syw * yv * wv + sww * wv * wv
    svx = sy * yvx + sw * wvx + syy * yv * yx + syw * (yv * wx + yx * wv) + sww * wv * wx
    sxx = sy * yxx + sw * wxx + syy * yx * yx + 2.0 * syw * yx * wx + sww * wx * wx
    # derivatives of g
    t = math.asinh(v / x)
    gv, gx = -t - 0.5 * a * y, v / x * (v / (r + x)) - 0.5 * b * y
    gvv, gvx = -y + (a * a - 0.5) * y2, v / x * y + a * b * y2
    gxx = -(v / x) * (v / x) * y + (b * b - 0.5) * y2
    e = math.exp(v * (v / (r + x)) - v * t) * math.sqrt(y / (2.0 * math.pi))
    return (
        e * s,
        e * (s * gv + sv),
        e * (s * gx + sx),
        e * (s * (gv * gv + gvv) + 2.0 * sv * gv + svv),
        e * (s * (gv * gx + gvx) + sv * gx + sx * gv + svx),
        e * (s * (gx * gx + gxx) + 2.0 * sx * gx + sxx),
    )


@compilable
def iv_derivatives(v: float, x: float) -> tuple[float, float, float, float, float, float]:
    """I_v(x), x > 0, and its partial derivatives: value, v, x, vv, vx, xx."""
    f, fv, fx, fvv, fvx, fxx = ive_derivatives(v, x)
    if x > 709.0:
        return math.inf, -math.inf, math.inf, math.inf, -math.inf, math.inf
    s = math.exp(x)
    return s * f, s * fv, s * (fx + f), s * fvv, s * (fvx + fv), s * (fxx + 2.0 * fx + f)


@compilable
def ive(v: float, x: float) -> float:
    """exp(-|x|) I_v(x); negative x for integer v alone."""
    if x >= 0.0:
        return ive_derivatives(v, x)[0]
    if v != np.floor(v):
        return math.nan
    sign = 1.0 if v == 2.0 * np.floor(0.5 * v) else -1.0
    return sign * ive_derivatives(abs(v), -x)[0]


@compilable
def iv(v: float, x: float) -> float:
    """I_v(x); negative x for integer v alone."""
    half = math.exp(0.5 * abs(x))
    return ive(v, x) * half * half
