"""Is the log density smooth in theta? The second Bartlett identity needs that, and no mean can tell in time.

For x - theta with a density proportional to exp(-x^2/2 - |x|/100) the Hessian is -1 throughout while the information
is 1.008: a test of the mean of s s^T + H sees that after a million draws. Single draws show it at once. For each draw
of a pilot the automatic Hessian is compared with secants of the score over theta +- delta, delta a few hundredths of a
standard error:

    e(delta) = (s(theta + delta) - s(theta - delta)) / (2 delta) - H

A smooth draw has e = O(delta^2), a quarter at half the step. A draw whose kink lies within the step is off by
jump / (2 delta), twice that at half the step. So a draw counts as rough where half a step does not halve the error, and
the error exceeds what the tolerance could overlook. A branch, an ``abs`` or a ``max`` in the code is no evidence by
itself: log-sum-exp has one, and is smooth.

A draw whose log density at theta +- delta is -inf has left the support: the support moves with theta, the first
identity fails too, and no estimator is right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .errors import ParameterError
from .estimators import symmetric
from .kernels import Chunk, Job, differentiated
from .pilot import WORDS_TOGETHER, Pilot, spans
from .workers import UNHURRIED, Resources

Array = NDArray[np.float64]

#: Step in standard errors of a parameter from one observation, and the share of the way to the end of its domain.
STEP, TOWARDS_END, HALVINGS = 0.03, 0.1, 30
#: Evaluations of a draw that the secants may cost, and draws that are looked at in any case.
EVALUATIONS, LEAST_DRAWS = 2**14, 512
#: Pieces that draws fall into where there is a deadline to look at, or several threads, or memory would be cold.
PIECES, WORDS_IN_CACHE = 16, 2**17
#: Rough draws are counted from this error on, relative to sqrt(I_ii I_jj). This share of them is no accident if they
#: are more than a few: a step may be too long for a smooth draw far out in the tails.
VISIBLE, SHARE, FEW = 1e-3, 1e-3, 4


@dataclass(frozen=True)
class Smoothness:
    """What the secants of a pilot show.

    Attributes
    ----------
    draws
        Draws looked at.
    rough, outside
        For each parameter, how many draws have a kink within the step, and how many leave the support.
    """

    draws: int
    rough: NDArray[np.int64]
    outside: NDArray[np.int64]

    @property
    def smooth(self) -> bool:
        """Whether Hessians may be used."""
        return bool((self.rough <= max(FEW, SHARE * self.draws)).all())

    @property
    def support_is_fixed(self) -> bool:
        """Whether no draw left the support."""
        return not self.outside.any()


def look(job: Job, pilot: Pilot, given: Resources = UNHURRIED) -> Smoothness:
    """Compare Hessians of the pilot's draws with secants of their scores.

    Raises
    ------
    OutOfTimeError
        Past the deadline.
    """
    assert pilot.hessians is not None
    assert pilot.samples is not None
    p = job.p
    draws = pilot.samples[: max(LEAST_DRAWS, EVALUATIONS // (4 * p))]
    hessians = np.moveaxis(symmetric(pilot.hessians[:, : len(draws)].T, p), 0, -1)
    root = pilot.root
    rough, outside = np.zeros(p, dtype=np.int64), np.zeros(p, dtype=np.int64)
    informed = np.flatnonzero(root)
    together = max(1, WORDS_TOGETHER // (4 * len(draws) * job.layout.words_a_draw))
    for k in range(0, len(informed), together):
        which = informed[k : k + together]
        steps = np.array([step_within(job, int(j), root[j]) for j in which])
        (wide, narrow), left = _secants(job, which, steps, draws, given)
        scale = root[which, None] * np.where(root > 0.0, root, np.inf)
        coarse, fine = (np.abs(slopes - hessians[which]) / scale[:, :, None] for slopes in (wide, narrow))
        kinked = ((fine > 0.5 * coarse) & (fine > VISIBLE) | ~np.isfinite(fine)).any(axis=1)
        rough[which], outside[which] = (kinked & ~left).sum(axis=1), left.sum(axis=1)
    return Smoothness(len(draws), rough, outside)


def step_within(job: Job, j: int, root: float) -> float:
    """A step of parameter j that stays within the domain and the constraint on both sides."""
    domain, value = job.model.domain[job.model.wrt[j]], job.theta[job.model.wrt[j]]
    step = float(min(STEP / root, TOWARDS_END * (value - domain.low), TOWARDS_END * (domain.high - value)))
    for _ in range(HALVINGS):
        try:
            for sign in (1.0, -1.0):
                job.model.theta(beside(job, j, sign * step))
        except ParameterError:
            step *= 0.5
        else:
            break
    return step


def beside(job: Job, j: int, step: float) -> Array:
    """The point of a job with parameter j moved by ``step``."""
    there = job.theta.copy()
    there[job.model.wrt[j]] += step
    return there


def _secants(
    job: Job, which: NDArray[np.intp], steps: Array, draws: Array, given: Resources
) -> tuple[tuple[Array, Array], NDArray[np.bool_]]:
    """Slopes of each draw's score along some parameters, (parameters, p, draws), over a step and over half of it.

    And which draws leave the support.
    """
    shares = (1.0, 0.5, -1.0, -0.5)
    points = [beside(job, int(j), share * step) for j, step in zip(which, steps, strict=True) for share in shares]
    beyond = replace(job, theta=np.array(points))
    parts: list[Chunk] = []
    workers, cuts = given.workers.ours, np.arange(PIECES + 1) * len(draws) // PIECES
    for begin, end in spans(PIECES, PIECES, given.deadline):
        words = len(points) * len(draws) // PIECES * job.work
        share = max(1, min(workers.share(end - begin, words), WORDS_IN_CACHE // max(1, words)))
        pieces = [draws[cuts[k] : cuts[min(k + share, end)]] for k in range(begin, end, share)]
        parts += workers(partial(differentiated, beyond), pieces)
    scores = np.concatenate([np.swapaxes(part.scores, 1, 2) for part in parts], axis=2)
    densities = np.concatenate([part.logpdf for part in parts], axis=1)
    far, near, far_back, near_back = np.moveaxis(scores.reshape(len(which), 4, job.p, -1), 1, 0)
    left = np.asarray(np.isneginf(densities).reshape(len(which), 4, -1).any(axis=1))
    width = 2.0 * steps[:, None, None]
    return ((far - far_back) / width, 2.0 * (near - near_back) / width), left
