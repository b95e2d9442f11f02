"""What machine code depends on beside the likelihood: versions, the processor, our own sources, Numba's settings."""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: Packages whose version counts; none is imported for that.
PACKAGES = ("numba", "llvmlite", "numpy", "scipy")
#: Files that a release of one of them differs in.
_RELEASE = ("_version.py", "version.py", "__init__.py")


@cache
def environment() -> str:
    """One hash of it all."""
    import llvmlite.binding as llvm

    whole = hashlib.sha256()
    whole.update(f"{sys.version} {sys.platform} {llvm.get_host_cpu_name()}".encode())
    whole.update(llvm.get_host_cpu_features().flatten().encode())
    for name in PACKAGES:
        whole.update(_release(name))
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        whole.update(path.read_bytes())
    for name, value in sorted(os.environ.items()):
        if name.startswith("NUMBA_"):
            whole.update(f"{name}={value}".encode())
    return whole.hexdigest()


def _release(package: str) -> bytes:
    spec = find_spec(package)
    folder = Path(spec.origin).parent if spec and spec.origin else None
    files = [] if folder is None else [folder / name for name in _RELEASE]
    return package.encode() + b"".join(file.read_bytes() for file in files if file.is_file())


def overloaded() -> bool:
    """Whether Numba has been taught something new, by `numba.extending.overload` and its like, that no key can hold."""
    if "numba" not in sys.modules:
        return False
    from numba.core.typing.templates import builtin_registry as known

    return _any_foreign(len(known.functions), len(known.attributes), len(known.globals))


@cache
def _any_foreign(*lengths: int) -> bool:
    """The same, looked up once for lists of these lengths: they only grow."""
    from numba.core.typing.templates import builtin_registry as known

    return any(map(_foreign, (*known.functions, *known.attributes, *(template for _, template in known.globals))))


def _foreign(template: Any) -> bool:
    """Whether a template belongs to neither Numba nor us."""
    for name in ("_overload_func", "_definition_func"):
        module = getattr(getattr(template, name, None), "__module__", None) or "numba"
        if module.partition(".")[0] not in ("numba", "fastfim", "llvmlite"):
            return True
    return False
