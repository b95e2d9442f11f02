"""Loops that add up: one record with a term for each round, in place of a chain of records.

In ``for k in range(n): s -= a[k] * b[k]`` every round would record three terms, one of them the previous ``s``.  If the
record of the previous ``s`` is the last on the tape, and nothing else refers to it, the new terms can be appended to
it: a third of the words, and a reading whose steps do not wait for each other.

Nothing else refers to it when the value of ``s`` goes nowhere but into the next round.  In static single assignment
form, the successive values of ``s`` are a strongly connected component of the graph of copies, phi nodes and additions.
It qualifies if no addition follows a use by anything else without a new beginning.  Then its additions append (see
`sums`), and mark their results as open; where anything else uses a sum, the mark is taken off.

Where such a sum begins with a number and is what the function returns, and nothing else, its own adjoint is known
before anything is recorded: it is 1.  Then a term need not be recorded at all.  By how much it moves with its operands
is added to their adjoints on the spot, and the sum goes on as a plain number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from numba.core import ir
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.ir_utils import mk_unique_var, replace_vars_stmt

from fastfim.autodiff.reverse.sums import closed
from fastfim.autodiff.rules import Adding

ADDITIONS = (operator.add, operator.iadd, operator.sub, operator.isub)


def rewrite(func_ir: Any, active: set[str], adding: Callable[[Any, Any, Any], Any], outermost: bool) -> None:
    """Let sums be appended to.

    Parameters
    ----------
    func_ir
        A function, changed in place.
    active
        Names of the variables that may depend on theta.
    adding
        ``adding(function, how, loc)`` makes what is called in place of the operator ``function``.
    outermost
        Whether what the function returns is the final result.
    """
    for group in components(_successors(func_ir)):
        if not group <= active:
            continue
        if outermost and _is_result(func_ir, group):
            _add(func_ir, group, lambda function, loc: adding(function, Adding.RESULT, loc))
        elif _Uses(func_ir, group).are_last():
            _close(func_ir, group)
            _add(func_ir, group, lambda function, loc: adding(function, Adding.SUM, loc))


# ---------------------------------------------------------------- which variables


def _is_expression(statement: Any, *operations: str) -> bool:
    value = statement.value if isinstance(statement, ir.Assign) else None
    return isinstance(value, ir.Expr) and value.op in operations


def _is_addition(statement: Any) -> bool:
    return _is_expression(statement, "binop", "inplace_binop") and statement.value.fn in ADDITIONS


def _handed_on(statement: Any) -> list[str]:
    """The variables whose value an assignment copies, chooses among, or adds to."""
    if isinstance(statement, ir.Assign) and isinstance(statement.value, ir.Var):
        return [statement.value.name]
    if _is_expression(statement, "phi"):
        return [v.name for v in statement.value.incoming_values if isinstance(v, ir.Var)]
    return [statement.value.lhs.name] if _is_addition(statement) else []


def _successors(func_ir: Any) -> dict[str, set[str]]:
    """Where the values of variables are handed on to."""
    edges: dict[str, set[str]] = {}
    for block in func_ir.blocks.values():
        for statement in block.body:
            for name in _handed_on(statement):
                edges.setdefault(name, set()).add(statement.target.name)
    return edges


def components(edges: dict[str, set[str]]) -> list[frozenset[str]]:
    """Strongly connected components with a cycle, in the order of their first vertex."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            new = edges.get(waiting.pop(), set()) - found
            found |= new
            waiting.extend(new)
        return found

    cyclic = {name: found for name in edges if name in (found := reached(name))}
    groups = [frozenset(other for other in found if name in cyclic.get(other, ())) for name, found in cyclic.items()]
    return list(dict.fromkeys(groups))


