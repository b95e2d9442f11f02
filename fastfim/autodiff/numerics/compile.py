"""How the functions of this folder are marked: ordinary Python, and callable from compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba.extending import register_jitable

from fastfim import _jit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compilable(function: _Function) -> _Function:
    """Leave ``function`` as it is for Python, and let compiled code call it."""
    return cast(_Function, register_jitable(**_jit.ARITHMETIC)(function))
