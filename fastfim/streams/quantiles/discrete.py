"""Quantile functions of integer-valued families: the smallest k whose distribution function reaches u.

In either half that is decided by the smaller tail alone: the smallest k with P(X <= k) >= u for u < 1/2, with
P(X > k) <= 1 - u for the others, by one monotone computation of each tail, so that ties fall the same way always. The
search starts at Cornish and Fisher's guess, doubles its steps until it has bounds, and halves them.

Tails: **Poisson** by incomplete gamma functions, **binomial** and **negative binomial** by incomplete beta functions;
**hypergeometric** by adding up masses outward, whose ratios are rational; **logarithmic series** and **zeta** by adding
up to `_DIRECT` masses and Euler and Maclaurin's formula for the rest.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..special import betainc, betaincc, exp1, external, gammainc, gammaincc
from ..tables import refined_steps
from ..typed import apart, inline
from ..variates.masses import log_binomial_mass
from .continuous import REFINE
from .elementary import normal_quantile
from .large_gamma import LARGE, large_gamma_tails

POISSON, BINOMIAL, NEGATIVE_BINOMIAL, HYPERGEOMETRIC, LOGSERIES, ZIPF = (float(i) for i in range(20, 26))

#: Counts end at the largest integer.
TOO_LARGE = 2.0**63
_DIRECT = 16.0
_LOG_TOO_LARGE = 63.0 * math.log(2.0)


@inline
def cornish_fisher(t: float, mean: float, deviation: float, skewness: float) -> float:
    """A guess at the quantile of a law with these moments."""
    z = normal_quantile(t)
    return mean + deviation * (z + skewness / 6.0 * (z * z - 1.0)) - 0.5


@inline
def _reaches(tails: Any, t: float, k: float, a: float, b: float, c: float) -> bool:
    """Whether the distribution function reaches u at k."""
    below, above = tails(k, a, b, c)
    reached: bool = below >= t if t > 0.0 else above <= -t
    return reached


@inline
def search(tails: Any, t: float, guess: float, first: float, last: float, a: float, b: float, c: float) -> float:
    """Smallest k from first to last where u is reached (last, if it is not reached before)."""
    k: float = min(max(np.ceil(guess), first), last)
    low: float
    high: float
    step = 1.0
    if _reaches(tails, t, k, a, b, c):
        high = k
        low = first - 1.0
        while high > first:
            k = max(high - step, first)
            if not _reaches(tails, t, k, a, b, c):
                low = k
                break
            high = k
            step *= 2.0
    else:
        low = k
        high = last
        while low < last:
            k = min(low + step, last)
            if k == last or _reaches(tails, t, k, a, b, c):
                high = k
                break
            low = k
            step = max(2.0 * step, 2.0**-52 * k)
    middle = np.floor(0.5 * (low + high))
    while low < middle < high:
        if _reaches(tails, t, middle, a, b, c):
            high = middle
        else:
            low = middle
        middle = np.floor(0.5 * (low + high))
    return high


@inline
def _poisson_tails(k: float, a: float, b: float, c: float) -> tuple[float, float]:
    if k >= LARGE:
        below, above = large_gamma_tails(k + 1.0, a)
        return above, below
    return gammaincc(k + 1.0, a), gammainc(k + 1.0, a)


@apart
def poisson_quantile(t: float, a: float, b: float = 0.0, c: float = 0.0) -> float:
    """Poisson of mean a."""
    guess = cornish_fisher(t, a, math.sqrt(a), 1.0 / math.sqrt(a))
    return search(_poisson_tails, t, guess, 0.0, TOO_LARGE, a, b, c)


@inline
def _binomial_tails(k: float, a: float, b: float, c: float) -> tuple[float, float]:
    if k >= a:
        return 1.0, 0.0
    return betaincc(k + 1.0, a - k, b), betainc(k + 1.0, a - k, b)


@apart
def binomial_quantile(t: float, a: float, b: float, c: float = 0.0) -> float:
    """Binomial of a trials of probability b, strictly between 0 and 1."""
    deviation = math.sqrt(a * b * (1.0 - b))
    guess = cornish_fisher(t, a * b, deviation, (1.0 - 2.0 * b) / deviation)
    return search(_binomial_tails, t, guess, 0.0, a, a, b, c)


@inline
def _negative_binomial_tails(k: float, a: float, b: float, c: float) -> tuple[float, float]:
    return betainc(a, k + 1.0, b), betaincc(a, k + 1.0, b)


@apart
def negative_binomial_quantile(t: float, a: float, b: float, c: float = 0.0) -> float:
    """Failures before success number a, of probability b strictly between 0 and 1."""
    deviation = math.sqrt(a * (1.0 - b)) / b
    guess = cornish_fisher(t, a * (1.0 - b) / b, deviation, (2.0 - b) / math.sqrt(a * (1.0 - b)))
    return search(_negative_binomial_tails, t, guess, 0.0, TOO_LARGE, a, b, c)


@inline
def _hypergeometric_tails(k: float, a: float, b: float, c: float) -> tuple[float, float]:
    """Tails of the number of good ones among c drawn from a good and b bad ones."""
    first, last = max(0.0, c - b), min(a, c)
    p, q = c / (a + b), (a + b - c) / (a + b)
    mode = np.floor((a + 1.0) * (c + 1.0) / (a + b + 2.0))
    top = log_binomial_mass(c, a + b, p, q)
    if k < mode:  # adding up what is below, else what is above
        total, j = 0.0, k
        mass = math.exp(log_binomial_mass(j, a, p, q) + log_binomial_mass(c - j, b, p, q) - top)
        while j >= first and total + mass > total:
            total += mass
            mass *= j * (b - c + j) / ((a - j + 1.0) * (c - j + 1.0))
            j -= 1.0
        return total, 1.0 - total
    total, j = 0.0, k + 1.0
    if j <= last:
        mass = math.exp(log_binomial_mass(j, a, p, q) + log_binomial_mass(c - j, b, p, q) - top)
        while j <= last and total + mass > total:
            total += mass
            mass *= (a - j) * (c - j) / ((j + 1.0) * (b - c + j + 1.0))
            j += 1.0
    return 1.0 - total, total


@apart
def hypergeometric_quantile(t: float, a: float, b: float, c: float) -> float:
    """Good ones among c drawn without replacement from a good and b bad ones, all positive, c < a + b."""
    total = a + b
    variance = c * (a / total) * (b / total) * (total - c) / max(total - 1.0, 1.0)
    skewness = (b - a) / total * ((total - 2.0 * c) / max(total - 2.0, 1.0)) / math.sqrt(variance)
    guess = cornish_fisher(t, c * a / total, math.sqrt(variance), skewness)
    return search(_hypergeometric_tails, t, guess, max(0.0, c - b), min(a, c), a, b, c)


@inline
def _logseries_rest(k: float, rate: float) -> float:
    """Sum of exp(-rate j) / j over j > k."""
    total, j = 0.0, k + 1.0
    while j < _DIRECT or (rate > 0.5 and j < k + 100.0):
        total += math.exp(-rate * j) / j
        j += 1.0
    if rate > 0.5:
        return total
    value = math.exp(-rate * j) / j
    r = rate + 1.0 / j  # minus the logarithmic derivative
    third = value * (rate**3 + (3.0 * rate**2 + 6.0 * (rate + 1.0 / j) / j) / j)
    fifth = value * (rate**5 + (5.0 * rate**4 + (20.0 * rate**3 + (60.0 * rate**2 + 120.0 * r / j) / j) / j) / j)
    return total + float(exp1(rate * j)) + 0.5 * value + value * r / 12.0 - third / 720.0 + fifth / 30240.0


@inline
def _logseries_tails(k: float, a: float, b: float, c: float) -> tuple[float, float]:
    above = _logseries_rest(k, b) / c
    return 1.0 - above, above


@apart
def logseries_quantile(t: float, a: float, b: float = 0.0, c: float = 0.0) -> float:
    """Logarithmic series of probability a, strictly between 0 and 1."""
    return search(_logseries_tails, t, 1.0, 1.0, TOO_LARGE, a, -math.log(a), -math.log1p(-a))


@inline
def _zipf_rest(k: float, a: float) -> float:
    """Sum of j^-a over k < j < 2^63."""
    if k >= TOO_LARGE:
        return 0.0
    total, j = 0.0, k + 1.0
    while j < _DIRECT:
        total += j**-a
        j += 1.0
    value: float = j**-a
    integral = -value * j * math.expm1(-(a - 1.0) * (_LOG_TOO_LARGE - math.log(j))) / (a - 1.0)
    square = 1.0 / (j * j)
    third = a * (a + 1.0) * (a + 2.0) * square
    fifth = third * (a + 3.0) * (a + 4.0) * square
    seventh = fifth * (a + 5.0) * (a + 6.0) * square
    corrections = a / 12.0 - third / 720.0 + fifth / 30240.0 - seventh / 1209600.0
    return total + max(integral, 0.0) + value * (0.5 + corrections / j)


@inline
def _zipf_tails(k: float, a: float, b: float, c: float) -> tuple[float, float]:
    above = _zipf_rest(k, a) / c
    return 1.0 - above, above


@apart
def zipf_quantile(t: float, a: float, b: float = 0.0, c: float = 0.0) -> float:
    """Zeta of exponent a, cut at 2^63."""
    return search(_zipf_tails, t, 1.0, 1.0, TOO_LARGE, a, b, _zipf_rest(0.0, a))


@external(REFINE)
def refine_poisson(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`poisson_quantile`, tabulated."""
    return refined_steps(poisson_quantile, pointer, POISSON, t, a, b, c)


@external(REFINE)
def refine_binomial(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`binomial_quantile`, tabulated."""
    return refined_steps(binomial_quantile, pointer, BINOMIAL, t, a, b, c)


@external(REFINE)
def refine_negative_binomial(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`negative_binomial_quantile`, tabulated."""
    return refined_steps(negative_binomial_quantile, pointer, NEGATIVE_BINOMIAL, t, a, b, c)


@external(REFINE)
def refine_hypergeometric(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`hypergeometric_quantile`, tabulated."""
    return refined_steps(hypergeometric_quantile, pointer, HYPERGEOMETRIC, t, a, b, c)


@external(REFINE)
def refine_logseries(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`logseries_quantile`, tabulated."""
    return refined_steps(logseries_quantile, pointer, LOGSERIES, t, a, b, c)


@external(REFINE)
def refine_zipf(pointer, t, a, b, c):  # type: ignore[no-untyped-def]
    """`zipf_quantile`, tabulated."""
    return refined_steps(zipf_quantile, pointer, ZIPF, t, a, b, c)
