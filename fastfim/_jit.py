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
from llvmlite import ir
from numba import cfunc, njit, types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

from fastfim._inlining import InlinedCompiler

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


def apart(function: Any) -> Any:
    """Like `inner`, as a function of its own."""
    return njit(error_model="numpy", fastmath=set(STRICT), **NO_WRAPPERS)(function)


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


def external(signature: Any, *, flags: frozenset[str] = STRICT) -> Any:
    """Compile a function once, and let compiled code call it through a named symbol.

    Code that is linked in is optimised again with each of its callers; a symbol is not: 3 times less to compile
    for a block of normal draws. The first caller compiles it, or reads its machine code from disk.
    """

    def wrap(function: Any) -> Any:
        name = f"{function.__module__}.{function.__qualname__}"
        results = ir.VoidType() if signature.return_type == types.none else None

        @cache
        def compiled() -> Any:
            code = cfunc(signature, cache=True, error_model="numpy", fastmath=set(flags))(function)
            llvmlite.binding.add_symbol(name, code.address)
            return code

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            compiled()
            values = [
                context.cast(builder, value, given, wanted)
                for value, given, wanted in zip(
                    cgutils.unpack_tuple(builder, args[0]), sig.args[0], signature.args, strict=True
                )
            ]
            kind = ir.FunctionType(results or context.get_value_type(sig.return_type), [v.type for v in values])
            result = builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)
            return context.get_dummy_value() if results else result

        @intrinsic
        def call(typing_context: Any, *args: Any) -> Any:
            return signature.return_type(types.StarArgTuple(args)), generate

        return call

    return wrap
