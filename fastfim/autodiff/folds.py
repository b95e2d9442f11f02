"""Sums and their like over whole arrays, and products of vectors and matrices, each one loop.

``np.sum(e)`` works out the elements of an expression one by one and adds them up; nothing is stored.  A product of two
vectors is the sum of an expression; one of a matrix and a vector is itself an expression, whose elements are products
of rows.  What is no array (a list, an ``axis=``) is left to the functions of `vectors`::

    np.sum(np.exp(v - np.max(v)))      # two loops
    z @ z                              # np.sum(z * z)
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np import arrayobj

from fastfim.autodiff import linear, rules
from fastfim.autodiff.elementwise import Applied, Elementwise, choosing, on_elements
from fastfim.autodiff.emit import DOUBLE
from fastfim.autodiff.expressions import (
    Expression,
    Reader,
    dimensions,
    element,
    evaluated,
    formed,
    has_active_elements,
    loops,
    refuse_unless,
    shape_of,
    waiting,
    worked_out,
)
from fastfim.autodiff.fusion import ArrayCall
from fastfim.autodiff.operations import ArrayFunction, lower_entry, scalar_signature
from fastfim.autodiff.reverse import products
from fastfim.autodiff.reverse.sums import adding, closing
from fastfim.autodiff.reverse.taped import Taped
from fastfim.autodiff.rules import Predicate
from fastfim.autodiff.theta import index_constant
from fastfim.autodiff.vectors import VECTOR

_ENTRIES: dict[Any, Any] = dict(rules.callables(rules.ENTRIES))
_ADDITION: Any = adding(_ENTRIES[operator.iadd], rules.Adding.SUM)
_PRODUCT = Applied(_ENTRIES[operator.mul])


@dataclass(frozen=True)
class Fold(ArrayFunction):
    """All elements of an array put together by an operation of two numbers.

    Attributes
    ----------
    entry
        The operation.
    start
        What comes before the first element; ``None``: the first element itself.
    mean
        Whether the result is divided by the number of elements.
    otherwise
        Stand-in for other arguments.
    """

    entry: Any
    start: float | None
    otherwise: Any
    mean: bool = False

    def resolve(self, context: Any, args: tuple[Any, ...]) -> Any:
        """Signature of a call with one array, or ``None``."""
        if len(args) != 1 or not has_active_elements(args[0]):
            return None
        return self.result(args[0])(args[0])

    def result(self, kind: Any) -> Any:
        """Type of the result."""
        first = types.float64 if self.start is not None else element(kind)
        return scalar_signature(self.entry, (first, element(kind))).return_type.stored

    def lower(self, context: Any, builder: Any, sig: Any, args: Any) -> Any:
        """One loop."""
        return self.over(context, builder, sig.args[0], args[0])

    def over(self, context: Any, builder: Any, kind: Any, value: Any) -> Any:
        """The result for one operand."""
        kind_of_result, shape = self.result(kind), shape_of(context, builder, kind, value)
        total = cgutils.alloca_once(builder, context.get_value_type(kind_of_result))
        builder.store(self._begin(context, builder, kind, value, shape), total)
        step = scalar_signature(self.entry, (kind_of_result, element(kind)))
        with loops(builder, shape) as place:
            number = Reader(context, builder, place).read(kind, value)
            pair = [builder.load(total), context.cast(builder, number, element(kind), step.args[1])]
            joined = lower_entry(self.entry, context, builder, step, pair)
            builder.store(context.cast(builder, joined, step.return_type, kind_of_result), total)
        result = closing(context, builder, kind_of_result, builder.load(total))
        return self._divided(context, builder, kind_of_result, result, shape) if self.mean else result

    def _begin(self, context: Any, builder: Any, kind: Any, value: Any, shape: list[Any]) -> Any:
        if self.start is not None:
            start = ir.Constant(DOUBLE, self.start)
            return context.cast(builder, start, types.float64, self.result(kind))
        for extent in shape:
            there = builder.icmp_signed("!=", extent, index_constant(0))
            refuse_unless(context, builder, there, "the largest or smallest element of an empty array")
        first = Reader(context, builder, [index_constant(0)] * len(shape)).read(kind, value)
        return context.cast(builder, first, element(kind), self.result(kind))

    def _divided(self, context: Any, builder: Any, kind: Any, total: Any, shape: list[Any]) -> Any:
        count = shape[0] if len(shape) == 1 else builder.mul(*shape)
        entry = _ENTRIES[operator.truediv]
        sig = scalar_signature(entry, (kind, types.float64))
        quotient = lower_entry(entry, context, builder, sig, [total, builder.sitofp(count, DOUBLE)])
        return context.cast(builder, quotient, sig.return_type, kind)


_SUM = Fold(_ADDITION, 0.0, VECTOR[np.sum])


# ---------------------------------------------------------------- products


@dataclass(frozen=True)
class Rows:
    """Elements of the product of a matrix and a vector; ``result``: their type."""

    result: Any

    def __str__(self) -> str:
        return "rows"

    def dtype(self, operands: Sequence[Any]) -> Any:
        """Type of the elements."""
        return self.result

    def shape(self, context: Any, builder: Any, operands: Sequence[Any], values: Sequence[Any]) -> list[Any]:
        """One axis."""
        rows, columns = shape_of(context, builder, operands[0], values[0])
        _check_lengths(context, builder, columns, *shape_of(context, builder, operands[1], values[1]))
        return [rows]

    def element(self, reader: Reader, operands: Sequence[Any], values: Sequence[Any]) -> Any:
        """The product of a row."""
        context, builder, kind = reader.context, reader.builder, operands[0]
        matrix = arrayobj.make_array(kind)(context, builder, values[0])
        (rows, columns), strides = (cgutils.unpack_tuple(builder, x, 2) for x in (matrix.shape, matrix.strides))
        alone = builder.icmp_signed("==", rows, index_constant(1))
        index = builder.select(alone, index_constant(0), reader.place[-1])
        data = cgutils.pointer_add(builder, matrix.data, builder.mul(index, strides[0]))
        row = arrayobj.make_array(_row(kind))(context, builder)
        item = matrix.itemsize
        arrayobj.populate_array(row, data=data, shape=[columns], strides=[strides[1]], itemsize=item, meminfo=None)
        target, sig = _stand_in(context.typing_context, (_row(kind), operands[1]))
        return context.get_function(target, sig)(builder, [row._getvalue(), values[1]])


def _row(matrix: Any) -> Any:
    return types.Array(matrix.dtype, 1, "C" if matrix.layout == "C" else "A", readonly=not matrix.mutable)


def _stand_in(context: Any, kinds: tuple[Any, ...]) -> tuple[Any, Any]:
    """The compiled product of operands that are no expressions, and its signature."""
    target = context.resolve_value_type(VECTOR[np.dot])
    return target, target.get_call_type(context, kinds, {})


def _check_lengths(context: Any, builder: Any, m: Any, n: Any) -> None:
    sentence = "the operands of a product are of different lengths"
    refuse_unless(context, builder, builder.icmp_signed("==", m, n), sentence)


def _kept(kind: Any) -> Any:
    return kind.stored if isinstance(kind, Expression) else kind


@dataclass(frozen=True)
class Product(ArrayFunction):
    """``np.dot`` and ``@``.

    ``name``: as of an `Elementwise`, for the product of a matrix and a vector.
    """

    name: str | None = None
    otherwise: Any = VECTOR[np.dot]

    def resolve(self, context: Any, args: tuple[Any, ...]) -> Any:
        """Signature of a product of two vectors, of a matrix and a vector, or with expressions; else ``None``."""
        ours = len(args) == 2 and all(map(dimensions, args)) and any(map(has_active_elements, args))
        if not ours:
            return None
        kept = tuple(map(_kept, args))
        if _is_inner(args):
            return _SUM.result(_factors(args))(*args)
        if _is_by_rows(kept):
            kind = self._rows(context, kept)
            return (kind if self.name else kind.stored)(*args)
        return _stand_in(context, kept)[1].return_type(*args) if kept != args else None

    def _rows(self, context: Any, kept: Any) -> Expression:
        row = _stand_in(context, (_row(kept[0]), kept[1]))[1].return_type
        return Expression(Rows(row), kept, 1, self.name or "")

    def lower(self, context: Any, builder: Any, sig: Any, args: Any) -> Any:
        """As `resolve` has it."""
        kinds, kept = sig.args, tuple(map(_kept, sig.args))
        if _is_inner(kinds):
            (m,), (n,) = (shape_of(context, builder, kind, value) for kind, value in zip(kinds, args, strict=True))
            _check_lengths(context, builder, m, n)
            factors = _factors(kinds)
            return _SUM.over(context, builder, factors, formed(context, builder, factors, kinds, args)[0])
        if _is_by_rows(kept):
            make = waiting if isinstance(sig.return_type, Expression) else worked_out
            return make(context, builder, self._rows(context.typing_context, kept), kinds, args)
        return _of_arrays(context, builder, kinds, args)


def _of_arrays(context: Any, builder: Any, kinds: tuple[Any, ...], args: Sequence[Any]) -> Any:
    """A product with expressions that have to be arrays first."""
    new = [isinstance(kind, Expression) for kind in kinds]
    operands = [
        evaluated(context, builder, kind, value) if made else value
        for kind, value, made in zip(kinds, args, new, strict=True)
    ]
    kept = tuple(map(_kept, kinds))
    target, sig = _stand_in(context.typing_context, kept)
    result = context.get_function(target, sig)(builder, operands)
    for kind, operand, made in zip(kept, operands, new, strict=True):
        if made:
            context.nrt.decref(builder, kind, operand)
    return result


def _factors(kinds: Sequence[Any]) -> Expression:
    return Expression(_PRODUCT, tuple(kinds), 1, "")


def _is_inner(kinds: tuple[Any, ...]) -> bool:
    return all(dimensions(kind) == 1 for kind in kinds) and not _is_special(*kinds)


def _is_by_rows(kinds: tuple[Any, ...]) -> bool:
    return [dimensions(kind) for kind in kinds] == [2, 1] and not _is_special(*kinds)


def _is_special(a: Any, b: Any) -> bool:
    """Whether a product has a rule of its own: with the parameters, as one record of a tape, or of several draws."""
    taped = any(isinstance(element(kind), Taped) for kind in (a, b))
    return (
        products.of_draws(a, b)
        or linear.is_linear(a, b)
        or linear.is_linear(b, a)
        or (taped and products.fits(a, b) is not None)
    )


# ---------------------------------------------------------------- which function is which

_FOLDS: dict[Any, Any] = {
    **dict.fromkeys((np.sum, sum), _SUM),
    np.mean: Fold(_ADDITION, 0.0, VECTOR[np.mean], mean=True),
    np.prod: Fold(_ENTRIES[operator.imul], 1.0, VECTOR[np.prod]),
    **dict.fromkeys((np.max, np.amax, max), Fold(_ENTRIES[np.maximum], None, VECTOR[np.max])),
    **dict.fromkeys((np.min, np.amin, min), Fold(_ENTRIES[np.minimum], None, VECTOR[np.min])),
}
_PRODUCTS = (np.dot, np.matmul, operator.matmul)


def call_of(function: Any, entry: Any, count: int) -> ArrayCall | None:
    """What a call with so many operands is to `fusion`; ``None``: it wants arrays that exist."""
    if function in _FOLDS:
        return ArrayCall(gives_array=False) if count == 1 else None
    if function in _PRODUCTS:
        return ArrayCall() if count == 2 else None
    if function is np.where:
        return ArrayCall(chooses=True) if count == 3 else None
    found = on_elements(function, entry)
    fits = isinstance(found, Elementwise) and found.arity == count
    return ArrayCall(gives_truth=isinstance(entry, Predicate) and entry.truth) if fits else None


def array_function(function: Any, entry: Any, name: str | None = None) -> Any:
    """What ``function`` does with arrays, or ``None`` (``name``: as of an `Elementwise`)."""
    if function in _FOLDS:
        return _FOLDS[function]
    if function in _PRODUCTS:
        return Product(name)
    if function is np.where:
        return choosing(name)
    return on_elements(function, entry, name) or VECTOR.get(function)
