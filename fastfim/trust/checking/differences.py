"""Are the derivatives right? Automatic and hand-written ones against central differences, draw by draw.

A difference quotient over steps h, h/2, h/4, ... has an error in even powers of h, so that a table of them can be
extrapolated to h = 0, and neighbouring entries say how well that went (Richardson; Ridders 1982). An entry is held
against the derivative only where the table settles. At a kink within the smallest step the quotient is the mean of two
slopes and the derivative is one of them: agreement with either side is enough.

>>> steps = np.array(STEPS)
>>> bool(abs(extrapolate(np.sin(1 + steps), np.sin(1 - steps), 1.0).slope - np.cos(1)) < 1e-9)
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ...engine.choice import HESSIAN_UP_TO
from ...engine.smoothness import beside, step_within
from ...errors import LikelihoodError
from ...estimation.estimators import symmetric
from ...kernels.block import Chunk, Job, differentiated
from ...kernels.diagnosis import without_derivatives
from ...result.checks import Check
from .subject import Array, Subject, failed, passed, shown, skipped

#: Draws that are looked at, and steps relative to the first.
DRAWS, STEPS = 64, (1.0, 0.5, 0.25, 0.125, 0.0625)
#: Disagreement, relative to the entry and its typical size, with differences, and between exact derivatives.
BY_DIFFERENCES, EXACT = 1e-5, 1e-6
#: Disagreement with one-sided slopes at a kink.
ONE_SIDED = 1e-2
#: How two values of an entry are told.
DIFFERENCES, BY_HAND = "is {:.9g}, and {:.9g} by central differences", "is {:.9g} by hand, and {:.9g} automatically"


@dataclass(frozen=True)
class Slopes:
    """Derivatives at zero by differences: ``slope`` and its ``error``; one-sided ones over the smallest step."""

    slope: Array
    error: Array
    forward: Array | None = None
    backward: Array | None = None


def extrapolate(up: Array, down: Array, step: float, centre: Array | None = None) -> Slopes:
    """Slopes from values at ``STEPS`` times ``step`` above and below (first axis), and for one-sided ones at zero."""
    with np.errstate(invalid="ignore"):
        rows = [np.asarray((u - d) / (2.0 * step * h)) for u, d, h in zip(up, down, STEPS, strict=True)]
        best, error = rows[-1], np.full(rows[-1].shape, np.inf)
        for power in range(1, len(STEPS)):
            finer = [b + (b - a) / (4.0**power - 1.0) for a, b in pairwise(rows)]
            for (a, b), c in zip(pairwise(rows), finer, strict=True):
                change = np.maximum(np.abs(c - a), np.abs(c - b))
                better = change < error
                best, error = np.where(better, c, best), np.where(better, change, error)
            rows = finer
        if centre is None:
            return Slopes(best, error)
        least = step * STEPS[-1]
        return Slopes(best, error, (up[-1] - centre) / least, (centre - down[-1]) / least)


@dataclass(frozen=True)
class _Version:
    """One way to differentiate, with what it gives at the draws."""

    name: str
    job: Job
    found: Chunk


def derivatives(subject: Subject, stage: int) -> Check:
    """Compare all versions of score and Hessian with each other and with differences."""
    sample = subject.sample(stage, DRAWS)
    draws = sample.draws[np.isfinite(sample.draws).all(axis=1) & np.isfinite(sample.logpdf)]
    if not len(draws):
        return skipped("no draw with a finite log density to differentiate at")
    versions = _versions(subject, draws)
    wrong = _hand_written(subject, draws, versions) if len(versions) > 1 else None
    wrong = wrong or _by_differences(subject, draws, versions[0])
    if wrong is not None:
        return failed(wrong)
    which = f"{' and '.join(version.name for version in versions)} derivatives"
    orders = "first and second order" if versions[0].found.hessians is not None else "first order"
    return passed(f"{which} of {orders} agree with central differences at {len(draws)} draws")


def _versions(subject: Subject, draws: Array) -> list[_Version]:
    """Automatic derivatives first, where there are any; then those written by hand."""
    model = subject.job.model
    order = 2 if len(model.wrt) <= HESSIAN_UP_TO else 1
    bare = replace(model, likelihood=without_derivatives(model.likelihood))
    versions = []
    for name, version in (("automatic", bare), ("hand-written", model)):
        if name == "automatic" or model.likelihood.score is not None or model.likelihood.hessian is not None:
            try:
                # code that estimates with Hessians use, too: nothing more to compile
                job = Job(version, subject.job.theta[None], seed=0, order=order)
                versions.append(_Version(name, job, differentiated(job, draws)[0]))
            except LikelihoodError:
                if name == "hand-written" or model.likelihood.score is None:
                    raise
                order = 2 if model.likelihood.hessian is not None else 1
    return versions


def _hand_written(subject: Subject, draws: Array, versions: list[_Version]) -> str | None:
    automatic, by_hand = (version.found for version in versions)
    names = subject.job.model.parameters
    pairs = [f"{a}, {b}" for j, a in enumerate(names) for b in names[j:]]
    for what, given, expected, entries in (
        ("score", by_hand.scores, automatic.scores, names),
        ("hessian", by_hand.hessians, automatic.hessians, pairs),
    ):
        if given is None or expected is None:
            continue
        scale = np.sqrt(np.nanmean(expected**2, axis=0)) + np.abs(expected)
        wrong = _worst(np.abs(given - expected) - EXACT * scale, given, expected)
        if wrong is not None:
            return f"{what} by hand {_words(draws, wrong, entries, BY_HAND)}"
    return None


def _by_differences(subject: Subject, draws: Array, version: _Version) -> str | None:
    found, names = version.found, subject.job.model.parameters
    root = np.sqrt(np.nanmean(found.scores**2, axis=0))
    job = replace(version.job, theta=subject.job.theta)
    for j in map(int, np.flatnonzero(np.isfinite(root) & (root > 0.0))):
        step = step_within(job, j, root[j])
        points = np.array([beside(job, j, sign * h * step) for sign in (1.0, -1.0) for h in STEPS])
        near = differentiated(replace(job, theta=points), draws)
        up, down = near[: len(STEPS)], near[len(STEPS) :]
        slopes = extrapolate(up.logpdf[..., None], down.logpdf[..., None], step, found.logpdf[:, None])
        wrong = _disagreement(found.scores[:, [j]], slopes, root[j])
        if wrong is not None:
            return f"the {version.name} score {_words(draws, wrong, [names[j]])}"
        if found.hessians is not None:
            slopes = extrapolate(up.scores, down.scores, step)
            wrong = _disagreement(symmetric(found.hessians, len(names))[:, :, j], slopes, root[j] * root)
            if wrong is not None:
                return f"the {version.name} hessian {_words(draws, wrong, [f'{name}, {names[j]}' for name in names])}"
    return None


@dataclass(frozen=True)
class _Disagreement:
    draw: int
    entry: int
    given: float
    expected: float


def _words(draws: Array, wrong: _Disagreement, entries: Sequence[str], sources: str = DIFFERENCES) -> str:
    return (
        f"is not the derivative of logpdf: at draw {shown(draws[wrong.draw])} entry ({entries[wrong.entry]}) "
        f"{sources.format(wrong.given, wrong.expected)}"
    )


def _disagreement(given: Array, slopes: Slopes, scale: Array) -> _Disagreement | None:
    """Where derivatives differ from slopes, if anywhere."""
    with np.errstate(invalid="ignore"):
        excess = np.abs(given - slopes.slope) - 10.0 * slopes.error - BY_DIFFERENCES * (np.abs(given) + scale)
        for side in (slopes.forward, slopes.backward):
            if side is not None:
                near = np.abs(given - side) < ONE_SIDED * (np.abs(given) + scale)
                excess = np.where(near & (excess > 0.0), 0.0, excess)
    return _worst(excess, given, slopes.slope)


def _worst(excess: Array, given: Array, expected: Array) -> _Disagreement | None:
    """The largest excess over the tolerance; what has no finite reference says nothing."""
    excess = np.where(np.isfinite(expected), np.where(np.isnan(excess), np.inf, excess), -np.inf)
    i, k = map(int, np.unravel_index(int(excess.argmax()), excess.shape))
    return _Disagreement(i, k, float(given[i, k]), float(expected[i, k])) if excess[i, k] > 0.0 else None
