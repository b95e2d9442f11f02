"""Every continuous method against scipy.stats, over settings that reach every branch of its algorithm."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from scipy import stats

from fastfim.streams.variates.gammas import SQUEEZE_FROM, SQUEEZE_TO, gamma_squeeze

from .drivers import compiled
from .goodness import assert_fits, assert_flat, continuous_p_value, samples

DRAWS = 8192
MANY = 1 << 17

# method, sampler, scipy's law, settings
METHODS = [
    ("random", lambda g, t: g.random(), stats.uniform, [()]),
    ("uniform", lambda g, t: g.uniform(t[0], t[1]), lambda a, b: stats.uniform(a, b - a), [(-1, 3), (1e9, 1e9 + 1)]),
    ("standard_normal", lambda g, t: g.standard_normal(), stats.norm, [()]),
    ("normal", lambda g, t: g.normal(t[0], t[1]), stats.norm, [(1, 2), (-1e3, 1e-2)]),
    ("lognormal", lambda g, t: g.lognormal(t[0], t[1]), lambda m, s: stats.lognorm(s, 0, math.exp(m)), [(1, 0.5)]),
    ("standard_exponential", lambda g, t: g.standard_exponential(), stats.expon, [()]),
    ("exponential", lambda g, t: g.exponential(t[0]), lambda s: stats.expon(0, s), [(3,)]),
    ("standard_gamma", lambda g, t: g.standard_gamma(t[0]), stats.gamma,
     [(0.01,), (0.3,), (0.99,), (1,), (1.01,), (2.5,), (30,), (1e4,), (1e12,)]),
    ("gamma", lambda g, t: g.gamma(t[0], t[1]), lambda a, s: stats.gamma(a, 0, s), [(0.5, 3), (4, 1e-3)]),
    ("chisquare", lambda g, t: g.chisquare(t[0]), stats.chi2, [(0.5,), (1,), (7,)]),
    ("beta", lambda g, t: g.beta(t[0], t[1]), stats.beta,
     [(0.1, 0.3), (0.5, 0.5), (0.4, 3), (3, 0.4), (1, 1), (2, 5), (1e4, 1e6)]),
    ("f", lambda g, t: g.f(t[0], t[1]), stats.f, [(0.3, 0.6), (1, 5), (5, 1), (4, 9)]),
    ("standard_t", lambda g, t: g.standard_t(t[0]), stats.t, [(0.3,), (1,), (1.99,), (2,), (5,), (1e6,)]),
    ("standard_cauchy", lambda g, t: g.standard_cauchy(), stats.cauchy, [()]),
    ("laplace", lambda g, t: g.laplace(t[0], t[1]), stats.laplace, [(1, 2)]),
    ("logistic", lambda g, t: g.logistic(t[0], t[1]), stats.logistic, [(1, 2)]),
    ("gumbel", lambda g, t: g.gumbel(t[0], t[1]), stats.gumbel_r, [(1, 2)]),
    ("rayleigh", lambda g, t: g.rayleigh(t[0]), lambda s: stats.rayleigh(0, s), [(2,)]),
    ("weibull", lambda g, t: g.weibull(t[0]), stats.weibull_min, [(0.2,), (1,), (8,)]),
    ("pareto", lambda g, t: g.pareto(t[0]), stats.lomax, [(0.2,), (1,), (1e6,)]),
    ("power", lambda g, t: g.power(t[0]), stats.powerlaw, [(0.1,), (1,), (50,)]),
    ("wald", lambda g, t: g.wald(t[0], t[1]), lambda m, s: stats.invgauss(m / s, 0, s),
     [(1, 1), (2, 0.1), (3, 50), (1, 1e-4), (1, 1e6)]),
    ("triangular", lambda g, t: g.triangular(t[0], t[1], t[2]),
     lambda a, m, b: stats.triang((m - a) / (b - a), a, b - a), [(1, 2, 4), (0, 0, 1), (0, 1, 1)]),
    ("noncentral_chisquare", lambda g, t: g.noncentral_chisquare(t[0], t[1]), stats.ncx2,
     [(0.5, 2), (1, 30), (1.5, 0.3), (4, 10)]),
]  # fmt: skip
CASES = [pytest.param(f, law(*theta), theta, id=f"{name}{theta}") for name, f, law, all_ in METHODS for theta in all_]


@pytest.mark.parametrize(("sample", "law", "theta"), CASES)
def test_distribution(sample, law, theta):
    draws = list(samples(compiled(sample), theta, MANY))
    assert_fits(draws, law)
    assert_flat([continuous_p_value(x[:DRAWS], law) for x in draws])


def vonmises(rng, theta):
    return rng.vonmises(theta[0], theta[1])


@pytest.mark.parametrize("mu", [0.0, 2.5, -40.0])
@pytest.mark.parametrize("kappa", [0.0, 1e-9, 0.3, 2.0, 30.0])
def test_vonmises(mu, kappa):
    law = stats.vonmises(kappa) if kappa > 0 else stats.uniform(-math.pi, 2 * math.pi)
    draws = list(samples(compiled(vonmises), (mu, kappa), MANY))
    assert np.all(np.abs(draws) <= math.pi)
    assert_fits([(x - mu + math.pi) % (2 * math.pi) - math.pi for x in draws], law)


@pytest.mark.parametrize("kappa", [1e8, 1e16, 1e300])
def test_vonmises_of_great_concentration_is_normal(kappa):
    # the law of sqrt(kappa) times the angle differs from the normal by less than 1 / kappa
    law = stats.norm()
    assert_flat(
        [continuous_p_value(x * math.sqrt(kappa), law) for x in samples(compiled(vonmises), (0.0, kappa), DRAWS)]
    )


def beta(rng, theta):
    return rng.beta(theta[0], theta[1])


@pytest.mark.parametrize(("a", "b"), [(0.01, 0.02), (0.02, 0.01), (0.02, 3.0)])
def test_beta_of_tiny_shapes(a, b):
    # a third of the draws round to 1, which is right: cells between quantiles, the last one reaching up to 1
    law = stats.beta(a, b)
    ends = law.ppf(law.cdf(0.9) * np.arange(1, 21) / 20)
    probabilities = np.diff(np.concatenate([[0.0], law.cdf(ends), [1.0]]))
    p_values = []
    for x in samples(compiled(beta), (a, b), DRAWS):
        counts = np.bincount(np.searchsorted(ends, x), minlength=21)
        p_values.append(stats.chisquare(counts, len(x) * probabilities, sum_check=False).pvalue)
    assert_flat(p_values)


def test_ratios_of_shapes_that_underflow():
    # shapes of 1e-5: both gamma variates are below the smallest float, yet X / (X + Y) is 0 or 1 in the ratio b : a
    x = np.concatenate(list(samples(compiled(beta), (1e-5, 3e-5), DRAWS)))
    ones = np.count_nonzero(x > 0.5)
    assert np.all(np.isfinite(x))
    assert stats.binomtest(ones, len(x), 0.25).pvalue > 1e-6


# ---- tails: counts of rare draws among many, by the exact binomial test
TAILS = [
    ("normal above 4.5", lambda g, t: g.standard_normal() > 4.5, stats.norm.sf(4.5)),
    ("normal below -4.5", lambda g, t: g.standard_normal() < -4.5, stats.norm.sf(4.5)),
    ("normal near 0", lambda g, t: abs(g.standard_normal()) < 1e-6, 2 * stats.norm.cdf(1e-6) - 1),
    ("exponential above 12", lambda g, t: g.standard_exponential() > 12, math.exp(-12)),
    ("exponential near 0", lambda g, t: g.standard_exponential() < 1e-6, -math.expm1(-1e-6)),
    ("uniform near 0", lambda g, t: g.random() < 1e-6, 1e-6),
    ("uniform near 1", lambda g, t: g.random() > 1 - 1e-6, 1e-6),
    ("gamma near 0", lambda g, t: g.standard_gamma(2.0) < 2e-3, stats.gamma.cdf(2e-3, 2)),
    ("t far out", lambda g, t: abs(g.standard_t(2.5)) > 200, 2 * stats.t.sf(200, 2.5)),
]


@pytest.mark.parametrize(("sample", "probability"), [pytest.param(*c[1:], id=c[0]) for c in TAILS])
def test_tail(sample, probability):
    n = 1 << 23
    (draws,) = samples(compiled(sample), (), n, many=1)
    assert stats.binomtest(int(draws.sum()), n, probability).pvalue > 1e-6


# ---- the squeeze of Marsaglia and Tsang's method that is ours
def test_squeeze_accepts_only_what_the_exact_test_accepts():
    for x in [*np.linspace(SQUEEZE_FROM, SQUEEZE_TO, 2000), -1e-3, 1e-3, -1e-2, 1e-2]:
        with mpmath.workdps(40):
            y = mpmath.mpf(float(x))
            v = (1 + y) ** 3
            exact = 4.5 * y**2 + 1 - v + mpmath.log(v)
        numerator, denominator = gamma_squeeze(float(x))
        assert denominator > 0
        bound = numerator / denominator
        assert bound <= exact * (1 - 1e-12)
        assert bound > (1.1 if abs(x) < 0.7 else 2.0) * exact  # else it would be of little use


# ---- parameters without a meaning, and extreme ones
NAN = math.nan
MEANINGLESS = [
    (lambda g, t: g.uniform(t[0], t[1]), [(1, 0), (NAN, 1), (0, NAN)]),
    (lambda g, t: g.normal(t[0], t[1]), [(0, -1), (NAN, 1), (0, NAN)]),
    (lambda g, t: g.lognormal(t[0], t[1]), [(0, -1), (NAN, 1)]),
    (lambda g, t: g.exponential(t[0]), [(-1,), (NAN,)]),
    (lambda g, t: g.gamma(t[0], t[1]), [(-1, 1), (0.5, -1), (2, -1), (NAN, 1), (2, NAN)]),
    (lambda g, t: g.chisquare(t[0]), [(0,), (-1,), (NAN,)]),
    (lambda g, t: g.beta(t[0], t[1]), [(0, 1), (1, 0), (-1, 2), (2, NAN)]),
    (lambda g, t: g.f(t[0], t[1]), [(0, 1), (1, 0), (-1, 2), (2, NAN)]),
    (lambda g, t: g.standard_t(t[0]), [(0,), (-1,), (NAN,)]),
    (lambda g, t: g.laplace(t[0], t[1]), [(0, -1), (NAN, 1)]),
    (lambda g, t: g.logistic(t[0], t[1]), [(0, -1), (NAN, 1)]),
    (lambda g, t: g.gumbel(t[0], t[1]), [(0, -1), (NAN, 1)]),
    (lambda g, t: g.rayleigh(t[0]), [(-1,), (NAN,)]),
    (lambda g, t: g.weibull(t[0]), [(-1,), (NAN,)]),
    (lambda g, t: g.pareto(t[0]), [(-1,), (0,), (NAN,)]),
    (lambda g, t: g.power(t[0]), [(-1,), (0,), (NAN,)]),
    (lambda g, t: g.wald(t[0], t[1]), [(0, 1), (1, 0), (-1, 1), (1, NAN)]),
    (lambda g, t: g.triangular(t[0], t[1], t[2]), [(1, 0, 2), (0, 3, 2), (1, 1, 1), (NAN, 1, 2)]),
    (vonmises, [(0, -1), (NAN, 1), (0, NAN), (math.inf, 1), (0, math.inf)]),
    (lambda g, t: g.noncentral_chisquare(t[0], t[1]), [(0, 1), (-1, 1), (1, -1), (NAN, 1), (2, NAN)]),
]


@pytest.mark.parametrize(("sample", "settings"), MEANINGLESS)
def test_meaningless_parameters_give_nan(sample, settings):
    for theta in settings:
        (draws,) = samples(compiled(sample), theta, 5, many=1)
        assert np.all(np.isnan(draws)), theta


EXTREME = [
    (lambda g, t: g.standard_gamma(t[0]), [(0,), (1e-300,), (1e300,)], (0.0, math.inf)),
    (beta, [(1e-200, 1e-200), (1e200, 1e-200), (1e-200, 1e200), (1e200, 1e200)], (0.0, 1.0)),
    (lambda g, t: g.standard_t(t[0]), [(1e300,)], (-9.5, 9.5)),
    (lambda g, t: g.wald(t[0], t[1]), [(1, 1e-100), (1, 1e300), (1e-300, 1), (1e100, 1)], (0.0, math.inf)),
    (vonmises, [(3, 5e-324), (3, 8e307), (1e6, 1)], (-math.pi, math.pi)),
    (lambda g, t: g.weibull(t[0]), [(0,), (1e300,)], (0.0, 45.1)),
    (lambda g, t: g.normal(t[0], t[1]), [(3, 0)], (3.0, 3.0)),
    (lambda g, t: g.noncentral_chisquare(t[0], t[1]), [(1e-3, 0), (5, 0), (5, 1e15)], (0.0, math.inf)),
]


@pytest.mark.parametrize(("sample", "settings", "bounds"), EXTREME)
def test_extreme_parameters_stay_in_the_support(sample, settings, bounds):
    for theta in settings:
        (draws,) = samples(compiled(sample), theta, 1000, many=1)
        assert np.all((bounds[0] <= draws) & (draws <= bounds[1])), theta
