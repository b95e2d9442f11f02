"""What compiled code holds of an open stream: a pointer to its state, and cursors that live in registers.

A value of type ``Stream(kind)`` is two pointers: to the state vector (see `fastfim.streams.states`) and to a private
stack array of cursors. Only the state goes to the functions that refill its buffers, so the cursors never escape: a
uniform costs half a nanosecond, a normal one and a half.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import register_model

from .states import CURSORS_AT, TILE_AT
from .typed import intrinsic

_I64 = ir.IntType(64)
POINTER = types.CPointer(types.float64)


class Stream(types.Type):  # type: ignore[misc]
    """Numba type of an open stream; ``kind`` says where its numbers come from."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(name=f"Stream({kind})")


@register_model(Stream)
class StreamModel(models.StructModel):  # type: ignore[misc]
    """A state, and its cursors while it is open; also of other types that take from a stream."""

    def __init__(self, manager: Any, stream: Stream) -> None:
        members = [("state", POINTER), ("cursors", types.CPointer(types.int64))]
        super().__init__(manager, stream, members)


def kept_cursors(builder: Any, state: Any) -> Any:
    """Where a state keeps its cursors while it is not open."""
    return builder.bitcast(builder.gep(state, [_I64(CURSORS_AT)]), _I64.as_pointer())


def copy_words(builder: Any, source: Any, target: Any, count: int) -> None:
    """Copy so many words of 64 bits."""
    for k in range(count):
        builder.store(builder.load(builder.gep(source, [_I64(k)])), builder.gep(target, [_I64(k)]))


@intrinsic
def state_of(typingctx: Any, rng: Any) -> Any:
    """Pointer to the state."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return cgutils.create_struct_proxy(rng)(context, builder, args[0]).state

    return POINTER(rng), codegen


@intrinsic
def word_of(typingctx: Any, rng: Any, index: Any) -> Any:
    """Float64 word of the state."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = cgutils.create_struct_proxy(rng)(context, builder, args[0]).state
        return builder.load(builder.gep(state, [args[1]]))

    return types.float64(rng, types.int64), codegen


@intrinsic
def cursor_of(typingctx: Any, rng: Any, which: Any) -> Any:
    """One of the cursors."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        cursors = cgutils.create_struct_proxy(rng)(context, builder, args[0]).cursors
        return builder.load(builder.gep(cursors, [args[1]]))

    return types.int64(rng, types.int64), codegen


@intrinsic
def set_cursor(typingctx: Any, rng: Any, which: Any, to: Any) -> Any:
    """Move one of the cursors."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        cursors = cgutils.create_struct_proxy(rng)(context, builder, args[0]).cursors
        builder.store(args[2], builder.gep(cursors, [args[1]]))
        return context.get_dummy_value()

    return types.none(rng, types.int64, types.int64), codegen


@intrinsic
def next_tile(typingctx: Any, rng: Any) -> Any:
    """Move on to the next tile of points."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = cgutils.create_struct_proxy(rng)(context, builder, args[0]).state
        tile = builder.bitcast(builder.gep(state, [_I64(TILE_AT)]), _I64.as_pointer())
        builder.store(builder.add(builder.load(tile), _I64(1)), tile)
        return context.get_dummy_value()

    return types.none(rng), codegen


@intrinsic
def state_from(typingctx: Any, rng: Any, word: Any) -> Any:
    """Pointer to a word of the state."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = cgutils.create_struct_proxy(rng)(context, builder, args[0]).state
        return builder.gep(state, [args[1]])

    return POINTER(rng, types.int64), codegen
