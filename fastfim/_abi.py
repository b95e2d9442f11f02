"""The C signature of a compiled block of work, and the few intrinsics that cross it.

Every block, whatever the likelihood, is one native function

    int64 block(double *state, double *theta, int64 *table, int64 n, double *work, double *sums)

``state`` a stream's words, ``theta`` p parameters to draw at and p to differentiate at, ``table`` the words of `words`
(length of a draw, draws a chunk, constants), ``n`` draws to make, ``work`` and ``sums`` as `fastfim.kernels.Layout`
says. So nothing is boxed, nothing is allocated, the interpreter's lock is free while a block runs (5 microseconds a
call), and code can be kept or moved.
"""

from __future__ import annotations

import ctypes
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np.arrayobj import make_array, populate_array
from numpy.typing import NDArray

from ._jit import intrinsic

FLOATS = types.CPointer(types.float64)
INTS = types.CPointer(types.int64)
SIGNATURE = types.int64(FLOATS, FLOATS, INTS, types.int64, FLOATS, FLOATS)

_I64, _F64 = ir.IntType(64), ir.DoubleType()
_WORD = 8
#: Numba's native convention: (return slot, exception slot, arguments) -> status.
_NATIVE = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 5, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)


# ---------------------------------------------------------------- inside compiled code


@intrinsic
def offset(typingctx: Any, pointer: Any, count: Any) -> Any:
    """``pointer + count`` (in elements)."""
    return pointer(pointer, types.int64), lambda context, builder, sig, args: builder.gep(args[0], [args[1]])


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
    """Intrinsic ``f(pointer) -> float64[p]`` on the stack: work on theta alone can leave the loop over draws."""
    kind = types.Array(types.float64, 1, "C")

    @intrinsic
    def copy(typingctx: Any, pointer: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            slot = builder.bitcast(cgutils.alloca_once(builder, ir.ArrayType(_F64, p)), _F64.as_pointer())
            for i in range(p):
                builder.store(builder.load(builder.gep(args[0], [_I64(i)])), builder.gep(slot, [_I64(i)]))
            return _array(context, builder, kind, slot, [_I64(p)])

        return kind(FLOATS), codegen

    return copy


def unpacker(kinds: tuple[Any, ...], start: int) -> Any:
    """Intrinsic ``f(table) -> tuple`` of the constants of numba types ``kinds``, whose words begin at ``start``."""
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


# ---------------------------------------------------------------- outside


def kinds_of(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Numba types of the constants of a `BoundLikelihood`."""

    def kind(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return types.Array(types.float64 if value.dtype.kind == "f" else types.int64, value.ndim, "C")
        return types.float64 if isinstance(value, float) else types.int64

    return tuple(kind(value) for value in args)


def words(header: tuple[int, ...], args: tuple[Any, ...]) -> NDArray[np.int64]:
    """``header``, then each constant: a scalar as its bits, an array as its address and shape."""
    out = list(header)
    for value in args:
        if isinstance(value, np.ndarray):
            out += [value.ctypes.data, *value.shape]
        else:
            out.append(int(np.array(value).view(np.int64)))
    return np.array(out, dtype=np.int64)


def entry(compiled: Any) -> Callable[..., None]:
    """The callable ``run(state, theta, table, n, work, sums)`` of one compiled block.

    Raises what the user's code raised. It keeps ``compiled`` alive.
    """
    address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    native = _NATIVE(address)

    def run(
        state: NDArray[np.float64],
        theta: NDArray[np.float64],
        table: NDArray[np.int64],
        n: int,
        work: NDArray[np.float64],
        sums: NDArray[np.float64],
    ) -> None:
        result, raised = ctypes.c_int64(), ctypes.c_void_p()
        status = native(
            ctypes.addressof(result),
            ctypes.addressof(raised),
            state.ctypes.data,
            theta.ctypes.data,
            table.ctypes.data,
            n,
            work.ctypes.data,
            sums.ctypes.data,
        )
        if status:
            raise _exception(raised)

    run.compiled = compiled  # type: ignore[attr-defined]
    return run


class _Raised(ctypes.Structure):
    """What compiled code leaves behind its exception slot: a pickled (class, arguments, place)."""

    _fields_: ClassVar = [
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_int32),
        ("hash", ctypes.c_void_p),
        ("unwrap", ctypes.c_void_p),
        ("dynamic", ctypes.c_int32),
    ]


def _exception(raised: ctypes.c_void_p) -> Exception:
    """The exception itself; one whose arguments were computed at run time comes without them."""
    try:
        record = _Raised.from_address(raised.value or 0)
        kind, args, _ = pickle.loads(ctypes.string_at(record.data or 0, record.size))
        error: Exception = kind(*(() if record.dynamic else args or ()))
    except Exception:
        return RuntimeError("compiled code raised an exception")
    return error
