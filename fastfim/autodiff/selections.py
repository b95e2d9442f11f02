# ruff: noqa: D103 - an entry is documented by its name and its condition
"""Entries of the table that select, look or refuse: ``max``, comparisons, ``isnan``; ``floor`` and ``%``."""

from __future__ import annotations

import math

from fastfim.autodiff.emit import Emitter, Value
from fastfim.autodiff.rules import choice, predicate, refuse


def sign_of(e: Emitter, x: Value) -> Value:
    return e.select(x > 0, 1.0, e.select(x < 0, -1.0, x))


@choice("builtins.max")
def larger(e: Emitter, x: Value, y: Value) -> Value:
    return ~(y > x)


@choice("builtins.min")
def smaller(e: Emitter, x: Value, y: Value) -> Value:
    return ~(y < x)


@choice("numpy.maximum")
def maximum(e: Emitter, x: Value, y: Value) -> Value:
    return (x >= y) | (x != x)


@choice("numpy.minimum")
def minimum(e: Emitter, x: Value, y: Value) -> Value:
    return (x <= y) | (x != x)


@choice("numpy.fmax")
def fmax(e: Emitter, x: Value, y: Value) -> Value:
    return (x >= y) | (y != y)


@choice("numpy.fmin")
def fmin(e: Emitter, x: Value, y: Value) -> Value:
    return (x <= y) | (y != y)


@predicate("operator.lt", "numpy.less")
def less(e: Emitter, x: Value, y: Value) -> Value:
    return x < y


@predicate("operator.le", "numpy.less_equal")
def less_equal(e: Emitter, x: Value, y: Value) -> Value:
    return x <= y


@predicate("operator.gt", "numpy.greater")
def greater(e: Emitter, x: Value, y: Value) -> Value:
    return x > y


@predicate("operator.ge", "numpy.greater_equal")
def greater_equal(e: Emitter, x: Value, y: Value) -> Value:
    return x >= y


@predicate("operator.eq", "numpy.equal")
def equal(e: Emitter, x: Value, y: Value) -> Value:
    return x == y


@predicate("operator.ne", "numpy.not_equal")
def not_equal(e: Emitter, x: Value, y: Value) -> Value:
    return x != y


@predicate("operator.not_", "numpy.logical_not")
def is_zero(e: Emitter, x: Value) -> Value:
    return x == 0


@predicate("builtins.bool")
def is_true(e: Emitter, x: Value) -> Value:
    return x != 0


@predicate("math.isnan", "numpy.isnan")
def isnan(e: Emitter, x: Value) -> Value:
    return x != x


@predicate("math.isinf", "numpy.isinf")
def isinf(e: Emitter, x: Value) -> Value:
    return e.call(math.fabs, x) == math.inf


@predicate("math.isfinite", "numpy.isfinite")
def isfinite(e: Emitter, x: Value) -> Value:
    return e.call(math.fabs, x) < math.inf


@predicate("numpy.signbit")
def signbit(e: Emitter, x: Value) -> Value:
    return e.call(math.copysign, 1.0, x) < 0


@predicate("numpy.sign", truth=False)
def sign(e: Emitter, x: Value) -> Value:
    return sign_of(e, x)


ROUNDING = (
    "rounding makes it a step function, whose derivative is 0 almost everywhere and misses the jumps. Round a quantity "
    "that does not depend on theta, or keep the value as it is."
)
REMAINDER = (
    "a quotient or remainder of whole numbers jumps, and its derivative misses the jumps. Use / for division, or apply "
    "it to quantities that do not depend on theta."
)
for _name in ("builtins.int", "builtins.round", "math.floor", "math.ceil", "math.trunc", "numpy.floor", "numpy.ceil"):
    refuse(_name, advice=ROUNDING)
for _name in ("numpy.trunc", "numpy.rint", "numpy.round", "numpy.around", "numpy.int64", "numpy.int32"):
    refuse(_name, advice=ROUNDING)
for _name in ("numpy.float32", "numpy.float16", "numpy.int16", "numpy.int8", "numpy.uint32", "numpy.uint64"):
    refuse(_name, advice=ROUNDING)
for _name in ("operator.floordiv", "operator.ifloordiv", "operator.mod", "operator.imod", "builtins.divmod"):
    refuse(_name, advice=REMAINDER)
for _name in ("builtins.str", "builtins.repr"):
    refuse(_name, advice="a text carries no derivatives. Compute with the number itself.")
for _name in ("math.fmod", "math.remainder", "numpy.fmod", "numpy.mod", "numpy.floor_divide", "math.modf"):
    refuse(_name, advice=REMAINDER)
