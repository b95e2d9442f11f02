# mypy: disable-error-code="untyped-decorator"
"""What depends on the parameters alone, worked out for the first draws and kept for the others.

A tape for many draws at once is written anew for every tile of draws.  As long as no draw decides which way is taken,
the numbers that do not depend on the draws come again, in the same order: in a logistic regression, ``X @ theta`` and
``logaddexp(0, eta[i])``.  So results of functions, with their derivatives, and products of a matrix are noted one after
the other, and where they are known, they are looked up.  Operators are not worth it.

::

    theta = open_tape(theta_pointer, notes, rows)
    keep_in(theta, kept, known)                 # how many words of it are known: at first none
    d = density(x, theta)
    known = learn(theta)                        # what has found no room is worked out again and again
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numba import types
from numba.extending import intrinsic

from fastfim.autodiff.emit import DOUBLE, INDEX, Emitter, Value
from fastfim.autodiff.reverse.tape import (
    CURSOR,
    KEPT,
    KNOWN,
    LIMIT,
    MEMORY,
    TapeType,
    field,
    is_null,
    member,
    nowhere,
    read,
    word,
)


def _reserve(builder: Any, tape: Any, length: Any) -> tuple[Any, Any, Any]:
    """Where the next so many words are kept, whether there is room for them, and whether they are known."""
    start = read(builder, tape, KEPT, CURSOR)
    behind, limit = builder.add(start, length), read(builder, tape, KEPT, LIMIT)
    builder.store(behind, field(builder, tape, KEPT, CURSOR))
    fits = builder.icmp_unsigned("<=", behind, limit)
    known = builder.icmp_unsigned("<=", behind, builder.load(member(builder, tape, KNOWN)))
    place = builder.select(fits, start, limit)
    return builder.gep(read(builder, tape, KEPT, MEMORY), [place]), fits, known


def remembered(e: Emitter, tape: Any, count: int, make: Callable[[], Sequence[Value]]) -> list[Value]:
    """The numbers that ``make()`` gives, ``count`` at most: as it does, or as it did for other draws."""
    builder = e.builder
    memory, _, known = _reserve(builder, tape, word(count))
    with builder.if_else(known, likely=True) as (looking_up, making):
        with making:
            made = [value.ir for value in make()]
            for i, value in enumerate(made):
                builder.store(value, builder.gep(memory, [word(i)]))
            made_in = builder.block
        with looking_up:
            found = [builder.load(builder.gep(memory, [word(i)])) for i in range(len(made))]
            found_in = builder.block
    values = []
    for one, other in zip(found, made, strict=True):
        phi = builder.phi(DOUBLE)
        phi.add_incoming(one, found_in)
        phi.add_incoming(other, made_in)
        values.append(Value(e, phi))
    return values


@intrinsic
def keeping(typing_context: Any, tape: Any, length: Any) -> Any:
    """Address of where so many numbers are kept, 0 where there is no room; and whether they are known."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        tape = builder.select(is_null(builder, args[0]), nowhere(builder, 1), args[0])
        memory, fits, known = _reserve(builder, tape, args[1])
        address = builder.select(fits, builder.ptrtoint(memory, INDEX), word(0))
        return context.make_tuple(builder, sig.return_type, [address, known])

    return types.Tuple((types.intp, types.boolean))(TapeType(always=False), types.intp), generate


def keep_in_header(builder: Any, tape: Any, memory: Any, length: Any, known: Any) -> None:
    """Say where numbers are kept, from the beginning, with room for so many, and how many are known."""
    for which, content in ((CURSOR, word(0)), (LIMIT, length), (MEMORY, memory)):
        builder.store(content, field(builder, tape, KEPT, which))
    builder.store(known, member(builder, tape, KNOWN))
