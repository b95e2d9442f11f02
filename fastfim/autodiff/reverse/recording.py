# mypy: disable-error-code="untyped-decorator"
"""The engine's side: a tape is opened, written by a density, and read.

::

    open_tape, gradient, store = recorder(p, draws), reader(draws), value_store(draws)
    theta = open_tape(theta_pointer, notes, rows)
    start = end(theta)
    d = density(x, theta)
    if room(theta):
        store(d, densities_pointer)
        gradient(d, theta, notes, rows, start, wrt, scores_pointer, stride)
    else:
        ...                      # again, with at least end(theta) words of each and a few more

Where derivatives in all parameters are wanted, and nothing was recorded before the density, they may be summed up where
they are to be, which spares a copy::

    theta = open_tape(theta_pointer, notes, rows)           # of recorder(p, draws, elsewhere=True)
    here = place(theta, rows, scores_pointer, stride)       # of adjoints_at(draws)
    d = density(x, here)
    collect(d, here, notes, rows, start)                    # of collector(draws)
"""

from __future__ import annotations

import functools
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastfim import _jit
from fastfim.autodiff.emit import INDEX, Emitter, Value
from fastfim.autodiff.number import REAL
from fastfim.autodiff.reverse.kept import keep_in_header
from fastfim.autodiff.reverse.products import is_product_with
from fastfim.autodiff.reverse.rows import clear, rows_of
from fastfim.autodiff.reverse.sweep import sweeper
from fastfim.autodiff.reverse.tape import (
    CURSOR,
    HEADER,
    KEPT,
    KNOWN,
    LEFT,
    LIMIT,
    NOTES,
    OPEN_TAPE,
    ROWS,
    SPARE,
    START,
    STEP,
    TAPE,
    UNTOUCHED,
    clear_until,
    field,
    member,
    open_at,
    read,
    row,
    word,
)
from fastfim.autodiff.reverse.taped import Taped
from fastfim.autodiff.seeds import check_number
from fastfim.autodiff.theta import Theta, local_copy

_POINTER = types.CPointer(types.float64)


