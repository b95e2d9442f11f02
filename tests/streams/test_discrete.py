"""Every integer-valued method against scipy.stats, over settings that reach every branch of its algorithm."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from numba import njit
from scipy import stats

from fastfim.streams.variates import masses

from .drivers import compiled
from .goodness import assert_fits, assert_flat, samples

DRAWS = 1 << 17
NAN = math.nan


def hypergeometric_law(good, bad, sample):
    return stats.hypergeom(good + bad, good, sample)


# method, sampler, scipy's law, settings
METHODS = [
    ("integers", lambda g, t: g.integers(t[0], t[1]), stats.randint,
     [(0, 6), (-3, 4), (0, 2**31), (5, 2**31 + 6), (0, 3 * 2**61)]),
    ("poisson", lambda g, t: g.poisson(t[0]), stats.poisson,
     [(0.01,), (0.7,), (9.99,), (10,), (13.3,), (60,), (1234.5,), (1e9,), (1e15,)]),
    ("binomial", lambda g, t: g.binomial(t[0], t[1]), stats.binom,
     [(1, 0.3), (10, 0.5), (7, 0.9), (100, 0.02), (10**6, 3e-6), (25, 0.4), (40, 0.3), (60, 0.81), (1000, 0.5),
      (10**6, 0.01), (10**12, 0.4), (10**12, 0.999), (10**15, 1e-14)]),
    ("geometric", lambda g, t: g.geometric(t[0]), stats.geom, [(1e-9,), (0.01,), (0.3,), (0.97,)]),
    ("negative_binomial", lambda g, t: g.negative_binomial(t[0], t[1]), stats.nbinom,
     [(0.02, 0.3), (0.7, 0.5), (3, 0.1), (12.5, 0.4), (5, 0.999), (2.5, 1e-6)]),
    ("hypergeometric", lambda g, t: g.hypergeometric(t[0], t[1], t[2]), hypergeometric_law,
     [(10, 20, 5), (20, 10, 26), (30, 40, 20), (40, 30, 20), (40, 30, 55), (30, 40, 55), (2, 500, 100), (500, 3, 200),
      (10**4, 10**5, 10**3), (10**5, 10**4, 10**5)]),
    ("logseries", lambda g, t: g.logseries(t[0]), stats.logser, [(0.02,), (0.3,), (0.9,), (0.9999,)]),
    ("zipf", lambda g, t: g.zipf(t[0]), stats.zipf, [(1.5,), (2,), (3.5,), (6,)]),
]  # fmt: skip
CASES = [pytest.param(f, law(*theta), theta, id=f"{name}{theta}") for name, f, law, all_ in METHODS for theta in all_]


@pytest.mark.parametrize(("sample", "law", "theta"), CASES)
def test_distribution(sample, law, theta):
    draws = list(samples(compiled(sample), theta, DRAWS))
    low, high = law.support()
    for x in draws:
        assert np.all((x >= low) & (x <= high) & (x == np.floor(x)))
    assert_fits(draws, law)


POINTS = [
    (lambda g, t: g.integers(t[0], t[1]), (7, 8), 7),
    (lambda g, t: g.poisson(t[0]), (0,), 0),
    (lambda g, t: g.binomial(t[0], t[1]), (0, 0.5), 0),
    (lambda g, t: g.binomial(t[0], t[1]), (10**6, 0), 0),
    (lambda g, t: g.binomial(t[0], t[1]), (10**6, 1), 10**6),
    (lambda g, t: g.geometric(t[0]), (1,), 1),
    (lambda g, t: g.geometric(t[0]), (1e-300,), 2.0**63),
    (lambda g, t: g.negative_binomial(t[0], t[1]), (3, 1), 0),
    (lambda g, t: g.hypergeometric(t[0], t[1], t[2]), (0, 40, 20), 0),
    (lambda g, t: g.hypergeometric(t[0], t[1], t[2]), (40, 0, 20), 20),
    (lambda g, t: g.hypergeometric(t[0], t[1], t[2]), (40, 30, 70), 40),
    (lambda g, t: g.hypergeometric(t[0], t[1], t[2]), (40, 30, 0), 0),
    (lambda g, t: g.logseries(t[0]), (0,), 1),
    (lambda g, t: g.zipf(t[0]), (2000,), 1),
]


@pytest.mark.parametrize(("sample", "theta", "value"), POINTS)
def test_certain_outcomes(sample, theta, value):
    (draws,) = samples(compiled(sample), theta, 1000, many=1)
    assert np.all(draws == value)


def test_integers_up_to_an_end():
    (draws,) = samples(compiled(lambda g, t: g.integers(4)), (), 4000, many=1)
    assert set(draws) == {0, 1, 2, 3}
    (draws,) = samples(compiled(lambda g, t: g.integers(4, endpoint=True)), (), 4000, many=1)
    assert set(draws) == {0, 1, 2, 3, 4}


def test_integers_of_the_whole_range():
    law = stats.uniform(-(2.0**63), 2.0**64)
    sample = compiled(lambda g, t: g.integers(-(2**63), 2**63 - 1, endpoint=True))
    assert_flat([stats.kstest(law.cdf(x), "uniform").pvalue for x in samples(sample, (), DRAWS)])


def test_low_bits_of_wide_integers_are_even():
    sample = compiled(lambda g, t: g.integers(0, 3 * 2**60) % 12)
    p_values = [stats.chisquare(np.bincount(x.astype(int), minlength=12)).pvalue for x in samples(sample, (), DRAWS)]
    assert_flat(p_values)


@pytest.mark.parametrize("a", [1.0 + 2.0**-52, 1.0001, 1.2])
def test_zipf_near_one(a):
    # cut at 2^63 the law has a sum for every a; up to 1000 its masses are compared, the rest is one cell
    def law_below(k):
        with mpmath.workdps(40):
            whole = mpmath.zeta(a) - mpmath.zeta(a, 2**63)
            return float((mpmath.zeta(a) - mpmath.zeta(a, k)) / whole)

    ends = [1, 2, 4, 10, 100, 10**4, 10**8, 10**13, 2**63]
    below = np.array([law_below(k) for k in ends])
    p_values = []
    for x in samples(compiled(lambda g, t: g.zipf(t[0])), (a,), DRAWS):
        counts = np.diff([np.count_nonzero(x < k) for k in ends[:-1]] + [len(x)])
        p_values.append(stats.chisquare(counts, len(x) * np.diff(below), sum_check=False).pvalue)
    assert_flat(p_values)


INVALID = [
    (lambda g, t: g.integers(t[0], t[1]), [(0, 0), (3, 2)], "integers: low must be below high"),
    (lambda g, t: g.poisson(t[0]), [(-1,), (NAN,), (1e19,)], "poisson: lam"),
    (lambda g, t: g.binomial(t[0], t[1]), [(-1, 0.5), (5, -0.1), (5, 1.1), (5, NAN)], "binomial: n"),
    (lambda g, t: g.geometric(t[0]), [(0,), (1.1,), (NAN,)], "geometric: p"),
    (lambda g, t: g.negative_binomial(t[0], t[1]), [(0, 0.5), (1, 0), (1, 1.1), (NAN, 0.5)], "negative_binomial: n"),
    (lambda g, t: g.hypergeometric(t[0], t[1], t[2]), [(-1, 2, 1), (2, -1, 1), (2, 2, 5), (2, 2, -1), (2**53, 1, 1)],
     "hypergeometric: counts"),
    (lambda g, t: g.logseries(t[0]), [(1,), (-0.1,), (NAN,)], "logseries: p"),
    (lambda g, t: g.zipf(t[0]), [(1,), (0.5,), (NAN,), (math.inf,)], "zipf: a"),
]  # fmt: skip


@pytest.mark.parametrize(("sample", "settings", "message"), INVALID)
def test_invalid_parameters_raise(sample, settings, message):
    for theta in settings:
        with pytest.raises(ValueError, match=message):
            next(samples(compiled(sample), theta, 5))


# ---- the masses in the rejection tests
@njit
def _poisson(k, lam):
    return masses.log_poisson_mass(k, lam)


@njit
def _binomial(k, n, p):
    return masses.log_binomial_mass(k, n, p, 1.0 - p)


@pytest.mark.parametrize("lam", [0.5, 10.0, 31.4, 1e4, 1e9, 1e15])
def test_poisson_mass_against_mpmath(lam):
    with mpmath.workdps(60):
        m = mpmath.mpf(lam)
        for z in (-9, -3, -1, -0.1, 0, 0.1, 1, 3, 9):
            k = max(0.0, math.floor(lam + z * math.sqrt(lam)))
            exact = -m + k * mpmath.log(m) - mpmath.loggamma(mpmath.mpf(k) + 1)
            assert _poisson(k, lam) == pytest.approx(float(exact), abs=1e-11, rel=1e-13)


@pytest.mark.parametrize(("n", "p"), [(25, 0.4), (1000, 0.5), (10**6, 1e-5), (10**12, 0.3), (10**15, 0.5)])
def test_binomial_mass_against_mpmath(n, p):
    with mpmath.workdps(60):
        q = 1 - mpmath.mpf(p)
        for z in (-9, -3, -1, 0, 1, 3, 9):
            k = min(n, max(0, math.floor(n * p + z * math.sqrt(n * p * (1 - p)))))
            exact = mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1)
            exact += k * mpmath.log(p) + (n - k) * mpmath.log(q)
            last_digit_of_p = 2.0**-52 * abs(z) * math.sqrt(n)  # what it does to the logarithm
            assert _binomial(float(k), float(n), p) == pytest.approx(float(exact), abs=1e-11 + 2 * last_digit_of_p)
