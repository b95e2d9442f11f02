"""Stretched coordinates: the transformation, its weights, and what they do to means and their intervals."""

import numpy as np
import pytest
from oracles import weibull_min
from scipy import integrate, optimize, stats

from fastfim import estimate, streams
from fastfim.streams import Stretch, draw_weight
from fastfim.streams.states import STRETCH_WIDTH
from fastfim.streams.stretching import rotated, stretched

from .drivers import compiled

NONE = np.empty(0)

WIDTHS = [0.01, STRETCH_WIDTH, 0.5]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_weight_is_the_slope(width):
    """G is the integral of G', by quadrature; the other tail mirrors it."""
    for t in (1e-9, 0.3 * width, width, 0.4, 0.5):
        tail, _ = stretched(t, width)
        area, _ = integrate.quad(lambda v: stretched(v, width)[1], 0.0, t, points=[min(t, width)], epsabs=0.0)
        assert tail == pytest.approx(area, rel=1e-10)
        assert stretched(-t, width) == (-tail, stretched(t, width)[1])
    assert stretched(0.5, width)[0] == pytest.approx(0.5, rel=1e-15)


def two_or_three(rng, theta, row):
    """Three uniforms, the last of which half the draws do without, and the draw's weight."""
    row[0] = rng.random()
    row[1] = rng.random()
    row[2] = rng.random() if row[0] < 0.5 else 0.25
    row[3] = draw_weight(rng)


def draws(stream, n, stretch):
    out = np.empty((n, 4))
    compiled(two_or_three, 4, "rqmc")(streams.initial_state(3, stream, 0, "rqmc", 0, stretch), NONE, out)
    return out


def test_weighted_means_are_those_of_plain_points():
    """Means over 400 streams of 64 points: |z| of four moments; beyond 5 with probability below 1e-5."""
    every = np.array([draws(k, 64, Stretch(0.25, 4)) for k in range(400)])
    u, weights = every[:, :, :3], every[:, :, 3]
    moments = [(weights, 1.0), (weights * u[:, :, 0] ** 2, 1 / 3), (weights * np.log(u[:, :, 1]), -1.0)]
    moments.append((weights * u[:, :, 2] * u[:, :, 1], 0.5 * (0.5 * 0.5 + 0.5 * 0.25)))
    for values, expected in moments:
        means = values.mean(axis=1)
        assert abs(means.mean() - expected) < 5 * means.std(ddof=1) / np.sqrt(400)


def test_the_weight_is_that_of_the_coordinates_taken():
    """The product of the slopes, of two coordinates or of three; those beyond ``coordinates`` do not count."""
    plain, moved, fewer = (draws(0, 640, s) for s in (Stretch(), Stretch(0.25, 4), Stretch(0.25, 1)))
    slopes = np.array([[slope_at(u, 0.25) for u in row] for row in moved[:, :3]])
    expected = slopes[:, 0] * slopes[:, 1] * np.where(moved[:, 0] < 0.5, slopes[:, 2], 1.0)
    np.testing.assert_array_equal(plain[:, 3], 1.0)
    np.testing.assert_allclose(moved[:, 3], expected, rtol=1e-8)
    np.testing.assert_allclose(fewer[:, 3], slopes[:, 0], rtol=1e-8)
    np.testing.assert_array_equal(fewer[:, 1], plain[:, 1])


def slope_at(u, width):
    """G'(v) where G(v) = u, by bisection."""
    tail = min(u, 1 - u)
    v = optimize.brentq(lambda v: stretched(v, width)[0] - tail, 0.0, 0.5, xtol=1e-300, rtol=1e-14)
    return stretched(v, width)[1]


def test_rotations_differ_from_stream_to_stream():
    """A jump at u = 1/2, which the strata of plain points never cut: counts now differ between streams, and are fair.

    |z| of the mean over 400 streams beyond 5 has probability 1e-6.
    """
    every = np.array([draws(k, 64, Stretch(0.25, 1)) for k in range(400)])
    counts = np.sum(every[:, :, 3] * (every[:, :, 0] < 0.5), axis=1)
    assert counts.std() > 0.1
    assert abs(counts.mean() - 32) < 5 * counts.std() / 20


@pytest.mark.parametrize("shift", [1e-3, 0.3, 0.999])
def test_a_rotation_wraps_around(shift):
    for u in (1e-12, 0.2, 0.5, 0.7, 1 - 1e-12):
        t = rotated(u if u < 0.5 else u - 1, shift)
        assert 0 < abs(t) <= 0.5
        assert (t if t > 0 else 1 + t) == pytest.approx((u + shift) % 1.0, abs=1e-15)


def test_points_go_far_into_the_tails():
    every = np.concatenate([draws(k, 1024, Stretch(0.25, 4))[:, 0] for k in range(8)])
    assert 0.0 < every.min() < 1e-7  # of 8,192 plain points some 1e-4
    assert (
        stats.kstest(every, "uniform").pvalue < 1e-10
    )  # the points themselves are not uniform: weights belong to them


def test_scores_need_few_draws_and_their_intervals_hold():
    """Weibull, whose squared scores are skewed without stretching: 40 runs; |z| > 5 (t, 31) has probability 1e-3."""
    exact = weibull_min((1.5, 2.0))
    runs = [
        estimate("weibull_min", (1.5, 2.0), draws=32 * 512, estimator="score", sampling="rqmc", rng=seed, workers=1)
        for seed in range(40)
    ]
    z = np.array([(run.fim - exact) / run.standard_error for run in runs])
    assert np.abs(z).max() < 5
    assert np.mean(z**2) < 2
    assert max(run.relative_error for run in runs) < 1e-3


def test_counts_of_a_fair_coin_are_no_cause_for_alarm():
    """A jump beside a dyadic fraction, which plain points take for unsound in two of five runs; and it covers.

    60 intervals of 95 % miss 12 or more with probability 1e-5.
    """
    missed = 0
    for seed in range(60):
        run = estimate("binom", (0.5003,), (1,), estimator="score", sampling="rqmc", draws=2**15, rng=seed, workers=1)
        assert run.checks["mean_score"].verdict == "pass"
        missed += abs(run.fim[0, 0] - 1 / (0.5003 * 0.4997)) > 2.04 * run.standard_error[0, 0]
    assert missed < 12