@functools.cache
def recorder(p: int, draws: int = 1, elsewhere: bool = False, order: int = 1) -> Any:
    """A compiled function ``f(theta_pointer, notes, rows) -> Theta`` that opens a tape for ``p`` parameters.

    ``notes`` and ``rows`` are float64 vectors, whose previous content is of no interest; there is room for what is
    spare and for the parameters at least.  The `Theta` holds a private copy of the parameters, and the header, on the
    stack of the caller.  ``elsewhere``: adjoints of the parameters are given a place before anything is written.
    ``order=2``: the tape is one for Hessians (see `fastfim.autodiff.second_order`).
    """
    theta_type = Theta(Taped(1, draws, order=order), p)

    @intrinsic
    def open_tape(typing_context: Any, theta: Any, notes: Any, rows: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            header, contents = cgutils.alloca_once(builder, HEADER), []
            lengths = {NOTES: (START, SPARE), ROWS: ((1 if elsewhere else p + 1) * draws, SPARE * draws)}
            for which, (first, spare) in lengths.items():
                array = context.make_array(sig.args[1 + which])(context, builder, args[1 + which])
                cgutils.memset(builder, array.data, word(8 * first), 0)
                size = builder.extract_value(array.shape, 0)
                contents.append((word(first), builder.sub(size, word(spare)), array.data))
            open_at(builder, header, contents)
            copy = local_copy(context, builder, theta_type, args[0], word(0), p)
            opened = cgutils.create_struct_proxy(theta_type)(context, builder, copy)
            opened.tape = builder.bitcast(header, OPEN_TAPE)
            opened.first, opened.step = word(draws), word(draws)
            return opened._getvalue()

        return theta_type(theta, notes, rows), generate

    return open_tape


def _tape(context: Any, builder: Any, kind: Any, theta: Any) -> Any:
    position = int(context.data_model_manager[kind].get_field_position("tape"))
    return builder.bitcast(builder.extract_value(theta, position), TAPE)


def _header_reader(which: int) -> Any:
    @intrinsic
    def members(typing_context: Any, theta: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            tape = _tape(context, builder, sig.args[0], args[0])
            found = [read(builder, tape, stretch, which) for stretch in (NOTES, ROWS, KEPT)]
            return context.make_tuple(builder, sig.return_type, found)

        return types.UniTuple(types.intp, 3)(theta), generate

    return members


#: How far the tape of a `Theta` has been written, and how far it can be: words of notes, of rows, of what is kept.
end, limit = _header_reader(CURSOR), _header_reader(LIMIT)


@intrinsic
def rewind(typing_context: Any, theta: Any, places: Any) -> Any:
    """Go on writing the tape of a `Theta` at ``places``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        tape = _tape(context, builder, sig.args[0], args[0])
        for stretch, place in zip((NOTES, ROWS, KEPT), cgutils.unpack_tuple(builder, args[1]), strict=True):
            builder.store(place, field(builder, tape, stretch, CURSOR))
        return context.get_dummy_value()

    return types.none(theta, types.UniTuple(types.intp, 3)), generate


#: Words at the beginning of what is kept from tile to tile: the first says how many after them are known.
KEPT_HEADER = 8


def _known(builder: Any, array: Any) -> Any:
    return builder.bitcast(array.data, word(0).type.as_pointer())


@intrinsic
def keep_in(typing_context: Any, theta: Any, kept: Any) -> Any:
    """Let the tape of a `Theta` keep numbers in a float64 vector, where some may be known (see `kept`)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        tape = _tape(context, builder, sig.args[0], args[0])
        array = context.make_array(sig.args[1])(context, builder, args[1])
        room = builder.sub(builder.extract_value(array.shape, 0), word(KEPT_HEADER + SPARE))
        first = builder.gep(array.data, [word(KEPT_HEADER)])
        keep_in_header(builder, tape, first, room, builder.load(_known(builder, array)))
        return context.get_dummy_value()

    return types.none(theta, kept), generate


@intrinsic
def seed(typing_context: Any, d: Any, rows: Any) -> Any:
    """The adjoints with which the reading begins: those of the terms of ``d``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.args[0]
        data = context.make_array(sig.args[1])(context, builder, args[1]).data
        if isinstance(kind, Taped):
            e = Emitter(context, builder)
            for node, scale in kind.unpack(e, args[0]).terms:
                place = row(builder, data, node.ir, kind.tile)
                builder.store((Value(e, builder.load(place, align=8)) + scale).ir, place, align=8)
        return context.get_dummy_value()

    return types.none(d, rows), generate


@intrinsic
def learn(typing_context: Any, theta: Any, kept: Any) -> Any:
    """Let all that a `Theta`'s tape has kept in a vector be known."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        tape = _tape(context, builder, sig.args[0], args[0])
        cursor, most = (read(builder, tape, KEPT, which) for which in (CURSOR, LIMIT))
        known = builder.select(builder.icmp_signed("<", cursor, most), cursor, most)
        builder.store(known, member(builder, tape, KNOWN))
        builder.store(known, _known(builder, context.make_array(sig.args[1])(context, builder, args[1])))
        return context.get_dummy_value()

    return types.none(theta, kept), generate


@functools.cache
def value_store(draws: int) -> Any:
    """An intrinsic ``f(d, out)``: store the values at a pointer."""

    @intrinsic
    def store_values(typing_context: Any, d: Any, out: Any) -> Any:
        check_number(d)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            e, kind = Emitter(context, builder), sig.args[0]
            if isinstance(kind, REAL):
                found = Value(e, context.cast(builder, args[0], kind, types.float64))
            else:
                found = kind.unpack(e, args[0]).value
            builder.store(e.splat(found, draws).ir, row(builder, args[1], word(0), draws), align=8)
            return context.get_dummy_value()

        return types.none(d, _POINTER), generate

    return store_values


@functools.cache
def adjoints_at(draws: int) -> Any:
    """A compiled function ``f(theta, rows, out, stride)``: the adjoint of parameter k is to be at ``out + k stride``.

    A ``theta`` that knows it comes back.
    """

    @intrinsic
    def moved(typing_context: Any, theta: Any, rows: Any, out: Any, stride: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            found = cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0])
            beginning = context.make_array(sig.args[1])(context, builder, args[1]).data
            distance = builder.sub(*(builder.ptrtoint(pointer, INDEX) for pointer in (args[2], beginning)))
            found.first, found.step = builder.ashr(distance, word(3)), args[3]
            tape, most = _tape(context, builder, sig.args[0], args[0]), builder.sub(found.size, word(1))
            length = builder.add(builder.mul(args[3], most), word(1))
            for which, content in ((UNTOUCHED, found.first), (LEFT, length), (STEP, args[3])):
                builder.store(content, member(builder, tape, which))
            return found._getvalue()

        return theta(theta, rows, out, types.intp), generate

    return moved


@intrinsic
def _untouched(typing_context: Any, theta: Any) -> Any:
    """Of the adjoints of parameters that hold nothing yet, the place of the first, and how far to behind the last's."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        tape = _tape(context, builder, sig.args[0], args[0])
        found = [builder.load(member(builder, tape, which)) for which in (UNTOUCHED, LEFT)]
        return context.make_tuple(builder, sig.return_type, found)

    return types.UniTuple(types.intp, 2)(theta), generate


@intrinsic
def _is_plain(typing_context: Any, d: Any) -> Any:
    """Whether a number refers to nothing on a tape."""
    plain = not isinstance(d, Taped)
    return types.boolean(d), lambda context, builder, sig, args: context.get_constant(types.boolean, plain)


@intrinsic
def _settle(typing_context: Any, theta: Any) -> Any:
    """Set the adjoints of parameters to 0 that hold nothing yet."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        tape = _tape(context, builder, sig.args[0], args[0])
        clear_until(builder, tape, builder.load(member(builder, tape, LEFT)), theta.dual.tile)
        builder.store(word(0), member(builder, tape, LEFT))
        return context.get_dummy_value()

    return types.none(theta), generate


@functools.cache
def collector(draws: int) -> Any:
    """A compiled function that reads a tape for ``draws`` draws at once.

    ``f(d, theta, notes, rows, start)`` adds the derivatives of ``d`` to the adjoints of the parameters, and goes back
    to ``start`` on the tape.
    """
    sweep = sweeper(draws)

    @_jit.inner
    def collect(d: Any, theta: Any, notes: Any, rows: Any, start: Any) -> None:
        high, (place, distance) = end(theta)[0], _untouched(theta)
        anew = _is_plain(d) and is_product_with(notes, high, place, distance)
        if not anew:
            _settle(theta)
        seed(d, rows)
        sweep(notes, rows, high, START, anew)
        rewind(theta, start)

    return collect


@functools.cache
def reader(draws: int = 1) -> Any:
    """A compiled function that reads a tape for ``draws`` draws at once."""
    collect, put_out = collector(draws), rows_of(draws).put_out

    @_jit.inner
    def gradient(d: Any, theta: Any, notes: Any, rows: Any, start: Any, wrt: Any, out: Any, stride: Any) -> None:
        """Store the derivatives of ``d``, and go back to ``start`` on the tape.

        Parameters
        ----------
        d
            A number made from ``theta``, or a constant.
        theta
            What `recorder` made.
        notes, rows
            Its memory.
        start
            Where the tape goes on; what lies before it is kept for the next number.
        wrt
            Array of the indices of the parameters to differentiate in.
        out, stride
            Derivatives in ``wrt[k]`` are stored at ``out + k stride``.
        """
        collect(d, theta, notes, rows, start)
        for k in range(len(wrt)):
            put_out(rows, (1 + wrt[k]) * draws, out, k * stride)
        kept = (1 + len(theta)) * draws if len(wrt) == len(theta) else 0
        clear(rows, kept, start[1] - kept)  # what comes behind is cleared when it is written

    return gradient


@_jit.inner
def room(theta: Any) -> Any:
    """Whether all that was recorded has found room."""
    (notes, rows, _), (most_notes, most_rows, _) = end(theta), limit(theta)
    return notes <= most_notes and rows <= most_rows
