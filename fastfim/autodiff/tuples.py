"""Tuples that mix dual and plain numbers: iterated, or indexed by a variable, they are tuples of dual numbers.

Numba iterates over tuples of one type only.  ``for v in (theta[0], 1.0)`` has two, where the same code without
derivatives has one; so the plain numbers are converted, as everywhere else where the two meet.
"""

from __future__ import annotations

import operator
from typing import Any

from numba import types
from numba.core.typing.templates import AbstractTemplate, infer, infer_global, signature

from fastfim.autodiff.number import REAL, Active, joint


def uniform(kind: Any) -> Any:
    """The tuple of dual numbers that a mixed tuple converts to, or ``None``."""
    if not isinstance(kind, types.BaseTuple) or isinstance(kind, types.UniTuple):
        return None
    active = joint(kind)
    if active is None or not all(isinstance(member, (Active, *REAL)) for member in kind):
        return None
    return types.UniTuple(active, len(kind))


@infer
class MixedTupleIter(AbstractTemplate):  # type: ignore[misc]
    """``for v in (theta[0], 1.0)``."""

    key = "getiter"

    def generic(self, args: Any, kws: Any) -> Any:
        """The iterator over the converted tuple."""
        converted = uniform(args[0])
        return signature(converted.iterator_type, converted) if converted else None


@infer_global(operator.getitem)
class MixedTupleGetItem(AbstractTemplate):  # type: ignore[misc]
    """``(theta[0], 1.0)[i]``."""

    def generic(self, args: Any, kws: Any) -> Any:
        """An element of the converted tuple."""
        converted = uniform(args[0])
        if converted is None or not isinstance(args[1], types.Integer):
            return None
        return signature(converted.dtype, converted, types.intp)
