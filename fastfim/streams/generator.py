"""Interleaved xoshiro256++ generators whose states stay in registers while a buffer is filled.

As a loop over an array of states the same arithmetic waits for its own stores: every step reads what the last one
wrote. Here the four words of all lanes are four vectors, which the loop carries; it takes half the time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np.arrayobj import make_array

from .states import LANES
from .typed import intrinsic

_I64 = ir.IntType(64)
_VECTOR = ir.VectorType(_I64, LANES)


def _all(value: int) -> Any:
    return ir.Constant(_VECTOR, [value] * LANES)


def _rotated(builder: Any, x: Any, count: int) -> Any:
    return builder.or_(builder.shl(x, _all(count)), builder.lshr(x, _all(64 - count)))


def _step(builder: Any, a: Any, b: Any, c: Any, d: Any) -> tuple[Any, tuple[Any, Any, Any, Any]]:
    """Next 64 bits of every lane, and the state after them (Blackman and Vigna 2021, figure 4)."""
    bits = builder.add(_rotated(builder, builder.add(a, d), 23), a)
    shifted = builder.shl(b, _all(17))
    c, d = builder.xor(c, a), builder.xor(d, b)
    b, a = builder.xor(b, c), builder.xor(a, d)
    return bits, (a, b, builder.xor(c, shifted), _rotated(builder, d, 45))


@intrinsic
def fill_bits(typingctx: Any, states: Any, words: Any) -> Any:
    """Fill ``words`` (uint64, length a multiple of `LANES`), and advance ``states``, word i of lane j at 16 i + j."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, target = (make_array(kind)(context, builder, v) for kind, v in zip(signature.args, args, strict=True))
        kept = [_place(builder, source.data, _I64(LANES * i)) for i in range(4)]
        state = [cgutils.alloca_once_value(builder, builder.load(place, align=8)) for place in kept]
        rounds = builder.udiv(builder.extract_value(target.shape, 0), _I64(LANES))
        with cgutils.for_range(builder, rounds) as loop:
            bits, after = _step(builder, *map(builder.load, state))
            builder.store(bits, _place(builder, target.data, builder.mul(loop.index, _I64(LANES))), align=8)
            for slot, vector in zip(state, after, strict=True):
                builder.store(vector, slot)
        for slot, place in zip(state, kept, strict=True):
            builder.store(builder.load(slot), place, align=8)
        return context.get_dummy_value()

    return types.none(states, words), codegen


def _place(builder: Any, pointer: Any, index: Any) -> Any:
    return builder.bitcast(builder.gep(pointer, [index]), _VECTOR.as_pointer())
