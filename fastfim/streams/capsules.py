"""SciPy's special functions as C functions: ``scipy.special.cython_special`` keeps them in capsules.

`load` makes their addresses known to the linker under names of our own. Importing this module does not import SciPy.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import llvmlite.binding

#: How the names of the symbols begin.
PREFIX = "fastfim.scipy."

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
        llvmlite.binding.add_symbol(PREFIX + name, _address(cython_special.__pyx_capi__, name, arity))


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
