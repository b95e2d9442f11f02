"""Published numbers from real data and from the literature, reached as a user would reach them."""

from __future__ import annotations

import numpy as np
import pytest
from models import DISTRESS, LAUNCHES, NOISE_WEIGHTS, unequal_noise, unequal_noise_information
from scipy.optimize import minimize

import fastfim

SHUTTLE_MLE = [15.0429, -0.2322]
SHUTTLE_ERRORS = [7.3786, 0.1082]


@pytest.fixture(scope="module")
def shuttle_fit():
    """Coefficients that make the 23 launches likeliest, from the log density alone."""
    logpdf = fastfim.catalogue["logistic_regression"].logpdf
    found = minimize(
        lambda b: -logpdf(DISTRESS, b, LAUNCHES),
        [10.0, -0.1],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 10_000},
    )
    return found.x


def test_shuttle_launches_give_the_published_coefficients(shuttle_fit):
    np.testing.assert_allclose(shuttle_fit, SHUTTLE_MLE, atol=5e-5)


def test_shuttle_launches_give_the_published_standard_errors(shuttle_fit):
    """The Hessian does not depend on the responses, so that a few draws are exact."""
    result = fastfim.estimate(
        "logistic_regression", shuttle_fit, args=(LAUNCHES,), estimator="hessian", draws=64, streams=4, rng=0
    )
    np.testing.assert_allclose(result.standard_errors().value, SHUTTLE_ERRORS, atol=5e-5)


def test_fisher_scoring_reaches_the_published_coefficients():
    """b <- b + I(b)^-1 U(b), with the information estimated at every step."""
    b = np.zeros(2)
    for _ in range(8):
        p = 1 / (1 + np.exp(-LAUNCHES @ b))
        result = fastfim.estimate(
            "logistic_regression", b, args=(LAUNCHES,), estimator="hessian", draws=64, streams=4, rng=0
        )
        b = b + np.linalg.solve(result.fim, LAUNCHES.T @ (DISTRESS - p))
    np.testing.assert_allclose(b, SHUTTLE_MLE, atol=5e-5)


def test_the_score_estimator_agrees_on_the_shuttle_launches(shuttle_fit):
    p = 1 / (1 + np.exp(-LAUNCHES @ shuttle_fit))
    exact = (LAUNCHES * (p * (1 - p))[:, None]).T @ LAUNCHES
    result = fastfim.estimate("logistic_regression", shuttle_fit, args=(LAUNCHES,), rtol=3e-3, estimator="score", rng=1)
    # 6 standard errors on 31 degrees of freedom: a false alarm in 1.2e-6 of entries, none with this seed
    assert np.all(np.abs(result.fim - exact) < 6 * result.standard_error)
    assert result.converged


def test_the_published_matrix_of_das_spall_and_ghanem():
    published = np.array([[20.9004, 0.0, 0.0], [0.0, 7.5994, 2.8508], [0.0, 2.8508, 1.6990]])
    exact = unequal_noise_information((0.0, 1.0, 1.0), NOISE_WEIGHTS)
    np.testing.assert_allclose(exact, published, atol=5e-5)
    result = fastfim.estimate(
        unequal_noise, {"mu": 0.0, "variance": 1.0, "alpha": 1.0}, (NOISE_WEIGHTS,), rtol=1e-3, rng=2
    )
    assert result.converged
    # 6 standard errors: as above
    assert np.all(np.abs(result.fim - exact) < 6 * result.standard_error)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    # the tolerance holds each half-width at 95 %; three times that is 6 standard errors
    assert np.max(np.abs(result.fim - exact) / scale) < 3e-3
