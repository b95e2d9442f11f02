"""Which estimator a run uses, and what the pilot says about the model.

With a name given, that estimator it is. ``"auto"`` is never worse than the plain score, and never wrong:

- where single draws of the pilot show a kink, or there is no Hessian, it takes the score;
- else it takes the candidate with the least variance times cost, judged in the worst entry on the half of the pilot
  that the control variates were not fitted on. Cost is counted, never timed: a Hessian counts as p + 1 scores;
- should the second identity fail in the run after all, the engine goes on with the score from the same draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from . import smoothness
from .control import ControlVariates, fit
from .errors import LikelihoodError, NonFiniteError
from .estimators import ESTIMATORS, Sums, replicates
from .kernels import Job
from .options import Options
from .pilot import Pilot, draw_pilot, pilot_size
from .result import Check
from .smoothness import Smoothness

Array = NDArray[np.float64]

#: Parameters up to which ``"auto"`` compiles Hessians; beyond, they take more seconds to compile than they save.
HESSIAN_UP_TO = 20
#: Budgets below this leave nothing for a pilot.
LEAST_BUDGET = 2048
NAME = "smoothness"


@dataclass(frozen=True)
class Plan:
    """How a run goes about it.

    Attributes
    ----------
    job
        With Hessians if the estimator needs them.
    estimator, control
        What turns sums into matrices.
    spent
        Draws of the pilot.
    checks
        What the pilot says.
    sound
        False where no estimator can be right.
    """

    job: Job
    estimator: str
    control: ControlVariates | None = None
    spent: int = 0
    checks: tuple[tuple[str, Check], ...] = ()
    sound: bool = True


def plan_for(job: Job, options: Options) -> Plan:
    """Decide on an estimator for a job (of order 1).

    Raises
    ------
    LikelihoodError, NonFiniteError
        As a run would.
    """
    if options.estimator == "auto":
        return _automatic(job, options)
    estimator = ESTIMATORS[options.estimator]
    job = replace(job, order=2 if estimator.needs_hessian else 1)
    if not estimator.needs_pilot:
        return Plan(job, options.estimator)
    pilot = _pilot(job, options)
    return Plan(job, options.estimator, fit(pilot), pilot.draws)


def without_hessians(plan: Plan, checks: Mapping[str, Check]) -> Plan:
    """Go on with the score from the same draws; what failed stays on record as a warning."""
    failed = replace(checks["information_equality"], verdict="warn")
    return replace(plan, estimator="score", control=None, checks=(*plan.checks, ("information_equality", failed)))


def _pilot(job: Job, options: Options) -> Pilot:
    return draw_pilot(job, pilot_size(options.streams, options.draws or options.max_draws))


def _automatic(job: Job, options: Options) -> Plan:
    if len(job.theta) > HESSIAN_UP_TO:
        return Plan(job, "score", checks=((NAME, _skipped(f"more than {HESSIAN_UP_TO} parameters")),))
    budget = options.draws or options.max_draws
    if budget is not None and budget < LEAST_BUDGET:
        return Plan(job, "score", checks=((NAME, _skipped(f"no pilot with less than {LEAST_BUDGET} draws")),))
    second = replace(job, order=2)
    try:
        pilot = _pilot(second, options)
    except (LikelihoodError, NonFiniteError) as error:
        # whatever is wrong with the likelihood itself will be met again by the score
        return Plan(job, "score", checks=((NAME, _skipped(f"no Hessian: {error}")),))
    assert pilot.hessians is not None
    seen = smoothness.look(second, pilot.scores, pilot.hessians)
    checks = ((NAME, _check(seen, job.model.parameters)),)
    if not (seen.smooth and seen.support_is_fixed):
        return Plan(job, "score", None, pilot.draws, checks, seen.support_is_fixed)
    estimator = _best(pilot)
    control = fit(pilot) if ESTIMATORS[estimator].needs_pilot else None
    best = second if ESTIMATORS[estimator].needs_hessian else job
    return Plan(best, estimator, control, pilot.draws, checks)


def _best(pilot: Pilot) -> str:
    """The candidate with the least variance times cost, in the worst entry, on the second half of the pilot."""
    assert pilot.hessians is not None
    half, p = pilot.draws // 2, pilot.scores.shape[1]
    control = fit(Pilot(pilot.scores[:half], pilot.hessians[:half]))
    rest = _each_draw(pilot.scores[half:], pilot.hessians[half:])
    root = np.sqrt((pilot.scores**2).mean(axis=0))
    scale = np.outer(root, root)
    known = scale > 0.0
    cost = {
        name: (p + 1 if ESTIMATORS[name].needs_hessian else 1)
        * float((replicates(rest, name, control).var(axis=0)[known] / scale[known] ** 2).max(initial=0.0))
        for name in ("score", "hessian", "bartlett")
    }
    return min(cost, key=cost.__getitem__)


def _each_draw(scores: Array, hessians: Array) -> Sums:
    """Every draw as a stream of its own."""
    p = scores.shape[1]
    rows, columns = np.triu_indices(p)
    negative = np.empty((len(scores), p, p))
    negative[:, rows, columns] = negative[:, columns, rows] = -hessians
    return Sums(1, scores, scores[:, :, None] * scores[:, None, :], negative)


# ---------------------------------------------------------------- in words


def _skipped(reason: str) -> Check:
    return Check(float("nan"), float("nan"), "skipped", f"not looked at ({reason}); the score does not need it")


def _check(seen: Smoothness, parameters: tuple[str, ...]) -> Check:
    if not seen.support_is_fixed:
        j, worst = int(seen.outside.argmax()), int(seen.outside.max())
        message = (
            f"the support moves with {parameters[j]}: {worst} of {seen.draws} draws leave it at a small step; "
            "the score does not define the information there, and no estimator is right"
        )
        return Check(worst / seen.draws, float("nan"), "fail", message)
    j, share = int(seen.rough.argmax()), float(seen.rough.max() / seen.draws)
    if seen.smooth:
        return Check(share, float("nan"), "pass", "Hessians agree with secants of the score, draw by draw")
    message = (
        f"the log density has kinks in {parameters[j]} ({100 * share:.2g} % of draws within a small step): "
        "minus the mean Hessian is not the information; the score is used"
    )
    return Check(share, float("nan"), "warn", message)
