# mypy: disable-error-code="untyped-decorator"
"""The engine's side: seeds go in, values, gradients and Hessians come out, all through plain pointers.

::

    theta_with_seeds = seeds(p, n=p, order=1)
    theta = theta_with_seeds(theta_pointer, 0)      # once a block: a private copy of the parameters
    d = density(x, theta)                           # once a draw
    store_gradient(d, out_pointer, stride, 0, p)    # out[i * stride] = d/d theta_i

``stride`` lays results out as structures of arrays: entry i of draw k at ``out[i * stride + k]``, say.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastfim.autodiff.dual import Dual, Parts, unpack
from fastfim.autodiff.emit import DOUBLE, Emitter
from fastfim.autodiff.errors import Refused, in_words
from fastfim.autodiff.number import REAL, Active
from fastfim.autodiff.theta import Theta, index_constant, local_copy

_POINTER = types.CPointer(types.float64)


@functools.cache
def seeds(p: int, n: int, order: int, wrt: tuple[int, ...] | None = None, draws: int = 1) -> Any:
    """A compiled function ``f(theta_pointer, first) -> Theta`` for ``p`` parameters.

    Parameters
    ----------
    p
        Number of parameters.
    n
        Number of lanes: derivatives are taken with respect to parameters ``first .. first + n - 1``.
    order
        1 for gradients, 2 for Hessians too.
    wrt
        Which parameters have lanes, in this order; "parameter ``first``" above is then the one that stands there.
        The others are constants.  Default: all, in their own order.
    draws
        How many draws there are at once (see `tiles`).

    Returns
    -------
    function
        An intrinsic for compiled code.  The `Theta` holds a private copy on the stack of the caller.
    """
    kind = Theta(Dual(n, order, draws), p, wrt is not None)

    @intrinsic
    def copy_with_seeds(typing_context: Any, theta: Any, first: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return local_copy(context, builder, kind, args[0], args[1], p, wrt)

        return kind(_POINTER, types.intp), generate

    return copy_with_seeds


def check_number(d: Any) -> None:
    """Refuse what a function must not return."""
    if not isinstance(d, (Active, *REAL)):
        raise Refused(f"The function returns {in_words(str(d))}; it has to return one number on every path.")


@intrinsic
def value(typing_context: Any, d: Any) -> Any:
    """The number itself, of a dual or a plain number."""
    check_number(d)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if isinstance(sig.args[0], Active):
            return sig.args[0].unpack(Emitter(context, builder), args[0]).value.ir
        return context.cast(builder, args[0], sig.args[0], types.float64)

    return types.float64(d), generate


def _store_at(builder: Any, number: Any, out: Any, index: Any, stride: Any) -> None:
    builder.store(number, builder.gep(out, [builder.mul(index, stride)]))


@intrinsic
def store_gradient(typing_context: Any, d: Any, out: Any, stride: Any, first: Any, count: Any) -> Any:
    """``out[(first + i) * stride] = d_i`` for the lanes ``i < count``; zeros for a plain number."""
    check_number(d)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number, out, stride, first, count = args
        kind = sig.args[0]
        if isinstance(kind, Dual):
            e = Emitter(context, builder)
            parts = unpack(e, kind, number)
            for i in range(kind.n):
                with builder.if_then(builder.icmp_signed("<", index_constant(i), count)):
                    index = builder.add(first, index_constant(i))
                    _store_at(builder, parts.lane(e, i).ir, out, index, stride)
        else:
            _store_zeros(builder, out, stride, first, count)
        return context.get_dummy_value()

    return types.none(d, _POINTER, types.intp, types.intp, types.intp), generate


def _store_zeros(builder: Any, out: Any, stride: Any, first: Any, count: Any) -> None:
    with cgutils.for_range(builder, count) as loop:
        _store_at(builder, ir.Constant(DOUBLE, 0.0), out, builder.add(first, loop.index), stride)


@intrinsic
def store_hessian(typing_context: Any, d: Any, out: Any, stride: Any, first: Any, p: Any) -> Any:
    """Store the upper triangle: entry (i, j), i <= j, at ``out[(i * p - i * (i - 1) / 2 + j - i) * stride]``.

    With fewer lanes than parameters, the entries of the window.  A plain number stores zeros everywhere.
    """
    check_number(d)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number, out, stride, first, p = args
        kind = sig.args[0]
        if isinstance(kind, Dual):
            e = Emitter(context, builder)
            for i, j, entry in _entries(e, unpack(e, kind, number)):
                row, column = (builder.add(first, index_constant(lane)) for lane in (i, j))
                with builder.if_then(builder.icmp_signed("<", column, p)):
                    _store_at(builder, entry.ir, out, _packed_index(builder, row, column, p), stride)
        else:
            length = builder.lshr(builder.mul(p, builder.add(p, index_constant(1))), index_constant(1))
            _store_zeros(builder, out, stride, index_constant(0), length)
        return context.get_dummy_value()

    return types.none(d, _POINTER, types.intp, types.intp, types.intp), generate


def _entries(e: Emitter, parts: Parts) -> Iterator[tuple[int, int, Any]]:
    """``(i, j, entry)`` with i <= j of all lanes."""
    kind = parts.kind
    for (i, c), block in zip(kind.blocks, parts.hessian, strict=True):
        start, width = kind.chunks[c]
        for j in range(max(start, i), min(start + width, kind.n)):
            yield i, j, e.lane(block, j - start)


def _packed_index(builder: Any, i: Any, j: Any, p: Any) -> Any:
    """Of an entry in or above the diagonal."""
    skipped = builder.lshr(builder.mul(i, builder.sub(i, index_constant(1))), index_constant(1))
    return builder.add(builder.sub(builder.mul(i, p), skipped), builder.sub(j, i))
