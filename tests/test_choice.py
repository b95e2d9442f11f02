"""`auto`: never worse than the plain score, never fooled by a kink, a moving support or a rare event."""

import math
from math import erfc, exp, log, log1p, pi, sqrt

import numpy as np
import pytest
from oracles import CASES

import fastfim
from fastfim import Likelihood, RegularityWarning, estimate, positive, real
from fastfim.engine.choice import plan_for
from fastfim.engine.heldout import HeldOut
from fastfim.engine.options import Options
from fastfim.engine.pilot import Pilot, draw_pilot
from fastfim.engine.smoothness import look
from fastfim.kernels.block import Job

# ---------------------------------------------------------------- models with kinks


def sample_laplace(rng, theta):
    return theta[0] + rng.laplace()


def logpdf_laplace(x, theta):
    return -abs(x - theta[0]) - log(2.0)


def sample_asymmetric(rng, theta):
    x = rng.exponential() if rng.random() < 0.8 else -0.25 * rng.exponential()
    return theta[0] + x


def logpdf_asymmetric(x, theta):
    z = x - theta[0]
    return log(0.8) - z if z > 0 else log(0.8) + 4.0 * z


def sample_three_halves(rng, theta):
    magnitude = rng.gamma(2.0 / 3.0) ** (2.0 / 3.0)
    return theta[0] + (magnitude if rng.random() < 0.5 else -magnitude)


def logpdf_three_halves(x, theta):
    return -(abs(x - theta[0]) ** 1.5)


def sample_weak_kink(rng, theta):
    while True:  # a normal, thinned by the kink
        x = rng.normal()
        if rng.random() < exp(-0.01 * abs(x)):
            return theta[0] + x


def logpdf_weak_kink(x, theta):
    z = x - theta[0]
    return -0.5 * z * z - 0.01 * abs(z)


def weak_kink_information():
    """E[(z + 0.01 sign z)^2] under the normalized density, in closed form by completing the square."""
    a = 0.01
    mass = 2 * sqrt(pi / 2) * exp(a * a / 2) * erfc(a / sqrt(2))
    return 1 + 2 * a / mass  # E[s^2] = E[-s'] = 1 + 2 a p(0), with the delta of the kink counted


KINKED = {
    "laplace": (sample_laplace, logpdf_laplace, 1.0),
    "asymmetric laplace": (sample_asymmetric, logpdf_asymmetric, 4.0),
    "generalized normal": (sample_three_halves, logpdf_three_halves, 2.25 * math.gamma(4 / 3) / math.gamma(2 / 3)),
    "weak kink": (sample_weak_kink, logpdf_weak_kink, weak_kink_information()),
}


@pytest.mark.parametrize("name", KINKED)
def test_kinks_are_left_to_the_score(name):
    """|z| beyond 5 (Student t, 31 degrees of freedom) has probability 2e-5 each."""
    sample, logpdf, exact = KINKED[name]
    with pytest.warns(RegularityWarning, match="kinks in loc"):
        result = estimate(Likelihood(sample, logpdf, parameters=("loc",)), (0.3,), rng=1, rtol=3e-3)
    assert result.estimator == "score"
    assert result.converged
    assert result.checks["smoothness"].verdict == "warn"
    assert abs(result.fim[0, 0] - exact) < 5 * result.standard_error[0, 0]


def test_no_kink_escapes_over_many_seeds():
    """The fewest rough draws are seen for the generalized normal, some 30 of 4,096 where more than 4 are needed."""
    for sample, logpdf, _ in KINKED.values():
        model = Likelihood(sample, logpdf, parameters=("loc",)).bind()
        for seed in range(100):
            job = Job(model, model.theta((0.3,)), seed, 2)
            assert not look(job, draw_pilot(job, 256)).smooth


# ---------------------------------------------------------------- smooth models, however they are written


def sample_two_normals(rng, theta):
    return rng.normal(theta[0], 1.0) if rng.random() < 0.4 else rng.normal(theta[1], 1.0)


def logpdf_with_if(x, theta):
    a, b = log(0.4) - 0.5 * (x - theta[0]) ** 2, log(0.6) - 0.5 * (x - theta[1]) ** 2
    if a > b:
        return a + log1p(exp(b - a))
    return b + log1p(exp(a - b))


def logpdf_with_max(x, theta):
    a, b = log(0.4) - 0.5 * (x - theta[0]) ** 2, log(0.6) - 0.5 * (x - theta[1]) ** 2
    m = max(a, b)
    return m + log(exp(a - m) + exp(b - m))


def logpdf_plain(x, theta):
    return log(0.4 * exp(-0.5 * (x - theta[0]) ** 2) + 0.6 * exp(-0.5 * (x - theta[1]) ** 2))


def test_branches_keep_the_full_reduction():
    reductions = []
    for logpdf in (logpdf_plain, logpdf_with_if, logpdf_with_max):
        model = Likelihood(sample_two_normals, logpdf, parameters=("a", "b"))
        result = estimate(model, (-1.0, 1.0), draws=200_000, rng=2, sampling="mc")
        assert result.estimator == "bartlett"
        reductions.append(result.variance_reduction)
    assert reductions[0] > 2  # in the worst entry
    np.testing.assert_allclose(reductions, reductions[0], rtol=1e-6)


