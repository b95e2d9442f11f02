"""A first look at single draws, apart from the run: what its control variates and its choice of estimator rest on.

The pilot has streams of its own, so that nothing learned from it depends on the draws that the estimate is made of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .diagnosis import raise_for
from .kernels import Block, Chunk, Job, chunks_of

#: Draws of a pilot, and the share of a fixed budget that it may take.
PILOT_DRAWS, LARGEST_SHARE = 4096, 0.25
#: Index of the stream that the pilot draws from; the run's begin at 0.
PILOT_STREAM = 2**31


@dataclass(frozen=True)
class Pilot:
    """Single draws of the pilot.

    Attributes
    ----------
    scores, hessians
        Shapes (n, p) and (n, p (p + 1) / 2), upper triangles row by row; None for a job of order 1.
    """

    scores: NDArray[np.float64]
    hessians: NDArray[np.float64] | None

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.scores)


def pilot_size(streams: int, budget: int | None) -> int:
    """Draws of a pilot: a multiple of ``streams``, so that the run's total is one."""
    wanted = PILOT_DRAWS if budget is None else min(PILOT_DRAWS, int(LARGEST_SHARE * budget))
    return streams * max(1, -(-wanted // streams))


def draw_pilot(job: Job, size: int) -> Pilot:
    """Draw and differentiate.

    Raises
    ------
    LikelihoodError, NonFiniteError
        As a run would.
    """
    block = Block(PILOT_STREAM, 0, size)
    chunks = list(chunks_of(job, block))
    if not all(map(_finite, chunks)):
        raise_for(job, block)
    hessians = [chunk.hessians for chunk in chunks if chunk.hessians is not None]
    return Pilot(np.concatenate([chunk.scores for chunk in chunks]), np.concatenate(hessians) if hessians else None)


def _finite(chunk: Chunk) -> bool:
    parts = (chunk.draws, chunk.logpdf, chunk.scores, chunk.hessians)
    return all(np.isfinite(part).all() for part in parts if part is not None)
