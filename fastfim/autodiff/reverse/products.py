# mypy: disable-error-code="untyped-decorator"
"""Products of a matrix of plain numbers with a vector of taped ones, as one record.

For y = A v the adjoints of v are those of y times A: nothing need be noted but where A lies, and where the adjoints are
found, in rows at equal distances, so that the tape is read at the speed of the processor's vectors::

    [A,] address of A, bytes from row to row, from column to column, place of the first of v, distance, length of v,
    length of y, words of A, PRODUCT, place of the first of y

Numbers that are not parameters are first recorded one by one, to have places at equal distances.  For a single draw
rows or columns of A are contiguous: products run along these.  Where there are several, they run across the draws.

The matrix itself is copied, since a local array may be gone or changed when the tape is read.  Only a constant of the
likelihood, which no reference counter watches, is left where it is.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from fastfim import _jit
from fastfim._arrays import empty
from fastfim.autodiff.dtype import DualDType
from fastfim.autodiff.dual import Dual
from fastfim.autodiff.number import REAL
from fastfim.autodiff.reverse.kept import keeping
from fastfim.autodiff.reverse.operands import (
    VECTOR,
    address_of,
    at_place,
    missing,
    no_tape,
    notes_of,
    own_place,
    places_of_parameters,
    put_value,
    row_at,
    rows_at,
    stays,
    taken,
    tape_of,
    values_of_parameters,
    with_tape,
)
from fastfim.autodiff.reverse.rows import TOGETHER, clear, rows_of
from fastfim.autodiff.reverse.tape import BIN, TapeType
from fastfim.autodiff.reverse.taped import Taped
from fastfim.autodiff.theta import Theta

_TAPE, _MATRIX = TapeType(always=False), types.Array(types.float64, 2, "A", readonly=True)
#: The number of terms of such a record, and its words beside the matrix.
PRODUCT, WORDS = -1, 10


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


def kind_inside(v: Any) -> Taped:
    """The type of the numbers of a vector."""
    kind = v.dual if isinstance(v, Theta) else v.dtype
    assert isinstance(kind, Taped)
    return kind


def _inputs(v: Any) -> Any: ...


@overload(_inputs, jit_options=_jit.INNER)
def inputs(v: Any) -> Any:
    """Tape, values, and places of a vector's adjoints: of the first, and from one to the next."""
    kind = kind_inside(v)
    draws, step = kind.draws, kind.tile * (1 + kind.wide)

    def of_parameters(v: Any) -> Any:
        return tape_of(v), values_of_parameters(v), places_of_parameters(v)

    def of_numbers(v: Any) -> Any:
        n, tape, values, first = len(v), no_tape(), empty(len(v) * draws), 0
        for k in range(n):
            put_value(v[k], values, k)
            if missing(tape):
                tape = tape_of(v[k])
        for k in range(n):
            place = own_place(with_tape(v[k], tape))
            if k == 0:
                first = place
        return tape, values, (first, step)

    return of_parameters if isinstance(v, Theta) else of_numbers


def _write_record(tape: Any, a: Any, first: Any, step: Any, draws: Any) -> Any:
    """Write the record of ``a @ v``; the place of the first adjoint of the result, or -1."""
    n, columns = a.shape
    left = stays(a) and (draws > 1 or a.strides[0] == 8 or a.strides[1] == 8)
    copied = 0 if left else n * columns
    start, own = taken(tape, copied + WORDS, n * draws)
    if start < 0:
        return -1
    notes, rows = notes_of(tape), rows_at(tape)
    places = _jit.as_int64(notes)
    address, down, across = address_of(a), a.strides[0], a.strides[1]
    if not left:
        address, down, across = address_of(notes) + 8 * start, 8 * columns, 8
        for i in range(n):
            for k in range(columns):
                notes[start + i * columns + k] = a[i, k]
    at = start + copied
    places[at], places[at + 1], places[at + 2] = address, down, across
    places[at + 3], places[at + 4], places[at + 5] = first, step, columns
    places[at + 6], places[at + 7], places[at + 8], places[at + 9] = n, copied, PRODUCT, own
    clear(rows, own, n * draws)
    return own


#: Of floats, whatever their order, it is compiled once an installation.
_write_floats = _jit.external(types.intp(_TAPE, _MATRIX, *[types.intp] * 3))(_write_record)
_write_others = _jit.apart(_write_record)


def product_into(out: Any, a: Any, v: Any) -> None:
    """``out[i]`` = row i of ``a`` times ``v``, recorded."""


