"""Functions of `scipy.special` spelled out in ordinary Python, to be compiled along like a user's own helper.

A function of a vector, or of a varying number of arguments, is not one rule of the table; written as loops and calls of
functions that have rules, it carries derivatives like any other source.  `SPELLED` maps dotted names to these::

    logsumexp(np.array([0.0, -math.inf]))  # 0.0
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fastfim.autodiff.numerics import hurwitz


def logsumexp(a: Any) -> Any:
    """Logarithm of the sum of exponentials of a vector; entries of -inf add nothing, also to the derivatives."""
    largest = -math.inf
    for v in a:
        if v > largest:
            largest = v
    if math.isinf(largest):
        return largest
    total = 0.0
    for v in a:
        if v > -math.inf:  # the derivatives of log(0) are infinite, and 0 times infinity is not 0
            total += math.exp(v - largest)
    return largest + math.log(total)


def zeta(x: Any, q: Any = None) -> Any:
    """Hurwitz zeta function; with one argument, Riemann's."""
    if q is None:
        return hurwitz.riemann_zeta(x)
    return hurwitz.zeta(x, q)


def multigammaln(a: Any, d: Any) -> Any:
    """Logarithm of the gamma function of dimension d."""
    result = 0.25 * d * (d - 1) * math.log(math.pi)
    for j in range(d):
        result += math.lgamma(a - 0.5 * j)
    return result


#: What stands for each function, by its dotted name.
SPELLED: dict[str, Callable[..., Any]] = {
    "scipy.special.logsumexp": logsumexp,
    "scipy.special.multigammaln": multigammaln,
    "scipy.special.zeta": zeta,
}
