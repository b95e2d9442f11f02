"""Discrete families, as `scipy.stats` parameterizes them.

- poisson: log P(x) = x log(mu) - mu - log x!
- nbinom: failures before the n-th success, for any real n > 0,
  log P(x) = log Gamma(x + n) - log Gamma(n) - log x! + n log p + x log(1 - p)
- binom: log P(x) = log C(n, x) + x log p + (n - x) log(1 - p), with n a constant

>>> from fastfim.catalogue import catalogue
>>> print(f"{catalogue['binom'].logpdf(3.0, (0.5,), 3):.6f}")
-2.079442
"""

from __future__ import annotations

from math import inf, lgamma, log, log1p
from typing import Any

from ..likelihood import Likelihood, positive, unit_interval
from .registry import Entry


def _poisson_sample(rng: Any, theta: Any) -> Any:
    return rng.poisson(theta[0])


def _poisson_logpmf(x: Any, theta: Any) -> Any:
    mu = theta[0]
    if x < 0.0:
        return -inf
    return x * log(mu) - mu - lgamma(x + 1.0)


def _nbinom_sample(rng: Any, theta: Any) -> Any:
    n, p = theta
    return rng.negative_binomial(n, p)


def _nbinom_logpmf(x: Any, theta: Any) -> Any:
    n, p = theta
    if x < 0.0:
        return -inf
    return lgamma(x + n) - lgamma(n) - lgamma(x + 1.0) + n * log(p) + x * log1p(-p)


def _binom_sample(rng: Any, theta: Any, n: Any) -> Any:
    return rng.binomial(n, theta[0])


def _binom_logpmf(x: Any, theta: Any, n: Any) -> Any:
    p = theta[0]
    if x < 0.0 or x > n:
        return -inf
    return lgamma(n + 1.0) - lgamma(x + 1.0) - lgamma(n - x + 1.0) + x * log(p) + (n - x) * log1p(-p)


def _binom_domain(n: Any) -> Any:
    """Refuse a number of trials that is none."""
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"n must be a positive integer, the number of trials; got {n!r}")
    return unit_interval


ENTRIES = (
    Entry(
        Likelihood(_poisson_sample, _poisson_logpmf, parameters=("mu",), domain=positive, name="poisson"),
        "Poisson distribution",
    ),
    Entry(
        Likelihood(
            _nbinom_sample, _nbinom_logpmf, parameters=("n", "p"), domain=(positive, unit_interval), name="nbinom"
        ),
        "Negative binomial distribution, any real n",
    ),
    Entry(
        Likelihood(_binom_sample, _binom_logpmf, parameters=("p",), domain=_binom_domain, name="binom"),
        "Binomial distribution of n trials",
    ),
)
