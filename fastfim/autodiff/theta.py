# mypy: disable-error-code="untyped-decorator"
"""The parameter vector inside a density: float64 memory whose elements come out as dual numbers with unit seeds.

``Theta`` is a window on float64 memory.  Parameter i lies in lane ``i - first``: its derivative is 1 there and 0
elsewhere, made on the spot from the index, so that no matrix of seeds is stored and a constant index folds away.
Where some parameters are constants, or the lanes stand in another order, a table takes the place of ``i``.

A gradient wider than ``n`` is made in windows of ``n`` lanes; parameters outside the window get no lane.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.imputils import RefType, iternext_impl
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer, infer_global, signature
from numba.cpython import slicing
from numba.extending import infer_getattr, lower_builtin, lower_cast, lower_getattr, register_model

from fastfim.autodiff.emit import DOUBLE, INDEX, Emitter, Value
from fastfim.autodiff.number import Active

#: The lane of a parameter that is a constant: beyond all others.
NO_LANE = 2**32
#: Parameters that are copied one by one, so that they may become registers.
UNROLLED = 128


class ThetaIterator(types.SimpleIteratorType):  # type: ignore[misc]
    """Iterator over a `Theta`."""

    def __init__(self, theta: Theta) -> None:
        self.theta = theta
        super().__init__(f"iter({theta})", theta.dual)


class Theta(types.IterableType):  # type: ignore[misc]
    """A vector of parameters; its elements are active numbers.

    ``length``: their number, where it is known.  ``mapped``: a table says which lane is whose (some parameters are
    constants, or the lanes stand in another order); otherwise lanes follow the parameters.
    """

    ndim = 1

    def __init__(self, dual: Active, length: int | None = None, mapped: bool = False) -> None:
        self.dual, self.length, self.mapped = dual, length, mapped
        super().__init__(f"Theta({dual}{'' if length is None else f', {length}'}{', mapped' * mapped})")

    @property
    def part(self) -> Theta:
        """The same with any length."""
        return Theta(self.dual, None, self.mapped)

    def unify(self, context: Any, other: types.Type) -> types.Type | None:
        """A variable may hold vectors of different lengths."""
        return self.part if isinstance(other, Theta) and other.part == self.part else None

    def can_convert_to(self, context: Any, other: types.Type) -> Any:
        """A length may be forgotten."""
        return Conversion.safe if other == self.part else None

    @property
    def iterator_type(self) -> ThetaIterator:
        """For Numba's ``for``."""
        return ThetaIterator(self)


@register_model(Theta)
class ThetaModel(models.StructModel):  # type: ignore[misc]
    """Memory, the lane of element 0 (or each element's lane), number of elements, and what its numbers need."""

    def __init__(self, manager: Any, kind: Theta) -> None:
        lanes = types.CPointer(types.intp) if kind.mapped else types.intp
        members = [("data", types.CPointer(types.float64)), ("lanes", lanes), ("size", types.intp)]
        members += kind.dual.extra
        super().__init__(manager, kind, members)


@register_model(ThetaIterator)
class ThetaIteratorModel(models.StructModel):  # type: ignore[misc]
    """The vector, and where the iteration stands."""

    def __init__(self, manager: Any, kind: ThetaIterator) -> None:
        super().__init__(manager, kind, [("theta", kind.theta), ("index", types.EphemeralPointer(types.intp))])


def index_constant(i: int) -> Any:
    """An ``intp`` known now."""
    return ir.Constant(INDEX, i)


def _struct(context: Any, builder: Any, kind: Any, value: Any = None) -> Any:
    return cgutils.create_struct_proxy(kind)(context, builder, value=value)


def element(context: Any, builder: Any, kind: Theta, theta: Any, index: Any) -> Any:
    """``theta[index]`` with its unit seed; a negative index counts from the end."""
    e, struct = Emitter(context, builder), _struct(context, builder, kind, theta)
    below = builder.icmp_signed("<", index, index_constant(0))
    index = builder.select(below, builder.add(index, struct.size), index)
    lane = builder.load(builder.gep(struct.lanes, [index])) if kind.mapped else builder.add(index, struct.lanes)
    value = Value(e, builder.load(builder.gep(struct.data, [index])))
    return kind.dual.parameter(e, value, lane, struct).pack(e)


@lower_cast(Theta, Theta)
def forget_length(context: Any, builder: Any, source: Theta, target: Theta, theta: Any) -> Any:
    """The same vector."""
    return theta


@infer_global(operator.getitem)
class ThetaGetItem(AbstractTemplate):  # type: ignore[misc]
    """``theta[i]`` and ``theta[i:j]``."""

    def generic(self, args: Any, kws: Any) -> Any:
        """Type of the element or of the slice."""
        if isinstance(args[0], Theta) and isinstance(args[1], types.Integer):
            return signature(args[0].dual, args[0], types.intp)
        if isinstance(args[0], Theta) and args[1] == types.slice2_type:
            return signature(args[0].part, args[0], types.slice2_type)
        return None


