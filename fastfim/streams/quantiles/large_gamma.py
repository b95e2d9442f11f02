"""Incomplete gamma functions of large shapes, in both tails to full relative precision.

Temme (1979, *SIAM J. Math. Anal.* 10, 757): with x = a (1 + m), eta^2 / 2 = m - log(1 + m), eta of the sign of m,

    Q(a, x) = erfc(eta sqrt(a/2)) / 2 + R,   P(a, x) = erfc(-eta sqrt(a/2)) / 2 - R,
    R = exp(-a eta^2 / 2) / sqrt(2 pi a) (c_0(eta) + c_1(eta) / a + c_2(eta) / a^2 + ...),

c_k being power series. Beyond `LARGE` and within ten standard deviations the terms kept here suffice for 1e-14; SciPy's
functions, which sum a power series beyond 4.5 standard deviations, give up after 2,000 terms there.
"""

from __future__ import annotations

import math

from ..special import erfcx
from ..typed import inline
from ..variates.masses import deviance

#: Shapes from which on this is the way.
LARGE = 2e4


@inline
def large_gamma_tails(a: float, x: float) -> tuple[float, float]:
    """P(a, x) and Q(a, x)."""
    if x <= 0.0:
        return 0.0, 1.0
    exponent = deviance(a, x)
    height = math.exp(-exponent)
    y = math.copysign(math.sqrt(exponent), x - a)
    eta = y * math.sqrt(2.0 / a)
    c0 = 1.0 / 2835.0 + eta * (-139.0 / 777600.0 + eta / 25515.0)
    c0 = -1.0 / 3.0 + eta * (1.0 / 12.0 + eta * (-2.0 / 135.0 + eta * (1.0 / 864.0 + eta * c0)))
    c1 = -1.0 / 540.0 + eta * (-1.0 / 288.0 + eta * (1.0 / 378.0 - eta * 77.0 / 77760.0))
    correction = height / math.sqrt(2.0 * math.pi * a) * (c0 + (c1 + 25.0 / 6048.0 / a) / a)
    if y < 0.0:
        below = 0.5 * height * erfcx(-y) - correction
        return below, 1.0 - below
    above = 0.5 * height * erfcx(y) + correction
    return 1.0 - above, above
