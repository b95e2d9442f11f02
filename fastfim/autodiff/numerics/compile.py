"""How the functions of this folder are marked: ordinary Python, and callable from compiled code.

What compiled code of a user's calls is compiled once an installation: digamma and trigamma alone take a third of a
second, as long as the rest of a gamma density. Their annotations say the types.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

from numba import types
from numba.extending import register_jitable

from fastfim import _jit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compilable(function: _Function) -> _Function:
    """Leave ``function`` as it is for Python, and let compiled code call it."""
    _jit.FAMILIES[f"{function.__module__}.{function.__name__}"] = lambda kind: _kept(function)
    _compilable.add(function)
    return cast(_Function, register_jitable(**_jit.ARITHMETIC, **_jit.NO_WRAPPERS)(function))


def kept(function: Any) -> _jit.Direct | None:
    """The same as a function of float64s that is compiled once an installation, if it is of this folder."""
    return _kept(function) if function in _compilable else None


_compilable: set[Any] = set()


@cache
def _kept(function: Any) -> _jit.Direct:
    return _jit.direct(_signature(function), function, "[direct]")


def _signature(function: Callable[..., Any]) -> Any:
    """Of float64s, as many as it takes, to one, or to a tuple of as many as its annotation says."""
    said = function.__annotations__["return"]
    result = types.float64 if said == "float" else types.UniTuple(types.float64, said.count("float"))
    return result(*[types.float64] * function.__code__.co_argcount)
