"""Reading a tape backwards: from the adjoint of the result to those of the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastfim import _jit


@_jit.inner
def sweep(words: Any, high: Any, low: Any) -> None:
    """Read the records between ``low`` and ``high``, and leave their adjoints at 0.

    A record whose adjoint is 0 is passed over: an infinite weight in a branch that was not taken must not spoil it.
    """
    places = words.view(np.int64)
    place = high
    while place > low:
        adjoint, count = words[place - 1], places[place - 2]
        words[place - 1] = 0.0
        if count == 2:
            place -= 6
            if adjoint != 0.0:
                words[places[place]] += words[place + 1] * adjoint
                words[places[place + 2]] += words[place + 3] * adjoint
        elif count >= 0:
            place -= 2 + 2 * count
            if adjoint != 0.0:
                for k in range(place, place + 2 * count, 2):
                    words[places[k]] += words[k + 1] * adjoint
        else:
            place -= 3 - count
            if adjoint != 0.0:
                first = places[place - count]
                for k in range(-count):
                    words[first + k] += words[place + k] * adjoint
