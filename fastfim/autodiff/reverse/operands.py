# mypy: disable-error-code="untyped-decorator"
"""Tapes, places and memory as compiled code sees them, for records that are written by loops.

Most records are written where an operation is lowered (see `taped`).  Those with as many operands as an array has
elements are written by compiled functions (see `products`), which ask here where the operands of a record are to be
found on the tape, and make numbers of the rows of a result::

    tape, values, (first, step) = tape_of(theta), values_of_parameters(theta), places_of_parameters(theta)
    start, own = taken(tape, words, rows)           # of notes, and of rows
    at_place(kind, value, own, tape)                # a number that moves with the record
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from fastfim.autodiff.emit import DOUBLE, INDEX, Emitter, Value
from fastfim.autodiff.reverse.tape import (
    CURSOR,
    LIMIT,
    MEMORY,
    NOTES,
    ROWS,
    TAPE,
    TapeType,
    field,
    is_null,
    nowhere,
    read,
    row,
    word,
)
from fastfim.autodiff.reverse.taped import rerecorded
from fastfim.autodiff.theta import Theta

_TAPE = TapeType(always=False)
VECTOR = types.Array(types.float64, 1, "C")


@intrinsic
def tape_of(typing_context: Any, x: Any) -> Any:
    """The tape of a vector of parameters or of a number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        struct = cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0])
        return builder.bitcast(struct.tape, TAPE) if isinstance(sig.args[0], Theta) else struct.tape

    return _TAPE(x), generate


@intrinsic
def missing(typing_context: Any, tape: Any) -> Any:
    """Whether there is no tape: all that was seen are constants."""
    return types.boolean(tape), lambda context, builder, sig, args: is_null(builder, args[0])


@intrinsic
def taken(typing_context: Any, tape: Any, words: Any, rows: Any) -> Any:
    """Reserve words of notes and of rows; where they begin, or -1 where there are not so many (or no tape)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        tape = builder.select(is_null(builder, args[0]), nowhere(builder, 1), args[0])
        starts, fit = [], cgutils.true_bit
        for stretch, length in enumerate(args[1:]):
            starts.append(read(builder, tape, stretch, CURSOR))
            behind = builder.add(starts[-1], length)
            builder.store(behind, field(builder, tape, stretch, CURSOR))
            fits = builder.icmp_signed("<=", behind, read(builder, tape, stretch, LIMIT))
            fit = builder.and_(fit, fits)
        found = [builder.select(fit, start, word(-1)) for start in starts]
        return context.make_tuple(builder, sig.return_type, found)

    return types.UniTuple(types.intp, 2)(_TAPE, types.intp, types.intp), generate


def _memory_of(stretch: int) -> Any:
    @intrinsic
    def memory_of(typing_context: Any, tape: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            data = read(builder, args[0], stretch, MEMORY)
            return vector_at(context, builder, data, read(builder, args[0], stretch, LIMIT))

        return VECTOR(_TAPE), generate

    return memory_of


#: The memory of a tape.
notes_of, rows_at = _memory_of(NOTES), _memory_of(ROWS)


def vector_at(context: Any, builder: Any, data: Any, length: Any) -> Any:
    """A float64 vector on memory that belongs to somebody else."""
    array = make_array(VECTOR)(context, builder)
    populate_array(array, data=data, shape=[length], strides=[word(8)], itemsize=word(8), meminfo=None)
    return array._getvalue()


@intrinsic
def row_at(typing_context: Any, address: Any, length: Any) -> Any:
    """The float64 vector at an address."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return vector_at(context, builder, builder.inttoptr(args[0], DOUBLE.as_pointer()), args[1])

    return VECTOR(types.intp, types.intp), generate


@intrinsic
def address_of(typing_context: Any, array: Any) -> Any:
    """Where the first element of an array lies."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(make_array(sig.args[0])(context, builder, args[0]).data, INDEX)

    return types.intp(array), generate


@intrinsic
def stays(typing_context: Any, array: Any) -> Any:
    """Whether an array is a constant of the likelihood: of floats, and not counted."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if sig.args[0].dtype != types.float64:
            return cgutils.false_bit
        return cgutils.is_null(builder, make_array(sig.args[0])(context, builder, args[0]).meminfo)

    return types.boolean(array), generate


@intrinsic
def at_place(typing_context: Any, kind: Any, value: Any, place: Any, tape: Any) -> Any:
    """A number that moves with a place on the tape; ``value`` is a number, or a row: a vector and where it begins."""
    found = kind.dtype

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e, value = Emitter(context, builder), args[1]
        if found.wide:
            array, start = cgutils.unpack_tuple(builder, value)
            data = make_array(VECTOR)(context, builder, array).data
            value = builder.load(row(builder, data, start, found.draws), align=8)
        terms = ((Value(e, args[2]), e.value(1.0)),)
        return found.padded(e, Value(e, value), terms, Value(e, args[3])).pack(e)

    values = types.Tuple((VECTOR, types.intp)) if found.wide else types.float64
    return found(kind, values, types.intp, _TAPE), generate


@intrinsic
def own_place(typing_context: Any, number: Any) -> Any:
    """The place of a number on the tape, at a new record of its own."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e = Emitter(context, builder)
        parts = sig.args[0].unpack(e, args[0])
        return rerecorded(e, parts).terms[0][0].ir

    return types.intp(number), generate


@intrinsic
def put_value(typing_context: Any, number: Any, values: Any, i: Any) -> Any:
    """Store the value of a number as row i of ``values``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        parts = number.unpack(Emitter(context, builder), args[0])
        data = make_array(VECTOR)(context, builder, args[1]).data
        at = row(builder, data, builder.mul(args[2], word(number.draws)), number.draws)
        builder.store(parts.value.ir, at, align=8)
        return context.get_dummy_value()

    return types.none(number, values, types.intp), generate


@intrinsic
def with_tape(typing_context: Any, number: Any, tape: Any) -> Any:
    """The same number, on a tape even if it is a constant."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e = Emitter(context, builder)
        parts = number.unpack(e, args[0])
        return number.padded(e, parts.value, parts.terms, Value(e, args[1])).pack(e)

    return number(number, _TAPE), generate


@intrinsic
def no_tape(typing_context: Any) -> Any:
    """The tape of constants."""
    return _TAPE(), lambda context, builder, sig, args: ir.Constant(TAPE, None)


@intrinsic
def values_of_parameters(typing_context: Any, theta: Any) -> Any:
    """A window on the parameters as plain numbers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        struct = cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0])
        return impl_ret_borrowed(context, builder, VECTOR, vector_at(context, builder, struct.data, struct.size))

    return VECTOR(theta), generate


@intrinsic
def places_of_parameters(typing_context: Any, theta: Any) -> Any:
    """The place of the first of some parameters, and how far it is to the next."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        struct = cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0])
        first = builder.add(struct.first, builder.mul(struct.lanes, struct.step))
        return context.make_tuple(builder, sig.return_type, [first, struct.step])

    return types.UniTuple(types.intp, 2)(theta), generate
