"""The generator: sixteen interleaved xoshiro256++ lanes that fill buffers of variates at SIMD speed.

They lie in the state vector of a stream as `states` says.

**Bits.** Each lane is xoshiro256++ (Blackman and Vigna 2021, *ACM Trans. Math. Softw.* 47, 36), period 2^256 - 1.
Output ``16 k + j`` of a stream is output k of lane j: the lanes do the same arithmetic on sixteen states, which is
what SIMD registers are for. States come from `numpy.random.SeedSequence`, keyed by (entropy, stream, block); two
sequences of 2^40 outputs among 2^40 lanes overlap with a probability below 2^-130.

**Uniforms** are the midpoints (k + 1/2) 2^-52 of 2^52 equal cells, k the upper 52 bits: all of them inside the *open*
interval (0, 1), the smallest 2^-53, the largest 1 - 2^-53, and both u and 1 - u exact.

**Exponentials** are -log(u) with u = (b + 1/2) 2^-64, all bits b of an output, as far as a float below 1 holds them:
between 2^-53 and 65 log 2 = 45.05.

**Normals** come by Box and Muller (1958): radius sqrt(2 E) with E such an exponential, and a direction, a point of the
right half of the circle at the angle pi w / 2, w uniform on [-1, 1], reflected by the lowest bit: no quadrant is to be
told from others. The largest possible is sqrt(130 log 2) = 9.49, whose tail has a probability of 2e-21: nobody draws
that often.

All functions are branch-free polynomials. The logarithm is fdlibm's (Sun Microsystems 1993) on a reduced argument;
sin(pi w / 2) / w and cos(pi w / 2) / (1 - w^2) are polynomials in w^2 on the whole half circle, by interpolation at the
Chebyshev points. Logarithm, sine and cosine are right within two units in the last place, normals within four.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types

from .._arrays import part
from .._jit import as_uint64
from .bits import as_bits, as_float, fused
from .generator import fill_bits
from .states import BUFFER, EXPONENTIALS_AT, GENERATOR_WORDS, NORMALS_AT, UNIFORMS_AT
from .typed import apart, external, inline

_HALF = BUFFER // 2

_REFILL = types.void(types.CPointer(types.float64))
_ONE_BITS = np.uint64(0x3FF0000000000000)
_U12, _U63 = np.uint64(12), np.uint64(63)
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_LN2 = math.log(2.0)
_BELOW_ONE = 1.0 - 2.0**-53


@apart
def fill_uniforms(lanes: Any, out: Any) -> None:
    """Fill ``out`` (length a multiple of `states.LANES`) with midpoints of 2^52 cells."""
    words = as_uint64(out)
    fill_bits(lanes, words)
    for i in range(len(out)):
        out[i] = as_float(np.int64((words[i] >> _U12) | _ONE_BITS)) - _BELOW_ONE


@inline
def fine_uniform(bits: Any) -> float:
    """A uniform of all 64 bits, as far as a float holds them, in (0, 1)."""
    fine: float = (float(bits) + 0.5) * 2.0**-64
    return fine if fine < _BELOW_ONE else _BELOW_ONE


@inline
def log_unit(u: float) -> float:
    """Logarithm of u in (0, 1), a normal number: u = 2^k m with m in [sqrt(1/2), sqrt(2)), and s = (m - 1)/(m + 1)."""
    bits = as_bits(u)
    k = (bits - _SQRT_HALF_BITS) >> 52
    f: float = as_float(bits - (k << 52)) - 1.0
    s = f / (2.0 + f)
    z = s * s
    tail = 0.1818357216161805012 + z * (0.1531383769920937332 + z * 0.1479819860511658591)
    tail = 0.3999999999940941908 + z * (0.2857142874366239149 + z * (0.2222219843214978396 + z * tail))
    tail = z * (0.6666666666666735130 + z * tail)
    logarithm: float = k * _LN2 + (f - s * (f - tail))
    return logarithm


@inline
def direction(bits: Any) -> tuple[float, float]:
    """Cosine and sine of a uniform angle: w from all bits, sine and cosine of pi w / 2, the cosine's sign from one."""
    w = float(np.int64(bits)) * 2.0**-63
    z = w * w
    s = -3.5988430204672576e-06 + z * (5.6921364280986254e-08 + z * (-6.684416831856085e-10 + z * 5.87297574479995e-12))
    s = 0.07969262624616565 + z * (-4.681754135304255e-03 + z * (1.604411847130916e-04 + z * s))
    s = w * 1.5707963267948966 + w * z * (-0.6459640975062462 + z * s)
    c = 2.47372750411264e-05 + z * (-4.6476318093539006e-07 + z * (6.318119670622831e-09 + z * -6.30616956165683e-11))
    c = 1.0 + z * (-0.23370055013616783 + z * (0.01996895776483613 + z * (-8.94522998138162e-04 + z * c)))
    c *= fused(-w, w, 1.0)  # 1 - w^2 rounded once: w^2 rounded first would leave nothing right near the axis
    return as_float(as_bits(c) ^ np.int64(bits << _U63)), s


@apart
def fill_exponentials(lanes: Any, out: Any) -> None:
    """Fill ``out`` with standard exponentials."""
    words = as_uint64(out)
    fill_bits(lanes, words)
    for i in range(len(out)):
        out[i] = -log_unit(fine_uniform(words[i]))


@apart
def fill_normals(lanes: Any, out: Any) -> None:
    """Fill ``out`` (length `BUFFER`) with standard normals: pairs at a distance of half the buffer."""
    words = as_uint64(out)
    fill_bits(lanes, words)
    for i in range(_HALF):
        radius = math.sqrt(-2.0 * log_unit(fine_uniform(words[i])))
        cosine, sine = direction(words[_HALF + i])
        out[i] = radius * cosine
        out[_HALF + i] = radius * sine


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
