"""How a run ended: the estimate, its message, and the warning that goes with it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import numpy as np

from ..errors import ConvergenceWarning, RegularityWarning
from ..result.checks import Check
from ..result.fisher_estimate import FisherEstimate, Round
from . import verdicts
from .choice import Plan
from .judging import Look
from .options import Options


def conclude(plan: Plan, options: Options, look: Look, history: tuple[Round, ...]) -> FisherEstimate:
    """The estimate at one point."""
    job, draws, seconds = plan.job, history[-1].draws, history[-1].seconds
    message = _message(options, plan, look, history[-1])
    checks = verdicts.of(plan, look)
    look.matrices.flags.writeable = False  # so that estimate and checks hold the same array
    return FisherEstimate(
        fim=look.matrices.sum(axis=0) / options.streams,
        standard_error=look.standard_error,
        replicates=look.matrices,
        parameters=job.model.parameters,
        theta=job.theta[list(job.model.wrt)],
        fixed={name: job.theta[i] for i, name in enumerate(job.model.names) if i not in job.model.wrt},
        draws=draws,
        streams=options.streams,
        seed=options.seed,
        estimator=plan.estimator,
        sampling=job.sampling,
        converged=look.converged,
        message=message,
        elapsed=seconds,
        relative_error=look.relative_error,
        history=history,
        variance_reduction=look.variance_reduction,
        checks=checks,
        confidence=options.confidence,
        rtol=options.rtol,
        atol=options.atol,
        likelihood=job.model.likelihood.name,
    )


def announce(plan: Plan, options: Options, result: FisherEstimate, unsound: bool) -> None:
    """Warn the caller of the caller's caller, if there is anything to warn of."""
    altered = options.estimator == "auto" and any(check.verdict == "warn" for _, check in plan.checks)
    if unsound or not plan.sound or altered:
        warnings.warn(_worst(result.checks) or result.message, RegularityWarning, stacklevel=4)
    elif not np.all(result.converged) and options.draws is None:
        warnings.warn(result.message, ConvergenceWarning, stacklevel=4)


def _worst(checks: Mapping[str, Check]) -> str:
    """The message of the first check that failed, or else of the first that warns."""
    failed = [check.message for check in checks.values() if check.verdict == "fail"]
    return (failed + [check.message for check in checks.values() if check.verdict == "warn"] + [""])[0]


def _message(options: Options, plan: Plan, look: Look, last: Round) -> str:
    """One sentence: how the run ended, and what it would take to go on."""
    reached = f"a relative error of {look.relative_error:.2g} after {last.draws:,} draws"
    if look.unsound or not plan.sound:
        return f"ended as unsound with {reached}: see checks"
    if look.converged:
        return f"converged to {reached}"
    needed = _needed(options, look)
    if options.draws is not None:
        return f"the fixed budget gave {reached}" + (f"; {needed}" if needed else "")
    if look.ended:
        reason = "the default limits, as no end is in sight (max_draws or time_limit sets others)"
    elif options.time_limit is not None and options.budget(plan.spent, plan.job.sampling) != look.sums.draws:
        reason = f"time_limit = {options.time_limit:g} s"
    else:
        reason = f"max_draws = {options.max_draws:,}"
    return f"stopped by {reason} with {reached}; {needed or 'not every entry is known'}"


def _needed(options: Options, look: Look) -> str:
    """What it would take to converge."""
    wanted = f"rtol = {options.rtol:g}" + (f", atol = {options.atol:g}" if options.atol else "")
    if look.pending or not look.normal:
        return "the checks are not settled: more draws would tell"
    if look.projected_draws == math.inf:
        return f"no number of draws would meet {wanted}"
    return f"{wanted} would take about {look.projected_draws:.1g} draws" if look.projected_draws > look.draws else ""
