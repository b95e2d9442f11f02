"""Compiled drivers: run a sampler many times on a stream."""

from __future__ import annotations

from functools import cache

from numba import njit

from fastfim import _jit, streams


def filler(fill):
    """``f(words, out)`` of one that only compiled code calls."""
    return njit(lambda words, out: fill(words, out))


@cache
def compiled(sample, size=1, kind="mc"):
    """``fill(state, theta, out)`` that stores a draw of ``sample(rng, theta)`` in each entry of ``out``.

    With another size each row of ``out`` is filled by ``sample(rng, theta, row)``.
    """
    open_stream = streams.opener(kind)
    draw = _jit.inner(sample)

    @njit(error_model="numpy", fastmath=set(_jit.STRICT), nogil=True)
    def fill_scalars(state, theta, out):
        rng = open_stream(state.ctypes)
        for i in range(len(out)):
            out[i] = draw(rng, theta)
            streams.next_point(rng)
        streams.close_stream(rng)

    @njit(error_model="numpy", fastmath=set(_jit.STRICT), nogil=True)
    def fill_rows(state, theta, out):
        rng = open_stream(state.ctypes)
        for i in range(len(out)):
            draw(rng, theta, out[i])
            streams.next_point(rng)
        streams.close_stream(rng)

    return fill_scalars if size == 1 else fill_rows
