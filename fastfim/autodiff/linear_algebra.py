# mypy: disable-error-code="untyped-decorator"
"""Small linear systems and determinants of numbers that depend on theta: each operation has a rule of its own.

A dual number is a polynomial in the infinitesimals e_i, cut off behind the second order; so is a matrix A of such
numbers: A = A0 + (nilpotent).  Three facts about such matrices give all derivatives from one factorization of the
plain matrix A0 and products with it.

*Solutions.*  Newton's step for A x = b, with the plain inverse in place of the true one,

    x  <-  x + A0^-1 (b - A x),

multiplies the error by I - A0^-1 A, which is nilpotent: every step makes one more order of derivatives exact.  Hence
dx = A0^-1 (db - dA x) and its like at order two; the inverse is the solution with b = I.  A step costs n^2 products a
column, where a trace of the elimination costs n^3 / 3.  In a triangular system substitution costs as little itself.

*Determinants.*  With E = A0^-1 (A - A0), log det A = log det A0 + tr E - tr(E^2) / 2 exactly to second order
(d log det A = tr(A^-1 dA); Petersen and Pedersen, *The Matrix Cookbook*, 2012, section 2.1).

*Cholesky factors.*  Differentiating A = L L^T gives linear equations, dL L^T + L dL^T = dA; differentiated once
more, the same for the second order.  Their solution is dL = L Phi(L^-1 dA L^-T), where Phi takes the lower
triangle and half the diagonal (Smith 1995; Murray 2016, arXiv:1602.07527); as they are triangular themselves,
substitution solves them, column by column along with L, at two multiplications a term where Phi's two triangular solves
and its product take five.

A matrix that is not positive definite has a factor of NaN, a singular system a solution of NaN: compiled code raises
nothing where the answer is a matter of the numbers alone.  The same functions serve plain numbers, in a sampler, say::

    def logpdf(x, theta):
        L = np.linalg.cholesky(covariance(theta))
        z = np.linalg.solve(L, x - mean(theta))
        return -0.5 * np.sum(z**2) - np.sum(np.log(np.diag(L)))
"""

from __future__ import annotations

import functools
import math
from collections import namedtuple
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from fastfim import _jit
from fastfim._arrays import empty, empty_of, zeros_of
from fastfim.autodiff import rules
from fastfim.autodiff.components import extended, truncated, truncation, vanishes
from fastfim.autodiff.dtype import DualDType
from fastfim.autodiff.elementwise import result_dtype
from fastfim.autodiff.expressions import element
from fastfim.autodiff.number import REAL, Active
from fastfim.autodiff.numerics.inversion import invert
from fastfim.autodiff.operations import Operation
from fastfim.autodiff.seeds import value
from fastfim.autodiff.shared import shared
from fastfim.autodiff.vectors import UNBOXED, anything, element_type, is_matrix, stands_in_for

SlogdetResult = namedtuple("SlogdetResult", ("sign", "logabsdet"))

_root: Any = Operation(math.sqrt, rules.callables(rules.ENTRIES)[math.sqrt], None, None)


def _holds_numbers(kind: Any) -> bool:
    return isinstance(element(kind), (Active, *REAL))


def _may_invert(kind: Any) -> bool:
    """Whether it is a matrix for which pivots can be chosen: of one draw."""
    return bool(is_matrix(kind) and _holds_numbers(kind) and getattr(element(kind), "draws", 1) == 1)


def _order(*kinds: Any) -> int:
    """How many orders of derivatives the elements of matrices carry."""
    return max((getattr(e, "order", 1) for k in kinds if isinstance(e := element(k), Active)), default=0)


def _matrix_of(dtype: Any) -> Any:
    """Type of a matrix that is made with this dtype."""
    return types.Array(dtype.kind if isinstance(dtype, DualDType) else types.float64, 2, "C")


@_jit.inner
def _side(a: Any) -> Any:
    if a.shape[0] != a.shape[1]:
        raise ValueError("np.linalg: the matrix is not square")
    return a.shape[0]


