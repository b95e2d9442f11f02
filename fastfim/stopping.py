"""When a run has enough: the tolerance, the schedule of rounds, and the projection of what is still to do.

Everything here is a function of estimates and options alone, never of the clock or the workers, so that a run can be
repeated bit for bit. Rounds double, and a run may stop from the second on: few looks at the data keep the coverage of
intervals after optional stopping within a percent of its level.

>>> from itertools import islice
>>> list(islice(rounds(None), 4))
[128, 256, 512, 1024]
>>> list(rounds(300))
[128, 256, 300]
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Draws a stream in the first round, and rounds before the first that may stop the run.
FIRST_ROUND, ROUNDS_AT_LEAST = 128, 2
#: With no budget given, a run whose projection exceeds so many draws ends; the projection counts from so many draws on.
DRAWS_AT_MOST, PROJECTION_FROM = 10**11, 2**20

__all__ = ["blocks", "critical_value", "met", "projected_draws", "relative_error", "rounds"]


def critical_value(confidence: float, streams: int) -> float:
    """Half-width over standard error: Student's t with ``streams - 1`` degrees of freedom."""
    # imported here, as scipy.special takes longer to import than the rest of the package
    from scipy.special import stdtrit

    return float(stdtrit(streams - 1, 0.5 + 0.5 * confidence))


def relative_error(half_width: Array, scale: Array) -> float:
    """Largest half-width relative to ``scale``; entries that are exactly zero count as known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(half_width == 0.0, 0.0, half_width / scale)
    return float(ratio.max())


def met(half_width: Array, scale: Array, rtol: float, atol: float) -> bool:
    """Whether every entry is within ``atol + rtol * scale``."""
    return bool(np.all(half_width <= atol + rtol * scale))


def rounds(budget: int | None) -> Iterator[int]:
    """Draws a stream after each round: doubling, the last cut off at ``budget``."""
    for k in count():
        draws = FIRST_ROUND << k
        if budget is not None and draws >= budget:
            yield budget
            return
        yield draws


def blocks(draws: int, longest: int) -> list[int]:
    """Sizes of the blocks that a stream's further ``draws`` fall into."""
    whole, rest = divmod(draws, longest)
    return [longest] * whole + [rest] * (rest > 0)


def projected_draws(draws: int, half_width: Array, scale: Array, rtol: float, atol: float) -> float:
    """Draws that would meet the tolerance, since errors fall like one over the root of the draws."""
    allowed = atol + rtol * scale
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.where(half_width <= allowed, 1.0, half_width / allowed)
    worst = float(excess.max())
    return draws * worst**2 if math.isfinite(worst) else math.inf
