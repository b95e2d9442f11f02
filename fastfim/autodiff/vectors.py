# mypy: disable-error-code="untyped-decorator"
"""Vectors of dual numbers: reductions, products, and arrays made from numbers, written as ordinary loops.

Each function here stands in for the NumPy function of its name where an argument holds dual numbers; the scalar rules
do the mathematics.  Collections may be `Theta`, arrays, lists or tuples; matrices are two-dimensional arrays.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload, overload_method

from fastfim import _jit
from fastfim._arrays import empty_of, zeros_of
from fastfim.autodiff import elementary, linear, rules  # noqa: F401 - fills the table
from fastfim.autodiff.dtype import DualDType
from fastfim.autodiff.errors import STORED, Refused
from fastfim.autodiff.number import Active, joint
from fastfim.autodiff.operations import Operation
from fastfim.autodiff.reverse import products
from fastfim.autodiff.reverse.sums import adding, closed
from fastfim.autodiff.theta import Theta

#: Addition to a sum of which only the latest value is used.
_ADD: Any = rules.callables(rules.ENTRIES)[operator.iadd]
plus: Any = Operation(operator.iadd, adding(_ADD, rules.Adding.SUM), None, None)

#: Values that hold dual numbers cannot be boxed, so no Python wrappers are made.
UNBOXED: dict[str, Any] = _jit.INNER

#: The stand-in of each NumPy function or builtin.
VECTOR: dict[Any, Any] = {}
#: Functions whose stand-in also serves where nothing carries derivatives, for arguments of these types.
ALWAYS: dict[Any, Callable[..., bool]] = {}


def anything(*kinds: Any) -> bool:
    """For arguments of any types."""
    return True


def floats(*kinds: Any) -> bool:
    """Whether there is one argument, an array of plain float64: ours take a third of the time to compile."""
    return len(kinds) == 1 and isinstance(kinds[0], types.Array) and bool(kinds[0].dtype == types.float64)


def stands_in_for(*functions: Any, plain: Callable[..., bool] | None = None) -> Callable[[Any], Any]:
    """Make the decorated overload the stand-in of ``functions``; of plain numbers too where ``plain(*types)``."""

    def register(choose: Any) -> Any:
        def stand_in() -> None: ...

        stand_in.__name__ = stand_in.__qualname__ = choose.__name__
        overload(stand_in, jit_options=UNBOXED)(choose)
        VECTOR.update(dict.fromkeys(functions, stand_in))
        ALWAYS.update(dict.fromkeys(functions, plain) if plain else {})
        return choose

    return register


def element_type(kind: Any) -> Any:
    """Type of the numbers in a vector, or ``None`` where ``kind`` is no vector."""
    if isinstance(kind, Theta):
        return kind.dual
    if isinstance(kind, types.UniTuple):
        return kind.dtype
    return kind.dtype if isinstance(kind, types.List) or (isinstance(kind, types.Array) and kind.ndim == 1) else None


def is_matrix(kind: Any) -> bool:
    """Whether ``kind`` is a two-dimensional array."""
    return isinstance(kind, types.Array) and kind.ndim == 2


@stands_in_for(np.sum, sum, plain=floats)
def vector_sum(a: Any, axis: Any = None) -> Any:
    """``np.sum`` over all elements, or along an axis of a matrix."""

    def over_elements(a: Any, axis: Any = None) -> Any:
        result = 0.0
        for v in a:
            result = plus(result, v)
        return closed(result)

    def over_array(a: Any, axis: Any = None) -> Any:
        result = 0.0
        for v in a.flat:
            result = plus(result, v)
        return closed(result)

    if isinstance(axis, types.Integer) and is_matrix(a):
        return _along_axis(a)
    if not (axis is None or isinstance(axis, types.NoneType | types.Omitted)):
        return None
    return over_array if isinstance(a, types.Array) and a.ndim > 1 else over_elements


def _along_axis(a: Any) -> Any:
    """The sums of columns (axis 0) or rows (axis 1 or -1) of a matrix."""
    dtype: Any = DualDType(a.dtype)

    def sums(a: Any, axis: Any = None) -> Any:
        columns = axis == 0 or axis == -2
        out = empty_of(a.shape[1] if columns else a.shape[0], dtype)
        for i in range(len(out)):
            s = 0.0
            for k in range(a.shape[0] if columns else a.shape[1]):
                s += a[k, i] if columns else a[i, k]
            out[i] = s
        return out

    return sums


total = VECTOR[np.sum]


@stands_in_for(np.prod)
def vector_product(a: Any) -> Any:
    """``np.prod`` of a vector."""

    def product(a: Any) -> Any:
        result = 1.0
        for v in a:
            result *= v
        return result

    return product if element_type(a) else None


@stands_in_for(np.mean)
def vector_mean(a: Any, axis: Any = None) -> Any:
    """``np.mean`` over all elements, or along an axis of a matrix."""

    def mean_of_vector(a: Any, axis: Any = None) -> Any:
        return total(a, axis) / len(a)

    def mean_of_array(a: Any, axis: Any = None) -> Any:
        return total(a, axis) / a.size

    def means(a: Any, axis: Any = None) -> Any:
        out = total(a, axis)
        for i in range(len(out)):
            out[i] = out[i] * (len(out) / a.size)
        return out

    if isinstance(axis, types.Integer):
        return means
    return mean_of_array if isinstance(a, types.Array) and a.ndim > 1 else mean_of_vector


@stands_in_for(np.max, np.amax, max)
def vector_max(a: Any) -> Any:
    """``np.max`` of a list or tuple; of arrays see `folds`."""
    return _largest if element_type(a) else None


@stands_in_for(np.min, np.amin, min)
def vector_min(a: Any) -> Any:
    """``np.min`` of a list or tuple; of arrays see `folds`."""
    return _smallest if element_type(a) else None


def _largest(a: Any) -> Any:
    best = a[0]
    for i in range(1, len(a)):
        best = a[i] if a[i] > best else best
    return best


def _smallest(a: Any) -> Any:
    best = a[0]
    for i in range(1, len(a)):
        best = a[i] if a[i] < best else best
    return best


@stands_in_for(np.cumsum)
def vector_cumsum(a: Any) -> Any:
    """``np.cumsum`` of a vector."""
    dtype: Any = DualDType(element_type(a))

    def cumsum(a: Any) -> Any:
        out = empty_of(len(a), dtype)
        total = 0.0
        for i in range(len(a)):
            total += a[i]
            out[i] = total
        return out

    return cumsum if isinstance(element_type(a), Active) else None


@stands_in_for(np.diff)
def vector_diff(a: Any) -> Any:
    """``np.diff`` of a vector."""
    dtype: Any = DualDType(element_type(a))

    def diff(a: Any) -> Any:
        out = empty_of(max(len(a) - 1, 0), dtype)
        for i in range(len(out)):
            out[i] = a[i + 1] - a[i]
        return out

    return diff if isinstance(element_type(a), Active) else None


def _vector_vector(a: Any, b: Any) -> Any:
    result = 0.0
    for i in range(len(a)):
        result = plus(result, a[i] * b[i])
    return closed(result)


_short_vectors = _jit.inner(_vector_vector)


def _long_vectors(a: Any, b: Any) -> Any:
    return products.inner(a, b) if len(a) >= products.LONG else _short_vectors(a, b)


def _data_parameters(a: Any, b: Any) -> Any:
    total = 0.0
    for i in range(len(b)):
        total += a[i] * linear.parameter_value(b, i)
    return linear.with_coefficients(total, a, b)


def _parameters_data(a: Any, b: Any) -> Any:
    total = 0.0
    for i in range(len(a)):
        total += b[i] * linear.parameter_value(a, i)
    return linear.with_coefficients(total, b, a)


def _product_dtype(a: Any, b: Any) -> DualDType:
    kind = joint(k.dtype if is_matrix(k) else element_type(k) for k in (a, b))
    assert kind is not None, "dot products of plain numbers are NumPy's"
    return DualDType(kind)


@stands_in_for(np.dot, operator.matmul, np.matmul)
def dot(a: Any, b: Any) -> Any:
    """``np.dot`` and ``@`` of vectors and matrices."""
    if linear.is_linear(a, b):
        return _data_parameters
    if linear.is_linear(b, a):
        return _parameters_data
    if element_type(a) and element_type(b):
        return _vector_vector if products.fits(a, b) is None else _long_vectors
    if not all(is_matrix(k) or element_type(k) for k in (a, b)):
        return None
    dtype: Any = _product_dtype(a, b)

    def by_draws(a: Any, b: Any) -> Any:
        out = empty_of(a.shape[0], dtype)
        products.multiply_draws(out, a, b)
        return out

    def by_transposed_draws(a: Any, b: Any) -> Any:
        out = empty_of(b.shape[1], dtype)
        products.multiply_draws(out, b.T, a)
        return out

    def by_record(a: Any, b: Any) -> Any:
        out = empty_of(a.shape[0], dtype)
        products.product_into(out, a, b)
        return out

    def by_transposed_record(a: Any, b: Any) -> Any:
        out = empty_of(b.shape[1], dtype)
        products.product_into(out, b.T, a)
        return out

    def matrix_vector(a: Any, b: Any) -> Any:
        out = empty_of(a.shape[0], dtype)
        for i in range(a.shape[0]):
            out[i] = _dot_row(a, b, i)
        return out

    def vector_matrix(a: Any, b: Any) -> Any:
        out = empty_of(b.shape[1], dtype)
        for j in range(b.shape[1]):
            out[j] = _dot_column(a, b, j)
        return out

    def matrix_matrix(a: Any, b: Any) -> Any:
        out = empty_of((a.shape[0], b.shape[1]), dtype)
        for i in range(a.shape[0]):
            for j in range(b.shape[1]):
                out[i, j] = _dot_column(a[i], b, j)
        return out

    if products.of_draws(a, b):
        return by_draws if is_matrix(a) else by_transposed_draws
    own = products.fits(a, b)
    if is_matrix(a):
        return matrix_matrix if is_matrix(b) else by_record if own == "right" else matrix_vector
    return by_transposed_record if own == "left" else vector_matrix


@_jit.inner
def _dot_row(a: Any, b: Any, i: Any) -> Any:
    result = 0.0
    for k in range(a.shape[1]):
        result = plus(result, a[i, k] * b[k])
    return closed(result)


@_jit.inner
def _dot_column(a: Any, b: Any, j: Any) -> Any:
    result = 0.0
    for k in range(b.shape[0]):
        result = plus(result, a[k] * b[k, j])
    return closed(result)


@stands_in_for(np.array, np.asarray, np.copy)
def array(values: Any) -> Any:
    """``np.array`` of a list or tuple of numbers, of a list of such lists, or of an array."""

    def copy_vector(values: Any) -> Any:
        out = empty_of(len(values), dtype)
        for i in range(len(values)):
            out[i] = values[i]
        return out

    def copy_rows(values: Any) -> Any:
        out = empty_of((len(values), len(values[0])), dtype)
        for i in range(len(values)):
            for j in range(len(values[0])):
                out[i, j] = values[i][j]
        return out

    def copy_array(values: Any) -> Any:
        return values.copy()

    kind = element_type(values)
    dtype: Any
    if isinstance(kind, Active):
        dtype = DualDType(kind)
        return copy_vector
    if isinstance(element_type(kind), Active):
        dtype = DualDType(element_type(kind))
        return copy_rows
    return copy_array if isinstance(values, types.Array) else None


@overload_method(Theta, "copy", jit_options=UNBOXED)
def theta_copy(theta: Any) -> Any:
    """``theta.copy()``: an array of dual numbers."""
    dtype: Any = DualDType(theta.dual)

    def copy(theta: Any) -> Any:
        out = empty_of(len(theta), dtype)
        for i in range(len(theta)):
            out[i] = theta[i]
        return out

    return copy


def _shape_of_floats(a: Any) -> Any: ...


@overload(_shape_of_floats, jit_options=_jit.INNER)
def shape_of_floats(a: Any) -> Any:
    """The shape of an array; like one of integers, NumPy makes another one of integers."""
    if isinstance(getattr(a, "dtype", None), types.Integer | types.Boolean):
        raise Refused(STORED)

    def shape(a: Any) -> Any:
        return a.shape

    return shape


zeros_like = njit(**UNBOXED)(lambda a, dtype: zeros_of(_shape_of_floats(a), dtype))
empty_like = njit(**UNBOXED)(lambda a, dtype: empty_of(_shape_of_floats(a), dtype))
ones_like = njit(**UNBOXED)(lambda a, dtype: np.ones(_shape_of_floats(a), dtype))
full_like = njit(**UNBOXED)(lambda a, value, dtype: np.full(_shape_of_floats(a), value, dtype))


def view(a: Any, dtype: Any) -> Any:
    """``a.view(dtype)``, which would read the derivatives of an array as further numbers, or leave them out."""
    return a.view(dtype)


view.__module__ = "numpy.ndarray"  # what a user may have written


@stands_in_for(view, plain=anything)
def plain_view(a: Any, dtype: Any) -> Any:
    """The method, of plain numbers alone."""

    def of_numbers(a: Any, dtype: Any) -> Any:
        return a.view(dtype)

    return None if isinstance(element_type(a) or getattr(a, "dtype", None), Active) else of_numbers


def converted(value: Any, dtype: Any) -> None:
    """A new array of plain numbers as one of active numbers; anything else as it is."""


@overload(converted, jit_options=UNBOXED)
def convert(value: Any, dtype: Any) -> Any:
    """Copy, where the types say so."""

    def elements(value: Any, dtype: Any) -> Any:
        out = empty_of(value.shape, dtype)
        for place, v in np.ndenumerate(value):
            out[place] = v
        return out

    def as_it_is(value: Any, dtype: Any) -> Any:
        return value

    kind = value.dtype if isinstance(value, types.Array) else None
    of_draws = isinstance(kind, Active) and kind.plain and kind != dtype.dtype
    return elements if isinstance(kind, types.Float) or of_draws else as_it_is


@overload(operator.setitem, jit_options=UNBOXED)
def set_from_theta(target: Any, index: Any, values: Any) -> Any:
    """``z[:3] = theta[:3]``, for arrays of dual numbers."""
    if not (isinstance(values, Theta) and isinstance(target, types.Array) and target.dtype == values.dual):
        return None

    def assign(target: Any, index: Any, values: Any) -> Any:
        target[index] = values.copy()

    return assign
