"""What a user's function means: the pass that replaces, in Numba's intermediate representation, what it names.

- A function of the table becomes an `Operation`, with the place where it is used.
- A helper of the user's, plain or already compiled, becomes a compiled function of the same kind as its caller; so do
  functions of ``scipy.special`` that are spelled out (see `spelled`).
- ``//``, ``%`` and ``@`` become calls, so that they can be refused, or mean the dot product, where theta enters.
- Methods such as ``v.sum()`` become calls of the NumPy functions of the same names.
- Arrays that must hold values that depend on theta become arrays of dual numbers (see `arrays`).

Nothing global is touched: the same functions keep their meaning everywhere else.
"""

from __future__ import annotations

import importlib
import operator
import sys
import types as python
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from numba import types
from numba.core import ir
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from fastfim.autodiff import arrays, forbidden
from fastfim.autodiff.activity import NEW_METHODS, Activity, changed_arguments
from fastfim.autodiff.callgraph import call_by_first_names, is_library, named_object, python_function, reachable
from fastfim.autodiff.elementwise import IN_PLACE, on_elements
from fastfim.autodiff.errors import Refused
from fastfim.autodiff.folds import array_function, call_of
from fastfim.autodiff.fusion import ArrayCall, waiting
from fastfim.autodiff.number import Active, Source, joint
from fastfim.autodiff.operations import Operation
from fastfim.autodiff.reverse import accumulate
from fastfim.autodiff.reverse.sums import adding
from fastfim.autodiff.reverse.taped import Taped
from fastfim.autodiff.rules import ENTRIES, Entry, Refusal, Rule, callables, resolve
from fastfim.autodiff.second_order.quadratic import Quadratic
from fastfim.autodiff.spelled import SPELLED
from fastfim.autodiff.theta import Theta
from fastfim.autodiff.unpacking import check_lengths
from fastfim.autodiff.vectors import ALWAYS, VECTOR, view

METHODS = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "dot": np.dot, "prod": np.prod}
METHODS |= {"cumsum": np.cumsum, "trace": np.trace, "var": np.var, "std": np.std}
METHODS |= {"argmax": np.argmax, "argmin": np.argmin, "view": view}
#: Builtins that change nothing.
PURE = (abs, bool, float, int, len, range, slice, tuple)
OPERATORS = {
    operator.floordiv: operator.floordiv,
    operator.ifloordiv: operator.floordiv,
    operator.mod: operator.mod,
    operator.imod: operator.mod,
    operator.matmul: operator.matmul,
    operator.imatmul: operator.matmul,
}


def dual_inside(kind: Any) -> Active | None:
    """The active type that an argument's type contains."""
    if isinstance(kind, Active):
        return kind.stored
    if isinstance(kind, Theta | Source):
        return kind.dual
    if isinstance(kind, (types.Array, types.List)):
        return dual_inside(kind.dtype)
    if isinstance(kind, types.BaseTuple):
        return joint(map(dual_inside, kind))
    return None


def loaded_meanings() -> tuple[dict[Any, Entry], dict[Any, Callable[..., Any]]]:
    """The entry of every callable that is loaded now, and the source of those that are spelled out."""
    if "scipy.special" in sys.modules:
        importlib.import_module("fastfim.autodiff.special")  # enters its rules; costs only those who use them
    return callables(ENTRIES), {function: source for n, source in SPELLED.items() if (function := resolve(n))}


