"""Quantile functions of one coordinate that need no special function.

They take a *signed* tail probability t (t = u for u < 1/2, else u - 1), so that both tails have all their digits.

**Normal**: one at a time by Wichura (1988, *Appl. Statist.* 37, 477), algorithm AS 241, rational approximations right
to 1e-16. Many at once as Giles (2011, *GPU Computing Gems*, chapter 10) does: with w = -log(4 u (1 - u)) the quantile
over 1 - 2 u is a smooth function of w, here a polynomial of degree 23 for w < 6.25 (all but a thousandth of the
points), through Chebyshev points; no branch and no division keeps SIMD lanes from it. Right to 5e-16.

>>> round(normal_quantile(0.25), 6), round(normal_quantile(-0.25), 6)
(-0.67449, 0.67449)
"""

from __future__ import annotations

import math
from typing import Any

from ..lanes import log_unit
from ..typed import inline

#: Middle of the values of w that the polynomial is for, and the tail probability at their end.
_MIDDLE, _LEAST_TAIL = 3.125, 4.83e-4


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


@inline
def _scaled_quantile(y: float) -> float:
    """The quantile over 1 - 2 u, at w = y + 3.125."""
    p = 1.626377065902945e-18 + y * (-4.949188055590375e-19 + y * (-1.5747038487797289e-21 + y * 4.583048198098026e-21))
    p = -5.69675689717853e-17 + y * (-1.8408716141787847e-16 + y * (2.2025414916964945e-17 + y * p))
    p = -1.148115059715793e-13 + y * (-5.6586046712459645e-14 + y * (9.328729249848027e-15 + y * p))
    p = -7.65695838611443e-11 + y * (-1.8352087508984784e-11 + y * (3.720065404608353e-12 + y * p))
    p = -4.111172885960201e-08 + y * (-5.816180709117321e-09 + y * (1.4866469703719082e-09 + y * p))
    p = -1.9632852864329775e-05 + y * (-1.931065040514895e-06 + y * (5.988894869140176e-07 + y * p))
    p = -0.008532899177268757 + y * (-0.001047511569485382 + y * (0.0002640820495474566 + y * p))
    value: float = 2.338620710026593 + y * (0.3396349587011389 + y * p)
    return value


@inline
def fill_normal_quantiles(tails: Any, out: Any) -> None:
    """`normal_quantile` of each of ``tails``."""
    for j in range(len(tails)):
        tail = abs(tails[j])
        out[j] = -log_unit(4.0 * tail * (1.0 - tail)) - _MIDDLE
    far = 0
    for j in range(len(tails)):
        deviation = (1.0 - 2.0 * abs(tails[j])) * _scaled_quantile(out[j])
        out[j] = -deviation if tails[j] > 0.0 else deviation
        far += 1 if abs(tails[j]) < _LEAST_TAIL else 0
    if far > 0:
        for j in range(len(tails)):
            if abs(tails[j]) < _LEAST_TAIL:
                out[j] = normal_quantile(tails[j])
