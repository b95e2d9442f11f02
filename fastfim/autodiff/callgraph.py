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


def call_by_first_names(func_ir: Any) -> None:
    """Let calls name what they call by the variable that it was looked up in.

    In ``fill(z, a if a > b else b)`` the function waits on Python's stack while a branch is taken, and comes out of it
    under another name.
    """
    for block in func_ir.blocks.values():
        for call in block.find_exprs(op="call"):
            names = origins(func_ir, call.func)
            if len(names) == 1:
                (name,) = names
                call.func = ir.Var(call.func.scope, name, call.func.loc)


def origins(func_ir: Any, variable: Any) -> set[str]:
    """Names of the variables, copies of none, that a variable may be a copy of: of itself at least."""
    seen: set[str] = set()
    found: set[str] = set()
    waiting = [variable.name] if isinstance(variable, ir.Var) else []
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            value: Any
            for value in func_ir._definitions.get(name, ()) or (None,):
                is_phi = isinstance(value, ir.Expr) and value.op == "phi"
                others: Any = value.incoming_values if is_phi else [value]
                copied = [v.name for v in others if isinstance(v, ir.Var)]
                waiting.extend(copied)
                found.update(() if copied else (name,))
    return found
