"""Directions that the data do not identify, by parameter name."""

import math

import numpy as np
import pytest

from fastfim import estimate
from fastfim.estimation import identifiability
from fastfim.likelihood import Likelihood, positive, real

STREAMS = 32


def replicates(exact, noise, seed=0):
    """Symmetric matrices with independent errors in units of the diagonal."""
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(STREAMS, *exact.shape))
    roots = np.sqrt(np.diag(exact))
    return exact + noise * np.outer(roots, roots) * (errors + errors.transpose(0, 2, 1))


def test_units_do_not_matter():
    exact = np.array([[1.0, 0.3], [0.3, 2.0]])
    units = np.array([1e-5, 1e4])
    seen = [
        identifiability.look(replicates(m, 0.01), np.sqrt(np.diag(m))) for m in (exact, exact * np.outer(units, units))
    ]
    np.testing.assert_allclose(seen[0].values, seen[1].values, rtol=1e-9)
    np.testing.assert_allclose(seen[0].margins, seen[1].margins, rtol=1e-6)


def test_condition_number_is_numpys():
    exact = np.array([[1.0, 0.9], [0.9, 1.0]])
    assert identifiability.look(replicates(exact, 0.0), np.ones(2)).condition == pytest.approx(np.linalg.cond(exact))


@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_a_direction_is_named_in_the_parameters_units(noise):
    """Only a + 0.5 b can be told: moving along a - 2 b, or b - 0.5 a, changes nothing."""
    slope = np.array([1.0, 0.5, 0.0])
    exact = np.outer(slope, slope) + np.diag([0.0, 0.0, 4.0])
    seen = identifiability.look(replicates(exact, noise), np.sqrt(np.diag(exact)))
    assert seen.unidentified(("a", "b", "c")) == ["-0.5 a + b"]


def test_margins_are_standard_errors():
    """The least eigenvalue of a diagonal matrix, in units of its error: within its own scatter."""
    exact = np.diag([1.0, 1.0])
    seen = identifiability.look(replicates(exact, 0.1), np.ones(2))
    assert seen.margins[0] == pytest.approx(math.sqrt(STREAMS) / 0.2, rel=0.5)
    assert seen.unidentified(("a", "b")) == []


def test_noise_is_no_lack_of_information():
    exact = np.array([[1.0, 0.8], [0.8, 1.0]])
    seen = identifiability.look(replicates(exact, 0.6), np.ones(2))
    assert seen.margins[0] < identifiability.CLEAR
    assert seen.unidentified(("a", "b")) == []
    assert seen.unsettled(("a", "b")) != []


def sample_sum(rng, theta):
    return rng.normal(theta[0] + 2.0 * theta[1], theta[2])


def logpdf_sum(x, theta):
    return -0.5 * ((x - theta[0] - 2.0 * theta[1]) / theta[2]) ** 2 - math.log(theta[2]) + 0.0 * theta[3]


SUM = Likelihood(sample_sum, logpdf_sum, parameters=("a", "b", "scale", "idle"), domain=(real, real, positive, real))


@pytest.mark.parametrize("estimator", ["auto", "score", "hessian"])
def test_a_run_says_what_it_cannot_tell(estimator):
    result = estimate(SUM, (0.0, 0.0, 1.0, 0.0), estimator=estimator, rtol=5e-2, rng=0)
    rank = result.checks["rank"]
    assert result.converged
    assert rank.verdict == "warn"
    assert "no information about idle" in rank.message
    assert "do not identify a - 0.5 b" in rank.message
    assert result.checks["conditioning"].verdict == "skipped"
    assert "rank: warn" in str(result)


def test_nearly_the_same_parameter_twice_is_ill_conditioned():
    def sample(rng, theta, x):
        x[0] = rng.normal(theta[0] + theta[1], 1.0)
        x[1] = rng.normal(theta[0] + (1.0 + 1e-4) * theta[1], 1.0)

    def logpdf(x, theta):
        return -0.5 * (x[0] - theta[0] - theta[1]) ** 2 - 0.5 * (x[1] - theta[0] - (1.0 + 1e-4) * theta[1]) ** 2

    model = Likelihood(sample, logpdf, parameters=("a", "b"), size=2)
    result = estimate(model, (0.0, 0.0), rng=0)  # the Hessian is constant: known to rounding
    assert result.checks["rank"].verdict == "pass"
    assert result.checks["conditioning"].verdict == "warn"
    assert result.checks["conditioning"].figure > 1e8
