"""Continuous families on the line, as `scipy.stats` parameterizes them.

Each is its sampler and its log density; with z = (x - loc) / scale,

- norm: log f = -log(scale) - log(2 pi) / 2 - z^2 / 2
- gamma: log f = (a - 1) log z - z - log Gamma(a) - log(scale), loc = 0
- beta: log f = (a - 1) log x + (b - 1) log(1 - x) - log B(a, b)
- weibull_min: log f = log(c / scale) + (c - 1) log z - z^c, loc = 0
- t: log f = log Gamma((df + 1) / 2) - log Gamma(df / 2) - log(pi df) / 2 - log(scale) - (df + 1) / 2 log(1 + z^2 / df)
- gumbel_r: log f = -log(scale) - z - exp(-z)

>>> from fastfim.catalogue import catalogue
>>> print(f"{catalogue['norm'].logpdf(1.0, (0.0, 2.0)):.6f}")
-1.737086
"""

from __future__ import annotations

from math import exp, inf, lgamma, log, log1p, pi
from typing import Any

from ..likelihood import Likelihood, positive, real
from .constants import BELOW_ONE, HALF_LOG_2PI, SMALLEST
from .registry import Entry


def _norm_sample(rng: Any, theta: Any) -> Any:
    loc, scale = theta
    return rng.normal(loc, scale)


def _norm_logpdf(x: Any, theta: Any) -> Any:
    loc, scale = theta
    z = (x - loc) / scale
    return -0.5 * z * z - log(scale) - HALF_LOG_2PI


def _gamma_sample(rng: Any, theta: Any) -> Any:
    a, scale = theta
    return max(rng.gamma(a, scale), SMALLEST)


def _gamma_logpdf(x: Any, theta: Any) -> Any:
    a, scale = theta
    if x <= 0.0:
        return -inf
    # log(x) - log(scale), not log(x / scale): the second does not depend on the draw and leaves the loop over draws
    return (a - 1.0) * log(x) - x / scale - lgamma(a) - a * log(scale)


def _beta_sample(rng: Any, theta: Any) -> Any:
    a, b = theta
    return min(max(rng.beta(a, b), SMALLEST), BELOW_ONE)


def _beta_logpdf(x: Any, theta: Any) -> Any:
    a, b = theta
    if x <= 0.0 or x >= 1.0:
        return -inf
    return (a - 1.0) * log(x) + (b - 1.0) * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)


def _weibull_min_sample(rng: Any, theta: Any) -> Any:
    c, scale = theta
    return max(scale * rng.weibull(c), SMALLEST)


def _weibull_min_logpdf(x: Any, theta: Any) -> Any:
    c, scale = theta
    if x <= 0.0:
        return -inf
    log_z = log(x) - log(scale)
    return log(c) - log(scale) + (c - 1.0) * log_z - exp(c * log_z)


def _t_sample(rng: Any, theta: Any) -> Any:
    df, loc, scale = theta
    return loc + scale * rng.standard_t(df)


def _t_logpdf(x: Any, theta: Any) -> Any:
    df, loc, scale = theta
    z = (x - loc) / scale
    half = 0.5 * (df + 1.0)
    return lgamma(half) - lgamma(0.5 * df) - 0.5 * log(pi * df) - log(scale) - half * log1p(z * z / df)


def _gumbel_r_sample(rng: Any, theta: Any) -> Any:
    loc, scale = theta
    return rng.gumbel(loc, scale)


def _gumbel_r_logpdf(x: Any, theta: Any) -> Any:
    loc, scale = theta
    z = (x - loc) / scale
    return -log(scale) - z - exp(-z)


ENTRIES = (
    Entry(
        Likelihood(_norm_sample, _norm_logpdf, parameters=("loc", "scale"), domain=(real, positive), name="norm"),
        "Normal distribution",
    ),
    Entry(
        Likelihood(_gamma_sample, _gamma_logpdf, parameters=("a", "scale"), domain=positive, name="gamma"),
        "Gamma distribution with shape a",
    ),
    Entry(
        Likelihood(_beta_sample, _beta_logpdf, parameters=("a", "b"), domain=positive, name="beta"),
        "Beta distribution on (0, 1)",
    ),
    Entry(
        Likelihood(
            _weibull_min_sample, _weibull_min_logpdf, parameters=("c", "scale"), domain=positive, name="weibull_min"
        ),
        "Weibull distribution with shape c",
    ),
    Entry(
        Likelihood(
            _t_sample, _t_logpdf, parameters=("df", "loc", "scale"), domain=(positive, real, positive), name="t"
        ),
        "Student's t distribution with df degrees of freedom",
    ),
    Entry(
        Likelihood(
            _gumbel_r_sample, _gumbel_r_logpdf, parameters=("loc", "scale"), domain=(real, positive), name="gumbel_r"
        ),
        "Gumbel distribution of maxima",
    ),
)
