"""Claimed matrices: right ones pass at the stated rate, wrong ones are found and explained."""

from functools import cache
from math import exp, expm1, log

import faults
import numpy as np
import pytest
from oracles import CASES
from scipy import integrate, stats

from fastfim import Likelihood, OptionError, ParameterError, positive, verify
from fastfim.testing import assert_fim

GAMMA = CASES["gamma"][0]
ELSEWHERE = GAMMA._replace(theta=(3.0, 0.7))


def claimed(change=lambda fim: fim, case=GAMMA, name="gamma", **options):
    return verify(change(case.exact.copy()), name, case.theta, case.args, rng=1, **options)


# ---------------------------------------------------------------- the level

NOISY = [("gamma", 0, {"estimator": "score", "sampling": "mc", "draws": 2**14}), ("weibull_min", 0, {"draws": 2**15})]


def rejections(name, k, options, runs):
    case = CASES[name][k]
    seen = [
        verify(case.exact, name, case.theta, case.args, rng=seed, workers=1, false_alarm=0.05, **options).verdict
        for seed in range(runs)
    ]
    return seen.count("differs")


@pytest.mark.parametrize(("name", "k", "options"), NOISY)
def test_right_claims_pass(name, k, options):
    """At most 5 % are said to be wrong, by a binomial test at 3e-7."""
    assert stats.binomtest(rejections(name, k, options, 100), 100, 0.05, alternative="greater").pvalue > 3e-7


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "k", "options"), [*NOISY, ("normal_mixture", 0, {"draws": 2**15}), ("t", 0, {"draws": 2**15})]
)
def test_right_claims_pass_over_thousands_of_seeds(name, k, options):
    assert stats.binomtest(rejections(name, k, options, 2000), 2000, 0.05, alternative="greater").pvalue > 3e-7


@pytest.mark.parametrize("name", ["norm", "gamma", "t", "poisson"])
def test_closed_forms_are_right_to_many_digits(name):
    """With exact estimates a claim is held to ten digits; the level is below 1e-3 for each."""
    found = verify(CASES[name][0].exact, name, CASES[name][0].theta, rng=0, rtol=1e-10, draws=2**16)
    assert found.ok
    assert found.visible.max() < 1e-9 * found.claimed.max()


def test_visible_errors_are_seen():
    """Errors of the size that is promised to be seen nine times in ten: 100 runs, binomial test at 1e-6."""
    options = {"estimator": "score", "sampling": "mc", "draws": 2**14, "workers": 1}
    visible = verify(GAMMA.exact, "gamma", GAMMA.theta, rng=0, **options).visible[1, 1]
    wrong = GAMMA.exact + np.diag([0.0, visible])
    seen = sum(not verify(wrong, "gamma", GAMMA.theta, rng=k, **options).ok for k in range(1, 101))
    assert stats.binomtest(seen, 100, 0.9, alternative="less").pvalue > 1e-6


# ---------------------------------------------------------------- slips


def scaled(*slopes):
    """The claim for phi(theta), from d theta / d phi."""
    return lambda fim: fim * np.outer(slopes, slopes)


SLIPS = {
    "the square of scale": scaled(1.0, 1.0 / (2 * 0.7)),
    "the logarithm of scale": scaled(1.0, 0.7),
    "the reciprocal of scale": scaled(1.0, -(0.7**2)),
    "the logarithm of a and scale": scaled(3.0, 0.7),
    "the square root of a": scaled(2 * 3**0.5, 1.0),
    "twice scale": scaled(1.0, 0.5),
    "half of a": scaled(2.0, 1.0),
    "twice the information": lambda fim: 2 * fim,
    "half of the information": lambda fim: fim / 2,
    "four times the information": lambda fim: 4 * fim,
    "a quarter of the information": lambda fim: fim / 4,
    "the information with the opposite sign": lambda fim: -fim,
    "the total of 50 observations": lambda fim: 50 * fim,
    "the information divided by 30": lambda fim: fim / 30,
    "the inverse of the information": np.linalg.inv,
    "the inverse of the total of 30 observations": lambda fim: np.linalg.inv(30 * fim),
    "in the order scale, a": lambda fim: fim[::-1, ::-1],
    "the wrong sign at a x scale": lambda fim: fim * np.array([[1, -1], [-1, 1]]),
}


@pytest.mark.parametrize("description", SLIPS)
@pytest.mark.parametrize("options", [{"draws": 2**16}, {"estimator": "score"}], ids=["exact", "noisy"])
def test_slips_are_explained(description, options):
    """a = 3 and scale = 0.7 keep them apart; with noise the right one is among the best."""
    found = claimed(SLIPS[description], ELSEWHERE, **options)
    assert found.verdict == "differs"
    assert any(description in slip.description for slip in found.slips), str(found)
    for slip in found.slips if "draws" in options else ():
        np.testing.assert_allclose(slip.fim, ELSEWHERE.exact, rtol=1e-9)


