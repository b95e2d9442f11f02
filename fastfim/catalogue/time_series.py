"""Time series: one draw is a whole series of T values.

ar1: x_t = const + coef x_{t-1} + scale e_t with e_t ~ N(0, 1), started from its stationary distribution
N(const / (1 - coef), scale^2 / (1 - coef^2)), so that the likelihood is exact (Hamilton 1994, section 5.2):

    log f(x) = log(1 - coef^2) / 2 - T log(scale) - T log(2 pi) / 2 - S / (2 scale^2),
    S = (1 - coef^2) (x_1 - const / (1 - coef))^2 + sum_{t > 1} (x_t - const - coef x_{t-1})^2

>>> from fastfim.catalogue import catalogue
>>> bound = catalogue["ar1"].bind((20,))
>>> bound.parameters, bound.size
(('const', 'coef', 'scale'), 20)
"""

from __future__ import annotations

from math import log, log1p, sqrt
from typing import Any

from ..likelihood import Likelihood, interval, positive, real
from .constants import HALF_LOG_2PI
from .registry import Entry


def _series_length(T: Any) -> Any:
    """Length of one draw."""
    return T


def _ar1_sample(rng: Any, theta: Any, x: Any, T: Any) -> None:
    const, coef, scale = theta
    value = const / (1.0 - coef) + scale / sqrt((1.0 - coef) * (1.0 + coef)) * rng.standard_normal()
    x[0] = value
    for t in range(1, T):
        # a register, not x[t - 1], and what does not wait for the last value first: half the time
        value = coef * value + (const + scale * rng.standard_normal())
        x[t] = value


def _ar1_logpdf(x: Any, theta: Any, T: Any) -> Any:
    const, coef, scale = theta
    start = x[0] - const / (1.0 - coef)
    squares = (1.0 - coef) * (1.0 + coef) * start * start
    for t in range(1, T):
        innovation = x[t] - const - coef * x[t - 1]
        squares += innovation * innovation
    log_determinant = 2.0 * T * log(scale) - log1p(-coef) - log1p(coef)
    return -0.5 * log_determinant - T * HALF_LOG_2PI - 0.5 * squares / (scale * scale)


ENTRIES = (
    Entry(
        Likelihood(
            _ar1_sample,
            _ar1_logpdf,
            parameters=("const", "coef", "scale"),
            domain=(real, interval(-1.0, 1.0), positive),
            size=_series_length,
            name="ar1",
        ),
        "Stationary Gaussian autoregression of order one, T values",
    ),
)
