"""The tape: a row of words that numbers write while a function runs.

::

    bin | parameter 1 | ... | parameter p | record | record | ...

A word of the first kind is the adjoint of a parameter, 0 until the tape is read; the bin takes what flows to constants.
A record ends in its own adjoint, and refers to operands by the places of theirs::

    operand, weight, operand, weight, ..., number of operands, adjoint

so that the tape can be read from its end; other kinds have a negative number there (see `products`).  While it is
written, its header lies on the stack of whoever opened it; a number carries the header's address.  What does not
fit is counted but not written: `room` says whether all did.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.extending import register_model

from fastfim.autodiff.emit import DOUBLE, INDEX, Value

#: (place, weight)
Term: TypeAlias = "tuple[Any, Value]"

#: The place of the adjoint that is never read.
BIN = 0
#: Words behind the limit, into which whatever does not fit is written.
SPARE = 16
#: Cursor, limit, words.
HEADER = ir.LiteralStructType([INDEX, INDEX, DOUBLE.as_pointer()])
TAPE = HEADER.as_pointer()
#: The same address, known not to be null: it comes with a vector of parameters.
OPEN_TAPE = ir.LiteralStructType([HEADER]).as_pointer()
CURSOR, LIMIT, WORDS = range(3)


class TapeType(types.Type):  # type: ignore[misc]
    """Address of a tape's header: null in constants, never in a vector of parameters."""

    def __init__(self, always: bool) -> None:
        self.always = always
        super().__init__(f"Tape(always={always})")


@register_model(TapeType)
class TapeModel(models.PrimitiveModel):  # type: ignore[misc]
    """A pointer."""

    def __init__(self, manager: Any, kind: TapeType) -> None:
        super().__init__(manager, kind, OPEN_TAPE if kind.always else TAPE)


def word(i: int) -> Any:
    """A place or a count known now."""
    return ir.Constant(INDEX, i)


def field(builder: Any, tape: Any, which: int) -> Any:
    """Address of a member of the header."""
    return builder.gep(tape, [ir.Constant(ir.IntType(32), 0), ir.Constant(ir.IntType(32), which)], inbounds=True)


def in_reach(builder: Any) -> Any:
    """The tape that came with a vector of parameters among the arguments of the function under construction."""
    found = next((a for a in builder.function.args if a.type == OPEN_TAPE), None)
    return None if found is None else builder.bitcast(found, TAPE)


def is_null(builder: Any, tape: Any) -> Any:
    """Whether a number has no tape: it is a constant."""
    return builder.icmp_unsigned("==", tape, ir.Constant(TAPE, None))


_nowhere: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def nowhere(builder: Any) -> Any:
    """A tape without room, for records of constants."""
    found = _nowhere.get(builder.function)
    if found is None:
        with builder.goto_entry_block():
            found = builder.alloca(HEADER)
            words = builder.bitcast(builder.alloca(ir.ArrayType(DOUBLE, SPARE)), DOUBLE.as_pointer())
            for which, content in ((CURSOR, word(0)), (LIMIT, word(0)), (WORDS, words)):
                builder.store(content, field(builder, found, which))
        _nowhere[builder.function] = found
    return found


def _read(builder: Any, tape: Any, which: int) -> Any:
    return builder.load(field(builder, tape, which))


def _clamped(builder: Any, tape: Any) -> tuple[Any, Any]:
    """The words, and where to write next: nothing goes beyond the limit and what is spare behind it."""
    cursor, limit = _read(builder, tape, CURSOR), _read(builder, tape, LIMIT)
    return _read(builder, tape, WORDS), builder.select(builder.icmp_unsigned("<", cursor, limit), cursor, limit)


def put(builder: Any, words: Any, place: Any, content: Any) -> None:
    """Write a number, a place or a count."""
    pointer = builder.gep(words, [place], inbounds=True)
    if content.type == INDEX:
        pointer = builder.bitcast(pointer, INDEX.as_pointer())
    builder.store(content, pointer)


def _advance(builder: Any, tape: Any, words: int | Any) -> None:
    length = words if not isinstance(words, int) else word(words)
    builder.store(builder.add(_read(builder, tape, CURSOR), length), field(builder, tape, CURSOR))


def _write(builder: Any, words: Any, start: Any, terms: Sequence[Term], count: Any) -> Any:
    """Write terms, their number and an adjoint of 0; the place of the adjoint."""
    contents = [content for place, weight in terms for content in (place, weight.ir)]
    contents += [count, ir.Constant(DOUBLE, 0.0)]
    for i, content in enumerate(contents):
        put(builder, words, builder.add(start, word(i)), content)
    return builder.add(start, word(len(contents) - 1))


def record(builder: Any, tape: Any, terms: Sequence[Term]) -> Any:
    """Write a record of a few terms; the place of its adjoint."""
    words, start = _clamped(builder, tape)
    _advance(builder, tape, 2 * len(terms) + 2)
    return _write(builder, words, start, terms, word(len(terms)))


def append(builder: Any, tape: Any, total: Term, is_open: Any, terms: Sequence[Term]) -> Any:
    """Append terms to the record of an open sum, if that is the last, else begin a new one with the sum in front.

    The last record ends in two words, the number of its terms and its adjoint: they make room for the new terms.  A
    sum in front takes as many.
    """
    words, at = _clamped(builder, tape)
    last = builder.icmp_signed("==", builder.add(total[0], word(1)), at)
    before, after = builder.sub(at, word(2)), builder.add(at, word(2))
    counted = builder.gep(words, [before], inbounds=True)
    # A branch, which the processor foresees, where selections would wait for each other: 1.4 times faster.
    with builder.if_else(builder.and_(is_open, last), likely=True) as (extending, beginning):
        with extending:
            count = builder.load(builder.bitcast(counted, INDEX.as_pointer()))
            _advance(builder, tape, 2 * len(terms))
            extended = builder.block
        with beginning:
            put(builder, words, at, total[0])
            put(builder, words, builder.add(at, word(1)), total[1].ir)
            _advance(builder, tape, 2 * len(terms) + 4)
            begun = builder.block
    start, known = builder.phi(INDEX), builder.phi(INDEX)
    for block, values in ((extended, (before, count)), (begun, (after, word(1)))):
        start.add_incoming(values[0], block)
        known.add_incoming(values[1], block)
    return _write(builder, words, start, terms, builder.add(known, word(len(terms))))
