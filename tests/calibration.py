"""Do the error bars hold? Every estimator under every sampling, over many seeds, against exact matrices.

All estimators are functions of the same sums, and a run of many draws begins with that of few. So one simulation of a
seed, with Hessians, round by round as `fastfim.estimate` goes, serves every estimator at every budget and every
tolerance. test_calibration.py holds it against `estimate` to the last bit.

A *cell* is one likelihood, estimator, sampling and way to end: a fixed budget (draws a stream), or a tolerance (the
median of the relative errors at `DECISIVE` draws a stream, so that about half of the runs stop there and the others
later: optional stopping at its worst). In each cell every entry (i, j) has its z = error / standard error, which
follows Student's t if error bars are honest: 95 % intervals cover, and the p-values of z are flat.

Runs whose ``checks["tails"]`` warns, or that wait for their checks, do not claim that their intervals cover; they are
left out and counted. Entries known to `ROUNDING` of sqrt(I_ii I_jj) have no distribution; the error itself is tested.

``python tests/calibration.py --seeds 2000 gamma wald`` prints the table (no name: all; hours).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from model_oracles import MODEL_CASES
from oracles import CASES
from scalar_models import SCALAR_MODELS
from scipy import stats
from vector_models import VECTOR_MODELS

from fastfim.catalogue import catalogue
from fastfim.engine.choice import Plan, plan_for
from fastfim.engine.judging import Look, judge, own_means
from fastfim.engine.options import Options
from fastfim.estimation import estimators, stopping
from fastfim.estimation.estimators import ESTIMATORS, Sums
from fastfim.estimation.tails import INFINITE_VARIANCE
from fastfim.kernels.block import Block, Job, run_streams

LIKELIHOODS = {**catalogue, **SCALAR_MODELS, **VECTOR_MODELS}
TABLE = CASES | MODEL_CASES

STREAMS = 32
LAW = stats.t(STREAMS - 1)
QUANTILE = stopping.critical_value(0.95, STREAMS)
ROUNDING = 1e-10
#: Runs simulated in one call, and those of them whose pilots say whether tails matter.
TOGETHER, TRIED = 100, 8
#: Draws a stream at which a tolerance-stopped run is as likely to stop as not.
DECISIVE = 512
#: Coverage of 95 % intervals that is asked for: at a fixed budget, and when stopped by tolerance.
BANDS = {False: (0.94, 0.96), True: (0.935, 0.965)}
FAMILYWISE = 1e-3


class Ends(NamedTuple):
    """How the runs of a cell ended: error and spread (seeds, entries), and which of them claim that intervals cover."""

    name: str
    by_tolerance: bool
    error: np.ndarray
    spread: np.ndarray
    claimed: np.ndarray


class Way(NamedTuple):
    """How a run is asked for."""

    estimator: str
    sampling: str


NAMED = tuple(Way(e, s) for e in ("score", "covariance", "hessian", "bartlett") for s in ("mc", "rqmc"))
WAYS = (*NAMED, Way("auto", "mc"), Way("auto", "rqmc"), Way("auto", "auto"))


def needs_pilot(way: Way) -> bool:
    """Whether the matrices depend on a pilot (others only look at one, for tails)."""
    return way.estimator == "auto" or ESTIMATORS[way.estimator].needs_pilot


#: Where Hessians say nothing, as `estimate` finds out by itself.
KINKED = ("laplace",)


def ways_for(name: str) -> tuple[Way, ...]:
    """All ways, without those that a kink rules out."""
    return tuple(way for way in WAYS if name not in KINKED or way.estimator not in ("hessian", "bartlett"))


@dataclass(frozen=True)
class Runs:
    """Runs of one way over many seeds, after each round.

    ``error`` and ``spread`` (rounds, seeds, entries): estimate less truth, and its standard error, both over
    sqrt(I_ii I_jj); ``relative`` (rounds, seeds): the relative error that a tolerance is held against; ``trusted`` and
    ``settled`` (rounds, seeds): whether the tails let the intervals cover, and whether the run may stop.
    """

    draws: tuple[int, ...]
    error: np.ndarray
    spread: np.ndarray
    relative: np.ndarray
    trusted: np.ndarray
    settled: np.ndarray

    def fixed(self, draws: int) -> Ends:
        """At a fixed budget."""
        k = self.draws.index(draws)
        return Ends(f"{draws} draws", False, self.error[k], self.spread[k], self.trusted[k])

    @property
    def tolerance(self) -> float:
        """Two digits of the relative error that half of the runs meet at `DECISIVE` draws a stream."""
        return max(1e-9, float(f"{np.median(self.relative[self.draws.index(DECISIVE)]):.1e}"))

    def stopped(self) -> Ends:
        """By that tolerance; runs that the last round leaves above it claim nothing."""
        rtol = self.tolerance
        enough = (self.relative <= rtol) & self.trusted & self.settled
        first, seeds = enough.argmax(axis=0), np.arange(enough.shape[1])
        return Ends(f"rtol {rtol:.1e}", True, self.error[first, seeds], self.spread[first, seeds], enough.any(axis=0))

    @classmethod
    def joined(cls, parts: list[Runs]) -> Runs:
        """Runs one after the other."""
        figures = ("error", "spread", "relative", "trusted", "settled")
        together = (np.concatenate([getattr(part, f) for part in parts], axis=1) for f in figures)
        return cls(parts[0].draws, *together)

    def ends(self, way: Way, budgets: Iterable[int]) -> list[Ends]:
        """Every way to end, by tolerance if there are rounds enough for all to stop.

        A tolerance would change what ``auto`` chooses, which then ends as what it has chosen.
        """
        stopped = [] if way.estimator == "auto" or self.draws[-1] < 4 * DECISIVE else [self.stopped()]
        return [*map(self.fixed, budgets), *stopped]


# ---------------------------------------------------------------- simulation


def seeds_of(name: str, count: int) -> range:
    """Seeds of its own for each likelihood, so that chance does not repeat itself from one to the next."""
    first = 1_000_000 * list(TABLE).index(name)
    return range(first, first + count)


def job_of(name: str, case: Any, seed: int) -> Job:
    model = LIKELIHOODS[name].bind(case.args)
    return Job(model, model.theta(case.theta), seed, order=2)


def rounds_of(job: Job, draws: int, streams: int = STREAMS) -> Iterator[tuple[int, np.ndarray]]:
    """Draws a stream and the sums of all streams after each round, by the engine's schedule."""
    totals, done, number = np.zeros((streams, job.layout.sums)), 0, 0
    for target in stopping.rounds(draws):
        for size in stopping.blocks(target - done, job.layout.block):
            totals = totals + run_streams(job, Block(0, number, size, done, streams))
            done, number = done + size, number + 1
        yield done, totals


