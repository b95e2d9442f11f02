# mypy: disable-error-code="untyped-decorator"
"""The engine's side: a tape is opened, written by a density, and read.

::

    open_tape = recorder(p)
    theta = open_tape(theta_pointer, words)
    start = end(theta)
    d = density(x, theta)
    if room(theta):
        gradient(d, theta, words, start, wrt, out)
    else:
        ...                      # again, with at least end(theta) words and a few more
"""

from __future__ import annotations

import functools
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastfim import _jit
from fastfim.autodiff.emit import Emitter
from fastfim.autodiff.reverse.sweep import sweep
from fastfim.autodiff.reverse.tape import CURSOR, HEADER, LIMIT, OPEN_TAPE, SPARE, TAPE, WORDS, field, word
from fastfim.autodiff.reverse.taped import TAPED, Taped
from fastfim.autodiff.theta import Theta, local_copy

_POINTER = types.CPointer(types.float64)


@functools.cache
def recorder(p: int) -> Any:
    """A compiled function ``f(theta_pointer, words) -> Theta`` that opens a tape for ``p`` parameters.

    ``words`` is a float64 vector, whose previous content is of no interest.  The
    `Theta` holds a private copy of the parameters, and the header, on the stack of the caller.
    """
    theta_type = Theta(TAPED, p)

    @intrinsic
    def open_tape(typing_context: Any, theta: Any, words: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            array = context.make_array(sig.args[1])(context, builder, args[1])
            header = cgutils.alloca_once(builder, HEADER)
            size = builder.extract_value(array.shape, 0)
            builder.store(word(p + 1), field(builder, header, CURSOR))
            builder.store(builder.sub(size, word(SPARE)), field(builder, header, LIMIT))
            builder.store(array.data, field(builder, header, WORDS))
            cgutils.memset(builder, array.data, word(8 * (p + 1)), 0)
            copy = local_copy(context, builder, theta_type, args[0], word(-1), p)
            opened = cgutils.create_struct_proxy(theta_type)(context, builder, copy)
            opened.tape = builder.bitcast(header, OPEN_TAPE)
            return opened._getvalue()

        return theta_type(theta, words), generate

    return open_tape


@intrinsic
def end(typing_context: Any, theta: Any) -> Any:
    """How far the tape of a `Theta` has been written."""
    return types.intp(theta), functools.partial(_read_header, CURSOR)


@intrinsic
def limit(typing_context: Any, theta: Any) -> Any:
    """How far the tape of a `Theta` can be written."""
    return types.intp(theta), functools.partial(_read_header, LIMIT)


def _read_header(which: int, context: Any, builder: Any, sig: Any, args: Any) -> Any:
    tape = builder.extract_value(args[0], _position_of_tape(context, sig.args[0]))
    return builder.load(field(builder, builder.bitcast(tape, TAPE), which))


def _position_of_tape(context: Any, kind: Any) -> int:
    return int(context.data_model_manager[kind].get_field_position("tape"))


@intrinsic
def rewind(typing_context: Any, theta: Any, place: Any) -> Any:
    """Go on writing the tape of a `Theta` at ``place``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        tape = builder.extract_value(args[0], _position_of_tape(context, sig.args[0]))
        builder.store(args[1], field(builder, builder.bitcast(tape, TAPE), CURSOR))
        return context.get_dummy_value()

    return types.none(theta, types.intp), generate


@intrinsic
def _seed(typing_context: Any, d: Any, words: Any) -> Any:
    """The adjoints with which the reading begins: those of the terms of ``d``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array = context.make_array(sig.args[1])(context, builder, args[1])
        if isinstance(sig.args[0], Taped):
            for node, scale in sig.args[0].unpack(Emitter(context, builder), args[0]).terms:
                place = builder.gep(array.data, [node.ir])
                builder.store(builder.fadd(builder.load(place), scale.ir), place)
        return context.get_dummy_value()

    return types.none(d, words), generate


@_jit.inner
def gradient(d: Any, theta: Any, words: Any, start: Any, wrt: Any, out: Any) -> None:
    """Store the derivatives of ``d`` in ``out``, and go back to ``start`` on the tape.

    Parameters
    ----------
    d
        A number made from ``theta``, or a constant.
    theta
        What `recorder` made.
    words
        Its memory.
    start
        Where the tape goes on; what lies before it is kept for the next number.
    wrt
        Array of the indices of the parameters to differentiate in.
    out
        Array of the same length.
    """
    p = len(theta)
    _seed(d, words)
    sweep(words, end(theta), p + 1)
    for k in range(len(wrt)):
        out[k] = words[1 + wrt[k]]
    for j in range(1 + p):
        words[j] = 0.0
    rewind(theta, start)


@_jit.inner
def room(theta: Any) -> Any:
    """Whether all that was recorded has found room."""
    return end(theta) <= limit(theta)
