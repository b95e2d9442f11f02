# mypy: disable-error-code="untyped-decorator"
"""Numbers and vectors to differentiate with respect to, made one by one: whatever is not the parameter vector.

`theta.Theta` is a vector of parameters that never changes within a block. A draw changes with every call, and a density
may take it apart in more ways (``x[::2]``, ``x.reshape(3, 2)``): it becomes a `Dual`, or an ordinary array of them::

    kind = Dual(n, order)
    one, many = variable(kind), variables(kind)

    x = one(2.0, 0)                 # d/dx in lane 0
    v = many(size)                  # once a block
    for j in range(size):
        v[j] = one(values[j], j)    # once a draw
"""

from __future__ import annotations

import functools
from typing import Any

from numba import types
from numba.extending import intrinsic

from fastfim import _jit
from fastfim._arrays import empty_of
from fastfim.autodiff.dtype import DualDType
from fastfim.autodiff.dual import Dual
from fastfim.autodiff.emit import Emitter, Value


@functools.cache
def variable(kind: Dual) -> Any:
    """A compiled function ``f(value, lane) -> Dual`` whose derivative is 1 in ``lane`` (a lane out of range: none)."""

    @intrinsic
    def seeded(typing_context: Any, value: Any, lane: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            e = Emitter(context, builder)
            return kind.parameter(e, Value(e, args[0]), args[1], None).pack(e)

        return kind(types.float64, types.intp), generate

    return seeded


@functools.cache
def variables(kind: Dual) -> Any:
    """A compiled function ``f(size) -> array`` of dual numbers, to be filled."""
    dtype: Any = DualDType(kind)
    return _jit.inner(lambda size: empty_of(size, dtype))
