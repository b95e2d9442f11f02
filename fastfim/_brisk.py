"""What Numba does anew for every function, done once a compilation.

A block calls some ninety functions, each of which takes Numba tens of milliseconds, a fifth of that for what has little
to do with it: its modules are imported again and their registries looked through, the type of a sum of two floats is
looked for as often as there is one, LLVM is asked for the size of a pointer, timers are told of every call of LLVM's.
While a compilation lasts, which holds Numba's lock, a few of its functions are replaced by others that remember::

    with global_compiler_lock, brisk():
        dispatcher.compile(signature)

They mean the same for whatever else is compiled meanwhile; machine code is the same, to the byte. What another release
of Numba does not have is not replaced.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any

from numba.core import types

_NUMBERS = (types.Number, types.Boolean)
_OPERATORS = frozenset(value for value in vars(operator).values() if callable(value))
_depth = 0


@contextmanager
def brisk() -> Iterator[None]:
    """Compile so; to be entered with Numba's lock held, as often as one likes."""
    global _depth
    with ExitStack() as stack:
        if not _depth:
            for owner, name, substitute in REPLACED:
                stack.enter_context(_replaced(owner, name, substitute))
        _depth += 1
        try:
            yield
        finally:
            _depth -= 1


@contextmanager
def _replaced(owner: str, name: str, substitute: Callable[[Any], Any]) -> Iterator[None]:
    with ExitStack() as stack:
        with suppress(ImportError, AttributeError, KeyError):
            place = resolve_name(owner)
            before = vars(place)[name]
            setattr(place, name, substitute(before))
            stack.callback(setattr, place, name, before)
        yield


def _call_type(before: Any) -> Any:
    """Signatures of operators for numbers. What an operator is taught later makes another type of it."""
    known: dict[Any, Any] = {}

    def get_call_type(self: Any, context: Any, args: Any, kws: Any) -> Any:
        if kws or self.typing_key not in _OPERATORS or not all(isinstance(kind, _NUMBERS) for kind in args):
            return before(self, context, args, kws)
        key = (self, tuple(args))
        if key not in known:
            known[key] = before(self, context, args, kws)
        return known[key]

    return get_call_type


def _load(before: Any) -> Any:
    """Import modules once for all contexts that share registries, and look every time what is new in these."""
    seen: set[int] = set()

    def load_additional_registries(self: Any) -> None:
        if id(self._registries) not in seen:
            before(self)
            seen.add(id(self._registries))
        for registry in list(self._registries):
            self.install_registry(registry)

    return load_additional_registries


def _if_grown(before: Any) -> Any:
    """Look through a registry, a few lists to which everybody adds, if it is longer than at the last look."""
    lengths: dict[tuple[int, int], list[int]] = {}

    def install_registry(self: Any, registry: Any) -> None:
        key = id(self._registries), id(registry)
        found = [len(items) for items in vars(registry).values() if isinstance(items, list)]
        if lengths.get(key) != found:
            before(self, registry)
            lengths[key] = found

    return install_registry


def _size(before: Any) -> Any:
    known: dict[Any, int] = {}

    def get_abi_sizeof(self: Any, kind: Any) -> int:
        key = (self.target_data, kind)
        if key not in known:
            known[key] = before(self, kind)
        return known[key]

    return get_abi_sizeof


def _process(before: Any) -> Any:
    """Order the blocks of a function; which variables live where is worked out where something asks for it."""
    lifetime = resolve_name("numba.core.postproc.VariableLifetime")
    canonicalize = resolve_name("numba.core.transforms.canonicalize_cfg")

    def run(self: Any, emit_dels: bool = False, extend_lifetimes: bool = False) -> None:
        function = self.func_ir
        if emit_dels or function.is_generator:
            before(self, emit_dels, extend_lifetimes)
            return
        function.blocks = canonicalize(function.blocks)
        function.variable_lifetime, function.generator_info = lifetime(function.blocks), None

    return run


def _look_once(before: Any) -> Any:
    """Look once, when the first function is compiled, whether the locale is one that LLVM errs in."""
    done = False

    def check(self: Any) -> None:
        nonlocal done
        if not done:
            before(self)
            done = True

    return check


def _silent(before: Any) -> Any:
    """Tell nobody of calls of LLVM's: each compilation within another has a timer of its own for all of them."""
    return SimpleNamespace(start_event=lambda kind: None, end_event=lambda kind: None)


#: Owners, names, and what makes a substitute.
REPLACED: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("numba.core.base", "event", _silent),
    ("numba.core.base", "_has_loc", cache),
    ("numba.core.base.BaseContext", "get_abi_sizeof", _size),
    ("numba.core.base.BaseContext", "install_registry", _if_grown),
    ("numba.core.codegen.CPUCodegen", "_check_llvm_bugs", _look_once),
    ("numba.core.cpu.CPUContext", "load_additional_registries", _load),
    ("numba.core.postproc.PostProcessor", "run", _process),
    ("numba.core.types.functions.BaseFunction", "get_call_type", _call_type),
    ("numba.core.typing.context.BaseContext", "install_registry", _if_grown),
    ("numba.core.typing.context.Context", "load_additional_registries", _load),
)
