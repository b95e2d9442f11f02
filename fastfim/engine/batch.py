"""Many points in one call: the same draws for all, from a choice that is made once.

All points of a batch share estimator, sampling, streams and seed, and get the same number of draws, those that the
hardest of them needs. So errors are common to neighbours: where the sampler is a smooth function of theta at given
random numbers (any variate by inversion, as under quasi-Monte Carlo, and shifted or scaled ones), so is the estimate,
and differences along a line are those of the matrix. (Rejection, as for gamma variates of independent draws, makes
steps in the shape.) Only when seven of eight points have what they need do the others go on by themselves.

A compiled call does the same block at every point of a slab, and what follows from the sums is worked out for a slab at
once. Estimates at single points are made when they are asked for.

Plans at `SAMPLES` points decide: the estimator that all of them can use, and no quasi-Monte Carlo unless all want it.
Control variates have coefficients for each point from a small pilot of its own; with independent draws they are used
where they are exact. What needs more than that (a target other than the matrix, heavy tails, an unsound model) goes
point by point.

>>> from fastfim import estimate
>>> result = estimate("norm", theta=[[0.0, scale] for scale in (0.5, 1.0, 2.0)], rtol=1e-2, rng=0)
>>> result.fim[:, 0, 0].round(9), result[2].fim.shape
(array([4.  , 1.  , 0.25]), (2, 2))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..estimation import estimators, soundness, stopping
from ..estimation.estimators import Sums
from ..estimation.soundness import ASSUMES, Evidence
from ..estimation.tails import INFINITE_VARIANCE
from ..kernels.block import Block, Job, compile_for, draws_of, run_streams
from ..kernels.diagnosis import check_by_hand, raise_for
from ..likelihood import BoundLikelihood
from ..result.checks import worst_of
from ..result.fisher_estimate import FisherEstimate, Round
from . import trial
from .choice import Plan, plan_for
from .conclusion import announce, conclude
from .control import ControlVariates, fit
from .judging import given_up, judge, own_means, stand
from .options import Options
from .pilot import FIRST_STREAM, LEAST_KEPT, Pilot
from .progress import reporter
from .workers import Workers, mapper

Array = NDArray[np.float64]

#: Points at which a plan is made.
SAMPLES = 3
#: Points of a slab: few enough that its arrays stay in cache.
SLAB = 128
#: Streams and draws of each in the pilot of a point; the control variates of up to so many parameters make do with it.
OWN_STREAMS, OWN_DRAWS, CONTROLS_UP_TO = 4, LEAST_KEPT // 4, 4
#: Residuals below this share of the scale are rounding.
EXACT = 1e-8
#: Once fewer than this share of the points are open, they go on by themselves.
ALONE = 1 / 8
TESTS = {"mean_score": Evidence.of_scores, "information_equality": Evidence.of_equality}


def run(model: BoundLikelihood, points: Array, options: Options) -> FisherEstimate | None:
    """Estimate all points together; None if each needs a run of its own."""
    started = perf_counter()
    job = Job(model, points, options.seed, order=1)
    trial.once(model, points[0])
    check_by_hand(replace(job, theta=points[0], order=1 if model.likelihood.hessian is None else 2))
    plan = _plan(job, options)
    if plan is None:
        return None
    compile_for(model, plan.job.order, plan.job.sampling)
    with mapper(options.workers) as workers, reporter(options.progress, options.rtol) as report:
        plan = _with_control(plan, points, workers)
        if plan is None or options.budget(plan.spent, plan.job.sampling) == 0:
            return None
        batch = _Batch(plan, options, points, workers, started)
        batch.go_on(report)
    result = batch.result()
    announce(plan, options, result, bool(batch.unsound.any()))
    return result


# ---------------------------------------------------------------- one choice for all


def _plan(job: Job, options: Options) -> Plan | None:
    if options.target != "fim" or len(job.theta) == 1 or options.estimator == "covariance":
        return None
    samples = np.unique(np.linspace(0, len(job.theta) - 1, SAMPLES).round().astype(int))
    plans = [plan_for(replace(job, theta=job.theta[i]), options, points=len(job.theta)) for i in samples]
    if not all(_simple(plan) for plan in plans):
        return None
    names = {plan.estimator for plan in plans}
    name = next(name for name in ("score", "hessian", "bartlett") if name in names)
    sampling = "rqmc" if all(plan.job.sampling == "rqmc" for plan in plans) else "mc"
    first = next(plan for plan in plans if plan.estimator == name)
    job = replace(job, order=first.job.order, sampling=sampling)
    return replace(first, job=job, spent=0, outer_variance=None, trusted_from=0)


def _simple(plan: Plan) -> bool:
    """Whether nothing at the point calls for a closer look."""
    if not plan.sound or plan.trusted_from:
        return False
    if plan.control is not None:
        return plan.job.order == 2 and plan.job.p <= CONTROLS_UP_TO
    return plan.tails is None or bool(plan.tails.shape.max() <= INFINITE_VARIANCE)


def _with_control(plan: Plan, points: Array, workers: Workers) -> Plan | None:
    """Control variates of each point, from draws that are used for nothing else."""
    if plan.control is None:
        return plan
    fits = list(workers(partial(_fit, plan.job), _slabs(np.arange(len(points)))))
    if plan.job.sampling == "mc" and not all(exact for _, exact in fits):
        return None
    values = np.concatenate([control.values for control, _ in fits])
    return replace(plan, control=ControlVariates(fits[0][0].indices, values), spent=OWN_STREAMS * OWN_DRAWS)


def _fit(job: Job, slab: NDArray[np.intp]) -> tuple[ControlVariates, bool]:
    some = replace(job, theta=job.theta[slab])
    chunk = draws_of(some, Block(FIRST_STREAM, 0, OWN_DRAWS, streams=OWN_STREAMS))
    assert chunk.hessians is not None
    scores, hessians = (
        values.reshape(len(slab), OWN_STREAMS * OWN_DRAWS, -1).swapaxes(1, 2)
        for values in (chunk.scores, chunk.hessians)
    )
    pilot = Pilot(scores, hessians, chunk.weights[:OWN_STREAMS].ravel())  # weights of all points
    control = fit(pilot, job.sampling)
    return control, _exact(control, pilot)


def _exact(control: ControlVariates, pilot: Pilot) -> bool:
    """Whether no draw has a residual beyond rounding."""
    values = control.of_draws(pilot)
    residuals = np.ptp(values, axis=-1)
    return bool((residuals <= EXACT * pilot.scale).all())


def _slabs(points: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return [points[k : k + SLAB] for k in range(0, len(points), SLAB)]


def _sums(job: Job, block: Block, slab: NDArray[np.intp]) -> Array:
    return run_streams(replace(job, theta=job.theta[slab]), block)


# ---------------------------------------------------------------- rounds


class _Batch:
    """Where all points stand: sums of every stream, and what has been decided."""

    def __init__(self, plan: Plan, options: Options, points: Array, workers: Workers, started: float) -> None:
        self.plan, self.options, self.points, self.workers, self.started = plan, options, points, workers, started
        m = len(points)
        self.totals = np.zeros((m, options.streams, plan.job.layout.sums))
        self.draws = np.zeros(m, dtype=np.int64)
        self.met, self.unsound, self.given_up = (np.zeros(m, dtype=bool) for _ in range(3))
        self.relative_error, self.reduction = np.full(m, np.inf), np.full(m, np.nan)
        self.spent = plan.spent * m
        self.done = self.blocks = 0
        self.history: list[Round] = []
        self.errors: list[tuple[int, Array]] = []  # draws of a point, and relative errors, after each round

    def go_on(self, report: Callable[[int, float], None]) -> None:
        """Rounds until no point is open, or the budget or the time is used up."""
        options, open_points = self.options, np.arange(len(self.points))
        deadline = math.inf if options.time_limit is None else self.started + options.time_limit
        budget = options.budget(self.plan.spent, self.plan.job.sampling)
        for target in stopping.rounds(budget):
            self._draw(open_points, target)
            for slab in _slabs(open_points):
                self._judge(slab)
            self.errors.append((self.done * options.streams, self.relative_error.copy()))
            draws, seconds = int(self.draws.sum()) * options.streams + self.spent, perf_counter() - self.started
            self.history.append(Round(draws, seconds, float(self.relative_error.max())))
            report(draws, self.history[-1].relative_error)
            open_points = self._open(open_points)
            if not len(open_points) or perf_counter() > deadline:
                return

    def _open(self, points: NDArray[np.intp]) -> NDArray[np.intp]:
        """Points that go on: all that are not lost, until nearly all have what they need."""
        going = points[~(self.unsound | self.given_up)[points]]
        if self.options.draws is not None:
            return going
        open_points = going[~self.met[going]]
        return open_points if len(open_points) < ALONE * len(self.points) else going

    def _draw(self, points: NDArray[np.intp], target: int) -> None:
        """Draws up to ``target`` a stream; points that are still open have all had the same."""
        for size in stopping.blocks(target - self.done, self.plan.job.layout.block):
            block = Block(0, self.blocks, size, self.done, self.options.streams)
            for slab, sums in zip(_slabs(points), self._run(block, points), strict=True):
                self.totals[slab] += sums
            self.done, self.blocks = self.done + size, self.blocks + 1
        self.draws[points] = self.done

    def _run(self, block: Block, points: NDArray[np.intp]) -> Iterator[Array]:
        slabs = _slabs(points)
        for slab, sums in zip(slabs, self.workers(partial(_sums, self.plan.job, block), slabs), strict=True):
            wrong = ~np.isfinite(sums).all(axis=-1)
            if wrong.any():
                i, k = (int(j) for j in np.argwhere(wrong)[0])
                job = replace(self.plan.job, theta=self.points[slab[i]])
                raise_for(job, block._replace(stream=block.stream + k, streams=1))
            yield sums

    def _judge(self, slab: NDArray[np.intp]) -> None:
        """What `judging.judge` does at one point."""
        options, plan = self.options, replace(self.plan, control=_control(self.plan, slab))
        sums = Sums.unpack(self.totals[slab], plan.job.p, int(self.draws[slab[0]]))
        draws, standing = sums.draws * options.streams, stand(sums, options, plan)
        settled, lost = self._test(slab, sums)
        self.relative_error[slab], self.reduction[slab] = standing.relative_error, standing.variance_reduction
        self.met[slab], self.unsound[slab] = standing.within & settled & ~lost, lost
        seen = [(before, errors[slab]) for before, errors in self.errors] + [(draws, standing.relative_error)]
        projected = standing.projected_draws(draws, options, plan.job.sampling, seen)
        self.given_up[slab] = given_up(options, draws, projected, settled) & ~self.met[slab]

    def _test(self, slab: NDArray[np.intp], sums: Sums) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which points pass, and which are lost: where fresh streams confirm a suspicion."""
        settled, lost = np.ones(len(slab), dtype=bool), np.zeros(len(slab), dtype=bool)
        evidence = Evidence(sums)
        for name in ASSUMES[self.plan.estimator]:
            found = TESTS[name](evidence)
            barred = found.barred.any(axis=-1)
            suspected = ~barred & (found.p_value < soundness.SUSPICION)
            confirmed = ~barred & (found.p_value < soundness.OUTRIGHT)
            if self.options.draws is None and self.options.max_draws is None:
                confirmed[suspected] = self._confirmed(slab[suspected], name)
                suspected &= confirmed
            settled &= ~barred & ~suspected
            lost |= confirmed
        return settled, lost

    def _confirmed(self, points: NDArray[np.intp], name: str) -> NDArray[np.bool_]:
        """Whether a test fails on fresh streams too."""
        if not len(points):
            return np.zeros(0, dtype=bool)
        done, each = int(self.draws[points[0]]), 0
        totals = np.zeros_like(self.totals[points])
        for number, size in enumerate(stopping.blocks(done, self.plan.job.layout.block)):
            block = Block(self.options.streams * (1 + len(self.history)), number, size, each, self.options.streams)
            totals += np.concatenate(list(self._run(block, points)))
            each += size
        self.spent += each * self.options.streams * len(points)
        found = TESTS[name](Evidence(Sums.unpack(totals, self.plan.job.p, each)))
        confirmed: NDArray[np.bool_] = ~found.barred.any(axis=-1) & (found.p_value < soundness.CONFIRMATION)
        return confirmed

    def result(self) -> FisherEstimate:
        """All points as one estimate."""
        model, last = self.plan.job.model, self.history[-1]
        replicates, scale = self._matrices()
        elapsed = last.seconds / len(self.points)
        points = Points(self.plan, self.options, self.points, self.totals, self.draws, self.met, self.unsound, elapsed)
        worst = {int(self.relative_error.argmax()), *np.flatnonzero(self.unsound)[:1].tolist()}
        met, m = int(self.met.sum()), len(self.points)
        result: FisherEstimate = replace(
            points[0],
            fim=_read_only(replicates.mean(axis=1)),
            standard_error=_read_only(estimators.standard_error(replicates, scale)),
            replicates=_read_only(replicates),
            theta=self.points[:, list(model.wrt)],
            fixed={name: self.points[:, i] for i, name in enumerate(model.names) if i not in model.wrt},
            draws=last.draws,
            converged=_read_only(self.met),
            relative_error=_read_only(self.relative_error),
            variance_reduction=_read_only(self.reduction),
            elapsed=last.seconds,
            history=tuple(self.history),
            message=f"converged at {'all' if met == m else f'{met} of'} {m} points",
            checks=worst_of({i: points[i].checks for i in sorted(worst)}),
            points=points,
        )
        return result

    def _matrices(self) -> tuple[Array, Array]:
        """Replicates and scale of every point."""
        p, (m, streams, _) = self.plan.job.p, self.totals.shape
        replicates, scale = np.empty((m, streams, p, p)), np.empty((m, p, p))
        for draws in np.unique(self.draws):
            for slab in _slabs(np.flatnonzero(self.draws == draws)):
                sums = Sums.unpack(self.totals[slab], p, int(draws))
                replicates[slab] = estimators.replicates(sums, self.plan.estimator, _control(self.plan, slab))
                scale[slab] = estimators.scale(sums, self.plan.estimator)
        return replicates, scale


