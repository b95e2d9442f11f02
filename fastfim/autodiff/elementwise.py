"""Arithmetic and functions on whole vectors and matrices of active numbers, with NumPy's broadcasting.

A NumPy function of the table, or an operator, that meets an array is applied to every element by the same rule as to a
single number; nothing about derivatives is stated twice.  The result is an array, or, where `fusion` allows, an
`expressions.Expression` whose elements wait until somebody asks for them::

    def logpdf(y, theta, X):
        return -0.5 * np.sum((y - X @ theta) ** 2)

All instructions are written as the call is lowered: no function is compiled for an array's operations, which compiles
three times faster than a loop in Python for each.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.np import arrayobj

from fastfim._arrays import new_array
from fastfim.autodiff.dtype import DualDType
from fastfim.autodiff.dual import Dual
from fastfim.autodiff.emit import Emitter, Value
from fastfim.autodiff.expressions import (
    Expression,
    Reader,
    dimensions,
    element,
    loops,
    refuse_unless,
    shape_of,
    store,
    waiting,
    worked_out,
)
from fastfim.autodiff.masks import Mask
from fastfim.autodiff.number import REAL, Active, joint
from fastfim.autodiff.operations import (
    ArrayFunction,
    lower_entry,
    plain_signature,
    scalar_operand,
    scalar_signature,
    select,
    select_draws,
)
from fastfim.autodiff.rules import Choice, Entry, Predicate, Rule
from fastfim.autodiff.theta import index_constant
from fastfim.autodiff.vectors import VECTOR, stands_in_for

#: Operators that change an array where it lies.
IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow)


def result_dtype(kinds: tuple[Any, ...]) -> Any:
    """What numbers made of elements of these types are stored as."""
    found = joint(map(element, kinds))
    return DualDType(found) if found else np.float64


# ---------------------------------------------------------------- formulas


def common_shape(context: Any, builder: Any, operands: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    """The shape of operands together."""
    common: list[Any] = []
    one = index_constant(1)
    for kind, value in zip(operands, values, strict=True):
        shape = shape_of(context, builder, kind, value)
        longer, shorter = (common, shape) if len(common) >= len(shape) else (shape, common)
        joined = longer[: len(longer) - len(shorter)]
        for m, n in zip(longer[len(joined) :], shorter, strict=True):
            stretched = builder.icmp_signed("==", m, one)
            fits = builder.or_(stretched, builder.icmp_signed("==", n, one))
            fits = builder.or_(fits, builder.icmp_signed("==", m, n))
            sentence = "operands could not be broadcast together: their lengths differ"
            refuse_unless(context, builder, fits, sentence)
            joined = [*joined, builder.select(stretched, n, m)]
        common = joined
    return common


@dataclass(frozen=True)
class Applied:
    """Elements are what an entry of the table makes of the operands' elements."""

    entry: Any

    def __str__(self) -> str:
        return f"{self.entry.name} {id(self.entry)}"

    def signature(self, operands: Sequence[Any]) -> Any:
        """Of the function of single elements."""
        kinds = tuple(types.unliteral(element(kind)) for kind in operands)
        plain = getattr(self.entry, "plain", None) and all(isinstance(k, REAL) for k in kinds)
        return plain_signature(self.entry, kinds) if plain else scalar_signature(self.entry, kinds)

    def dtype(self, operands: Sequence[Any]) -> Any:
        """Type of the elements, or ``None``."""
        sig = self.signature(operands)
        return sig and sig.return_type

    def shape(self, context: Any, builder: Any, operands: Sequence[Any], values: Sequence[Any]) -> list[Any]:
        """As NumPy has it."""
        return common_shape(context, builder, operands, values)

    def element(self, reader: Reader, operands: Sequence[Any], values: Sequence[Any]) -> Any:
        """The rule at work."""
        sig, numbers = self.signature(operands), []
        for kind, value, wanted in zip(operands, values, sig.args, strict=True):
            source = types.unliteral(element(kind))
            numbers.append(reader.context.cast(reader.builder, reader.read(kind, value), source, wanted))
        return lower_entry(self.entry, reader.context, reader.builder, sig, numbers)


