"""What a round's sums amount to: the matrix, its errors, and whether the run may or must end.

A run ends when every entry meets the tolerance (from the second round on) and nothing speaks against the identities
that its estimator rests on; when a suspicion against one of them has been confirmed on fresh streams; or when the
projection of what is still to do exceeds the default limit. Budgets and clocks are the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import estimators, soundness, stopping, target
from .choice import Plan
from .estimators import Sums
from .options import Options
from .result import Check
from .soundness import Finding

Array = NDArray[np.float64]

#: What each estimator rests on; `covariance` on neither identity.
ASSUMES = {
    "score": {"mean_score": soundness.mean_score},
    "covariance": {},
    "hessian": {"mean_score": soundness.mean_score, "information_equality": soundness.information_equality},
    "bartlett": {"mean_score": soundness.mean_score, "information_equality": soundness.information_equality},
}
#: Draws after which a test that found too few events ends the run.
PATIENCE = 2**24


@dataclass(frozen=True)
class Look:
    """A run as it stands after a round.

    Attributes
    ----------
    draws
        Draws of all streams.
    matrices, standard_error
        One estimate a stream (K, p, p), and the error of their mean (p, p).
    relative_error, variance_reduction
        As in `FisherEstimate`.
    projected_draws
        Draws, all told, that would meet the tolerance.
    trusted_from
        Draws a stream that the error bar needs (None without control variates, infinite where no number will do).
    findings, confirmed
        Tests of the identities, and which of them failed on fresh streams too.
    converged, ended
        Whether the tolerance is met soundly, and whether the run is over.
    """

    draws: int
    matrices: Array
    standard_error: Array
    relative_error: float
    variance_reduction: float
    projected_draws: float
    findings: Mapping[str, Finding]
    trusted_from: float | None
    confirmed: frozenset[str]
    converged: bool
    ended: bool

    @property
    def unsound(self) -> bool:
        """Whether an identity is known to fail."""
        return bool(self.confirmed)

    @property
    def pending(self) -> bool:
        """Whether a test is suspicious or could not be made."""
        return any(finding.verdict != "pass" for finding in self.findings.values())

    @property
    def normal(self) -> bool:
        """Whether there are draws enough for stream means to be close to normal."""
        return self.trusted_from is None or self.draws >= self.trusted_from * len(self.matrices)

    def checks(self, parameters: tuple[str, ...]) -> dict[str, Check]:
        """The findings in words."""
        checks = {name: _check(name, f, name in self.confirmed, parameters) for name, f in self.findings.items()}
        if self.trusted_from is not None:
            checks["tails"] = _tails(self.trusted_from, self.normal)
        return checks


def judge(sums: Sums, options: Options, plan: Plan, rounds: int, fresh: Callable[[], Sums] | None) -> Look:
    """Look at a run after a round.

    ``fresh()`` gives as many draws from streams that nothing has been seen of; None where the budget has no room.
    """
    matrices = estimators.replicates(sums, plan.estimator, plan.control)
    scale = estimators.scale(sums, plan.estimator)
    error = estimators.standard_error(matrices, scale)
    half_width, goal = _aim(options, matrices, error, scale)
    within = stopping.met(half_width, goal, options.rtol, options.atol)
    findings, confirmed = _test(sums, plan.estimator, fresh)
    draws = sums.draws * options.streams
    settled = all(finding.verdict == "pass" for finding in findings.values())
    settled = settled and sums.draws >= (_needed(plan) or 0.0)
    projected = stopping.projected_draws(draws, half_width, goal, options.rtol, options.atol)
    converged = within and settled and plan.sound
    given_up = _given_up(options, draws, projected, settled)
    enough = converged and options.draws is None and rounds >= stopping.ROUNDS_AT_LEAST
    return Look(
        draws=draws,
        matrices=matrices,
        standard_error=error,
        relative_error=stopping.relative_error(half_width, goal),
        variance_reduction=_variance_reduction(sums, plan, scale, error),
        projected_draws=projected,
        findings=findings,
        trusted_from=_needed(plan),
        confirmed=confirmed,
        converged=converged,
        ended=enough or bool(confirmed) or given_up or not plan.sound,
    )


def _aim(options: Options, matrices: Array, error: Array, scale: Array) -> tuple[Array, Array]:
    """Half-widths and scales of what the tolerance applies to."""
    if options.target == "fim":
        return stopping.critical_value(options.confidence, options.streams) * error, scale
    return target.reach(options.target, matrices, options.confidence)


def _test(sums: Sums, estimator: str, fresh: Callable[[], Sums] | None) -> tuple[dict[str, Finding], frozenset[str]]:
    """Test every identity; of those suspected only the verdict of fresh streams counts."""
    findings = {name: test(sums) for name, test in ASSUMES[estimator].items()}
    suspected = [name for name, finding in findings.items() if finding.verdict == "fail"]
    if not suspected or fresh is None:
        return findings, frozenset()
    others = fresh()
    findings |= {name: ASSUMES[estimator][name](others, soundness.CONFIRMATION) for name in suspected}
    return findings, frozenset(name for name in suspected if findings[name].verdict == "fail")


def _given_up(options: Options, draws: int, projected: float, settled: bool) -> bool:
    if options.draws is not None or options.max_draws is not None or options.time_limit is not None:
        return False
    hopeless = draws >= stopping.PROJECTION_FROM and projected > stopping.DRAWS_AT_MOST
    return hopeless or (not settled and draws >= PATIENCE)


def _variance_reduction(sums: Sums, plan: Plan, scale: Array, error: Array) -> float:
    """Squared error that the score of as many independent draws would have, over that of the estimate; worst entry."""
    if plan.outer_variance is None:
        plain = estimators.standard_error(estimators.replicates(sums, "score"), scale) ** 2
    else:
        plain = plan.outer_variance / (sums.draws * len(sums.score) + plan.spent)
    known = (error > 0.0) & (plain > 0.0)
    return float((plain[known] / error[known] ** 2).min(initial=np.inf)) if known.any() else float("nan")


# ---------------------------------------------------------------- in words

_MEANING = {
    "mean_score": (
        "the mean score is zero",
        "the mean score is not zero: sampler and log density disagree, a normalizing constant that depends on theta "
        "is missing (estimator='covariance' does without it), or the support moves with theta",
    ),
    "information_equality": (
        "outer product and Hessian agree",
        "the mean outer product of the score differs from minus the mean Hessian: sampler and log density disagree, or "
        "the log density has a kink in theta",
    ),
}


def _check(name: str, finding: Finding, confirmed: bool, parameters: tuple[str, ...]) -> Check:
    sound, broken = _MEANING[name]
    where = " x ".join(parameters[i] for i in finding.entry)
    if confirmed:
        return Check(
            finding.figure, finding.p_value, "fail", f"{broken} (largest for {where}, confirmed on fresh streams)"
        )
    if finding.verdict == "fail":
        return Check(
            finding.figure, finding.p_value, "warn", f"suspected, not confirmed: {broken} (largest for {where})"
        )
    if finding.verdict == "skipped":
        few = "too few events: next to no draw says anything about it, or its score is the same for every draw"
        return Check(finding.figure, finding.p_value, "skipped", f"{few} ({where})")
    return Check(finding.figure, finding.p_value, "pass", sound)


def _needed(plan: Plan) -> float | None:
    if plan.control is None:
        return None
    return float("inf") if plan.trusted_from and plan.job.sampling == "rqmc" else float(plan.trusted_from)


def _tails(least: float, normal: bool) -> Check:
    """The check on the error bar itself."""
    if normal:
        return Check(least, float("nan"), "pass", "stream means are close to normal")
    message = "the error bar rests on the few draws in the tails, and its intervals cover less than they say; "
    if least == float("inf"):
        message += "no number of draws mends that for control variates under quasi-Monte Carlo: take sampling='mc'"
    else:
        message += f"some {least:,.0f} draws a stream would do"
    return Check(least, float("nan"), "warn", message)
