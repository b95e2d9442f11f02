"""Digamma and trigamma: upward recurrence, then the asymptotic series (NIST DLMF 5.11.2, 5.15.8)."""

from __future__ import annotations

import math


def digamma(x: float) -> float:
    """Logarithmic derivative of the gamma function."""
    result = 0.0
    if x < 0.0:
        result, x = -math.pi / math.tan(math.pi * x), 1.0 - x
    while x < 10.0:
        result -= 1.0 / x
        x += 1.0
    i = 1.0 / (x * x)
    series = i * (1 / 12 - i * (1 / 120 - i * (1 / 252 - i * (1 / 240 - i * (1 / 132 - i * (691 / 32760 - i / 12))))))
    return result + math.log(x) - 0.5 / x - series


def trigamma(x: float) -> float:
    """Derivative of `digamma`."""
    result, sign = 0.0, 1.0
    if x < 0.0:
        q = math.pi / math.sin(math.pi * x)
        result, sign, x = q * q, -1.0, 1.0 - x
    total = 0.0
    while x < 10.0:
        total += 1.0 / (x * x)
        x += 1.0
    i = 1.0 / (x * x)
    series = i / x * (1 / 6 - i * (1 / 30 - i * (1 / 42 - i * (1 / 30 - i * (5 / 66 - i * (691 / 2730 - i * 7 / 6))))))
    return result + sign * (total + 1.0 / x + 0.5 * i + series)
