"""Opening a stream inside compiled code, and taking numbers from it.

`opener` makes a value of type `Stream` (see `cursors`) from a pointer to a state, `close_stream` writes the cursors
back, so that the next call goes on where this one stopped; the value must not outlive the compiled function that
opened it. Its methods are those of `methods`:

    open_stream = opener("mc")

    @numba.njit
    def fill(pointer, out):                     # pointer: CPointer(float64) to initial_state(7, 0, 0)
        rng = open_stream(pointer)
        for i in range(len(out)):
            out[i] = rng.normal(1.0, 2.0)
            next_point(rng)
        close_stream(rng)

The ``kind`` names where numbers come from, and is part of the type: ``"mc"`` is pseudo-random; ``"rqmc"`` takes them
from randomized quasi-Monte Carlo points (see `points`). There a draw is a point and each call of a method takes the
next coordinate of it, by inversion: `take_tails` gives the coordinate as u and 1 - u, both to full precision.
`next_point` moves on to the next point; columns of coordinates are made when they are first asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import overload

from .. import _jit
from .cursors import (
    POINTER,
    Stream,
    copy_words,
    cursor_of,
    kept_cursors,
    next_tile,
    set_cursor,
    state_from,
    state_of,
    word_of,
)
from .directions import DIMENSIONS
from .lanes import refill_exponentials, refill_normals, refill_uniforms
from .points import make_normal_column, refill_column
from .states import (
    BUFFER,
    COLUMNS_AT,
    COORDINATE,
    CURSORS,
    EXPONENTIALS_AT,
    FILLED,
    KINDS,
    MADE_AT,
    NORMAL_COLUMNS_AT,
    NORMALS_AT,
    POINT,
    SEED_WORDS,
    SLOT_WORDS,
    SLOTS,
    STRETCH_AT,
    TABLES_AT,
    TILE,
    UNIFORMS_AT,
    WEIGHTS_AT,
    check_kind,
)
from .tables import READY, piece_of, place_in_piece, polynomial, slot_of
from .typed import external, inline, intrinsic

_I64, _WORD = ir.IntType(64), 8
_UNIFORM, _NORMAL, _EXPONENTIAL = range(CURSORS)
_BELOW_ONE = 1.0 - 2.0**-53


def opener(kind: str) -> Any:
    """Give the intrinsic that opens a stream of this kind.

    Parameters
    ----------
    kind : {"mc", "rqmc"}
        Where the numbers come from.

    Returns
    -------
    intrinsic
        To be called in compiled code with a pointer (``CPointer(float64)``) to a state vector; gives the ``rng``.
    """
    check_kind(kind)
    stream = Stream(kind)

    @intrinsic
    def open_stream(typingctx: Any, pointer: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            cursors = cgutils.alloca_once(builder, _I64, size=_I64(KINDS[kind]))
            copy_words(builder, kept_cursors(builder, args[0]), cursors, KINDS[kind])
            value = cgutils.create_struct_proxy(stream)(context, builder)
            value.state, value.cursors = args[0], cursors
            return value._getvalue()

        return stream(POINTER), codegen

    return open_stream


def beginner(kind: str) -> Any:
    """Give the compiled function ``begin(state, seed)``: let a state that was used before begin as `states.seeds` says.

    Both are pointers. What a table of quantiles holds depends on the draws before, so tables are emptied.
    """
    check_kind(kind)
    return _begin_points if kind == "rqmc" else _copy_seed


def mover(kind: str) -> Any:
    """`next_point`, for a stream of this kind."""
    check_kind(kind)
    return next_point if kind == "rqmc" else _jit.nothing


@intrinsic
def _copy_seed(typingctx: Any, state: Any, seed: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        cgutils.raw_memcpy(builder, *args, count=_I64(SEED_WORDS), itemsize=_WORD)
        return context.get_dummy_value()

    return types.none(POINTER, POINTER), codegen


@external(types.void(POINTER, POINTER))
def _begin_points(state: Any, seed: Any) -> None:
    _copy_seed(state, seed)
    for slot in range(TABLES_AT, TABLES_AT + SLOTS * SLOT_WORDS, SLOT_WORDS):
        if state[slot] != 0.0:  # as it is where a slot has been looked at
            for word in range(slot, slot + SLOT_WORDS):
                state[word] = 0.0


@intrinsic
def close_stream(typingctx: Any, rng: Any) -> Any:
    """Write the cursors back to the state: a stream opened on it again goes on from here."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = cgutils.create_struct_proxy(rng)(context, builder, args[0])
        copy_words(builder, value.cursors, kept_cursors(builder, value.state), KINDS[rng.kind])
        return context.get_dummy_value()

    return types.none(rng), codegen


