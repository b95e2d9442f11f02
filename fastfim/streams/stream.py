"""The ``rng`` of a sampler inside compiled code: its Numba type, its cursors, and the table of its methods.

A value of type ``Stream(kind)`` is two pointers: to the state vector (see `lanes`) and to a private stack array of
cursors. Only the state goes to the refill functions, so the cursors never escape and live in registers: a uniform costs
half a nanosecond, a normal one and a half. `opener` makes such a value from a pointer to a state, `close_stream` writes
the cursors back, so that the next call goes on where this one stopped; the value must not outlive the compiled function
that opened it.

Methods are plain Python functions of ``rng`` under NumPy's names, put into `VARIATES` by the decorator `variate`. They
build on three of them, ``random``, ``standard_normal`` and ``standard_exponential``, so that the same source also runs
uncompiled with a `numpy.random.Generator`:

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
next coordinate of it, by inversion: `take_tails` gives the coordinate as u and 1 - u, both to full precision, and
``variate(inverse=...)`` names the function that makes the variate of it. What is built on other methods alone needs
none. `next_point` moves on to the next point; columns of coordinates are made when they are first asked for.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, errors
from numba.core.datamodel import models
from numba.extending import overload, overload_method, register_model

from .. import _jit
from .directions import DIMENSIONS
from .lanes import refill_exponentials, refill_normals, refill_uniforms
from .points import make_normal_column, refill_column
from .quantiles.elementary import exponential_quantile
from .states import (
    BUFFER,
    COLUMNS_AT,
    COORDINATE,
    CURSORS,
    CURSORS_AT,
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
    TILE_AT,
    UNIFORMS_AT,
    WEIGHTS_AT,
    check_kind,
)
from .tables import READY, piece_of, place_in_piece, polynomial, slot_of
from .typed import Function, external, inline, intrinsic

_I64, _WORD = ir.IntType(64), 8
_POINTER = types.CPointer(types.float64)
_UNIFORM, _NORMAL, _EXPONENTIAL = range(CURSORS)
_BELOW_ONE = 1.0 - 2.0**-53


class Stream(types.Type):  # type: ignore[misc]
    """Numba type of an open stream; ``kind`` says where its numbers come from."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(name=f"Stream({kind})")


@register_model(Stream)
class StreamModel(models.StructModel):  # type: ignore[misc]
    """A state, and its cursors while it is open; also of other types that take from a stream."""

    def __init__(self, manager: Any, stream: Stream) -> None:
        members = [("state", _POINTER), ("cursors", types.CPointer(types.int64))]
        super().__init__(manager, stream, members)


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
            _copy_words(builder, _kept_cursors(builder, args[0]), cursors, KINDS[kind])
            value = cgutils.create_struct_proxy(stream)(context, builder)
            value.state, value.cursors = args[0], cursors
            return value._getvalue()

        return stream(_POINTER), codegen

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

    return types.none(_POINTER, _POINTER), codegen


@external(types.void(_POINTER, _POINTER))
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
        _copy_words(builder, value.cursors, _kept_cursors(builder, value.state), KINDS[rng.kind])
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
    point = _cursor(rng, POINT) + count
    if point == TILE:
        point = 0
        _next_tile(rng)
        _set_cursor(rng, FILLED, 0)
    _set_cursor(rng, POINT, point)
    _set_cursor(rng, COORDINATE, 0)


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
    taken, stretched = _cursor(rng, COORDINATE), np.int64(_word(rng, STRETCH_AT + 1))
    last = (taken if taken < stretched else stretched) - 1
    return _word(rng, WEIGHTS_AT + last * TILE + _cursor(rng, POINT) + point) if last >= 0 else 1.0


def _kept_cursors(builder: Any, state: Any) -> Any:
    return builder.bitcast(builder.gep(state, [_I64(CURSORS_AT)]), _I64.as_pointer())


def _copy_words(builder: Any, source: Any, target: Any, count: int) -> None:
    for k in range(count):
        builder.store(builder.load(builder.gep(source, [_I64(k)])), builder.gep(target, [_I64(k)]))


