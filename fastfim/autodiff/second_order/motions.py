# mypy: disable-error-code="untyped-decorator"
"""Gradient and Hessian of many draws at once where edges would be too many: by how every number moves.

Let t be how a number moves with the parameters, a vector.  It follows along the tape from those of the operands, and
with the adjoints a, the second derivatives h that operations note give the Hessian as a sum over these:

    t_q = sum_i w_i t_i,    H = sum_q a_q sum_ij h_ij t_i t_j^T.

That costs the square of the number of parameters an operation, whatever depends on what.  What depends on parameters
alone moves alike for all draws, so that its part is a product of a matrix, made once, with rows of adjoints.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from numba import types

from fastfim import _jit
from fastfim.autodiff.reverse.operands import VECTOR, row_at
from fastfim.autodiff.reverse.products import PRODUCT, product_before, product_reader
from fastfim.autodiff.reverse.sweep import TOGETHER
from fastfim.autodiff.reverse.tape import START
from fastfim.autodiff.second_order.records import record_before, weigher
from fastfim.autodiff.second_order.space import (
    FLOATS,
    any_of,
    first_of,
    floats_at,
    floats_of,
    integers_at,
    plus,
    rows_at,
    times,
)

#: Operations on parameters alone whose parts of the Hessian are added at once.
BATCH = 16
#: Of what no derivative is wanted in: it does not move.
STILL = -1
_WRT = types.Array(types.int64, 1, "C", readonly=True)


class Motions(NamedTuple):
    """How numbers move.

    Attributes
    ----------
    t
        For each number its p derivatives: numbers, or rows if it depends on draws.
    where
        For every row of the tape, if it is the adjoint of a number, twice the place of these, plus 1 if they are rows.
    p
        Parameters.
    """

    t: Any
    where: Any
    p: Any


@_jit.inner
def _product_is_wide(product: Any, where: Any, draws: Any) -> Any:
    for k in range(product.columns):
        found = where[(product.first + k * product.step) // draws]
        if found >= 0 and found & 1:
            return True
    return False


@functools.cache
def motion_placer(draws: int) -> Any:
    """External ``f(notes, rows, high, parameters, wrt, where, ends) -> words``: find places for all motions.

    Adjoints are handed on meanwhile; ``ends`` tells where records end, in the order of the tape, behind
    their number.
    """
    read, add, weight, read_product = rows_at(draws).read, rows_at(draws).add, weigher(draws), product_reader(draws)
    shift = draws.bit_length() - 1

    @_jit.apart
    def hand_on(notes: Any, rows: Any, high: Any, ends: Any) -> None:
        numbers, adjoints, behind, count = floats_of(notes), floats_of(rows), high, 0
        words = integers_at(numbers, 0)
        while behind > START:
            count += 1
            ends[count] = behind
            if words[behind - 2] == PRODUCT:
                behind = read_product(notes, rows, behind, False)
            else:
                record, adjoint = record_before(words, behind, draws), read(adjoints, words[behind - 1])
                for k in range(record.n if any_of(adjoint) else 0):
                    place = words[record.start + k * record.step]
                    add(adjoints, place, adjoint, weight(adjoints, numbers, record, k))
                behind = record.start
        ends[0] = count
        for c in range(1, count // 2 + 1):
            ends[c], ends[count + 1 - c] = ends[count + 1 - c], ends[c]

    @_jit.external(types.intp(VECTOR, VECTOR, types.intp, types.intp, _WRT, FLOATS, FLOATS), suffix=f"_{draws}")
    def place_motions(notes: Any, rows: Any, high: Any, parameters: Any, wrt: Any, places: Any, all_ends: Any) -> Any:
        where, ends, words = integers_at(places, 0), integers_at(all_ends, 0), integers_at(floats_of(notes), 0)
        p, total = len(wrt), len(wrt) * len(wrt)
        hand_on(notes, rows, high, ends)
        for number in range(parameters + 1):
            where[number] = STILL
        for k in range(p):
            where[1 + wrt[k]] = 2 * k * p
        for c in range(1, ends[0] + 1):
            behind, n = ends[c], 1
            if words[behind - 2] == PRODUCT:
                product = product_before(words, behind)
                n, wide = product.n, _product_is_wide(product, where, draws)
            else:
                wide = record_before(words, behind, draws).wide
            for i in range(n):
                where[(words[behind - 1] >> shift) + i] = 2 * total + wide
                total += p * (draws if wide else 1)
        return total

    return place_motions


@_jit.inner
def beside(draws: Any, p: Any) -> Any:
    """Words of memory beside motions: the Hessian, and parts of it."""
    pairs = p * (p + 1) // 2
    return pairs * draws + BATCH * (pairs + 1)


@functools.cache
def _mover(draws: int) -> Any:
    """Compiled functions for motions, one record after the other."""
    at, weight, shift = rows_at(draws), weigher(draws), draws.bit_length() - 1
    read, put, spread = at.read, at.put, at.spread

    @_jit.inner
    def motion(motions: Any, found: Any, i: Any) -> Any:
        """Element i of how a number moves, for every draw."""
        return read(motions.t, (found >> 1) + i * draws) if found & 1 else spread(motions.t[(found >> 1) + i])

    @_jit.inner
    def moves(motions: Any, found: Any, i: Any) -> Any:
        """Whether that is not 0."""
        if found < 0:
            return False
        return any_of(motion(motions, found, i)) if found & 1 else motions.t[(found >> 1) + i] != 0.0

    @_jit.apart
    def move(motions: Any, q: Any, words: Any, rows: Any, numbers: Any, record: Any) -> None:
        """Motions of number q."""
        into = motions.where[q] >> 1
        for i in range(motions.p):
            if motions.where[q] & 1:
                total = spread(0.0)
                for k in range(record.n):
                    found = motions.where[words[record.start + k * record.step] >> shift]
                    if moves(motions, found, i):
                        total = plus(total, motion(motions, found, i), weight(rows, numbers, record, k))
                put(motions.t, into + i * draws, total)
            else:
                motions.t[into + i] = 0.0
        for k in range(0 if motions.where[q] & 1 else record.n):
            found, w = (
                motions.where[words[record.start + k * record.step] >> shift],
                numbers[record.weights + k * record.apart],
            )
            for i in range(motions.p if found >= 0 else 0):
                x = motions.t[(found >> 1) + i]
                motions.t[into + i] += w * x if x != 0.0 else 0.0

    @_jit.apart
    def move_product(motions: Any, words: Any, behind: Any) -> None:
        address, down, across, first, step, columns, n, _, own = product_before(words, behind)
        for e in range(n):
            into = motions.where[(own >> shift) + e]
            for i in range(motions.p):
                total = spread(0.0)
                for k in range(columns):
                    found = motions.where[(first + k * step) >> shift]
                    if moves(motions, found, i):
                        w = spread(row_at(address + e * down + k * across, 1)[0])
                        total = plus(total, motion(motions, found, i), w)
                if into & 1:
                    put(motions.t, (into >> 1) + i * draws, total)
                else:
                    motions.t[(into >> 1) + i] = first_of(total)

    return motion, moves, move, move_product


@functools.cache
def _bender(draws: int) -> Any:
    """Compiled functions for what operations that are not linear add to the Hessian."""
    at, weight, shift = rows_at(draws), weigher(draws), draws.bit_length() - 1
    read, put, spread = at.read, at.put, at.spread
    motion, moves, _, _ = _mover(draws)

    @_jit.apart
    def bend_alike(motions: Any, words: Any, numbers: Any, record: Any, part: Any) -> None:
        """What an operation on parameters alone adds to the Hessian, but for its adjoint."""
        p, t, bits, behind = motions.p, motions.t, record.bits, record.weights + record.n
        for ij in range(p * (p + 1) // 2):
            part[ij] = 0.0
        for k in range(record.n):
            x = motions.where[words[record.start + k] >> shift]
            for m in range(k, record.n):
                y = motions.where[words[record.start + m] >> shift]
                if bits & 1:
                    h, ij = numbers[behind], 0
                    behind += 1
                    for i in range(p if x >= 0 and y >= 0 else 0):
                        u, v = t[(x >> 1) + i], t[(y >> 1) + i] if m > k else 0.0
                        if u != 0.0 or v != 0.0:
                            for j in range(i, p):
                                part[ij + j - i] += h * (u * t[(y >> 1) + j] + v * t[(x >> 1) + j])
                        ij += p - i
                bits >>= 1

    @_jit.apart
    def add_parts(parts: Any, places: Any, count: Any, rows: Any, second: Any, pairs: Any) -> None:
        for ij in range(pairs):
            total = read(second, ij * draws)
            for c in range(count):
                if parts[c * pairs + ij] != 0.0:
                    total = plus(total, read(rows, places[c]), spread(parts[c * pairs + ij]))
            put(second, ij * draws, total)

    @_jit.apart
    def bend_each(motions: Any, adjoint: Any, words: Any, rows: Any, numbers: Any, record: Any, second: Any) -> None:
        """The same for an operation on draws."""
        p, bits, behind = motions.p, record.bits, record.n
        for k in range(record.n):
            x = motions.where[words[record.start + k] >> shift]
            for m in range(k, record.n):
                y = motions.where[words[record.start + m] >> shift]
                if bits & 1:
                    a, ij = times(adjoint, weight(rows, numbers, record, behind)), 0
                    behind += 1
                    for i in range(p if x >= 0 and y >= 0 else 0):
                        if moves(motions, x, i):
                            u = times(motion(motions, x, i), a)
                            for j in range(i, p):
                                place = (ij + j - i) * draws
                                put(second, place, plus(read(second, place), motion(motions, y, j), u))
                        if m > k and moves(motions, y, i):
                            u = times(motion(motions, y, i), a)
                            for j in range(i, p):
                                place = (ij + j - i) * draws
                                put(second, place, plus(read(second, place), motion(motions, x, j), u))
                        ij += p - i
                bits >>= 1

    return bend_alike, add_parts, bend_each


@functools.cache
def motion_sweeper(draws: int) -> Any:
    """External ``f(notes, rows, where, ends, memory, p, hessian, stride)``: the upper triangle, row by row.

    ``where`` and ``ends`` are those of `motion_placer`, ``memory`` has as many words as that says, and `beside` more.
    """
    at, shift = rows_at(draws), draws.bit_length() - 1
    read, put, spread = at.read, at.put, at.spread
    _, _, move, move_product = _mover(draws)
    bend_alike, add_parts, bend_each = _bender(draws)
    kinds = (VECTOR, VECTOR, FLOATS, FLOATS, FLOATS, types.intp, FLOATS, types.intp)

    @_jit.external(types.void(*kinds), suffix=f"_{draws}")
    def sweep_motions(
        notes: Any, rows: Any, places: Any, all_ends: Any, memory: Any, p: Any, hessian: Any, stride: Any
    ) -> None:
        pairs, numbers, adjoints = p * (p + 1) // 2, floats_of(notes), floats_of(rows)
        words, ends = integers_at(numbers, 0), integers_at(all_ends, 0)
        second, parts = memory, floats_at(memory, pairs * draws)
        waiting = integers_at(parts, BATCH * pairs)
        motions, count = Motions(floats_at(parts, BATCH * (pairs + 1)), integers_at(places, 0), p), 0
        for ij in range(pairs):
            put(second, ij * draws, spread(0.0))
        for ij in range(p * p):
            motions.t[ij] = 1.0 if ij % (p + 1) == 0 else 0.0
        for c in range(1, ends[0] + 1):
            if words[ends[c] - 2] == PRODUCT:
                move_product(motions, words, ends[c])
                continue
            record, own = record_before(words, ends[c], draws), words[ends[c] - 1]
            move(motions, own >> shift, words, adjoints, numbers, record)
            if record.bits != 0 and any_of(read(adjoints, own)):
                if record.wide:
                    bend_each(motions, read(adjoints, own), words, adjoints, numbers, record, second)
                else:
                    bend_alike(motions, words, numbers, record, floats_at(parts, count * pairs))
                    waiting[count] = own
                    count += 1
                    if count == BATCH:
                        add_parts(parts, waiting, count, adjoints, second, pairs)
                        count = 0
        add_parts(parts, waiting, count, adjoints, second, pairs)
        for ij in range(pairs):
            put(hessian, ij * stride, read(second, ij * draws))

    return sweep_motions


for _draws in TOGETHER:
    motion_sweeper(_draws)
    motion_placer(_draws)
