# mypy: disable-error-code="untyped-decorator"
"""NumPy functions that build, take apart or reduce vectors and matrices, where their elements depend on theta.

Like those of `vectors`: ordinary loops, in which the scalar rules do the mathematics::

    def logpdf(y, theta, X):
        loadings = np.outer(theta[:3], theta[3:])
        return -0.5 * np.linalg.norm(y - np.sum(loadings, axis=1)) ** 2 - np.trace(loadings @ loadings.T)
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from fastfim import _jit
from fastfim._arrays import empty_of, zeros_of
from fastfim.autodiff import rules
from fastfim.autodiff.elementwise import are_numbers, on_elements, result_dtype
from fastfim.autodiff.number import Active
from fastfim.autodiff.operations import Operation
from fastfim.autodiff.theta import Theta
from fastfim.autodiff.vectors import UNBOXED, VECTOR, element_type, floats, is_matrix, stands_in_for


def _operation(function: Any) -> Any:
    entry = rules.callables(rules.ENTRIES)[function]
    return Operation(function, entry, on_elements(function, entry), None)


_root, _larger, _smaller = map(_operation, (math.sqrt, np.maximum, np.minimum))
_mean, _dot = VECTOR[np.mean], VECTOR[np.dot]


# ---------------------------------------------------------------- reductions


@stands_in_for(np.linalg.norm)
def norm(x: Any) -> Any:
    """``np.linalg.norm``: the root of the sum of squares."""

    def of_vector(x: Any) -> Any:
        return _root(_dot(x, x))

    def of_matrix(x: Any) -> Any:
        total = 0.0
        for v in x.flat:
            total += v * v
        return _root(total)

    return of_matrix if is_matrix(x) else of_vector if element_type(x) else None


@stands_in_for(np.var)
def variance(a: Any, ddof: Any = 0) -> Any:
    """``np.var`` of a vector."""

    def of_vector(a: Any, ddof: Any = 0) -> Any:
        centre, total = _mean(a), 0.0
        for v in a:
            total += (v - centre) * (v - centre)
        return total / (len(a) - ddof)

    return of_vector if element_type(a) else None


_variance = VECTOR[np.var]


@stands_in_for(np.std)
def deviation(a: Any, ddof: Any = 0) -> Any:
    """``np.std`` of a vector."""

    def of_vector(a: Any, ddof: Any = 0) -> Any:
        return _root(_variance(a, ddof))

    return of_vector if element_type(a) else None


@stands_in_for(np.argmax)
def argmax(a: Any) -> Any:
    """``np.argmax`` of a vector."""

    def place(a: Any) -> Any:
        best = 0
        for i in range(1, len(a)):
            best = i if a[i] > a[best] else best
        return best

    return place if element_type(a) else None


@stands_in_for(np.argmin)
def argmin(a: Any) -> Any:
    """``np.argmin`` of a vector."""

    def place(a: Any) -> Any:
        best = 0
        for i in range(1, len(a)):
            best = i if a[i] < a[best] else best
        return best

    return place if element_type(a) else None


@stands_in_for(np.trace)
def trace(a: Any) -> Any:
    """``np.trace`` of a matrix."""

    def over_diagonal(a: Any) -> Any:
        total = 0.0
        for i in range(min(a.shape)):
            total += a[i, i]
        return total

    return over_diagonal if is_matrix(a) else None


@stands_in_for(np.inner, np.vdot)
def inner(a: Any, b: Any) -> Any:
    """``np.inner`` and ``np.vdot`` of vectors."""

    def product(a: Any, b: Any) -> Any:
        return _dot(a, b)

    return product if element_type(a) and element_type(b) else None


# ---------------------------------------------------------------- matrices from vectors and matrices


@stands_in_for(np.outer)
def outer(a: Any, b: Any) -> Any:
    """``np.outer`` of vectors."""
    dtype: Any = result_dtype((a, b))

    def products(a: Any, b: Any) -> Any:
        out = empty_of((len(a), len(b)), dtype)
        for i in range(len(a)):
            for j in range(len(b)):
                out[i, j] = a[i] * b[j]
        return out

    return products if element_type(a) and element_type(b) else None


@stands_in_for(np.diag, plain=floats)
def diagonal(v: Any, k: Any = 0) -> Any:
    """``np.diag``: a matrix with a vector on its diagonal k, or the diagonal k of a matrix."""
    dtype: Any = result_dtype((v,))

    def matrix(v: Any, k: Any = 0) -> Any:
        down, right = (-k, 0) if k < 0 else (0, k)
        n = len(v) + down + right
        out = zeros_of((n, n), dtype)
        for i in range(len(v)):
            out[i + down, i + right] = v[i]
        return out

    def vector(v: Any, k: Any = 0) -> Any:
        down, right = (-k, 0) if k < 0 else (0, k)
        rows, columns = v.shape[0] - down, v.shape[1] - right
        n = rows if rows < columns else columns
        out = empty_of(n if n > 0 else 0, dtype)
        for i in range(n):
            out[i] = v[i + down, i + right]
        return out

    return vector if is_matrix(v) else matrix if element_type(v) else None


@_jit.inner
def _band(m: Any, out: Any, low: Any, high: Any) -> Any:
    for i in range(m.shape[0]):
        for j in range(max(0, i + low), min(m.shape[1], i + high + 1)):
            out[i, j] = m[i, j]
    return out


@stands_in_for(np.tril)
def lower_triangle(m: Any, k: Any = 0) -> Any:
    """``np.tril`` of a matrix."""
    dtype: Any = result_dtype((m,))

    def copy(m: Any, k: Any = 0) -> Any:
        return _band(m, zeros_of(m.shape, dtype), -m.shape[0], k)

    return copy if is_matrix(m) else None


@stands_in_for(np.triu)
def upper_triangle(m: Any, k: Any = 0) -> Any:
    """``np.triu`` of a matrix."""
    dtype: Any = result_dtype((m,))

    def copy(m: Any, k: Any = 0) -> Any:
        return _band(m, zeros_of(m.shape, dtype), k, m.shape[1])

    return copy if is_matrix(m) else None


@stands_in_for(np.clip, plain=are_numbers)
def clip(a: Any, low: Any, high: Any) -> Any:
    """``np.clip`` between two numbers, or element by element; of plain numbers too, of which Numba knows none."""

    def between(a: Any, low: Any, high: Any) -> Any:
        return _smaller(_larger(a, low), high)

    return between


# ---------------------------------------------------------------- theta as an array


@overload(operator.getitem, jit_options=UNBOXED)
def theta_as_array(theta: Any, index: Any) -> Any:
    """``theta[::-1]``, ``theta[:, None]`` and ``theta[order]``: of a copy, since a `Theta` is a plain window."""
    simple = isinstance(index, types.Integer) or index == types.slice2_type
    if not isinstance(theta, Theta) or simple or isinstance(index, Active):
        return None

    def of_copy(theta: Any, index: Any) -> Any:
        return theta.copy()[index]

    return of_copy
