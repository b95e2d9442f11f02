"""Numeric inversion: Newton's method on the logarithm of the smaller tail, between bounds that it tightens.

In a tail the logarithm of a distribution function is nearly a straight line or a parabola, so that few steps suffice;
a step that leaves the bounds is replaced by bisection.
"""

from __future__ import annotations

import math
from typing import Any

from ..typed import inline

_STEPS = 200
#: A Newton step this small, as a share of the scale, leaves an error of its square.
_LAST_STEP = 1e-8


@inline
def solve(tails: Any, t: float, y: float, low: float, high: float, a: float, b: float, c: float) -> float:
    """Argument in (low, high) where the tail probability is that of t, from a first guess y.

    ``tails(y, a, b, c)`` gives (lower tail, upper tail, density); t is u below 1/2, else u - 1.
    """
    for _ in range(_STEPS):
        below, above, density = tails(y, a, b, c)
        tail = below if t > 0.0 else above
        # both signs so that the error rises with y
        error = math.log(tail / t) if t > 0.0 else math.log(-t / tail)
        if error > 0.0:
            high = y
        else:
            low = y
        following = y - error * tail / density
        if not low <= following <= high:
            following = _between(low, high, y)
        moved = abs(following - y)
        y = following
        if moved <= _LAST_STEP * max(1.0, abs(y)) and moved * density <= 1e-7 * tail:
            break
    return y


@inline
def _between(low: float, high: float, y: float) -> float:
    """A point between bounds that may be infinite."""
    if low == -math.inf:
        return high - 1.0 - abs(high)
    if high == math.inf:
        return low + 1.0 + abs(low)
    return 0.5 * (low + high)