def plan_of(way: Way, job: Job, draws: int, pilot: bool = True) -> tuple[Plan, Options]:
    """What `estimate` decides on, given ``draws`` a stream behind its pilot."""
    budget = draws * STREAMS + 4096
    options = Options.of(estimator=way.estimator, sampling=way.sampling, streams=STREAMS, rng=job.seed, draws=budget)
    job = replace(job, sampling="mc" if way.sampling == "auto" else way.sampling)
    return plan_for(job, options) if pilot else Plan(job, way.estimator), options


def tails_may_wait(way: Way, job: Job, seeds: Iterable[int], draws: int) -> bool:
    """Whether pilots find tails so heavy that a run might wait for the check of them."""
    plans = (plan_of(way, replace(job, seed=seed), draws)[0] for seed in seeds)
    return any(plan.tails is not None and plan.tails.shape.max() > 0.5 * INFINITE_VARIANCE for plan in plans)


def looks_of(name: str, case: Any, seed: int, ways: Iterable[Way], draws: int) -> dict[Way, list[Look]]:
    """One seed: what each way sees after each round."""
    job, sums = job_of(name, case, seed), {}
    for sampling in ("mc", "rqmc"):
        rounds = rounds_of(replace(job, sampling=sampling), draws)
        sums[sampling] = [Sums.unpack(totals, job.p, done) for done, totals in rounds]
    return {way: looks_by(way, job, sums, draws, needs_pilot(way)) for way in ways}


def looks_by(way: Way, job: Job, sums: dict[str, list[Sums]], draws: int, pilot: bool = True) -> list[Look]:
    """What one way makes of the sums after each round, by sampling; without a pilot, no tails are looked at."""
    plan, options = plan_of(way, job, draws, pilot)
    looks: list[Look] = []
    own, before = (), None
    for s in sums[plan.job.sampling]:
        own, before = own + own_means(s, plan, before), s
        looks.append(judge(s, options, plan, own=own, history=looks[-1].history if looks else ()))
    return looks


