"""Instructions that Python has no name for: ``as_bits(1.0) == 0x3FF0000000000000``."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from .typed import intrinsic

_I64 = ir.IntType(64)
_F64 = ir.DoubleType()


@intrinsic
def as_bits(typingctx: Any, value: Any) -> Any:
    """The bits of a float64, as int64."""
    return types.int64(types.float64), lambda context, builder, sig, args: builder.bitcast(args[0], _I64)


@intrinsic
def as_float(typingctx: Any, bits: Any) -> Any:
    """The float64 that has these bits (an int64)."""
    return types.float64(types.int64), lambda context, builder, sig, args: builder.bitcast(args[0], _F64)


@intrinsic
def reverse_bits(typingctx: Any, word: Any) -> Any:
    """The 32 bits of a word in reverse order, as an instruction that loops over vectors keep."""
    return types.uint32(types.uint32), lambda context, builder, sig, args: builder.bitreverse(args[0])


@intrinsic
def fused(typingctx: Any, x: Any, y: Any, z: Any) -> Any:
    """``x y + z``, rounded once."""
    return types.float64(*[types.float64] * 3), lambda context, builder, sig, args: builder.fma(*args)
