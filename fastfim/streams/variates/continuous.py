"""Continuous variates made of one or two uniforms, normals or exponentials.

With E a standard exponential, Z a standard normal and U a uniform: a Weibull is E^(1/a), a Gumbel -log E, a Pareto
(Lomax) exp(E/a) - 1, a Rayleigh sqrt(2 E), a logistic log(U / (1 - U)), a Cauchy the ratio of two Z. Two need more:

**Inverse Gaussian** (`wald`), Michael, Schucany and Haas (1976): with w = mean Z^2 / (2 scale) the draw is one of the
two roots mean (1 + w -+ sqrt(w (w + 2))), the smaller with probability 1 / (1 + root / mean). The smaller is computed
as the reciprocal of the larger, so that nothing cancels.

**Von Mises**, Best and Fisher (1979), by rejection from a wrapped Cauchy. In the half angle: tan(theta / 2) = s C
with C a standard Cauchy, and with q = sin(theta / 2)^2 the draw is accepted if U <= w exp(1 - w), w = B + 2 kappa q,
where B = (1 + 1 / (sqrt(1 + 4 kappa^2) + 2 kappa)) / 2 and s^2 = B / (B + 2 kappa). Written so, one formula serves
every concentration, from the uniform circle (kappa = 0) to a spike, without a loss of digits.
"""

from __future__ import annotations

import math

from ..methods import variate
from ..quantiles.continuous import VONMISES, WALD, refine_vonmises, refine_wald
from ..quantiles.elementary import exponential_quantile
from ..stream import take_coordinate, take_quantile, take_tails
from ..typed import Rng, inline


@inline
def _not_negative(value: float) -> float:
    """The value, or nan if it is negative."""
    return value if value >= 0.0 else math.nan


@inline
def _positive(value: float) -> float:
    """The value, or nan if it is not positive."""
    return value if value > 0.0 else math.nan


@variate()
def uniform(rng: Rng, low: float = 0.0, high: float = 1.0) -> float:
    """Uniform on (low, high)."""
    return low + _not_negative(high - low) * rng.random()


@variate()
def normal(rng: Rng, loc: float = 0.0, scale: float = 1.0) -> float:
    """Normal of mean loc and standard deviation scale."""
    return loc + _not_negative(scale) * rng.standard_normal()


@variate()
def lognormal(rng: Rng, mean: float = 0.0, sigma: float = 1.0) -> float:
    """Exponential function of a normal."""
    return math.exp(mean + _not_negative(sigma) * rng.standard_normal())


@variate()
def exponential(rng: Rng, scale: float = 1.0) -> float:
    """Exponential of mean scale."""
    return _not_negative(scale) * rng.standard_exponential()


def _standard_cauchy_by_inversion(rng: Rng) -> float:
    t = take_coordinate(rng)
    if abs(t) > 0.25:
        return -math.tan(math.pi * (math.copysign(0.5, t) - t))
    return -1.0 / math.tan(math.pi * t)


@variate(inverse=_standard_cauchy_by_inversion)
def standard_cauchy(rng: Rng) -> float:
    """Ratio of two standard normals."""
    return rng.standard_normal() / rng.standard_normal()


def _laplace_by_inversion(rng: Rng, loc: float = 0.0, scale: float = 1.0) -> float:
    t = take_coordinate(rng)
    return loc + _not_negative(scale) * math.copysign(math.log(2.0 * abs(t)), -t)


@variate(inverse=_laplace_by_inversion)
def laplace(rng: Rng, loc: float = 0.0, scale: float = 1.0) -> float:
    """Exponential with a random sign, about loc."""
    return loc + _not_negative(scale) * math.copysign(rng.standard_exponential(), rng.random() - 0.5)


def _logistic_by_inversion(rng: Rng, loc: float = 0.0, scale: float = 1.0) -> float:
    u, rest = take_tails(rng)
    return loc + _not_negative(scale) * math.log(u / rest)


@variate(inverse=_logistic_by_inversion)
def logistic(rng: Rng, loc: float = 0.0, scale: float = 1.0) -> float:
    """Log odds of a uniform, about loc."""
    u = rng.random()
    return loc + _not_negative(scale) * math.log(u / (1.0 - u))


