# mypy: disable-error-code="untyped-decorator"
"""Truth values of a tile: what comparing several draws at once gives, one bit a draw.

A branch needs one answer for all.  Where the draws agree it is theirs; where they do not, the tile has diverged: the
branch raises `Diverged`, and whoever called for the tile does its draws one by one.  ``&``, ``|``, ``~`` and
``np.where`` work draw by draw and never diverge.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model


class Diverged(Exception):  # noqa: N818 - a signal inside compiled code, not an error of anybody's
    """Draws of one tile took different branches."""


class Mask(types.Type):  # type: ignore[misc]
    """A truth value for each of ``draws`` draws."""

    def __init__(self, draws: int) -> None:
        self.draws = draws
        super().__init__(f"Mask({draws})")


@register_model(Mask)
class MaskModel(models.PrimitiveModel):  # type: ignore[misc]
    """A vector of bits."""

    def __init__(self, manager: Any, kind: Mask) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.IntType(1), kind.draws))


@infer_global(bool)
class MaskBool(AbstractTemplate):  # type: ignore[misc]
    """``bool(mask)``, which every branch calls."""

    def generic(self, args: Any, kws: Any) -> Any:
        """A truth value."""
        return signature(types.boolean, *args) if len(args) == 1 and isinstance(args[0], Mask) else None


@lower_builtin(bool, Mask)
def agreed(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Lower ``bool(mask)``: true where all are true, false where none is, else `Diverged`."""
    bits = builder.bitcast(args[0], ir.IntType(sig.args[0].draws))
    some = builder.icmp_unsigned("!=", bits, bits.type(0))
    every = builder.icmp_unsigned("==", bits, bits.type(-1))
    with cgutils.if_unlikely(builder, builder.icmp_unsigned("!=", some, every)):
        context.call_conv.return_user_exc(builder, Diverged, ())
    return every


@intrinsic
def bits_of(typing_context: Any, mask: Any) -> Any:
    """The truth values of a mask as bits of an integer, that of the first draw the lowest; draws need not agree."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], ir.IntType(mask.draws))
        return builder.zext(bits, ir.IntType(64))

    return types.int64(mask), generate


def _register(function: Any, arity: int, instruction: str) -> None:
    class MaskTemplate(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            fits = len(args) == arity and isinstance(args[0], Mask) and len(set(args)) == 1
            return signature(args[0], *args) if fits else None

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)

    infer_global(function)(MaskTemplate)
    lower_builtin(function, *[Mask] * arity)(lower)


_register(operator.and_, 2, "and_")
_register(operator.or_, 2, "or_")
_register(operator.xor, 2, "xor")
_register(operator.invert, 1, "not_")
_register(operator.not_, 1, "not_")