class Substitution:
    """The rewriting of one function for one set of argument types.

    Parameters
    ----------
    state
        Numba's compiler state.
    compile_along
        What makes a compiled function of a helper.
    stack
        Whether arrays may be put on the stack (they may not in helpers, which may return them).
    outermost
        Whether what the function returns is what is differentiated in the end.
    """

    def __init__(self, state: Any, compile_along: Callable[[Any], Any], stack: bool, outermost: bool = False) -> None:
        self.outermost = outermost
        self.func_ir, self.context, self.function = state.func_ir, state.typingctx, state.func_id.func
        self.compile_along, self.stack, self.arguments = compile_along, stack, state.args
        self.duals = tuple(map(dual_inside, state.args))
        self.kind = joint(self.duals)
        self.objects: dict[str, Any] = {}
        self.table: dict[Any, Entry] = {}
        self.spelled: dict[Any, Any] = {}

    def run(self) -> None:
        """Rewrite the function in place."""
        call_by_first_names(self.func_ir)
        check_lengths(self.func_ir, self.arguments, self.stack)
        assignments = [s for b in self.func_ir.blocks.values() for s in b.body if isinstance(s, ir.Assign)]
        named = [(s, found) for s in assignments if (found := named_object(self.func_ir, s.value)) is not None]
        self.table, self.spelled = loaded_meanings()  # after the look-up, which may have loaded `scipy.special`
        for statement, found in named:
            self._replace_name(statement, found)
        if self.kind is None:
            self._replace_plain_arrays()
        else:
            self._replace_operators(OPERATORS)
            activity = self._replace_arrays(self.kind)
            forbidden.check(self.func_ir, activity.names)
            if isinstance(self.kind, Taped | Quadratic):
                self._replace_squares(activity)
            if isinstance(self.kind, Taped):
                accumulate.rewrite(self.func_ir, activity.names, self._adding, self.outermost)
            self._replace_operators({function: function for function in IN_PLACE})  # which the analysis has to see
            self._replace_array_code(activity)

    def _replace_name(self, statement: Any, found: Any) -> None:
        """Rewrite ``$v = global(log)``, ``$v = freevar(helper)`` or ``$v = getattr(module, name)``."""
        if isinstance(found, python.FunctionType | np.ufunc):
            found = self.spelled.get(found, found)
        self.objects[statement.target.name] = found
        if isinstance(found, (Dispatcher, python.FunctionType)) and self._is_helper(found):
            self._refuse_recursion(found, statement.loc)
            self.objects[statement.target.name] = found = self.compile_along(found)
            self._redefine(statement, found)
        elif not isinstance(found, type) and self._is_ours(found):  # a type may be a dtype: see `_as_call`
            self._redefine(statement, self._operation(found, statement.loc))

    def _redefine(self, statement: Any, value: Any) -> None:
        name = getattr(value, "__name__", statement.target.name)
        statement.value = ir.Global(name, value, statement.loc)
        self.func_ir._definitions[statement.target.name] = [statement.value]

    def _is_helper(self, found: Any) -> bool:
        return not is_library(found) and not self._known_to_numba(found)

    def _known_to_numba(self, found: Any) -> bool:
        if isinstance(found, Dispatcher):
            return found.targetoptions.get("pipeline_class") is not None
        try:
            return self.context.resolve_value_type(found) is not None
        except (NumbaError, ValueError):
            return False

    def _is_ours(self, found: Any) -> bool:
        """Whether a call has a meaning beyond Numba's; where theta does not enter, only what Numba lacks."""
        if not isinstance(found, Hashable):
            return False
        entry, vector = self.table.get(found), found in VECTOR
        if self.kind is not None or (vector and found in ALWAYS):
            return entry is not None or vector
        if entry is None or isinstance(entry, Refusal):
            return False
        return (isinstance(entry, Rule) and entry.plain is not None) or not self._known_to_numba(found)

    def _operation(self, function: Any, loc: Any, name: str | None = None) -> Operation:
        entry: Entry | None = self.table.get(function)
        vector = array_function(function, entry, name)
        return Operation(function, entry, vector, loc, ALWAYS.get(function))

    def _replace_squares(self, activity: Activity) -> None:
        """``z * z`` is a function of one number, of which a tape knows nothing."""

        def is_square(value: Any) -> bool:
            product = isinstance(value, ir.Expr) and value.op == "binop" and value.fn is operator.mul
            return product and value.lhs.name == value.rhs.name and value.lhs.name in activity

        for block in self.func_ir.blocks.values():
            body = []
            for statement in block.body:
                if isinstance(statement, ir.Assign) and is_square(statement.value):
                    body.extend(self._call(statement, np.square, [statement.value.lhs]))
                body.append(statement)
            block.body = body

    def _adding(self, function: Any, how: Any, loc: Any) -> Operation:
        entry: Any = self.table[function]
        return Operation(function, adding(entry, how), on_elements(function, entry), loc)

    def _refuse_recursion(self, helper: Any, loc: Any) -> None:
        wanted = python_function(self.function)
        if wanted in reachable(python_function(helper)):
            sentence = f"'{wanted.__name__}' calls itself; a recursive function cannot be compiled. Write it as a loop."
            raise Refused(sentence, loc)

    def _replace_operators(self, operators: dict[Any, Any]) -> None:
        for block in self.func_ir.blocks.values():
            body = []
            for statement in block.body:
                if isinstance(statement, ir.Assign) and isinstance(statement.value, ir.Expr):
                    body.extend(self._as_call(statement, operators))
                body.append(statement)
            block.body = body

    def _as_call(self, statement: Any, operators: dict[Any, Any]) -> list[Any]:
        """Turn an operator or a method into a call; statements that have to come before it."""
        value = statement.value
        if value.op in ("binop", "inplace_binop") and value.fn in operators:
            return self._call(statement, operators[value.fn], [value.lhs, value.rhs])
        if value.op != "call" or value.vararg:
            return []
        function = self.objects.get(value.func.name)
        if isinstance(function, type) and self._is_ours(function) and not value.kws:
            return self._call(statement, function, list(value.args))
        definitions = self.func_ir._definitions.get(value.func.name, ())
        method = definitions[0] if len(definitions) == 1 and function is None else None
        if isinstance(method, ir.Expr) and method.op == "getattr" and method.attr in METHODS:
            self._forget(value.func)
            return self._call(statement, METHODS[method.attr], [method.value, *value.args], value.kws)
        return []

    def _forget(self, method: Any) -> None:
        """Drop a bound method, which need not exist for arrays of dual numbers."""
        for block in self.func_ir.blocks.values():
            for statement in block.body:
                if isinstance(statement, ir.Assign) and statement.target.name == method.name:
                    statement.value = ir.Const(None, statement.loc)

    def _call(self, statement: Any, function: Any, args: list[Any], kws: Any = (), name: Any = None) -> list[Any]:
        made = arrays.variable(self.func_ir, statement, self._operation(function, statement.loc, name))
        self.objects[made.name] = function
        statement.value = ir.Expr.call(made, args, kws, statement.loc)
        self.func_ir._definitions[statement.target.name] = [statement.value]
        return [made.definition]

    def _array_code(self, statement: Any, activity: Activity) -> tuple[Any, list[Any]] | None:
        """The function that a statement may apply to arrays of active numbers, and the operands."""
        value = statement.value
        if not isinstance(value, ir.Expr):
            return None
        if value.op == "binop":
            function, args = value.fn, [value.lhs, value.rhs]
        elif value.op == "unary":
            function, args = value.fn, [value.value]
        elif value.op == "call" and not value.kws and not value.vararg:
            function, args = self.objects.get(value.func.name), list(value.args)
        else:
            return None
        ours = isinstance(function, Hashable) and any(v.name in activity for v in args)
        return (function, args) if ours and call_of(function, self.table.get(function), len(args)) else None

    def _replace_array_code(self, activity: Activity) -> None:
        """Let operators and functions know whether their results may wait (see `fusion`)."""

        def function_of(statement: Any) -> ArrayCall | None:
            found = self._array_code(statement, activity)
            return call_of(found[0], self.table.get(found[0]), len(found[1])) if found else None

        def pure(call: Any) -> bool:
            function = self.objects.get(call.func.name)
            known = isinstance(function, Hashable) and function not in IN_PLACE
            return known and (function in PURE or self._is_ours(function))

        wait = waiting(self.func_ir, self.objects, function_of, pure)
        for block in self.func_ir.blocks.values():
            body = []
            for statement in block.body:
                found = self._array_code(statement, activity) if isinstance(statement, ir.Assign) else None
                if found:
                    name = statement.target.name if statement.target.name in wait else None
                    body.extend(self._call(statement, *found, name=name))
                body.append(statement)
            block.body = body

    def _replace_arrays(self, kind: Active) -> Activity:
        activity = self._activity(lambda found: True)
        kind_of = self._kinds(kind)
        cannot_stack = self._looping() if self.stack else set(self.func_ir.blocks)
        returned = self._returned(activity) if self.stack else set()
        for label, block in self.func_ir.blocks.items():
            body = []
            for statement in block.body:
                function = self._allocates(statement)
                if function is not None and statement.target.name in activity:
                    name = statement.target.name
                    stack = label not in cannot_stack and name not in returned
                    body.extend(arrays.activate(self.func_ir, statement, function, kind_of(name), stack))
                elif function is not None:
                    body.extend(arrays.plain(self.func_ir, statement, function))
                elif self._makes_array_for(statement, activity):
                    body.extend(arrays.converted(self.func_ir, statement, kind_of(statement.target.name)))
                else:
                    body.append(statement)
            block.body = body
        return activity

    def _replace_plain_arrays(self) -> None:
        for block in self.func_ir.blocks.values():
            body = []
            for statement in block.body:
                function = self._allocates(statement)
                body.extend([statement] if function is None else arrays.plain(self.func_ir, statement, function))
            block.body = body

    def _activity(self, among: Callable[[Active], bool], changed: Any = None) -> Activity:
        """What depends on those arguments whose numbers are among some."""
        computing = frozenset(name for name, found in self.objects.items() if self._is_ours(found))
        flags = tuple(found is not None and among(found) for found in self.duals)
        return Activity(self.func_ir, flags, self.objects, computing, changed)

    def _kinds(self, kind: Active) -> Callable[[str], Active]:
        """What the elements of a local array are, by its name."""
        if kind == kind.holding(parameters=True, draws=False):
            return lambda name: kind
        parameters = self._activity(lambda found: not found.plain, changed_arguments)
        draws = self._activity(lambda found: found.draws > 1, changed_arguments)
        return lambda name: kind.holding(name in parameters or name not in draws, name in draws)

    def _allocates(self, statement: Any) -> Any:
        value = statement.value if isinstance(statement, ir.Assign) else None
        if not isinstance(value, ir.Expr) or value.op != "call":
            return None
        function = self.objects.get(value.func.name)
        known = callable(function) and not isinstance(function, Dispatcher)
        return function if known and arrays.allocation(self.func_ir, function, value, self.objects) else None

    def _makes_array_for(self, statement: Any, activity: Activity) -> bool:
        """Whether a statement may make a new array of numbers, in which values that depend on theta are stored."""
        value = statement.value if isinstance(statement, ir.Assign) else None
        if not isinstance(value, ir.Expr) or statement.target.name not in activity.stored | activity.handed:
            return False
        if activity.method(value) in NEW_METHODS:
            return True
        function = self.objects.get(value.func.name) if value.op == "call" else None
        if not isinstance(function, Hashable) or isinstance(function, Dispatcher):
            return False
        if function in arrays.NEW:
            return True
        computes = value.op in ("binop", "unary") or isinstance(self.table.get(function), Rule)
        return computes and statement.target.name in activity.stored

    def _looping(self) -> set[Any]:
        """Blocks that may run more than once: an array on the stack would be the same one each time."""
        loops = compute_cfg_from_blocks(self.func_ir.blocks).loops().values()
        return {label for loop in loops for label in loop.body}

    def _returned(self, activity: Activity) -> set[str]:
        returns = [s.value.name for b in self.func_ir.blocks.values() for s in b.body if isinstance(s, ir.Return)]
        return set().union(*map(activity.sources, returns)) if returns else set()
