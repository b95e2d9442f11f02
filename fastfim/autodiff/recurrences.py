"""Whether a function makes numbers of what it made in the round of a loop before: filters, volatilities, factors.

In a sum, ``total += f(theta, x[t])``, each round depends on parameters alone, often on few of them, and reverse mode
leaves out what is 0.  In a recurrence every number comes to depend on all parameters::

    for t in range(len(x)):
        h = omega + alpha * e * e + beta * h          # goes on with what it has made: a recurrence
        e = x[t] - mean
        total -= 0.5 * (log(h) + e * e / h)           # a sum

Then a Hessian is full from the first rounds on, and few parameters are carried along for less.

In static single assignment form what a loop hands to its next round is a cycle of the graph of what is made of what.
A sum has but copies, choices and additions in its cycle; arrays take part by what is stored in them and taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba.core import ir

from fastfim.autodiff.activity import read
from fastfim.autodiff.callgraph import named_object, reachable
from fastfim.autodiff.reverse.accumulate import ADDITIONS, components, used

_HANDING_ON = frozenset({"phi", "cast", "getitem", "static_getitem"})
_CHOICES = (max, min, np.maximum, np.minimum)


def recurs(function: Any) -> bool:
    """Whether a function, or a helper of it, has a recurrence."""
    return any(map(_recurs, reachable(function)))


def _recurs(function: Any) -> bool:
    try:
        func_ir = read(function)
    except Exception:  # whatever it is, the compiler will say so
        return False
    flows = [flow for block in func_ir.blocks.values() for s in block.body for flow in _flows(func_ir, s)]
    edges: dict[str, set[str]] = {}
    for source, target, _ in flows:
        edges.setdefault(source, set()).add(target)
    working = [(source, target) for source, target, works in flows if works]
    return any(source in group and target in group for group in components(edges) for source, target in working)


def _flows(func_ir: Any, statement: Any) -> Iterator[tuple[str, str, bool]]:
    """What is made of what, and whether by more than handing it on."""
    if isinstance(statement, (ir.SetItem, ir.StaticSetItem)):
        yield statement.value.name, statement.target.name, False
    elif isinstance(statement, ir.Assign):
        works = isinstance(statement.value, ir.Expr) and not _hands_on(func_ir, statement.value)
        yield from ((name, statement.target.name, works) for name in used(statement))


def _hands_on(func_ir: Any, value: Any) -> bool:
    if value.op == "call":
        definitions = func_ir._definitions.get(value.func.name, ())
        return any(named_object(func_ir, found) in _CHOICES for found in definitions)
    return value.op in _HANDING_ON or (value.op in ("binop", "inplace_binop") and value.fn in ADDITIONS)
