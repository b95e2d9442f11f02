"""Control variates from both identities: unbiased whatever the coefficients, and worth their factor in draws."""

import numpy as np
import pytest
from oracles import CASES

from fastfim import Likelihood, estimate, positive, real
from fastfim.engine import control
from fastfim.engine.choice import plan_for
from fastfim.engine.control import ControlVariates, fit
from fastfim.engine.options import Options
from fastfim.engine.pilot import Pilot, pilot_draws
from fastfim.estimation.estimators import Sums, replicates
from fastfim.kernels.block import Job


def draws_of(rng, n, p):
    """Scores and Hessians of a made-up model with E[s] = 0 and E[s s^T + H] = 0: H = -(s s^T + noise)."""
    scores = rng.normal(size=(n, p))
    noise = rng.normal(size=(n, p, p))
    hessians = -(scores[:, :, None] * scores[:, None, :] + noise + noise.swapaxes(1, 2))
    return scores, hessians


def pilot_of(scores, hessians):
    rows, columns = np.triu_indices(scores.shape[1])
    return Pilot(scores.T, hessians[:, rows, columns].T, np.ones(len(scores)))


@pytest.mark.parametrize("p", [1, 2, 4, 12])
def test_any_coefficients_give_what_the_formula_says(p):
    """The same by explicit loops over entries and controls, exactly symmetric."""
    rng = np.random.default_rng(p)
    scores, hessians = (a.reshape(3, 5, *a.shape[1:]) for a in draws_of(rng, 15, p))
    outer = np.einsum("kni,knj->kij", scores, scores)
    sums = Sums(5, scores.sum(1), outer, -hessians.sum(1))
    entries = p * (p + 1) // 2
    indices = rng.integers(0, p + entries, size=(entries, 3))
    values = rng.normal(size=(entries, 3))
    found = replicates(sums, "bartlett", ControlVariates(indices, values))
    pairs = list(zip(*np.triu_indices(p), strict=True))
    for k in range(3):
        mean_score, mean_outer, mean_n = scores[k].mean(0), outer[k] / 5, -hessians[k].mean(0)
        controls = [*mean_score, *((mean_outer - mean_n)[i, j] for i, j in pairs)]
        for e, (i, j) in enumerate(pairs):
            expected = mean_n[i, j] - sum(values[e, c] * controls[indices[e, c]] for c in range(3))
            assert found[k, i, j] == pytest.approx(expected, rel=1e-12, abs=1e-12)
            assert found[k, i, j] == found[k, j, i]


@pytest.mark.parametrize("p", [1, 3, 9, 10, 14])
def test_coefficients_are_those_of_least_squares(p):
    rng = np.random.default_rng(p)
    scores, hessians = draws_of(rng, 3000, p)
    found = fit(pilot_of(scores, hessians), "mc", wide=p < 10)
    rows, columns = np.triu_indices(p)
    difference = (scores[:, :, None] * scores[:, None, :] + hessians)[:, rows, columns]
    controls = np.concatenate([scores, difference], axis=1)
    for e in range(0, len(rows), 7):
        design = np.column_stack([np.ones(len(scores)), controls[:, found.indices[e]]])
        response = -hessians[:, rows[e], columns[e]]
        fitted = design[:, 1:] @ found.values[e]
        residual = response - fitted
        best = response - design @ np.linalg.lstsq(design, response, rcond=None)[0]
        assert residual.std() <= best.std() * (1 + 1e-9)


def test_collinear_and_constant_controls_do_no_harm():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(500, 1)) @ np.ones((1, 3))  # three times the same score
    hessians = -np.ones((500, 3, 3)) + 1e-16 * rng.normal(size=(500, 3, 3))
    found = fit(pilot_of(scores, hessians), "mc")
    assert np.abs(found.values).max() < 10
    fewer = fit(pilot_of(scores[:2], hessians[:2]), "mc")
    assert np.isfinite(fewer.values).all()


#: How many times fewer draws than by the score, at least in the worst entry (fixed seeds).
WORTH = {"gamma": 1e9, "weibull_min": 1e4, "t": 1e9, "normal_mixture": 5, "ar1": 5}


@pytest.mark.parametrize("name", WORTH)
def test_control_variates_are_worth_their_factor(name):
    case = CASES[name][0]
    result = estimate(name, case.theta, case.args, draws=65_536, estimator="bartlett", sampling="mc", rng=3)
    assert result.variance_reduction > WORTH[name]
    assert result.estimator == "bartlett"


def test_a_kink_is_caught():
    def sample(rng, theta):
        return theta[0] + rng.laplace()

    def logpdf(x, theta):
        return -abs(x - theta[0])

    laplace = Likelihood(sample, logpdf, parameters=("loc",))
    with pytest.warns(UserWarning, match="kinks in loc"):
        result = estimate(laplace, (0.0,), estimator="bartlett", rng=0)
    assert not result.converged


