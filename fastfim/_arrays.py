# mypy: disable-error-code="untyped-decorator"
"""Arrays in compiled code, made and seen in a few instructions.

Numba's ``np.empty`` and ``carray`` are functions in Python, which every process compiles anew for each type they meet:
30 milliseconds a time, where a user's density takes 50; slices take as long. These mean the same::

    memory = empty((n, words))                  # np.empty
    rows = carray(pointer, (p, n))              # numba.carray(pointer, (p, n))
    second = window(row, 8, 16)                 # row[8:24]
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed, impl_ret_new_ref
from numba.extending import intrinsic
from numba.np.arrayobj import _parse_shape, make_array, populate_array

_INDEX = ir.IntType(64)


# ---------------------------------------------------------------- new arrays


def new_array(context: Any, builder: Any, kind: Any, shape: Sequence[Any]) -> Any:
    """A C-ordered array on the heap, not yet filled; compiled code raises where it would be too large."""
    item, fits = _INDEX(context.get_abi_sizeof(context.get_data_type(kind.dtype))), cgutils.true_bit
    strides: list[Any] = []
    size = item
    for extent in reversed(shape):
        strides.insert(0, size)
        product = builder.smul_with_overflow(size, extent)
        size = builder.extract_value(product, 0)
        fits = builder.and_(fits, builder.not_(builder.extract_value(product, 1)))
    with builder.if_then(builder.not_(fits), likely=False):
        context.call_conv.return_user_exc(builder, ValueError, ("an array is too large for this machine",))
    alignment = context.get_constant(types.uint32, context.get_preferred_array_alignment(kind.dtype))
    owner = context.nrt.meminfo_alloc_aligned(builder, size, alignment)
    data = builder.bitcast(context.nrt.meminfo_data(builder, owner), context.get_data_type(kind.dtype).as_pointer())
    array = make_array(kind)(context, builder)
    populate_array(array, data=data, shape=list(shape), strides=strides, itemsize=item, meminfo=owner)
    return array._getvalue()


def _array_type(dtype: Any, shape: Any) -> Any:
    """Type of an array of this shape, a number or a tuple of numbers; ``None`` if it is neither."""
    extents = shape.types if isinstance(shape, types.BaseTuple) else (shape,)
    counts = extents and all(isinstance(extent, types.Integer) for extent in extents)
    return types.Array(dtype, len(extents), "C") if counts else None


def _make(context: Any, builder: Any, sig: Any, shape: Any, cleared: bool) -> Any:
    kind = sig.return_type
    array = new_array(context, builder, kind, _parse_shape(context, builder, sig.args[0], shape))
    if cleared:
        made = make_array(kind)(context, builder, array)
        cgutils.memset(builder, made.data, builder.mul(made.itemsize, made.nitems), 0)
    return impl_ret_new_ref(context, builder, kind, array)


def _named(function: Any, cleared: bool) -> Any:
    """The intrinsic, as it is called in messages."""
    function.__name__ = function.__qualname__ = "zeros" if cleared else "empty"
    return intrinsic(function)


@functools.cache
def maker(dtype: Any, cleared: bool) -> Any:
    """An intrinsic ``f(shape)``: ``np.zeros(shape)`` or ``np.empty(shape)`` of this Numba type."""

    def make(typing_context: Any, shape: Any) -> Any:
        kind = _array_type(dtype, shape)
        return kind and (
            kind(shape),
            lambda context, builder, sig, args: _make(context, builder, sig, args[0], cleared),
        )

    return _named(make, cleared)


def _maker_by_dtype(cleared: bool) -> Any:
    def make(typing_context: Any, shape: Any, dtype: Any) -> Any:
        kind = _array_type(dtype.dtype, shape)
        generate = lambda context, builder, sig, args: _make(context, builder, sig, args[0], cleared)  # noqa: E731
        return kind and (kind(shape, dtype), generate)

    return _named(make, cleared)


#: ``np.empty(shape)``, and ``np.empty(shape, dtype)`` and ``np.zeros(shape, dtype)``.
empty = maker(types.float64, False)
empty_of, zeros_of = _maker_by_dtype(False), _maker_by_dtype(True)


# ---------------------------------------------------------------- memory of others


@intrinsic
def carray(typing_context: Any, pointer: Any, shape: Any) -> Any:
    """The C-ordered array over memory that belongs to somebody else."""
    kind = types.Array(pointer.dtype, len(shape), "C")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        extents = [
            context.cast(builder, extent, given, types.intp)
            for given, extent in zip(shape.types, cgutils.unpack_tuple(builder, args[1]), strict=True)
        ]
        item = _INDEX(context.get_abi_sizeof(context.get_data_type(pointer.dtype)))
        strides: list[Any] = []
        step: Any = item
        for extent in reversed(extents):
            strides.insert(0, step)
            step = builder.mul(step, extent)
        array = make_array(kind)(context, builder)
        populate_array(array, data=args[0], shape=extents, strides=strides, itemsize=item, meminfo=None)
        return array._getvalue()

    return kind(pointer, shape), generate


@intrinsic
def part(typing_context: Any, pointer: Any, first: Any, count: Any) -> Any:
    """So many items from ``first`` on: a slice that is known to lie within, a tenth of what one takes to compile."""
    kind = types.Array(pointer.dtype, 1, "C")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        item = _INDEX(context.get_abi_sizeof(context.get_data_type(pointer.dtype)))
        array = make_array(kind)(context, builder)
        data = builder.gep(args[0], [args[1]])
        populate_array(array, data=data, shape=[args[2]], strides=[item], itemsize=item, meminfo=None)
        return array._getvalue()

    return kind(pointer, types.intp, types.intp), generate


@intrinsic
def window(typing_context: Any, vector: Any, start: Any, length: Any) -> Any:
    """The same of a contiguous vector, whose memory it keeps."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        whole, found = (make_array(vector)(context, builder, *given) for given in (args[:1], ()))
        populate_array(
            found,
            data=builder.gep(whole.data, [args[1]]),
            shape=[args[2]],
            strides=[whole.itemsize],
            itemsize=whole.itemsize,
            meminfo=whole.meminfo,
            parent=whole.parent,
        )
        return impl_ret_borrowed(context, builder, vector, found._getvalue())

    return vector(vector, types.intp, types.intp), generate


@intrinsic
def keep(typing_context: Any, array: Any) -> Any:
    """Keep the memory of an array until here: it is freed after its last use, and a pointer into it is none."""
    return types.none(array), lambda context, builder, sig, args: context.get_dummy_value()
