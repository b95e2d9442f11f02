# mypy: disable-error-code="untyped-decorator"
"""Operands of array code, and arrays that exist only as a formula.

In ``np.sum((y - X @ theta) ** 2)`` none of the three arrays on the way is wanted for itself.  Each is an `Expression`:
a Numba type that says how its elements come about, and holds no more than the operands.  Whoever needs an element has
the instructions for it written on the spot, so that the sum runs as one loop, without memory::

    power(subtract(y, product(X, theta)), 2)    # the type
    {{y, {X, theta}}, 2, lengths}               # the value

Operands are numbers, vectors (`Theta` too), matrices and expressions; they stretch as NumPy's do.  An expression that
occurs twice in another is worked out once an element: its type carries the name of the variable that it stands for.
(Veldhuizen, *Expression templates*, C++ Report 7(5), 1995.)  Which variables may wait so is settled by `fusion`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
from numba.extending import infer_getattr, lower_builtin, lower_getattr, register_model
from numba.np import arrayobj

from fastfim._arrays import new_array
from fastfim.autodiff import theta as parameters
from fastfim.autodiff.masks import Mask
from fastfim.autodiff.number import REAL, Active
from fastfim.autodiff.theta import Theta, index_constant


class Formula(Protocol):
    """How the elements of an expression come about."""

    def dtype(self, operands: Sequence[Any]) -> Any:
        """Type of the elements."""

    def shape(self, context: Any, builder: Any, operands: Sequence[Any], values: Sequence[Any]) -> list[Any]:
        """Extents; compiled code raises where operands do not fit together."""

    def element(self, reader: Reader, operands: Sequence[Any], values: Sequence[Any]) -> Any:
        """The element at the reader's place."""


class Expression(types.Type):  # type: ignore[misc]
    """An array of ``ndim`` axes that a formula makes of operands; ``name``: of the variable that it stands for."""

    def __init__(self, formula: Formula, operands: tuple[Any, ...], ndim: int, name: str) -> None:
        self.formula, self.operands, self.ndim, self.label = formula, operands, ndim, name
        self.dtype = formula.dtype(operands)
        super().__init__(f"Expression({name}, {formula}, {ndim}, {', '.join(map(str, operands))})")

    @property
    def stored(self) -> Any:
        """The array that holds the same elements."""
        dtype = types.boolean if isinstance(self.dtype, Mask) else getattr(self.dtype, "stored", self.dtype)
        return types.Array(dtype, self.ndim, "C")

    def unify(self, context: Any, other: Any) -> Expression | None:
        """The same of arrays of the types that are found later, when a loop turns out to change an array's layout."""
        same = isinstance(other, Expression) and (self.formula, self.label) == (other.formula, other.label)
        if not same or len(self.operands) != len(other.operands):
            return None
        operands = tuple(context.unify_pairs(*pair) for pair in zip(self.operands, other.operands, strict=True))
        return None if None in operands else Expression(self.formula, operands, self.ndim, self.label)


@register_model(Expression)
class ExpressionModel(models.StructModel):  # type: ignore[misc]
    """The operands and the extents."""

    def __init__(self, manager: Any, kind: Expression) -> None:
        held = [(f"operand{k}", types.unliteral(operand)) for k, operand in enumerate(kind.operands)]
        super().__init__(manager, kind, [*held, ("shape", types.UniTuple(types.intp, kind.ndim))])


def dimensions(kind: Any) -> int | None:
    """0 for a number, 1 for a vector, 2 for a matrix; ``None`` for anything else."""
    if isinstance(kind, (Active, Mask, *REAL)):
        return 0
    if isinstance(kind, Theta):
        return 1
    return kind.ndim if isinstance(kind, (types.Array, Expression)) and kind.ndim <= 2 else None


def element(kind: Any) -> Any:
    """Type of the elements of an operand."""
    if isinstance(kind, Theta):
        return kind.dual
    return kind.dtype if isinstance(kind, (types.Array, Expression)) else kind