class _Uses:
    """How the variables of a group are used, and where additions to them may follow.

    Parameters
    ----------
    func_ir
        A function in static single assignment form.
    group
        Names of the variables.
    """

    def __init__(self, func_ir: Any, group: frozenset[str]) -> None:
        self.blocks, self.group = func_ir.blocks, group
        graph = compute_cfg_from_blocks(self.blocks)
        self.following = {label: [b for b, _ in graph.successors(label)] for label in self.blocks}
        self.added_to: dict[Any, set[str]] = {label: set() for label in self.blocks}  # from a block's start on
        self._settle()

    def are_last(self) -> bool:
        """Whether there are additions, and none follows a use by anything else."""
        additions = [s for b in self.blocks.values() for s in b.body if _is_addition(s) and is_inside(s, self.group)]
        if any(s.value.rhs.name in self.group for s in additions):
            return False
        uses = ((s, behind) for label in self.blocks for s, behind in self._backwards(label))
        straight = all(not behind or is_inside(s, self.group) or self.group.isdisjoint(used(s)) for s, behind in uses)
        return bool(additions) and straight and not any(self._leaves_too_early(label) for label in self.blocks)

    def _settle(self) -> None:
        changed = True
        while changed:
            changed = False
            for label in self.blocks:
                start = self._at_end(label)
                for statement, _ in self._backwards(label):
                    start = self._before(statement, start)
                changed, self.added_to[label] = changed or start != self.added_to[label], start

    def _backwards(self, label: Any) -> Iterator[tuple[Any, set[str]]]:
        """The statements of a block but its phi nodes, last first, each with what is added to behind it."""
        behind = self._at_end(label)
        for statement in reversed(self.blocks[label].body):
            if not _is_expression(statement, "phi"):
                yield statement, behind
                behind = self._before(statement, behind)

    def _before(self, statement: Any, behind: set[str]) -> set[str]:
        defined = {statement.target.name} if isinstance(statement, ir.Assign) else set()
        return (behind - defined) | (self.group & set(used(statement)) if is_inside(statement, self.group) else set())

    def _at_end(self, label: Any) -> set[str]:
        """What is added to behind the last statement of a block."""
        return set().union(*(self._on_edge(label, b) for b in self.following[label]))

    def _on_edge(self, label: Any, to: Any) -> set[str]:
        phis = [s for s in self.blocks[to].body if _is_expression(s, "phi")]
        taken = {v for s in phis if s.target.name in self.group for v in _taken(s, label)}
        return (self.added_to[to] - {s.target.name for s in phis}) | (taken & self.group)

    def _leaves_too_early(self, label: Any) -> bool:
        """Whether a phi node of others takes over a sum to which something is still added on that way."""
        for to in self.following[label]:
            phis = [s for s in self.blocks[to].body if _is_expression(s, "phi") and s.target.name not in self.group]
            if any(_taken(s, label) & self.group for s in phis) and self._on_edge(label, to):
                return True
        return False


def _is_result(func_ir: Any, group: frozenset[str]) -> bool:
    """Whether a sum begins with a constant, is added to, and then returned, whatever way is taken."""
    statements = [(label, s) for label, block in func_ir.blocks.items() for s in block.body]
    inside = [(label, s) for label, s in statements if isinstance(s, ir.Assign) and s.target.name in group]
    additions = [(label, s) for label, s in inside if _is_addition(s)]
    if not additions or any(s.value.rhs.name in group for _, s in additions):
        return False
    beginning = {name for _, s in inside for name in (_handed_on(s) or used(s))} - {
        s.value.rhs.name for _, s in additions
    }
    constant = all(_is_constant(func_ir, name) for name in beginning - group)
    outside = [s for _, s in statements if not (isinstance(s, ir.Assign) and s.target.name in group)]
    takers = [s for s in outside if not group.isdisjoint(used(s))]
    results = {s.target.name for s in takers if _is_expression(s, "cast")}
    handed_back = all(isinstance(s, ir.Return) for s in outside if results & set(used(s)))
    behind = _reachable(func_ir, {label for label, _ in additions})
    returned = (s.value.name for label, s in statements if isinstance(s, ir.Return) and label in behind)
    return constant and len(results) == len(takers) and handed_back and all(name in results for name in returned)


