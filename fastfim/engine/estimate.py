"""From a likelihood to a `FisherEstimate`: rounds of blocks, handed to workers, reduced in order.

A run has K streams. Each round gives every stream the same number of further draws, in blocks; a block is a pure
function of (likelihood, theta, args, seed, stream, block, size), and its sums are added to its stream's in the order
of the blocks. So the answer depends on the arguments alone: any number of workers, anywhere, gives the same bits.
After a round the estimator turns sums into one matrix a stream, the spread of these into error bars, and the stopping
rule says whether that is enough.

>>> from fastfim.catalogue import catalogue
>>> result = estimate(catalogue["norm"], theta=(0.0, 2.0), draws=20_000, rng=1)
>>> result.fim.round(6) + 0.0
array([[0.25, 0.  ],
       [0.  , 0.5 ]])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import accumulate
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..catalogue import catalogue
from ..errors import OptionError
from ..estimation import stopping
from ..estimation.estimators import Sums
from ..kernels.block import DRAWN_TOGETHER, Block, Job, compile_for, run_streams
from ..kernels.diagnosis import check_by_hand, raise_for
from ..likelihood import BoundLikelihood, Likelihood
from ..result.fisher_estimate import FisherEstimate, Round
from . import batch, trial
from .checkpoint import Checkpoint, Stage, adopted_seed
from .choice import Plan, plan_for
from .conclusion import announce, conclude
from .judging import Look, judge, own_means
from .options import Options, place
from .preview import SMOOTHNESS
from .progress import reporter
from .workers import Resources, Workers, mapper

#: Blocks of each stream that are handed out together: enough to keep workers busy, few enough that the clock is
#: looked at often and that memory stays at O(streams p^2).
BLOCKS_TOGETHER = 4
#: A score with its Hessian counts as p + 1 scores: for each of this times p + 1 scores there is one.
DRAWS_FOR_ONE = 20


def estimate(
    likelihood: Likelihood | str,
    theta: Any,
    args: Any = (),
    *,
    wrt: Any = None,
    rtol: float = 1e-3,
    atol: float = 0.0,
    confidence: float = 0.95,
    target: Any = "fim",
    draws: int | None = None,
    max_draws: int | None = None,
    time_limit: float | None = None,
    estimator: str = "auto",
    sampling: str = "auto",
    streams: int = 32,
    rng: Any = None,
    workers: Any = None,
    checkpoint: Any = None,
    progress: Any = False,
) -> FisherEstimate:
    """Estimate the Fisher information matrix of a likelihood at ``theta``.

    Parameters
    ----------
    likelihood
        A `Likelihood`, or the name of one in `fastfim.catalogue`.
    theta
        Parameters in the likelihood's order, or by name; shape (m, p) estimates m points.
    args
        The likelihood's constants, a tuple.
    wrt
        Names of the parameters to differentiate, in the order that the matrix is to have; the others are known
        constants. Default: all.
    rtol, atol, confidence
        Stop when every entry's half-width at ``confidence`` is at most ``atol + rtol * sqrt(I_ii * I_jj)``.
    target
        What the tolerance applies to: ``"fim"``, entries as above; ``"inverse"``, entries C_ij of the inverse relative
        to sqrt(C_ii C_jj); ``"logdet"``, whose error is the relative error of the determinant; or a function of the
        matrix to a number or an array, relative to the size of each number.
    draws
        A fixed budget instead of a tolerance, rounded up to a multiple of ``streams``, or under quasi-Monte Carlo to a
        power of two a stream.
    max_draws, time_limit
        End the run at so many draws or seconds; it is then marked as not converged. The first round (256 draws a
        stream) is always completed.
    estimator
        ``"score"``: mean outer product of scores; ``"covariance"``: covariance of the score; ``"hessian"``: minus the
        mean Hessian; ``"bartlett"``: control variates from both Bartlett identities; ``"auto"``.
    sampling
        ``"mc"``: independent pseudo-random draws; ``"rqmc"``: randomized quasi-Monte Carlo, one randomization a stream;
        ``"auto"``.
    streams
        Independent streams; the spread between them gives the error bars. The answer depends on ``streams`` and
        ``rng``, never on ``workers``.
    rng
        Seed: int, `numpy.random.SeedSequence`, `numpy.random.Generator`, or None for fresh entropy.
    workers
        Threads (None: all cores), a map-like callable, or an executor with ``map``.
    checkpoint
        A path: progress is kept there after each round, and the same call goes on from it, bit for bit (``rng=None``
        adopts its seed). Tolerances, budgets, ``confidence``, ``target`` and ``workers`` may be others then.
    progress
        True shows a bar on stderr; a function is called with (draws, relative error) after each round.

    Returns
    -------
    FisherEstimate
        The matrix with its error bars, and how it came about.

    Raises
    ------
    ParameterError
        ``theta`` has a wrong count, name or value.
    OptionError
        Any other argument that cannot be used.
    LikelihoodError
        The functions do not compile, cannot be differentiated, or do not do their part.
    NonFiniteError
        A draw, log density, score or Hessian is not finite.
    CheckpointError
        The file is damaged, or of another run, or holds more draws than the budget allows.

    Warns
    -----
    ConvergenceWarning
        The run ended before its tolerance was met, and not because of ``draws``.
    RegularityWarning
        A check failed, or the density has kinks.
    """
    model = resolve(likelihood).bind(args, wrt)
    points = model.theta(theta)
    if checkpoint is not None and rng is None:
        rng = adopted_seed(place(checkpoint))
    options = Options.of(
        rtol=rtol,
        atol=atol,
        confidence=confidence,
        draws=draws,
        max_draws=max_draws,
        time_limit=time_limit,
        estimator=estimator,
        sampling=sampling,
        streams=streams,
        rng=rng,
        workers=workers,
        progress=progress,
        target=target,
        checkpoint=checkpoint,
    )
    if points.ndim == 1:
        return _run(model, points, options)
    if checkpoint is not None:
        raise OptionError(f"checkpoint keeps a run at a single point; theta has {len(points)}: estimate one at a time")
    return batch.run(model, points, options) or FisherEstimate.stack([_run(model, point, options) for point in points])


def resolve(likelihood: Any) -> Likelihood:
    """Return a likelihood that may be given by its name in the catalogue."""
    if isinstance(likelihood, Likelihood):
        return likelihood
    if isinstance(likelihood, str):
        return catalogue[likelihood]
    raise OptionError(f"likelihood must be a fastfim.Likelihood or a name in fastfim.catalogue; got {likelihood!r}")


# ---------------------------------------------------------------- one point


def _run(model: BoundLikelihood, theta: NDArray[np.float64], options: Options) -> FisherEstimate:
    """Rounds until the tolerance is met, the budget is used up, or the model turns out to be unsound."""
    started = perf_counter()
    deadline = math.inf if options.time_limit is None else started + options.time_limit
    job = Job(model, theta, options.seed, order=1)
    trial.once(model, theta)
    check_by_hand(job if model.likelihood.hessian is None else replace(job, order=2))
    kept = Checkpoint.of(job, options)
    look: Look | None = None
    with mapper(options.workers) as ordered_map, reporter(options.progress, options.rtol) as report:
        # a pilot that the clock cuts short would not be the same the next time
        resources = Resources(deadline if kept.path is None else math.inf, ordered_map)
        plan = plan_for(job, kept.options(options), resources)
        _require_room(options, plan)
        compile_for(model, plan.job.order, plan.job.sampling)  # once, before threads that would each do it
        start = kept.start(plan.job, options, plan.spent)
        if start.spent != plan.spent:
            plan = replace(plan, spent=start.spent)
        history, own, sums = list(start.history), start.own, None
        share, started = _Share(plan, options, ordered_map, deadline), started - start.seconds
        for totals, draws, blocks in _rounds(plan.job, options, ordered_map, deadline, lambda: plan.spent, start):
            before, sums = sums, Sums.unpack(totals, plan.job.p, draws)
            if draws > start.draws:
                own += own_means(sums, plan, before)
                stage = Stage(totals, draws, blocks, plan.spent, own, tuple(history), perf_counter() - started)
                kept.keep(stage, options.budget(plan.spent, plan.job.sampling))
            again = _FreshStreams(plan.job, options.streams * (len(history) + 1), sums, ordered_map, deadline)
            fresh = again if _room_for_doubt(options, plan, draws) else None
            earlier = stopping.looks(options.streams, [r.relative_error for r in history])
            look = judge(sums, options, plan, own=own, history=earlier, fresh=fresh, share=share.up_to(draws))
            if again.spent:
                plan = replace(plan, spent=plan.spent + again.spent)
            history.append(Round(look.draws + plan.spent, perf_counter() - started, look.relative_error))
            report(history[-1].draws, look.relative_error)
            if look.ended:
                break
    assert look is not None  # the first round is always completed
    result = conclude(plan, options, look, tuple(history))
    announce(plan, options, result, look.unsound)
    return result


def _require_room(options: Options, plan: Plan) -> None:
    """Refuse a limit that the pilot alone uses up."""
    if options.max_draws is not None and plan.spent + options.streams > options.max_draws:
        raise OptionError(
            f"max_draws = {options.max_draws} leaves less than one draw for each of {options.streams} streams after "
            f"{plan.spent} of the pilot that estimator={plan.estimator!r} with sampling={plan.job.sampling!r} needs: "
            f"allow {plan.spent + options.streams} or more, or take estimator='score', sampling='mc'"
        )


def _room_for_doubt(options: Options, plan: Plan, draws: int) -> bool:
    """Whether the budget allows as many draws again: a fixed one never, since it is to be kept."""
    if options.draws is not None:
        return False
    return options.max_draws is None or plan.spent + 2 * draws * options.streams <= options.max_draws


class _FreshStreams:
    """Sums over as many draws from streams of their own, or None past the deadline; ``spent`` says how many that took.

    The next round's draws would not do: under quasi-Monte Carlo they complete the points of the round before, and so
    depend on its errors.
    """

    def __init__(self, job: Job, first_stream: int, sums: Sums, ordered_map: Workers, deadline: float) -> None:
        self.job, self.first, self.sums, self.map, self.deadline = job, first_stream, sums, ordered_map, deadline
        self.spent = 0

    def __call__(self) -> Sums | None:
        totals = np.zeros((len(self.sums.score), self.job.layout.sums))
        done = 0
        for number, size in enumerate(stopping.blocks(self.sums.draws, self.job.layout.block)):
            if perf_counter() > self.deadline:
                return None
            _add_blocks(self.job, totals, [Block(self.first, number, size, done)], self.map)
            done += size
            self.spent = done * len(totals)
        return Sums.unpack(totals, self.job.p, done)


class _Share:
    """Hessians of the first draws of each stream of a run by scores: as many as cost a twentieth of it.

    The run's own first rounds are made again, so that they are the same draws; there are none where the pilot has not
    found Hessians that can be used.
    """

    def __init__(self, plan: Plan, options: Options, ordered_map: Workers, deadline: float) -> None:
        self.p, self.next = plan.job.p, stopping.FIRST_ROUND
        self.sums: Sums | None = None
        self.rounds: Iterator[tuple[NDArray[np.float64], int, int]] = iter(())
        if options.estimator == "score" and dict(plan.checks)[SMOOTHNESS].verdict == "pass":
            unlimited = replace(options, draws=None, max_draws=None)
            job = replace(plan.job, order=2)
            start = Stage.nothing(job, options)
            self.rounds = _rounds(job, unlimited, ordered_map, deadline, lambda: 0, start)

    def up_to(self, draws: int) -> Sums | None:
        """Their sums in a run of so many draws a stream; None while that is less than a round."""
        while self.next * DRAWS_FOR_ONE * (self.p + 1) <= draws:
            totals, done, _ = next(self.rounds, (None, 0, 0))
            if totals is None:
                break
            self.sums = Sums.unpack(totals.copy(), self.p, done)
            self.next *= 2
        return self.sums


def _rounds(
    job: Job, options: Options, ordered_map: Workers, deadline: float, spent: Callable[[], int], start: Stage
) -> Iterator[tuple[NDArray[np.float64], int, int]]:
    """After each round: the sums of every stream, how many draws a stream they are over, and in how many blocks.

    The first is that of ``start``, if it has one. ``spent()`` draws have gone elsewhere. A round that would pass the
    deadline, at the pace so far, is cut short, the same for all streams; of the first there is no pace to tell.
    """
    totals, done, number = start.totals, start.draws, start.blocks
    if done:
        yield totals, done, number
    shown, started = done, perf_counter()
    for target in stopping.rounds(lambda: options.budget(spent(), job.sampling), done):
        for wanted in _groups(stopping.blocks(target - done, job.layout.block)):
            sizes = wanted
            if done > start.draws and deadline < math.inf:
                now = perf_counter()
                affordable = int((done - start.draws) * max(0.0, deadline - now) / (now - started))
                sizes = stopping.blocks(min(affordable - affordable % DRAWN_TOGETHER, sum(wanted)), job.layout.block)
            firsts = list(accumulate(sizes, initial=done))
            blocks = [Block(0, number + k, size, firsts[k]) for k, size in enumerate(sizes)]
            if blocks:
                _add_blocks(job, totals, blocks, ordered_map)
            done, number = firsts[-1], number + len(sizes)
            if sizes != wanted or perf_counter() > deadline:
                if done > shown:
                    yield totals, done, number
                return
        shown = done
        yield totals, done, number


def _groups(sizes: list[int]) -> Iterator[list[int]]:
    for k in range(0, len(sizes), BLOCKS_TOGETHER):
        yield sizes[k : k + BLOCKS_TOGETHER]


def _add_blocks(job: Job, totals: NDArray[np.float64], blocks: list[Block], ordered_map: Workers) -> None:
    """Add the sums of ``blocks``, each of all streams, to those of their streams: block by block."""
    streams = len(totals)
    share = ordered_map.share(streams, sum(block.size for block in blocks) * job.work)
    parts = [
        block._replace(stream=block.stream + k, streams=min(share, streams - k))
        for block in blocks
        for k in range(0, streams, share)
    ]
    for part, sums in zip(parts, ordered_map(partial(run_streams, job), parts), strict=True):
        if not np.isfinite(sums).all():
            wrong = ~np.isfinite(sums).all(axis=1)
            raise_for(job, part._replace(stream=part.stream + int(wrong.argmax()), streams=1))
        first = part.stream - blocks[0].stream
        totals[first : first + part.streams] += sums
