"""The files of the store: private, whole or not at all, bounded, and safe among processes.

A file is a checksum and what it is of. It is written under another name and renamed, so readers see all of it or none;
one that is damaged counts as none. Reading a file makes it the latest used; when all files together exceed `LARGEST`,
those that were not used for longest go. A lock makes processes that want the same code wait for the one that compiles
it; it is the operating system's, so that it ends with the process that holds it, and whoever has waited for `PATIENCE`
seconds goes on without it.

The folder is the one that ``FASTFIM_CACHE_DIR`` names (empty: no store), or ``fastfim`` in the user's cache. Machine
code is trusted when it is read, so a folder that others own or may write to is not used.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Bytes of all files together at most, and the share that is left when they exceed it.
LARGEST, LEFT = 2**28, 0.75
#: Seconds that one process waits for another to compile the same, and between looks.
PATIENCE, PAUSE = 120.0, 0.02
#: Use is noted at most once in so many seconds.
NOTED = 3600.0

MAGIC = b"fastfim1"
_CHECKSUM = 32
_SUFFIX = ".code"


def folder() -> Path | None:
    """Where the files are; None if there is no store."""
    given = os.environ.get("FASTFIM_CACHE_DIR")
    if given is not None:
        return Path(given).expanduser() if given else None
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "fastfim"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home)) / "fastfim" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "fastfim"


def usable() -> bool:
    """Whether the folder is there, or can be made, and is ours alone to write to."""
    path = folder()
    if path is None:
        return False
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return _ours(path) and os.access(path, os.W_OK)


def _ours(path: Path) -> bool:
    if not hasattr(os, "getuid"):
        return True
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def read(key: str) -> bytes | None:
    """Content of a file; None if there is none, or it is damaged."""
    path = _path(key)
    if path is None or not _ours(path.parent):
        return None
    try:
        data = path.read_bytes()
        begin = len(MAGIC) + _CHECKSUM
        if data[:begin] != MAGIC + hashlib.sha256(data[begin:]).digest():
            return None
        if time.time() - path.stat().st_mtime > NOTED:
            os.utime(path)
    except OSError:
        return None
    return data[begin:]


def write(key: str, content: bytes) -> None:
    """Put a file there, if that can be done."""
    path = _path(key)
    if path is None:
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(MAGIC + hashlib.sha256(content).digest() + content)
        draft.replace(path)
        _tidy(path.parent)
    except OSError:  # a full disk, say: there is the code itself
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _path(key: str) -> Path | None:
    place = folder()
    return None if place is None else place / (key + _SUFFIX)


def _tidy(place: Path) -> None:
    """Remove what was not used for longest, and drafts of processes that ended, if all together are too large."""
    found = []
    for entry in os.scandir(place):
        with suppress(OSError):  # another process may be tidying up too
            found.append((entry.stat().st_mtime, entry.stat().st_size, entry.path))
    total = sum(size for _, size, _ in found)
    if total <= LARGEST:
        return
    for _, size, path in sorted(found):
        if total <= LEFT * LARGEST:
            return
        with suppress(OSError):
            os.unlink(path)
            total -= size


@contextmanager
def locked(key: str) -> Iterator[None]:
    """Hold the lock of a key, or go on without it after `PATIENCE` seconds, or where there are no such locks."""
    path = _lock_path(key)
    descriptor = None if path is None else _opened(path)
    if path is None or descriptor is None:
        yield
        return
    try:
        _acquire(descriptor)
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # who waits for it has it open, and comes next
        os.close(descriptor)  # which releases it


def _lock_path(key: str) -> Path | None:
    place = folder() if usable() else None
    return None if place is None else place / f"{key}.lock"


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None


def _acquire(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:
        return
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE)
        except OSError:  # a file system without locks
            return
        else:
            return