def _is_constant(func_ir: Any, name: str) -> bool:
    definitions = func_ir._definitions.get(name, ())
    return bool(definitions) and all(isinstance(found, ir.Const) for found in definitions)


def _reachable(func_ir: Any, labels: set[Any]) -> set[Any]:
    """Blocks that may run after some of these have begun, themselves included."""
    graph, found, waiting = compute_cfg_from_blocks(func_ir.blocks), set(labels), list(labels)
    while waiting:
        new = {label for label, _ in graph.successors(waiting.pop())} - found
        found |= new
        waiting.extend(new)
    return found


def _taken(phi: Any, label: Any) -> set[str]:
    """What a phi node takes over on the way from a block."""
    pairs = zip(phi.value.incoming_blocks, phi.value.incoming_values, strict=True)
    return {v.name for b, v in pairs if b == label and isinstance(v, ir.Var)}


def is_inside(statement: Any, group: frozenset[str]) -> bool:
    """Whether an assignment hands a value on within the group."""
    return not group.isdisjoint(_handed_on(statement)) and statement.target.name in group


def used(statement: Any) -> dict[str, Any]:
    """The variables that a statement uses, by name."""
    value = statement.value if isinstance(statement, ir.Assign) else statement
    if isinstance(value, ir.Var):
        return {value.name: value}
    return {v.name: v for v in value.list_vars()} if isinstance(value, (ir.Expr, ir.Stmt)) else {}


# ---------------------------------------------------------------- what takes their place


def _add(func_ir: Any, group: frozenset[str], adding: Callable[[Any, Any], Any]) -> None:
    for block in func_ir.blocks.values():
        body = []
        for statement in block.body:
            if _is_addition(statement) and is_inside(statement, group):
                value = statement.value
                function = adding(value.fn, statement.loc)
                body.append(_global(func_ir, statement.target.scope, function, statement.loc))
                statement.value = ir.Expr.call(body[-1].target, [value.lhs, value.rhs], (), statement.loc)
                func_ir._definitions[statement.target.name] = [statement.value]
            body.append(statement)
        block.body = body


def _close(func_ir: Any, group: frozenset[str]) -> None:
    """Take the mark off wherever anything but the group uses a sum."""
    for label, block in func_ir.blocks.items():
        body = []
        for statement in block.body:
            if _is_expression(statement, "phi"):
                if statement.target.name not in group:
                    _close_phi(func_ir, statement, group)
            elif not is_inside(statement, group):
                for v in [v for name, v in used(statement).items() if name in group]:
                    calls = _closing(func_ir, v, statement.loc)
                    replace_vars_stmt(statement, {v.name: calls[-1].target})
                    body.extend(calls)
            body.append(statement)
        func_ir.blocks[label].body = body


def _close_phi(func_ir: Any, phi: Any, group: frozenset[str]) -> None:
    values = phi.value.incoming_values
    for i, (label, v) in enumerate(zip(phi.value.incoming_blocks, values, strict=True)):
        if isinstance(v, ir.Var) and v.name in group:
            calls = _closing(func_ir, v, phi.loc)
            values[i] = calls[-1].target
            func_ir.blocks[label].body[-1:-1] = calls


def _global(func_ir: Any, scope: Any, value: Any, loc: Any) -> Any:
    return _assigned(func_ir, scope, ir.Global(getattr(value, "__name__", "operation"), value, loc), loc)


def _assigned(func_ir: Any, scope: Any, value: Any, loc: Any) -> Any:
    """A statement that assigns to a new variable."""
    target = ir.Var(scope, mk_unique_var("$reverse"), loc)
    func_ir._definitions[target.name] = [value]
    return ir.Assign(value, target, loc)


def _closing(func_ir: Any, v: Any, loc: Any) -> list[Any]:
    """Statements that take the mark off; the last assigns the result."""
    function = _global(func_ir, v.scope, closed, loc)
    return [function, _assigned(func_ir, v.scope, ir.Expr.call(function.target, [v], (), loc), loc)]
