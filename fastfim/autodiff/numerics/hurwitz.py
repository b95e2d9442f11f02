"""The zeta functions of Riemann and Hurwitz with their derivatives, by the Euler-Maclaurin formula.

zeta(s, q) = sum over k >= 0 of (q + k)^-s is summed up to a = q + N, and the rest is (NIST DLMF 25.11.5, 2.10.1)

    a^(1-s) / (s - 1) + a^-s / 2 + sum over j of B_2j / (2j)! * s (s + 1) ... (s + 2j - 2) * a^(-s-2j+1),

each term with its first two derivatives in s; derivatives in q follow from zeta_q(s, q) = -s zeta(s + 1, q).  With one
argument, s <= -1/2 is reached by the functional equation (DLMF 25.4.1)::

    zeta_derivatives(2.0, 1.0)  # pi ** 2 / 6, -0.9375482543158438, 1.989280234298901
"""

from __future__ import annotations

import math

import numpy as np

from fastfim.autodiff.numerics.compile import compilable
from fastfim.autodiff.numerics.psi import digamma_positive, trigamma_positive

#: B_2j / (2j)! for j = 1, 2, ...
BERNOULLI = (
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
    -3617 / 10670622842880000,
    43867 / 5109094217170944000,
    -174611 / 802857662698291200000,
)


@compilable
def zeta_derivatives(s: float, q: float) -> tuple[float, float, float]:
    """Hurwitz zeta(s, q) and its first two derivatives in s, for s > 1 and q > 0 (or q = 1 and -1/2 < s < 1)."""
    f, fs, fss, a = 0.0, 0.0, 0.0, q
    enough = 10.0 + max(s, 0.0)
    while a < enough:
        log_a, term = math.log(a), _power(a, s)
        f, fs, fss = f + term, fs - log_a * term, fss + log_a * log_a * term
        a += 1.0
        if s > 1.0 and a > 3.0 and term <= 1e-25 * f:
            return f, fs, fss
    log_a, power, u = math.log(a), _power(a, s), 1.0 / (s - 1.0)
    r, rs, rss = _euler_maclaurin(s, a)
    rest, rest_s = a * u + 0.5 + r, rs - a * u * u
    rest_ss = rss + 2.0 * a * u * u * u
    f += power * rest
    fs += power * (rest_s - log_a * rest)
    fss += power * (rest_ss - log_a * (2.0 * rest_s - log_a * rest))
    return f, fs, fss


@compilable
def _power(a: float, s: float) -> float:
    """a^-s, infinite where it overflows."""
    return math.pow(a, -s) if -s * math.log(a) < 709.7 else math.inf


@compilable
def _euler_maclaurin(s: float, a: float) -> tuple[float, float, float]:
    """The sum over j, with its derivatives in s, without the factor a^-s."""
    p, ps, pss = s / a, 1.0 / a, 0.0
    f, fs, fss = 0.0, 0.0, 0.0
    i = 1.0 / (a * a)
    for j in range(len(BERNOULLI)):
        f, fs, fss = f + BERNOULLI[j] * p, fs + BERNOULLI[j] * ps, fss + BERNOULLI[j] * pss
        u = s + (2.0 * j + 1.0)
        m, ms = u * (u + 1.0) * i, (2.0 * u + 1.0) * i
        p, ps, pss = p * m, ps * m + p * ms, pss * m + 2.0 * ps * ms + 2.0 * p * i
    return f, fs, fss


@compilable
def riemann_derivatives(s: float) -> tuple[float, float, float]:
    """Riemann zeta(s) and its first two derivatives, for every s but the pole at 1 (infinite)."""
    if s == 1.0:
        return math.inf, -math.inf, math.inf
    if s > -0.5:
        return zeta_derivatives(s, 1.0)
    z, zs, zss = zeta_derivatives(1.0 - s, 1.0)
    g = 2.0 * math.pow(2.0 * math.pi, s - 1.0) * math.gamma(1.0 - s) * z if s > -170.0 else math.inf
    ratio = zs / z
    g1 = math.log(2.0 * math.pi) - digamma_positive(1.0 - s) - ratio
    g2 = trigamma_positive(1.0 - s) + zss / z - ratio * ratio
    r = 0.5 * s - 2.0 * np.floor(0.25 * s + 0.5)  # sin(pi s / 2) has period 4
    sine, cosine = math.sin(math.pi * r), 0.5 * math.pi * math.cos(math.pi * r)
    first = cosine + sine * g1
    second = sine * (g1 * g1 + g2 - 0.25 * math.pi * math.pi) + 2.0 * cosine * g1
    return g * sine, g * first, g * second


@compilable
def riemann_excess_derivatives(s: float) -> tuple[float, float, float]:
    """Riemann zeta(s) - 1, which keeps its digits for large s, and its first two derivatives."""
    if s > 1.0:
        return zeta_derivatives(s, 2.0)
    f, fs, fss = riemann_derivatives(s)
    return f - 1.0, fs, fss


@compilable
def hurwitz(s: float, q: float) -> tuple[float, float, float, float, float, float]:
    """zeta(s, q) and its partial derivatives: value, s, q, ss, sq, qq."""
    if not (s > 1.0 and q > 0.0):
        bad = math.inf if s == 1.0 or q == 0.0 else math.nan
        return bad, math.nan, math.nan, math.nan, math.nan, math.nan
    f, fs, fss = zeta_derivatives(s, q)
    g, gs, _ = zeta_derivatives(s + 1.0, q)
    h, _, _ = zeta_derivatives(s + 2.0, q)
    return f, fs, -s * g, fss, -g - s * gs, s * (s + 1.0) * h


@compilable
def zeta(s: float, q: float) -> float:
    """Hurwitz zeta function, s > 1 and q > 0."""
    return hurwitz(s, q)[0]


@compilable
def riemann_zeta(s: float) -> float:
    """Riemann zeta function."""
    return riemann_derivatives(s)[0]


@compilable
def polygamma(n: float, x: float) -> float:
    """Derivative n of digamma at x > 0, n >= 0 an integer: (-1)^(n+1) n! zeta(n + 1, x)."""
    if n == 0.0:
        return digamma_positive(x)
    sign = 1.0 if n % 2.0 == 1.0 else -1.0
    return sign * math.gamma(n + 1.0) * zeta(n + 1.0, x)
