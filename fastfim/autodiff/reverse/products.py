# mypy: disable-error-code="untyped-decorator"
"""Products of a matrix of plain numbers with a vector of taped ones, as one record.

For y = A v the adjoints of v are those of y times A: nothing need be noted but where A lies, and two rows of adjoints
that lie side by side, so that the tape is read at the speed of the processor's vectors::

    [A,] address of A, bytes from row to row, 0 or 1, first of v, length of v,
    adjoints of y, length of y, words of A, -1, 1

The number before the first of v is 1 where the columns of A, not its rows, are contiguous.  A vector that is no vector
of parameters is first given adjoints of its own that lie side by side::

    n times (operand, weight), n adjoints, n, -2, 1

The matrix itself is copied, since a local array may be gone or changed when the tape is read.  Only a constant of the
likelihood, which no reference counter watches, is left where it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic, overload
from numba.np.arrayobj import make_array, populate_array

from fastfim import _jit
from fastfim.autodiff.emit import DOUBLE, INDEX, Emitter, Value
from fastfim.autodiff.number import REAL
from fastfim.autodiff.reverse.tape import (
    BIN,
    CURSOR,
    LIMIT,
    SPARE,
    TAPE,
    WORDS,
    TapeType,
    field,
    is_null,
    nowhere,
    word,
)
from fastfim.autodiff.reverse.taped import TAPED, Taped, TapedParts
from fastfim.autodiff.theta import Theta

#: What ends the two kinds of records.
PRODUCT, SIDE_BY_SIDE = -1, -2
_TAPE = TapeType(always=False)
_VECTOR = types.Array(types.float64, 1, "C")


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
def take(typing_context: Any, tape: Any, length: Any) -> Any:
    """Reserve words; the place of the first, or -1 where there are not so many (or no tape)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        tape = builder.select(is_null(builder, args[0]), nowhere(builder), args[0])
        start = builder.load(field(builder, tape, CURSOR))
        behind = builder.add(start, args[1])
        builder.store(behind, field(builder, tape, CURSOR))
        fits = builder.icmp_signed("<=", behind, builder.load(field(builder, tape, LIMIT)))
        return builder.select(fits, start, word(-1))

    return types.intp(_TAPE, types.intp), generate


@intrinsic
def words_of(typing_context: Any, tape: Any) -> Any:
    """The memory of a tape."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = builder.load(field(builder, args[0], WORDS))
        length = builder.add(builder.load(field(builder, args[0], LIMIT)), word(SPARE))
        return vector_at(context, builder, data, length)

    return _VECTOR(_TAPE), generate


def vector_at(context: Any, builder: Any, data: Any, length: Any) -> Any:
    """A float64 vector on memory that belongs to somebody else."""
    array = make_array(_VECTOR)(context, builder)
    populate_array(array, data=data, shape=[length], strides=[word(8)], itemsize=word(8), meminfo=None)
    return array._getvalue()


@intrinsic
def row_at(typing_context: Any, address: Any, length: Any) -> Any:
    """The float64 vector at an address."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return vector_at(context, builder, builder.inttoptr(args[0], DOUBLE.as_pointer()), args[1])

    return _VECTOR(types.intp, types.intp), generate


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
def at_place(typing_context: Any, value: Any, place: Any, tape: Any) -> Any:
    """A number that moves with a place on the tape."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e = Emitter(context, builder)
        terms = ((Value(e, args[1]), e.value(1.0)),)
        return TapedParts(TAPED, Value(e, args[0]), terms, Value(e, args[2])).pack(e)

    return TAPED(types.float64, types.intp, _TAPE), generate


@intrinsic
def term_of(typing_context: Any, number: Any) -> Any:
    """Value, place and scale of a number of one term."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        parts = TAPED.unpack(Emitter(context, builder), args[0])
        (place, scale), *_ = parts.terms
        return context.make_tuple(builder, sig.return_type, [parts.value.ir, place.ir, scale.ir])

    return types.Tuple((types.float64, types.int64, types.float64))(TAPED), generate


# ---------------------------------------------------------------- writing


#: From this length on a product of two vectors is such a record, too.
LONG = 32


def fits(a: Any, b: Any) -> str | None:
    """Which operand of a product is a vector of taped numbers, if the other is an array of plain ones."""
    for side, v, other in (("right", b, a), ("left", a, b)):
        taped = isinstance(v.dual if isinstance(v, Theta) else getattr(v, "dtype", None), Taped)
        if taped and getattr(v, "ndim", 1) == 1 and isinstance(getattr(other, "dtype", None), REAL):
            return side if isinstance(other, types.Array) else None
    return None


def inner(a: Any, b: Any) -> Any:
    """The inner product of a plain and a taped vector, as one record."""


@overload(inner, jit_options=_jit.INNER)
def inner_record(a: Any, b: Any) -> Any:
    """What serves two types."""

    def of_plain(a: Any, b: Any) -> Any:
        return row_product(a, b)

    def of_taped(a: Any, b: Any) -> Any:
        return row_product(b, a)

    return of_plain if fits(a, b) == "right" else of_taped


def _inputs(v: Any) -> Any: ...


