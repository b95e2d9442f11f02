"""Variates with integer values. Parameters that have no meaning raise ValueError, as in NumPy.

**Counting arrivals.** A Poisson variate of mean lam is the number of arrivals before lam of a process with
exponential gaps; a binomial one is the number of n independent exponentials below -log(1 - p), whose order statistics
have gaps E / n, E / (n - 1), ... (Devroye 1986, X.4.3 second waiting time). Both are exact in the tails, need no
power or sum of masses, and are the fastest way for means below ten.

**Transformed rejection** with squeeze, PTRS and BTRS (Hörmann 1993, *Insurance: Math. Econ.* 12, 39, and *J. Stat.
Comput. Simul.* 46, 101), for larger means: four of five draws cost two uniforms and no logarithm.

**Hypergeometric**: the urn for samples below ten, else the ratio of uniforms HRUA (Stadlober 1990, *J. Comput. Appl.
Math.* 31, 181). **Logarithmic series**: Kemp (1981) LK. **Zeta**: Devroye (1986), X.6.1. **Geometric**: an
exponential cut into cells.

The masses in the rejection tests come from `masses`, so that counts of 1e15 are as exact as counts of 10. Beyond 2^53
counts lie on the grid of float64; beyond 2^63 - 1 they cannot be represented: an unbounded variate stops there, and
Poisson means above 9e18 raise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..methods import variate
from ..quantiles.discrete import (
    BINOMIAL,
    HYPERGEOMETRIC,
    LOGSERIES,
    NEGATIVE_BINOMIAL,
    POISSON,
    ZIPF,
    refine_binomial,
    refine_hypergeometric,
    refine_logseries,
    refine_negative_binomial,
    refine_poisson,
    refine_zipf,
)
from ..stream import take_coordinate, take_count
from ..typed import Rng, inline
from .masses import log_binomial_mass, log_poisson_mass

_LARGEST = 2**63 - 1
_TOO_LARGE = 2.0**63
_LOG_TOO_LARGE = 63.0 * math.log(2.0)
# Variance from which on a hypergeometric tail has too many terms
_LONG_SUMS = 1e6


@inline
def _clipped(count: float) -> int:
    """The count as an integer, at most the largest there is."""
    return int(count) if count < _TOO_LARGE else _LARGEST


@inline
def _word32(rng: Rng) -> int:
    """An integer of 32 random bits: the upper ones of a uniform."""
    return int(rng.random() * 2.0**32)


@inline
def _integer_below(rng: Rng, count: int) -> int:
    """One of 0, ..., count - 1, equally likely: Lemire (2019) for up to 2^31 of them, else the remainder of 63 bits."""
    if count <= 2**31:
        product = _word32(rng) * count
        if product & 0xFFFFFFFF < count:
            biased = 2**32 % count
            while product & 0xFFFFFFFF < biased:
                product = _word32(rng) * count
        return product >> 32
    unbiased = _LARGEST - (_LARGEST % count + 1) % count
    while True:
        word = _word32(rng) * 2**31 + (_word32(rng) >> 1)
        if word <= unbiased:
            return word % count


@inline
def _integer_between(rng: Rng, first: int, last: int) -> int:
    """One of first, ..., last, equally likely."""
    if first > last:
        raise ValueError("integers: low must be below high (or equal to it with endpoint=True)")
    if first < 0 and last >= first + _LARGEST:  # more than half of all integers
        while True:
            word = (_word32(rng) - 2**31) * 2**32 + _word32(rng)
            if first <= word <= last:
                return word
    return first + _integer_below(rng, last - first + 1)


@inline
def _scaled_coordinate(rng: Any, first: int, last: int) -> int:
    """One of first, ..., last by inversion; of more than 2^52 of them not each can come."""
    if first > last:
        raise ValueError("integers: low must be below high (or equal to it with endpoint=True)")
    t = take_coordinate(rng)
    count = (float(last) - float(first)) + 1.0
    if t > 0.0:
        return min(first + int(np.floor(t * count)), last) if t * count < _TOO_LARGE else last
    return max(last - int(np.floor(-t * count)), first) if -t * count < _TOO_LARGE else first


def _integers_by_inversion(rng: Rng, low: int, high: int | None = None, endpoint: bool = False) -> int:
    less = 0 if endpoint else 1
    if high is None:
        return _scaled_coordinate(rng, 0, int(low) - less)
    return _scaled_coordinate(rng, int(low), int(high) - less)


@variate(inverse=_integers_by_inversion)
def integers(rng: Rng, low: int, high: int | None = None, endpoint: bool = False) -> int:
    """One of low, ..., high - 1 (0, ..., low - 1 without high), or with high itself, all equally likely."""
    less = 0 if endpoint else 1
    if high is None:
        return _integer_between(rng, 0, int(low) - less)
    return _integer_between(rng, int(low), int(high) - less)


@inline
def _poisson_by_rejection(rng: Rng, lam: float) -> int:
    """PTRS, for lam >= 10."""
    b = 0.931 + 2.53 * math.sqrt(lam)
    a = -0.059 + 0.02483 * b
    squeeze = 0.9277 - 3.6224 / (b - 2.0)
    scale = 1.1239 + 1.1328 / (b - 3.4)
    while True:
        u = rng.random() - 0.5
        v = rng.random()
        edge = 0.5 - abs(u)
        k = np.floor((2.0 * a / edge + b) * u + lam + 0.43)
        if edge >= 0.07 and v <= squeeze:
            return _clipped(k)
        if k < 0.0 or (edge < 0.013 and v > edge):
            continue
        if math.log(v * scale / (a / (edge * edge) + b)) <= log_poisson_mass(k, lam):
            return _clipped(k)


def _poisson_by_inversion(rng: Rng, lam: float = 1.0) -> int:
    if not 0.0 <= lam <= 9e18:
        raise ValueError("poisson: lam must be from 0 to 9e18")
    return _clipped(take_count(rng, refine_poisson, POISSON, lam)) if lam > 0.0 else 0


@variate(inverse=_poisson_by_inversion)
def poisson(rng: Rng, lam: float = 1.0) -> int:
    """Poisson of mean lam."""
    if not 0.0 <= lam <= 9e18:
        raise ValueError("poisson: lam must be from 0 to 9e18")
    if lam >= 10.0:
        return _poisson_by_rejection(rng, lam)
    arrivals = 0
    time = rng.standard_exponential()
    while time <= lam:
        arrivals += 1
        time += rng.standard_exponential()
    return arrivals


@inline
def _binomial_by_rejection(rng: Rng, n: int, p: float) -> int:
    """BTRS, for p <= 1/2 and n p >= 10."""
    q = 1.0 - p
    deviation = math.sqrt(n * p * q)
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    squeeze = 0.92 - 4.2 / b
    scale = (2.83 + 5.1 / b) * deviation
    while True:
        u = rng.random() - 0.5
        v = rng.random()
        edge = 0.5 - abs(u)
        k = np.floor((2.0 * a / edge + b) * u + n * p + 0.5)
        if edge >= 0.07 and v <= squeeze:
            return min(_clipped(k), n)
        if k < 0.0 or k > n:
            continue
        mode = np.floor((n + 1.0) * p)
        height = log_binomial_mass(k, n, p, q) - log_binomial_mass(mode, n, p, q)
        if math.log(v * scale / (a / (edge * edge) + b)) <= height:
            return min(_clipped(k), n)


@inline
def _binomial_half(rng: Rng, n: int, p: float) -> int:
    """Binomial for p <= 1/2."""
    if n * p >= 10.0:
        return _binomial_by_rejection(rng, n, p)
    limit = -math.log1p(-p)
    k = 0
    time = 0.0
    while k < n:
        time += rng.standard_exponential() / (n - k)
        if time > limit:
            break
        k += 1
    return k


def _binomial_by_inversion(rng: Rng, n: int, p: float) -> int:
    trials = int(n)
    if trials < 0 or not 0.0 <= p <= 1.0:
        raise ValueError("binomial: n must not be negative and p must be from 0 to 1")
    if trials == 0 or p == 0.0 or p == 1.0:
        take_coordinate(rng)  # as many as otherwise: the last binomials of a multinomial keep their coordinates
        return trials if p == 1.0 else 0
    return min(_clipped(take_count(rng, refine_binomial, BINOMIAL, float(trials), p)), trials)


@variate(inverse=_binomial_by_inversion)
def binomial(rng: Rng, n: int, p: float) -> int:
    """Number of successes in n trials of probability p."""
    trials = int(n)
    if trials < 0 or not 0.0 <= p <= 1.0:
        raise ValueError("binomial: n must not be negative and p must be from 0 to 1")
    if p <= 0.5:
        return _binomial_half(rng, trials, p)
    return trials - _binomial_half(rng, trials, 1.0 - p)


@variate()
def geometric(rng: Rng, p: float) -> int:
    """Number of trials of probability p up to the first success, itself included."""
    if not 0.0 < p <= 1.0:
        raise ValueError("geometric: p must be above 0 and at most 1")
    return _clipped(max(1.0, np.ceil(rng.standard_exponential() / -math.log1p(-p))))


def _negative_binomial_by_inversion(rng: Rng, n: float, p: float) -> int:
    if not (0.0 < n < math.inf and 0.0 < p <= 1.0):
        raise ValueError("negative_binomial: n must be positive and p above 0 and at most 1")
    return _clipped(take_count(rng, refine_negative_binomial, NEGATIVE_BINOMIAL, n, p)) if p < 1.0 else 0


@variate(inverse=_negative_binomial_by_inversion)
def negative_binomial(rng: Rng, n: float, p: float) -> int:
    """Number of failures before success number n (any positive real): a Poisson whose mean is a gamma variate."""
    if not (0.0 < n < math.inf and 0.0 < p <= 1.0):
        raise ValueError("negative_binomial: n must be positive and p above 0 and at most 1")
    return rng.poisson(rng.standard_gamma(n) * ((1.0 - p) / p))


@inline
def _urn(rng: Rng, marked: int, others: int, drawn: int) -> int:
    """Marked balls among a few drawn one by one."""
    found = 0
    for k in range(drawn):
        if rng.random() * (marked + others - k) < marked - found:
            found += 1
    return found


@inline
def _hypergeometric_by_rejection(rng: Rng, rare: float, common: float, drawn: float) -> float:
    """HRUA, for rare <= common and 10 <= drawn <= half of all."""
    total = rare + common
    p, q = drawn / total, (total - drawn) / total
    mean = drawn * rare / total
    variance = (total - drawn) * mean * (common / total) / (total - 1.0)
    width = 2.0 * math.sqrt(2.0 / math.e * (variance + 0.5)) + 3.0 - 2.0 * math.sqrt(3.0 / math.e)
    mode = np.floor((drawn + 1.0) * (rare + 1.0) / (total + 2.0))
    top = log_binomial_mass(mode, rare, p, q) + log_binomial_mass(drawn - mode, common, p, q)
    most = min(drawn, rare)
    while True:
        u = rng.random()
        k: float = np.floor(mean + 0.5 + width * (rng.random() - 0.5) / u)
        if k < 0.0 or k > most:
            continue
        height = log_binomial_mass(k, rare, p, q) + log_binomial_mass(drawn - k, common, p, q) - top
        if u * (4.0 - u) - 3.0 <= height or 2.0 * math.log(u) <= height:
            return k


@inline
def _hypergeometric(rng: Rng, ngood: int, nbad: int, nsample: int) -> int:
    """`hypergeometric`, by the urn or by rejection."""
    good, bad, sample = int(ngood), int(nbad), int(nsample)
    if good < 0 or bad < 0 or sample < 0 or good > 2**53 - bad or sample > good + bad:
        raise ValueError(
            "hypergeometric: counts must not be negative, their sum at most 2**53, nsample at most the sum"
        )
    drawn = min(sample, good + bad - sample)  # else count what is left in the urn
    if drawn < 10:
        found = _urn(rng, good, bad, drawn)
    else:
        found = int(_hypergeometric_by_rejection(rng, float(min(good, bad)), float(max(good, bad)), float(drawn)))
        if good > bad:
            found = drawn - found
    return found if drawn == sample else good - found


def _hypergeometric_by_inversion(rng: Rng, ngood: int, nbad: int, nsample: int) -> int:
    """Where sums of masses would be long, the rejection algorithm goes on with further coordinates."""
    good, bad, sample = float(ngood), float(nbad), float(nsample)
    share = sample / (good + bad)
    possible = int(ngood) <= 2**53 - int(nbad) and min(good, bad, sample, good + bad - sample) > 0.0
    if not possible or good * share * (1.0 - share) > _LONG_SUMS:
        return _hypergeometric(rng, ngood, nbad, nsample)  # certain outcomes, and parameters without a meaning, too
    return int(take_count(rng, refine_hypergeometric, HYPERGEOMETRIC, good, bad, sample))


@variate(inverse=_hypergeometric_by_inversion)
def hypergeometric(rng: Rng, ngood: int, nbad: int, nsample: int) -> int:
    """Good ones among nsample drawn without replacement from ngood good and nbad bad ones (2^53 in all, at most)."""
    return _hypergeometric(rng, ngood, nbad, nsample)


@inline
def _log_one_minus_exp(x: float) -> float:
    """``log(1 - exp(x))`` for negative x, to full precision."""
    return math.log(-math.expm1(x)) if x > -0.5 else math.log1p(-math.exp(x))


def _logseries_by_inversion(rng: Rng, p: float) -> int:
    if not 0.0 <= p < 1.0:
        raise ValueError("logseries: p must be at least 0 and below 1")
    return _clipped(take_count(rng, refine_logseries, LOGSERIES, p)) if p > 0.0 else 1


@variate(inverse=_logseries_by_inversion)
def logseries(rng: Rng, p: float) -> int:
    """Logarithmic series: mass proportional to p^k / k, k >= 1."""
    if not 0.0 <= p < 1.0:
        raise ValueError("logseries: p must be at least 0 and below 1")
    v = rng.random()
    if v >= p:
        return 1
    log_q = _log_one_minus_exp(rng.random() * math.log1p(-p))
    return _clipped(max(1.0, np.floor(1.0 + math.log(v) / log_q)))


def _zipf_by_inversion(rng: Rng, a: float) -> int:
    if not 1.0 < a < math.inf:
        raise ValueError("zipf: a must be above 1 and finite")
    return _clipped(take_count(rng, refine_zipf, ZIPF, a))


@variate(inverse=_zipf_by_inversion)
def zipf(rng: Rng, a: float) -> int:
    """Zeta: mass proportional to k^-a, 1 <= k < 2^63 (so a may be as close to 1 as floats go)."""
    if not 1.0 < a < math.inf:
        raise ValueError("zipf: a must be above 1 and finite")
    power = a - 1.0
    covered = -math.expm1(-power * _LOG_TOO_LARGE)
    while True:
        x = np.floor(math.exp(-math.log1p(-covered * rng.random()) / power))
        if x >= _TOO_LARGE:
            continue
        gain = math.expm1(power * math.log1p(1.0 / x))
        if rng.random() * x * gain * 2.0**power <= (1.0 + gain) * math.expm1(power * math.log(2.0)):
            return int(x)