def test_the_pilot_counts():
    result = estimate("norm", (0.0, 1.0), draws=10_000, estimator="bartlett", sampling="mc", rng=0)
    assert 10_000 <= result.draws < 10_000 + 64
    assert [pilot_draws(budget) for budget in (None, 10**6, 10_000, 100, 1)] == [256, 256, 128, 1, 1]
    assert [pilot_draws(None, p * p // 2) for p in (60, 100, 200, 1000)] == [256, 128, 32, 16]  # Hessians
    assert estimate("norm", (0.0, 1.0), draws=64, estimator="bartlett", rng=0).draws >= 64


@pytest.mark.parametrize(("p", "draws", "choice"), [(1, 2, (True,)), (9, 431, (False,)), (9, 432, (True, False))])
def test_all_controls_want_draws_enough(p, draws, choice):
    pilot = pilot_of(*draws_of(np.random.default_rng(0), draws, p))
    assert control.widths(pilot) == choice
    assert fit(pilot, "mc", wide=True).indices.shape[1] == p + p * (p + 1) // 2
    assert fit(pilot, "mc", wide=False).indices.shape[1] == 3


def test_the_better_of_all_and_few_controls_is_taken():
    """A normal is exact by all; made-up noise that no control explains is better left to few."""

    def sample(rng, theta, x):
        x[0] = theta[0] + theta[2] * rng.standard_normal()
        x[1] = theta[1] + theta[3] * rng.standard_normal() + theta[4] * x[0]

    def logpdf(x, theta):
        a, b = (x[0] - theta[0]) / theta[2], (x[1] - theta[1] - theta[4] * x[0]) / theta[3]
        return -0.5 * (a * a + b * b) - np.log(theta[2] * theta[3])

    domain = (real, real, positive, positive, real)
    normal = Likelihood(sample, logpdf, parameters=("a", "b", "s", "t", "c"), domain=domain, size=2)
    exact = estimate(normal, (0.1, 0.2, 1.0, 2.0, 0.5), draws=65_536, estimator="bartlett", sampling="mc", rng=0)
    assert exact.variance_reduction > 1e9

    def sample_response(rng, theta, x):
        for i in range(6):
            x[i] = rng.standard_normal()
        x[6] = rng.random() < 1 / (1 + np.exp(-np.dot(x[:6], theta)))

    def logpdf_response(x, theta):
        eta = np.dot(x[:6], theta)
        return x[6] * eta - np.logaddexp(0.0, eta)

    logistic = Likelihood(sample_response, logpdf_response, parameters=[f"b{i}" for i in range(6)], size=7)
    job = Job(logistic.bind(), np.full(6, 0.3), 0, 2, "rqmc")
    options = Options.of(estimator="bartlett", sampling="rqmc", rng=0)
    chosen = plan_for(job, options).control
    assert chosen.indices.shape[1] == 3


def test_scores_alone_are_controls_where_there_are_no_hessians():
    """Y of a skewed score on that score: the slope is E[s^3] / E[s^2], which is 2 for x - 1 of a standard exponential.

    The estimate of the slope has a standard deviation of 0.1 at 10,000 draws: five of them.
    """
    rng = np.random.default_rng(5)
    scores = rng.exponential(size=(1, 10_000, 2)) - 1.0
    found = fit(Pilot(scores[0].T, None, np.ones(10_000)), "mc")
    np.testing.assert_allclose(found.values.sum(axis=1)[[0, 2]], 2.0, atol=0.5)
    sums = Sums(10_000, scores.sum(axis=1), np.einsum("kni,knj->kij", scores, scores))
    plain, controlled = sums.outer / 10_000, found.replicates(sums)
    np.testing.assert_allclose(controlled[0], np.eye(2), atol=0.1)
    expected = plain[0, 0, 0] - scores[0, :, 0].mean() * found.values[0].sum()
    assert controlled[0, 0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_each_entry_of_scores_alone_is_regressed_on_its_own_two(p):
    """Correlated, skewed scores: residuals are those of least squares on s_i and s_j, in draws and in sums alike."""
    rng = np.random.default_rng(p)
    scores = (rng.exponential(size=(4000, p)) - 1.0) @ (np.eye(p) + 0.5 * np.tri(p))
    pilot = Pilot(scores.T, None, np.ones(len(scores)))
    found = fit(pilot, "mc")
    values = found.of_draws(pilot)
    single = Sums(1, scores, scores[:, :, None] * scores[:, None, :])
    rows, columns = np.triu_indices(p)
    np.testing.assert_allclose(values.T, found.replicates(single)[:, rows, columns], atol=1e-12)
    for value, i, j in zip(values, rows, columns, strict=True):
        design = np.column_stack([np.ones(len(scores)), scores[:, [i, j]]])
        product = scores[:, i] * scores[:, j]
        best = product - design @ np.linalg.lstsq(design, product, rcond=None)[0]
        assert value.std() <= best.std() * (1 + 1e-9)


def test_more_parameters_than_hessians_are_compiled_for():
    """25 exponential means under auto: |z| of 325 entries; one beyond 7 (t, 31) has probability 1e-5."""

    def sample(rng, theta, x):
        for i in range(len(x)):
            x[i] = rng.exponential(theta[i])

    def logpdf(x, theta):
        return -np.sum(x / theta) - np.sum(np.log(theta))

    means = Likelihood(sample, logpdf, parameters=[f"m{i}" for i in range(25)], domain=positive, size=25)
    result = estimate(means, np.full(25, 2.0), rtol=2e-2, rng=0)
    assert result.converged
    assert "more than 20 parameters" in result.checks["smoothness"].message
    assert result.variance_reduction > 0.4  # the least of 325 ratios, each with 31 degrees of freedom
    z = (result.fim - np.eye(25) / 4) / result.standard_error
    assert np.abs(z).max() < 7