def has_active_elements(kind: Any) -> bool:
    """Whether an operand is a vector or matrix of active numbers."""
    return bool(dimensions(kind)) and isinstance(element(kind), Active)


def shape_of(context: Any, builder: Any, kind: Any, value: Any) -> list[Any]:
    """Extents of an operand."""
    if isinstance(kind, Theta):
        return [cgutils.create_struct_proxy(kind)(context, builder, value).size]
    if not dimensions(kind):
        return []
    struct = cgutils.create_struct_proxy(kind)(context, builder, value)
    found: list[Any] = cgutils.unpack_tuple(builder, struct.shape, kind.ndim)
    return found


def refuse_unless(context: Any, builder: Any, condition: Any, sentence: str) -> None:
    """Raise a ValueError where a condition does not hold."""
    with builder.if_then(builder.not_(condition), likely=False):
        context.call_conv.return_user_exc(builder, ValueError, (sentence,))


class Reader:
    """The elements of operands at one place of the shape that they have together."""

    def __init__(self, context: Any, builder: Any, place: Sequence[Any]) -> None:
        self.context, self.builder, self.place = context, builder, place
        self.known: dict[str, Any] = {}

    def read(self, kind: Any, value: Any) -> Any:
        """The element of an operand, of the type `element` says."""
        if isinstance(kind, types.IntegerLiteral):
            return ir.Constant(self.context.get_value_type(types.unliteral(kind)), kind.literal_value)
        if not dimensions(kind):
            return value
        if isinstance(kind, Expression):
            if kind.label not in self.known:
                self.known[kind.label] = kind.formula.element(self, kind.operands, operands_of(self, kind, value))
            return self.known[kind.label]
        place = self.stretched(kind, value)
        if isinstance(kind, Theta):
            return parameters.element(self.context, self.builder, kind, value, place[0])
        address = _address(self.context, self.builder, kind, value, place)
        return arrayobj.load_item(self.context, self.builder, kind, address)

    def stretched(self, kind: Any, value: Any) -> list[Any]:
        """The place in an operand, which may be shorter."""
        shape, (zero, one) = shape_of(self.context, self.builder, kind, value), map(index_constant, (0, 1))
        pairs = zip(shape, self.place[len(self.place) - len(shape) :], strict=True)
        return [self.builder.select(self.builder.icmp_signed("==", n, one), zero, i) for n, i in pairs]


def operands_of(where: Any, kind: Expression, value: Any) -> list[Any]:
    """The operands that an expression holds."""
    struct = cgutils.create_struct_proxy(kind)(where.context, where.builder, value)
    return [getattr(struct, f"operand{k}") for k in range(len(kind.operands))]


def _address(context: Any, builder: Any, kind: Any, value: Any, place: Sequence[Any]) -> Any:
    array = arrayobj.make_array(kind)(context, builder, value)
    return cgutils.get_item_pointer(context, builder, kind, array, list(place), wraparound=False)


def store(context: Any, builder: Any, kind: Any, array: Any, place: Sequence[Any], number: Any) -> None:
    """Set an element of an array."""
    arrayobj.store_item(context, builder, kind, number, _address(context, builder, kind, array, place))


@contextmanager
def loops(builder: Any, shape: Sequence[Any]) -> Iterator[list[Any]]:
    """Nested loops over all places of a shape, the last index fastest."""
    with ExitStack() as stack:
        yield [stack.enter_context(cgutils.for_range(builder, extent)).index for extent in shape]


# ---------------------------------------------------------------- from operands to expressions to arrays


