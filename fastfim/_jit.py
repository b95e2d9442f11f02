"""The one room that chooses Numba's options.

``STRICT`` arithmetic keeps NaN, infinities and the order of additions: fused multiply-adds and signless zeros are all
that the compiler may assume (``fastmath=True`` removes ``isfinite`` tests and breaks branches that return ``-inf``).
``SUMMING`` also lets it add in any order, so that a long sum runs in SIMD lanes; NaN and infinities still come through.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic
from numba.np.arrayobj import make_array, populate_array

from . import store
from ._inlining import InlinedCompiler

STRICT = frozenset({"contract", "nsz"})
SUMMING = STRICT | {"reassoc"}

#: Options of functions that are inlined where they are called (variates, the user's functions).
INLINE: dict[str, Any] = {"error_model": "numpy", "fastmath": set(STRICT), "forceinline": True}

#: Spares the wrappers through which Python and C call compiled code.
NO_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: Options of functions that only compiled code calls.
INNER: dict[str, Any] = {**INLINE, **NO_WRAPPERS, "pipeline_class": InlinedCompiler}

#: Options of functions of our own that stand by themselves; their machine code is kept on disk.
STANDALONE: dict[str, Any] = {"error_model": "numpy", "fastmath": set(STRICT), "nogil": True, "cache": True}


def intrinsic(function: Callable[..., Any]) -> Any:
    """`numba.extending.intrinsic`, for type checkers."""
    return _intrinsic(function)


def inline(function: Any) -> Any:
    """Compile ``function`` so that its callers swallow it whole."""
    return njit(**INLINE)(function)


def inner(function: Any) -> Any:
    """Like `inline`, for functions that only compiled code calls: no wrappers, which could not box dual numbers."""
    return njit(**INNER)(function)


def apart(function: Any, flags: frozenset[str] = STRICT) -> Any:
    """Like `inner`, as a function of its own."""
    return njit(error_model="numpy", fastmath=set(flags), pipeline_class=InlinedCompiler, **NO_WRAPPERS)(function)


def apart_summing(function: Any) -> Any:
    """Like `apart`, with sums in any order."""
    return apart(function, SUMMING)


def native(signature: Any, function: Any) -> Any:
    """Compile ``function`` for one signature, as an entry by address: without a wrapper for the interpreter."""
    options = {k: v for k, v in INLINE.items() if k != "forceinline"}
    return njit(signature, nogil=True, **options, **NO_WRAPPERS)(function)


def standalone(function: Any) -> Any:
    """Compile ``function`` once and for all (machine code cached on disk)."""
    return njit(**STANDALONE)(function)


def summing(function: Any) -> Any:
    """Like `standalone`, with sums in any order."""
    return njit(**{**STANDALONE, "fastmath": set(SUMMING)})(function)


def stack_array(length: int, scalar: Any) -> Any:
    """Intrinsic ``f() -> array`` of a few numbers, not initialised, on the stack of the function that calls it.

    Code that allocates nothing needs nothing of Numba's at run time.
    """
    kind = types.Array(scalar, 1, "C")

    @intrinsic
    def make(typing_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            item = context.get_data_type(scalar)
            place = cgutils.alloca_once(builder, ir.ArrayType(item, length))
            step = context.get_constant(types.intp, context.get_abi_sizeof(item))
            array = make_array(kind)(context, builder)
            populate_array(
                array,
                data=builder.bitcast(place, item.as_pointer()),
                shape=[context.get_constant(types.intp, length)],
                strides=[step],
                itemsize=step,
                meminfo=None,
            )
            return array._getvalue()

        return kind(), generate

    return make


#: Words of memory that a pass may take from the stack.
STACK_WORDS = 4096


def memory(words: int | None) -> Any:
    """Compiled ``f(words)``: an array of so many float64, on the stack if their number is known here and small."""
    if words is None or words > STACK_WORDS:
        return inner(lambda words: np.empty(words))
    array = stack_array(words, types.float64)
    return inner(lambda words: array())


#: What compiles each `external` function, by the name of its symbol.
COMPILERS: dict[str, Callable[[], store.Compiled]] = {}


def external(signature: Any, *, flags: frozenset[str] = STRICT) -> Any:
    """Compile a function once, and let compiled code call it through a named symbol.

    Code that is linked in is optimised again with each of its callers; a symbol is not: 3 times less to compile
    for a block of normal draws. The first caller compiles it, or reads its machine code from disk.
    """

    def wrap(function: Any) -> Any:
        name = f"{function.__module__}.{function.__qualname__}"

        def compiled() -> store.Compiled:
            options = {"error_model": "numpy", "fastmath": set(flags), "nogil": True, **NO_WRAPPERS}
            (result,) = njit(signature, **options)(function).overloads.values()
            return store.Compiled(result.library, result.fndesc.llvm_func_name, result)

        @cache
        def linked() -> store.Code:
            code = store.fetch((store.EXTERNAL, name), compiled)
            llvmlite.binding.add_symbol(name, code.address)
            return code

        COMPILERS[name] = compiled

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            linked()
            values = [
                context.cast(builder, value, given, wanted)
                for value, given, wanted in zip(
                    cgutils.unpack_tuple(builder, args[0]), sig.args[0], signature.args, strict=True
                )
            ]
            convention = context.call_conv
            kind = convention.get_function_type(signature.return_type, signature.args)
            target = cgutils.get_or_insert_function(builder.module, kind, name)
            # such functions never raise, so that their status is of no interest
            _, result = convention.call_function(builder, target, signature.return_type, signature.args, values)
            return context.get_dummy_value() if signature.return_type == types.none else result

        @intrinsic
        def call(typing_context: Any, *args: Any) -> Any:
            return signature.return_type(types.StarArgTuple(args)), generate

        return call

    return wrap
