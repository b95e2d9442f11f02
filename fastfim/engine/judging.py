"""What a round's sums amount to: the matrix, its errors, and whether the run may or must end.

A run ends when every entry meets the tolerance (from the second round on) and nothing speaks against the identities
that its estimator rests on; when a suspicion against one of them has been confirmed on fresh streams; or when the
projection of what is still to do exceeds the default limit. Budgets and clocks are the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..estimation import estimators, soundness, stopping, tails
from ..estimation.estimators import Sums
from ..estimation.soundness import Finding
from ..estimation.tails import Judgement
from ..result import target
from .choice import Plan
from .options import Options

Array = NDArray[np.float64]
#: Draws of all streams and relative error after each round.
History = Sequence[tuple[int, Any]]
#: As many draws from streams that nothing has been seen of; None where time has run out.
Fresh = Callable[[], Sums | None]

EQUALITY = "information_equality"
#: Draws after which a test that found too few events ends the run.
PATIENCE = 2**24


@dataclass(frozen=True)
class Look:
    """A run as it stands after a round.

    Attributes
    ----------
    sums, draws
        What the round came to, and the draws of all streams.
    matrices, standard_error, scale
        One estimate a stream (K, p, p), the error of their mean and the scale of the entries (p, p).
    relative_error, variance_reduction
        As in `FisherEstimate`.
    history
        Draws of all streams and relative error after each round.
    projected_draws
        Draws, all told, that would meet the tolerance; those made already, if they do.
    trusted_from
        Draws a stream that the error bar needs (None without control variates).
    findings, confirmed
        Tests of the identities, and which of them failed on fresh streams too.
    tail
        What is to be said of the tails, if single draws have been looked at.
    converged, ended
        Whether the tolerance is met soundly, and whether the run is over.
    """

    sums: Sums
    draws: int
    matrices: Array
    standard_error: Array
    scale: Array
    relative_error: float
    variance_reduction: float
    history: tuple[tuple[int, float], ...]
    projected_draws: float
    findings: Mapping[str, Finding]
    trusted_from: float | None
    confirmed: frozenset[str]
    tail: Judgement | None
    converged: bool
    ended: bool

    @property
    def unsound(self) -> bool:
        """Whether an identity is known to fail, or the error bar."""
        return bool(self.confirmed) or (self.tail is not None and self.tail.state == "infinite")

    @property
    def pending(self) -> bool:
        """Whether a test is suspicious or could not be made."""
        doubtful = self.tail is not None and self.tail.state != "sound"
        return doubtful or any(finding.verdict != "pass" for finding in self.findings.values())

    @property
    def roots(self) -> Array:
        """Square roots of the information's diagonal, as the scale of ``rtol`` has it (p,)."""
        return np.sqrt(np.diagonal(self.scale))

    @property
    def normal(self) -> bool:
        """Whether there are draws enough for stream means to be close to normal."""
        return self.trusted_from is None or self.draws >= self.trusted_from * len(self.matrices)


@dataclass(frozen=True)
class Standing:
    """What sums say and how well, at one point or, with a leading axis, at each of several.

    Attributes
    ----------
    matrices, standard_error, scale, relative_error, variance_reduction
        As in `Look`.
    half_width, goal
        Of what the tolerance applies to.
    within
        Whether it is met.
    """

    matrices: Array
    standard_error: Array
    scale: Array
    half_width: Array
    goal: Array
    relative_error: Any
    variance_reduction: Any
    within: Any
    axis: stopping.Axis

    def projected_draws(self, draws: int, options: Options, sampling: str, history: History) -> Any:
        """Draws, all told, that would meet the tolerance, as errors have fallen so far."""
        rate = stopping.rate(history) if sampling == "rqmc" else 0.5
        floor = stopping.least_rtol(options.confidence, options.streams) if options.target == "fim" else 0.0
        spans = self.half_width, self.goal, options.rtol, options.atol
        return stopping.projected_draws(draws, *spans, rate, floor, self.axis)


def stand(sums: Sums, options: Options, plan: Plan) -> Standing:
    """Work out what sums of one point say, or of several (for the matrix itself as the target)."""
    matrices = estimators.replicates(sums, plan.estimator, plan.control)
    scale = estimators.scale(sums, plan.estimator)
    error = estimators.standard_error(matrices, scale)
    half_width, goal = _aim(options, matrices, error, scale)
    axis = (-2, -1) if options.target == "fim" else None
    return Standing(
        matrices=matrices,
        standard_error=error,
        scale=scale,
        half_width=half_width,
        goal=goal,
        relative_error=stopping.relative_error(half_width, goal, axis),
        variance_reduction=_variance_reduction(sums, plan, scale, error),
        within=stopping.met(half_width, goal, options.rtol, options.atol, axis),
        axis=axis,
    )


