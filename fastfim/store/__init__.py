"""Machine code on disk: what was compiled once starts in milliseconds, in every later process.

A block's file is found by a fingerprint of everything its code depends on: the bytecode of the likelihood's functions
and of all that they call, their constants, globals, closures and defaults, the shapes that the kernel was made for (see
`fingerprint`), versions, the processor, and fastfim's own sources (see `environment`). So there is nothing to
invalidate: an edit gives another name, and undoing it finds the old file again. Code from disk is linked by LLVM alone;
Numba is not imported.

Where the store cannot work, code is compiled as if there were none: functions that hold what has no fingerprint
(classes, ctypes), what a user taught Numba by `numba.extending.overload`, a folder that cannot be written or belongs to
somebody else, a release of Numba whose insides have moved.

>>> key = _key((len, 3.0))
>>> key == _key((len, 3.0)), key == _key((len, 3))
(True, False)
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from . import files, linking
from .environment import environment, overloaded
from .fingerprint import UnkeyableError, fingerprint
from .linking import Code, Compiled

__all__ = ["EXTERNAL", "Code", "Compiled", "fetch"]

#: What marks the keys of functions of ours that stand by themselves (see `_jit.external`); their symbol follows.
EXTERNAL = "external"

#: What is linked already, by fingerprint: functions that were pickled and sent come as new objects each time.
_linked: dict[str, Code] = {}
#: How much of it is remembered, at most.
_REMEMBERED = 512


def fetch(depends_on: tuple[Any, ...], make: Callable[[], Compiled]) -> Code:
    """Give linked code: that of this process, else from disk, else compiled, and put there.

    Parameters
    ----------
    depends_on
        Functions and values that decide what the code is.
    make
        Compiles it.
    """
    key = _key(depends_on)
    if key is None:
        return _compiled(make).code()
    code = _linked.get(key) or _from_disk(key) or _made(key, make)
    if len(_linked) >= _REMEMBERED:
        _linked.pop(next(iter(_linked)))
    return _linked.setdefault(key, code)


def _key(depends_on: tuple[Any, ...]) -> str | None:
    if overloaded():
        return None
    try:
        return fingerprint(depends_on, environment())
    except UnkeyableError:
        return None


def _from_disk(key: str) -> Code | None:
    content = files.read(key)
    return None if content is None else linking.link(key, content, _address)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Put off Python's garbage collector, which looks through all that Numba and a compiler have made for what is left.

    It takes 6 % of a compilation, and 50 milliseconds while Numba is imported. What was made meanwhile is put among the
    old, for the next look through everything, or it would all be looked through at once.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if not gc.get_freeze_count():  # what somebody else has frozen stays so
                gc.freeze()
                gc.unfreeze()
            gc.enable()


@_without_collector()
def _compiled(make: Callable[[], Compiled]) -> Compiled:
    from numba.core.compiler_lock import global_compiler_lock

    from .._brisk import brisk

    with global_compiler_lock, brisk():
        return make()


@_without_collector()
def _made(key: str, make: Callable[[], Compiled]) -> Code:
    """Compile; where another process is at it, wait for what it puts there."""
    from numba.core.compiler_lock import global_compiler_lock

    # Numba's lock first: a compilation, which holds it, may ask for further functions
    with global_compiler_lock, files.locked(key):
        code = _linked.get(key) or _from_disk(key)
        if code is not None:
            return code
        compiled = _compiled(make)
        content = linking.packed(compiled) if files.usable() and not overloaded() else None
        code = None if content is None else linking.link(key, content, _address)
        if content is None or code is None:
            return compiled.code()
        files.write(key, content)
        return code


def _address(symbol: str) -> int | None:
    """Address of what code from disk calls; None if it is nowhere."""
    from . import symbols

    if symbols.is_external(symbol):
        return fetch((EXTERNAL, symbol), lambda: symbols.compiled(symbol)).address
    return symbols.address(symbol)
