"""Calls of compiled blocks: one native signature for every likelihood.

    int64 block(double *state, double *seeds, double *points, int64 *table, double *work, double *sums)

A call does the same block at each of ``points`` (p parameters each) for each of ``seeds`` (how a stream begins, see
`fastfim.streams.states`): points by seeds, each with sums of its own. ``state`` is memory for the stream at hand,
``table`` holds the words of `words` (`HEADER` of them, then the constants), ``work`` and ``sums`` are as
`fastfim.kernels.block.Layout` says. So nothing is boxed, nothing is allocated, the interpreter's lock is free while
blocks run, a call takes 5 microseconds whatever it does, and code can be kept or moved.

>>> words((1, 2), (3, np.zeros((4, 5))))[[0, 1, 2, 4, 5]]
array([1, 2, 3, 4, 5])
"""

from __future__ import annotations

import ctypes
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..store import Code

#: Words of the table before the constants: length of a draw, draws a chunk, draws of a block, points, seeds, words of
#: ``work`` from one block to the next (0: each overwrites the last), where its draws come from, words of ``sums``.
HEADER = 8
#: Where draws come from: a stream that begins with its seed, one that goes on from ``state``, or ``work``, as given.
BEGIN, GO_ON, GIVEN = range(3)

#: Numba's native convention: (return slot, exception slot, arguments) -> status.
_NATIVE = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 8)

#: What compiled code knows of a constant: "f" or "i", and its number of dimensions.
Kind = tuple[str, int]


def kinds_of(args: tuple[Any, ...]) -> tuple[Kind, ...]:
    """Kinds of the constants of a `BoundLikelihood`."""

    def kind(value: Any) -> Kind:
        if isinstance(value, np.ndarray):
            return value.dtype.kind, value.ndim
        return ("f" if isinstance(value, float) else "i"), 0

    return tuple(map(kind, args))


def words(header: tuple[int, ...], args: tuple[Any, ...]) -> NDArray[np.int64]:
    """``header``, then each constant: a scalar as its bits, an array as its address and shape."""
    out = list(header)
    for value in args:
        if isinstance(value, np.ndarray):
            out += [value.ctypes.data, *value.shape]
        else:
            out.append(int(np.array(value).view(np.int64)))
    return np.array(out, dtype=np.int64)


def entry(code: Code) -> Callable[..., None]:
    """The callable ``run(state, seeds, points, table, work, sums)`` of a compiled block.

    Raises what the user's code raised.
    """
    native = _NATIVE(code.address)

    def run(*arrays: NDArray[Any]) -> None:
        result, raised = ctypes.c_int64(), ctypes.c_void_p()
        if native(ctypes.addressof(result), ctypes.addressof(raised), *[array.ctypes.data for array in arrays]):
            raise _exception(raised)

    run.code = code  # type: ignore[attr-defined] # kept alive
    return run


class _Raised(ctypes.Structure):
    """What compiled code leaves behind its exception slot: a pickled (class, arguments, place)."""

    _fields_: ClassVar = [
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_int32),
        ("hash", ctypes.c_void_p),
        ("unwrap", ctypes.c_void_p),
        ("dynamic", ctypes.c_int32),
    ]


def _exception(raised: ctypes.c_void_p) -> Exception:
    """The exception itself; one whose arguments were computed at run time comes without them."""
    try:
        record = _Raised.from_address(raised.value or 0)
        kind, args, _ = pickle.loads(ctypes.string_at(record.data or 0, record.size))
        error: Exception = kind(*(() if record.dynamic else args or ()))
    except Exception:
        return RuntimeError("compiled code raised an exception")
    return error
