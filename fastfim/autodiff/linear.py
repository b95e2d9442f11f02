# mypy: disable-error-code="untyped-decorator"
"""Linear predictors: the derivatives of ``np.dot(x, theta)`` are ``x``, and need no arithmetic.

As a loop over dual numbers a dot product of p terms costs p^2 operations, all but p of them with zeros.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from fastfim.autodiff.dual import Dual, Parts
from fastfim.autodiff.emit import DOUBLE, LANE, Emitter, Value
from fastfim.autodiff.theta import Theta, index_constant


def is_linear(a: Any, theta: Any) -> bool:
    """Whether ``a`` holds plain numbers, and ``theta`` is a stretch of the parameters in their own order."""
    if not (isinstance(a, types.Array) and a.ndim == 1 and isinstance(theta, Theta) and not theta.mapped):
        return False
    kind = theta.dual
    return isinstance(kind, Dual) and a.dtype in (types.float64, kind.data)


@intrinsic
def parameter_value(typing_context: Any, theta: Any, index: Any) -> Any:
    """The plain number ``theta[index]``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        struct = cgutils.create_struct_proxy(sig.args[0])(context, builder, value=args[0])
        return builder.load(builder.gep(struct.data, [args[1]]))

    return types.float64(theta, types.intp), generate


@intrinsic
def with_coefficients(typing_context: Any, total: Any, a: Any, theta: Any) -> Any:
    """The number ``total`` whose derivatives along the stretch ``theta`` are the elements of ``a``."""
    kind = theta.dual

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e = Emitter(context, builder)
        array = make_array(sig.args[1])(context, builder, args[1])
        struct = cgutils.create_struct_proxy(sig.args[2])(context, builder, value=args[2])
        length = builder.extract_value(array.shape, 0)
        shorter = builder.icmp_signed("<", length, struct.size)
        within = builder.select(shorter, length, struct.size)
        lanes = [_coefficient(e, kind, sig.args[1].dtype, array, i, struct.lanes, within) for i in range(kind.n)]
        value = Value(e, args[0]) if sig.args[0] == types.float64 else kind.data.unpack(e, args[0]).value
        constant = kind.constant(e, value)
        return Parts(kind, constant.value, tuple(_chunks(e, kind, lanes)), constant.hessian).pack(e)

    return kind(total, a, theta), generate


def _coefficient(e: Emitter, kind: Dual, dtype: Any, array: Any, lane: int, first: Any, length: Any) -> Value:
    """Derivative along a lane: the element of ``array`` that stands there, 0 outside."""
    b = e.builder
    index = b.sub(index_constant(lane), first)
    inside = b.icmp_unsigned("<", index, length)
    index = b.select(inside, index, index_constant(0))
    address = b.add(b.ptrtoint(array.data, ir.IntType(64)), b.mul(index, b.extract_value(array.strides, 0)))
    loaded = DOUBLE if dtype == types.float64 else ir.VectorType(DOUBLE, kind.draws)
    element = Value(e, b.load(b.inttoptr(address, loaded.as_pointer()), align=8))
    return e.select(Value(e, inside), e.splat(element, kind.draws), e.splat(0.0, kind.draws))


def _chunks(e: Emitter, kind: Dual, lanes: list[Value]) -> list[Value]:
    """Lanes as a dual number keeps them."""
    if kind.draws > 1:
        return lanes
    gathered = []
    for start, width in kind.chunks:
        chunk = e.splat(0.0, width)
        for k, lane in enumerate(lanes[start : start + width]):
            chunk = lane if width == 1 else Value(e, e.builder.insert_element(chunk.ir, lane.ir, ir.Constant(LANE, k)))
        gathered.append(chunk)
    return gathered
