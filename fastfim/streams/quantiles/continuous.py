"""Quantile functions of continuous families, of a signed tail probability t and up to three parameters.

**Gamma** of shape 1/2 and more by Halley's method from Wilson and Hilferty's (1931) guess: with the error e of the
tail over the density f, the step is e / (1 - e f' / (2 f)). Two steps suffice, in half the time of SciPy's inverse,
which serves smaller shapes and what does not settle.

**Beta, F, Student's t** by SciPy's inverse incomplete beta function, in the tail at hand. With T of Student's law,
T^2 / (df + T^2) has a beta law of shapes 1/2 and df / 2; near the median that ratio is small and has all its digits, in
the far tails its complement has.

**Inverse Gaussian** of mean 1 and scale s, on the scale y = log x: with r = 2 sqrt(s) sinh(y/2) and
R = 2 sqrt(s) cosh(y/2) the tails are exp(-r^2/2) / 2 times erfcx(-r/sqrt 2) + erfcx(R/sqrt 2) (lower, r < 0) and
erfcx(r/sqrt 2) - erfcx(R/sqrt 2) (upper, r > 0).

**Noncentral chi-square**, a mixture of gamma laws of shapes df/2 + j with Poisson weights w_j of mean nonc/2. Both
tails are sums of positive terms: with g_j = h^(df/2+j) e^-h / Gamma(df/2+j+1), h = x/2, P(k + 1, h) = P(k, h) - g, so

    sum_j w_j P(df/2 + j, h) = sum_i g_i (w_0 + ... + w_i),   sum_j w_j Q(...) = Q(df/2, h) + sum_i g_i (w_(i+1) + ...).

**Von Mises**: its tail is integrated by Gauss and Legendre's rule over as much of the circle as matters.

`REFINE` functions are what compiled code calls where the table (see `tables`) has nothing yet.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from ..special import (
    betainccinv,
    betaincinv,
    erfcx,
    external,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
)
from ..tables import refined
from ..typed import apart, called, inline
from ..variates.masses import deviance, log_poisson_mass
from .elementary import normal_quantile
from .large_gamma import LARGE, large_gamma_tails
from .solve import solve

REFINE = types.float64(types.CPointer(types.float64), types.float64, types.float64, types.float64, types.float64)

GAMMA, BETA, F, STUDENT, WALD, NONCENTRAL, VONMISES = (float(i) for i in range(1, 8))

_HALLEY, _HALLEY_STEPS, _FAR_UP = 1e-5, 8, -0.05
_NORMAL_GAMMA = 1e12
_NORMAL_STUDENT = 1e9
_NORMAL_NONCENTRAL = 1e7
_LOG_TINY = -40.0
_SQRT_HALF = math.sqrt(0.5)
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_PANELS = 8


@inline
def _lower(t: float) -> float:
    """U itself."""
    return t if t > 0.0 else 1.0 + t


@inline
def log_lower(t: float) -> float:
    """Logarithm of u."""
    return math.log(t) if t > 0.0 else math.log1p(t)


@inline
def _standardised_gamma_tails(y: float, a: float, b: float, c: float) -> tuple[float, float, float]:
    """In standard deviations from the mean."""
    x = a + y * b
    below, above = large_gamma_tails(a, x)
    return below, above, math.exp(-deviance(a, x) - 1.0 / (12.0 * a)) / math.sqrt(2.0 * math.pi) * (a / x)


@inline
def _gamma_guess(t: float, a: float) -> float:
    """Wilson and Hilferty's (1931), which errs by a^(-3/2) of the value."""
    root = 1.0 - 1.0 / (9.0 * a) + normal_quantile(t) / (3.0 * math.sqrt(a))
    return a * root * root * root


@inline
def _halley_gamma_quantile(t: float, a: float) -> float:
    """From shape 1/2 on; NaN if it does not settle. A step of less than `_HALLEY` deviations leaves its cube."""
    log_factor = math.lgamma(a)
    x = _gamma_guess(t, a)
    if t > 0.0 and x < 0.3 * a:  # P(a, x) = x^a / Gamma(a + 1) for small x
        x = max(x, math.exp((math.log(t) + log_factor + math.log(a)) / a))
    last = _HALLEY / (1.0 + math.sqrt(a))
    for _ in range(_HALLEY_STEPS):
        density = math.exp((a - 1.0) * math.log(x) - x - log_factor)
        # the upper tail's function is slower, and the lower's loses nothing until far up
        excess: float = gammainc(a, x) - _lower(t) if t > 0.0 or t < _FAR_UP else -(gammaincc(a, x) + t)
        error = excess / density
        step = error / (1.0 - 0.5 * error * ((a - 1.0) / x - 1.0))
        if abs(step) <= last * x:
            return x - step
        x = max(x - step, 0.5 * x)
    return math.nan


