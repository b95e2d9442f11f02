"""The native signature of a compiled block of work, and the few intrinsics that cross it; `calls` holds what calls it.

>>> kind_of(("f", 2))
Array(float64, 2, 'C', True, aligned=True)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.np.arrayobj import make_array, populate_array

from ._jit import intrinsic

FLOATS = types.CPointer(types.float64)
INTS = types.CPointer(types.int64)
SIGNATURE = types.int64(FLOATS, FLOATS, FLOATS, INTS, FLOATS, FLOATS)

_I64, _F64 = ir.IntType(64), ir.DoubleType()
_WORD = 8


@intrinsic
def offset(typingctx: Any, pointer: Any, count: Any) -> Any:
    """``pointer + count`` (in elements)."""
    return pointer(pointer, types.int64), lambda context, builder, sig, args: builder.gep(args[0], [args[1]])


@intrinsic
def address(typingctx: Any, array: Any) -> Any:
    """Pointer to the first element of an array."""
    pointer = types.CPointer(array.dtype)
    return pointer(array), lambda context, builder, sig, args: make_array(array)(context, builder, args[0]).data


def _array(context: Any, builder: Any, kind: Any, pointer: Any, shape: list[Any]) -> Any:
    """A C-contiguous array value of numba type ``kind`` over memory that it does not own."""
    strides: list[Any] = []
    step: Any = _I64(_WORD)
    for extent in reversed(shape):
        strides.insert(0, step)
        step = builder.mul(step, extent)
    array = make_array(kind)(context, builder)
    populate_array(array, data=pointer, shape=shape, strides=strides, itemsize=_I64(_WORD), meminfo=None)
    return array._getvalue()


def private_copy(p: int) -> Any:
    """Intrinsic ``f(pointer) -> float64[p]`` on the stack, read-only: work on theta alone can leave a loop."""
    kind = types.Array(types.float64, 1, "C", readonly=True)

    @intrinsic
    def copy(typingctx: Any, pointer: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            slot = builder.bitcast(cgutils.alloca_once(builder, ir.ArrayType(_F64, p)), _F64.as_pointer())
            for i in range(p):
                builder.store(builder.load(builder.gep(args[0], [_I64(i)])), builder.gep(slot, [_I64(i)]))
            return _array(context, builder, kind, slot, [_I64(p)])

        return kind(FLOATS), codegen

    return copy


def kind_of(kind: tuple[str, int]) -> Any:
    """Numba type of a constant of a `calls.Kind`: what all threads of a run share is not to be written."""
    scalar = types.float64 if kind[0] == "f" else types.int64
    return types.Array(scalar, kind[1], "C", readonly=True) if kind[1] else scalar


@intrinsic
def read_only(typingctx: Any, array: Any) -> Any:
    """The same array (of memory that nobody owns), not to be written."""
    return array.copy(readonly=True)(array), lambda context, builder, sig, args: args[0]


def shared_kind(kind: Any) -> Any:
    """Numba type of what all draws share, of arrays that are not to be written."""
    if isinstance(kind, types.BaseTuple):
        return types.BaseTuple.from_types(tuple(map(shared_kind, kind)), getattr(kind, "instance_class", None))
    return kind.copy(readonly=True) if isinstance(kind, types.Array) else kind


@intrinsic
def shared(typingctx: Any, value: Any) -> Any:
    """The same value, of the type `shared_kind` says."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return impl_ret_borrowed(context, builder, sig.return_type, _retyped(context, builder, value, args[0]))

    return shared_kind(value)(value), codegen


def _retyped(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if not isinstance(kind, types.BaseTuple):
        return value
    # tuples of equal and of different types lie in memory in different ways
    members = zip(kind, cgutils.unpack_tuple(builder, value), strict=True)
    return context.make_tuple(builder, shared_kind(kind), [_retyped(context, builder, *member) for member in members])


def unpacker(constants: tuple[tuple[str, int], ...], start: int) -> Any:
    """Intrinsic ``f(table) -> tuple`` of the constants of these kinds, whose words begin at ``start``."""
    kinds = tuple(map(kind_of, constants))
    result = types.Tuple(kinds)

    @intrinsic
    def unpack(typingctx: Any, table: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            position = start

            def word() -> Any:
                nonlocal position
                position += 1
                return builder.load(builder.gep(args[0], [_I64(position - 1)]))

            values = []
            for kind in kinds:
                first = word()
                if isinstance(kind, types.Array):
                    pointer = builder.inttoptr(first, context.get_data_type(kind.dtype).as_pointer())
                    values.append(_array(context, builder, kind, pointer, [word() for _ in range(kind.ndim)]))
                else:
                    values.append(builder.bitcast(first, context.get_value_type(kind)))
            return context.make_tuple(builder, result, values)

        return result(INTS), codegen

    return unpack
