"""Keys, continuation, independence of streams, and the interface of ``rng``."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError
from scipy import stats

from fastfim import streams

from .drivers import compiled

NO_PARAMETERS = np.empty(0)

# Of the key (7, 2, 3). They must never change: a seed's answer would.
PINNED_WORDS = [16681509959294556049, 17138399089763345857]
PINNED_UNIFORMS = [0.5376228810952018, 0.2686361192600847, 0.35822067385939926]
PINNED_NORMALS = [0.965039642626438, 0.8483145794349003, -1.3181857375694261]


def mixed(rng, theta):
    """Uses all three buffers, a varying number of each."""
    return rng.random() + rng.standard_normal() + rng.standard_exponential() + rng.gamma(0.7) + rng.poisson(3.0)


fill_mixed = compiled(mixed)
fill_uniforms = compiled(lambda rng, theta: rng.random())
fill_normals = compiled(lambda rng, theta: rng.standard_normal())


def draws(fill, n, *key):
    out = np.empty(n)
    fill(streams.initial_state(*key), NO_PARAMETERS, out)
    return out


def test_state_is_pinned():
    state = streams.initial_state(7, 2, 3)
    assert state.shape == (streams.WORDS,)
    assert state.dtype == np.float64
    words = state.view(np.uint64)
    seeds = np.random.SeedSequence(7, spawn_key=(2, 3))
    np.testing.assert_array_equal(words[:64], seeds.generate_state(64, np.uint64))
    assert words[:2].tolist() == PINNED_WORDS


def test_draws_are_pinned():
    assert draws(fill_uniforms, 3, 7, 2, 3).tolist() == PINNED_UNIFORMS
    np.testing.assert_allclose(draws(fill_normals, 3, 7, 2, 3), PINNED_NORMALS, rtol=1e-14)


def test_same_key_same_draws():
    np.testing.assert_array_equal(draws(fill_mixed, 5000, 7, 0, 0), draws(fill_mixed, 5000, 7, 0, 0))


@pytest.mark.parametrize("key", [(8, 0, 0), (7, 1, 0), (7, 0, 1), (7, 1, 1), ([7, 0], 0, 1)])
def test_another_key_other_draws(key):
    assert len(np.intersect1d(draws(fill_uniforms, 4096, *key), draws(fill_uniforms, 4096, 7, 0, 0))) == 0


@pytest.mark.parametrize("fill", [fill_mixed, fill_normals], ids=["mixed", "normals"])
@pytest.mark.parametrize("cuts", [[1], [511, 512, 513], [100, 1000, 1001, 2999]])
def test_going_on_equals_one_long_run(fill, cuts):
    state, pieces = streams.initial_state(7, 0, 0), []
    for length in np.diff([0, *cuts, 3000]):
        pieces.append(np.empty(length))
        fill(state, NO_PARAMETERS, pieces[-1])
    np.testing.assert_array_equal(np.concatenate(pieces), draws(fill, 3000, 7, 0, 0))


def test_a_copied_state_is_another_stream():
    state = streams.initial_state(7, 0, 0)
    out = np.empty((2, 700))
    fill_mixed(state, NO_PARAMETERS, out[0])
    copy = state.copy()
    fill_mixed(state, NO_PARAMETERS, out[0])
    fill_mixed(copy, NO_PARAMETERS, out[1])
    np.testing.assert_array_equal(out[0], out[1])


# ---- independence: the false-alarm rate of each test below is 1e-6, with fixed seeds
RARE = 1e-6


def pair_p_value(x, y, cells=16):
    """Chi-square test that pairs of uniforms fall evenly into a grid."""
    counts = np.histogram2d(x, y, bins=cells, range=[[0, 1], [0, 1]])[0]
    return stats.chisquare(counts.ravel()).pvalue


@pytest.mark.parametrize("lag", [1, 2, 15, 16, 17, 256, 512])
def test_serial_pairs_are_even(lag):
    u = draws(fill_uniforms, 1 << 18, 11, 0, 0)
    assert pair_p_value(u[:-lag], u[lag:]) > RARE


@pytest.mark.parametrize("lag", [1, 2, 16, 256, 512])
def test_serial_pairs_of_normals_are_even(lag):
    u = stats.norm.cdf(draws(fill_normals, 1 << 17, 12, 0, 0))
    assert pair_p_value(u[:-lag], u[lag:]) > RARE


@pytest.mark.parametrize("other", [(13, 1, 0), (13, 0, 1), (14, 0, 0)])
def test_pairs_across_streams_are_even(other):
    u, v = draws(fill_uniforms, 1 << 18, 13, 0, 0), draws(fill_uniforms, 1 << 18, *other)
    assert pair_p_value(u, v) > RARE


def test_buffers_are_independent_of_each_other():
    fill = compiled(lambda rng, theta, row: three(rng, row), size=3)
    out = np.empty((1 << 17, 3))
    fill(streams.initial_state(15, 0, 0), NO_PARAMETERS, out)
    u = np.stack([out[:, 0], stats.norm.cdf(out[:, 1]), -np.expm1(-out[:, 2])])
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        assert pair_p_value(u[i], u[j]) > RARE


@njit
def three(rng, row):
    row[0], row[1], row[2] = rng.random(), rng.standard_normal(), rng.standard_exponential()


def test_sums_over_streams_have_the_spread_of_independent_ones():
    # 64 streams: the variance over streams of their means of n uniforms is 1 / 12 n
    n = 1 << 14
    means = np.array([draws(fill_uniforms, n, 16, k, 0).mean() for k in range(64)])
    statistic = 12 * n * np.sum((means - 0.5) ** 2)
    assert RARE < stats.chi2.cdf(statistic, 64) < 1 - RARE


# ---- the interface
def test_import_takes_no_scipy():
    program = "import sys, fastfim.streams; sys.exit('scipy.special' in sys.modules or 'scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="'sobol' is no kind of stream"):
        streams.opener("sobol")


# fmt: off
SCALARS = [
    "random", "uniform", "standard_normal", "normal", "lognormal", "standard_exponential", "exponential",
    "standard_gamma", "gamma", "chisquare", "beta", "f", "standard_t", "standard_cauchy", "laplace",
    "logistic", "gumbel", "rayleigh", "weibull", "pareto", "power", "wald", "triangular", "vonmises",
    "noncentral_chisquare", "integers", "poisson", "binomial", "geometric", "negative_binomial",
    "hypergeometric", "logseries", "zipf",
]
# fmt: on
VECTORS = ["multinomial", "dirichlet", "multivariate_normal", "choice"]


def test_every_method_is_there():
    assert set(streams.VARIATES) >= {*SCALARS, *VECTORS}


@pytest.mark.parametrize("name", sorted(streams.VARIATES))
def test_names_order_and_defaults_are_numpys(name):
    try:
        theirs = inspect.signature(getattr(np.random.Generator, name)).parameters
    except ValueError:  # pragma: no cover
        pytest.skip("this NumPy does not tell its signatures")
    ours = list(inspect.signature(streams.VARIATES[name]).parameters.values())[1:]
    without_size = [p for p in theirs if p not in ("self", "size", "dtype", "out", "check_valid", "tol", "method")]
    named = [p.name for p in ours if p.name != "size"]
    assert named == without_size[: len(named)]
    for parameter in ours:
        assert parameter.default == theirs[parameter.name].default


@pytest.mark.parametrize(
    "sample",
    [
        lambda rng, theta: rng.normal(0.0, 1.0, 3),
        lambda rng, theta: rng.gamma(2.0, size=3),
        lambda rng, theta: rng.gamma(),
        lambda rng, theta: rng.exponential(rate=2.0),
    ],
    ids=["third", "size", "missing", "unknown"],
)
def test_a_wrong_call_names_method_and_parameters(sample):
    with pytest.raises(
        TypingError, match=r"argument.*; rng\.(normal\(loc=0\.0, |gamma\(shape, |exponential\()scale=1\.0"
    ):
        draws(compiled(sample), 1, 7, 0, 0)


def keywords(rng, theta):
    scale = theta[0]
    total = rng.normal(scale=scale, loc=1.0) + rng.gamma(shape=2, scale=scale) + rng.binomial(p=0.3, n=7)
    return total + rng.integers(0, 3, endpoint=True) + rng.uniform(high=2) + rng.choice(4, p=(0.1, 0.2, 0.3, 0.4))


def test_keywords_defaults_and_integers():
    out = np.empty(1 << 15)
    compiled(keywords)(streams.initial_state(7, 0, 0), np.array([2.0]), out)
    mean = 1 + 4 + 2.1 + 1.5 + 1 + 2
    variance = 4 + 8 + 7 * 0.21 + 1.25 + 1 / 3 + 1
    assert abs(out.mean() - mean) < 5 * np.sqrt(variance / len(out))  # 6e-7
    plain = np.array([keywords(np.random.default_rng(k), np.array([2.0])) for k in range(2000)])
    assert abs(plain.mean() - mean) < 5 * np.sqrt(variance / len(plain))


def walk(rng, x, sd):
    """A helper that takes rng and changes an array."""
    for t in range(1, len(x)):
        x[t] = x[t - 1] + step(rng, sd)


@njit
def step(rng, sd):
    return rng.normal(0.0, sd)


def test_helpers_may_take_rng():
    helper = njit(walk)

    def sample(rng, theta, row):
        row[0] = rng.normal()
        helper(rng, row, theta[0])

    def direct(rng, theta, row):
        row[0] = rng.normal()
        for t in range(1, len(row)):
            row[t] = row[t - 1] + rng.normal(0.0, theta[0])

    out = np.empty((2, 900, 5))
    for k, function in enumerate([sample, direct]):
        compiled(function, size=5)(streams.initial_state(7, 0, 0), np.array([0.5]), out[k])
    np.testing.assert_allclose(out[0], out[1], rtol=1e-12)


def test_arrays_are_no_parameters_of_scalar_variates():
    """Broadcast as NumPy would, one draw would fill the whole vector."""
    open_stream = streams.opener("mc")

    @njit
    def fill(state, out):
        rng = open_stream(state.ctypes)
        out[:] = rng.normal(np.zeros(3), 1.0)

    with pytest.raises(TypingError, match="one draw a call: its parameters must be numbers"):
        fill(streams.initial_state(0, 0, 0), np.empty(3))
