# mypy: disable-error-code="untyped-decorator"
"""The inverse and the determinant of a small matrix of plain numbers: no library call, no exception.

For the sizes of a density, up to some sixty rows, a straight loop that runs along rows is faster than a call of LAPACK.
Gauss-Jordan elimination with row pivoting turns a matrix into its inverse in place, with n^3 multiplications; its
pivots multiply to the determinant.  (Peters and Wilkinson, *Comm. ACM* 18, 1975, on its stability.)  A singular matrix
comes back as NaN::

    inverse, summary = np.array([[4.0, 2.0], [2.0, 3.0]]), np.empty(3)
    invert(inverse.ctypes, summary.ctypes, 2)       # from compiled code
    determinant, sign, log_determinant = summary
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray, types

from fastfim import _jit

_FLOATS = types.CPointer(types.float64)


@_jit.external(types.void(_FLOATS, _FLOATS, types.int64))
def invert(matrix: Any, summary: Any, n: Any) -> None:
    """Replace an n x n matrix by its inverse, and fill ``summary`` with det, its sign, and log |det|."""
    m, about = carray(matrix, (n, n)), carray(summary, (3,))
    order = np.empty(n, np.int64)
    about[0], about[1], about[2] = 1.0, 1.0, 0.0
    for k in range(n):
        order[k] = _bring_pivot(m, k)
        pivot = m[k, k]
        if pivot == 0.0:
            about[0], about[1], about[2] = 0.0, 0.0, -math.inf
            m[:, :] = math.nan
            return
        swapped = -1.0 if order[k] != k else 1.0
        about[0] *= swapped * pivot
        about[1] *= math.copysign(swapped, swapped * pivot)
        about[2] += math.log(abs(pivot))
        _eliminate(m, k)
    for k in range(n - 1, -1, -1):
        if order[k] != k:
            for i in range(n):
                m[i, k], m[i, order[k]] = m[i, order[k]], m[i, k]


@_jit.inner
def _bring_pivot(m: Any, k: Any) -> Any:
    """Swap the largest entry of what is left of column k into row k, and say where it was."""
    best = k
    for i in range(k + 1, len(m)):
        if abs(m[i, k]) > abs(m[best, k]):
            best = i
    if best != k:
        for j in range(len(m)):
            m[k, j], m[best, j] = m[best, j], m[k, j]
    return best


@_jit.inner
def _eliminate(m: Any, k: Any) -> None:
    """Divide row k by its pivot, and take it from all others; column k becomes that of the inverse."""
    reciprocal, m[k, k] = 1.0 / m[k, k], 1.0
    for j in range(len(m)):
        m[k, j] *= reciprocal
    for i in range(len(m)):
        if i != k:
            factor, m[i, k] = m[i, k], 0.0
            for j in range(len(m)):
                m[i, j] -= factor * m[k, j]