EVERY_CASE = [pytest.param(name, case, id=f"{name}{case.theta}") for name, cases in CASES.items() for case in cases]


@pytest.mark.parametrize(("name", "case"), EVERY_CASE)
def test_the_catalogue_is_smooth(name, case):
    model = fastfim.catalogue[name].bind(case.args)
    job = Job(model, model.theta(case.theta), 5, 2)
    seen = look(job, draw_pilot(job, 256))
    assert seen.rough.max() == 0
    assert seen.support_is_fixed


def test_heavy_tails_are_no_kink():
    def sample(rng, theta):
        return theta[0] + theta[1] * rng.standard_cauchy()

    def logpdf(x, theta):
        return -log(theta[1]) - log1p(((x - theta[0]) / theta[1]) ** 2)

    cauchy = Likelihood(sample, logpdf, parameters=("loc", "scale"), domain=(real, positive))
    result = estimate(cauchy, (1.0, 2.0), rng=0, rtol=1e-3)
    assert result.converged
    np.testing.assert_allclose(result.fim, np.eye(2) / 8, atol=5e-4)


# ---------------------------------------------------------------- never worse


@pytest.mark.parametrize("name", CASES)
def test_auto_takes_no_more_draws_than_the_score(name):
    case = CASES[name][0]
    plain = estimate(name, case.theta, case.args, rtol=2e-2, rng=0, estimator="score", sampling="mc")
    result = estimate(name, case.theta, case.args, rtol=2e-2, rng=0)
    assert result.converged
    assert result.draws <= max(plain.draws, 4096 + 8192)


def test_twenty_coordinates_are_not_taken_for_smooth_ones():
    """Quasi-Monte Carlo gains nothing over this many covariates in the end, and costs three times as much."""

    def sample(rng, theta, x):
        for i in range(20):
            x[i] = rng.standard_normal()
        x[20] = rng.random() < 1 / (1 + exp(-np.dot(x[:20], theta)))

    def logpdf(x, theta):
        eta = np.dot(x[:20], theta)
        return x[20] * eta - np.logaddexp(0.0, eta)

    logistic = Likelihood(sample, logpdf, parameters=[f"b{i}" for i in range(20)], size=21).bind()
    for seed in range(3):
        plan = plan_for(Job(logistic, np.full(20, 0.2), seed, 1), Options.of(rtol=1e-4, rng=seed))
        assert (plan.estimator, plan.job.sampling) == ("score", "mc")


def test_rates_of_quasi_random_draws():
    """x^2 of a normal x falls faster than n^-2, the mean of rough signs hardly faster than 1 / n."""
    normal = fastfim.catalogue["norm"].bind()
    pilot = draw_pilot(Job(normal, normal.theta((0.0, 1.0)), 0, 2, "rqmc"), 256)
    assert HeldOut.of(pilot, "score").rate("rqmc") > 1.8
    assert HeldOut.of(pilot, "score").rate("mc") == 1.0
    noise = np.random.default_rng(0).normal(size=(2, pilot.draws))
    independent = Pilot(noise, None, np.ones(pilot.draws), streams=16)
    assert HeldOut.of(independent, "score").rate("rqmc") < 1.3


def test_parameters_without_information():
    def sample(rng, theta):
        return rng.normal(theta[0], 1.0)

    def logpdf(x, theta):
        return -0.5 * (x - theta[0]) ** 2 + 0.0 * theta[1]

    result = estimate(Likelihood(sample, logpdf, parameters=("m", "idle")), (0.0, 1.0), rng=0)
    assert result.converged
    np.testing.assert_allclose(result.fim, np.diag([1.0, 0.0]), atol=1e-2)


def test_a_likelihood_without_second_derivatives_is_left_to_scores():
    def sample(rng, theta):
        return rng.normal(theta[0], 1.0)

    def logpdf(x, theta):  # at 0, |e|^1.5 has a slope but no curvature
        return -0.5 * (x - theta[0]) ** 2 + abs(theta[1]) ** 1.5

    result = estimate(Likelihood(sample, logpdf, parameters=("m", "e")), (0.0, 0.0), rng=0, rtol=1e-2)
    assert result.estimator in ("score", "bartlett")  # which has scores for controls here
    assert "information_equality" not in result.checks
    assert result.checks["smoothness"].verdict == "skipped"
    assert result.fim[0, 0] == pytest.approx(1.0, abs=5 * result.standard_error[0, 0] + 1e-9)


def test_many_parameters_are_left_to_the_score():
    def sample(rng, theta, x):
        for i in range(len(x)):
            x[i] = rng.normal(theta[i], 1.0)

    def logpdf(x, theta):
        total = 0.0
        for i in range(len(x)):
            total -= 0.5 * (x[i] - theta[i]) ** 2
        return total

    model = Likelihood(sample, logpdf, parameters=[f"m{i}" for i in range(25)], size=25)
    result = estimate(model, np.zeros(25), rng=0, rtol=5e-2)
    assert result.estimator == "score"
    assert "more than 20 parameters" in result.checks["smoothness"].message
