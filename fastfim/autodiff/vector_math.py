"""Exponential functions and logarithms of whole vectors, as straight-line instructions.

The compiler turns ``exp`` of eight numbers into eight calls of the C library, each of which spills every register that
the density holds.  The forms here have no branches and no tables, so eight take little longer than one, and what
depends on the parameters alone still leaves the loop over draws.

**Exponentials** (Cody and Waite 1980, *Software Manual for the Elementary Functions*): x = k ln 2 + r with
|r| <= ln(2) / 2, where ``k ln 2`` is subtracted in two parts, the upper one exact; exp(r) is its Taylor polynomial of
degree 13, whose remainder is below 5e-18.  2^k is applied as two factors, so that subnormal results round once.

**Logarithms** (fdlibm, Sun Microsystems 1993): x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), s = f / (2 + f), and
log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)) with a minimax polynomial R.

Results are within two units in the last place of the exact ones, at any argument; infinities and NaN are those of
`math`, without its exceptions.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from fastfim.autodiff.emit import INDEX, VECTOR_FORMS, Emitter, Operand, Value

LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
#: Adding it leaves the nearest integer in the low bits: conversion both ways without a conversion instruction.
ROUNDER, ROUNDER_BITS = 6755399441055744.0, 0x4338000000000000
ONE_EXPONENT, MANTISSA = 1023, 52
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
SMALLEST_NORMAL = 2.0**-1022
#: Of (2 atanh(s) - 2 s) / s^3 in s^2 up to 1/9, by interpolation at the Chebyshev points.
ATANH_TAIL = (
    0.6666666666666666,
    0.40000000000014585,
    0.2857142856710876,
    0.22222222717427864,
    0.18181789436132859,
    0.15385570064958623,
    0.13314144209654935,
    0.12001072809590713,
    0.08800738486144674,
    0.1616404561194353,
)


def _integers(x: Value, value: int) -> Any:
    return ir.Constant(ir.VectorType(INDEX, x.width), [value] * x.width)


def _bits(x: Value) -> Any:
    return x.emitter.builder.bitcast(x.ir, ir.VectorType(INDEX, x.width))


def _floats(like: Value, bits: Any) -> Value:
    return Value(like.emitter, like.emitter.builder.bitcast(bits, like.ir.type))


def _power_of_two(x: Value, k: Any) -> Value:
    """``2.0 ** k`` for integers that give a normal number."""
    b = x.emitter.builder
    return _floats(x, b.shl(b.add(k, _integers(x, ONE_EXPONENT)), _integers(x, MANTISSA)))


def _polynomial(x: Value, coefficients: tuple[float, ...]) -> Value:
    """Coefficients from the constant upwards, pairs first (Estrin): half the waiting of Horner's rule."""
    terms, power = [x.emitter.splat(c, x.width) for c in coefficients], x
    while len(terms) > 1:
        odd = [terms.pop()] if len(terms) % 2 else []
        terms = [power * high + low for low, high in zip(terms[::2], terms[1::2], strict=True)] + odd
        power = power * power
    return terms[0]


def _reduced(e: Emitter, x: Value, lowest: float) -> tuple[Any, Value]:
    """The integer k and exp(r) - 1, where x = k ln 2 + r; x is kept between ``lowest`` and what overflows."""
    x = e.select(x < lowest, lowest, e.select(x > 710.0, 710.0, x))
    shifted = x * LOG2_E + ROUNDER
    k = shifted - ROUNDER
    r = x - k * LN2_HIGH - k * LN2_LOW
    tail = _polynomial(r, tuple(1.0 / math.factorial(i) for i in range(2, 14)))
    return e.builder.sub(_bits(shifted), _integers(x, ROUNDER_BITS)), r * r * tail + r


def exp(e: Emitter, x: Value) -> Value:
    """Exponential function."""
    k, tail = _reduced(e, x, -746.0)
    half = e.builder.ashr(k, _integers(x, 1))
    return (1 + tail) * _power_of_two(x, half) * _power_of_two(x, e.builder.sub(k, half))


def expm1(e: Emitter, x: Value) -> Value:
    """``exp(x) - 1``, as twice 2^(k-1) (exp(r) - 1) + 2^(k-1) - 1/2, which cannot overflow on the way."""
    k, tail = _reduced(e, x, -60.0)
    half = _power_of_two(x, e.builder.sub(k, _integers(x, 1)))
    return 2 * (half * tail + (half - 0.5))


def _split(x: Value) -> tuple[Any, Value, Value]:
    """K as an integer and as a number, and f, where x = 2^k (1 + f)."""
    b, bits = x.emitter.builder, _bits(x)
    k = b.ashr(b.sub(bits, _integers(x, SQRT_HALF_BITS)), _integers(x, MANTISSA))
    f = _floats(x, b.sub(bits, b.shl(k, _integers(x, MANTISSA)))) - 1
    return k, _floats(x, b.add(k, _integers(x, ROUNDER_BITS))) - ROUNDER, f


def _joined(k: Value, f: Value, correction: Operand) -> Value:
    """``k ln 2 + log(1 + f) + correction``."""
    s = f / (2 + f)
    z = s * s
    w = z * z
    even = w * (0.3999999999940941908 + w * (0.2222219843214978396 + w * 0.1531383769920937332))
    odd = 0.2857142874366239149 + w * (0.1818357216161805012 + w * 0.1479819860511658591)
    r = even + z * (0.6666666666666735130 + w * odd)
    square = 0.5 * f * f
    return k * LN2_HIGH - (square - (s * (square + r) + (k * LN2_LOW + correction)) - f)


def _at_the_ends(e: Emitter, x: Value, result: Value, zero: float) -> Value:
    """A logarithm that is -inf at ``zero``, NaN below, and infinite at infinity."""
    below = e.select(x == zero, -math.inf, math.nan)
    return e.select(x > zero, e.select(x == math.inf, math.inf, result), below)


def log(e: Emitter, x: Value) -> Value:
    """Natural logarithm."""
    small = x < SMALLEST_NORMAL
    _, k, f = _split(e.select(small, x * 2.0**54, x))
    return _at_the_ends(e, x, _joined(k - e.select(small, 54.0, 0.0), f, 0.0), 0.0)


def log1p(e: Emitter, x: Value) -> Value:
    """``log(1 + x)``; what 1 + x loses to rounding comes back as a correction, and where k = 0, f is x itself."""
    u = 1 + x
    whole, k, f = _split(u)
    near = Value(e, e.builder.icmp_signed("==", whole, _integers(x, 0)))
    lost = e.quotient(e.select(k >= 2, 1 - (u - x), x - (u - 1)), u)
    return _at_the_ends(e, x, _joined(k, e.select(near, x, f), e.select(near, 0.0, lost)), -1.0)


def log1p_up_to_one(e: Emitter, x: Value) -> Value:
    """``log(1 + x)`` of x in [0, 1], where nothing need be reduced: half the instructions, and one division of two."""
    s = x / (2 + x)
    z = s * s
    return x - s * (x - z * _polynomial(z, ATANH_TAIL))


VECTOR_FORMS.update({math.exp: exp, math.expm1: expm1, math.log: log, math.log1p: log1p})
