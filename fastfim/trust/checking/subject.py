"""The model under examination: fresh draws of it, and its log density anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.smoothness import beside, step_within
from ...kernels.block import Block, Chunk, Job, chunks_of
from ...kernels.spatial import along_draws
from ...result.checks import Check

Array = NDArray[np.float64]

#: Streams of the examination begin here: far from those of an estimate with the same seed.
FIRST_STREAM = 2**30
#: A suspicion at this level is looked into once more on fresh draws, and only that verdict counts.
LEVEL = 1e-3
#: Steps to nearby parameters, in standard errors from one observation, are this times those of `smoothness`.
WIDER = 4.0
#: Numbers that are held in memory at most, and draws that are held in any case.
HELD_NUMBERS, HELD_DRAWS = 1 << 22, 4096


@dataclass(frozen=True, eq=False)
class Subject:
    """A likelihood at a point, and how many draws of it to look at.

    Attributes
    ----------
    job
        Scores, by independent draws.
    draws
        Draws of one look.
    """

    job: Job
    draws: int

    @property
    def held(self) -> int:
        """Draws of one look that are kept one by one."""
        return min(self.draws, max(HELD_DRAWS, HELD_NUMBERS // self.job.model.size))

    def sample(self, stage: int, count: int, theta: Array | None = None) -> Chunk:
        """Independent draws, different for each stage, with log densities and scores; at another point if given."""
        job = self.job if theta is None else replace(self.job, theta=theta)
        return Chunk.joined(list(chunks_of(job, Block(FIRST_STREAM + stage, 0, count))))

    def logpdf(self, draws: Any, theta: Array | None = None) -> Array:
        """Log densities at any draws."""
        return along_draws(self.job.model, self.job.theta if theta is None else theta, draws, order=0).logpdf

    def density(self, draws: Any, theta: Array | None = None) -> Array:
        """Densities; zero where the log density is not a number, which is how many say "off the support"."""
        with np.errstate(over="ignore"):
            return np.nan_to_num(np.exp(self.logpdf(draws, theta)), nan=0.0, posinf=np.inf)

    def neighbours(self, scores: Array, most: int) -> list[tuple[str, Array]]:
        """Points a fraction of a standard error from theta, with a name: both ways along each of some parameters."""
        roots = np.sqrt((scores**2).mean(axis=0))
        known = np.flatnonzero(np.isfinite(roots) & (roots > 0.0))
        chosen = known[np.unique(np.linspace(0, len(known) - 1, min(most, len(known))).astype(int))]
        points = []
        for j in chosen:
            step = step_within(self.job, int(j), roots[j] / WIDER)
            for sign in (1.0, -1.0):
                there = beside(self.job, int(j), sign * step)
                points.append((f"{self.job.model.parameters[j]} = {there[self.job.model.wrt[j]]:.6g}", there))
        return points


def confirmed(test: Callable[[int], Check]) -> Check:
    """Outcome of ``test(stage)``; a failure counts only if the test fails on fresh draws, too."""
    first = test(0)
    if first.verdict != "fail":
        return first
    second = test(1)
    return (
        replace(second, message=f"{second.message} (confirmed on fresh draws)") if second.verdict == "fail" else second
    )


def passed(message: str, figure: float = float("nan"), p_value: float = float("nan")) -> Check:
    """A check that found nothing."""
    return Check(figure, p_value, "pass", message)


def failed(message: str, figure: float = float("nan"), p_value: float = float("nan")) -> Check:
    """A check that found a fault."""
    return Check(figure, p_value, "fail", message)


def skipped(message: str) -> Check:
    """A check that could not be made, and why."""
    return Check(float("nan"), float("nan"), "skipped", message)


def shown(draw: Array) -> str:
    """A draw in a message."""
    return f"{draw[0]:.6g}" if draw.size == 1 else np.array2string(draw, threshold=6, edgeitems=2, precision=4)
