"""Do the error bars hold? See calibration.py for what is simulated and how it is judged.

The short form runs with everything else: one point of each likelihood, 40 seeds, three tests of the z-scores of an
entry (shape, mean, variance), each at 1e-8: with some 3,000 tests in all, a false alarm has a probability below 1e-4.
They see a bias of one standard error, and error bars that are off by a factor of two. Estimators that take a pilot run
on the catalogue alone.

The long form (``pytest -m long``) counts how often the 95 % intervals cover: 2,000 seeds a cell, by a binomial test at
a familywise level of 1e-3. ``python tests/calibration.py`` prints the same as a table.
"""

import math

import numpy as np
import pytest
from calibration import (
    DECISIVE,
    FAMILYWISE,
    LAW,
    LIKELIHOODS,
    NAMED,
    ROUNDING,
    STREAMS,
    TABLE,
    WAYS,
    Ends,
    Way,
    calibrate,
    entries_of,
    looks_of,
    needs_pilot,
    seeds_of,
    simulate,
    simulate_together,
    ways_for,
)
from oracles import CASES
from scipy import stats

from fastfim import estimate

SHORT, LEVEL = 40, 1e-8
LONG, BUDGETS = 2000, (1024, 4096)
PILOT = 4096


def assert_students_t(entry):
    """Three tests of the z-scores; and an error within rounding where there are none."""
    assert entry.rounding < 10 * ROUNDING
    if len(entry.z):
        z, kurtosis = entry.z, 3 + LAW.stats("k")
        assert stats.kstest(z, LAW.cdf).pvalue > LEVEL
        assert 2 * stats.norm.sf(abs(z.mean()) / LAW.std() * math.sqrt(len(z))) > LEVEL
        assert 2 * stats.norm.sf(abs(z.var() / LAW.var() - 1) / math.sqrt((kurtosis - 1) / len(z))) > LEVEL


@pytest.mark.parametrize("name", TABLE)
def test_z_scores_follow_students_t(name):
    ways = ways_for(name) if name in CASES else tuple(way for way in ways_for(name) if not needs_pilot(way))
    draws = 2048 if name in CASES else DECISIVE  # control variates need more, and say so
    for way, runs in simulate(name, TABLE[name][0], seeds_of(name, SHORT), ways, draws).items():
        ends = runs.fixed(draws)
        if way == ("auto", "auto"):
            assert ends.claimed.all()  # never takes what it could not trust
        for entry in entries_of(ends):
            assert_students_t(entry)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@pytest.mark.parametrize("name", ["gamma", "zero_inflated_poisson"])
def test_simulated_runs_are_those_of_estimate(name, way):
    """The sums of `estimate` may come from a kernel without Hessians, hence the last bits."""
    case, seed, draws = TABLE[name][0], seeds_of(name, 1)[0], 512
    looks = looks_of(name, case, seed, (way,), draws)[way]
    spent = 0 if way in (Way("score", "mc"), Way("covariance", "mc")) else PILOT
    options = {"estimator": way.estimator, "sampling": way.sampling, "streams": STREAMS, "rng": seed, "workers": 1}
    fixed = estimate(LIKELIHOODS[name], case.theta, case.args, draws=draws * STREAMS + spent, **options)
    np.testing.assert_allclose(fixed.replicates, looks[-1].matrices, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fixed.standard_error, looks[-1].standard_error, rtol=1e-7)


@pytest.mark.parametrize("way", [way for way in NAMED if not needs_pilot(way)], ids="-".join)
def test_simulated_stops_are_those_of_estimate(way):
    case, seeds = TABLE["weibull_min"][0], seeds_of("weibull_min", 6)
    runs = simulate("weibull_min", case, seeds, (way,), 2048)[way]
    stopped, root = runs.stopped(), np.sqrt(np.diag(case.exact))
    for k, seed in enumerate(seeds):
        options = {"estimator": way.estimator, "sampling": way.sampling, "rtol": runs.tolerance, "rng": seed}
        result = estimate("weibull_min", case.theta, max_draws=2048 * STREAMS + PILOT, workers=1, **options)
        error = ((result.fim - case.exact) / np.outer(root, root))[np.triu_indices(2)]
        assert result.converged == stopped.claimed[k]
        np.testing.assert_allclose(error, stopped.error[k], rtol=1e-9, atol=1e-12)


def test_runs_simulated_together_begin_with_that_of_their_seed():
    case, (seed,) = TABLE["gamma"][0], seeds_of("gamma", 1)
    ways = (*NAMED, Way("auto", "auto"))
    alone = simulate("gamma", case, [seed], ways, 512)
    together = simulate_together("gamma", case, range(seed, seed + 3), ways, 512)
    for way in ways:
        np.testing.assert_allclose(together[way].error[:, 0], alone[way].error[:, 0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(together[way].spread[:, 0], alone[way].spread[:, 0], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(together[way].relative[:, 0], alone[way].relative[:, 0], rtol=1e-12, atol=1e-15)


def test_control_variates_of_independent_draws_know_the_tails():
    """A Gompertz density falls like exp(-exp(x)): fitted to draws without its tails, six runs of ten trust an error bar
    that covers 87 %. A false alarm has a probability below 1e-5."""
    way, draws = Way("bartlett", "mc"), 4096
    (runs,) = calibrate("gompertz", TABLE["gompertz"][0], 200, (way,), draws).values()
    ends = runs.fixed(draws)
    assert ends.claimed.sum() > 180
    for entry in entries_of(ends):
        assert_students_t(entry)
        assert stats.binom.cdf(entry.covered, len(entry.z), 0.95) > 1e-6


def test_calibration_sees_error_bars_that_are_too_short_or_too_long():
    """Of 2,000 intervals: those of Student's t pass, and those a fifth too short or too long do not."""
    rng = np.random.default_rng(1)
    replicates = rng.normal(size=(LONG, STREAMS, 1))
    error, spread = replicates.mean(axis=1), replicates.std(axis=1, ddof=1) / math.sqrt(STREAMS)
    level = FAMILYWISE / 1000
    for factor, outcome in ((1.0, True), (0.8, False), (1.25, False)):
        (entry,) = entries_of(Ends("", False, error, factor * spread, np.ones(LONG, bool)))
        assert (entry.p_outside(False) > level) == outcome
        assert (entry.p_flat > level) == outcome


@pytest.mark.long
@pytest.mark.parametrize("name", TABLE)
def test_intervals_cover(name):
    tests = sum(len(TABLE[n]) * len(ways_for(n)) for n in TABLE) * (len(BUDGETS) + 1)
    for case in TABLE[name]:
        for way, runs in calibrate(name, case, LONG, ways_for(name), max(BUDGETS)).items():
            for ends in runs.ends(way, BUDGETS):
                for entry in entries_of(ends):
                    assert entry.rounding < 10 * ROUNDING
                    if len(entry.z):
                        level = FAMILYWISE / tests / ends.error.shape[1]
                        assert entry.p_outside(ends.by_tolerance) > level, (
                            way,
                            ends.name,
                            entry.covered / len(entry.z),
                        )
                        assert entry.p_flat > level, (way, ends.name)
