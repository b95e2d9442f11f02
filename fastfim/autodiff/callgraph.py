"""Which functions of the user's a function may call, by the names in its code."""

from __future__ import annotations

import sys
import types
from typing import Any

from numba.core import ir
from numba.core.dispatcher import Dispatcher

#: Packages whose Python functions are Numba's business, not helpers to compile along.
LIBRARIES = frozenset(sys.stdlib_module_names - {"__main__"}) | {"numpy", "scipy", "numba", "llvmlite"}


def python_function(function: Any) -> Any:
    """The Python function behind a compiled one."""
    return getattr(function, "py_func", function)


def is_library(function: Any) -> bool:
    """Whether a function belongs to a library that Numba takes care of."""
    return (getattr(function, "__module__", None) or "").split(".")[0] in LIBRARIES


def reachable(function: Any) -> set[Any]:
    """Functions of the user's that ``function`` may call, itself included."""
    found: set[Any] = set()
    waiting = [function]
    while waiting:
        current = python_function(waiting.pop())
        if current not in found and not is_library(current):
            found.add(current)
            waiting.extend(_named(current))
    return found


def _named(function: Any) -> list[Any]:
    names = function.__code__.co_names
    objects = [function.__globals__[name] for name in names if name in function.__globals__]
    objects += [found for cell in function.__closure__ or () if (found := _contents(cell)) is not None]
    modules = [found for found in objects if isinstance(found, types.ModuleType)]
    objects += [getattr(module, name, None) for module in modules for name in names]
    return [found for found in objects if isinstance(found, (types.FunctionType, Dispatcher))]


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


def named_object(func_ir: Any, value: Any) -> Any:
    """The Python object that an expression of Numba's intermediate representation names, or ``None``."""
    if isinstance(value, (ir.Global, ir.FreeVar)):
        return value.value
    if isinstance(value, ir.Expr) and value.op == "getattr":
        definitions = func_ir._definitions.get(value.value.name, ())
        base = named_object(func_ir, definitions[0]) if len(definitions) == 1 else None
        return getattr(base, value.attr, None) if isinstance(base, types.ModuleType) else None
    return None