@_jit.inner
def _plain_inverse(a: Any) -> Any:
    """The inverse of the matrix of values, and its determinant: (det, sign, log |det|)."""
    n = len(a)
    inverse, summary = empty((n, n)), empty(3)
    for i in range(n):
        for j in range(n):
            inverse[i, j] = value(a[i, j])
    invert(inverse.ctypes, summary.ctypes, n)
    return inverse, summary


# ---------------------------------------------------------------- Cholesky


@stands_in_for(np.linalg.cholesky, plain=anything)
def cholesky(a: Any) -> Any:
    """``np.linalg.cholesky``: the lower triangular L with L L^T = a; reads the lower triangle of a."""
    dtype: Any = result_dtype((a,))

    if not (is_matrix(a) and _holds_numbers(a)):
        return None
    fill = _factor(a, _matrix_of(dtype))

    def factor(a: Any) -> Any:
        n = _side(a)
        lower = zeros_of((n, n), dtype)
        fill(a, lower)
        return lower

    return factor


@shared
def _factor(a: Any, lower: Any) -> None:
    for j in range(len(a)):
        pivot = _remainder(a, lower, j, j)
        if not pivot > 0.0:
            pivot = pivot * math.nan
        lower[j, j] = _root(pivot)
        reciprocal = 1.0 / lower[j, j]
        for i in range(j + 1, len(a)):
            lower[i, j] = _remainder(a, lower, i, j) * reciprocal


@_jit.inner
def _remainder(a: Any, lower: Any, i: Any, j: Any) -> Any:
    s = a[i, j]
    for k in range(j):
        s -= lower[i, k] * lower[j, k]
    return s


# ---------------------------------------------------------------- systems


@stands_in_for(np.linalg.solve, plain=anything)
def solve(a: Any, b: Any) -> Any:
    """``np.linalg.solve`` for one right-hand side, or several as columns."""
    if not (_may_invert(a) and _holds_numbers(b)):
        return None
    dtype: Any = result_dtype((a, b))
    replace, steps = _replace(a, _matrix_of(dtype), types.intp), max(1, _order(a))

    def one(a: Any, b: Any) -> Any:
        _check_sides(a, b)
        x = empty_of((len(b), 1), dtype)
        for i in range(len(b)):
            x[i, 0] = b[i]
        replace(a, x, steps)
        return x[:, 0]

    def several(a: Any, b: Any) -> Any:
        _check_sides(a, b)
        x = empty_of(b.shape, dtype)
        for i in range(b.shape[0]):
            for j in range(b.shape[1]):
                x[i, j] = b[i, j]
        replace(a, x, steps)
        return x

    return several if is_matrix(b) else one if element_type(b) else None


@stands_in_for(np.linalg.inv, plain=anything)
def inv(a: Any) -> Any:
    """``np.linalg.inv``."""
    if not _may_invert(a):
        return None
    dtype: Any = result_dtype((a,))
    replace, steps = _replace(a, _matrix_of(dtype), types.intp), max(1, _order(a))

    def inverse(a: Any) -> Any:
        n = _side(a)
        x = zeros_of((n, n), dtype)
        for i in range(n):
            x[i, i] = 1.0
        replace(a, x, steps)
        return x

    return inverse


@_jit.inner
def _check_sides(a: Any, b: Any) -> None:
    if _side(a) != len(b):
        raise ValueError("np.linalg.solve: the right-hand side is not as long as the matrix is high")


@functools.partial(shared, by_tiles=True)  # what is compared is the matrix, which is of one draw
def _replace(a: Any, x: Any, steps: Any) -> None:
    """Replace the columns of ``x`` by the solutions of ``a x = b``."""
    full = 0  # halves that hold anything: the upper one, then the lower one too
    for below in range(2):  # no constants, so that one function is compiled for both
        if full == below and _is_there(a, below):
            full += 1
    if full == 2:
        _newton(a, x, steps)
    elif x.shape[1] == 1:
        _substitute(a, x, 1, full == 0)  # a loop less: 1.1 times faster for 50 numbers
    else:
        _substitute(a, x, x.shape[1], full == 0)


