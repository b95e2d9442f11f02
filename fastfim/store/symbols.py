"""Addresses of what machine code from disk calls, by the names of the symbols."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module

from ..streams import capsules
from .linking import Compiled, llvm

_OURS = "fastfim."


def is_external(name: str) -> bool:
    """Whether it is a function of ours that stands by itself (see `_jit.external`): its symbol is its full name."""
    return name.startswith(_OURS) and not name.startswith(capsules.PREFIX)


def compiled(name: str) -> Compiled:
    """Compile such a function."""
    import_module(name.rpartition(".")[0])
    from .. import _jit

    return _jit.compiler(name)()


def address(name: str) -> int | None:
    """Address of any other symbol: SciPy's, the process's (the C library, the interpreter), or Numba's."""
    if name.startswith(capsules.PREFIX):
        capsules.load()
    return _registered(name) or _of_process(name) or _of_numba(name)


def _registered(name: str) -> int | None:
    return llvm().address_of_symbol(name) or None


def _of_process(name: str) -> int | None:
    try:
        return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value
    except (AttributeError, TypeError):
        return None


def _of_numba(name: str) -> int | None:
    _start_numba()
    return _registered(name)


@cache
def _start_numba() -> None:
    """Import Numba, and have it name its helpers to the linker."""
    from numba.core.registry import cpu_target

    cpu_target.target_context.refresh()
