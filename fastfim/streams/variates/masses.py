"""Logarithms of discrete masses that keep their digits for large counts.

``lgamma`` differences lose all digits there (at a mean of 1e15 their error is a few units). Loader (2000, *Fast and
accurate computation of binomial probabilities*) writes a mass by its saddle-point expansion: with the error of
Stirling's formula

    delta(n) = log n! - (n + 1/2) log n + n - log(2 pi) / 2

and the deviance D(x, m) = x log(x / m) + m - x, the Poisson mass at k > 0 is exp(-delta(k) - D(k, lam)) / sqrt(2 pi k).

>>> import math
>>> error = log_poisson_mass(3.0, 2.0) - math.log(math.exp(-2.0) * 2.0**3 / 6)
>>> abs(error) < 1e-14
True
"""

from __future__ import annotations

import math

import numpy as np

from ..typed import apart

_HALF_LOG_2PI = 0.91893853320467274178

# stirling_error(n) for n < 16, where the series is too short (the entry of 0 is not used)
_SMALL_ERRORS = np.array(
    [0.0] + [math.lgamma(n + 1.0) - (n + 0.5) * math.log(n) + n - _HALF_LOG_2PI for n in range(1, 16)]
)


@apart
def stirling_error(n: float) -> float:
    """Logarithm of n! less Stirling's formula, n a whole number of at least 1."""
    if n < 16.0:
        return float(_SMALL_ERRORS[int(n)])
    square = n * n
    tail = 1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square
    return (1.0 / 12.0 - (1.0 / 360.0 - tail / square) / square) / n


@apart
def deviance(x: float, mean: float) -> float:
    """``x log(x / mean) + mean - x`` for positive x and mean, without cancellation where they are close."""
    gap = x - mean
    if abs(gap) >= 0.1 * (x + mean):
        return x * math.log(x / mean) - gap
    # log(x / mean) = 2 artanh(v) with v = gap / (x + mean), as its power series
    v = gap / (x + mean)
    total, term = gap * v, 2.0 * x * v
    for order in range(3, 60, 2):
        term *= v * v
        longer = total + term / order
        if longer == total:
            break
        total = longer
    return total


@apart
def log_poisson_mass(k: float, lam: float) -> float:
    """Logarithm of the Poisson mass at k >= 0, lam > 0."""
    if k == 0.0:
        return -lam
    return -stirling_error(k) - deviance(k, lam) - 0.5 * math.log(k) - _HALF_LOG_2PI


@apart
def log_binomial_mass(k: float, n: float, p: float, q: float) -> float:
    """Logarithm of the binomial mass at 0 <= k <= n; q = 1 - p is given for its digits, both positive."""
    if k == 0.0:
        return n * (math.log1p(-p) if p < q else math.log(q))
    if k == n:
        return n * (math.log1p(-q) if q < p else math.log(p))
    errors = stirling_error(n) - stirling_error(k) - stirling_error(n - k)
    spread = 0.5 * math.log(n / (k * (n - k))) - _HALF_LOG_2PI
    return errors - deviance(k, n * p) - deviance(n - k, n * q) + spread