def test_what_no_slip_explains_is_left_alone():
    found = claimed(lambda fim: fim + np.diag([0.0, 0.7]))
    assert found.verdict == "differs"
    assert found.slips == ()
    assert (found.p_values < 1e-3).tolist() == [[False, False], [False, True]]


def test_the_metric_that_was_four_times_too_small():
    """Student's t with known degrees of freedom, its information about the scale as it has been published."""
    df, scale = 5.0, 2.0
    published = np.diag([(df + 1) / (df + 3), df / (2 * (df + 3))]) / scale**2
    found = verify(published, "t", (df, 0.0, scale), wrt=("loc", "scale"), rng=0)
    assert found.verdict == "differs"
    assert [found.p_values[k, k] < 1e-3 for k in range(2)] == [False, True]
    assert "twice scale" in found.slips[0].description
    assert_fim(published * np.diag([1.0, 4.0]), "t", (df, 0.0, scale), wrt=("loc", "scale"), rng=0)


def test_the_wrong_sign_in_an_expected_information():
    """Exponentiated exponential (Gupta and Kundu 2001): the cross term is -E[x / (exp(rate x) - 1)], by quadrature."""

    def sample(rng, theta):
        a, rate = theta
        return -log(-expm1(log(rng.random()) / a)) / rate

    def logpdf(x, theta):
        a, rate = theta
        return log(a * rate) - rate * x + (a - 1) * log(-expm1(-rate * x))

    model = Likelihood(sample, logpdf, parameters=("a", "rate"), domain=positive)
    a, rate = 2.5, 1.5

    def mean(function):
        return integrate.quad(lambda x: function(x) * exp(logpdf(x, (a, rate))), 0, 60 / rate, epsabs=1e-13)[0]

    cross = -mean(lambda x: x / expm1(rate * x))
    own = 1 / rate**2 + (a - 1) * mean(lambda x: x**2 * exp(rate * x) / expm1(rate * x) ** 2)
    right = np.array([[1 / a**2, cross], [cross, own]])
    assert_fim(right, model, (a, rate), rng=0)
    found = verify(right * np.array([[1, -1], [-1, 1]]), model, (a, rate), rng=0)
    assert found.verdict == "differs"
    assert "the wrong sign at a x rate" in found.slips[0].description


# ---------------------------------------------------------------- what cannot be decided, and the call


def test_nothing_is_decided_about_an_unsound_model():
    found = verify([[0.25]], faults.unnormalized, (2.0,), rng=0, draws=2**16)
    assert (found.verdict, found.ok, found.slips) == ("undecided", False, ())
    assert "mean_score" in str(found)
    assert verify([[0.25]], faults.unnormalized, (2.0,), rng=0, draws=2**16, estimator="covariance").ok


def test_the_assertion_shows_the_table():
    with pytest.raises(AssertionError, match=r"(?s)differs.*twice the information.*a x scale"):
        assert_fim(2 * GAMMA.exact, "gamma", GAMMA.theta, rng=0, draws=2**16)


def test_the_worst_entries_of_a_large_matrix_are_shown():
    case = CASES["logistic_regression"][2]
    wrong = case.exact.copy()
    wrong[2, 3] = wrong[3, 2] = wrong[2, 3] + 0.2 * np.sqrt(wrong[2, 2] * wrong[3, 3])
    found = verify(wrong, "logistic_regression", case.theta, case.args, rng=0, draws=2**14)
    assert next(line for line in str(found).splitlines() if "wrong" in line).startswith("b2 x b3")


@cache
def broken():
    return np.array([[1.0, np.nan], [np.nan, 1.0]])


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"fim": "I"}, OptionError, "fim must be a matrix"),
        ({"fim": [[1.0]]}, OptionError, r"shape \(2, 2\).*\('a', 'scale'\)"),
        ({"fim": broken()}, OptionError, "finite.*a x scale"),
        ({"fim": [[1.0, 0.5], [0.4, 1.0]]}, OptionError, "symmetric"),
        ({"theta": (2.0, -0.5)}, ParameterError, "scale"),
        ({"theta": [(2.0, 0.5)] * 2}, ParameterError, "single point"),
        ({"false_alarm": 1.0}, OptionError, "false_alarm"),
        ({"rtol": -1.0}, OptionError, "rtol"),
        ({"draws": None}, OptionError, "draws"),
        ({"draws": 0}, OptionError, "draws"),
        ({"estimator": "scores"}, OptionError, "score"),
        ({"sampling": "sobol"}, OptionError, "sampling"),
        ({"wrt": "shape"}, OptionError, "wrt"),
        ({"rng": "seed"}, OptionError, "rng"),
    ],
)
def test_what_cannot_be_used_is_refused(changes, error, words):
    arguments = {"fim": GAMMA.exact, "likelihood": "gamma", "theta": (2.0, 0.5)} | changes
    with pytest.raises(error, match=words):
        verify(**arguments)