@inline
def next_point(rng: Any, count: int = 1) -> None:
    """Tell the stream that so many draws are complete: a quasi-random one goes on to its next point.

    Several are, if they are points of one tile, and the last of them may be its last.
    """
    _advance(rng, count)


def _advance(rng: Any, count: int) -> None:
    """What `next_point` does to a stream of this kind."""


@overload(_advance, jit_options=dict(_jit.INNER))  # type: ignore[untyped-decorator]
def _overload_advance(rng: Any, count: int) -> Any:
    return _next_coordinates if rng.kind == "rqmc" else _stay


def _stay(rng: Any, count: int) -> None:
    """A pseudo-random stream knows no points."""


def _next_coordinates(rng: Any, count: int) -> None:
    point = cursor_of(rng, POINT) + count
    if point == TILE:
        point = 0
        next_tile(rng)
        set_cursor(rng, FILLED, 0)
    set_cursor(rng, POINT, point)
    set_cursor(rng, COORDINATE, 0)


@inline
def draw_weight(rng: Any, point: int = 0) -> float:
    """Weight of the draw whose coordinates have been taken since `next_point`: the product of theirs.

    The mean over draws of weight times f is that of f over plain points; the weights' own mean is 1. Of draws that are
    made together, it is that of the one at this place among them.
    """
    return _weight(rng, point)


def _weight(rng: Any, point: int) -> float:
    """What `draw_weight` is for a stream of this kind."""
    return 1.0


@overload(_weight, jit_options=dict(_jit.INNER))  # type: ignore[untyped-decorator]
def _overload_weight(rng: Any, point: int) -> Any:
    return _weight_of_point if rng.kind == "rqmc" else lambda rng, point: 1.0


def _weight_of_point(rng: Any, point: int) -> float:
    taken, stretched = cursor_of(rng, COORDINATE), np.int64(word_of(rng, STRETCH_AT + 1))
    last = (taken if taken < stretched else stretched) - 1
    return word_of(rng, WEIGHTS_AT + last * TILE + cursor_of(rng, POINT) + point) if last >= 0 else 1.0


def _buffer(
    cursor: int, first: int, refill: Callable[[Any], None]
) -> tuple[Callable[[Any, int], Any], Callable[[Any], float]]:
    """What gives the numbers of a buffer that begins at word ``first``: ``following(rng, count)`` and ``take(rng)``.

    The former gives a pointer to the next ``count``, neighbours in the buffer, and drops what is left of it where that
    is too short; the latter gives the next one itself.
    """

    @inline
    def advance(rng: Any, count: int) -> int:
        i: int = cursor_of(rng, cursor)
        if i + count > BUFFER:
            refill(state_of(rng))
            i = 0
        set_cursor(rng, cursor, i + count)
        return first + i

    @inline
    def following(rng: Any, count: int) -> Any:
        return state_from(rng, advance(rng, count))

    @inline
    def take(rng: Any) -> float:
        value: float = word_of(rng, advance(rng, 1))
        return value

    return following, take


#: Pseudo-random uniforms in (0, 1), standard normals and standard exponentials.
next_uniforms, take_uniform = _buffer(_UNIFORM, UNIFORMS_AT, refill_uniforms)
next_normals, take_normal = _buffer(_NORMAL, NORMALS_AT, refill_normals)
next_exponentials, take_exponential = _buffer(_EXPONENTIAL, EXPONENTIALS_AT, refill_exponentials)


