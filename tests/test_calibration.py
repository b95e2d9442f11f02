"""Do the error bars hold? Every estimator, under both samplings, over many seeds, against exact matrices.

The short form runs with everything else: 40 seeds a cell, three tests of the z-scores of an entry (shape, mean,
variance), each at 1e-8: with some 6,000 tests in all, a false alarm has a probability below 1e-4. They see a bias of
one standard error, and error bars that are off by a factor of two.

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

CELLS = [
    pytest.param(name, case, estimator, sampling, id=f"{name}{case.theta}-{estimator}-{sampling}")
    for name, cases in CASES.items()
    for case in cases
    for estimator in ("score", "covariance", "hessian", "bartlett")
    for sampling in ("mc", "rqmc")
] + [
    pytest.param(name, case, "auto", "auto", id=f"{name}{case.theta}-auto")
    for name, cases in CASES.items()
    for case in cases
]


def z_scores(name, case, estimator, sampling, seeds):
    """z of each entry of the upper triangle over seeds; entries known to rounding are checked and left out."""
    exact = case.exact
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    options = {"estimator": estimator, "sampling": sampling, "streams": STREAMS, "workers": 1, "rtol": 1e-9}
    runs = [estimate(name, case.theta, case.args, draws=8192, rng=seed, **options) for seed in range(seeds)]
    for i, j in zip(*np.triu_indices(len(exact)), strict=True):
        error = np.array([run.fim[i, j] for run in runs]) - exact[i, j]
        spread = np.array([run.standard_error[i, j] for run in runs])
        if np.median(spread) < ROUNDING * scale[i, j]:
            assert np.abs(error).max() < 10 * ROUNDING * scale[i, j]
        else:
            yield error / spread


@pytest.mark.parametrize(("name", "case", "estimator", "sampling"), CELLS)
def test_z_scores_follow_students_t(name, case, estimator, sampling):
    kurtosis = 3 + LAW.stats("k")
    for z in z_scores(name, case, estimator, sampling, SHORT):
        assert stats.kstest(z, LAW.cdf).pvalue > LEVEL
        assert 2 * stats.norm.sf(abs(z.mean()) / LAW.std() * math.sqrt(SHORT)) > LEVEL
        assert 2 * stats.norm.sf(abs(z.var() / LAW.var() - 1) / math.sqrt((kurtosis - 1) / SHORT)) > LEVEL


@pytest.mark.long
@pytest.mark.parametrize(("name", "case", "estimator", "sampling"), CELLS)
def test_intervals_cover(name, case, estimator, sampling):
    quantile = LAW.ppf(0.975)
    for z in z_scores(name, case, estimator, sampling, LONG):
        covered = int((np.abs(z) <= quantile).sum())
        level = FAMILYWISE / (3 * len(CELLS))
        assert stats.binomtest(covered, LONG, 0.94, alternative="less").pvalue > level
        assert stats.binomtest(covered, LONG, 0.96, alternative="greater").pvalue > level