def formed(context: Any, builder: Any, kind: Expression, given: Sequence[Any], values: Sequence[Any]) -> Any:
    """An expression of operands of the types ``given``, and which of them had to be made into arrays first.

    Where an expression is to be read more than once an element, the type asks for an array in its place.
    """
    pairs = list(zip(kind.operands, given, strict=True))
    made = [isinstance(source, Expression) and not isinstance(wanted, Expression) for wanted, source in pairs]
    operands = [
        evaluated(context, builder, source, value) if new else value
        for source, value, new in zip(given, values, made, strict=True)
    ]
    struct = cgutils.create_struct_proxy(kind)(context, builder)
    for k, operand in enumerate(operands):
        setattr(struct, f"operand{k}", operand)
    struct.shape = cgutils.pack_array(builder, kind.formula.shape(context, builder, kind.operands, operands))
    return struct._getvalue(), list(zip(made, kind.operands, operands, strict=True))


def waiting(context: Any, builder: Any, kind: Expression, given: Sequence[Any], values: Sequence[Any]) -> Any:
    """An expression that owns its operands."""
    value, operands = formed(context, builder, kind, given, values)
    for new, source, operand in operands:
        if dimensions(source) and not new:
            context.nrt.incref(builder, source, operand)
    return value


def worked_out(context: Any, builder: Any, kind: Expression, given: Sequence[Any], values: Sequence[Any]) -> Any:
    """The array of an expression of operands of the types ``given``."""
    value, operands = formed(context, builder, kind, given, values)
    result = evaluated(context, builder, kind, value)
    for new, source, operand in operands:
        if new:
            context.nrt.decref(builder, source, operand)
    return result


def evaluated(context: Any, builder: Any, kind: Expression, value: Any) -> Any:
    """The array of an expression's elements."""
    out, shape = kind.stored, shape_of(context, builder, kind, value)
    array = new_array(context, builder, out, shape)
    with loops(builder, shape) as place:
        number = Reader(context, builder, place).read(kind, value)
        store(context, builder, out, array, place, _as_stored(context, builder, kind.dtype, out, number))
    return array


def _as_stored(context: Any, builder: Any, source: Any, out: Any, number: Any) -> Any:
    """An element as an array keeps it; draws that disagree on a truth value diverge."""
    if isinstance(source, Mask):
        return context.get_function(bool, signature(types.boolean, source))(builder, (number,))
    return context.cast(builder, number, source, out.dtype)


# ---------------------------------------------------------------- what else may be asked of an expression


@infer_global(len)
class ExpressionLen(AbstractTemplate):  # type: ignore[misc]
    """``len(expression)``."""

    def generic(self, args: Any, kws: Any) -> Any:
        """An ``intp``."""
        return signature(types.intp, args[0]) if isinstance(args[0], Expression) else None


@lower_builtin(len, Expression)
def get_length(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Lower ``len(expression)``."""
    return shape_of(context, builder, sig.args[0], args[0])[0]


@infer_getattr
class ExpressionAttributes(AttributeTemplate):  # type: ignore[misc]
    """``shape``, ``size`` and ``ndim``."""

    key = Expression

    def resolve_shape(self, kind: Expression) -> Any:
        """A tuple."""
        return types.UniTuple(types.intp, kind.ndim)

    def resolve_size(self, kind: Expression) -> Any:
        """An ``intp``."""
        return types.intp

    def resolve_ndim(self, kind: Expression) -> Any:
        """1 or 2."""
        return types.intp


@lower_getattr(Expression, "shape")
def get_shape(context: Any, builder: Any, kind: Expression, value: Any) -> Any:
    """Lower ``expression.shape``."""
    return cgutils.pack_array(builder, shape_of(context, builder, kind, value))


@lower_getattr(Expression, "size")
def get_size(context: Any, builder: Any, kind: Expression, value: Any) -> Any:
    """Lower ``expression.size``."""
    shape = shape_of(context, builder, kind, value)
    return shape[0] if len(shape) == 1 else builder.mul(*shape)


@lower_getattr(Expression, "ndim")
def get_ndim(context: Any, builder: Any, kind: Expression, value: Any) -> Any:
    """Lower ``expression.ndim``."""
    return index_constant(kind.ndim)
