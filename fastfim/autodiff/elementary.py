# ruff: noqa: D103 - a rule is documented by its name and its formulas
"""Derivative rules of arithmetic and of the elementary functions of `math` and NumPy."""

from __future__ import annotations

import math

from fastfim.autodiff.emit import Emitter, Value
from fastfim.autodiff.rules import Derivatives, rule


@rule("operator.add", "operator.iadd", "numpy.add")
def add(e: Emitter, x: Value, y: Value) -> Derivatives:
    return x + y, (1.0, 1.0), (None, None, None)


@rule("math.log", "numpy.log")
def log(e: Emitter, x: Value) -> Derivatives:
    r = 1 / x
    return e.call(math.log, x), (r,), (lambda: -r * r,)