@overload(product_into, jit_options=_jit.INNER)
def fill_product(out: Any, a: Any, v: Any) -> Any:
    """For vectors of numbers or of rows."""
    kind = kind_inside(v)
    draws, of_kind = kind.tile, DualDType(kind)
    add_products = product_adder(draws)
    write = _write_floats if a.dtype == types.float64 else _write_others

    def of_numbers(out: Any, a: Any, v: Any) -> None:
        n = _checked(a, v)
        tape, values, (first, step) = _inputs(v)
        place, found = write(tape, a, first, step, draws), empty(n)
        if draws == 1:
            _multiply(address_of(a), a.strides[0], a.strides[1], values, found)
        else:
            _multiply_once(tape, address_of(a), a.strides[0], a.strides[1], values, found)
        for i in range(n):
            out[i] = at_place(of_kind, found[i], place + i * draws if place >= 0 else BIN, tape)

    def of_rows(out: Any, a: Any, v: Any) -> None:
        n = _checked(a, v)
        tape, values, (first, step) = _inputs(v)
        place, found = write(tape, a, first, step, draws), empty(n * draws)
        address, down, across = address_of(a), a.strides[0], a.strides[1]
        add_products(found, 0, draws, n, values, 0, draws, len(v), address, down, across, True)
        for i in range(n):
            out[i] = at_place(of_kind, (found, i * draws), place + i * draws if place >= 0 else BIN, tape)

    return of_rows if kind.wide else of_numbers


def of_draws(a: Any, b: Any) -> bool:
    """Whether one operand of a product is a plain matrix, the other a vector over draws without derivatives."""
    a, b = (a, b) if getattr(a, "ndim", 1) == 2 else (b, a)
    plain = isinstance(a, types.Array) and a.ndim == 2 and a.dtype == types.float64
    number = b.dtype if isinstance(b, types.Array) and b.ndim == 1 else None
    return plain and isinstance(number, Dual) and number.plain and number.draws > 1


def multiply_draws(out: Any, a: Any, v: Any) -> None:
    """``out`` = A ``v`` for several draws at once, without derivatives."""


