"""Faults of the user's functions: each is named, with the draw and how to replay it; nothing is dropped."""

from math import inf, log, nan, sqrt

import numpy as np
import pytest

from fastfim import Likelihood, LikelihoodError, NonFiniteError, estimate
from fastfim.kernels.block import Block, Job, chunks_of, run_block
from fastfim.kernels.diagnosis import check_by_hand, raise_for

BLOCK = Block(2, 5, 2000)


def job_of(likelihood, theta=(0.0,), order=1):
    model = likelihood.bind()
    return Job(model, model.theta(theta), 11, order)


def normal_sample(rng, theta):
    return rng.normal(theta[0], 1.0)


def normal_logpdf(x, theta):
    return -0.5 * (x - theta[0]) ** 2


def fault_of(sample=normal_sample, logpdf=normal_logpdf, order=1, **options):
    job = job_of(Likelihood(sample, logpdf, parameters=("m",), **options), order=order)
    sums = run_block(job, BLOCK)
    assert sums[-1] > 0 or not np.isfinite(sums).all()
    with pytest.raises((NonFiniteError, LikelihoodError)) as caught:
        raise_for(job, BLOCK)
    return job, caught.value


def replayed(job, error):
    draws = np.concatenate([chunk.draws for chunk in chunks_of(job, Block(error.stream, error.block, error.index + 1))])
    return draws[error.index, 0]


def sometimes(value):
    def sample(rng, theta):
        return value if rng.random() < 0.01 else rng.normal()

    return sample


@pytest.mark.parametrize("value", [inf, -inf, nan])
def test_a_draw_that_is_not_finite(value):
    job, error = fault_of(sample=sometimes(value))
    assert isinstance(error, NonFiniteError)
    assert f"draw {value} is not finite" in str(error)
    assert np.array_equal(error.draw, value, equal_nan=True)
    assert (error.stream, error.block, error.seed) == (2, 5, 11)
    assert np.array_equal(replayed(job, error), value, equal_nan=True)


def test_a_draw_outside_the_support():
    def logpdf(x, theta):
        if x < -2.5:
            return -inf
        return -0.5 * (x - theta[0]) ** 2

    job, error = fault_of(logpdf=logpdf)
    assert isinstance(error, NonFiniteError)
    assert "log density" in str(error)
    assert error.draw < -2.5
    assert replayed(job, error) == error.draw


def test_a_score_that_is_not_finite():
    def logpdf(x, theta):
        return sqrt(abs(theta[0])) * x if x > 2.5 else -0.5 * (x - theta[0]) ** 2

    _, error = fault_of(logpdf=logpdf)
    assert isinstance(error, NonFiniteError)
    assert "score" in str(error)
    assert error.draw > 2.5


def test_a_hessian_that_is_not_finite():
    def logpdf(x, theta):
        return abs(theta[0]) ** 1.5 * x if x > 2.5 else -0.5 * (x - theta[0]) ** 2

    _, error = fault_of(logpdf=logpdf, order=2)
    assert isinstance(error, NonFiniteError)
    assert "Hessian" in str(error)


def test_products_that_overflow():
    def logpdf(x, theta):
        return 1e200 * (x * theta[0])

    _, error = fault_of(logpdf=logpdf)
    assert isinstance(error, NonFiniteError)
    assert "overflow" in str(error)


def test_the_first_of_several_faults_is_named():
    def sample(rng, theta):
        u = rng.random()
        if u < 0.01:
            return inf
        return -5.0 if u < 0.02 else rng.normal()

    def logpdf(x, theta):
        return log(x + 4.0) - 0.5 * (x - theta[0]) ** 2

    job, error = fault_of(sample, logpdf)
    draws = np.concatenate([chunk.draws for chunk in chunks_of(job, BLOCK)])[:, 0]
    assert error.index == np.argmax(~np.isfinite(draws) | (draws < -4.0))


# ---------------------------------------------------------------- what is not filled


def test_a_draw_that_is_not_filled():
    def sample(rng, theta, x):
        x[0] = rng.normal()
        if rng.random() < 0.999:
            x[1] = 0.0

    def logpdf(x, theta):
        return -0.5 * (x[0] - theta[0]) ** 2

    _, error = fault_of(sample, logpdf, size=2)
    assert isinstance(error, LikelihoodError)
    assert "entry 1" in str(error)
    assert error.file == __file__
    assert error.line == sample.__code__.co_firstlineno


def test_a_nan_that_the_sampler_wrote_is_no_missing_entry():
    def sample(rng, theta, x):
        x[0] = rng.normal()
        x[1] = nan

    def logpdf(x, theta):
        return -0.5 * (x[0] - theta[0]) ** 2

    _, error = fault_of(sample, logpdf, size=2)
    assert isinstance(error, NonFiniteError)


def test_a_score_that_is_not_filled():
    def score(x, theta, out):
        out = x - theta  # noqa: F841

    likelihood = Likelihood(normal_sample, normal_logpdf, parameters=("m",), score=score)
    with pytest.raises(LikelihoodError, match="score must fill every entry of out") as caught:
        check_by_hand(job_of(likelihood))
    assert caught.value.line == score.__code__.co_firstlineno


# ---------------------------------------------------------------- hand-written derivatives


def right_score(x, theta, out):
    out[0] = x - theta[0]


def right_hessian(x, theta, out):
    out[0, 0] = -1.0


def test_right_derivatives_pass():
    both = Likelihood(normal_sample, normal_logpdf, parameters=("m",), score=right_score, hessian=right_hessian)
    for order in (1, 2):
        check_by_hand(job_of(both, order=order))


def test_a_wrong_score_is_caught():
    def score(x, theta, out):
        out[0] = 1.001 * (x - theta[0])

    likelihood = Likelihood(normal_sample, normal_logpdf, parameters=("m",), score=score)
    with pytest.raises(LikelihoodError, match=r"score is not the derivative of logpdf.*\(m\)") as caught:
        check_by_hand(job_of(likelihood))
    assert caught.value.file == __file__


def test_a_wrong_hessian_is_caught_when_it_is_used():
    def hessian(x, theta, out):
        out[0, 0] = 1.0

    likelihood = Likelihood(normal_sample, normal_logpdf, parameters=("m",), hessian=hessian)
    check_by_hand(job_of(likelihood, order=1))
    with pytest.raises(LikelihoodError, match="hessian is not the derivative"):
        check_by_hand(job_of(likelihood, order=2))


def test_what_a_user_function_raises_is_passed_on():
    def sample(rng, theta):
        if rng.random() < 0.01:
            raise ValueError("no such draw")
        return rng.normal()

    job = job_of(Likelihood(sample, normal_logpdf, parameters=("m",)))
    with pytest.raises(LikelihoodError, match="ValueError: no such draw"):
        run_block(job, BLOCK)


def test_a_wrong_hessian_is_no_kink():
    """Whatever the estimator, and before anything is concluded from it."""

    def wrong_hessian(x, theta, out):
        out[0, 0] = -2.0

    likelihood = Likelihood(normal_sample, normal_logpdf, parameters=("m",), hessian=wrong_hessian)
    for estimator in ("auto", "hessian", "score"):
        with pytest.raises(LikelihoodError, match="hessian is not the derivative of logpdf"):
            estimate(likelihood, (1.0,), estimator=estimator, rng=0)