@called
def _large_gamma_quantile(t: float, a: float) -> float:
    """Newton's method from a guess that is nearly right."""
    deviation = math.sqrt(a)
    x = _gamma_guess(t, a)
    if a > _NORMAL_GAMMA:
        return x
    return a + deviation * solve(
        _standardised_gamma_tails, t, (x - a) / deviation, -deviation, math.inf, a, deviation, 0.0
    )


@called
def gamma_quantile(t: float, a: float, log: float = 0.0, c: float = 0.0) -> float:
    """Gamma of shape a, or its logarithm if ``log`` is 1: P(a, x) = x^a / Gamma(a + 1) where x is small.

    Both in one function, which is compiled once.
    """
    if a < 0.5 or log == 1.0:
        log_x = (log_lower(t) + math.lgamma(a + 1.0)) / a
        if log_x < _LOG_TINY:
            return log_x if log == 1.0 else math.exp(log_x)
    x: float = math.nan
    if a >= LARGE:
        x = _large_gamma_quantile(t, a)
    elif a >= 0.5:
        x = _halley_gamma_quantile(t, a)
    if math.isnan(x):
        x = gammaincinv(a, t) if t > 0.0 else gammainccinv(a, -t)
    return math.log(x) if log == 1.0 else x


@apart
def beta_quantile(t: float, a: float, b: float, c: float = 0.0) -> float:
    """Beta of shapes a and b."""
    x: float = betaincinv(a, b, t) if t > 0.0 else betainccinv(a, b, -t)
    return x


@apart
def f_quantile(t: float, a: float, b: float, c: float = 0.0) -> float:
    """F of a and b degrees of freedom."""
    x = beta_quantile(t, 0.5 * a, 0.5 * b)
    rest = 1.0 - x if x < 0.5 else beta_quantile(-t, 0.5 * b, 0.5 * a)
    return b / a * x / rest


@apart
def student_quantile(t: float, a: float, b: float = 0.0, c: float = 0.0) -> float:
    """Student's t of a degrees of freedom."""
    if a > _NORMAL_STUDENT:
        z = normal_quantile(t)
        return z + z * (z * z + 1.0) / (4.0 * a)
    size = abs(t)
    ratio = betaincinv(0.5, 0.5 * a, 1.0 - 2.0 * size) if size > 0.25 else betainccinv(0.5, 0.5 * a, 2.0 * size)
    if ratio < 0.5:
        distance = math.sqrt(a * ratio / (1.0 - ratio))
    else:
        rest = betaincinv(0.5 * a, 0.5, 2.0 * size)
        distance = math.sqrt(a) * math.sqrt(1.0 - rest) / math.sqrt(rest)
    return -distance if t > 0.0 else distance


@inline
def _wald_tails(y: float, a: float, b: float, c: float) -> tuple[float, float, float]:
    root = math.sqrt(a)
    near, far = 2.0 * root * math.sinh(0.5 * y), 2.0 * root * math.cosh(0.5 * y)
    height = math.exp(-0.5 * near * near)
    density = root / math.sqrt(2.0 * math.pi) * math.exp(-0.5 * y) * height
    if near < 0.0:
        below = 0.5 * height * (erfcx(-near * _SQRT_HALF) + erfcx(far * _SQRT_HALF))
        return below, 1.0 - below, density
    above = 0.5 * height * (erfcx(near * _SQRT_HALF) - erfcx(far * _SQRT_HALF))
    return 1.0 - above, above, density


@apart
def wald_quantile(t: float, a: float, b: float = 0.0, c: float = 0.0) -> float:
    """Inverse Gaussian of mean 1 and scale a."""
    guess = 2.0 * math.asinh(0.5 * normal_quantile(t) / math.sqrt(a))
    if a < 1.0:  # towards Levy's law: x = a / z^2 in the lower tail
        z = normal_quantile(0.5 * t if t > 0.0 else 0.5 + 0.5 * t)
        guess = min(guess, math.log(a) - 2.0 * math.log(abs(z) + 1e-300)) if t > 0.0 else min(guess, 0.0)
    return math.exp(solve(_wald_tails, t, guess, -math.inf, math.inf, a, b, c))


