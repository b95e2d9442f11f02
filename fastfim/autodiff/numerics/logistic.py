"""Logistic and entropy functions, each in the form that keeps its digits at both ends.

The derivative of the logistic function is the product of the two tails, expit(x) expit(-x), never p (1 - p)::

    expit(-800.0), log_expit(-800.0)  # 0.0 (e^-800 underflows), -800.0
"""

from __future__ import annotations

import math

from fastfim.autodiff.numerics.compile import compilable


@compilable
def expit(x: float) -> float:
    """Logistic function 1 / (1 + e^-x)."""
    tail = math.exp(-abs(x))
    return (1.0 if x >= 0.0 else tail) / (1.0 + tail)


@compilable
def log_expit(x: float) -> float:
    """Logarithm of `expit`."""
    return min(x, 0.0) - math.log1p(math.exp(-abs(x)))


@compilable
def logit(p: float) -> float:
    """Inverse of `expit`."""
    if p <= 0.0 or p >= 1.0:
        return -math.inf if p == 0.0 else math.inf if p == 1.0 else math.nan
    if 0.3 < p < 0.65:
        s = 2.0 * (p - 0.5)
        return math.log1p(s) - math.log1p(-s)
    return math.log(p) - math.log1p(-p)


@compilable
def xlogy(x: float, y: float) -> float:
    """Product x log(y), zero where x is zero."""
    if x == 0.0 and not math.isnan(y):
        return 0.0
    if y <= 0.0:
        return x * -math.inf if y == 0.0 else math.nan
    return x * math.log(y)


@compilable
def xlog1py(x: float, y: float) -> float:
    """Product x log(1 + y), zero where x is zero."""
    if x == 0.0 and not math.isnan(y):
        return 0.0
    if y <= -1.0:
        return x * -math.inf if y == -1.0 else math.nan
    return x * math.log1p(y)


@compilable
def entr(x: float) -> float:
    """Entropy term -x log(x); -inf for negative x."""
    return -math.inf if x < 0.0 else -xlogy(x, x)


@compilable
def rel_entr(x: float, y: float) -> float:
    """Relative entropy term x log(x / y)."""
    if math.isnan(x) or math.isnan(y):
        return math.nan
    if x > 0.0 and y > 0.0:
        return x * log_quotient(x, y)
    return 0.0 if x == 0.0 and y >= 0.0 else math.inf


@compilable
def log_quotient(x: float, y: float) -> float:
    """log(x / y) for positive x and y: near 1 without cancellation, and also where x / y overflows."""
    ratio = x / y
    if 0.5 < ratio < 2.0:
        return math.log1p((x - y) / y)
    return math.log(ratio) if 1e-300 < ratio < 1e300 else math.log(x) - math.log(y)