@overload(_inputs, jit_options=_jit.INNER)
def inputs(v: Any) -> Any:
    """Tape, values, and place of the first adjoint of a vector whose adjoints lie side by side."""

    def of_parameters(v: Any) -> Any:
        return tape_of(v), values_of_parameters(v), first_place(v)

    def of_numbers(v: Any) -> Any:
        n, tape, values = len(v), no_tape(), np.empty(len(v))
        for k in range(n):
            values[k] = term_of(v[k])[0]
            if missing(tape):
                tape = tape_of(v[k])
        start = take(tape, 3 * n + 3)
        if start >= 0:
            words = words_of(tape)
            places = words.view(np.int64)
            for k in range(n):
                _, places[start + 2 * k], words[start + 2 * k + 1] = term_of(v[k])
            end = start + 3 * n
            for k in range(n):
                words[start + 2 * n + k] = 0.0
            places[end], places[end + 1], words[end + 2] = n, SIDE_BY_SIDE, 1.0
        return tape, values, start + 2 * n

    return of_parameters if isinstance(v, Theta) else of_numbers


@intrinsic
def no_tape(typing_context: Any) -> Any:
    """The tape of constants."""
    return _TAPE(), lambda context, builder, sig, args: ir.Constant(TAPE, None)


@intrinsic
def values_of_parameters(typing_context: Any, theta: Any) -> Any:
    """A window on the parameters as plain numbers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        struct = cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0])
        return impl_ret_borrowed(context, builder, _VECTOR, vector_at(context, builder, struct.data, struct.size))

    return _VECTOR(theta), generate


@intrinsic
def first_place(typing_context: Any, theta: Any) -> Any:
    """The place of the first of some parameters."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0]).lanes

    return types.intp(theta), generate


@_jit.apart
def product_record(tape: Any, a: Any, first: Any) -> Any:
    """Write the record of ``a @ v``; the place of the first adjoint of the result, or -1."""
    rows, columns = a.shape
    by_columns = a.strides[0] == 8 and a.strides[1] != 8
    left = stays(a) and (by_columns or a.strides[1] == 8)
    copied = 0 if left else rows * columns
    start = take(tape, copied + 9 + rows)
    if start < 0:
        return -1
    words = words_of(tape)
    places = words.view(np.int64)
    if left:
        address, stride = address_of(a), a.strides[1] if by_columns else a.strides[0]
    else:
        address, stride = address_of(words) + 8 * start, 8 * columns
        for i in range(rows):
            for k in range(columns):
                words[start + i * columns + k] = a[i, k]
    at = start + copied
    places[at], places[at + 1], places[at + 2] = address, stride, left and by_columns
    places[at + 3], places[at + 4] = first, columns
    end = at + 5 + rows
    for i in range(at + 5, end):
        words[i] = 0.0
    places[end], places[end + 1], places[end + 2], words[end + 3] = rows, copied, PRODUCT, 1.0
    return at + 5


@_jit.inner
def product_into(out: Any, a: Any, v: Any) -> None:
    """``out[i]`` = row i of ``a`` times ``v``, recorded."""
    if a.shape[1] != len(v):
        raise ValueError("the operands of a product are of different lengths")
    tape, values, first = _inputs(v)
    place = product_record(tape, a, first)
    for i in range(a.shape[0]):
        out[i] = at_place(inner_product(a[i], values), place + i if place >= 0 else BIN, tape)


@_jit.inner
def row_product(a: Any, v: Any) -> Any:
    """``a @ v`` of two vectors, recorded."""
    if len(a) != len(v):
        raise ValueError("the operands of a product are of different lengths")
    tape, values, first = _inputs(v)
    row = np.empty((1, len(a)))
    for k in range(len(a)):
        row[0, k] = a[k]
    place = product_record(tape, row, first)
    return at_place(inner_product(row[0], values), place if place >= 0 else BIN, tape)


@_jit.apart_summing
def inner_product(a: Any, b: Any) -> Any:
    """The inner product of two plain vectors, summed in any order."""
    result = 0.0
    for k in range(len(b)):
        result += a[k] * b[k]
    return result


# ---------------------------------------------------------------- reading


@_jit.apart_summing
def read_product(words: Any, place: Any) -> Any:
    """Read the record that ends before ``place``; where the tape goes on."""
    places = words.view(np.int64)
    rows, copied = places[place - 4], places[place - 3]
    start = place - 9 - rows
    address, stride, by_columns, first = places[start], places[start + 1], places[start + 2], places[start + 3]
    columns = places[start + 4]
    adjoints, into = words[start + 5 : start + 5 + rows], words[first : first + columns]
    if by_columns:
        for k in range(columns):
            into[k] += inner_product(row_at(address + k * stride, rows), adjoints)
    else:
        _add_rows(address, stride, adjoints, into)
    for i in range(rows):
        adjoints[i] = 0.0
    return start - copied


@_jit.apart_summing
def _add_rows(address: Any, stride: Any, adjoints: Any, into: Any) -> None:
    """``into += adjoints @ A``, four rows at a time (twice as fast as one)."""
    n, rows = len(into), len(adjoints)
    for i in range(0, rows - 3, 4):
        at = address + i * stride
        r, s = row_at(at, n), row_at(at + stride, n)
        t, u = row_at(at + 2 * stride, n), row_at(at + 3 * stride, n)
        a, b, c, d = adjoints[i], adjoints[i + 1], adjoints[i + 2], adjoints[i + 3]
        for k in range(n):
            into[k] += (a * r[k] + b * s[k]) + (c * t[k] + d * u[k])
    for i in range(rows - rows % 4, rows):
        r = row_at(address + i * stride, n)
        for k in range(n):
            into[k] += adjoints[i] * r[k]


@_jit.apart
def read_side_by_side(words: Any, place: Any) -> Any:
    """The same for a record of adjoints that lie side by side."""
    places = words.view(np.int64)
    n = places[place - 3]
    start = place - 3 - 3 * n
    for k in range(n):
        words[places[start + 2 * k]] += words[start + 2 * k + 1] * words[start + 2 * n + k]
        words[start + 2 * n + k] = 0.0
    return start
