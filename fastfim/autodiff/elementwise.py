# mypy: disable-error-code="untyped-decorator"
"""Arithmetic and functions on whole vectors and matrices of dual numbers, with NumPy's broadcasting.

A NumPy function of the table, or an operator, that meets an array becomes a loop over elements, each of which goes by
the same rule as a single number; nothing about derivatives is stated twice::

    def logpdf(y, theta, X):
        return -0.5 * np.sum((y - X @ theta) ** 2)

Operands may be numbers, vectors (`Theta` too) and matrices; an extent of 1 stretches.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from fastfim import _jit
from fastfim.autodiff import rules
from fastfim.autodiff.dtype import DualDType
from fastfim.autodiff.masks import Mask
from fastfim.autodiff.number import REAL, Active, joint
from fastfim.autodiff.operations import Operation, select_draws
from fastfim.autodiff.rules import Choice, Entry, Predicate, Refusal, Rule
from fastfim.autodiff.theta import Theta
from fastfim.autodiff.vectors import UNBOXED, stands_in_for

#: Operators that change an array where it lies.
IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow)


def dimensions(kind: Any) -> int | None:
    """0 for a number, 1 for a vector, 2 for a matrix; ``None`` for anything else."""
    if isinstance(kind, (Active, *REAL)):
        return 0
    if isinstance(kind, Theta):
        return 1
    return kind.ndim if isinstance(kind, types.Array) and kind.ndim <= 2 else None


def element(kind: Any) -> Any:
    """Type of the elements of an operand."""
    if isinstance(kind, Theta):
        return kind.dual
    return kind.dtype if isinstance(kind, types.Array) else kind


def result_dtype(entry: Entry | None, kinds: tuple[Any, ...]) -> Any:
    """What the result of a function of elements of these types is stored as."""
    if isinstance(entry, Predicate):
        return np.bool_ if entry.truth else np.float64
    found = joint(map(element, kinds))
    return DualDType(found) if found else np.float64


def _rows(a: Any) -> Any: ...
def _columns(a: Any) -> Any: ...
def _entry(a: Any, i: Any, j: Any) -> Any: ...
def _put(a: Any, i: Any, j: Any, v: Any) -> Any: ...
def _shape(a: Any, b: Any, c: Any) -> Any: ...


@overload(_rows, jit_options=UNBOXED)
def rows(a: Any) -> Any:
    """Extent along the axis before the last."""

    def of_matrix(a: Any) -> Any:
        return a.shape[0]

    def of_other(a: Any) -> Any:
        return 1

    return of_matrix if dimensions(a) == 2 else of_other


@overload(_columns, jit_options=UNBOXED)
def columns(a: Any) -> Any:
    """Extent along the last axis."""

    def of_matrix(a: Any) -> Any:
        return a.shape[1]

    def of_vector(a: Any) -> Any:
        return len(a)

    def of_number(a: Any) -> Any:
        return 1

    return (of_number, of_vector, of_matrix)[dimensions(a) or 0]


@overload(_entry, jit_options=UNBOXED)
def entry_at(a: Any, i: Any, j: Any) -> Any:
    """Entry (i, j) of an operand stretched to a matrix."""

    def of_matrix(a: Any, i: Any, j: Any) -> Any:
        return a[min(i, a.shape[0] - 1), min(j, a.shape[1] - 1)]

    def of_vector(a: Any, i: Any, j: Any) -> Any:
        return a[min(j, len(a) - 1)]

    def of_number(a: Any, i: Any, j: Any) -> Any:
        return a

    return (of_number, of_vector, of_matrix)[dimensions(a) or 0]


@overload(_put, jit_options=UNBOXED)
def put(a: Any, i: Any, j: Any, v: Any) -> Any:
    """Set entry (i, j) of an array seen as a matrix."""

    def in_vector(a: Any, i: Any, j: Any, v: Any) -> None:
        a[j] = v

    def in_matrix(a: Any, i: Any, j: Any, v: Any) -> None:
        a[i, j] = v

    return in_vector if a.ndim == 1 else in_matrix


@overload(_shape, jit_options=UNBOXED)
def shape(a: Any, b: Any, c: Any) -> Any:
    """The shape of three operands together."""

    def of_vectors(a: Any, b: Any, c: Any) -> Any:
        return (_common(_common(_columns(a), _columns(b)), _columns(c)),)

    def of_matrices(a: Any, b: Any, c: Any) -> Any:
        height = _common(_common(_rows(a), _rows(b)), _rows(c))
        return height, _common(_common(_columns(a), _columns(b)), _columns(c))

    return of_matrices if 2 in map(dimensions, (a, b, c)) else of_vectors


@_jit.inner
def _common(m: Any, n: Any) -> Any:
    if m != n and m != 1 and n != 1:
        raise ValueError("operands could not be broadcast together: their lengths differ")
    return n if m == 1 else m


def loop(f: Any, entry: Entry | None, kinds: tuple[Any, ...]) -> Any:
    """A function of the operands that applies ``f`` to every element, or ``None`` where it cannot."""
    extents = [dimensions(kind) for kind in kinds]
    if None in extents or not any(extents):
        return None
    dtype = result_dtype(entry, kinds)
    if isinstance(kinds[-1], types.IntegerLiteral):
        return _with_constant(f, dtype, kinds[-1].literal_value)
    return (_unary, _binary, _ternary)[len(kinds) - 1](f, dtype)


def _unary(f: Any, dtype: Any) -> Any:
    def over(a: Any) -> Any:
        out = np.empty(_shape(a, 0, 0), dtype)
        for i in range(_rows(out)):
            for j in range(_columns(out)):
                _put(out, i, j, f(_entry(a, i, j)))
        return out

    return over


def _with_constant(f: Any, dtype: Any, constant: int) -> Any:
    """``v ** 2``: the exponent stays a constant, so that it means a product."""

    def over(a: Any, b: Any) -> Any:
        out = np.empty(_shape(a, 0, 0), dtype)
        for i in range(_rows(out)):
            for j in range(_columns(out)):
                _put(out, i, j, f(_entry(a, i, j), constant))
        return out

    return over


def _binary(f: Any, dtype: Any) -> Any:
    def over(a: Any, b: Any) -> Any:
        out = np.empty(_shape(a, b, 0), dtype)
        for i in range(_rows(out)):
            for j in range(_columns(out)):
                _put(out, i, j, f(_entry(a, i, j), _entry(b, i, j)))
        return out

    return over


def _ternary(f: Any, dtype: Any) -> Any:
    def over(a: Any, b: Any, c: Any) -> Any:
        out = np.empty(_shape(a, b, c), dtype)
        for i in range(_rows(out)):
            for j in range(_columns(out)):
                _put(out, i, j, f(_entry(a, i, j), _entry(b, i, j), _entry(c, i, j)))
        return out

    return over


def in_place_loop(f: Any, a: Any, b: Any) -> Any:
    """``a += b`` for an array of dual numbers; ``None`` for other types."""

    def change(a: Any, b: Any) -> Any:
        if _common(_rows(a), _rows(b)) != _rows(a) or _common(_columns(a), _columns(b)) != _columns(a):
            raise ValueError("operands could not be broadcast together: the array on the left is too short")
        for i in range(_rows(a)):
            for j in range(_columns(a)):
                _put(a, i, j, f(_entry(a, i, j), _entry(b, i, j)))
        return a

    fits = isinstance(a, types.Array) and isinstance(a.dtype, Active) and None not in (dimensions(a), dimensions(b))
    return change if fits and (dimensions(b) or 0) <= (dimensions(a) or 0) else None


@functools.cache
def over_elements(function: Any, entry: Entry | None) -> Any:
    """A stand-in for ``function`` where an argument is an array, or ``None``: a function of `math` takes none."""
    scalar_only = isinstance(function, type) or getattr(function, "__module__", "") == "math"
    if scalar_only or not isinstance(entry, Rule | Choice | Predicate):
        return None

    def stand_in() -> None: ...

    stand_in.__name__ = stand_in.__qualname__ = getattr(function, "__name__", entry.name)
    overload(stand_in, jit_options=UNBOXED, prefer_literal=True)(_chooser(function, entry))
    return stand_in


def _chooser(function: Any, entry: Any) -> Any:
    """What decides, by the types of its arguments, on the loop of a call."""
    f = Operation(function, entry, None, None)

    def unary(a: Any) -> Any:
        return loop(f, entry, (a,))

    def binary(a: Any, b: Any) -> Any:
        return in_place_loop(f, a, b) if function in IN_PLACE else loop(f, entry, (a, b))

    def ternary(a: Any, b: Any, c: Any) -> Any:
        return loop(f, entry, (a, b, c))

    return (unary, binary, ternary)[entry.arity - 1]


def _register_operators() -> None:
    """Give Numba's operators a meaning where an operand is an array and one carries derivatives, and nowhere else."""
    for function, entry in rules.callables(rules.ENTRIES).items():
        is_operator = getattr(function, "__module__", "") == "_operator" and function not in IN_PLACE
        if is_operator and not isinstance(entry, Refusal):
            overload(function, jit_options=UNBOXED, prefer_literal=True)(_for_duals(_chooser(function, entry), entry))


