"""Which arrays need never exist: variables whose elements may wait until they are asked for.

An array of active numbers that is used once, as in ``np.sum((x - mu) ** 2)``, is best never made (see `expressions`).
That is right as long as nothing that it is made of changes before it is used.  So a result waits if

- all who use it stand in the same block of straight-line code, and work out its elements themselves: operators and
  functions that go element by element, sums and their like, products;
- they all do so in the end for one and the same array or number, in whose loop it is worked out once an element: the
  softmax ``e / np.sum(e)`` needs e twice, and it is stored;
- nothing between it and that loop can change an array: no store, no ``+=``, no call of a helper or of a method.

Everything else is stored at once, as NumPy would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numba.core import ir

from fastfim.autodiff.reverse.accumulate import used

#: What may be asked of an array without its elements.
_EXTENTS = frozenset({"shape", "size", "ndim"})
#: Expressions that change nothing.
_PURE = frozenset({"binop", "unary", "getattr", "getitem", "static_getitem", "build_tuple", "build_slice", "cast"})


def waiting(
    func_ir: Any, objects: dict[str, Any], function_of: Callable[[Any], Any], pure: Callable[[Any], bool]
) -> set[str]:
    """Names of the variables that may wait.

    Parameters
    ----------
    func_ir
        The function, in static single assignment form.
    objects
        What is known to be called: Python objects by the name of the variable that holds them.
    function_of
        The `ArrayCall` that a statement is, or ``None``.
    pure
        Whether a call changes nothing.
    """
    uses = _uses(func_ir)
    return set().union(
        *(_Block(label, block.body, uses, objects, function_of, pure).found for label, block in func_ir.blocks.items())
    )


@dataclass(frozen=True)
class ArrayCall:
    """A statement that works out elements of arrays.

    Attributes
    ----------
    gives_array
        Whether its result is an array where an operand is, so that it may wait.
    gives_truth
        Whether it compares; truth values wait for nothing but a choice.
    chooses
        Whether it is such a choice.
    """

    gives_array: bool = True
    gives_truth: bool = False
    chooses: bool = False


def _uses(func_ir: Any) -> dict[str, list[tuple[Any, int]]]:
    """Where each variable is used: block and place."""
    uses: dict[str, list[tuple[Any, int]]] = {}
    for label, block in func_ir.blocks.items():
        for place, statement in enumerate(block.body):
            for name in used(statement):
                uses.setdefault(name, []).append((label, place))
    return uses


class _Block:
    """One block, from its last statement to its first."""

    def __init__(self, label: Any, body: Any, uses: Any, objects: Any, function_of: Any, pure: Any) -> None:
        self.label, self.body, self.uses, self.objects = label, body, uses, objects
        self.function_of, self.pure = function_of, pure
        self.found: set[str] = set()
        self.ends: dict[str, set[tuple[int, bool]]] = {}  # of what waits: the loop, and whether it only chooses there
        for place in range(len(body) - 1, -1, -1):
            self._look_at(place)

    def _look_at(self, place: int) -> None:
        statement = self.body[place]
        if not isinstance(statement, ir.Assign):
            return
        call = None if isinstance(statement.value, ir.Var) else self.function_of(statement)
        if not isinstance(statement.value, ir.Var) and not (call and call.gives_array):
            return
        ends = self._ends(statement.target.name)
        one = ends and len({loop for loop, _ in ends}) == 1 and self._nothing_changes(place, next(iter(ends))[0])
        if ends and one and (all(chosen for _, chosen in ends) or not (call and call.gives_truth)):
            self.found.add(statement.target.name)
            self.ends[statement.target.name] = ends

    def _ends(self, name: str) -> set[tuple[int, bool]] | None:
        """The loops in which a variable's elements are wanted, or ``None`` where an array is."""
        ends: set[tuple[int, bool]] = set()
        for label, place in self.uses.get(name, ()):
            statement = self.body[place] if label == self.label else None
            if not isinstance(statement, ir.Assign):
                return None
            if self._asks_extent(statement.value):
                continue
            waits, target = statement.target.name in self.found, statement.target.name
            if isinstance(statement.value, ir.Var):
                if not waits:
                    return None
                ends |= self.ends[target]
            else:
                call = self.function_of(statement)
                if call is None:
                    return None
                ends |= {(loop, call.chooses) for loop, _ in self.ends[target]} if waits else {(place, call.chooses)}
        return ends

    def _asks_extent(self, value: Any) -> bool:
        if not isinstance(value, ir.Expr):
            return False
        if value.op == "call":
            return self.objects.get(value.func.name) is len
        return bool(value.op == "getattr" and value.attr in _EXTENTS)

    def _nothing_changes(self, start: int, end: int) -> bool:
        return all(self._changes_nothing(statement) for statement in self.body[start + 1 : end])

    def _changes_nothing(self, statement: Any) -> bool:
        value = statement.value if isinstance(statement, ir.Assign) else statement
        if not isinstance(value, ir.Expr):
            return isinstance(statement, ir.Assign)
        return value.op in _PURE or (value.op == "call" and self.pure(value))
