# mypy: disable-error-code="untyped-decorator"
"""Sums to which terms are appended, while their record is the last on the tape (see `accumulate`)."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from fastfim.autodiff.emit import Emitter, Value
from fastfim.autodiff.reverse.taped import PLACE, Taped, TapedParts
from fastfim.autodiff.rules import Rule


@functools.cache
def appending(rule: Rule) -> Rule:
    """The rule of an addition or a subtraction whose result is an open sum."""
    return replace(rule, adds_up=True)


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
