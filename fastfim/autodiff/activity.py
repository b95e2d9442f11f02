"""Which local variables may depend on theta: a flow analysis on Numba's intermediate representation.

An array made by ``np.zeros(n)`` must become an array of dual numbers if a value that depends on theta is ever stored
in it, and should stay an array of float64 otherwise (an array of counts or data that is indexed by ``int``).  Types
are not known yet when this has to be decided, so the answer errs on the side of "may depend".

Dependence flows forward from arguments to results.  A store, ``z[i] = v``, makes ``z`` depend on what ``v`` depends
on, and with it whatever ``z`` is a view, a row, an alias or a swapped name of.  An array that a loop makes depend on
it, ``z = np.zeros(3)`` and then ``z = np.tanh(z + theta)``, must be of dual numbers from the beginning.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from types import FunctionType
from typing import Any

from numba.core import ir
from numba.core.compiler import run_frontend
from numba.core.ssa import reconstruct_ssa

from fastfim.autodiff.arrays import MAKERS
from fastfim.autodiff.callgraph import call_by_first_names, is_library, named_object, origins, python_function
from fastfim.autodiff.reverse.accumulate import used

_COMPARISONS = frozenset({operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.not_})
#: Methods of arrays that return a new one.
NEW_METHODS = frozenset({"copy", "astype"})
_COUNTS = frozenset({"shape", "size", "ndim", "dtype"})
#: Expressions whose result may share memory with an operand.
_SHARING = frozenset({"cast", "phi", "build_tuple", "build_list", "exhaust_iter", "getattr"}) | {
    "getiter",
    "iternext",
    "pair_first",
}


class Activity:
    """Names of the variables of one function that may depend on theta.

    Parameters
    ----------
    func_ir
        The function, in static single assignment form.
    arguments
        For each argument whether it carries derivatives.
    objects
        What is known to be called: Python objects by the name of the variable that holds them.
    computing
        Names of the variables among these whose calls return numbers or new arrays, never their argument's memory.
    changed
        ``changed(helper, arguments)`` says in which of its arguments a helper may store what depends on some of them.
        Default: in all.
    """

    def __init__(
        self,
        func_ir: Any,
        arguments: tuple[bool, ...],
        objects: dict[str, Any],
        computing: frozenset[str],
        changed: Callable[[Any, tuple[bool, ...]], set[int]] | None = None,
    ) -> None:
        self.changed = changed
        self.func_ir, self.arguments, self.objects, self.computing = func_ir, arguments, objects, computing
        self.names: set[str] = set()
        self.stored: set[str] = set()  # arrays among these that a statement of the function changes,
        self.handed: set[str] = set()  # or that a helper may change
        self.given = self._given()
        statements = (s for block in func_ir.blocks.values() for s in block.body)
        self.uses = Counter(name for s in statements for name in set(used(s)))
        self._settle()

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def sources(self, name: str) -> set[str]:
        """Variables whose memory ``name`` may share, itself included."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            current = waiting.pop()
            if current not in found:
                found.add(current)
                waiting.extend(self.given.get(current, ()))
                for definition in self.func_ir._definitions.get(current, ()):
                    waiting.extend(self._shared(definition))
        return found

    def _shared(self, definition: Any) -> list[str]:
        if isinstance(definition, ir.Var):
            return [definition.name]
        if not isinstance(definition, ir.Expr):
            return []
        if definition.op == "call":  # a method may give a view of its object, a function return its argument
            if self.method(definition) in NEW_METHODS:
                return []
            method = self._method_object(definition)
            shares = definition.func.name not in self.computing
            return [v.name for v in definition.list_vars()] + ([method] if method else []) if shares else []
        if definition.op in ("getitem", "static_getitem"):  # not its index
            return [definition.value.name]
        if definition.op == "inplace_binop":
            return [definition.lhs.name]
        return [v.name for v in definition.list_vars()] if definition.op in _SHARING else []

    def _given(self) -> dict[str, list[str]]:
        """What methods hand to their objects: ``parts.append(z)`` puts the memory of z into parts."""
        given: dict[str, list[str]] = {}
        for block in self.func_ir.blocks.values():
            for call in block.find_exprs(op="call"):
                owner = self._method_object(call)
                if owner is not None:
                    given.setdefault(owner, []).extend(v.name for v in call.args)
        return given

    def method(self, call: Any) -> str | None:
        """The name of the method that an expression calls, or ``None``."""
        if call.op != "call" or self._method_object(call) is None:
            return None
        definitions = self.func_ir._definitions[call.func.name]
        return next(str(d.attr) for d in definitions if isinstance(d, ir.Expr) and d.op == "getattr")

    def _method_object(self, call: Any) -> str | None:
        for definition in self.func_ir._definitions.get(call.func.name, ()):
            if isinstance(definition, ir.Expr) and definition.op == "getattr" and call.func.name not in self.objects:
                return str(definition.value.name)
        return None

    def _is_helper(self, call: Any) -> bool:
        """Whether a call runs code of the user's, which may change arrays in place."""
        return is_helper(self.objects.get(call.func.name))

    def _settle(self) -> None:
        statements = [s for block in self.func_ir.blocks.values() for s in block.body]
        known = -1
        while known != len(self.names):
            known = len(self.names)
            for statement in statements:
                self._visit(statement)

    def _visit(self, statement: Any) -> None:
        if isinstance(statement, ir.Assign):
            if self._depends(statement.value):
                self.names.add(statement.target.name)
                self._join(statement.value)
            self._visit_changes(statement.value)
        elif isinstance(statement, (ir.SetItem, ir.StaticSetItem)) and statement.value.name in self.names:
            self._store(statement.target.name)

    def _join(self, value: Any) -> None:
        """New arrays are of the kind of others that the same variable may be."""
        if isinstance(value, ir.Expr) and value.op == "phi":
            for incoming in value.incoming_values:
                made = origins(self.func_ir, incoming)
                if all(map(self._is_new, made)):
                    self.stored |= made
                    self.names |= made

    def _is_new(self, name: str) -> bool:
        """Whether a variable is a new array, or something worked out for a single use that may be one."""
        definitions = self.func_ir._definitions.get(name, ())
        value = definitions[0] if len(definitions) == 1 else None
        if not isinstance(value, ir.Expr):
            return False
        function = self.objects.get(value.func.name) if value.op == "call" else None
        if self.method(value) in NEW_METHODS or any(function is maker for maker in MAKERS):
            return True
        computes = value.op in ("binop", "unary") or (value.op == "call" and value.func.name in self.computing)
        return computes and self.uses[name] == 1

    def _store(self, name: str) -> None:
        self.stored |= self.sources(name)
        self.names |= self.stored

    def _visit_changes(self, value: Any) -> None:
        """Arrays that an expression changes in place."""
        if not isinstance(value, ir.Expr):
            return
        if value.op == "inplace_binop" and value.rhs.name in self.names:
            self._store(value.lhs.name)
        if value.op == "call" and any(v.name in self.names for v in value.list_vars()):
            method = self._method_object(value)
            changed = self._changed_by(value) if self._is_helper(value) else [method] if method else []
            for name in changed:
                self.handed |= self.sources(name)
            self.names |= self.handed

    def _changed_by(self, call: Any) -> list[str]:
        """Arguments of a helper in which it may store what depends on the others."""
        if self.changed is None or call.kws or call.vararg:
            return [v.name for v in call.args]
        flags = tuple(v.name in self.names for v in call.args)
        changed = self.changed(self.objects[call.func.name], flags)
        return [v.name for i, v in enumerate(call.args) if i in changed]

    def _depends(self, value: Any) -> bool:
        if isinstance(value, ir.Arg):
            return bool(value.index < len(self.arguments) and self.arguments[value.index])
        if isinstance(value, ir.Var):
            return value.name in self.names
        if not isinstance(value, ir.Expr) or self._is_plain(value):
            return False
        return any(v.name in self.names for v in value.list_vars())

    def _is_plain(self, value: Any) -> bool:
        """Whether the result carries no derivatives whatever goes in."""
        if value.op == "call":
            return self.objects.get(value.func.name) in (len, range, bool)
        if value.op in ("binop", "unary"):
            return value.fn in _COMPARISONS
        return value.op == "pair_second" or (value.op == "getattr" and value.attr in _COUNTS)


def is_helper(found: Any) -> bool:
    """Whether an object is a function of the user's, compiled or not."""
    return hasattr(found, "py_func") or (isinstance(found, FunctionType) and not is_library(found))


def read(function: Any) -> Any:
    """Numba's intermediate representation of a function, in static single assignment form."""
    return reconstruct_ssa(run_frontend(python_function(function)))


def changed_arguments(helper: Any, arguments: tuple[bool, ...]) -> set[int]:
    """Arguments of a helper in which it may store what depends on those that are flagged."""
    try:
        func_ir = read(helper)
    except Exception:  # whatever it is, the compiler will say so
        return set(range(len(arguments)))
    call_by_first_names(func_ir)
    statements = [s for block in func_ir.blocks.values() for s in block.body if isinstance(s, ir.Assign)]
    named = ((s.target.name, named_object(func_ir, s.value)) for s in statements)
    objects = {name: found for name, found in named if found is not None}
    computing = frozenset(name for name, found in objects.items() if callable(found) and not is_helper(found))
    # no deeper than the helper itself: a function may call itself
    activity = Activity(func_ir, arguments, objects, computing)
    changed = activity.stored | activity.handed
    return {s.value.index for s in statements if isinstance(s.value, ir.Arg) and s.target.name in changed}
