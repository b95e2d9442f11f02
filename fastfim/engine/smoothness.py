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

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError
from ..estimation.estimators import symmetric
from ..kernels.block import Job, differentiated
from .pilot import WORDS_TOGETHER, Pilot, spans
from .workers import UNHURRIED, Resources

Array = NDArray[np.float64]

#: Step in standard errors of a parameter from one observation, and the share of the way to the end of its domain.
STEP, TOWARDS_END, HALVINGS = 0.03, 0.1, 30
#: Evaluations of a draw that the secants may cost, and draws that are looked at in any case.
EVALUATIONS, LEAST_DRAWS = 2**14, 512
#: Pieces that draws fall into where there is a deadline to look at, or several threads, or memory would be cold.
PIECES, WORDS_IN_CACHE = 16, 2**18
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
    p, count = job.p, min(len(pilot.samples), max(LEAST_DRAWS, EVALUATIONS // (4 * job.p)))
    rough, outside = np.zeros(p, dtype=np.int64), np.zeros(p, dtype=np.int64)
    informed = np.flatnonzero(pilot.root)
    together = max(1, WORDS_TOGETHER // (4 * count * job.layout.words_a_draw))
    for k in range(0, len(informed), together):
        which = informed[k : k + together]
        secants = _Secants.along(job, which, pilot)
        for kinked, left in _counts(secants, count, given):
            rough[which] += kinked
            outside[which] += left
    return Smoothness(count, rough, outside)


@dataclass(frozen=True)
class _Secants:
    """What is compared along some of the parameters: at points a step and half a step to either side."""

    beyond: Job
    steps: Array
    entries: NDArray[np.intp]
    scale: Array
    pilot: Pilot

    @classmethod
    def along(cls, job: Job, which: NDArray[np.intp], pilot: Pilot) -> _Secants:
        root = pilot.root
        steps = np.array([step_within(job, int(j), root[j]) for j in which])
        shares = (1.0, 0.5, -1.0, -0.5)
        points = [beside(job, int(j), share * step) for j, step in zip(which, steps, strict=True) for share in shares]
        entries = symmetric(np.arange(job.p * (job.p + 1) // 2, dtype=np.intp), job.p)[which]
        scale = root[which][:, None] * np.where(root > 0.0, root, np.inf)
        return cls(replace(job, theta=np.array(points)), steps, entries, scale, pilot)

    def of_draws(self, span: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of some draws, how many have a kink within the step, and how many leave the support, by parameter."""
        assert self.pilot.samples is not None
        assert self.pilot.hessians is not None
        draws = slice(*span)
        found = differentiated(self.beyond, self.pilot.samples[draws])
        scores = np.swapaxes(found.scores, 1, 2).reshape(len(self.steps), 4, self.beyond.p, -1)
        left = (found.logpdf == -np.inf).reshape(len(self.steps), 4, -1).any(axis=1)
        width = 2.0 * self.steps[:, None, None]
        changes = width * self.pilot.hessians[self.entries, draws]
        coarse = np.abs(scores[:, 0] - scores[:, 2] - changes)
        fine = np.abs(2.0 * (scores[:, 1] - scores[:, 3]) - changes)
        smooth = fine < np.fmax(0.5 * coarse, VISIBLE * width * self.scale[:, :, None])  # and not where it is NaN
        kinked = ~(smooth.all(axis=1) | left)
        return kinked.sum(axis=1), left.sum(axis=1)


def _counts(secants: _Secants, count: int, given: Resources) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """What `_Secants.of_draws` finds, for one piece of the draws after another."""
    workers, cuts = given.workers.ours, [k * count // PIECES for k in range(PIECES + 1)]
    for begin, end in spans(PIECES, PIECES, given.deadline):
        words = len(secants.beyond.theta) * count // PIECES * secants.beyond.work
        share = max(1, min(workers.share(end - begin, words), WORDS_IN_CACHE // max(1, words)))
        pieces = [(cuts[k], cuts[min(k + share, end)]) for k in range(begin, end, share)]
        yield from workers(secants.of_draws, pieces)


def step_within(job: Job, j: int, root: float) -> float:
    """A step of parameter j that stays within the domain and the constraint on both sides."""
    domain, value = job.model.domain[job.model.wrt[j]], job.theta[job.model.wrt[j]]
    step = float(min(STEP / root, TOWARDS_END * (value - domain.low), TOWARDS_END * (domain.high - value)))
    if job.model.likelihood.constraint is None:
        return step
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
