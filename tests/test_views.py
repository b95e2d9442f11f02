"""The definitions side by side: right where they should agree, and the assumption that fails where they should not."""

import faults
import numpy as np
import pytest
from oracles import CASES
from scipy import integrate, stats

from fastfim import Likelihood, LikelihoodError, OptionError, ParameterError, catalogue, views

DEFINITIONS = ["outer_product", "covariance", "hessian", "kullback_leibler", "hellinger"]
SOUND = [("gamma", CASES["gamma"][0]), ("normal_mixture", CASES["normal_mixture"][0]), ("poisson", CASES["poisson"][1])]


@pytest.mark.parametrize(("name", "case"), SOUND)
def test_every_definition_is_right(name, case):
    """|z| of at most 15 entries by 5 definitions, Student's t with 31 degrees of freedom: beyond 7 with p < 1e-5."""
    seen = views(name, case.theta, case.args, rng=1)
    assert seen.ok
    assert list(seen) == DEFINITIONS
    for view in seen.values():
        error = np.where(view.standard_error > 0.0, view.standard_error, np.inf)
        assert np.abs((view.fim - case.exact) / error).max() < 7
        np.testing.assert_array_equal(view.fim, view.fim.T)
        assert (view.standard_error < 0.1 * np.sqrt(np.outer(*2 * [np.diag(case.exact)]))).all()


def rejections(runs):
    """How often definitions that agree are said to differ, at a level of 5 %."""
    sound = [
        not views("gamma", (2.0, 0.5), draws=16 * 512, streams=16, false_alarm=0.05, rng=k, workers=1).ok
        for k in range(runs)
    ]
    return sum(sound)


def test_level_holds():
    """At most the level, by a binomial test at 3e-7."""
    assert stats.binomtest(rejections(60), 60, 0.05, alternative="greater").pvalue > 3e-7


@pytest.mark.long
def test_level_holds_over_thousands_of_seeds():
    assert stats.binomtest(rejections(3000), 3000, 0.05, alternative="greater").pvalue > 3e-7


# ---------------------------------------------------------------- what fails

FAULTS = [
    (faults.laplace, (0.0, 1.0), {"information_equality", "kullback_leibler"}, "kink"),
    (faults.weak_kink, (0.0,), {"kullback_leibler"}, "kink"),
    (faults.unnormalized, (2.0,), {"mean_score", "information_equality"}, "normalizing constant"),
    (faults.uniform, (2.0,), {"support", "mean_score", "information_equality"}, "support moves with high"),
    (faults.t_for_normal, (0.0,), {"information_equality"}, "sampler and log density disagree"),
]


@pytest.mark.parametrize(("likelihood", "theta", "failed", "reason"), FAULTS, ids=lambda v: getattr(v, "name", None))
def test_the_assumption_that_fails_is_named(likelihood, theta, failed, reason):
    seen = views(likelihood, theta, rng=0)
    assert not seen.ok
    assert seen.p_value < 1e-9
    assert {name for name, check in seen.checks.items() if check.verdict == "fail"} == failed
    assert reason in " ".join(str(seen).split())


def test_divergences_see_a_kink_that_the_hessian_does_not():
    """The information is 1.008 by quadrature; |z| beyond 6 has probability 1e-6."""
    constant = integrate.quad(lambda z: np.exp(-z * z / 2 - abs(z) / 100), 0, np.inf)[0]
    exact = integrate.quad(lambda z: (z + 0.01) ** 2 * np.exp(-z * z / 2 - z / 100), 0, np.inf)[0] / constant
    seen = views(faults.weak_kink, (0.0,), rng=3)
    assert seen["hessian"].fim == pytest.approx(1.0, abs=1e-12)
    for name in ("kullback_leibler", "hellinger"):
        assert abs(seen[name].fim[0, 0] - exact) < 6 * seen[name].standard_error[0, 0]
    assert seen["kullback_leibler"].standard_error[0, 0] < 1e-3


def test_covariance_is_right_without_the_constant():
    """The exact value is 1 / rate^2; |z| beyond 6 has probability 1e-6."""
    seen = views(faults.unnormalized, (2.0,), rng=4)
    assert abs(seen["covariance"].fim[0, 0] - 0.25) < 6 * seen["covariance"].standard_error[0, 0]


def test_a_moving_support_has_an_infinite_divergence():
    assert views(faults.uniform, (2.0,), rng=0)["kullback_leibler"].fim == np.inf


def test_nothing_is_said_of_rare_events():
    seen = views(faults.bernoulli, (1e-5,), rng=0)
    assert not seen.ok
    assert seen.checks["mean_score"].verdict == "skipped"
    assert "more draws" in str(seen)


# ---------------------------------------------------------------- the call


def test_known_parameters_are_left_out():
    seen = views("t", (5.0, 0.0, 1.0), wrt=("scale", "loc"), draws=4096, rng=0)
    assert seen.parameters == ("scale", "loc")
    assert seen["hessian"].fim.shape == (2, 2)
    assert "df=5 (known)" in str(seen)
    alone = views("t", {"df": 5.0, "loc": 0.0, "scale": 1.0}, wrt="scale", draws=4096, rng=0)
    np.testing.assert_allclose(alone["kullback_leibler"].fim[0, 0], seen["kullback_leibler"].fim[0, 0], rtol=1e-9)


def test_workers_do_not_matter():
    one, two = (views("gamma", (2.0, 0.5), draws=2**15, rng=9, workers=n) for n in (1, 2))
    for name in DEFINITIONS:
        np.testing.assert_array_equal(one[name].fim, two[name].fim)
        np.testing.assert_array_equal(one[name].standard_error, two[name].standard_error)


def test_the_table_shows_all_definitions():
    text = str(views("gamma", (2.0, 0.5), draws=4096, rng=0))
    for title in ("outer product", "covariance", "Hessian", "KL", "Hellinger"):
        assert text.count(title) >= 2
    assert "gamma at a=2, scale=0.5" in text


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"likelihood": "gama"}, OptionError, "gamma"),
        ({"likelihood": 3}, OptionError, "likelihood must be"),
        ({"theta": (2.0,)}, ParameterError, "theta needs 2 values"),
        ({"theta": [(2.0, 0.5)] * 3}, ParameterError, "single point"),
        ({"theta": (-2.0, 0.5)}, ParameterError, "a = -2"),
        ({"args": (1,)}, OptionError, "args has 1"),
        ({"wrt": "shape"}, OptionError, "wrt"),
        ({"draws": 0}, OptionError, "draws"),
        ({"draws": 1.5}, OptionError, "draws"),
        ({"streams": 2}, OptionError, "streams"),
        ({"false_alarm": 0.0}, OptionError, "false_alarm"),
        ({"false_alarm": "low"}, OptionError, "false_alarm"),
        ({"rng": -1}, OptionError, "rng"),
        ({"workers": 0}, OptionError, "workers"),
    ],
)
def test_what_cannot_be_used_is_refused(changes, error, words):
    arguments = {"likelihood": "gamma", "theta": (2.0, 0.5)} | changes
    with pytest.raises(error, match=words):
        views(**arguments)


def test_a_wrong_hand_written_score_is_refused():
    def score(x, theta, out):
        out[0] = 2 * (x - theta[0]) / theta[1] ** 2
        out[1] = 0.0

    norm = catalogue["norm"]
    wrong = Likelihood(norm.sample, norm.logpdf, parameters=norm.parameters, domain=norm.domain, score=score)
    with pytest.raises(LikelihoodError, match="score is not the derivative"):
        views(wrong, (0.0, 1.0), rng=0)
