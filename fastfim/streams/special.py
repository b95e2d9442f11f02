"""SciPy's special functions inside compiled code, as named symbols.

`capsules` makes them known to the linker under names of our own, so that machine code which calls them can be kept on
disk. `external` is `_jit.external` for functions that call them: it loads them first, whether the function's machine
code is compiled or read from disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from . import typed
from .capsules import ARITIES, PREFIX, load
from .typed import Function, intrinsic

_F64, _I32 = ir.DoubleType(), ir.IntType(32)


def _function(name: str) -> Any:
    arity = ARITIES[name]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_F64, [_F64] * arity + [_I32])
        function = cgutils.get_or_insert_function(builder.module, kind, PREFIX + name)
        return builder.call(function, [*cgutils.unpack_tuple(builder, args[0]), _I32(0)])

    @intrinsic
    def call(typingctx: Any, *numbers: Any) -> Any:
        return types.float64(types.StarArgTuple([types.float64] * arity)), generate

    return call


gammainc, gammaincc = _function("gammainc"), _function("gammaincc")
gammaincinv, gammainccinv = _function("gammaincinv"), _function("gammainccinv")
betainc, betaincc = _function("betainc"), _function("betaincc")
betaincinv, betainccinv = _function("betaincinv"), _function("betainccinv")
erfcx, exp1 = _function("erfcx"), _function("exp1")


def external(signature: Any) -> Callable[[Function], Function]:
    """`_jit.external`, for functions that call the ones above."""

    def wrap(function: Function) -> Function:
        compiled: Any = typed.external(signature)(function)

        @intrinsic
        def call(typingctx: Any, *args: Any) -> Any:
            load()
            return compiled._defn(typingctx, *args)

        return call  # type: ignore[no-any-return]

    return wrap
