"""The tape: notes that numbers write while a function runs, and rows of adjoints.

There are three stretches of memory, all written upwards.  *Rows* are vectors of ``draws`` doubles, one for each draw
that is evaluated at once (see `fastfim.autodiff.tiles`)::

    bin | parameter 1 | ... | parameter p | row | row | ...

The first are the adjoints of the parameters, 0 until the tape is read; the bin takes what flows to constants.  Those of
the parameters may also lie elsewhere, where they are wanted in the end: their places count from the same beginning, and
may be negative; they are set to 0 no earlier than need be (see `deposit`).  A number refers to others by the *places*
of their adjoints among the rows, counted in doubles.  *Notes* are words; one record has a term for each operand, and
ends in the number of terms and the place of its own adjoint, so that the tape can be read from its end::

    operand, weight, operand, weight, ..., number of terms, own place
    operand, operand, ..., number of terms | WIDE, own place

Weights that are the same for all draws stand among the notes.  Where each draw has its own, they are rows that follow
the adjoint.  Other kinds of records have a negative number of terms: products (see `products`), and on a tape that is
read to second order, operations that are not linear.  These note which of the second derivatives there are, in the
order 11, 12, ..., 22, ..., as bits of what they say of themselves::

    operand, operand, ..., [weight, ..., second derivative, ...], number of operands | bits << 8 | WIDE, BENT, own place

The third stretch keeps numbers that are the same for all draws, in the order in which they are worked out, so that the
next draws, which take the same way, find them there (see `kept`).

While it is written, a tape's header lies on the stack of whoever opened it; a number carries the header's address.
What does not fit is counted but not written: `room` says whether all did.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import register_model

from fastfim.autodiff.emit import DOUBLE, INDEX, Value

#: (place, weight)
Term: TypeAlias = "tuple[Any, Value]"

#: The place of the adjoint that is never read.
BIN = 0
#: Added to the number of terms whose weights are rows.
WIDE = 1 << 62
#: The number of terms of a record with second derivatives, and where the bits are that tell which.
BENT, BITS = -2, 8
#: Words of notes, and rows, behind the limits, into which whatever does not fit is written.
SPARE = 16
#: Where the notes begin: what lies before looks like a record of nothing.
START = 2
#: Cursor, limit, memory: of notes, of rows, of what is kept. Then how much of that is known, and of those adjoints
#: of parameters that hold nothing yet the first place, the distance to behind the last one's place (0 without any;
#: what comes a step after the last may be anybody's, the tape's own rows too), and from one to the next.
STRETCH = ir.LiteralStructType([INDEX, INDEX, DOUBLE.as_pointer()])
HEADER = ir.LiteralStructType([STRETCH, STRETCH, STRETCH, INDEX, INDEX, INDEX, INDEX])
TAPE = HEADER.as_pointer()
#: The same address, known not to be null: it comes with a vector of parameters.
OPEN_TAPE = ir.LiteralStructType([HEADER]).as_pointer()
NOTES, ROWS, KEPT, KNOWN, UNTOUCHED, LEFT, STEP = range(7)
CURSOR, LIMIT, MEMORY = range(3)


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


def field(builder: Any, tape: Any, stretch: int, which: int) -> Any:
    """Address of a member of the header."""
    indices = [ir.Constant(ir.IntType(32), i) for i in (0, stretch, which)]
    return builder.gep(tape, indices, inbounds=True)


def read(builder: Any, tape: Any, stretch: int, which: int) -> Any:
    """A member of the header."""
    return builder.load(field(builder, tape, stretch, which))


def member(builder: Any, tape: Any, which: int) -> Any:
    """Address of a member of the header that is no stretch."""
    return builder.gep(tape, [ir.Constant(ir.IntType(32), i) for i in (0, which)], inbounds=True)


def open_at(builder: Any, tape: Any, contents: Sequence[tuple[Any, Any, Any]]) -> None:
    """Fill a header: cursor, limit and memory of notes and rows; nothing is kept yet."""
    ((_, limit, notes), _) = contents
    for stretch, members in enumerate([*contents, (word(0), word(0), builder.gep(notes, [limit]))]):
        for which, content in enumerate(members):
            builder.store(content, field(builder, tape, stretch, which))
    for which in (KNOWN, UNTOUCHED, LEFT, STEP):
        builder.store(word(0), member(builder, tape, which))


def in_reach(builder: Any) -> Any:
    """The tape that came with a vector of parameters among the arguments of the function under construction."""
    found = next((a for a in builder.function.args if a.type == OPEN_TAPE), None)
    return None if found is None else builder.bitcast(found, TAPE)


def is_null(builder: Any, tape: Any) -> Any:
    """Whether a number has no tape: it is a constant."""
    return builder.icmp_unsigned("==", tape, ir.Constant(TAPE, None))


_nowhere: weakref.WeakKeyDictionary[Any, dict[int, Any]] = weakref.WeakKeyDictionary()


def nowhere(builder: Any, draws: int) -> Any:
    """A tape without room, for records of constants."""
    of_function = _nowhere.setdefault(builder.function, {})
    found = of_function.get(draws)
    if found is None:
        with builder.goto_entry_block():
            found = builder.alloca(HEADER)
            memories = [builder.alloca(ir.ArrayType(DOUBLE, n)) for n in (SPARE + START, SPARE * draws)]
            pointers = [builder.bitcast(memory, DOUBLE.as_pointer()) for memory in memories]
            builder.store(word(0), builder.bitcast(pointers[NOTES], INDEX.as_pointer()))
            builder.store(word(BIN), builder.bitcast(builder.gep(pointers[NOTES], [word(1)]), INDEX.as_pointer()))
            open_at(builder, found, [(word(START), word(START), pointers[NOTES]), (word(0), word(0), pointers[ROWS])])
        of_function[draws] = found
    return found


def take(builder: Any, tape: Any, stretch: int, length: Any) -> Any:
    """Move the cursor on; where to write: nothing goes beyond the limit and what is spare behind it."""
    cursor, limit = (read(builder, tape, stretch, which) for which in (CURSOR, LIMIT))
    builder.store(builder.add(cursor, length), field(builder, tape, stretch, CURSOR))
    return builder.select(builder.icmp_unsigned("<", cursor, limit), cursor, limit)


def note(builder: Any, tape: Any, place: Any, content: Any) -> None:
    """Write a number, a place or a count."""
    pointer = builder.gep(read(builder, tape, NOTES, MEMORY), [place], inbounds=True)
    if content.type == INDEX:
        pointer = builder.bitcast(pointer, INDEX.as_pointer())
    builder.store(content, pointer)


def row(builder: Any, memory: Any, place: Any, draws: int) -> Any:
    """Address of a row, which need not lie in this memory."""
    pointer = builder.gep(memory, [place])
    return pointer if draws == 1 else builder.bitcast(pointer, ir.VectorType(DOUBLE, draws).as_pointer())


def _put_rows(builder: Any, tape: Any, place: Any, contents: Sequence[Any], draws: int) -> None:
    for i, content in enumerate(contents):
        at = row(builder, read(builder, tape, ROWS, MEMORY), builder.add(place, word(i * draws)), draws)
        builder.store(content, at, align=8)


def _zeros(draws: int) -> Any:
    return ir.Constant(DOUBLE, 0.0) if draws == 1 else ir.Constant(ir.VectorType(DOUBLE, draws), [0.0] * draws)


def _write(
    builder: Any, tape: Any, at: Any, weights_at: Any, terms: Sequence[Term], known: Any, own: Any, draws: int
) -> None:
    """Write terms behind ``known`` others, their number and the record's own place."""
    wide = _is_wide(terms)
    contents = [part for place, w in terms for part in ((place,) if wide else (place, w.ir))]
    total = builder.add(known, word(len(terms)))
    for i, content in enumerate([*contents, builder.or_(total, word(WIDE if wide else 0)), own]):
        note(builder, tape, builder.add(at, word(i)), content)
    if wide:
        _put_rows(builder, tape, weights_at, [w.ir for _, w in terms], draws)