def _for_duals(choose: Any, entry: Any) -> Any:
    def active(*kinds: Any) -> bool:
        return any(isinstance(element(kind), Active) for kind in kinds) and any(
            isinstance(kind, types.Array | Theta) for kind in kinds
        )

    def unary(a: Any) -> Any:
        return choose(a) if active(a) else None

    def binary(a: Any, b: Any) -> Any:
        return choose(a, b) if active(a, b) else None

    return (unary, binary)[entry.arity - 1]


_register_operators()


def _are_numbers(*kinds: Any) -> bool:
    return len(kinds) == 3 and all(dimensions(kind) == 0 for kind in kinds)


@stands_in_for(np.where, plain=_are_numbers)
def where(a: Any, b: Any, c: Any) -> Any:
    """``np.where`` of a condition and two numbers, or of arrays of them.

    Of plain numbers too: Numba would make an array of the one number, on the heap, in a hundred nanoseconds.
    """

    def choose(a: Any, b: Any, c: Any) -> Any:
        return b if a else c

    def choose_by_draw(a: Any, b: Any, c: Any) -> Any:
        return select_draws(a, b, c)

    kinds = (a, b, c)
    if isinstance(a, Mask) and dimensions(b) == dimensions(c) == 0:
        return choose_by_draw
    return choose if all(dimensions(kind) == 0 for kind in kinds) else loop(_chosen, None, kinds)


@_jit.inner
def _chosen(condition: Any, a: Any, b: Any) -> Any:
    return a if condition else b
