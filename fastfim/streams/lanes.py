"""The generator: sixteen interleaved xoshiro256++ lanes that fill buffers of variates at SIMD speed.

A stream is one float64 vector of `WORDS` words, so that it can be made, kept, copied and sent like any array:

====================  =====================================================================
words                 content (integers are stored as the bits of the float)
====================  =====================================================================
0 to 63               the lanes: word ``16 i + j`` is word i of the state of lane j
64 to 66              cursors: how much of each of the three buffers has been handed out
128 and after         the buffers of uniforms, normals and exponentials, `BUFFER` words each
====================  =====================================================================

**Bits.** Each lane is xoshiro256++ (Blackman and Vigna 2021, *ACM Trans. Math. Softw.* 47, 36), period 2^256 - 1.
Output ``16 k + j`` of a stream is output k of lane j: the lanes do the same arithmetic on sixteen states, which is
what SIMD registers are for. States come from `numpy.random.SeedSequence`, keyed by (entropy, stream, block); two
sequences of 2^40 outputs among 2^40 lanes overlap with a probability below 2^-130.

**Uniforms** are the midpoints (k + 1/2) 2^-52 of 2^52 equal cells, k the upper 52 bits: all of them inside the *open*
interval (0, 1), the smallest 2^-53, the largest 1 - 2^-53, and both u and 1 - u exact.

**Exponentials** are -log(u) where u also takes in the lower 12 bits: between 2^-53 and 65 log 2 = 45.05.

**Normals** come by Box and Muller (1958): radius sqrt(2 E) with E such an exponential, angle 2 pi u with u a uniform.
The largest possible is sqrt(130 log 2) = 9.49, whose tail has a probability of 2e-21: nobody draws that often.

Logarithm, sine and cosine are the polynomials of fdlibm (Sun Microsystems 1993), branch-free on reduced arguments:
exponentials are right within one unit in the last place, sine and cosine within two, normals within three.

>>> state = initial_state(entropy=7, stream=0, block=0)
>>> state.shape == (WORDS,)
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import carray, types

from .bits import as_bits, as_float
from .typed import external, inline, standalone

#: Variates that one refill makes.
BUFFER = 512
_HALF = BUFFER // 2

LANES = 16
_GENERATOR_WORDS = 4 * LANES

#: Where the cursors and the buffers begin in the vector.
CURSORS_AT = _GENERATOR_WORDS
CURSORS = 3
UNIFORMS_AT = 128
NORMALS_AT = UNIFORMS_AT + BUFFER
EXPONENTIALS_AT = NORMALS_AT + BUFFER

#: Length of a stream's state vector (float64).
WORDS = EXPONENTIALS_AT + BUFFER

_REFILL = types.void(types.CPointer(types.float64))
_ONE_BITS = np.uint64(0x3FF0000000000000)
_LOW_12 = np.uint64(0xFFF)
_U1, _U12, _U17 = np.uint64(1), np.uint64(12), np.uint64(17)
_U19, _U23, _U41, _U45 = np.uint64(19), np.uint64(23), np.uint64(41), np.uint64(45)

# Adding 1.5 * 2^52 leaves the nearest integer in the low bits: conversion both ways without a conversion
# instruction, which AVX2 lacks for 64-bit integers.
_ROUNDER = 6755399441055744.0
_ROUNDER_BITS = 0x4338000000000000

_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_LN2_HI, _LN2_LO = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_BELOW_ONE = 1.0 - 2.0**-53


def initial_state(entropy: int | Sequence[int] | None, stream: int, block: int) -> np.ndarray[Any, Any]:
    """State of a stream at the beginning of a block: a pure function of its arguments.

    Parameters
    ----------
    entropy
        Seed of the run, as `numpy.random.SeedSequence` takes it.
    stream, block
        Which stream, and which block of it; any two pairs give independent sequences.

    Returns
    -------
    ndarray
        float64, shape ``(WORDS,)``; compiled code advances it in place.
    """
    seeds = np.random.SeedSequence(entropy, spawn_key=(stream, block))
    state = np.zeros(WORDS)
    state.view(np.uint64)[:_GENERATOR_WORDS] = seeds.generate_state(_GENERATOR_WORDS, np.uint64)
    state.view(np.int64)[CURSORS_AT : CURSORS_AT + CURSORS] = BUFFER  # nothing in the buffers yet
    return state


@inline
def _advance(lanes: Any, j: int) -> Any:
    """Next 64 bits of lane j."""
    a, b, c, d = lanes[j], lanes[LANES + j], lanes[2 * LANES + j], lanes[3 * LANES + j]
    total = a + d
    bits = ((total << _U23) | (total >> _U41)) + a
    shifted = b << _U17
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << _U45) | (d >> _U19)
    lanes[j], lanes[LANES + j], lanes[2 * LANES + j], lanes[3 * LANES + j] = a, b, c, d
    return bits


@standalone
def fill_uniforms(lanes: Any, out: Any) -> None:
    """Fill ``out`` (length a multiple of `LANES`) with midpoints of 2^52 cells."""
    words = out.view(np.int64)
    for k in range(len(out) // LANES):
        for j in range(LANES):
            words[k * LANES + j] = np.int64((_advance(lanes, j) >> _U12) | _ONE_BITS)
    for i in range(len(out)):
        out[i] -= _BELOW_ONE


@standalone
def fill_fine_uniforms(lanes: Any, out: Any) -> None:
    """Fill ``out`` with uniforms of all 64 bits, as far as a float holds them, in (0, 1)."""
    words = out.view(np.uint64)
    for k in range(len(out) // LANES):
        for j in range(LANES):
            words[k * LANES + j] = _advance(lanes, j)
    for i in range(len(out)):
        bits = words[i]
        upper = as_float(np.int64((bits >> _U12) | _ONE_BITS)) - 1.0
        lower = as_float(np.int64(((bits & _LOW_12) << _U1) | _U1 | _ONE_BITS)) - 1.0
        fine = upper + 2.0**-13 * lower
        out[i] = fine if fine < _BELOW_ONE else _BELOW_ONE


@inline
def log_unit(u: float) -> float:
    """Logarithm of u in (0, 1), a normal number: u = 2^k m with m in [sqrt(1/2), sqrt(2)), and s = (m - 1)/(m + 1)."""
    bits = as_bits(u)
    k = (bits - _SQRT_HALF_BITS) >> 52
    f: float = as_float(bits - (k << 52)) - 1.0
    exponent: float = as_float(k + _ROUNDER_BITS) - _ROUNDER
    s = f / (2.0 + f)
    z = s * s
    tail = 0.1818357216161805012 + z * (0.1531383769920937332 + z * 0.1479819860511658591)
    tail = 0.3999999999940941908 + z * (0.2857142874366239149 + z * (0.2222219843214978396 + z * tail))
    tail = z * (0.6666666666666735130 + z * tail)
    square = 0.5 * f * f
    return exponent * _LN2_HI - ((square - (s * (square + tail) + exponent * _LN2_LO)) - f)


@inline
def sine_cosine(turn: float) -> tuple[float, float]:
    """Sine and cosine of ``2 pi turn``, turn in (0, 1), reduced to an eighth of a turn about the nearest axis."""
    quarters = 4.0 * turn
    rounded = quarters + _ROUNDER
    quadrant = as_bits(rounded)
    x = (quarters - (rounded - _ROUNDER)) * 1.5707963267948966
    z = x * x
    s = 8.33333333332248946124e-03 + z * (
        -1.98412698298579493134e-04
        + z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10))
    )
    s = x + x * z * (-1.66666666666666324348e-01 + z * s)
    c = 2.48015872894767294178e-05 + z * (
        -2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)
    )
    c = 1.0 - (0.5 * z - z * z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * c)))
    swap = (quadrant & 1) == 1
    sine = as_bits(c if swap else s) ^ ((quadrant & 2) << 62)
    cosine = as_bits(s if swap else c) ^ (((quadrant + 1) & 2) << 62)
    return as_float(sine), as_float(cosine)


@standalone
def fill_exponentials(lanes: Any, out: Any) -> None:
    """Fill ``out`` with standard exponentials."""
    fill_fine_uniforms(lanes, out)
    for i in range(len(out)):
        out[i] = -log_unit(out[i])


@standalone
def fill_normals(lanes: Any, out: Any) -> None:
    """Fill ``out`` (length `BUFFER`) with standard normals: pairs at a distance of half the buffer."""
    radii, angles = out[:_HALF], out[_HALF:]
    fill_fine_uniforms(lanes, radii)
    fill_uniforms(lanes, angles)
    for i in range(_HALF):
        radius = math.sqrt(-2.0 * log_unit(radii[i]))
        sine, cosine = sine_cosine(angles[i])
        radii[i] = radius * cosine
        angles[i] = radius * sine


@external(_REFILL)
def refill_uniforms(pointer: Any) -> None:
    """Make the next `BUFFER` uniforms of the state at ``pointer``."""
    state = carray(pointer, (WORDS,))
    fill_uniforms(state[:_GENERATOR_WORDS].view(np.uint64), state[UNIFORMS_AT : UNIFORMS_AT + BUFFER])


@external(_REFILL)
def refill_normals(pointer: Any) -> None:
    """Make the next `BUFFER` normals of the state at ``pointer``."""
    state = carray(pointer, (WORDS,))
    fill_normals(state[:_GENERATOR_WORDS].view(np.uint64), state[NORMALS_AT : NORMALS_AT + BUFFER])


@external(_REFILL)
def refill_exponentials(pointer: Any) -> None:
    """Make the next `BUFFER` exponentials of the state at ``pointer``."""
    state = carray(pointer, (WORDS,))
    fill_exponentials(state[:_GENERATOR_WORDS].view(np.uint64), state[EXPONENTIALS_AT : EXPONENTIALS_AT + BUFFER])
