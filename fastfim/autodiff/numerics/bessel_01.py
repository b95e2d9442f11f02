"""Modified Bessel functions I_0 and I_1 of a real argument: values and two derivatives, plain and scaled by exp(-|x|).

Below 20 the ascending series, in which the derivatives are sums of positive terms too (I_0'' = I_1' = sum of
t_k (2k + 1) / (2k + 2) with t_k = (x/2)^2k / k!^2); above, Hankel's expansion (NIST DLMF 10.40.1), differentiated
term by term, because I_1 exp(-x) - I_0 exp(-x) cancels there::

    i0e_derivatives(50.0)  # 0.0565616266..., -0.000568502..., 1.7143...e-05
"""

from __future__ import annotations

import math

import numpy as np

from fastfim.autodiff.numerics.compile import compilable

LARGE = 20.0
INVERSE_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


def hankel_coefficients(order: int, count: int) -> list[float]:
    """(-1)^k a_k(order), k < count (DLMF 10.17.1)."""
    coefficients = [1.0]
    for k in range(1, count):
        coefficients.append(-coefficients[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    return coefficients


HANKEL = np.array([hankel_coefficients(order, 25) for order in (0, 1)])


@compilable
def _series(x: float) -> tuple[float, float, float, float]:
    """I_0, I_1, I_1' = I_0'', and I_1'', by the ascending series for |x| < 20."""
    q = 0.25 * x * x
    term, k = 1.0, 0.0
    i0, i1, i1x, i1xx = 0.0, 0.0, 0.0, 0.0
    while term > 1e-20 * i0:
        up = 1.0 / (k + 1.0)
        i0, i1, i1x = i0 + term, i1 + term * up, i1x + term * (1.0 - 0.5 * up)
        i1xx += term * up * (2.0 * k + 3.0) / (2.0 * k + 4.0)
        k += 1.0
        term *= q * up * up
    return i0, 0.5 * x * i1, i1x, 0.5 * x * i1xx


@compilable
def _hankel(order: int, x: float) -> tuple[float, float, float]:
    """exp(-x) I_order(x), x >= 20, and two derivatives."""
    y = 1.0 / x
    f, fx, fxx = 0.0, 0.0, 0.0
    for k in range(HANKEL.shape[1] - 1, -1, -1):
        c, m = HANKEL[order, k], k + 0.5
        f, fx, fxx = f * y + c, fx * y - c * m, fxx * y + c * m * (m + 1.0)
    s = INVERSE_SQRT_2PI * math.sqrt(y)
    return s * f, s * y * fx, s * y * y * fxx


@compilable
def i0e_derivatives(x: float) -> tuple[float, float, float]:
    """exp(-|x|) I_0(x) and two derivatives (those of x > 0 at the corner x = 0)."""
    z, sign = abs(x), -1.0 if x < 0.0 else 1.0
    if z >= LARGE:
        f, fx, fxx = _hankel(0, z)
        return f, sign * fx, fxx
    i0, i1, i1x, _ = _series(z)
    s = math.exp(-z)
    return s * i0, sign * s * (i1 - i0), s * (i1x - 2.0 * i1 + i0)


@compilable
def i1e_derivatives(x: float) -> tuple[float, float, float]:
    """exp(-|x|) I_1(x) and two derivatives (those of x > 0 at x = 0)."""
    z, sign = abs(x), -1.0 if x < 0.0 else 1.0
    if z >= LARGE:
        f, fx, fxx = _hankel(1, z)
        return sign * f, fx, sign * fxx
    _, i1, i1x, i1xx = _series(z)
    s = math.exp(-z)
    return sign * s * i1, s * (i1x - i1), sign * s * (i1xx - 2.0 * i1x + i1)


@compilable
def i0_derivatives(x: float) -> tuple[float, float, float]:
    """I_0(x) and two derivatives."""
    z, sign = abs(x), -1.0 if x < 0.0 else 1.0
    if z < LARGE:
        i0, i1, i1x, _ = _series(z)
        return i0, sign * i1, i1x
    f, fx, fxx = _hankel(0, z)
    half = _half_growth(z)
    return f * half * half, sign * (f + fx) * half * half, (f + 2.0 * fx + fxx) * half * half


@compilable
def i1_derivatives(x: float) -> tuple[float, float, float]:
    """I_1(x) and two derivatives."""
    z, sign = abs(x), -1.0 if x < 0.0 else 1.0
    if z < LARGE:
        _, i1, i1x, i1xx = _series(z)
        return sign * i1, i1x, sign * i1xx
    f, fx, fxx = _hankel(1, z)
    half = _half_growth(z)
    return sign * f * half * half, (f + fx) * half * half, sign * (f + 2.0 * fx + fxx) * half * half


@compilable
def _half_growth(z: float) -> float:
    """exp(z / 2): exp(z) overflows before I_0(z) does."""
    return math.exp(0.5 * z) if z < 1400.0 else math.inf


@compilable
def i0(x: float) -> float:
    """I_0(x)."""
    return i0_derivatives(x)[0]


@compilable
def i1(x: float) -> float:
    """I_1(x)."""
    return i1_derivatives(x)[0]


@compilable
def i0e(x: float) -> float:
    """exp(-|x|) I_0(x)."""
    return i0e_derivatives(x)[0]


@compilable
def i1e(x: float) -> float:
    """exp(-|x|) I_1(x)."""
    return i1e_derivatives(x)[0]
