"""Tables of quantile functions, made on the way: what is asked for again and again is interpolated.

A quantile function of parameters that stay the same during a block is worth tabulating: an inverse incomplete gamma
function takes 300 ns, a polynomial takes 5. The signed tail probability t (see `points`) is cut into pieces that follow
the floating-point numbers, 8 an octave, from 2^-24 to 1/2 on both sides. A piece that has been visited often enough is

- for a continuous variate, the polynomial of degree 7 through eight Chebyshev points, kept only if it agrees to 1e-12
  with the function itself between them. Near a singularity at t = 0 it converges like 35^-8;
- for an integer, its value where the piece begins and up to seven places where it changes by one, found by bisection:
  the table gives exactly what the function gives.

Everything else (rarely visited pieces, the far tails, pieces that are not smooth enough, parameters that change from
draw to draw) is computed directly. Where tables begin depends on the draws before, so draws of blocks that are cut
otherwise may differ by 1e-12 of their value; the same block always gives the same bits.

`SLOTS` tables fit in the state of a stream. A slot belongs to one function and parameters; others that come to the same
slot take it over when they come more often.

====================  ===========================================================================
words of a slot       content
====================  ===========================================================================
0 to 3                family (0: none) and three parameters
4                     how much more often the owner came than others (pieces that are ready do not count)
5                     1 if the pieces are in use, which they are once that has come to `_LEAD`
8 + 9 i               piece i: visits so far (up to `_DUE`), `READY`, or `_NEVER`
9 + 9 i and 7 more    its coefficients, or first value and places of change
====================  ===========================================================================
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types

from .._arrays import carray
from .._jit import stack_array
from .bits import as_bits, as_float
from .states import OCTAVES, PIECE_WORDS, PIECES, SLOT_HEADER, SLOT_WORDS, SLOTS
from .typed import inline

_DEGREE = PIECE_WORDS - 2

_DUE = 24.0
_LEAD, _LONGEST_LEAD = 8.0, 1e6
READY, _NEVER = -1.0, -2.0
_TOLERANCE = 1e-12
_SMALLEST = 2.0 ** -(OCTAVES + 1)
_FIRST_BITS = (1023 - OCTAVES - 1) << 3
_MANTISSA = (1 << 49) - 1
_ONE_BITS = 0x3FF0000000000000

_NODES = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
_TO_COEFFICIENTS = np.linalg.inv(np.vander(_NODES, increasing=True))
# where a polynomial is compared with the function: between the points, and at both ends
_PROBES = np.array([-1.0, 1.0, 0.5 * (_NODES[0] + _NODES[1]), 0.5 * (_NODES[3] + _NODES[4])])


@inline
def slot_of(family: float, a: float, b: float, c: float) -> int:
    """Number of the slot that this function and its parameters share with others."""
    bits: int = as_bits(a) * 3 + as_bits(b) * 5 + as_bits(c) * 7 + as_bits(family)
    bits ^= (bits >> 29) & 0x7FFFFFFFF
    bits ^= (bits >> 13) & 0x7FFFFFFFFFFFF
    return (bits ^ (bits >> 47) ^ (bits >> 5)) & (SLOTS - 1)


@inline
def piece_of(t: float) -> int:
    """Word of a slot where the piece of t begins; -1 if there is none."""
    size = abs(t)
    if not _SMALLEST <= size < 0.5:
        return -1
    i: int = (as_bits(size) >> 49) - _FIRST_BITS
    return SLOT_HEADER + PIECE_WORDS * (i if t > 0.0 else i + PIECES)


@inline
def place_in_piece(t: float) -> float:
    """From -1 to 1."""
    fraction: float = as_float(((as_bits(t) & _MANTISSA) << 3) | _ONE_BITS)
    return 2.0 * fraction - 3.0


@inline
def polynomial(
    y: float, c0: float, c1: float, c2: float, c3: float, c4: float, c5: float, c6: float, c7: float
) -> float:
    """Value at y, by Estrin's scheme (shorter chains than Horner's)."""
    square = y * y
    low = (c0 + c1 * y) + square * (c2 + c3 * y)
    high = (c4 + c5 * y) + square * (c6 + c7 * y)
    return low + square * square * high


@inline
def _belongs(slot: Any, family: float, a: float, b: float, c: float) -> bool:
    """Whether the slot is this function's by now; else it may come nearer to be."""
    if slot[0] == family and slot[1] == a and slot[2] == b and slot[3] == c:
        if slot[4] < _LONGEST_LEAD:
            slot[4] += 1.0
        if slot[4] >= _LEAD:
            slot[5] = 1.0
        return bool(slot[5] == 1.0)
    slot[4] -= 1.0
    if slot[4] < 0.0:
        if slot[5] == 1.0:
            slot[:] = 0.0
        slot[0], slot[1], slot[2], slot[3], slot[4] = family, a, b, c, 0.0
    return False


