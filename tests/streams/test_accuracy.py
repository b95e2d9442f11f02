"""What quasi-random streams are for: means that err less, stay unbiased, and spread like normal ones over streams."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit
from scipy import stats

from fastfim import streams
from fastfim.streams import directions

from . import test_vectors
from .drivers import compiled
from .goodness import RARE, cell_p_value, continuous_p_value

NONE = np.empty(0)


def stream_means(sample, theta, points, many, entropy=9):
    fill = compiled(sample, 1, "rqmc")
    out, means = np.empty(points), np.empty(many)
    for stream in range(many):
        fill(streams.initial_state(entropy, stream, 0, "rqmc"), np.asarray(theta, float), out)
        means[stream] = out.mean()
    return means


# sampler, its mean, the slope of log error against log n that must be reached: theory has -3/2 for smooth functions,
# -1 for those that grow without bound or jump
SMOOTH = {
    "two normals": (lambda g, t: math.exp(0.3 * g.normal() - 0.2 * g.normal()), math.exp(0.5 * 0.13), -0.75),
    "gamma and beta": (lambda g, t: g.gamma(2.0) * g.beta(2.0, 3.0), 0.8, -0.75),
    "three uniforms": (lambda g, t: math.cos(g.random() + g.random() * g.random()), None, -1.2),
    "ten exponentials": (lambda g, t: ten(g), 10.0, -0.7),
    "t": (lambda g, t: math.tanh(g.standard_t(5.0) + 0.5), None, -1.2),
    "poisson": (lambda g, t: 1.0 * g.poisson(3.0), 3.0, -0.75),
}


@njit
def ten(g):
    total = 0.0
    for _ in range(10):
        total += g.exponential()
    return total


@pytest.mark.parametrize("name", SMOOTH)
def test_errors_fall_faster_than_those_of_independent_draws(name):
    # root mean square over 32 streams: its logarithm has a standard error of 0.13, the slope over a factor of 64 one
    # of 0.04; independent draws have -1/2
    sample, _, least = SMOOTH[name]
    spreads = [np.std(stream_means(sample, (), n, 32), ddof=1) for n in (1 << 6, 1 << 12)]
    slope = math.log(spreads[1] / spreads[0]) / math.log(64)
    assert slope < least


@pytest.mark.parametrize("name", [name for name in SMOOTH if SMOOTH[name][1] is not None])
@pytest.mark.parametrize("points", [1, 64, 100])
def test_stream_means_are_unbiased(name, points):
    sample, mean, _ = SMOOTH[name]
    assert stats.ttest_1samp(stream_means(sample, (), points, 2000), mean).pvalue > RARE


def cauchy_hessian(g, t):
    square = g.standard_cauchy() ** 2
    return 2.0 * (1.0 - square) / (1.0 + square) ** 2


def gamma_score_squared(g, t):
    return (math.log(g.standard_gamma(2.0)) - 0.42278433509846713) ** 2


SCORES = [
    (cauchy_hessian, 0.5, lambda u: 2.0 * (1.0 - stats.cauchy.ppf(u) ** 2) / (1.0 + stats.cauchy.ppf(u) ** 2) ** 2),
    (gamma_score_squared, math.pi**2 / 6 - 1, lambda u: (np.log(stats.gamma.ppf(u, 2.0)) - 0.42278433509846713) ** 2),
]


@pytest.mark.parametrize(("sample", "mean", "integrand"), SCORES)
def test_stream_means_are_those_of_stratified_samples(sample, mean, integrand):
    # nested uniform scrambling of n points in one dimension is one independent uniform in each of n cells
    n, many = 256, 2000
    means = stream_means(sample, (), n, many)
    cells = (np.arange(n) + np.random.default_rng(1).random((many, n))) / n
    assert stats.ks_2samp(means, integrand(cells).mean(axis=1)).pvalue > RARE
    assert stats.ttest_1samp(means, mean).pvalue > RARE


def test_means_of_a_bounded_function_are_normal():
    # linear scrambling gives a kurtosis of 236 here; a normal sample's is 3 with a standard error of 0.11
    assert 2.4 < stats.kurtosis(stream_means(cauchy_hessian, (), 1024, 2000), fisher=False) < 3.6


@pytest.mark.parametrize(("sample", "mean"), [c[:2] for c in SCORES])
def test_intervals_from_32_streams_cover(sample, mean):
    # 125 intervals of 95 %; those of linear scrambling cover 91.5 to 99.5 %
    groups = stream_means(sample, (), 1024, 125 * 32).reshape(125, 32)
    half = stats.t.ppf(0.975, 31) * groups.std(axis=1, ddof=1) / math.sqrt(32)
    covered = np.count_nonzero(np.abs(groups.mean(axis=1) - mean) <= half)
    assert stats.binomtest(covered, 125, 0.95).pvalue > 1e-4


# ---- samplers whose number of calls varies, or that take more coordinates than there are
def waiting(g, t):
    """Calls until a uniform falls below 0.3."""
    count = 1.0
    while g.random() > 0.3:
        count += 1.0
    return count


def long_walk(g, t):
    total = 0.0
    for _ in range(directions.DIMENSIONS + 200):
        total += g.normal()
    return total


@pytest.mark.parametrize(
    ("sample", "mean", "variance"),
    [(waiting, 1 / 0.3, 0.7 / 0.09), (long_walk, 0.0, directions.DIMENSIONS + 200.0)],
    ids=["waiting", "long walk"],
)
def test_any_number_of_calls_is_right(sample, mean, variance):
    means = stream_means(sample, (), 64, 400)
    assert stats.ttest_1samp(means, mean).pvalue > RARE
    singles = stream_means(sample, (), 1, 2000)
    assert abs(singles.var() / variance - 1) < 5 * math.sqrt(8 / 2000)
    assert means.var() < variance / 64  # never worse than independent draws here


def test_blocks_cut_anywhere_give_the_same_draws():
    def sample(g, t):
        return g.gamma(2.0) + g.poisson(3.0) + g.normal() + g.standard_t(4.0)

    fill, whole, n = compiled(sample, 1, "rqmc"), np.empty(20000), 6000
    fill(streams.initial_state(9, 1, 0, "rqmc"), NONE, whole)
    for block, first in enumerate(range(0, 18001, n)):
        piece = np.empty(min(n, 20000 - first))
        fill(streams.initial_state(9, 1, block, "rqmc", first), NONE, piece)
        np.testing.assert_allclose(piece, whole[first : first + n], rtol=1e-10, atol=1e-10)


# ---- vectors, by their marginal laws: one point of each of many randomizations
def randomized(sample, theta, size, many=3000):
    fill, out = compiled(sample, size, "rqmc"), np.empty((many, size))
    for stream in range(many):
        fill(streams.initial_state(8, stream, 0, "rqmc", 5), np.asarray(theta, float), out[stream : stream + 1])
    return out


def test_multinomial():
    p = np.array([0.2, 0.0, 0.5, 0.1, 0.2])
    x = randomized(test_vectors.multinomial, [40, *p], 5)
    assert np.all(x.sum(axis=1) == 40)
    assert np.all(x[:, 1] == 0)
    for counts, share in [(x[:, 0], 0.2), (x[:, 2], 0.5), (x[:, 4], 0.2), (x[:, 0] + x[:, 3], 0.3)]:
        assert cell_p_value(counts, stats.binom(40, share)) > RARE


@pytest.mark.parametrize("alpha", [(1.0, 2.0, 4.0), (0.3, 2.0, 0.7), (0.02, 0.05, 0.01)])
def test_dirichlet(alpha):
    x = randomized(test_vectors.dirichlet, alpha, 3)
    np.testing.assert_allclose(x.sum(axis=1), 1.0, rtol=1e-14)
    if min(alpha) > 0.1:
        for share, a in zip(x.T, alpha, strict=True):
            assert continuous_p_value(share, stats.beta(a, sum(alpha) - a)) > RARE
    else:  # most shares are 0 or 1 to rounding: their means
        for share, a in zip(x.T, alpha, strict=True):
            assert stats.ttest_1samp(share, a / sum(alpha)).pvalue > RARE


def test_multivariate_normal():
    mean, cov = np.array([1.0, -2.0, 0.5]), np.array(test_vectors.COVARIANCES["full"])
    x = randomized(test_vectors.normal_vector, [*mean, *cov.ravel()], 3)
    for direction in [*np.eye(3), [1.0, 1.0, 1.0], [1.0, -1.0, 2.0]]:
        a = np.array(direction)
        assert continuous_p_value((x - mean) @ a, stats.norm(0.0, math.sqrt(a @ cov @ a))) > RARE


@pytest.mark.parametrize(("sample", "p"), test_vectors.CHOICES)
def test_choice(sample, p):
    fill, out, p = compiled(sample, 1, "rqmc"), np.empty(4096), np.array(p)
    fill(streams.initial_state(8, 0, 0, "rqmc"), p, out)
    # a net of 4,096 points puts each option's share right to a point at either end
    assert np.all(np.abs(np.bincount(out.astype(int), minlength=4) - 4096 * p) <= 2)
