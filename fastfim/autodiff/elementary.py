# ruff: noqa: D103 - a rule is documented by its name and its formulas
"""Derivative rules of operators and of the elementary functions of `math` and NumPy.

The formulas are those of any table (NIST *Digital Library of Mathematical Functions*, chapter 4), written so that
they keep their relative accuracy at the ends: 1 - x² as (1 - x)(1 + x), sech² for the derivative of tanh (1 - tanh²
cancels), x/h and y/h in place of x² + y², which overflows.  Where a derivative does not exist, the convention is that
of a limit where there is one (``0.0 ** y``), the mean of both sides for ``abs`` at 0, else infinity or NaN.
"""

from __future__ import annotations

import math
from typing import Any

from fastfim.autodiff.emit import Emitter, Value
from fastfim.autodiff.numerics.psi import digamma, trigamma
from fastfim.autodiff.rules import Derivatives, rule
from fastfim.autodiff.selections import sign_of
from fastfim.autodiff.vector_math import log1p_up_to_one

LN2 = math.log(2.0)


@rule("operator.add", "operator.iadd", "numpy.add")
def add(e: Emitter, x: Value, y: Value) -> Derivatives:
    return x + y, (1.0, 1.0), (None, None, None)


@rule("operator.sub", "operator.isub", "numpy.subtract")
def subtract(e: Emitter, x: Value, y: Value) -> Derivatives:
    return x - y, (1.0, -1.0), (None, None, None)


@rule("operator.mul", "operator.imul", "numpy.multiply")
def multiply(e: Emitter, x: Value, y: Value) -> Derivatives:
    return x * y, (y, x), (None, 1.0, None)


@rule("operator.truediv", "operator.itruediv", "numpy.divide")
def divide(e: Emitter, x: Value, y: Value) -> Derivatives:
    q, r = e.quotient(x, y), e.quotient(1.0, y)
    return q, (r, lambda: -(q * r)), (None, lambda: -(r * r), lambda: 2 * (q * r) * r)


@rule("operator.neg", "numpy.negative")
def negative(e: Emitter, x: Value) -> Derivatives:
    return -x, (-1.0,), (None,)


@rule("operator.pos", "numpy.positive", "builtins.float", "numpy.float64")
def positive(e: Emitter, x: Value) -> Derivatives:
    return x, (1.0,), (None,)


@rule("numpy.reciprocal")
def reciprocal(e: Emitter, x: Value) -> Derivatives:
    r = 1 / x
    return r, (lambda: -(r * r),), (lambda: 2 * r * r * r,)


@rule("numpy.square")
def square(e: Emitter, x: Value) -> Derivatives:
    return x * x, (lambda: 2 * x,), (2.0,)


@rule("operator.pow", "operator.ipow", "builtins.pow", "math.pow", "numpy.power")
def power(e: Emitter, x: Value, y: Value) -> Derivatives:
    if y.constant is not None:
        return _power_constant(e, x, y.constant)
    value = e.call(math.pow, x, y)
    flat = (x == 0) & (y > 0)  # 0 ** y is 0 around y: no log(0)

    def lower() -> Value:
        return e.call(_power_below, x, y, value)

    def x_second() -> Value:
        return e.select(y * (y - 1) == 0, 0.0, y * (y - 1) * e.call(_power_below, x, y - 1, lower()))

    def mixed() -> Value:
        return e.select((x == 0) & (y > 1), 0.0, lower() * (1 + y * e.call(math.log, x)))

    def y_first() -> Value:
        return e.select(flat, 0.0, value * e.call(math.log, x))

    def y_second() -> Value:
        return e.select(flat, 0.0, value * e.call(math.log, x) * e.call(math.log, x))

    return value, (lambda: e.select(y == 0, 0.0, y * lower()), y_first), (x_second, mixed, y_second)


def _power_below(x: float, y: float, power: float) -> float:
    """``x ** (y - 1)`` from ``power = x ** y``: by division, unless the power has left the range of floats."""
    if 1e-280 < abs(power) < 1e300 and x != 0.0:
        return power / x
    return math.pow(x, y - 1.0)


def _power_constant(e: Emitter, x: Value, n: float) -> Derivatives:
    """Integer powers up to 4 by multiplication, the reciprocal, the root; all others by ``pow``."""

    def term(factor: float, exponent: float) -> Value | None:
        return None if factor == 0 else factor * _small_power(e, x, exponent)

    first, second = (lambda: term(n, n - 1)), (lambda: term(n * (n - 1), n - 2))
    return e.value(1.0) if n == 0 else _small_power(e, x, n), (first, None), (second, None, None)


def _small_power(e: Emitter, x: Value, n: float) -> Value:
    if n in (1.0, 2.0, 3.0, 4.0):
        squared = x * x if n > 1 else x
        return {1.0: lambda: x, 2.0: lambda: squared, 3.0: lambda: squared * x, 4.0: lambda: squared * squared}[n]()
    if n == 0:
        return e.value(1.0)
    if n == -1:
        return 1 / x
    return e.sqrt(x) if n == 0.5 else e.call(math.pow, x, n)


