"""Every method of a quasi-random stream: one coordinate a call, through the inverse distribution function.

Oracles are scipy.stats' ``ppf``, ``isf``, ``cdf`` and ``sf`` and mpmath. Coordinates are put into the first column of a
state by hand, so that both tails are reached.
"""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from scipy import stats

from fastfim import streams
from fastfim.streams import states

from . import test_continuous, test_discrete
from .drivers import compiled
from .goodness import RARE

TINY = [1e-12, 1e-10, 3e-8, 1e-5, 2e-3]
TAILS = np.array([*TINY, 0.07, 0.2, 0.31, 0.45, 0.4999, *(-x for x in TINY), -0.07, -0.2, -0.31, -0.45, -0.4999])
MANY = 1 << 14
LAWS = [(c.values[0], c.values[1], c.values[2], c.id) for c in test_continuous.CASES]
COUNTS = [(c.values[0], c.values[1], c.values[2], c.id) for c in test_discrete.CASES]


def cases(laws, without=()):
    return [pytest.param(*law[:3], id=law[3]) for law in laws if not law[3].startswith(without)]


def at(sample, theta, tails):
    """Draws at chosen signed tail probabilities."""
    state, out = streams.initial_state(1, 0, 0, "rqmc"), np.empty(len(tails))
    assert len(tails) < states.TILE
    state[states.COLUMNS_AT : states.COLUMNS_AT + len(tails)] = tails
    state.view(np.int64)[states.CURSORS_AT + states.FILLED] = 1
    compiled(sample, 1, "rqmc")(state, np.asarray(theta, float), out)
    return out


def drawn(sample, theta, n=MANY, first=0):
    out = np.empty(n)
    compiled(sample, 1, "rqmc")(streams.initial_state(5, 0, 0, "rqmc", first), np.asarray(theta, float), out)
    return out


def uniforms(n=MANY):
    return drawn(lambda g, t: g.random(), (), n)


def quantiles(law, tails):
    size = np.abs(tails)
    return np.where(tails > 0, law.ppf(size), law.isf(size))


def tail_errors(law, x, tails):
    """Relative errors of the tail probabilities at x."""
    return np.abs(np.where(tails > 0, law.cdf(x), law.sf(x)) / np.abs(tails) - 1)


@pytest.mark.parametrize(("sample", "law", "theta"), cases(LAWS, "standard_gamma(1000000000000"))
def test_continuous_quantiles_in_both_tails(sample, law, theta):
    # SciPy inverts some laws to 1e-5 only, and rounds some tails: one of its two answers must agree (uniforms about a
    # billion have 7 digits left of their distance to the end)
    x = at(sample, theta, TAILS)
    with np.errstate(all="ignore"):
        close = np.abs(x - quantiles(law, TAILS)) <= 1e-10 * np.abs(x)
        close |= tail_errors(law, x, TAILS) <= 1e-9
    assert np.all(close), (TAILS[~close], x[~close], quantiles(law, TAILS)[~close])


@pytest.mark.parametrize(("sample", "law", "theta"), cases(LAWS))
def test_continuous_draws_through_tables(sample, law, theta):
    # enough draws that most come from tables; the direct function is the oracle, held to SciPy's above
    x, u = drawn(sample, theta), uniforms()
    rows = np.r_[0:32, MANY - 512 : MANY]
    direct = np.concatenate([drawn(sample, theta, 1, int(i)) for i in rows])
    middle = abs(law.ppf(0.6) - law.ppf(0.4))
    np.testing.assert_allclose(x[rows], direct, rtol=1e-11, atol=1e-12 * middle)
    assert np.all(np.diff(x[np.argsort(u)]) >= -1e-11 * np.abs(np.sort(x)[1:]))


def test_normals_of_a_column_have_all_their_digits():
    """Those of 62 points at once: about the median, on both sides of where tails are looked at one by one, far out."""
    ends = np.concatenate(
        [np.linspace(4.5e-4, 5.2e-4, 8), np.geomspace(2.0**-65, 0.4, 15), 0.5 - np.geomspace(1e-9, 0.05, 8)]
    )
    tails = np.concatenate([ends, -ends])
    with mpmath.workdps(60):
        exact = [mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * mpmath.mpf(abs(t))) * (-1 if t > 0 else 1) for t in tails]
        errors = [
            float(abs(x / q - 1)) for x, q in zip(at(lambda g, t: g.standard_normal(), (), tails), exact, strict=True)
        ]
    assert max(errors) < 1e-15


