"""Random numbers for samplers: streams of numbers, and NumPy's variates made of them, inside compiled code.

A stream is keyed by (entropy, stream, block); its state is a float64 vector. Compiled code opens it, draws through an
``rng`` that has the methods of `numpy.random.Generator`, one scalar a call, and closes it. The kind ``"mc"`` is
pseudo-random; with ``"rqmc"`` a draw is a randomized quasi-Monte Carlo point, every call takes its next coordinate by
inversion, and `next_point` goes on to the next one:

>>> import numpy as np
>>> from numba import njit
>>> from fastfim.streams import close_stream, initial_state, next_point, opener
>>> open_stream = opener("mc")
>>> @njit
... def fill(state, out):
...     rng = open_stream(state.ctypes)
...     for i in range(len(out)):
...         out[i] = rng.gamma(2.0, 0.5)
...         next_point(rng)
...     close_stream(rng)
>>> draws = np.empty(1000)
>>> fill(initial_state(7, stream=0, block=0), draws)
>>> bool(0.9 < draws.mean() < 1.1)
True

>>> open_points = opener("rqmc")
>>> @njit
... def mean(state, n):
...     rng, total = open_points(state.ctypes), 0.0
...     for i in range(n):
...         total += rng.gamma(2.0, 0.5)
...         next_point(rng)
...     close_stream(rng)
...     return total / n
>>> bool(abs(mean(initial_state(7, stream=0, block=0, kind="rqmc"), 1024) - 1.0) < 0.003)
True

`states` says what a state holds, `lanes` holds the generator, `points` the quasi-random points, `stretching` what takes
them into the tails, `cursors` the type of ``rng``, `stream` opens one and takes numbers from it, `methods` holds the
table of its methods and `variates` most of them, `quantiles` what inverts distribution functions, `tables` what makes
that fast. A new variate is one function with the decorator `methods.variate` in one file of `variates`, and its inverse
if it takes more than one number.

What compiles is imported when it is first asked for: machine code that was kept needs states alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .directions import DIMENSIONS
from .states import SEED_WORDS, WORDS, Stretch, aligned_empty, initial_state, new_state, seeds

#: What compiles, and the module that it is in.
_COMPILED = {
    "VARIATES": "methods",
    "Stream": "cursors",
    **dict.fromkeys(("beginner", "close_stream", "draw_weight", "mover", "next_point", "opener"), "stream"),
}

__all__ = [
    "DIMENSIONS",
    "SEED_WORDS",
    "VARIATES",
    "WORDS",
    "Stream",
    "Stretch",
    "aligned_empty",
    "beginner",
    "close_stream",
    "draw_weight",
    "initial_state",
    "mover",
    "new_state",
    "next_point",
    "opener",
    "seeds",
    "variates",
]


def __getattr__(name: str) -> Any:
    if name != "variates" and name not in _COMPILED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    variates = import_module(f"{__name__}.variates")  # fills the table of methods, whatever is asked for
    return variates if name == "variates" else getattr(import_module(f"{__name__}.{_COMPILED[name]}"), name)