@overload(multiply_draws, jit_options=_jit.INNER)
def fill_draws(out: Any, a: Any, v: Any) -> Any:
    """For vectors of rows."""
    draws = v.dtype.draws
    add_products = product_adder(draws)

    def of_rows(out: Any, a: Any, v: Any) -> None:
        n, m = _checked(a, v), len(v)
        values, found = row_at(address_of(v), m * draws), row_at(address_of(out), n * draws)
        address, down, across = address_of(a), a.strides[0], a.strides[1]
        add_products(found, 0, draws, n, values, 0, v.strides[0] // 8, m, address, down, across, True)

    return of_rows


@_jit.inner
def _checked(a: Any, v: Any) -> Any:
    if a.shape[1] != len(v):
        raise ValueError("the operands of a product are of different lengths")
    return a.shape[0]


def row_product(a: Any, v: Any) -> Any:
    """``a @ v`` of two vectors, recorded."""


@overload(row_product, jit_options=_jit.INNER)
def single_product(a: Any, v: Any) -> Any:
    """For vectors of numbers or of rows."""
    dtype: Any = DualDType(kind_inside(v))

    def product(a: Any, v: Any) -> Any:
        rows = empty((1, len(a)))
        for k in range(len(a)):
            rows[0, k] = a[k]
        out = np.empty(1, dtype)
        product_into(out, rows, v)
        return out[0]

    return product


@_jit.external(types.void(_TAPE, *[types.intp] * 3, VECTOR, VECTOR))
def _multiply_once(tape: Any, address: Any, down: Any, across: Any, v: Any, out: Any) -> None:
    """``out`` = A ``v`` for the first draws; for the others, it is kept."""
    kept, known = keeping(tape, len(out))
    if known:
        found = row_at(kept, len(out))
        for i in range(len(out)):  # Numba takes a second and a half to compile ``out[:] = found``
            out[i] = found[i]
    else:
        _multiply(address, down, across, v, out)
        if kept != 0:
            found = row_at(kept, len(out))
            for i in range(len(out)):
                found[i] = out[i]


@_jit.external(types.void(*[types.intp] * 3, VECTOR, VECTOR), flags=_jit.SUMMING)
def _multiply(address: Any, down: Any, across: Any, v: Any, out: Any) -> None:
    """``out`` = A ``v``, four rows at a time."""
    n, m = len(out), len(v)
    for i in range(0, n - 3 if across == 8 else 0, 4):
        at = address + i * down
        r, s, t, u = row_at(at, m), row_at(at + down, m), row_at(at + 2 * down, m), row_at(at + 3 * down, m)
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        for k in range(m):
            a, b, c, d = a + r[k] * v[k], b + s[k] * v[k], c + t[k] * v[k], d + u[k] * v[k]
        out[i], out[i + 1], out[i + 2], out[i + 3] = a, b, c, d
    for i in range(n - n % 4 if across == 8 else 0, n):
        total = 0.0
        for k in range(m):
            total += row_at(address + i * down + k * across, 1)[0] * v[k]
        out[i] = total


# ---------------------------------------------------------------- reading


class Product(NamedTuple):
    """A record of y = A v: n numbers of ``columns`` others.

    Entry (i, k) of A is at ``address + i down + k across``, the adjoint of v_k in row ``first + k step``, those of y
    are in the rows from ``own`` on.  ``start`` is where the record begins.
    """

    address: Any
    down: Any
    across: Any
    first: Any
    step: Any
    columns: Any
    n: Any
    start: Any
    own: Any


@_jit.inner
def product_before(words: Any, end: Any) -> Any:
    """The record that ends at word ``end``, and is a product."""
    at = end - WORDS
    start = at - words[at + 7]
    return Product(
        words[at],
        words[at + 1],
        words[at + 2],
        words[at + 3],
        words[at + 4],
        words[at + 5],
        words[at + 6],
        start,
        words[at + 9],
    )


@functools.cache
def product_adder(draws: int) -> Any:
    """External ``f(...)``: ``into`` += A times rows, or = where it is ``anew``; several rows of ``into`` at a time."""
    of, whole_numbers = rows_of(draws), [types.intp] * 3
    one, two, several = of.combine, of.combine_two, of.combine_several
    kinds = (VECTOR, *whole_numbers, VECTOR, *whole_numbers, *whole_numbers, types.boolean)

    @_jit.external(types.void(*kinds), suffix=f"_{draws}")
    def add_products(
        rows: Any,
        into: Any,
        step: Any,
        n: Any,
        values: Any,
        start: Any,
        stride: Any,
        m: Any,
        a: Any,
        down: Any,
        across: Any,
        anew: Any,
    ) -> None:
        whole, even = n - n % TOGETHER, n - n % 2
        for r in range(0, whole, TOGETHER):
            several(rows, (into + r * step, step), a + r * down, down, values, (start, stride), m, across, anew)
        for r in range(whole, even, 2):
            two(rows, (into + r * step, step), a + r * down, down, values, (start, stride), m, across, anew)
        if even < n:
            one(rows, (into + even * step, step), a + even * down, down, values, (start, stride), m, across, anew)

    return add_products


@functools.cache
def product_reader(draws: int) -> Any:
    """Compiled ``f(notes, rows, end, anew)``: read the record of a product; where the tape goes on.

    ``anew``: the adjoints of its operands hold nothing yet.
    """
    add_products = product_adder(draws)

    @_jit.apart_summing
    def read_product(notes: Any, rows: Any, end: Any, anew: Any) -> Any:
        address, down, across, first, step, columns, n, start, own = product_before(_jit.as_int64(notes), end)
        adjoints = rows[own : own + n * draws]
        if draws > 1:
            add_products(rows, first, step, columns, rows, own, draws, n, address, across, down, anew)
        elif across == 8:
            _add_rows(address, down, adjoints, rows[first : first + columns])
        else:
            _add_columns(address, across, adjoints, rows[first : first + columns])
        return start

    return read_product


@_jit.external(types.boolean(VECTOR, *[types.intp] * 3))
def is_product_with(notes: Any, end: Any, place: Any, distance: Any) -> Any:
    """Whether the last record is a product, and its operands those that begin at a place, before some distance."""
    words = _jit.as_int64(notes)
    if end < WORDS or words[end - 2] != PRODUCT or distance == 0:
        return False
    product = product_before(words, end)
    return product.first == place and product.step * (product.columns - 1) + 1 == distance


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


@_jit.apart_summing
def _add_columns(address: Any, across: Any, adjoints: Any, into: Any) -> None:
    """``into += adjoints @ A`` by columns."""
    n = len(adjoints)
    for k in range(len(into)):
        column, total = row_at(address + k * across, n), 0.0
        for i in range(n):
            total += adjoints[i] * column[i]
        into[k] += total