@dataclass(frozen=True)
class Chosen:
    """Elements of ``np.where``: the second operand's where the first one's is true, else the third one's."""

    arity = 3

    def dtype(self, operands: Sequence[Any]) -> Any:
        """Type of the elements, or ``None``."""
        condition, *others = (types.unliteral(element(kind)) for kind in operands)
        if not isinstance(condition, (Mask, Active, *REAL)) or not all(isinstance(k, (Active, *REAL)) for k in others):
            return None
        draws = getattr(condition, "draws", 1)
        found = joint([*others, *([Dual(0, draws=draws)] if draws > 1 else [])])
        return found or (None if any(isinstance(k, Active) for k in others) else types.float64)

    def shape(self, context: Any, builder: Any, operands: Sequence[Any], values: Sequence[Any]) -> list[Any]:
        """As NumPy has it."""
        return common_shape(context, builder, operands, values)

    def element(self, reader: Reader, operands: Sequence[Any], values: Sequence[Any]) -> Any:
        """Both are worked out; no draw diverges."""
        e, wanted = Emitter(reader.context, reader.builder), self.dtype(operands)
        condition = _truth(e, types.unliteral(element(operands[0])), reader.read(operands[0], values[0]))
        numbers: list[Any] = []
        for kind, value in zip(operands[1:], values[1:], strict=True):
            source = types.unliteral(element(kind))
            number = reader.context.cast(reader.builder, reader.read(kind, value), source, wanted)
            numbers.append(wanted.unpack(e, number) if isinstance(wanted, Active) else Value(e, number))
        result = select(e, condition, *numbers)
        return result.ir if isinstance(result, Value) else result.pack(e)


def _truth(e: Emitter, kind: Any, number: Any) -> Value:
    """A condition; numbers are true but for 0."""
    if isinstance(kind, Mask):
        return Value(e, number)
    if isinstance(kind, Active):
        return kind.unpack(e, number).value != 0
    return Value(e, e.context.is_true(e.builder, kind, number))


# ---------------------------------------------------------------- functions


@dataclass(frozen=True)
class Elementwise(ArrayFunction):
    """A function applied to every element of its operands.

    Attributes
    ----------
    formula
        What it does to single elements.
    arity
        Number of operands.
    name
        The variable that the result is for, if it may wait for its use; ``None``: it is stored.
    otherwise
        Stand-in for operands of other types, or ``None``.
    """

    formula: Any
    arity: int
    name: str | None = None
    otherwise: Any = None

    def expression(self, args: Sequence[Any]) -> Expression | None:
        """The type of the result as an expression, or ``None`` where the operands are none of ours."""
        axes = [dimensions(kind) for kind in args]
        ndim = max((n for n in axes if n is not None), default=0)
        if len(args) != self.arity or None in axes or not ndim:
            return None
        # a vector stretched to a matrix is read once a row
        kinds = (k.stored if isinstance(k, Expression) and k.ndim < ndim else scalar_operand(k) for k in args)
        operands = tuple(kinds)
        return Expression(self.formula, operands, ndim, self.name or "") if self.formula.dtype(operands) else None

    def resolve(self, context: Any, args: tuple[Any, ...]) -> Any:
        """Signature of a call, or ``None``."""
        kind = self.expression(args)
        if kind is None:
            return None
        taken = [a if dimensions(a) else o for a, o in zip(args, kind.operands, strict=True)]
        waits = self.name and isinstance(kind.dtype, (Active, Mask, types.Boolean))
        return (kind if waits else kind.stored)(*taken)

    def lower(self, context: Any, builder: Any, sig: Any, args: Any) -> Any:
        """Hold the operands, or work out all elements."""
        make = waiting if isinstance(sig.return_type, Expression) else worked_out
        kind: Any = self.expression(sig.args)
        return make(context, builder, kind, sig.args, args)