@rule("builtins.abs", "math.fabs", "numpy.abs", "numpy.fabs")
def absolute(e: Emitter, x: Value) -> Derivatives:
    return e.call(math.fabs, x), (lambda: sign_of(e, x),), (None,)


@rule("math.copysign", "numpy.copysign")
def copysign(e: Emitter, x: Value, y: Value) -> Derivatives:
    signs = e.call(math.copysign, 1.0, x) * e.call(math.copysign, 1.0, y)
    return e.call(math.copysign, x, y), (signs, None), (None, None, None)


@rule("math.sqrt", "numpy.sqrt")
def sqrt(e: Emitter, x: Value) -> Derivatives:
    root = e.sqrt(x)
    d = 0.5 / root
    return root, (d,), (lambda: -0.5 * (d / x),)


@rule("math.cbrt", "numpy.cbrt")
def cbrt(e: Emitter, x: Value) -> Derivatives:
    root = e.call(math.cbrt, x)
    d = 1 / (3 * root * root)
    return root, (d,), (lambda: -2 / 3 * (d / x),)


@rule("math.log", "numpy.log")
def log(e: Emitter, x: Value) -> Derivatives:
    r = 1 / x
    return e.call(math.log, x), (r,), (lambda: -(r * r),)


@rule("math.log1p", "numpy.log1p")
def log1p(e: Emitter, x: Value) -> Derivatives:
    r = e.quotient(1.0, 1 + x)
    return e.call(math.log1p, x), (r,), (lambda: -(r * r),)


@rule("math.log2", "numpy.log2")
def log2(e: Emitter, x: Value) -> Derivatives:
    r = 1 / x
    return e.call(math.log2, x), (lambda: r / LN2,), (lambda: -(r * r) / LN2,)


@rule("math.log10", "numpy.log10")
def log10(e: Emitter, x: Value) -> Derivatives:
    r, ln10 = 1 / x, math.log(10.0)
    return e.call(math.log10, x), (lambda: r / ln10,), (lambda: -(r * r) / ln10,)


@rule("math.exp", "numpy.exp")
def exp(e: Emitter, x: Value) -> Derivatives:
    value = e.call(math.exp, x)
    return value, (value,), (value,)


@rule("math.exp2", "numpy.exp2")
def exp2(e: Emitter, x: Value) -> Derivatives:
    value = e.call(math.exp2, x)
    return value, (lambda: LN2 * value,), (lambda: LN2 * LN2 * value,)


@rule("math.expm1", "numpy.expm1")
def expm1(e: Emitter, x: Value) -> Derivatives:
    d = e.call(math.exp, x)
    return e.call(math.expm1, x), (d,), (d,)


@rule("math.sin", "numpy.sin")
def sin(e: Emitter, x: Value) -> Derivatives:
    s, c = e.call(math.sin, x), e.call(math.cos, x)
    return s, (c,), (lambda: -s,)


@rule("math.cos", "numpy.cos")
def cos(e: Emitter, x: Value) -> Derivatives:
    s, c = e.call(math.sin, x), e.call(math.cos, x)
    return c, (lambda: -s,), (lambda: -c,)


@rule("math.tan", "numpy.tan")
def tan(e: Emitter, x: Value) -> Derivatives:
    t = e.call(math.tan, x)
    d = 1 + t * t
    return t, (d,), (lambda: 2 * t * d,)


@rule("math.asin", "numpy.arcsin")
def asin(e: Emitter, x: Value) -> Derivatives:
    c = (1 - x) * (1 + x)
    d = 1 / e.sqrt(c)
    return e.call(math.asin, x), (d,), (lambda: x * d / c,)


@rule("math.acos", "numpy.arccos")
def acos(e: Emitter, x: Value) -> Derivatives:
    c = (1 - x) * (1 + x)
    d = -1 / e.sqrt(c)
    return e.call(math.acos, x), (d,), (lambda: x * d / c,)


@rule("math.atan", "numpy.arctan")
def atan(e: Emitter, x: Value) -> Derivatives:
    d = 1 / (1 + x * x)
    return e.call(math.atan, x), (d,), (lambda: -2 * (x * d) * d,)


@rule("math.atan2", "numpy.arctan2")
def atan2(e: Emitter, y: Value, x: Value) -> Derivatives:
    h = e.call("hypot", x, y)
    c, s = x / h, y / h

    def turn() -> Value:
        return 2 * c * s / h / h

    return e.call(math.atan2, y, x), (c / h, -(s / h)), (lambda: -turn(), lambda: (s - c) * (s + c) / h / h, turn)


