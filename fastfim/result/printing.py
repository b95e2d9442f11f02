"""How an estimate looks when it is printed, and in a notebook.

The lines say what was estimated and how far to trust it; the table is the matrix with errors in brackets::

    Fisher information of gamma at a=2, scale=0.5
    score estimator, mc sampling: 1,048,576 draws in 32 streams, 0.41 s, seed 1
    converged: relative error 0.00091 at 95 % confidence, rtol 0.001

               a          scale
    a      0.64502(31)  1.9998(13)
    scale  1.9998(13)   8.0013(52)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import notation

#: Points of a stack that are shown at most, at the start.
MOST_POINTS = 12


def text(result: Any) -> str:
    """The estimate as lines and a table."""
    return page(summary(result), _table(result))


def html(result: Any) -> str:
    """The estimate for notebooks."""
    return notation.html_table(*_table(result), lines=summary(result))


def page(lines: list[str], table: tuple[Any, tuple[tuple[str, ...], ...]]) -> str:
    """Lines no wider than the terminal, and a table (cells and labels) below them."""
    return "\n".join([*map(notation.wrapped, lines), "", notation.text_table(*table)])


def summary(result: Any) -> list[str]:
    """What was estimated, from how much, whether it is enough, and what gives cause for doubt."""
    of = f" of {result.likelihood}" if result.likelihood else ""
    method = f"{result.estimator} estimator, {result.sampling} sampling"
    effort = f"{result.draws:,} draws in {result.streams} streams, {seconds(result.elapsed)}"
    seed = "" if result.seed is None else f", seed {integer(result.seed)}"
    error = f"relative error {np.max(result.relative_error):.2g} at {100 * result.confidence:g} % confidence"
    lines = [
        f"Fisher information{of} at {_place(result)}",
        f"{method}: {effort}{seed}",
        f"{_verdict(result)}: {error}, rtol {result.rtol:g}" + (f", atol {result.atol:g}" if result.atol else ""),
    ]
    if not np.all(result.converged):
        lines += result.message.splitlines()
    return lines + [f"{name}: {c.verdict}: {c.message}" for name, c in result.checks.items() if c.verdict in _DOUBTS]


_DOUBTS = ("warn", "fail")


def _place(result: Any) -> str:
    return f"{len(result.points)} points" if result.points else place(result.parameters, result.theta, result.fixed)


def place(parameters: tuple[str, ...], theta: Any, fixed: Mapping[str, float]) -> str:
    """Names and values: ``a=2, scale=0.5 (known)``."""
    names, values = notation.shortened(parameters), notation.shortened([f"{value:g}" for value in theta])
    bare = (notation.ELLIPSIS, "nan")  # a gap in a long list, or a value that nobody knows
    free = [name if v in bare else f"{name}={v}" for name, v in zip(names, values, strict=False)]
    known = [f"{name}={value:g} (known)" for name, value in fixed.items()]
    return ", ".join(free + notation.shortened(known))


def _verdict(result: Any) -> str:
    converged = int(np.sum(result.converged))
    if result.points and 0 < converged < len(result.points):
        return f"converged at {converged} of {len(result.points)} points"
    return "converged" if converged else "not converged"


def integer(number: int) -> str:
    """Digits, in hexadecimal where there are so many that Python might refuse."""
    return str(number) if number.bit_length() <= 128 else hex(number)


def seconds(seconds: float) -> str:
    """A duration to two or three digits."""
    if seconds < 60.0:
        return f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _table(result: Any) -> tuple[NDArray[np.str_], tuple[tuple[str, ...], ...]]:
    """Cells and labels: the matrix, or a line for each point with the diagonal of its matrix."""
    if not result.points:
        return notation.bracketed(result.fim, result.standard_error), (result.parameters, result.parameters)
    points = result.points[:MOST_POINTS]
    diagonals = [notation.bracketed(np.diagonal(e.fim), np.diagonal(e.standard_error)) for e in points]
    thetas = [[f"{value:g}" for value in e.theta] for e in points]
    cells = [[*theta, *diagonal] for theta, diagonal in zip(thetas, diagonals, strict=True)]
    heads = (*result.parameters, *(f"I({name}, {name})" for name in result.parameters))
    return np.array(cells), (tuple(f"[{i}]" for i in range(len(points))), heads)
