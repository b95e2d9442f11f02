"""The examination of a model: planted faults are caught, sound models pass, and it says why it cannot tell."""

from __future__ import annotations

import faults
import numpy as np
import oracles
import pytest
import sound
from scipy import stats

import fastfim
from fastfim import Likelihood, OptionError, ParameterError, check

DRAWS = 16_384

#: Fault, parameters, and the checks that must fail (or warn).
PLANTED = [
    (faults.wrong_constant, (0.3, 2.0), {"normalization", "mean_score"}),
    (faults.unnormalized, (2.0,), {"normalization", "mean_score"}),
    (faults.wrong_scale, (0.3, 2.0), {"distribution", "mean_score"}),
    (faults.missing_jacobian, (0.3, 0.5), {"normalization", "distribution", "stein"}),
    (faults.rate_for_scale, (2.0, 3.0), {"distribution", "stein", "mean_score"}),
    (faults.truncated, (0.3, 2.0), {"normalization", "mean_score"}),
    (faults.off_by_one, (1.5,), {"stein"}),
    (faults.late_start, (0.5,), {"stein"}),
    (faults.small_slip, (0.2,), {"mean_score"}),
    (faults.t_for_normal, (0.0,), {"distribution", "information_equality"}),
    (faults.t_with_equal_variance, (0.0,), {"distribution"}),
    (faults.t_vector, (0.0,), {"stein"}),
    (faults.uniform, (2.0,), {"support", "normalization", "smoothness"}),
    (faults.unbounded_uniform, (2.0,), {"support", "normalization"}),
    (faults.shifted_exponential, (1.0,), {"support", "normalization"}),
    (faults.laplace, (0.0, 1.0), {"smoothness"}),
    (faults.wrong_score, (0.3, 2.0), {"derivatives"}),
    (faults.wrong_hessian, (0.3, 2.0), {"derivatives"}),
    (faults.never_drawn, (0.6,), {"distribution"}),
]


# Shown by others just as well.
LONG = {faults.unnormalized, faults.t_for_normal, faults.unbounded_uniform, faults.t_vector}


def named(row):
    return pytest.param(*row, id=row[0].name, marks=[pytest.mark.long] if row[0] in LONG else [])


@pytest.mark.parametrize(("model", "theta", "caught"), list(map(named, PLANTED)))
def test_planted_faults_are_caught(model, theta, caught):
    report = check(model, theta, draws=DRAWS, rng=1)
    found = {name for name, c in report.checks.items() if c.verdict in ("fail", "warn")}
    assert caught <= found, report
    assert report.ok == (model is faults.laplace)  # a kink is for the user to know, and no fault


CATALOGUED = [(name, case.theta, case.args) for name, cases in oracles.CASES.items() for case in cases]
ORDINARY = {sound.zero_inflated, sound.uniform_mixture, sound.ordered, sound.zipf}


def titled(row):
    slow = row[0] not in ORDINARY
    return pytest.param(*row, id=getattr(row[0], "name", row[0]), marks=[pytest.mark.long] if slow else [])


@pytest.mark.parametrize(("model", "theta", "args"), list(map(titled, sound.MODELS + CATALOGUED)))
def test_sound_models_pass(model, theta, args):
    """One run each; a false alarm has a probability below 1e-3 (see the next test)."""
    report = check(model, theta, args, draws=DRAWS, rng=2)
    assert report.ok, report
    tested = [name for name, c in report.checks.items() if np.isfinite(c.p_value)]
    assert tested or model in (sound.bernoulli,), report


@pytest.mark.long
def test_false_alarms_are_rare():
    """No more than one report in a thousand: the upper bound (95 %, Clopper and Pearson) of some 3,000 reports."""
    rows = sound.MODELS + CATALOGUED
    rounds = -(-3000 // len(rows))
    alarms = [
        (row[0], seed)
        for row in rows
        for seed in range(rounds)
        if not check(row[0], row[1], row[2], draws=4096, rng=seed).ok
    ]
    total = rounds * len(rows)
    assert stats.beta.ppf(0.95, len(alarms) + 1, total - len(alarms)) <= 1e-3, alarms


def test_it_says_where_and_how_much():
    report = check(faults.wrong_score, (0.3, 2.0), draws=4096, rng=3)
    assert "entry (scale) is" in report.checks["derivatives"].message
    assert "score by hand is not the derivative of logpdf: at draw" in report.checks["derivatives"].message
    text = str(report)
    assert text.splitlines()[0] == "Is wrong_score sound at loc=0.3, scale=2? 1 of 13 checks failed"
    assert "4,096 draws a look" in text
    assert "fail" in report._repr_html_()
    assert report.checks["distribution"].verdict == "pass"  # goes on without the wrong score
    assert (report.draws, report.seed, report.parameters) == (4096, 3, ("loc", "scale"))


def test_the_same_seed_gives_the_same_report():
    reports = [check("norm", (0.0, 1.0), draws=4096, rng=5, workers=w) for w in (1, 2)]
    figures = [{k: (c.verdict, c.figure, c.p_value) for k, c in r.checks.items()} for r in reports]
    np.testing.assert_equal(*figures)


def test_known_parameters():
    report = check("t", (5.0, 0.0, 1.0), wrt=("loc", "scale"), draws=4096, rng=0)
    assert report.ok
    assert report.parameters == ("loc", "scale")
    assert dict(report.fixed) == {"df": 5.0}


def overflow(x, theta):
    return -0.5 * (x - theta[0]) ** 2 - (1.0 / (x - x) if x > 3.0 else 0.0)


def test_draws_without_a_density_are_told():
    report = check(Likelihood(lambda rng, theta: rng.normal(), overflow, parameters=("a",)), (0.1,), draws=4096, rng=0)
    assert report.checks["finite"].verdict == "fail"
    assert "is not finite" in report.checks["finite"].message


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"draws": 100}, OptionError, "draws must be at least 4,096"),
        ({"draws": "many"}, OptionError, "draws must be a positive integer; got 'many'"),
        ({"rng": -1}, OptionError, "rng must not be negative"),
        ({"theta": (0.0, -1.0)}, ParameterError, "scale = -1"),
        ({"theta": [(0.0, 1.0)] * 2}, ParameterError, "single point"),
        ({"likelihood": "nrm"}, OptionError, "did you mean 'norm'"),
        ({"args": (1.0,)}, OptionError, "args has 1 constants"),
        ({"wrt": "shape"}, OptionError, "wrt must hold names"),
        ({"workers": 0}, OptionError, "workers must be at least 1"),
    ],
    ids=str,
)
def test_bad_arguments(options, error, words):
    with pytest.raises(error, match=words):
        check(**{"likelihood": "norm", "theta": (0.0, 1.0), "draws": 4096, **options})


def test_what_does_not_compile_is_an_error():
    model = Likelihood(lambda rng, theta: rng.normal(), lambda x, theta: undefined, parameters=("a",))  # noqa: F821
    with pytest.raises(fastfim.LikelihoodError, match=r"test_check\.py:\d+: 'undefined'"):
        check(model, (1.0,))