def judge(
    sums: Sums,
    options: Options,
    plan: Plan,
    *,
    own: tuple[Array, ...] = (),
    history: tuple[tuple[int, float], ...] = (),
    fresh: Fresh | None = None,
    share: Sums | None = None,
) -> Look:
    """Look at a run after a round.

    ``own`` is what `own_means` gave for each round so far, and ``history`` that of the looks before; ``fresh`` is None
    where the budget has no room for it; ``share`` has the Hessians of some of a run's draws.
    """
    standing = stand(sums, options, plan)
    findings, confirmed = _test(sums, plan.estimator, fresh)
    if share is not None:
        findings[EQUALITY] = soundness.information_equality(share, soundness.OUTRIGHT)
        confirmed |= {EQUALITY} if findings[EQUALITY].verdict == "fail" else set()
    draws = sums.draws * options.streams
    settled = all(finding.verdict == "pass" for finding in findings.values())
    settled = settled and sums.draws >= (_needed(plan) or 0.0)
    tail = tails.judge(plan.tails, own, sums.draws) if plan.tails is not None and own else None
    settled = settled and (tail is None or tail.state == "sound")
    history += ((draws, float(standing.relative_error)),)
    converged = bool(standing.within) and settled and plan.sound
    # nobody asks a run that has converged how long it would take
    projected = draws if converged else float(standing.projected_draws(draws, options, plan.job.sampling, history))
    lost = not converged and bool(given_up(options, draws, projected, settled))
    enough = converged and options.draws is None
    unsound = bool(confirmed) or not plan.sound or (tail is not None and tail.state == "infinite")
    return Look(
        sums=sums,
        draws=draws,
        matrices=standing.matrices,
        standard_error=standing.standard_error,
        scale=standing.scale,
        relative_error=float(standing.relative_error),
        history=history,
        variance_reduction=float(standing.variance_reduction),
        projected_draws=projected,
        findings=findings,
        trusted_from=_needed(plan),
        confirmed=confirmed,
        tail=tail,
        converged=converged,
        ended=enough or unsound or lost,
    )


def own_means(sums: Sums, plan: Plan, before: Sums | None) -> tuple[Array, ...]:
    """Stream means of what a round's own draws say of the diagonal, by the estimator: one array (K, p).

    None where there are no single draws to judge them by, or control variates.
    """
    if plan.tails is None or plan.control is not None:
        return ()
    new = sums if before is None else sums - before
    name = "score" if plan.estimator == "covariance" else plan.estimator
    return (np.diagonal(estimators.replicates(new, name, plan.control), axis1=1, axis2=2),)


def _aim(options: Options, matrices: Array, error: Array, scale: Array) -> tuple[Array, Array]:
    """Half-widths and scales of what the tolerance applies to."""
    if options.target == "fim":
        return stopping.critical_value(options.confidence, options.streams) * error, scale
    return target.reach(options.target, matrices, options.confidence)


def _test(sums: Sums, estimator: str, fresh: Fresh | None) -> tuple[dict[str, Finding], frozenset[str]]:
    """Test every identity; of those suspected only the verdict of fresh streams counts.

    Where there is no room for these, a suspicion so strong that both tests would have to err stands for itself.
    """
    evidence = soundness.Evidence(sums)
    findings = {name: soundness.TESTS[name](evidence) for name in assumed(estimator, sums)}
    suspected = [name for name, finding in findings.items() if finding.verdict == "fail"]
    if not suspected:
        return findings, frozenset()
    others = fresh() if fresh is not None else None
    level = soundness.OUTRIGHT if others is None else soundness.CONFIRMATION
    findings |= {name: soundness.TESTS[name](sums if others is None else others, level) for name in suspected}
    return findings, frozenset(name for name in suspected if findings[name].verdict == "fail")


def assumed(estimator: str, sums: Sums) -> list[str]:
    """What the estimator rests on; control variates may be scores alone."""
    return [name for name in soundness.ASSUMES[estimator] if name != EQUALITY or sums.negative_hessian is not None]


def given_up(options: Options, draws: int, projected: Any, settled: Any) -> Any:
    """Whether a run that has no budget and no clock will come to no end (where it has not converged)."""
    if options.draws is not None or options.max_draws is not None or options.time_limit is not None:
        return np.zeros_like(settled, dtype=bool)
    hopeless = (draws >= stopping.PROJECTION_FROM) & (np.asarray(projected) > stopping.DRAWS_AT_MOST)
    return hopeless | (~np.asarray(settled) & (draws >= PATIENCE))


def _variance_reduction(sums: Sums, plan: Plan, scale: Array, error: Array) -> Any:
    """Squared error that the score of as many independent draws would have, over that of the estimate; worst entry."""
    if plan.outer_variance is None:
        plain = estimators.standard_error(estimators.replicates(sums, "score"), scale) ** 2
    else:
        plain = plan.outer_variance / (sums.draws * sums.score.shape[-2] + plan.spent)
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.where((error > 0.0) & (plain > 0.0), plain / error**2, np.inf).min(axis=(-2, -1))
    return np.where(np.isinf(least), np.nan, least)[()]


def _needed(plan: Plan) -> float | None:
    return None if plan.control is None else float(plan.trusted_from)
