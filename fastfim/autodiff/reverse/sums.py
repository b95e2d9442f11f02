# mypy: disable-error-code="untyped-decorator"
"""Sums to which terms are appended, while their record is the last on the tape (see `accumulate`)."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from fastfim.autodiff.emit import Emitter, Value
from fastfim.autodiff.reverse.taped import Taped, TapedParts, unmarked
from fastfim.autodiff.rules import Adding, Rule


@functools.cache
def adding(rule: Rule, how: Adding) -> Rule:
    """The rule of an addition or a subtraction to a sum of which more is known."""
    return replace(rule, adds_up=how)


def closing(context: Any, builder: Any, kind: Any, number: Any) -> Any:
    """Instructions that close a sum."""
    if not isinstance(kind, Taped):
        return number
    parts = kind.unpack(Emitter(context, builder), number)
    terms = tuple((Value(n.emitter, unmarked(builder, n.ir)), scale) for n, scale in parts.terms)
    return TapedParts(kind, parts.value, terms, parts.tape).pack(Emitter(context, builder))


@intrinsic
def closed(typing_context: Any, number: Any) -> Any:
    """A sum to which nothing will be appended; anything else as it is."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.args[0]
        return impl_ret_borrowed(context, builder, kind, closing(context, builder, kind, args[0]))

    return number(number), generate