def simulate(name: str, case: Any, seeds: Iterable[int], ways: tuple[Way, ...], draws: int) -> dict[Way, Runs]:
    """Runs of each way over seeds, all of ``draws`` a stream."""
    figures = figures_for(case.exact)
    by_seed = [
        {way: [*map(figures, looks)] for way, looks in looks_of(name, case, seed, ways, draws).items()}
        for seed in seeds
    ]
    rounds = tuple(stopping.rounds(draws))
    return {way: Runs(rounds, *_stacked([run[way] for run in by_seed])) for way in ways}


def figures_for(exact: np.ndarray) -> Callable[[Look], tuple[Any, ...]]:
    """What is kept of a look, where the truth is ``exact``."""
    upper, scale = np.triu_indices(len(exact)), np.sqrt(np.outer(np.diag(exact), np.diag(exact)))

    def figures(look: Look) -> tuple[Any, ...]:
        error, spread = look.matrices.mean(axis=0) - exact, look.standard_error
        return (error / scale)[upper], (spread / scale)[upper], look.relative_error, look.normal, not look.pending

    return figures


def simulate_together(name: str, case: Any, seeds: Sequence[int], ways: tuple[Way, ...], draws: int) -> dict[Way, Runs]:
    """The same, many runs a call: run k has streams 32 k to 32 k + 31 of the first seed, and the pilot of its own."""
    exact, job, count = case.exact, job_of(name, case, seeds[0]), len(seeds)
    totals = {
        sampling: list(rounds_of(replace(job, sampling=sampling), draws, count * STREAMS))
        for sampling in ({"mc", "rqmc"} if any(map(needs_pilot, ways)) else {way.sampling for way in ways})
    }
    with_pilot = tuple(way for way in ways if needs_pilot(way) or tails_may_wait(way, job, seeds[:TRIED], draws))
    without = tuple(way for way in ways if way not in with_pilot)
    found = {way: _runs_without_pilot(way, totals[way.sampling], exact, count) for way in without}
    figures, by_run = figures_for(exact), {way: [] for way in with_pilot}
    for k, seed in enumerate(seeds if with_pilot else ()):
        sums = {s: [Sums.unpack(np.split(t, count)[k], job.p, done) for done, t in totals[s]] for s in totals}
        for way in with_pilot:
            by_run[way].append([*map(figures, looks_by(way, replace(job, seed=seed), sums, draws))])
    rounds = tuple(stopping.rounds(draws))
    return found | {way: Runs(rounds, *_stacked(by_run[way])) for way in with_pilot}


def _runs_without_pilot(way: Way, rounds: list[tuple[int, np.ndarray]], exact: np.ndarray, count: int) -> Runs:
    """All at once."""
    upper, truth = np.triu_indices(len(exact)), np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    figures = []
    for done, totals in rounds:
        runs = [Sums.unpack(part, len(exact), done) for part in np.split(totals, count)]
        matrices = np.array([estimators.replicates(run, way.estimator) for run in runs])
        scale = np.array([estimators.scale(run, way.estimator) for run in runs])
        spread = estimators.standard_error(matrices, scale)
        error = ((matrices.mean(axis=1) - exact) / truth)[:, *upper]
        relative = (QUANTILE * spread / scale).max(axis=(1, 2))
        every = np.ones(count, dtype=bool)  # no tails cast doubt on any
        figures.append((error, (spread / truth)[:, *upper], relative, every, every))
    return Runs(tuple(done for done, _ in rounds), *map(np.array, zip(*figures, strict=True)))


def calibrate(name: str, case: Any, count: int, ways: tuple[Way, ...], draws: int) -> dict[Way, Runs]:
    """``count`` runs of each way, `TOGETHER` at a time."""
    seeds = seeds_of(name, count)
    parts = [simulate_together(name, case, seeds[k : k + TOGETHER], ways, draws) for k in range(0, count, TOGETHER)]
    return {way: Runs.joined([part[way] for part in parts]) for way in ways}


def _stacked(runs: list[list[tuple[Any, ...]]]) -> Iterator[np.ndarray]:
    """Figure by figure: arrays over (rounds, seeds, ...)."""
    for k in range(len(runs[0][0])):
        yield np.array([[figures[k] for figures in rounds] for rounds in runs]).swapaxes(0, 1)


