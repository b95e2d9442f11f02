"""Quantile functions of one coordinate that need no special function.

They take a *signed* tail probability t (t = u for u < 1/2, else u - 1), so that both tails have all their digits.

**Normal**: Wichura (1988, *Appl. Statist.* 37, 477), algorithm AS 241, rational approximations right to 1e-16.

>>> round(float(normal_quantile(0.025)), 6), round(float(normal_quantile(-0.025)), 6)
(-1.959964, 1.959964)
"""

from __future__ import annotations

import math

from ..lanes import log_unit
from ..typed import inline


@inline
def exponential_quantile(t: float) -> float:
    """Standard exponential: -log(1 - u)."""
    return -math.log1p(-t) if 0.0 < t < 0.1 else -log_unit(1.0 - t if t > 0.0 else -t)


@inline
def normal_quantile(t: float) -> float:
    """Standard normal."""
    tail = abs(t)
    centred = 0.5 - tail
    if centred <= 0.425:
        deviation = _central(centred)
    else:
        root = math.sqrt(-log_unit(tail))
        deviation = _outer(root - 1.6) if root <= 5.0 else _far(root - 5.0)
    return -deviation if t > 0.0 else deviation


@inline
def _central(q: float) -> float:
    """Distance from the median, |u - 1/2| = q up to 0.425."""
    r = 0.180625 - q * q
    upper = 45921.953931549871457 + r * (
        67265.770927008700853 + r * (33430.575583588128105 + r * 2509.0809287301226727)
    )
    upper = 3.387132872796366608 + r * (
        133.14166789178437745 + r * (1971.5909503065514427 + r * (13731.693765509461125 + r * upper))
    )
    lower = 39307.89580009271061 + r * (28729.085735721942674 + r * 5226.495278852854561)
    lower = 1.0 + r * (
        42.313330701600911252
        + r * (687.1870074920579083 + r * (5394.1960214247511077 + r * (21213.794301586595867 + r * lower)))
    )
    return q * upper / lower


@inline
def _outer(r: float) -> float:
    """Tail probabilities from exp(-25) to 0.075."""
    upper = 1.27045825245236838258 + r * (
        0.24178072517745061177 + r * (0.0227238449892691845833 + r * 7.7454501427834140764e-4)
    )
    upper = 1.42343711074968357734 + r * (
        4.6303378461565452959 + r * (5.7694972214606914055 + r * (3.64784832476320460504 + r * upper))
    )
    lower = 0.14810397642748007459 + r * (
        0.0151986665636164571966 + r * (5.475938084995344946e-4 + r * 1.05075007164441684324e-9)
    )
    lower = 1.0 + r * (2.05319162663775882187 + r * (1.6763848301838038494 + r * (0.68976733498510000455 + r * lower)))
    return upper / lower


@inline
def _far(r: float) -> float:
    """Tail probabilities below exp(-25)."""
    upper = 0.026532189526576123093 + r * (
        0.0012426609473880784386 + r * (2.71155556874348757815e-5 + r * 2.01033439929228813265e-7)
    )
    upper = 6.6579046435011037772 + r * (
        5.4637849111641143699 + r * (1.7848265399172913358 + r * (0.29656057182850489123 + r * upper))
    )
    lower = 7.868691311456132591e-4 + r * (
        1.8463183175100546818e-5 + r * (1.4215117583164458887e-7 + r * 2.04426310338993978564e-15)
    )
    lower = 1.0 + r * (
        0.59983220655588793769 + r * (0.13692988092273580531 + r * (0.0148753612908506148525 + r * lower))
    )
    return upper / lower
