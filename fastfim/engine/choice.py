"""Which estimator and which random numbers a run uses, and what the pilot says about the model.

What is named is taken. ``"auto"`` is never worse than the plain score with independent draws, and never wrong:

- where single draws of the pilot show a kink only the score is left; where there are no Hessians, the score with itself
  as a control variate too;
- of the candidates it takes the one with the least draws to the tolerance times their cost, judged in the worst entry
  on the half of the pilot that its control variates were not fitted on. The variance of quasi-Monte Carlo is that of
  the means of the pilot's streams, and taken to fall as it does over their draws. Cost is counted, never timed: a
  Hessian as 1 + p / 2 scores, an inversion as `INVERSION` draws, a compilation as `COMPILATION`;
- an error bar by Student's t wants stream means that are close to normal. The residuals of control variates live in
  the tails, and with 256 independent draws a stream their intervals cover 75 to 95 % in place of 95; from
  `Plan.trusted_from` draws on they hold, and no run converges with fewer. Quasi-random draws are stretched into the
  tails (see `fastfim.streams.stretching`), and hold from the first. So the coefficients come from a pilot of such draws
  whatever the run takes;
- should the second identity fail in the run after all, no estimator is trusted: where single draws are smooth, that
  means that sampler and log density disagree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import LikelihoodError, NonFiniteError
from ..estimation import stopping, tails
from ..estimation.estimators import ESTIMATORS
from ..estimation.soundness import ASSUMES, TESTS
from ..estimation.tails import Tails
from ..kernels.block import Job
from ..result.checks import Check
from . import preview
from .control import ControlVariates, fits
from .heldout import HeldOut
from .options import Options
from .pilot import PILOT_DRAWS, OutOfTimeError, Pilot, draw_pilot, pilot_draws
from .preview import Preview
from .workers import UNHURRIED, Resources

#: Parameters up to which ``"auto"`` compiles Hessians; beyond, they take more seconds to compile than they save.
HESSIAN_UP_TO = 20
#: Parameters up to which it weighs control variates at all: a pilot's products of scores take p^2 words a draw.
CONTROLS_UP_TO = 60
#: What there is to choose from; ``bartlett`` without Hessians has scores for controls.
WITH_HESSIANS, WITHOUT_HESSIANS = ("score", "hessian", "bartlett"), ("score", "bartlett")
#: What a draw by inversion costs, in draws by the fastest method.
INVERSION = 4
#: With a fixed budget, or no relative tolerance, the prices are those to this one.
SMALLEST_RTOL = 1e-6
#: Draws a stream that the error bar of control variates needs: at least so many, and this times the kurtosis of single
#: draws.
RESIDUAL_DRAWS, MARGIN = 2048, 8
#: An estimator that needs more draws for its error bar than a fixed budget has is priced out by this factor.
BEYOND_BUDGET = 1e12
#: Variance a draw of what is known to rounding.
EXACT = 1e-20
#: What compiling once more costs: so many draws a stream take some tenths of a second.
COMPILATION = 2.0**20
#: Budgets below this leave nothing for a pilot.
LEAST_BUDGET = 2048


@dataclass(frozen=True)
class Plan:
    """How a run goes about it.

    Attributes
    ----------
    job
        With Hessians if the estimator needs them, and with the sampling decided.
    estimator, control
        What turns sums into matrices.
    spent, outer_variance
        Draws of the pilot, and the variance of s s^T that it found for independent draws.
    trusted_from
        Draws a stream from which the spread of the streams can be trusted.
    tails
        What single draws contribute to the diagonal, by the estimator.
    checks
        What the pilot says.
    sound
        False where no estimator can be right.
    """

    job: Job
    estimator: str
    control: ControlVariates | None = None
    spent: int = 0
    outer_variance: NDArray[np.float64] | None = None
    trusted_from: int = 0
    tails: Tails | None = None
    checks: tuple[tuple[str, Check], ...] = ()
    sound: bool = True


def plan_for(job: Job, options: Options, given: Resources = UNHURRIED, points: int = 1) -> Plan:
    """Decide how to estimate, at so many points together; past the deadline with what is known by then.

    Raises
    ------
    LikelihoodError, NonFiniteError
        As a run would.
    """
    if options.estimator != "auto":
        return _named(job, options, given)
    budget = options.draws or options.max_draws
    if budget is not None and budget < LEAST_BUDGET:
        return _score_only(job, options, f"no pilot with less than {LEAST_BUDGET} draws")
    try:
        found = _with_hessians(job, options, given)
        if isinstance(found, str):
            return _without_hessians(job, options, found, given)
    except OutOfTimeError:
        return _score_only(job, options, preview.OUT_OF_TIME)
    second, pilot = found
    seen = preview.look(second, pilot, given)
    candidates = WITH_HESSIANS if seen.usable else ("score",)
    plan = _best(second, options, candidates, pilot, points)
    return _with(_examined(seen, second, pilot, plan), plan)


def _examined(seen: Preview, job: Job, pilot: Pilot, plan: Plan) -> Preview:
    """With what the pilot says of the identities that the run will not test by the same kind of draws."""
    tested = ASSUMES[plan.estimator] if plan.job.sampling == job.sampling else ()
    others = [name for name in TESTS if name not in tested]
    return preview.with_identities(seen, pilot, others, job.model.parameters)


def _with(seen: Preview, plan: Plan) -> Plan:
    return replace(plan, checks=tuple(seen.checks.items()), sound=seen.sound)


def _named(job: Job, options: Options, given: Resources) -> Plan:
    """The estimator that was asked for; control variates have to have their pilot."""
    estimator = ESTIMATORS[options.estimator]
    if options.sampling == "auto" and not estimator.needs_pilot:
        options = replace(options, sampling="mc")
    if not estimator.needs_hessian:
        return _by_scores(replace(job, sampling=options.sampling), options, given)
    job = replace(job, order=2)
    try:
        job, pilot = _pilot(job, options, given._replace(deadline=math.inf) if estimator.needs_pilot else given)
    except OutOfTimeError:
        return _with(preview.nothing(preview.OUT_OF_TIME), Plan(replace(job, sampling=options.sampling), "hessian"))
    plan = _best(job, options, (options.estimator,), pilot)
    if job.p > HESSIAN_UP_TO:
        return plan
    return _with(_strict(_examined(preview.look(job, pilot, given), job, pilot, plan)), plan)


def _strict(seen: Preview) -> Preview:
    """Kinks are no matter of choice where Hessians were asked for."""
    kinked = seen.checks[preview.SMOOTHNESS].verdict == "warn"
    check = replace(seen.checks[preview.SMOOTHNESS], verdict="fail")
    return replace(seen, sound=False, checks=seen.checks | {preview.SMOOTHNESS: check}) if kinked else seen


def _by_scores(job: Job, options: Options, given: Resources) -> Plan:
    """``score`` or ``covariance``. The pilot shows what quasi-Monte Carlo is worth, and else only serves the checks."""
    plan = Plan(job, options.estimator)
    budget = options.draws or options.max_draws
    few = budget is not None and budget < LEAST_BUDGET
    if few and job.sampling == "mc":
        return _with(preview.nothing(f"no pilot with less than {LEAST_BUDGET} draws"), plan)
    try:
        seen, pilot = _preview(plan, options, few, given)
    except OutOfTimeError:
        return _with(preview.nothing(preview.OUT_OF_TIME), plan)
    if job.sampling == "rqmc":
        plan = replace(plan, spent=pilot.draws, outer_variance=pilot.outer_variance)
    scores = pilot.scores
    if options.estimator == "covariance":
        seen, scores = preview.of_covariance(seen), scores - (scores @ pilot.weights / pilot.weights.sum())[:, None]
    return replace(_with(seen, plan), tails=tails.look(tails.as_drawn(scores**2, pilot.weights, job.sampling)))


def _preview(plan: Plan, options: Options, few: bool, given: Resources) -> tuple[Preview, Pilot]:
    """A look at the pilot with Hessians if they can be had, and at scores alone if not."""
    found = f"no Hessians with less than {LEAST_BUDGET} draws" if few else _with_hessians(plan.job, options, given)
    if isinstance(found, str):
        return preview.nothing(found), _pilot(plan.job, options, given)[1]
    return _examined(preview.look(*found, given), *found, plan), found[1]


def _with_hessians(job: Job, options: Options, given: Resources) -> tuple[Job, Pilot] | str:
    """A pilot with Hessians, or why there is none.

    Whatever is wrong with the likelihood itself will be met again by the score.
    """
    if job.p > HESSIAN_UP_TO:
        return f"more than {HESSIAN_UP_TO} parameters"
    try:
        return _pilot(replace(job, order=2), options, given)
    except (LikelihoodError, NonFiniteError) as error:
        return f"no Hessian: {error}"


def _without_hessians(job: Job, options: Options, reason: str, given: Resources) -> Plan:
    if job.p > CONTROLS_UP_TO:
        return _score_only(job, options, reason)
    job, pilot = _pilot(job, options, given)
    return _with(preview.nothing(reason), _best(job, options, WITHOUT_HESSIANS, pilot))


def _score_only(job: Job, options: Options, reason: str) -> Plan:
    sampling = "mc" if options.sampling == "auto" else options.sampling
    return _with(preview.nothing(reason), Plan(replace(job, sampling=sampling), "score"))


def _pilot(job: Job, options: Options, given: Resources) -> tuple[Job, Pilot]:
    """A pilot by the random numbers that the run may use; by quasi-random ones where control variates are weighed.

    Those are stretched into the tails, and also show what independent draws would do. Coefficients from 4,096 of the
    latter leave the tails to chance: with them, intervals of a Gompertz distribution covered 87 in place of 95 %.
    """
    draws = pilot_draws(options.draws or options.max_draws, job.layout.words_a_draw)
    weighed = options.estimator == "auto" or ESTIMATORS[options.estimator].needs_pilot
    quasi = replace(job, sampling="rqmc")
    run = quasi if options.sampling in ("auto", "rqmc") else replace(job, sampling="mc")
    if options.sampling == "rqmc" or (options.sampling == "mc" and not weighed):
        return run, draw_pilot(run, draws, given)
    try:
        return run, draw_pilot(quasi, draws, given)
    except LikelihoodError:
        job = replace(job, sampling="mc")
        return job, draw_pilot(job, draws, given)


def _best(job: Job, options: Options, candidates: tuple[str, ...], pilot: Pilot, points: int = 1) -> Plan:
    """Of the candidates and samplings, the one with the least price."""
    first, rest = pilot.halves()
    best: _Candidate | None = None
    for run, name, anew in _runs(job, options, candidates):
        compilation = COMPILATION / points * anew
        if best is not None and best.price < compilation:
            break  # the others want it too
        for control in _controls(first, name, run.sampling):
            held = HeldOut.of(rest, name, control)
            least = 0 if run.sampling == "rqmc" or control is None else _trusted_from(held.kurtosis)
            variance = held.variance(run.sampling)
            price = _price(held, variance, least, run, options, pilot.draws) + compilation
            # of equal prices (the least that any run takes) the smaller variance
            if best is None or (price, variance) < (best.price, best.variance):
                best = _Candidate(name, run, price, variance, least, held, control)
            if variance <= EXACT:
                break
    assert best is not None
    heavy = tails.look(best.held.contributions(best.run.sampling))
    return Plan(best.run, best.name, best.control, pilot.draws, pilot.outer_variance, best.least, heavy)


def _controls(pilot: Pilot, estimator: str, sampling: str) -> Iterable[ControlVariates | None]:
    return fits(pilot, sampling) if ESTIMATORS[estimator].needs_pilot else (None,)


class _Candidate(NamedTuple):
    """An estimator and a sampling, what they cost, and what single draws say by them."""

    name: str
    run: Job
    price: float
    variance: float
    least: int
    held: HeldOut
    control: ControlVariates | None


def _runs(job: Job, options: Options, candidates: tuple[str, ...]) -> Iterator[tuple[Job, str, bool]]:
    """What there is to choose from, and whether it has to be compiled: first what the pilot has compiled."""
    samplings = dict.fromkeys((job.sampling, "mc") if options.sampling == "auto" else (job.sampling,))
    runs = [
        (job.order if ESTIMATORS[name].needs_hessian else 1, sampling, name)
        for sampling in samplings
        for name in candidates
    ]
    for anew in (False, True):
        for order, sampling, name in runs:
            if anew == ((order, sampling) != (job.order, job.sampling)):
                yield replace(job, order=order, sampling=sampling) if anew else job, name, anew


def _price(held: HeldOut, variance: float, least: int, job: Job, options: Options, spent: int) -> float:
    """Work a stream, in scores of independent draws: to the tolerance, or to what a fixed budget gives the best.

    The variance falls with some power of the draws; the pilot has ``spent`` draws of the budget.
    """
    goal = options.rtol if options.rtol and options.draws is None else SMALLEST_RTOL
    quantile = stopping.critical_value(options.confidence, options.streams)
    # n draws a stream leave the variance v (m / n)^rate / m, with v that of a draw at m draws a stream
    needed = variance * (quantile / goal) ** 2 / options.streams
    if needed > PILOT_DRAWS:  # fewer are less than a round at any rate
        needed = PILOT_DRAWS * (needed / PILOT_DRAWS) ** (1.0 / held.rate(job.sampling))
    if options.draws is None:
        cost = (1.0 + 0.5 * job.p if job.order == 2 else 1.0) * (INVERSION if job.sampling == "rqmc" else 1.0)
    else:
        cost = BEYOND_BUDGET if least * options.streams > options.draws - spent else 1.0
    return cost * float(max(needed, least, stopping.FIRST_ROUND))


def _trusted_from(kurtosis: float) -> int:
    """Draws a stream from which the means of streams of independent draws are close to normal.

    Control variates leave residuals that are small where the pilot was and large in tails that it hardly saw. The mean
    of n independent draws has their excess kurtosis over n, so n has to be many times what the pilot shows of it.
    """
    return max(RESIDUAL_DRAWS, int(MARGIN * kurtosis)) if kurtosis else 0