@intrinsic
def _state(typingctx: Any, rng: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return cgutils.create_struct_proxy(rng)(context, builder, args[0]).state

    return _POINTER(rng), codegen


@intrinsic
def _word(typingctx: Any, rng: Any, index: Any) -> Any:
    """Float64 word of the state."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = cgutils.create_struct_proxy(rng)(context, builder, args[0]).state
        return builder.load(builder.gep(state, [args[1]]))

    return types.float64(rng, types.int64), codegen


@intrinsic
def _cursor(typingctx: Any, rng: Any, which: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        cursors = cgutils.create_struct_proxy(rng)(context, builder, args[0]).cursors
        return builder.load(builder.gep(cursors, [args[1]]))

    return types.int64(rng, types.int64), codegen


@intrinsic
def _set_cursor(typingctx: Any, rng: Any, which: Any, to: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        cursors = cgutils.create_struct_proxy(rng)(context, builder, args[0]).cursors
        builder.store(args[2], builder.gep(cursors, [args[1]]))
        return context.get_dummy_value()

    return types.none(rng, types.int64, types.int64), codegen


@intrinsic
def _next_tile(typingctx: Any, rng: Any) -> Any:
    """Move on to the next tile of points."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = cgutils.create_struct_proxy(rng)(context, builder, args[0]).state
        tile = builder.bitcast(builder.gep(state, [_I64(TILE_AT)]), _I64.as_pointer())
        builder.store(builder.add(builder.load(tile), _I64(1)), tile)
        return context.get_dummy_value()

    return types.none(rng), codegen


@intrinsic
def _state_from(typingctx: Any, rng: Any, word: Any) -> Any:
    """Pointer to a word of the state."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = cgutils.create_struct_proxy(rng)(context, builder, args[0]).state
        return builder.gep(state, [args[1]])

    return _POINTER(rng, types.int64), codegen


def _buffer(
    cursor: int, first: int, refill: Callable[[Any], None]
) -> tuple[Callable[[Any, int], Any], Callable[[Any], float]]:
    """What gives the numbers of a buffer that begins at word ``first``: ``following(rng, count)`` and ``take(rng)``.

    The former gives a pointer to the next ``count``, neighbours in the buffer, and drops what is left of it where that
    is too short; the latter gives the next one itself.
    """

    @inline
    def advance(rng: Any, count: int) -> int:
        i: int = _cursor(rng, cursor)
        if i + count > BUFFER:
            refill(_state(rng))
            i = 0
        _set_cursor(rng, cursor, i + count)
        return first + i

    @inline
    def following(rng: Any, count: int) -> Any:
        return _state_from(rng, advance(rng, count))

    @inline
    def take(rng: Any) -> float:
        value: float = _word(rng, advance(rng, 1))
        return value

    return following, take


#: Pseudo-random uniforms in (0, 1), standard normals and standard exponentials.
next_uniforms, take_uniform = _buffer(_UNIFORM, UNIFORMS_AT, refill_uniforms)
next_normals, take_normal = _buffer(_NORMAL, NORMALS_AT, refill_normals)
next_exponentials, take_exponential = _buffer(_EXPONENTIAL, EXPONENTIALS_AT, refill_exponentials)


@inline
def next_column(rng: Any) -> int:
    """Number of the next coordinate, whose column is made by then; -1 beyond the last that there is."""
    k: int = _cursor(rng, COORDINATE)
    _set_cursor(rng, COORDINATE, k + 1)
    if k >= _cursor(rng, FILLED):
        if k >= DIMENSIONS:
            return -1
        refill_column(_state(rng), k)
        _set_cursor(rng, FILLED, k + 1)
    return k


@inline
def in_column(rng: Any, k: int) -> Any:
    """Pointer to coordinate k of the point at hand, a signed tail probability; those of the points after it follow."""
    return _state_from(rng, COLUMNS_AT + k * TILE + _cursor(rng, POINT))


@inline
def in_normal_column(rng: Any, k: int) -> Any:
    """The same of normals; a column of them is made all at once, in SIMD lanes, when the first is asked for."""
    if _word(rng, MADE_AT + k) == 0.0:
        make_normal_column(_state(rng), k)
    return _state_from(rng, NORMAL_COLUMNS_AT + k * TILE + _cursor(rng, POINT))


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
    if piece < 0 or _word(rng, slot) != family or _word(rng, slot + 1) != a:
        return 0
    if _word(rng, slot + 2) != b or _word(rng, slot + 3) != c or _word(rng, slot + piece) != READY:
        return 0
    return slot + piece


@inline
def take_quantile(rng: Any, refine: Any, family: float, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> float:
    """Quantile of the next coordinate: from the table of this continuous family and parameters, or by ``refine``."""
    t = take_coordinate(rng)
    slot = TABLES_AT + SLOT_WORDS * slot_of(family, a, b, c)
    i = _piece_at_hand(rng, slot, t, family, a, b, c)
    if i == 0:
        value: float = refine(_state_from(rng, slot), t, a, b, c)
        return value
    low = _word(rng, i + 1), _word(rng, i + 2), _word(rng, i + 3), _word(rng, i + 4)
    high = _word(rng, i + 5), _word(rng, i + 6), _word(rng, i + 7), _word(rng, i + 8)
    return polynomial(place_in_piece(t), *low, *high)


@inline
def take_count(rng: Any, refine: Any, family: float, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> float:
    """Like `take_quantile`, for an integer-valued family."""
    t = take_coordinate(rng)
    slot = TABLES_AT + SLOT_WORDS * slot_of(family, a, b, c)
    i = _piece_at_hand(rng, slot, t, family, a, b, c)
    if i == 0:
        value: float = refine(_state_from(rng, slot), t, a, b, c)
        return value
    size = abs(t)
    steps = 0.0
    for j in range(2, 9):
        steps += 1.0 if size >= _word(rng, i + j) else 0.0
    count: float = _word(rng, i + 1) + math.copysign(steps, t)
    return count


#: Every method of ``rng``: its name, and the function whose signature (after ``rng``) and meaning it has.
VARIATES: dict[str, Callable[..., Any]] = {}


class _Signature(inspect.Signature):
    """A signature whose complaints name the method: Numba shows them to the user whose call does not fit."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(function).parameters.values())
        super().__init__(parameters)
        listed = (str(p.replace(annotation=p.empty)) for p in parameters[1:])
        self.usage = f"rng.{name}({', '.join(listed)}) gives one draw a call"

    def bind(self, *args: Any, **kwargs: Any) -> inspect.BoundArguments:
        try:
            return super().bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{error}; {self.usage}") from None


def variate(*, inverse: Callable[..., Any] | None = None) -> Callable[[Function], Function]:
    """Make ``function(rng, ...)`` the method of that name of every stream; it stays an ordinary Python function.

    Parameters
    ----------
    inverse
        What takes its place in quasi-random streams: a function of the same parameters that takes one coordinate
        (`take_tails`) and is monotone in it. Needed where ``function`` itself would take more than one, or reject.
    """

    def register(function: Function) -> Function:
        name = function.__name__
        VARIATES[name] = function
        chosen = by_kind(function, inverse or function)

        def choose(*args: Any, **kwargs: Any) -> Callable[..., Any]:
            if name not in TAKE_VECTORS and any(isinstance(a, types.Array) for a in (*args[1:], *kwargs.values())):
                raise errors.TypingError(
                    f"rng.{name} gives one draw a call: its parameters must be numbers, not arrays; write a loop"
                )
            return chosen(args[0] if args else kwargs["rng"])

        choose.__name__ = choose.__qualname__ = f"rng.{name}"
        choose.__signature__ = _Signature(name, function)  # type: ignore[attr-defined]
        overload_method(Stream, name, jit_options=dict(_jit.INNER))(choose)
        return function

    return register


#: Methods with arrays among their parameters; a broadcast, as NumPy has it for the others, would give but one draw.
TAKE_VECTORS = frozenset({"choice", "dirichlet", "multinomial", "multivariate_normal"})


def by_kind(function: Callable[..., Any], inverse: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    """Choose between two functions of ``rng`` by its type: ``inverse`` for quasi-random streams."""
    return lambda rng: inverse if rng.kind == "rqmc" else function


@inline
def uniform_of(t: float) -> float:
    """The coordinate u itself, in (0, 1), of its signed tail probability."""
    return t if t > 0.0 else min(1.0 + t, _BELOW_ONE)


def _random_coordinate(rng: Any) -> float:
    return uniform_of(take_coordinate(rng))


def _normal_by_inversion(rng: Any) -> float:
    k = next_column(rng)
    if k < 0:
        return take_normal(rng)
    value: float = in_normal_column(rng, k)[0]
    return value


def _exponential_by_inversion(rng: Any) -> float:
    return exponential_quantile(take_coordinate(rng))


@variate(inverse=_random_coordinate)
def random(rng: Any) -> float:
    """Uniform on the open interval (0, 1): 2^52 equally likely values."""
    return take_uniform(rng)


@variate(inverse=_normal_by_inversion)
def standard_normal(rng: Any) -> float:
    """Normal of mean 0 and variance 1."""
    return take_normal(rng)


@variate(inverse=_exponential_by_inversion)
def standard_exponential(rng: Any) -> float:
    """Exponential of mean 1; always positive."""
    return take_exponential(rng)