def _control(plan: Plan, points: Any) -> ControlVariates | None:
    return None if plan.control is None else replace(plan.control, values=plan.control.values[points])


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Points(Sequence[FisherEstimate]):
    """The estimates at single points, each made when it is asked for."""

    plan: Plan
    options: Options
    theta: Array
    totals: Array
    draws: NDArray[np.int64]
    met: NDArray[np.bool_]
    unsound: NDArray[np.bool_]
    elapsed: float

    def __len__(self) -> int:
        return len(self.theta)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]
        job = replace(self.plan.job, theta=self.theta[i])
        plan = replace(self.plan, job=job, control=_control(self.plan, i))
        sums = Sums.unpack(self.totals[i], job.p, int(self.draws[i]))
        look = judge(sums, self.options, plan, own=own_means(sums, plan, None))
        findings, confirmed = look.findings, frozenset[str]()
        if self.met[i]:  # a suspicion that fresh streams did not confirm
            findings = {name: replace(finding, verdict="pass") for name, finding in findings.items()}
        elif self.unsound[i]:
            confirmed = frozenset(name for name, finding in findings.items() if finding.verdict == "fail")
        look = replace(look, findings=findings, confirmed=confirmed, converged=bool(self.met[i]))
        history = (Round(look.draws + plan.spent, self.elapsed, look.relative_error),)
        return conclude(plan, self.options, look, history)