# ---------------------------------------------------------------- verdicts


class Entry(NamedTuple):
    """One entry of the matrix in one cell: its z-scores, none where it is known to rounding, and the error there."""

    z: np.ndarray
    rounding: float

    @property
    def covered(self) -> int:
        return int((np.abs(self.z) <= QUANTILE).sum())

    def p_outside(self, by_tolerance: bool) -> float:
        """Least probability of so many, or so few, covered if the true coverage is inside the band."""
        low, high = BANDS[by_tolerance]
        below = stats.binom.cdf(self.covered, len(self.z), low)
        return float(min(below, stats.binom.sf(self.covered - 1, len(self.z), high)))

    @property
    def p_flat(self) -> float:
        """Kolmogorov and Smirnov's test that z follows Student's t."""
        return float(stats.kstest(self.z, LAW.cdf).pvalue)


def entries_of(ends: Ends) -> Iterator[Entry]:
    """Each entry over the runs that claim anything; z-scores where most runs have a spread beyond rounding."""
    for error, spread in zip(ends.error[ends.claimed].T, ends.spread[ends.claimed].T, strict=True):
        rounded = spread < ROUNDING
        z = error[~rounded] / spread[~rounded]
        yield Entry(z if 2 * len(z) > len(error) else z[:0], float(np.abs(error[rounded]).max(initial=0.0)))


# ---------------------------------------------------------------- table


def report(name: str, way: Way, ends: Ends, cells: int) -> str:
    """One line of the table, with what a failure is due to.

    ``width``: mean squared standard error over the variance of the errors; ``tie``: correlation of error and standard
    error, which skewed replicates have.
    """
    entries = [entry for entry in entries_of(ends) if len(entry.z)]
    line = f"{name:24}{way.estimator:11}{way.sampling:5}{ends.name:13}{ends.claimed.sum():6}"
    rounding = max((entry.rounding for entry in entries_of(ends)), default=0.0)
    if not entries:
        return f"{line}  exact to {rounding:.0e}" if ends.claimed.any() else f"{line}  too few draws for an error bar"
    shares = [100 * entry.covered / len(entry.z) for entry in entries]
    outside = min(entry.p_outside(ends.by_tolerance) for entry in entries)
    flat = min(entry.p_flat for entry in entries)
    error, spread = ends.error[ends.claimed], ends.spread[ends.claimed]
    worst = int(np.argmin([len(e.z) and e.covered for e in entries_of(ends) if len(e.z)]))
    kept = [k for k, entry in enumerate(entries_of(ends)) if len(entry.z)][worst]
    width = (spread[:, kept] ** 2).mean() / error[:, kept].var()
    tie = np.corrcoef(error[:, kept], spread[:, kept])[0, 1]
    verdict = "" if min(outside, flat) * cells * len(entries) > FAMILYWISE else "  FAILS"
    return f"{line}{min(shares):7.1f}{max(shares):7.1f}{outside:10.0e}{flat:10.0e}{width:7.2f}{tie:7.2f}{verdict}"


HEADER = (
    f"{'likelihood':24}{'estimator':11}{'':5}{'ends by':13}{'runs':>6}{'least':>7}{'most':>7}"
    f"{'p band':>10}{'p flat':>10}{'width':>7}{'tie':>7}"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="likelihood", help="default: all")
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--budgets", type=int, nargs="+", default=[1024, 4096], help="draws a stream")
    parser.add_argument("--points", type=int, help="of each likelihood; default: all")
    parser.add_argument("--estimators", nargs="+", default=[*ESTIMATORS, "auto"])
    options = parser.parse_args()
    names = options.names or list(TABLE)
    cells = sum(len(TABLE[n]) * len(ways_for(n)) for n in TABLE) * (len(options.budgets) + 1)
    print(HEADER)
    for name in names:
        ways = tuple(way for way in ways_for(name) if way.estimator in options.estimators)
        for case in TABLE[name][: options.points]:
            for way, runs in calibrate(name, case, options.seeds, ways, max(options.budgets)).items():
                for ends in runs.ends(way, options.budgets):
                    print(report(name, way, ends, cells), flush=True)


if __name__ == "__main__":
    main()