@_jit.inner
def _is_there(a: Any, below: Any) -> Any:
    """Whether there is anything above the diagonal (0) or below it (1)."""
    n = len(a)
    for i in range(n):
        for j in range(0 if below else i + 1, i if below else n):
            if not vanishes(a[i, j]):
                return True
    return False


@_jit.inner
def _substitute(a: Any, x: Any, columns: Any, lower: Any) -> None:
    """Solve a triangular system from the first row on, or from the last."""
    n = len(a)
    for step in range(n):
        i, start, stop = (step, 0, step) if lower else (n - 1 - step, n - step, n)
        pivot = a[i, i]
        reciprocal = 1.0 / (pivot if pivot != 0.0 else pivot * math.nan)
        for c in range(columns):
            s = x[i, c]
            for k in range(start, stop):
                s -= a[i, k] * x[k, c]
            x[i, c] = s * reciprocal


@_jit.inner
def _newton(a: Any, x: Any, steps: Any) -> None:
    """``x = a0^-1 b``, then a step for each order of derivatives in ``a`` (and at least one, for the last digits)."""
    n, m = x.shape
    inverse, _ = _plain_inverse(a)
    b, residual = np.empty_like(x), np.empty_like(x)
    for i in range(n):
        for c in range(m):
            b[i, c] = residual[i, c] = x[i, c]
            x[i, c] = 0.0
    for step in range(steps + 1):
        for i in range(n):
            for c in range(m):
                s = x[i, c]
                for k in range(n):
                    s += inverse[i, k] * residual[k, c]
                x[i, c] = s
        for i in range(n if step < steps else 0):
            for c in range(m):
                s = b[i, c]
                for k in range(n):
                    s -= a[i, k] * x[k, c]
                residual[i, c] = s


# ---------------------------------------------------------------- determinants


def _log_det_change(a: Any, inverse: Any) -> Any: ...


@stands_in_for(np.linalg.slogdet, plain=anything)
def slogdet(a: Any) -> Any:
    """``np.linalg.slogdet``: sign and logarithm of the absolute value of the determinant."""

    def sign_and_logarithm(a: Any) -> Any:
        _side(a)
        inverse, summary = _plain_inverse(a)
        return SlogdetResult(summary[1], summary[2] + _log_det_change(a, inverse))

    return sign_and_logarithm if _may_invert(a) else None


@stands_in_for(np.linalg.det, plain=anything)
def det(a: Any) -> Any:
    """``np.linalg.det``."""

    def determinant(a: Any) -> Any:
        _side(a)
        inverse, summary = _plain_inverse(a)
        change = _log_det_change(a, inverse)  # of value zero: exp is its own series
        return summary[0] * (1.0 + change + 0.5 * change * change)

    return determinant if _may_invert(a) else None


@overload(_log_det_change, jit_options=UNBOXED)
def log_det_change(a: Any, inverse: Any) -> Any:
    """``tr E - tr(E^2) / 2`` with ``E = a0^-1 (a - a0)``, a number of value zero that carries the derivatives."""
    lower: Any = DualDType(truncation(element(a)))

    def none(a: Any, inverse: Any) -> Any:
        return 0.0

    def second_order(a: Any, inverse: Any) -> Any:
        n, total = len(a), _trace_of_change(a, inverse)
        change = empty_of((n, n), lower)
        for i in range(n):
            for j in range(n):
                s = truncated(a[0, j] * 0.0)
                for k in range(n):
                    s += inverse[i, k] * truncated(a[k, j] - value(a[k, j]))
                change[i, j] = s
        for i in range(n):
            for j in range(n):
                total -= 0.5 * extended(change[i, j], total) * extended(change[j, i], total)
        return total

    return (none, _trace_of_change.py_func, second_order)[_order(a)]


@_jit.inner
def _trace_of_change(a: Any, inverse: Any) -> Any:
    total = 0.0
    for i in range(len(a)):
        for j in range(len(a)):
            total += inverse[j, i] * (a[i, j] - value(a[i, j]))
    return total
