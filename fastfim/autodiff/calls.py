"""Calls of scalar functions that return several numbers at once: a value with all its derivatives.

`Emitter.call` reaches functions of one result.  Where the derivatives of a special function come out of the same sum
as its value, one call that returns a tuple is several times cheaper::

    value, slope, curvature = call_tuple(e, i0_derivatives, x)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from fastfim.autodiff.emit import DOUBLE, LANE, Emitter, Operand, Value, pure_function


def call_tuple(e: Emitter, function: Callable[..., tuple[float, ...]], *xs: Operand) -> tuple[Value, ...]:
    """Call a pure function of floats that returns a tuple of floats, element by element where arguments are vectors.

    Parameters
    ----------
    e
        The emitter of the function under construction.
    function
        Plain Python, compiled along; it must not raise.
    *xs
        Its arguments.
    """
    values = e.broadcast(*xs)
    target = pure_function(e, function, len(values))
    lanes = [e.builder.call(target, [e.lane(v, k).ir for v in values]) for k in range(values[0].width)]
    count = lanes[0].type.count
    return tuple(_gather(e, [e.builder.extract_value(lane, i) for lane in lanes]) for i in range(count))


def _gather(e: Emitter, numbers: list[Any]) -> Value:
    """One number as it is, several as a vector."""
    if len(numbers) == 1:
        return Value(e, numbers[0])
    result = ir.Constant(ir.VectorType(DOUBLE, len(numbers)), ir.Undefined)
    for k, number in enumerate(numbers):
        result = e.builder.insert_element(result, number, ir.Constant(LANE, k))
    return Value(e, result)
