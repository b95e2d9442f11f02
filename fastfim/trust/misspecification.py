"""White's information-matrix test: do outer product and Hessian of the data agree, as they do if the model is right?

At the maximum-likelihood estimate from n observations let d be the upper triangle of s s^T + H of each of them, and
e = d - C I^-1 s what is left of it after regression on the score (I = E[s s^T], C = E[d s^T]), which is how the mean
of d moves with the estimate. Then (White 1982, theorem 4.1)

    T = n m^T V^- m,    m the mean of e,    V = E[e e^T],

is asymptotically chi-square. That approximation is notorious: with V from the data it rejects right models several
times too often at hundreds of observations. Here I, C and V are expectations under the model, from draws of it (the
efficient form; Orme 1990), and the p-value is a parametric bootstrap (Horowitz 1994): T of data sets drawn from the
model at the estimate, each with its own estimate by Newton's method. For location and scale families that is exact at
any n.

>>> from fastfim.catalogue import catalogue
>>> model = catalogue["norm"].bind()
>>> x = np.random.default_rng(0).standard_t(3, size=200)[:, None]
>>> tested = information_matrix_test(model, model.theta([x.mean(), x.std()]), x, repeats=99, seed=1)
>>> tested.rank, float(tested.p_value)  # He_3 and He_4, skewness and kurtosis
(2, 0.01)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..engine.workers import OrderedMap
from ..errors import ParameterError
from ..estimation.estimators import symmetric
from ..kernels.block import Block, Chunk, Job, chunks_of, derivatives_at
from ..likelihood import BoundLikelihood

Array = NDArray[np.float64]

#: The draws that expectations are taken over: from the same random numbers for all data sets, whose streams begin at 1.
EXPECTATION = Block(stream=0, number=0, size=2**12)
#: Directions of V below this share of its largest, entries on the scale of sqrt(I_ii I_jj), are none.
RANK = 1e-8
#: Newton steps at most, how often one may be halved, and the length of one that need not be taken, in squared standard
#: errors of the estimate.
STEPS, HALVINGS, CLOSE = 20, 30, 1e-8


@dataclass(frozen=True)
class Tested:
    """Outcome of the test: T, the number of directions tested, and the p-value (NaN without directions)."""

    statistic: float
    rank: int
    p_value: float


@dataclass(frozen=True, eq=False)
class Expectations:
    """What the statistic takes from the model.

    Attributes
    ----------
    inverse
        I^-1, shape (p, p).
    slopes
        C I^-1, shape (q, p) with q = p (p + 1) / 2.
    whitening
        Rows that make e a vector of uncorrelated ones, shape (rank, q).
    """

    inverse: Array
    slopes: Array
    whitening: Array


def information_matrix_test(
    model: BoundLikelihood, theta: Array, draws: Array, repeats: int, seed: int, ordered_map: OrderedMap = map
) -> Tested:
    """Test a model at its maximum-likelihood estimate ``theta`` from ``draws`` (n, size)."""
    job = Job(model, theta, seed, order=2)
    known = _expectations(job)
    rank = len(known.whitening)
    if rank == 0:
        return Tested(0.0, 0, float("nan"))
    own = _statistic(job, known, draws)
    simulated = ordered_map(partial(_simulated, job, known, len(draws)), range(1, repeats + 1))
    exceeding = sum(not other < own for other in simulated)
    return Tested(own, rank, (1 + exceeding) / (1 + repeats))


def _expectations(job: Job) -> Expectations:
    chunk = Chunk.joined(list(chunks_of(job, EXPECTATION)))
    both = np.concatenate([chunk.scores, _differences(chunk)], axis=1)
    gram, p = both.T @ both / len(both), job.p
    inverse: Array = np.linalg.pinv(gram[:p, :p], rcond=RANK, hermitian=True)
    slopes = gram[p:, :p] @ inverse
    root = np.sqrt(np.diagonal(gram)[:p])
    units = np.outer(root, root)[np.triu_indices(p)]
    units[units == 0.0] = 1.0
    values, vectors = np.linalg.eigh((gram[p:, p:] - slopes @ gram[:p, p:]) / np.outer(units, units))
    kept = values > RANK * max(values[-1], 1.0)
    return Expectations(inverse, slopes, (vectors[:, kept] / np.sqrt(values[kept])).T / units)


def _differences(chunk: Chunk) -> Array:
    """The upper triangle of s s^T + H of each draw."""
    assert chunk.hessians is not None
    rows, columns = np.triu_indices(chunk.scores.shape[1])
    differences: Array = chunk.scores[:, rows] * chunk.scores[:, columns] + chunk.hessians
    return differences


def _simulated(job: Job, known: Expectations, n: int, number: int) -> float:
    """The statistic of a data set from the model."""
    draws = Chunk.joined(list(chunks_of(job, Block(number, 0, n)))).draws
    return _statistic(job, known, draws)


def _statistic(job: Job, known: Expectations, draws: Array) -> float:
    """T of a data set, at the estimate that Newton's method leads to from the job's theta."""
    theta, chunk = job.theta, derivatives_at(job.model, job.theta, draws, order=2)
    for _ in range(STEPS):
        step = _newton_step(chunk, known)
        if not len(draws) * chunk.scores.mean(axis=0) @ step > CLOSE:
            break
        theta, chunk = _ascended(job.model, theta, step, chunk)
    known = _expectations(replace(job, theta=theta))
    mean = _differences(chunk).mean(axis=0) - known.slopes @ chunk.scores.mean(axis=0)
    return float(len(draws) * np.sum((known.whitening @ mean) ** 2))


def _newton_step(chunk: Chunk, known: Expectations) -> Array:
    """Newton's step; Fisher's where the log likelihood is not concave."""
    assert chunk.hessians is not None
    score = chunk.scores.mean(axis=0)
    curvature = symmetric(-chunk.hessians.mean(axis=0, keepdims=True), len(score))[0]
    try:
        np.linalg.cholesky(curvature)
    except np.linalg.LinAlgError:
        fisher: Array = known.inverse @ score
        return fisher
    step: Array = np.linalg.solve(curvature, score)
    return step


def _ascended(model: BoundLikelihood, theta: Array, step: Array, chunk: Chunk) -> tuple[Array, Chunk]:
    """Theta after a step, halved until it stays within the domain and the likelihood does not fall."""
    for _ in range(HALVINGS):
        there = theta.copy()
        there[list(model.wrt)] += step
        try:
            after = derivatives_at(model, model.theta(there), chunk.draws, order=2)
        except ParameterError:
            step = 0.5 * step
            continue
        if after.logpdf.mean() >= chunk.logpdf.mean():
            return there, after
        step = 0.5 * step
    return theta, chunk