@dataclass(frozen=True)
class InPlace(ArrayFunction):
    """``a += b`` for an array of active numbers."""

    formula: Applied
    otherwise: Any = None

    def resolve(self, context: Any, args: tuple[Any, ...]) -> Any:
        """The array itself."""
        if len(args) != 2:
            return None
        a, b = args
        fits = isinstance(a, types.Array) and isinstance(a.dtype, Active) and None not in map(dimensions, args)
        fits = fits and a.mutable
        made = self.formula.dtype((a, b)) if fits and (dimensions(b) or 0) <= a.ndim else None
        fits = made is not None and joint((made, a.dtype)) == a.dtype
        return a(a, scalar_operand(b)) if fits else None

    def lower(self, context: Any, builder: Any, sig: Any, args: Any) -> Any:
        """Element by element, where the operand is not a view of what changes; else of a copy."""
        (a, b), (array, operand) = sig.args, args
        shape = shape_of(context, builder, a, array)
        _check_fit(context, builder, shape, shape_of(context, builder, b, operand))
        copied = None
        if isinstance(b, types.Array) and isinstance(b.dtype, Active):
            operand, copied = _unshared(context, builder, (a, array), (b, operand))
            b = b.copy(layout="A")
        with loops(builder, shape) as place:
            reader = Reader(context, builder, place)
            result = self.formula.element(reader, (a, b), (array, operand))
            number = context.cast(builder, result, self.formula.dtype((a, b)), a.dtype)
            store(context, builder, a, array, place, number)
        if copied is not None:
            context.nrt.decref(builder, b, builder.load(copied))
        return impl_ret_borrowed(context, builder, a, array)


def _check_fit(context: Any, builder: Any, shape: list[Any], other: list[Any]) -> None:
    for n, m in zip(shape[len(shape) - len(other) :], other, strict=True):
        fits = builder.or_(builder.icmp_signed("==", m, index_constant(1)), builder.icmp_signed("==", m, n))
        sentence = "operands could not be broadcast together: the array on the left is too short"
        refuse_unless(context, builder, fits, sentence)


def _unshared(context: Any, builder: Any, target: Any, source: Any) -> tuple[Any, Any]:
    """The source, or a copy of it if it may share memory with the target; and where the copy stands, to be freed."""

    def extents(kind: Any, value: Any) -> Any:
        array = arrayobj.make_array(kind)(context, builder, value)
        shape, strides = (cgutils.unpack_tuple(builder, part, kind.ndim) for part in (array.shape, array.strides))
        return arrayobj.get_array_memory_extents(context, builder, kind, array, shape, strides, array.data)

    kind, value = source
    plain = kind.copy(layout="C", readonly=False)
    found = cgutils.alloca_once_value(builder, value)
    copied = cgutils.alloca_once_value(builder, cgutils.get_null_value(value.type))
    shared = arrayobj.extents_may_overlap(context, builder, *extents(*target), *extents(*source))
    with builder.if_then(shared, likely=False):
        shape = shape_of(context, builder, kind, value)
        copy = new_array(context, builder, plain, shape)
        with loops(builder, shape) as place:
            store(context, builder, plain, copy, place, Reader(context, builder, place).read(kind, value))
        builder.store(copy, found)
        builder.store(copy, copied)
    return builder.load(found), copied


def on_elements(function: Any, entry: Entry | None, name: str | None = None) -> Any:
    """What ``function`` does with arrays, or ``None``: one of `math` takes none (``name``: see `Elementwise`)."""
    scalar_only = isinstance(function, type) or getattr(function, "__module__", "") == "math"
    if scalar_only or not isinstance(entry, Rule | Choice | Predicate):
        return None
    return InPlace(Applied(entry)) if function in IN_PLACE else Elementwise(Applied(entry), entry.arity, name)


# ---------------------------------------------------------------- np.where of numbers


def are_numbers(*kinds: Any) -> bool:
    """Whether there are three arguments, all of them numbers."""
    return len(kinds) == 3 and all(dimensions(kind) == 0 for kind in kinds)


@stands_in_for(np.where, plain=are_numbers)
def where(a: Any, b: Any, c: Any) -> Any:
    """``np.where`` of a condition and two numbers.

    Of plain numbers too: Numba would make an array of the one number, on the heap, in a hundred nanoseconds.
    """

    def choose(a: Any, b: Any, c: Any) -> Any:
        return b if a else c

    def choose_by_draw(a: Any, b: Any, c: Any) -> Any:
        return select_draws(a, b, c)

    if not are_numbers(a, b, c):
        return None
    return choose_by_draw if isinstance(a, Mask) else choose


def choosing(name: str | None = None) -> Elementwise:
    """``np.where``."""
    return Elementwise(Chosen(), 3, name, VECTOR[np.where])
