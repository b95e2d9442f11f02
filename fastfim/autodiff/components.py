# mypy: disable-error-code="untyped-decorator"
"""What operations on whole matrices ask of a number: whether it is zero for good, and its lower orders alone.

``vanishes(x)`` holds where the number and all its derivatives are zero; ``truncated(x)`` forgets the Hessian, and
``extended(x, like)`` gives a truncated number a Hessian of zeros again, for products whose cross terms are wanted::

    first = truncated(x)               # gradient arithmetic alone, for the part that costs most
    h = extended(first, x) * extended(first, x)
"""

from __future__ import annotations

import functools
import operator
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastfim.autodiff.dual import Dual, Parts
from fastfim.autodiff.emit import Emitter, Value
from fastfim.autodiff.number import REAL


@intrinsic
def vanishes(typing_context: Any, number: Any) -> Any:
    """Whether a number is zero with all its derivatives."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e, kind = Emitter(context, builder), sig.args[0]
        if isinstance(kind, REAL):
            return (Value(e, context.cast(builder, args[0], kind, types.float64)) == 0).ir
        if not isinstance(kind, Dual) or kind.draws > 1:
            return cgutils.false_bit  # it may depend on anything, or each draw on something else
        parts = kind.unpack(e, args[0])
        hits: dict[int, Value] = {}  # one comparison of vectors for all chunks of a width
        for vector in (parts.value, *parts.gradient, *parts.hessian):
            found = vector != 0
            hits[vector.width] = hits[vector.width] | found if vector.width in hits else found
        lanes = [e.lane(found, k) for width, found in hits.items() for k in range(width)]
        return (~functools.reduce(operator.or_, lanes)).ir

    return types.boolean(number), generate


def truncation(kind: Any) -> Any:
    """The type of a number without its second derivatives."""
    return Dual(kind.n, 1) if isinstance(kind, Dual) else kind


@intrinsic
def truncated(typing_context: Any, number: Any) -> Any:
    """The number without its second derivatives."""
    target = truncation(number)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not isinstance(target, Dual):
            return args[0]
        e = Emitter(context, builder)
        parts = sig.args[0].unpack(e, args[0])
        return Parts(target, parts.value, parts.gradient, ()).pack(e)

    return target(number), generate


@intrinsic
def extended(typing_context: Any, number: Any, like: Any) -> Any:
    """A truncated number as one of the type of ``like``, with second derivatives of zero."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not isinstance(like, Dual):
            return args[0]
        e = Emitter(context, builder)
        parts = sig.args[0].unpack(e, args[0])
        return Parts(like, parts.value, parts.gradient, like.constant(e, parts.value).hessian).pack(e)

    return like(number, like), generate
