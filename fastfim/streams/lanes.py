"""The generator: sixteen interleaved xoshiro256++ lanes that fill buffers of variates at SIMD speed.

They lie in the state vector of a stream as `states` says.

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
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types

from .._arrays import part
from .._jit import as_uint64
from .bits import as_bits, as_float
from .generator import fill_bits
from .states import BUFFER, EXPONENTIALS_AT, GENERATOR_WORDS, NORMALS_AT, UNIFORMS_AT
from .typed import apart, external, inline

_HALF = BUFFER // 2

_REFILL = types.void(types.CPointer(types.float64))
_ONE_BITS = np.uint64(0x3FF0000000000000)
_LOW_12 = np.uint64(0xFFF)
_U1, _U12 = np.uint64(1), np.uint64(12)

# Adding 1.5 * 2^52 leaves the nearest integer in the low bits: conversion both ways without a conversion
# instruction, which AVX2 lacks for 64-bit integers.
_ROUNDER = 6755399441055744.0
_ROUNDER_BITS = 0x4338000000000000

_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_LN2_HI, _LN2_LO = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_BELOW_ONE = 1.0 - 2.0**-53


@apart
def fill_uniforms(lanes: Any, out: Any) -> None:
    """Fill ``out`` (length a multiple of `states.LANES`) with midpoints of 2^52 cells."""
    words = as_uint64(out)
    fill_bits(lanes, words)
    for i in range(len(out)):
        out[i] = as_float(np.int64((words[i] >> _U12) | _ONE_BITS)) - _BELOW_ONE


@apart
def fill_fine_uniforms(lanes: Any, out: Any) -> None:
    """Fill ``out`` with uniforms of all 64 bits, as far as a float holds them, in (0, 1)."""
    words = as_uint64(out)
    fill_bits(lanes, words)
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


@apart
def fill_exponentials(lanes: Any, out: Any) -> None:
    """Fill ``out`` with standard exponentials."""
    fill_fine_uniforms(lanes, out)
    for i in range(len(out)):
        out[i] = -log_unit(out[i])


@apart
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
    fill_uniforms(as_uint64(part(pointer, 0, GENERATOR_WORDS)), part(pointer, UNIFORMS_AT, BUFFER))


@external(_REFILL)
def refill_normals(pointer: Any) -> None:
    """Make the next `BUFFER` normals of the state at ``pointer``."""
    fill_normals(as_uint64(part(pointer, 0, GENERATOR_WORDS)), part(pointer, NORMALS_AT, BUFFER))


@external(_REFILL)
def refill_exponentials(pointer: Any) -> None:
    """Make the next `BUFFER` exponentials of the state at ``pointer``."""
    fill_exponentials(as_uint64(part(pointer, 0, GENERATOR_WORDS)), part(pointer, EXPONENTIALS_AT, BUFFER))