def _is_wide(terms: Sequence[Term]) -> bool:
    return any(weight.width > 1 for _, weight in terms)


def _lengths(terms: Sequence[Term], draws: int) -> tuple[int, int]:
    """Words of notes and of rows that terms take."""
    return (len(terms), len(terms) * draws) if _is_wide(terms) else (2 * len(terms), 0)


def record(builder: Any, tape: Any, terms: Sequence[Term], draws: int) -> Any:
    """Write a record of a few terms, whose weights are all rows or none; the place of its adjoint."""
    words, rows = _lengths(terms, draws)
    at, own = take(builder, tape, NOTES, word(words + 2)), take(builder, tape, ROWS, word(rows + draws))
    _put_rows(builder, tape, own, [_zeros(draws)], draws)
    _write(builder, tape, at, builder.add(own, word(draws)), terms, word(0), own, draws)
    return own


def record_bent(
    builder: Any, tape: Any, terms: Sequence[Term], bends: Mapping[tuple[int, int], Value], draws: int
) -> Any:
    """Write a record of what is not linear; weights and second derivatives all are rows, or none is."""
    numbers, wide = [*(w for _, w in terms), *bends.values()], _is_wide(terms)
    pairs = list(itertools.combinations_with_replacement(range(len(terms)), 2))
    bits = sum(1 << k for k, pair in enumerate(pairs) if pair in bends)
    summary = word(len(terms) | bits << BITS | (WIDE if wide else 0))
    contents = [*(place for place, _ in terms), *([] if wide else [w.ir for w in numbers]), summary, word(BENT)]
    rows = [_zeros(draws), *([w.ir for w in numbers] if wide else [])]
    at, own = take(builder, tape, NOTES, word(len(contents) + 1)), take(builder, tape, ROWS, word(len(rows) * draws))
    for i, content in enumerate([*contents, own]):
        note(builder, tape, builder.add(at, word(i)), content)
    _put_rows(builder, tape, own, rows, draws)
    return own


