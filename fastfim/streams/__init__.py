"""Random numbers for samplers: streams of numbers, and NumPy's variates made of them, inside compiled code.

A stream is keyed by (entropy, stream, block); its state is a float64 vector. Compiled code opens it, draws through an
``rng`` that has the methods of `numpy.random.Generator`, one scalar a call, and closes it:

>>> import numpy as np
>>> from numba import carray, njit, types
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

`lanes` holds the generator, `stream` the type of ``rng`` and the table of its methods, `variates` the methods. A new
variate is one function with the decorator `stream.variate` in one file of `variates`.
"""

from __future__ import annotations

from . import variates
from .lanes import WORDS
from .stream import VARIATES, Stream, close_stream, initial_state, next_point, opener

__all__ = ["VARIATES", "WORDS", "Stream", "close_stream", "initial_state", "next_point", "opener", "variates"]