@pytest.mark.parametrize("shape", [0.5, 0.7, 1.0, 1.5, 2.0, 7.0, 50.0, 180.0, 5000.0, 19000.0])
def test_gammas_have_all_their_digits(shape):
    """The share of itself by which a quantile errs: the error of its tail over density and value."""
    tails = np.array([*TAILS, 2.0**-65, 1e-18, -1e-18, -(2.0**-65)])
    with mpmath.workdps(50):
        for t, x in zip(tails, map(mpmath.mpf, at(lambda g, t: g.standard_gamma(t[0]), [shape], tails)), strict=True):
            ends = (0, x) if t > 0 else (x, mpmath.inf)
            error = mpmath.gammainc(shape, *ends, regularized=True) - abs(t)
            density = mpmath.exp((shape - 1) * mpmath.log(x) - x - mpmath.loggamma(shape))
            assert abs(error) < 1e-14 * density * x


@pytest.mark.parametrize(("sample", "law", "theta"), cases(COUNTS, ("logseries(0.9999", "poisson(1000000000", "zipf")))
def test_counts_are_scipys(sample, law, theta):
    if theta == (0, 3 * 2**61):
        pytest.skip("more integers than a float can tell apart")
    x, u = drawn(sample, theta), uniforms()
    np.testing.assert_array_equal(x, law.ppf(u))
    with np.errstate(all="ignore"):
        expected = quantiles(law, TAILS)
    found = at(sample, theta, TAILS)
    differ = found != expected
    # where they differ SciPy must have gone wrong: ours is the smallest count that reaches the coordinate
    for t, k in zip(TAILS[differ], found[differ], strict=True):
        if t > 0:
            assert law.cdf(k) >= t * (1 - 1e-9)
            assert law.cdf(k - 1) < t * (1 + 1e-9)
        else:
            assert law.sf(k) <= -t * (1 + 1e-9)
            assert law.sf(k - 1) > -t * (1 - 1e-9)


def zipf_tail(k, a):
    return (mpmath.zeta(a, k + 1) - mpmath.zeta(a, 2**63)) / (mpmath.zeta(a) - mpmath.zeta(a, 2**63))


def logseries_tail(k, p):
    # the sum over j > k of p^j / j is an incomplete beta function with a second shape of 0
    p = mpmath.mpf(p)
    return mpmath.quad(
        lambda s: mpmath.exp(-s * (k + 1)) / -mpmath.expm1(-s), _cuts(-mpmath.log(p), k)
    ) / -mpmath.log1p(-p)


def _cuts(begin, k):
    return [begin, *(begin + mpmath.mpf(c) / (k + 1) for c in (0.1, 0.5, 1, 3, 10, 40)), mpmath.inf]


EXACT = [
    (lambda g, t: g.zipf(t[0]), zipf_tail, [(1.0001,), (1.5,), (2,), (3.5,), (6,)]),
    (lambda g, t: g.logseries(t[0]), logseries_tail, [(0.02,), (0.3,), (0.6,), (0.61,), (0.9,), (0.9999,)]),
]


@pytest.mark.parametrize(("sample", "tail", "theta"), [(s, tail, theta) for s, tail, all_ in EXACT for theta in all_])
def test_heavy_tailed_counts_against_mpmath(sample, tail, theta):
    found = at(sample, theta, TAILS)
    with mpmath.workdps(40):
        for t, k in zip(TAILS, found, strict=True):
            above = abs(mpmath.mpf(float(t))) if t < 0 else 1 - mpmath.mpf(float(t))
            slack = mpmath.mpf(1e-10) * above
            if k < 2.0**53:
                assert tail(int(k), *theta) <= above + slack
                assert k == 1 or tail(int(k) - 1, *theta) > above - slack


@pytest.mark.parametrize("kappa", [0.0, 0.3, 2.0, 30.0, 1e4])
def test_vonmises_against_mpmath(kappa):
    x = at(lambda g, t: g.vonmises(0.0, t[0]), (kappa,), TAILS)
    assert np.array_equal(x[:10], -x[10:])
    with mpmath.workdps(30):
        k = mpmath.mpf(kappa)

        def integral(begin):
            ends = [
                begin + c / mpmath.sqrt(k + 1)
                for c in (0, 0.2, 0.5, 1, 2, 4, 8, 16)
                if begin + c / mpmath.sqrt(k + 1) < mpmath.pi
            ]
            return mpmath.quad(lambda s: mpmath.exp(-2 * k * mpmath.sin(s / 2) ** 2), [*ends, mpmath.pi])

        whole = 2 * integral(mpmath.mpf(0))
        for t, angle in zip(TAILS[10:], x[10:], strict=True):
            found = integral(mpmath.mpf(float(angle))) / whole
            slope = mpmath.exp(-2 * k * mpmath.sin(mpmath.mpf(float(angle)) / 2) ** 2) / whole
            assert abs(found + mpmath.mpf(float(t))) / slope < 1e-10 * max(angle, 0.1 / math.sqrt(1 + kappa))


