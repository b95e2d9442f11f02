# mypy: disable-error-code="untyped-decorator"
"""Gradient and Hessian from a tape of second order, the Hessian sixteen columns at a time.

How the nodes move along a direction of the parameters, t = dn, follows from the beginning of the tape to its end; their
adjoints a = df/dn, and the derivatives b of these along the direction, from its end to its beginning.  A row gives

    t_q = w_m t_m + w_n t_n
    a_m += w_m a_q,    b_m += w_m b_q + a_q (h_mm t_m + h_mn t_n),    and alike for n.

In the end the adjoints of the parameters are the gradient; where parameter j alone moves, their b are column j of the
Hessian.  The engine's side::

    open_tape, memory = recorder(p), np.empty((nodes, NODE_WORDS))
    theta = open_tape(theta_pointer, memory)
    start = end(theta)
    d = density(x, theta)
    if room(theta):
        differentiate(d, theta, memory, wrt, gradient, packed)
        rewind(theta, start)                    # for the next draw
    else:
        ...                                     # again, with more than end(theta) nodes

Sources: Pearlmutter (1994), Neural Computation 6, 147; Griewank and Walther, *Evaluating Derivatives*
(2008), chapter 5.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from fastfim import _jit
from fastfim.autodiff.dual import Dual
from fastfim.autodiff.emit import Emitter
from fastfim.autodiff.second_order.quadratic import NODE_WORDS, QUADRATIC, ROW, TOGETHER, Quadratic, end
from fastfim.autodiff.theta import index_constant

#: Where the adjoint of a node, its motions and those of its adjoint begin.
ADJOINT, MOTIONS, BENDS = ROW - 1, ROW, ROW + TOGETHER


@intrinsic
def _ending(typing_context: Any, d: Any) -> Any:
    """Node, slope and curvature of a result; a constant has those of the bin."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e = Emitter(context, builder)
        active = isinstance(sig.args[0], Quadratic)
        parts = QUADRATIC.unpack(e, args[0]) if active else QUADRATIC.constant(e, e.value(0.0))
        numbers = [parts.node.ir, parts.slope.ir, parts.curvature.ir]
        return context.make_tuple(builder, sig.return_type, numbers)

    return types.Tuple((types.intp, types.float64, types.float64))(d), generate


@_jit.inner
def differentiate(d: Any, theta: Any, memory: Any, wrt: Any, gradient: Any, packed: Any) -> None:
    """Store the derivatives of ``d``.

    Parameters
    ----------
    d
        A number made from ``theta``, or a constant.
    theta
        What `recorder` made.
    memory
        Its memory.
    wrt
        Array of the indices of the parameters to differentiate in.
    gradient
        Array of the same length.
    packed
        Array for the upper triangle of the Hessian, row by row.
    """
    node, slope, curvature = _ending(d)
    first = len(theta) + 1
    find_adjoints(memory, node, slope, first, end(theta))
    for k in range(len(wrt)):
        gradient[k] = memory[1 + wrt[k], ADJOINT]
    find_columns(memory, node, curvature, first, end(theta), wrt, packed)


@_jit.apart
def find_adjoints(memory: Any, node: Any, slope: Any, first: Any, behind: Any) -> None:
    """The adjoint of every node.

    A row whose adjoint is 0 is passed over: an infinite weight in a branch that was not taken must not spoil it.
    """
    nodes = _jit.as_uint64(memory)
    for q in range(behind):
        memory[q, ADJOINT] = 0.0
    memory[node, ADJOINT] = slope
    for q in range(behind - 1, first - 1, -1):
        a = memory[q, ADJOINT]
        if a != 0.0:
            memory[nodes[q, 0], ADJOINT] += memory[q, 2] * a
            memory[nodes[q, 1], ADJOINT] += memory[q, 3] * a


@_jit.apart
def find_columns(memory: Any, node: Any, curvature: Any, first: Any, behind: Any, wrt: Any, packed: Any) -> None:
    """The upper triangle of the Hessian, once the adjoints are there."""
    p, t, b = len(wrt), memory[:, MOTIONS:BENDS], memory[:, BENDS:]
    for start in range(0, p, TOGETHER):
        columns = min(TOGETHER, p - start)
        memory[:first, MOTIONS:] = 0.0
        for k in range(columns):
            t[1 + wrt[start + k], k] = 1.0
        _forwards(memory, first, behind)
        for k in range(columns):
            b[node, k] = curvature * t[node, k]
        _backwards(memory, first, behind)
        for k in range(columns):
            row = start + k
            place = row * p - row * (row - 1) // 2
            for i in range(row, p):
                packed[place + i - row] = b[1 + wrt[i], k]


@_jit.inner
def _forwards(memory: Any, first: Any, behind: Any) -> None:
    nodes, t, b = _jit.as_uint64(memory), _tiles(memory, MOTIONS), _tiles(memory, BENDS)
    for q in range(first, behind):
        t[q] = memory[q, 2] * t[nodes[q, 0]] + memory[q, 3] * t[nodes[q, 1]]
        b[q] = 0.0


@_jit.inner
def _backwards(memory: Any, first: Any, behind: Any) -> None:
    nodes, t, b = _jit.as_uint64(memory), _tiles(memory, MOTIONS), _tiles(memory, BENDS)
    for q in range(behind - 1, first - 1, -1):
        a = memory[q, ADJOINT]
        if a != 0.0 or memory[q, BENDS:].any():
            m, n = nodes[q, 0], nodes[q, 1]
            b[m] += memory[q, 2] * b[q] + a * (memory[q, 4] * t[m] + memory[q, 5] * t[n])
            b[n] += memory[q, 3] * b[q] + a * (memory[q, 5] * t[m] + memory[q, 6] * t[n])


@intrinsic
def _tiles(typing_context: Any, memory: Any, column: Any) -> Any:
    """For every node the numbers from ``column`` on as one of `TOGETHER`."""
    kind = Dual(0, draws=TOGETHER)
    tiles = types.Array(kind, 1, "A")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source, target = make_array(sig.args[0])(context, builder, args[0]), make_array(tiles)(context, builder)
        data = builder.bitcast(builder.gep(source.data, [args[1]]), context.get_data_type(kind).as_pointer())
        shape, step = [builder.extract_value(source.shape, 0)], [index_constant(8 * NODE_WORDS)]
        populate_array(
            target, data=data, shape=shape, strides=step, itemsize=index_constant(8 * TOGETHER), meminfo=None
        )
        return target._getvalue()

    return tiles(memory, column), generate
