"""Do the error bars hold? Every estimator, under both samplings, over many seeds, against exact matrices.

A run whose ``checks["tails"]`` warns does not claim that its intervals cover, and is left out: control variates with
few draws, or under quasi-Monte Carlo.

The short form runs with everything else: one point of each likelihood, 40 seeds a cell, three tests of the z-scores of
an entry (shape, mean, variance), each at 1e-8: with some 1,500 tests in all, a false alarm has a probability below
1e-4. They see a bias of one standard error, and error bars that are off by a factor of two.

The long form (``pytest -m long``) counts how often the 95 % intervals cover: 2,000 seeds a cell, 94 to 96 % at a fixed
budget, by a binomial test at a familywise level of 1e-3.
"""

import math

import numpy as np
import pytest
from oracles import CASES
from scipy import stats

from fastfim import estimate

STREAMS = 32
LAW = stats.t(STREAMS - 1)
SHORT, LEVEL = 40, 1e-8
LONG, FAMILYWISE = 2000, 1e-3
#: Entries known to this share of sqrt(I_ii I_jj) have no distribution to test: their error is tested itself.
ROUNDING = 1e-10

WAYS = [(e, s) for e in ("score", "covariance", "hessian", "bartlett") for s in ("mc", "rqmc")] + [("auto", "auto")]


def cells(points):
    """Every way to estimate at the first ``points`` points of each likelihood."""
    return [
        pytest.param(name, case, estimator, sampling, id=f"{name}{case.theta}-{estimator}-{sampling}")
        for name, cases in CASES.items()
        for case in cases[:points]
        for estimator, sampling in WAYS
    ]


def z_scores(name, case, estimator, sampling, seeds):
    """z of each entry of the upper triangle over seeds; entries known to rounding are checked and left out."""
    exact = case.exact
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    options = {"estimator": estimator, "sampling": sampling, "streams": STREAMS, "workers": 1, "rtol": 1e-9}
    draws = 2**17 if (estimator, sampling) == ("bartlett", "mc") else 8192  # control variates need more, and say so
    runs = [estimate(name, case.theta, case.args, draws=draws, rng=seed, **options) for seed in range(seeds)]
    trusted = [run for run in runs if "tails" not in run.checks or run.checks["tails"].verdict == "pass"]
    if estimator == "auto":
        assert len(trusted) == len(runs)  # never takes what it could not trust
    for i, j in zip(*np.triu_indices(len(exact)), strict=True):
        error = np.array([run.fim[i, j] for run in trusted]) - exact[i, j]
        spread = np.array([run.standard_error[i, j] for run in trusted])
        rounded = spread < ROUNDING * scale[i, j]
        assert np.abs(error[rounded]).max(initial=0.0) < 10 * ROUNDING * scale[i, j]
        if (~rounded).sum() > seeds // 2:
            yield error[~rounded] / spread[~rounded]


@pytest.mark.parametrize(("name", "case", "estimator", "sampling"), cells(1))
def test_z_scores_follow_students_t(name, case, estimator, sampling):
    kurtosis = 3 + LAW.stats("k")
    for z in z_scores(name, case, estimator, sampling, SHORT):
        assert stats.kstest(z, LAW.cdf).pvalue > LEVEL
        assert 2 * stats.norm.sf(abs(z.mean()) / LAW.std() * math.sqrt(len(z))) > LEVEL
        assert 2 * stats.norm.sf(abs(z.var() / LAW.var() - 1) / math.sqrt((kurtosis - 1) / len(z))) > LEVEL


@pytest.mark.long
@pytest.mark.parametrize(("name", "case", "estimator", "sampling"), cells(9))
def test_intervals_cover(name, case, estimator, sampling):
    quantile = LAW.ppf(0.975)
    for z in z_scores(name, case, estimator, sampling, LONG):
        covered = int((np.abs(z) <= quantile).sum())
        level = FAMILYWISE / (3 * len(cells(9)))
        assert stats.binomtest(covered, len(z), 0.94, alternative="less").pvalue > level
        assert stats.binomtest(covered, len(z), 0.96, alternative="greater").pvalue > level
