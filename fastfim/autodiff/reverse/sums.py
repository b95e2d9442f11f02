# mypy: disable-error-code="untyped-decorator"
"""Sums to which terms are appended, while their record is the last on the tape (see `accumulate`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from llvmlite import ir
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from fastfim.autodiff.emit import INDEX, Emitter, Value
from fastfim.autodiff.reverse.tape import append
from fastfim.autodiff.reverse.taped import Taped, TapedParts, on_tape, recorded
from fastfim.autodiff.rules import Partial, Rule, evaluate

#: The bit of a place that marks an open sum.
OPEN = ir.Constant(INDEX, 1 << 62)
PLACE = ir.Constant(INDEX, ~(1 << 62))


@functools.cache
def appending(rule: Rule) -> Rule:
    """The rule of an addition or a subtraction whose result is an open sum."""
    return replace(rule, chain=_append)


def _append(
    e: Emitter,
    value: Value,
    active: Sequence[TapedParts],
    firsts: Sequence[Partial],
    seconds: Callable[[int, int], Partial],
) -> TapedParts:
    """The chain rule; of two active operands, the first is a sum, and the terms of the second are appended to it."""
    if len(active) == 1:
        return recorded(e, active[0].kind.propagate(e, value, active, firsts, seconds))
    total, other = recorded(e, active[0]), active[1]
    weight = evaluate(firsts[1])
    terms = [(node.ir, scale * weight) for node, scale in other.terms] if weight is not None else []

    def write(tape: Any) -> Any:
        (node, scale), *_ = total.terms
        is_open = e.builder.icmp_signed("!=", e.builder.and_(node.ir, OPEN), INDEX(0))
        place = e.builder.and_(node.ir, PLACE)
        return e.builder.or_(append(e.builder, tape, (place, scale), is_open, terms), OPEN)

    return on_tape(e, value, (total.tape, other.tape), write)


@intrinsic
def closed(typing_context: Any, number: Any) -> Any:
    """A sum to which nothing will be appended; anything else as it is."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not isinstance(sig.args[0], Taped):
            return impl_ret_borrowed(context, builder, sig.return_type, args[0])
        parts = sig.args[0].unpack(Emitter(context, builder), args[0])
        terms = tuple((Value(n.emitter, builder.and_(n.ir, PLACE)), scale) for n, scale in parts.terms)
        return TapedParts(sig.args[0], parts.value, terms, parts.tape).pack(Emitter(context, builder))

    return number(number), generate