@inline
def _noncentral_tails(y: float, a: float, b: float, c: float) -> tuple[float, float, float]:
    """Tails on the scale of log x; a is half of df, b half of nonc."""
    h = 0.5 * math.exp(y)
    spread = 12.0 * math.sqrt(b) + 30.0
    first, last = float(math.floor(max(0.0, b - spread))), float(math.ceil(b + spread))
    log_h = math.log(h)
    weight = math.exp(log_poisson_mass(first, b)) if b > 0.0 else 1.0
    g = math.exp((a + first) * log_h - h - math.lgamma(a + first + 1.0))
    weights, below, density = 0.0, 0.0, 0.0
    j = first
    while j <= last:
        weights += weight
        below += g * weights
        density += g * weight * (a + j)
        j += 1.0
        weight *= b / j
        g *= h / (a + j)
    below += weights * gammainc(a + j, h)
    weight = math.exp(log_poisson_mass(last, b)) if b > 0.0 else 0.0
    g = math.exp((a + last) * log_h - h - math.lgamma(a + last + 1.0))
    weights, above = 0.0, 0.0
    while j > first:  # sum over i < j of g_i times the weights after i
        j -= 1.0
        above += g * weights
        weights += weight
        weight *= j / b if b > 0.0 else 0.0
        g *= (a + j) / h
    above += gammaincc(a + first, h)
    return below, above, density


@apart
def noncentral_quantile(t: float, a: float, b: float, c: float = 0.0) -> float:
    """Noncentral chi-square of a degrees of freedom and noncentrality b."""
    mean, variance = a + b, 2.0 * (a + 2.0 * b)
    z = normal_quantile(t)
    skewness = 8.0 * (a + 3.0 * b) / (variance * math.sqrt(variance))
    if b > _NORMAL_NONCENTRAL:  # Cornish and Fisher (1938), to the third order: an error of b^(-3/2)
        kurtosis = 48.0 * (a + 4.0 * b) / variance**2
        shift = skewness / 6.0 * (z * z - 1.0) + kurtosis / 24.0 * z * (z * z - 3.0)
        return mean + math.sqrt(variance) * (z + shift - skewness * skewness / 36.0 * z * (2.0 * z * z - 5.0))
    # a gamma law of the same mean and variance
    scale = 0.5 * variance / mean
    x = scale * gamma_quantile(t, mean / scale)
    guess = math.log(max(x, 1e-300))
    return math.exp(solve(_noncentral_tails, t, guess, -math.inf, math.inf, 0.5 * a, 0.5 * b, c))


@inline
def _circle_integral(begin: float, kappa: float) -> float:
    """Integral of exp(-2 kappa sin(x / 2)^2) from begin to pi, as far as it matters."""
    width = math.pi - begin
    if kappa > 10.0:
        width = min(width, 9.5 / math.sqrt(kappa))
    half = 0.5 * width / _PANELS
    total = 0.0
    for panel in range(_PANELS):
        middle = begin + half * (2 * panel + 1)
        for k in range(16):
            s = math.sin(0.5 * (middle + half * _POINTS[k]))
            total += _WEIGHTS[k] * math.exp(-2.0 * kappa * s * s)
    return half * total


@inline
def _vonmises_tails(y: float, a: float, b: float, c: float) -> tuple[float, float, float]:
    """For y >= 0, in units of c; b is the integral over half of the circle."""
    x = min(y * c, math.pi)
    s = math.sin(0.5 * x)
    above = 0.5 * _circle_integral(x, a) / b
    return 1.0 - above, above, 0.5 * math.exp(-2.0 * a * s * s) / b * c


@apart
def vonmises_quantile(t: float, a: float, b: float = 0.0, c: float = 0.0) -> float:
    """Von Mises about 0 of concentration a, in (-pi, pi)."""
    size = abs(t)
    half = _circle_integral(0.0, a)
    unit = 1.0 / math.sqrt(1.0 + a)
    end = math.pi / unit
    guess = min((1.0 - 2.0 * size) * end, abs(normal_quantile(t)) + 1e-3)
    x = unit * solve(_vonmises_tails, -size, guess, 0.0, end, a, half, unit) if size < 0.5 else 0.0
    return -x if t > 0.0 else x


@external(REFINE)
def refine_gamma(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`gamma_quantile`, tabulated."""
    return refined(gamma_quantile, pointer, GAMMA, t, a, b, c)


@external(REFINE)
def refine_beta(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`beta_quantile`, tabulated."""
    return refined(beta_quantile, pointer, BETA, t, a, b, c)


@external(REFINE)
def refine_f(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`f_quantile`, tabulated."""
    return refined(f_quantile, pointer, F, t, a, b, c)


@external(REFINE)
def refine_student(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`student_quantile`, tabulated."""
    return refined(student_quantile, pointer, STUDENT, t, a, b, c)


@external(REFINE)
def refine_wald(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`wald_quantile`, tabulated."""
    return refined(wald_quantile, pointer, WALD, t, a, b, c)


@external(REFINE)
def refine_noncentral(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`noncentral_quantile`, tabulated."""
    return refined(noncentral_quantile, pointer, NONCENTRAL, t, a, b, c)


@external(REFINE)
def refine_vonmises(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`vonmises_quantile`, tabulated."""
    return refined(vonmises_quantile, pointer, VONMISES, t, a, b, c)
