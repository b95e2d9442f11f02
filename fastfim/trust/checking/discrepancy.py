"""The kernelized Stein discrepancy of a model's own draws: which coordinates can be looked at, and what they say.

A coordinate whose draws repeat has no derivative to look along, and is left out. In one that repeats now and then (a
censored time, a spike at zero) those draws have no weight. Where draws lie on a surface, the support is no box, or the
density jumps inside, Stein's identity along coordinates does not hold, and there is no test. A jump shows between
neighbours: halving the way between two draws, always towards the larger change, leaves a change over no distance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import LikelihoodError
from ...kernels.spatial import along_draws
from ...result.checks import Check
from .stein import Frame, largest, stein_matrices
from .subject import LEVEL, Array, Subject, failed, passed, shown, skipped

#: Draws of the test, of long vectors, and of the sample that settles the coordinates.
DRAWS, FEWER_DRAWS, EARLIER = 1024, 512, 4096
#: Coordinates that are looked at, and from how many on there are fewer draws.
COORDINATES, LONG = 64, 16
#: Draws whose coordinates are exchanged to see whether the support is a box.
EXCHANGED = 256
#: Share of repeating draws from which a coordinate has no density, and how often a value repeats then.
DISCRETE, REPEATS = 0.5, 3
#: Correlation matrices with a smaller eigenvalue are those of draws on a surface.
SINGULAR = 1e-10
#: Moves between neighbours in all coordinates together, at least so many in each; halvings; changes that are jumps.
MOVES, LEAST_MOVES, HALVINGS, JUMP = 4096, 32, 40, 1e-3
#: Streams of the test, apart from those of the other checks.
STREAM = 500_000


def discrepancy(subject: Subject, stage: int) -> Check:
    """Test the draws against the gradient of the log density."""
    size = subject.job.model.size
    count = DRAWS if size <= LONG else FEWER_DRAWS
    earlier = subject.sample(STREAM + 2 * stage, EARLIER).draws
    sample = subject.sample(STREAM + 2 * stage + 1, count)
    draws, repeating = sample.draws, _repeating(earlier)
    looked = np.flatnonzero(repeating.mean(axis=0) < DISCRETE)
    looked = looked[np.unique(np.linspace(0, len(looked) - 1, min(COORDINATES, len(looked))).astype(int))]
    if not len(looked):
        return skipped("draws are not continuous: there is no derivative along them")
    if not np.isfinite(sample.logpdf).all():
        return skipped("some draws have no finite log density")
    try:
        gradients = along_draws(subject.job.model, subject.job.theta, draws).gradient
    except LikelihoodError as error:
        return skipped(f"logpdf cannot be differentiated along draws: {error}")
    assert gradients is not None
    known = np.isfinite(gradients[:, looked]).all(axis=1)
    if not known.all():
        return skipped(f"logpdf has no finite derivative in x at draw {shown(draws[int((~known).argmax())])}")
    reason = _surface(subject, earlier, repeating, looked) or _jump(subject, earlier, repeating, looked)
    if reason is not None:
        return skipped(reason)
    return _test(subject, stage, np.where(repeating, np.nan, earlier), _masked(draws, earlier), gradients, looked)


def _test(
    subject: Subject, stage: int, earlier: Array, draws: Array, gradients: Array, looked: NDArray[np.int64]
) -> Check:
    frame = Frame.of(earlier[:, looked])
    rng = np.random.default_rng([subject.job.seed, stage])
    found = largest(stein_matrices(*frame.weighted(draws[:, looked], gradients[:, looked])), rng)
    size = gradients.shape[1]
    of = f" ({len(looked)} of {size} coordinates)" if len(looked) < size else ""
    if found.p_value >= LEVEL:
        return passed(f"draws follow the gradient of the log density{of}", found.figure, found.p_value)
    where = f", most at x[{looked[found.place - 1]}]" if 0 < found.place <= len(looked) else ""
    return failed(
        f"draws do not follow the gradient of the log density{of}{where}: sampler and density have different shapes",
        found.figure,
        found.p_value,
    )


def _repeating(draws: Array) -> NDArray[np.bool_]:
    """Which numbers are whole, or occur again and again in their column."""
    found = np.zeros(draws.shape, dtype=bool)
    for j, column in enumerate(draws.T):
        _, place, repeats = np.unique(column, return_inverse=True, return_counts=True)
        found[:, j] = (repeats[place] >= REPEATS) | (column == np.rint(column)) & (np.abs(column) < 2.0**50)
    return found


def _masked(draws: Array, earlier: Array) -> Array:
    """NaN for numbers that repeat, or that were seen before."""
    seen = np.column_stack([np.isin(new, old) for new, old in zip(draws.T, earlier.T, strict=True)])
    return np.where(_repeating(draws) | seen, np.nan, draws)


def _surface(subject: Subject, draws: Array, repeating: NDArray[np.bool_], looked: NDArray[np.int64]) -> str | None:
    """Why Stein's identity does not hold along coordinates, if it does not."""
    if len(looked) < 2:
        return None
    spread = draws[:, looked].std(axis=0)
    correlation = np.corrcoef(draws[:, looked] / np.where(spread > 0.0, spread, 1.0), rowvar=False)
    if not np.linalg.eigvalsh(correlation)[0] > SINGULAR:
        return "draws lie on a surface (their coordinates are linearly dependent): no density along coordinates"
    for j in looked:
        part = draws[:EXCHANGED].copy()
        part[:, j] = np.where(repeating[:EXCHANGED, j], part[:, j], draws[EXCHANGED : 2 * EXCHANGED, j])
        if not np.isfinite(subject.logpdf(part)).all():
            return "the support is no box: coordinates of different draws do not go together"
    return None


def _jump(subject: Subject, draws: Array, repeating: NDArray[np.bool_], looked: NDArray[np.int64]) -> str | None:
    """Whether the density jumps between neighbours along a coordinate."""
    rows = max(LEAST_MOVES, MOVES // len(looked))
    for j in looked:
        part = draws[~repeating[:, j]][:rows]
        part = part[np.argsort(part[:, j])]
        low, high = part[:-1], part[:-1].copy()
        high[:, j] = part[1:, j]
        below, above = subject.logpdf(low), subject.logpdf(high)
        for _ in range(HALVINGS):
            middle = low + 0.5 * (high - low)
            between = subject.logpdf(middle)
            with np.errstate(invalid="ignore"):
                lower = ~(np.abs(between - below) < np.abs(above - between))
            low, below = np.where(lower[:, None], low, middle), np.where(lower, below, between)
            high, above = np.where(lower[:, None], middle, high), np.where(lower, between, above)
        with np.errstate(invalid="ignore"):
            jumps = ~(np.abs(above - below) < JUMP)
        if jumps.any():
            return f"the density jumps near draw {shown(low[int(jumps.argmax())])}, where Stein's identity has a gap"
    return None
