"""A name for functions by what they do: equal for equal code, wherever, whenever and in whatever file it was written.

Two functions have one fingerprint if their bytecode, constants, defaults and closures are equal, and so are those of
every function that they reach through globals, closures and attributes of modules, and the values of every constant
they reach so. Comments, file names and line numbers do not count. Functions of the standard library, NumPy, SciPy and
Numba go by name, since their versions are part of the key (see `environment`).

What cannot be taken apart is refused: classes, instances, ctypes, Numba's types.

>>> scale = 2.0
>>> def helper(x):
...     return scale * x
>>> def function(x):
...     return helper(x) + 1.0
>>> before = fingerprint((function,))
>>> scale = 3.0
>>> fingerprint((function,)) == before
False
"""

from __future__ import annotations

import builtins
import dis
import hashlib
import struct
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

#: Packages whose functions and classes go by name.
KNOWN = frozenset(sys.stdlib_module_names) | {"numpy", "scipy", "numba", "llvmlite"}

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))
_BY_NAME = (types.BuiltinFunctionType, types.FunctionType, type, np.ufunc, type(np.dot))


class UnkeyableError(Exception):
    """There is something in it that has no fingerprint."""


def fingerprint(objects: Any, *context: str) -> str:
    """Fingerprint of functions and values, nested in tuples as they may be.

    Raises
    ------
    UnkeyableError
        Where one of them cannot be told by what it holds.
    """
    reader = _Reader()
    reader.put(*context)
    reader.visit(objects)
    return reader.hash.hexdigest()


class _Reader:
    """Feeds everything that is reached into one hash, each piece with its length."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.seen: dict[int, int] = {}
        self.alive: list[Any] = []

    def put(self, *pieces: Any) -> None:
        for piece in pieces:
            data = piece if isinstance(piece, bytes) else str(piece).encode("utf-8", "surrogatepass")
            self.hash.update(struct.pack("<q", len(data)) + data)

    def visit(self, value: Any) -> None:
        """One value, whatever it is."""
        value, options = _unwrapped(value)
        self.put(type(value).__qualname__, options)
        if isinstance(value, _PLAIN):
            self.put(repr(value))
        elif isinstance(value, types.ModuleType):
            self.put(value.__name__)
        elif isinstance(value, (np.ndarray, np.generic)):
            self._array(value)
        elif isinstance(value, tuple):  # equal ones may be one object here and two there
            self._sequence(value)
        elif self._again(value):
            return
        elif isinstance(value, types.FunctionType) and not _known(value):
            self._function(value)
        elif isinstance(value, list):
            self._sequence(value)
        elif type(value) is dict:
            self.put(len(value))
            for item in value.items():
                self.visit(item)
        elif type(value) in (set, frozenset):
            self._set(value)
        elif isinstance(value, _BY_NAME) and _known(value):
            self.put(_module(value), _name(value))
        else:
            raise UnkeyableError(f"{type(value).__module__}.{type(value).__qualname__}")

    def _again(self, value: Any) -> bool:
        """Whether it has been met before: functions that call each other, lists that hold themselves."""
        if id(value) in self.seen:
            self.put("seen", self.seen[id(value)])
            return True
        self.seen[id(value)] = len(self.seen)
        self.alive.append(value)  # an object that is gone would leave its id to another
        return False

    def _sequence(self, value: Any) -> None:
        self.put(type(value).__module__, getattr(value, "_fields", ""), len(value))
        for item in value:
            self.visit(item)

    def _array(self, value: Any) -> None:
        if value.dtype.kind not in "biufc":
            raise UnkeyableError(f"array of {value.dtype}")
        order = [value.flags.c_contiguous, value.flags.f_contiguous] if isinstance(value, np.ndarray) else []
        self.put(value.dtype.str, value.shape, order, value.tobytes())

    def _set(self, value: Any) -> None:
        if not all(isinstance(item, _PLAIN) for item in value):
            raise UnkeyableError("a set of objects")
        self.put(sorted(f"{type(item).__name__} {item!r}" for item in value))  # the order of a set means nothing

    def _function(self, function: types.FunctionType) -> None:
        cells = dict(_cells(function))
        for name, content in cells.items():
            self.put(name)
            self.visit(content)
        self._code(function.__code__, _globals_of(function), cells)
        self.visit(function.__defaults__)
        self.visit(dict(sorted((function.__kwdefaults__ or {}).items())))

    def _code(self, code: types.CodeType, look_up: Callable[[str], Any], cells: dict[str, Any]) -> None:
        self.put(code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        self.put(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        self.put(getattr(code, "co_exceptiontable", b""))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._code(constant, look_up, cells)
            else:
                self.visit(constant)
        for name, value in _reached(code, look_up, cells):
            self.put(name)
            self.visit(value)


class _Missing:
    """Nothing by that name."""


def _reached(code: types.CodeType, look_up: Callable[[str], Any], cells: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Globals, and attributes of modules (``m.sub.f``), that the code reads."""
    value: Any = None
    for instruction in dis.get_instructions(code):
        name = instruction.argval
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            value = look_up(name)
        elif instruction.opname in ("LOAD_DEREF", "LOAD_CLASSDEREF"):
            value = cells.get(name)
            continue
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, types.ModuleType):
            value = getattr(value, name, _Missing)
        else:
            value = None
            continue
        yield name, "missing" if value is _Missing else value


def _globals_of(function: types.FunctionType) -> Callable[[str], Any]:
    return lambda name: function.__globals__.get(name, getattr(builtins, name, _Missing))


def _cells(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # a function not yet bound
            yield name, "empty"


def _unwrapped(value: Any) -> tuple[Any, str]:
    """The function within one that Numba compiles, and how it compiles it."""
    if hasattr(value, "py_func") and type(value).__module__.partition(".")[0] == "numba":
        options = getattr(value, "targetoptions", {})
        return value.py_func, str(sorted((name, _ordered(option)) for name, option in options.items()))
    return value, ""


def _ordered(option: Any) -> str:
    return str(sorted(option)) if isinstance(option, (set, frozenset)) else str(option)


def _module(value: Any) -> str:
    return getattr(value, "__module__", None) or ("numpy" if isinstance(value, np.ufunc) else "")


def _name(value: Any) -> str:
    return str(getattr(value, "__qualname__", None) or getattr(value, "__name__", ""))


def _known(value: Any) -> bool:
    """Whether its name says what it is: what its module has by that name is this very object."""
    if isinstance(value, np.ufunc):
        places = [np, sys.modules.get("scipy.special")]
    elif _module(value).partition(".")[0] in KNOWN:
        places = [sys.modules.get(_module(value))]
    else:
        return False
    return any(_found(place, _name(value)) is value for place in places)


def _found(place: Any, path: str) -> Any:
    for name in path.split("."):
        place = getattr(place, name, None)
    return place