def append(builder: Any, tape: Any, total: Term, is_open: Any, terms: Sequence[Term], draws: int) -> Any:
    """Append terms to the record of an open sum, if that is the last, else begin a new one with the sum in front.

    The last record ends in the number of its terms and its place: they make room for the new terms.  Its rows, too, are
    the last.
    """
    words, rows = _lengths(terms, draws)
    cursor = read(builder, tape, NOTES, CURSOR)
    limit = read(builder, tape, NOTES, LIMIT)
    at = builder.select(builder.icmp_unsigned("<", cursor, limit), cursor, limit)
    before, memory = builder.sub(at, word(2)), read(builder, tape, NOTES, MEMORY)
    ending = [
        builder.load(builder.bitcast(builder.gep(memory, [builder.add(before, word(i))]), INDEX.as_pointer()))
        for i in range(2)
    ]
    last = builder.icmp_signed("==", total[0], ending[1])
    # A branch, which the processor foresees, where selections would wait for each other: 1.4 times faster.
    with builder.if_else(builder.and_(is_open, last), likely=True) as (extending, beginning):
        with extending:
            take(builder, tape, NOTES, word(words))
            known = builder.and_(ending[0], word(~WIDE))
            extended = (
                before,
                take(builder, tape, ROWS, word(rows)) if rows else word(0),
                known,
                total[0],
                builder.block,
            )
        with beginning:
            # the sum in front is a term like the others
            front = _lengths([total], draws)
            take(builder, tape, NOTES, word(front[0] + words + 2))
            own = take(builder, tape, ROWS, word(draws + front[1] + rows))
            zeros = [_zeros(draws)]
            _put_rows(builder, tape, own, zeros + ([total[1].ir] if front[1] else []), draws)
            for i, content in enumerate([total[0]] if front[1] else [total[0], total[1].ir]):
                note(builder, tape, builder.add(at, word(i)), content)
            weights_at = builder.add(own, word(draws + front[1]))
            begun = builder.add(at, word(front[0])), weights_at, word(1), own, builder.block
    merged = []
    for one, other in zip(extended[:-1], begun[:-1], strict=True):
        phi = builder.phi(INDEX)
        phi.add_incoming(one, extended[-1])
        phi.add_incoming(other, begun[-1])
        merged.append(phi)
    start, weights_at, known, own = merged
    _write(builder, tape, start, weights_at, terms, known, own, draws)
    return own


def deposit(builder: Any, tape: Any, terms: Sequence[Term], draws: int) -> None:
    """Add to the adjoints of operands what terms of a sum, whose own adjoint is 1, would add when the tape is read.

    What comes to the first parameter that holds nothing yet is stored: where a loop visits parameters in their order,
    adjoints are written once, and never read (1.4 times faster where they do not fit into the first caches).
    """
    for place, weight in terms:
        at = row(builder, read(builder, tape, ROWS, MEMORY), place, draws)
        distance = builder.sub(place, builder.load(member(builder, tape, UNTOUCHED)))
        ahead = builder.icmp_unsigned("<", distance, builder.load(member(builder, tape, LEFT)))
        with builder.if_else(ahead) as (storing, adding):
            with storing:
                clear_until(builder, tape, distance, draws)
                builder.store(weight.emitter.splat(weight, draws).ir, at, align=8)
            with adding:
                before = Value(weight.emitter, builder.load(at, align=8))
                builder.store((before + weight).ir, at, align=8)


def clear_until(builder: Any, tape: Any, distance: Any, draws: int) -> None:
    """Let adjoints of parameters that hold nothing yet be 0 up to some distance, and the next hold something."""
    memory, place = read(builder, tape, ROWS, MEMORY), builder.load(member(builder, tape, UNTOUCHED))
    step, left = (builder.load(member(builder, tape, which)) for which in (STEP, LEFT))
    some = builder.icmp_unsigned(">", distance, word(0))
    with (
        builder.if_then(some, likely=False),
        cgutils.for_range_slice(builder, word(0), distance, step, INDEX) as (passed, _),
    ):
        builder.store(_zeros(draws), row(builder, memory, builder.add(place, passed), draws), align=8)
    behind = builder.add(distance, step)
    more = builder.icmp_unsigned("<", behind, left)
    builder.store(builder.add(place, behind), member(builder, tape, UNTOUCHED))
    builder.store(builder.select(more, builder.sub(left, behind), word(0)), member(builder, tape, LEFT))
