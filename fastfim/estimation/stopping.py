"""When a run has enough: the tolerance, the schedule of rounds, and the projection of what is still to do.

Everything here is a function of estimates and options alone, never of the clock or the workers, so that a run can be
repeated bit for bit. Rounds double: few looks at the data keep the coverage of intervals after optional stopping within
a percent of its level.

>>> from itertools import islice
>>> list(islice(rounds(None), 4))
[256, 512, 1024, 2048]
>>> list(rounds(300))
[256, 300]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .estimators import ROUNDING_FLOOR

Array = NDArray[np.float64]
#: Over which axes an answer is sought: all, or those of the matrix at each of several points.
Axis = tuple[int, ...] | None

#: Draws a stream in the first round.
FIRST_ROUND = 256
#: With no budget given, a run whose projection exceeds so many draws ends; the projection counts from so many draws on.
DRAWS_AT_MOST, PROJECTION_FROM = 10**11, 2**20
#: Rounds that show how fast errors fall, and the fastest rate that is believed (that of nets for smooth integrands).
RATE_ROUNDS, FASTEST_RATE = 4, 1.5

__all__ = [
    "blocks",
    "critical_value",
    "least_rtol",
    "looks",
    "met",
    "projected_draws",
    "rate",
    "relative_error",
    "rounds",
]


@lru_cache
def critical_value(confidence: float, streams: int) -> float:
    """Half-width over standard error: Student's t with ``streams - 1`` degrees of freedom."""
    # imported here, as scipy.special takes longer to import than the rest of the package
    from scipy.special import stdtrit

    return float(stdtrit(streams - 1, 0.5 + 0.5 * confidence))


def least_rtol(confidence: float, streams: int) -> float:
    """Half-width of an error that is nothing but the rounding floor, relative to the scale: no run can meet less."""
    return critical_value(confidence, streams) * ROUNDING_FLOOR


def relative_error(half_width: Array, scale: Array, axis: Axis = None) -> Any:
    """Largest half-width relative to ``scale``; entries that are exactly zero count as known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(half_width == 0.0, 0.0, half_width / scale).max(axis=axis)


def met(half_width: Array, scale: Array, rtol: float, atol: float, axis: Axis = None) -> Any:
    """Whether every entry is within ``atol + rtol * scale``."""
    return np.all(half_width <= atol + rtol * scale, axis=axis)


def rounds(budget: int | Callable[[], int | None] | None, done: int = 0) -> Iterator[int]:
    """Draws a stream after each round: doubling, the last cut off at ``budget``; those beyond what is ``done`` already.

    A function is asked before each round, for a budget that other draws use up, too.
    """
    for k in count():
        if FIRST_ROUND << k <= done:
            continue
        most = budget() if callable(budget) else budget
        if most is not None and most <= done:
            return
        done = FIRST_ROUND << k
        if most is not None and done >= most:
            yield most
            return
        yield done


def looks(streams: int, errors: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """Draws of all streams, and the relative error, after each round of the doubling schedule."""
    return tuple(((FIRST_ROUND << k) * streams, error) for k, error in enumerate(errors))


def blocks(draws: int, longest: int) -> list[int]:
    """Sizes of the blocks that a stream's further ``draws`` fall into."""
    whole, rest = divmod(draws, longest)
    return [longest] * whole + [rest] * (rest > 0)


def projected_draws(
    draws: int,
    half_width: Array,
    scale: Array,
    rtol: float,
    atol: float,
    rate: Any = 0.5,
    floor: float = 0.0,
    axis: Axis = None,
) -> Any:
    """Draws that would meet the tolerance: errors fall like draws^-rate, down to the share ``floor`` of the scale."""
    allowed = atol + rtol * scale
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        excess = np.where(half_width <= allowed, 1.0, half_width / np.where(allowed > floor * scale, allowed, 0.0))
        projected = draws * excess.max(axis=axis) ** (1.0 / rate)
    return np.where(np.isnan(projected), np.inf, projected)[()]


def rate(history: Sequence[tuple[int, Any]]) -> Any:
    """Power of the draws by which errors fall, from (draws, relative error) after the latest rounds.

    Never less than that of independent draws, 1/2; errors at or below rounding say nothing.
    """
    errors = np.array([error for _, error in history[-RATE_ROUNDS:]])
    if len(errors) < RATE_ROUNDS:
        return np.full(errors.shape[1:], 0.5)[()]
    seen = ((errors > 0.0) & (errors < math.inf)).all(axis=0)
    draws = np.log([draws for draws, _ in history[-RATE_ROUNDS:]])
    draws -= draws.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.tensordot(draws, np.log(errors), 1) / (draws @ draws)
    return np.where(seen, np.clip(-slope, 0.5, FASTEST_RATE), 0.5)[()]