def _gumbel_by_inversion(rng: Rng, loc: float = 0.0, scale: float = 1.0) -> float:
    return loc - _not_negative(scale) * math.log(exponential_quantile(-take_coordinate(rng)))


@variate(inverse=_gumbel_by_inversion)
def gumbel(rng: Rng, loc: float = 0.0, scale: float = 1.0) -> float:
    """Limit of the maximum of many: minus the logarithm of an exponential, about loc."""
    return loc - _not_negative(scale) * math.log(rng.standard_exponential())


@variate()
def rayleigh(rng: Rng, scale: float = 1.0) -> float:
    """Length of a vector of two normals of standard deviation scale."""
    return _not_negative(scale) * math.sqrt(2.0 * rng.standard_exponential())


@variate()
def weibull(rng: Rng, a: float) -> float:
    """Weibull of shape a and scale 1; all at 0 for a = 0, as in NumPy."""
    draw: float = rng.standard_exponential() ** (1.0 / _positive(a))
    return 0.0 if a == 0.0 else draw


@variate()
def pareto(rng: Rng, a: float) -> float:
    """Pareto II (Lomax) of shape a: its tail falls like x^-a, and it begins at 0."""
    return math.expm1(rng.standard_exponential() / _positive(a))


@variate()
def power(rng: Rng, a: float) -> float:
    """Density a x^(a - 1) on (0, 1)."""
    draw: float = rng.random() ** (1.0 / _positive(a))
    return draw


def _triangular_by_inversion(rng: Rng, left: float, mode: float, right: float) -> float:
    base = right - left
    u, rest = take_tails(rng)
    if not (left <= mode <= right and base > 0.0):
        return math.nan
    if u * base <= mode - left:
        return left + math.sqrt(u * base * (mode - left))
    return right - math.sqrt(rest * base * (right - mode))


@variate(inverse=_triangular_by_inversion)
def triangular(rng: Rng, left: float, mode: float, right: float) -> float:
    """Density rising from left to mode and falling to right."""
    base = right - left
    if not (left <= mode <= right and base > 0.0):
        return math.nan
    u = rng.random()
    if u * base <= mode - left:
        return left + math.sqrt(u * base * (mode - left))
    return right - math.sqrt((1.0 - u) * base * (right - mode))


def _wald_by_inversion(rng: Rng, mean: float, scale: float) -> float:
    ratio = _positive(scale) / _positive(mean)
    return mean * take_quantile(rng, refine_wald, WALD, ratio)


@variate(inverse=_wald_by_inversion)
def wald(rng: Rng, mean: float, scale: float) -> float:
    """Inverse Gaussian, by the choice between two roots."""
    z = rng.standard_normal()
    w = 0.5 * _positive(mean) / _positive(scale) * z * z
    root = 1.0 + w + math.sqrt(w) * math.sqrt(w + 2.0)
    if rng.random() * (1.0 + root) < 1.0:
        return mean * root
    return mean / root


@inline
def _wrapped(angle: float) -> float:
    """The angle in [-pi, pi]."""
    if abs(angle) > math.pi:
        angle -= 2.0 * math.pi * math.floor(angle / (2.0 * math.pi) + 0.5)
    return angle


def _vonmises_by_inversion(rng: Rng, mu: float, kappa: float) -> float:
    if not (0.0 <= 2.0 * kappa < math.inf and abs(mu) < math.inf):
        return math.nan
    return _wrapped(mu + take_quantile(rng, refine_vonmises, VONMISES, kappa))


@variate(inverse=_vonmises_by_inversion)
def vonmises(rng: Rng, mu: float, kappa: float) -> float:
    """Angle about mu with concentration kappa, in [-pi, pi], by rejection from a wrapped Cauchy."""
    twice = 2.0 * kappa
    if not (0.0 <= twice < math.inf and abs(mu) < math.inf):
        return math.nan
    b = 0.5 + 0.5 / (math.hypot(1.0, twice) + twice)
    spread = math.sqrt(b / (b + twice))
    while True:
        y = spread * rng.standard_normal()
        x = rng.standard_normal()
        w = b + twice * (y * y / (y * y + x * x))
        u = rng.random()
        if u <= w * (2.0 - w) or u <= w * math.exp(1.0 - w):
            break
    return _wrapped(mu + 2.0 * math.atan(y / x))