def test_great_poisson_means():
    # around 1e15 the law is normal but for a skewness of 3e-8
    x = at(lambda g, t: g.poisson(t[0]), (1e15,), TAILS)
    z = np.where(TAILS > 0, stats.norm.ppf(abs(TAILS)), stats.norm.isf(abs(TAILS)))
    expected = 1e15 + math.sqrt(1e15) * z + (z * z - 1) / 6
    np.testing.assert_allclose(x, expected, atol=2.0, rtol=0)


@pytest.mark.parametrize("mean", [3e4, 1e6, 1e9, 1e12])
def test_large_shapes_against_mpmath(mean):
    # far out SciPy's incomplete gamma functions give up; the tail is a sum of masses or an integral
    x = at(lambda g, t: g.standard_gamma(t[0]), (mean,), TAILS)
    counts = at(lambda g, t: g.poisson(t[0]), (mean,), TAILS)
    with mpmath.workdps(40):
        for t, value, k in zip(TAILS, x, counts, strict=True):
            size = abs(mpmath.mpf(float(t)))
            assert abs(gamma_tail(mean, mpmath.mpf(float(value)), t) / size - 1) < 1e-8
            # P(X > k) = P(k + 1, mean) and P(X <= k) = Q(k + 1, mean)
            at_k, before = (gamma_tail(int(k) + 1 - j, mpmath.mpf(mean), -t) for j in (0, 1))
            assert (at_k >= size * (1 - 1e-9)) if t > 0 else (at_k <= size * (1 + 1e-9))
            assert (before < size * (1 + 1e-9)) if t > 0 else (before > size * (1 - 1e-9))


def gamma_tail(a, x, t):
    """P(a, x) for t > 0, else Q(a, x), as an integral in standard deviations."""
    a, deviation = mpmath.mpf(a), mpmath.sqrt(a)
    norm = (a - 1) * mpmath.log(a) - a - mpmath.loggamma(a)

    def density(y):
        m = y / deviation
        return deviation * mpmath.exp(norm + (a - 1) * mpmath.log1p(m) - a * m)

    y = (x - a) / deviation
    far = [y + (-s if t > 0 else s) for s in (0, 0.5, 1, 2, 4, 8, 16)]
    return abs(mpmath.quad(density, far))


# ---- one coordinate a call
ONE_EACH = [pytest.param(law[0], law[2], id=law[3]) for law in [*LAWS, *COUNTS]]


@pytest.mark.parametrize(("sample", "theta"), ONE_EACH)
def test_a_call_takes_one_coordinate(sample, theta):
    state, out = streams.initial_state(5, 0, 0, "rqmc"), np.empty(states.TILE - 1)
    compiled(sample, 1, "rqmc")(state, np.asarray(theta, float), out)
    assert state.view(np.int64)[states.CURSORS_AT + states.FILLED] == 1


def test_parameters_out_of_reach_of_sums_go_on_with_rejection():
    # a hypergeometric law of variance 2.5e8: as many coordinates as it takes; the mean is that of independent draws
    means, out = [], np.empty(256)
    fill = compiled(lambda g, t: g.hypergeometric(t[0], t[1], t[2]), 1, "rqmc")
    for stream in range(64):
        fill(streams.initial_state(5, stream, 0, "rqmc"), np.array([4e9, 4e9, 1e9]), out)
        means.append(out.mean())
    assert stats.ttest_1samp(means, 5e8).pvalue > RARE


# ---- parameters without a meaning
@pytest.mark.parametrize(("sample", "settings"), test_continuous.MEANINGLESS)
def test_meaningless_parameters_give_nan(sample, settings):
    for theta in settings:
        assert np.all(np.isnan(drawn(sample, theta, 5))), theta


@pytest.mark.parametrize(("sample", "settings", "message"), test_discrete.INVALID)
def test_invalid_parameters_raise(sample, settings, message):
    for theta in settings:
        with pytest.raises(ValueError, match=message):
            drawn(sample, theta, 5)


@pytest.mark.parametrize(("sample", "settings", "bounds"), test_continuous.EXTREME)
def test_extreme_parameters_stay_in_the_support(sample, settings, bounds):
    for theta in settings:
        x = drawn(sample, theta, 200)
        assert np.all((bounds[0] <= x) & (x <= bounds[1])), theta


@pytest.mark.parametrize(("sample", "theta", "value"), test_discrete.POINTS)
def test_certain_outcomes(sample, theta, value):
    assert np.all(drawn(sample, theta, 200) == value)