@inline
def _due(slot: Any, piece: int) -> bool:
    """Count a visit; whether it is time to make the piece."""
    if slot[piece] < 0.0:
        return False
    slot[piece] += 1.0
    return slot[piece] >= _DUE  # type: ignore[no-any-return]


@inline
def _signed(t: float, size: float) -> float:
    return math.copysign(size, t)


@inline
def _ends(t: float) -> tuple[float, float]:
    """Where the piece of t begins and ends, in |t|."""
    bits = as_bits(abs(t)) & ~_MANTISSA
    return as_float(bits), as_float(bits + _MANTISSA + 1)


_coefficient_array = stack_array(_DEGREE + 1, types.float64)


@inline
def _make_polynomial(quantile: Any, words: Any, t: float, a: float, b: float, c: float) -> None:
    begin, end = _ends(t)
    middle, half = 0.5 * (begin + end), 0.5 * (end - begin)
    coefficients = _coefficient_array()
    coefficients[:] = 0.0
    for i in range(_DEGREE + 1):
        value = quantile(_signed(t, middle + half * _NODES[i]), a, b, c)
        for j in range(_DEGREE + 1):
            coefficients[j] += _TO_COEFFICIENTS[j, i] * value
    words[0] = READY
    for y in _PROBES:
        exact = quantile(_signed(t, middle + half * y), a, b, c)
        found = 0.0
        for j in range(_DEGREE, -1, -1):
            found = found * y + coefficients[j]
        # near a median of 0 the size of the piece's values counts
        if not abs(found - exact) <= _TOLERANCE * max(abs(exact), abs(coefficients[1])):
            words[0] = _NEVER
    for j in range(_DEGREE + 1):
        words[1 + j] = coefficients[j]


@inline
def refined(quantile: Any, pointer: Any, family: float, t: float, a: float, b: float, c: float) -> float:
    """Value of a continuous quantile function at t; its piece is made when it is due."""
    slot = carray(pointer, (SLOT_WORDS,))
    piece = piece_of(t)
    if _belongs(slot, family, a, b, c) and piece >= 0 and _due(slot, piece):
        _make_polynomial(quantile, slot[piece : piece + PIECE_WORDS], t, a, b, c)
    value: float = quantile(t, a, b, c)
    return value


@inline
def _make_steps(quantile: Any, words: Any, t: float, a: float, b: float, c: float) -> None:
    begin, end = _ends(t)
    end = as_float(as_bits(end) - 1)
    step = math.copysign(1.0, t)
    value, last = quantile(_signed(t, begin), a, b, c), quantile(_signed(t, end), a, b, c)
    words[1] = value
    words[2:] = math.inf
    words[0] = READY if abs(last - value) <= _DEGREE else _NEVER
    k = 2
    while words[0] == READY and value != last:
        low, high = as_bits(begin), as_bits(end)  # the value differs from low's at high
        while high - low > 1:
            middle = (low + high) >> 1
            if quantile(_signed(t, as_float(middle)), a, b, c) == value:
                low = middle
            else:
                high = middle
        begin = as_float(high)
        if quantile(_signed(t, begin), a, b, c) != value + step:
            words[0] = _NEVER
        value += step
        words[k] = begin
        k += 1


@inline
def refined_steps(quantile: Any, pointer: Any, family: float, t: float, a: float, b: float, c: float) -> float:
    """Value of an integer-valued quantile function at t; its piece is made when it is due."""
    slot = carray(pointer, (SLOT_WORDS,))
    piece = piece_of(t)
    if _belongs(slot, family, a, b, c) and piece >= 0 and _due(slot, piece):
        _make_steps(quantile, slot[piece : piece + PIECE_WORDS], t, a, b, c)
    value: float = quantile(t, a, b, c)
    return value