@inline
def next_column(rng: Any) -> int:
    """Number of the next coordinate, whose column is made by then; -1 beyond the last that there is."""
    k: int = cursor_of(rng, COORDINATE)
    set_cursor(rng, COORDINATE, k + 1)
    if k >= cursor_of(rng, FILLED):
        if k >= DIMENSIONS:
            return -1
        refill_column(state_of(rng), k)
        set_cursor(rng, FILLED, k + 1)
    return k


@inline
def in_column(rng: Any, k: int) -> Any:
    """Pointer to coordinate k of the point at hand, a signed tail probability; those of the points after it follow."""
    return state_from(rng, COLUMNS_AT + k * TILE + cursor_of(rng, POINT))


@inline
def in_normal_column(rng: Any, k: int) -> Any:
    """The same of normals; a column of them is made all at once, in SIMD lanes, when the first is asked for."""
    if word_of(rng, MADE_AT + k) == 0.0:
        make_normal_column(state_of(rng), k)
    return state_from(rng, NORMAL_COLUMNS_AT + k * TILE + cursor_of(rng, POINT))


@inline
def take_coordinate(rng: Any) -> float:
    """Next coordinate u of the point: u itself if u < 1/2, else u - 1."""
    k = next_column(rng)
    if k < 0:
        u = take_uniform(rng)
        return u if u < 0.5 else u - 1.0
    value: float = in_column(rng, k)[0]
    return value


@inline
def take_tails(rng: Any) -> tuple[float, float]:
    """Next coordinate u of the point, as u and 1 - u; neither is 0, and the smaller one has all its digits."""
    t = take_coordinate(rng)
    rest = 1.0 - abs(t)
    return (t, rest) if t > 0.0 else (rest, -t)


@inline
def _piece_at_hand(rng: Any, slot: int, t: float, family: float, a: float, b: float, c: float) -> int:
    """Word of the state where the piece of t begins, if it is ready, else 0."""
    piece = piece_of(t)
    if piece < 0 or word_of(rng, slot) != family or word_of(rng, slot + 1) != a:
        return 0
    if word_of(rng, slot + 2) != b or word_of(rng, slot + 3) != c or word_of(rng, slot + piece) != READY:
        return 0
    return slot + piece


@inline
def take_quantile(rng: Any, refine: Any, family: float, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> float:
    """Quantile of the next coordinate: from the table of this continuous family and parameters, or by ``refine``."""
    t = take_coordinate(rng)
    slot = TABLES_AT + SLOT_WORDS * slot_of(family, a, b, c)
    i = _piece_at_hand(rng, slot, t, family, a, b, c)
    if i == 0:
        value: float = refine(state_from(rng, slot), t, a, b, c)
        return value
    low = word_of(rng, i + 1), word_of(rng, i + 2), word_of(rng, i + 3), word_of(rng, i + 4)
    high = word_of(rng, i + 5), word_of(rng, i + 6), word_of(rng, i + 7), word_of(rng, i + 8)
    return polynomial(place_in_piece(t), *low, *high)


@inline
def take_count(rng: Any, refine: Any, family: float, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> float:
    """Like `take_quantile`, for an integer-valued family."""
    t = take_coordinate(rng)
    slot = TABLES_AT + SLOT_WORDS * slot_of(family, a, b, c)
    i = _piece_at_hand(rng, slot, t, family, a, b, c)
    if i == 0:
        value: float = refine(state_from(rng, slot), t, a, b, c)
        return value
    size = abs(t)
    steps = 0.0
    for j in range(2, 9):
        steps += 1.0 if size >= word_of(rng, i + j) else 0.0
    count: float = word_of(rng, i + 1) + math.copysign(steps, t)
    return count


@inline
def uniform_of(t: float) -> float:
    """The coordinate u itself, in (0, 1), of its signed tail probability."""
    return t if t > 0.0 else min(1.0 + t, _BELOW_ONE)