@lower_builtin(operator.getitem, Theta, types.intp)
def get_element(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Lower ``theta[i]``."""
    return element(context, builder, sig.args[0], *args)


@lower_builtin(operator.getitem, Theta, types.slice2_type)
def get_slice(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Lower ``theta[i:j]``: a window on the same memory."""
    whole = _struct(context, builder, sig.args[0], args[0])
    part = context.make_helper(builder, sig.args[1], args[1])
    slicing.fix_slice(builder, part, whole.size)
    window = _struct(context, builder, sig.return_type, args[0])
    window.data = builder.gep(whole.data, [part.start])
    move = builder.gep if sig.return_type.mapped else builder.add
    window.lanes = move(whole.lanes, [part.start] if sig.return_type.mapped else part.start)
    window.size = slicing.get_slice_length(builder, part)
    return window._getvalue()


@infer_global(len)
class ThetaLen(AbstractTemplate):  # type: ignore[misc]
    """``len(theta)``."""

    def generic(self, args: Any, kws: Any) -> Any:
        """An ``intp``."""
        return signature(types.intp, args[0]) if isinstance(args[0], Theta) else None


@lower_builtin(len, Theta)
def get_length(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Lower ``len(theta)``."""
    return _struct(context, builder, sig.args[0], args[0]).size


@infer_getattr
class ThetaAttributes(AttributeTemplate):  # type: ignore[misc]
    """``theta.size``, ``theta.shape`` and ``theta.ndim``, as of a NumPy vector."""

    key = Theta

    def resolve_size(self, theta: Theta) -> Any:
        """An ``intp``."""
        return types.intp

    def resolve_shape(self, theta: Theta) -> Any:
        """A tuple of one ``intp``."""
        return types.UniTuple(types.intp, 1)

    def resolve_ndim(self, theta: Theta) -> Any:
        """Always 1."""
        return types.intp


@lower_getattr(Theta, "size")
def get_size(context: Any, builder: Any, kind: Theta, theta: Any) -> Any:
    """Lower ``theta.size``."""
    return _struct(context, builder, kind, theta).size


@lower_getattr(Theta, "shape")
def get_shape(context: Any, builder: Any, kind: Theta, theta: Any) -> Any:
    """Lower ``theta.shape``."""
    return cgutils.pack_array(builder, [_struct(context, builder, kind, theta).size])


@lower_getattr(Theta, "ndim")
def get_ndim(context: Any, builder: Any, kind: Theta, theta: Any) -> Any:
    """Lower ``theta.ndim``."""
    return index_constant(1)


@infer
class ThetaGetIter(AbstractTemplate):  # type: ignore[misc]
    """``iter(theta)``, which also serves unpacking."""

    key = "getiter"

    def generic(self, args: Any, kws: Any) -> Any:
        """The iterator's type."""
        return signature(args[0].iterator_type, args[0]) if isinstance(args[0], Theta) else None


@lower_builtin("getiter", Theta)
def get_iterator(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Lower ``iter(theta)``."""
    iterator = _struct(context, builder, sig.return_type)
    iterator.theta = args[0]
    iterator.index = cgutils.alloca_once_value(builder, index_constant(0))
    return iterator._getvalue()


@lower_builtin("iternext", ThetaIterator)
@iternext_impl(RefType.UNTRACKED)
def next_element(context: Any, builder: Any, sig: Any, args: Any, result: Any) -> None:
    """Lower a step of the iteration."""
    iterator = _struct(context, builder, sig.args[0], args[0])
    kind = sig.args[0].theta
    index = builder.load(iterator.index)
    more = builder.icmp_signed("<", index, _struct(context, builder, kind, iterator.theta).size)
    result.set_valid(more)
    with builder.if_then(more):
        result.yield_(element(context, builder, kind, iterator.theta, index))
        builder.store(builder.add(index, index_constant(1)), iterator.index)


def local_copy(
    context: Any, builder: Any, kind: Theta, source: Any, first: Any, p: int, lanes: Sequence[int] | None = None
) -> Any:
    """A `Theta` of ``p`` parameters on a private stack copy, lane 0 at parameter (or entry of ``lanes``) ``first``.

    Nothing else can write to the copy, so work on parameters alone moves out of the loop over draws.
    """

    def copied(type_: Any, values: Iterable[Any]) -> Any:
        slot = builder.bitcast(cgutils.alloca_once(builder, ir.ArrayType(type_, p)), type_.as_pointer())
        for i, value in enumerate(values):
            builder.store(value, builder.gep(slot, [index_constant(i)]))
        return slot

    theta = _struct(context, builder, kind)
    if p <= UNROLLED:
        theta.data = copied(DOUBLE, (builder.load(builder.gep(source, [index_constant(i)])) for i in range(p)))
    else:
        theta.data = copied(DOUBLE, ())
        cgutils.memcpy(builder, theta.data, source, index_constant(p))
    if lanes is None:
        theta.lanes = builder.neg(first)
    else:
        of = {parameter: lane for lane, parameter in enumerate(lanes)}
        theta.lanes = copied(INDEX, (builder.sub(index_constant(of.get(i, NO_LANE)), first) for i in range(p)))
    theta.size = index_constant(p)
    return theta._getvalue()