@rule("math.hypot", "numpy.hypot")
def hypot(e: Emitter, x: Value, y: Value) -> Derivatives:
    h = e.call("hypot", x, y)
    c, s = e.select(h == 0, 0.0, x / h), e.select(h == 0, 0.0, y / h)
    return h, (c, s), (lambda: s * s / h, lambda: -(s * c) / h, lambda: c * c / h)


@rule("math.sinh", "numpy.sinh")
def sinh(e: Emitter, x: Value) -> Derivatives:
    s, c = e.call(math.sinh, x), e.call(math.cosh, x)
    return s, (c,), (s,)


@rule("math.cosh", "numpy.cosh")
def cosh(e: Emitter, x: Value) -> Derivatives:
    s, c = e.call(math.sinh, x), e.call(math.cosh, x)
    return c, (s,), (c,)


@rule("math.tanh", "numpy.tanh")
def tanh(e: Emitter, x: Value) -> Derivatives:
    t, k = e.call(math.tanh, x), 1 / e.call(math.cosh, x)
    return t, (lambda: k * k,), (lambda: -2 * t * k * k,)


@rule("math.asinh", "numpy.arcsinh")
def asinh(e: Emitter, x: Value) -> Derivatives:
    r = 1 / e.call("hypot", 1.0, x)
    return e.call(math.asinh, x), (r,), (lambda: -(x * r) * r * r,)


@rule("math.acosh", "numpy.arccosh")
def acosh(e: Emitter, x: Value) -> Derivatives:
    r = 1 / (e.sqrt(x - 1) * e.sqrt(x + 1))
    return e.call(math.acosh, x), (r,), (lambda: -(x * r) * r * r,)


@rule("math.atanh", "numpy.arctanh")
def atanh(e: Emitter, x: Value) -> Derivatives:
    d = 1 / ((1 - x) * (1 + x))
    return e.call(math.atanh, x), (d,), (lambda: 2 * x * d * d,)


@rule("math.degrees", "numpy.degrees", "numpy.rad2deg")
def degrees(e: Emitter, x: Value) -> Derivatives:
    return x * (180 / math.pi), (180 / math.pi,), (None,)


@rule("math.radians", "numpy.radians", "numpy.deg2rad")
def radians(e: Emitter, x: Value) -> Derivatives:
    return x * (math.pi / 180), (math.pi / 180,), (None,)


def _gaussian(e: Emitter, x: Value) -> Value:
    """``exp(-x²)``; the rounding error of the square, which the exponential would magnify, is put back."""
    square = x * x
    error = e.fma(x, x, -square)
    return e.call(math.exp, -square) * e.select(square < 1e4, 1 - error, 1.0)


@rule("math.erf", "scipy.special.erf")
def erf(e: Emitter, x: Value) -> Derivatives:
    d = 2 / math.sqrt(math.pi) * _gaussian(e, x)
    return e.call(math.erf, x), (d,), (lambda: -2 * x * d,)


@rule("math.erfc", "scipy.special.erfc")
def erfc(e: Emitter, x: Value) -> Derivatives:
    d = -2 / math.sqrt(math.pi) * _gaussian(e, x)
    return e.call(math.erfc, x), (d,), (lambda: -2 * x * d,)


@rule("math.lgamma")
def lgamma(e: Emitter, x: Value) -> Derivatives:
    return e.call(math.lgamma, x), (lambda: e.call(digamma, x),), (lambda: e.call(trigamma, x),)


@rule("math.gamma")
def gamma(e: Emitter, x: Value) -> Derivatives:
    value, psi = e.call(math.gamma, x), e.call(digamma, x)
    return value, (lambda: value * psi,), (lambda: value * (psi * psi + e.call(trigamma, x)),)


def _log_add(e: Emitter, x: Value, y: Value, exp: Any, unit: float) -> Derivatives:
    """``log(exp(x) + exp(y))`` to the base ``exp(unit)``; its derivatives are the shares of the terms in the sum."""
    distance = e.select(x == y, 0.0, x - y)  # -inf against -inf
    ratio = exp(-e.call(math.fabs, distance))
    larger = e.quotient(1.0, 1 + ratio)
    smaller, first_is_larger = ratio * larger, distance > 0
    first, second = e.select(first_is_larger, larger, smaller), e.select(first_is_larger, smaller, larger)
    spread = unit * (larger * smaller)
    above = log1p_up_to_one(e, ratio) if ratio.width > 1 else e.call(math.log1p, ratio)
    return e.select(x > y, x, y) + above / unit, (first, second), (spread, lambda: -spread, spread)


@rule("numpy.logaddexp")
def logaddexp(e: Emitter, x: Value, y: Value) -> Derivatives:
    return _log_add(e, x, y, lambda v: e.call(math.exp, v), 1.0)


@rule("numpy.logaddexp2")
def logaddexp2(e: Emitter, x: Value, y: Value) -> Derivatives:
    return _log_add(e, x, y, lambda v: e.call(math.exp2, v), LN2)
