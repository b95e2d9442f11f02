"""SciPy's special functions inside compiled code, as named symbols.

``scipy.special.cython_special`` offers them as C functions. `load` makes their addresses known to the linker under
names of our own, so that machine code which calls them can be kept on disk; importing this module does not import
SciPy. `external` is `_jit.external` for functions that call them: it loads them first, whether the function's machine
code is compiled or read from disk.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils

from . import typed
from .typed import Function, intrinsic

_PREFIX = "fastfim.scipy."
_F64, _I32 = ir.DoubleType(), ir.IntType(32)

#: Names, and how many numbers they take.
ARITIES = {
    "gammainc": 2,
    "gammaincc": 2,
    "gammaincinv": 2,
    "gammainccinv": 2,
    "betainc": 3,
    "betaincc": 3,
    "betaincinv": 3,
    "betainccinv": 3,
    "erfcx": 1,
    "exp1": 1,
}


@cache
def load() -> None:
    """Import SciPy's functions and name them to the linker."""
    from scipy.special import cython_special

    for name, arity in ARITIES.items():
        llvmlite.binding.add_symbol(_PREFIX + name, _address(cython_special.__pyx_capi__, name, arity))


def _address(functions: Any, name: str, arity: int) -> int:
    """Address of the function of float64 numbers; a fused one has a prefix that depends on the version."""
    declared = f"double ({'double, ' * arity}int __pyx_skip_dispatch)".encode()
    of, get_name = ctypes.pythonapi.PyCapsule_GetPointer, ctypes.pythonapi.PyCapsule_GetName
    of.restype, of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    for full in (name, f"__pyx_fuse_0{name}", f"__pyx_fuse_1{name}"):
        if full in functions and get_name(functions[full]) == declared:
            return int(of(functions[full], declared))
    raise ImportError(f"scipy.special.cython_special has no {name} of float64 numbers")


def _function(name: str) -> Any:
    arity = ARITIES[name]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_F64, [_F64] * arity + [_I32])
        function = cgutils.get_or_insert_function(builder.module, kind, _PREFIX + name)
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
