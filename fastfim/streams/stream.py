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

The ``kind`` names where numbers come from: ``"mc"`` is pseudo-random. It is part of the type, so that another kind
can give its own meaning to a method, and `take_uniform` is the one place where a uniform is taken.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import overload_method, register_model

from .. import _jit
from .lanes import (
    BUFFER,
    CURSORS,
    CURSORS_AT,
    EXPONENTIALS_AT,
    NORMALS_AT,
    UNIFORMS_AT,
    refill_exponentials,
    refill_normals,
    refill_uniforms,
)
from .typed import Function, inline, intrinsic

KINDS = ("mc",)

_I64 = ir.IntType(64)
_POINTER = types.CPointer(types.float64)
_UNIFORM, _NORMAL, _EXPONENTIAL = range(CURSORS)


class Stream(types.Type):  # type: ignore[misc]
    """Numba type of an open stream; ``kind`` says where its numbers come from."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(name=f"Stream({kind})")


@register_model(Stream)
class _StreamModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, manager: Any, stream: Stream) -> None:
        members = [("state", _POINTER), ("cursors", types.CPointer(types.int64))]
        super().__init__(manager, stream, members)


def opener(kind: str) -> Any:
    """Give the intrinsic that opens a stream of this kind.

    Parameters
    ----------
    kind : {"mc"}
        Where the numbers come from.

    Returns
    -------
    intrinsic
        To be called in compiled code with a pointer (``CPointer(float64)``) to a state vector; gives the ``rng``.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is no kind of stream; there are {', '.join(map(repr, KINDS))}")
    stream = Stream(kind)

    @intrinsic
    def open_stream(typingctx: Any, pointer: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            cursors = cgutils.alloca_once(builder, _I64, size=_I64(CURSORS))
            _copy_words(builder, _kept_cursors(builder, args[0]), cursors)
            value = cgutils.create_struct_proxy(stream)(context, builder)
            value.state, value.cursors = args[0], cursors
            return value._getvalue()

        return stream(_POINTER), codegen

    return open_stream


@intrinsic
def close_stream(typingctx: Any, rng: Any) -> Any:
    """Write the cursors back to the state: a stream opened on it again goes on from here."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = cgutils.create_struct_proxy(rng)(context, builder, args[0])
        _copy_words(builder, value.cursors, _kept_cursors(builder, value.state))
        return context.get_dummy_value()

    return types.none(rng), codegen


@intrinsic
def next_point(typingctx: Any, rng: Any) -> Any:
    """Tell the stream that a draw is complete; a pseudo-random stream has no use for that."""
    return types.none(rng), lambda context, builder, signature, args: context.get_dummy_value()


def _kept_cursors(builder: Any, state: Any) -> Any:
    return builder.bitcast(builder.gep(state, [_I64(CURSORS_AT)]), _I64.as_pointer())


def _copy_words(builder: Any, source: Any, target: Any) -> None:
    for k in range(CURSORS):
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


@inline
def take_uniform(rng: Any) -> float:
    """Next uniform in (0, 1): the one place where a uniform is taken."""
    i = _cursor(rng, _UNIFORM)
    if i == BUFFER:
        refill_uniforms(_state(rng))
        i = 0
    _set_cursor(rng, _UNIFORM, i + 1)
    value: float = _word(rng, UNIFORMS_AT + i)
    return value


@inline
def take_normal(rng: Any) -> float:
    """Next standard normal."""
    i = _cursor(rng, _NORMAL)
    if i == BUFFER:
        refill_normals(_state(rng))
        i = 0
    _set_cursor(rng, _NORMAL, i + 1)
    value: float = _word(rng, NORMALS_AT + i)
    return value


@inline
def take_exponential(rng: Any) -> float:
    """Next standard exponential."""
    i = _cursor(rng, _EXPONENTIAL)
    if i == BUFFER:
        refill_exponentials(_state(rng))
        i = 0
    _set_cursor(rng, _EXPONENTIAL, i + 1)
    value: float = _word(rng, EXPONENTIALS_AT + i)
    return value


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


def variate(function: Function) -> Function:
    """Make ``function(rng, ...)`` the method of that name of every stream; it stays an ordinary Python function."""
    name = function.__name__
    VARIATES[name] = function

    def choose(*args: Any, **kwargs: Any) -> Callable[..., Any]:
        return function

    choose.__name__ = choose.__qualname__ = f"rng.{name}"
    choose.__signature__ = _Signature(name, function)  # type: ignore[attr-defined]
    overload_method(Stream, name, jit_options=dict(_jit.INLINE))(choose)
    return function


@variate
def random(rng: Any) -> float:
    """Uniform on the open interval (0, 1): 2^52 equally likely values."""
    return take_uniform(rng)


@variate
def standard_normal(rng: Any) -> float:
    """Normal of mean 0 and variance 1."""
    return take_normal(rng)


@variate
def standard_exponential(rng: Any) -> float:
    """Exponential of mean 1; always positive."""
    return take_exponential(rng)
