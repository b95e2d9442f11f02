# mypy: disable-error-code="untyped-decorator"
"""Whether a function's use of a vector fits its length: ``a, b, c = theta`` where there are two parameters.

The length of `Theta` is known while compiling, so that a wrong count, or a constant index out of range (which compiled
code would not notice), is refused on the user's line, if that line is certain to run.  A line that may not run (in a
helper, or behind a branch that asks for the length) and the unpacking of arrays and slices raise when they run::

    ValueError: model.py, line 7: 3 names are unpacked from a vector of another length
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any

from llvmlite import ir as llvm
from numba import types
from numba.core import cgutils, ir
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.ir_utils import find_const, guard
from numba.extending import intrinsic

from fastfim.autodiff.arrays import variable
from fastfim.autodiff.emit import INDEX
from fastfim.autodiff.errors import Refused
from fastfim.autodiff.theta import Theta

_USES = ("exhaust_iter", "getitem", "static_getitem")


def check_lengths(func_ir: Any, arguments: tuple[Any, ...], top: bool) -> None:
    """Refuse what cannot fit, and let what may not fit be checked at run time.

    Parameters
    ----------
    func_ir
        A function, changed in place.
    arguments
        The types of its arguments.
    top
        Whether it is certain to be called.
    """
    certain = _certain_blocks(func_ir.blocks) if top else set()
    for label, block in func_ir.blocks.items():
        body = []
        for statement in block.body:
            value = statement.value if isinstance(statement, ir.Assign) else None
            if isinstance(value, ir.Expr) and value.op in _USES:
                body.extend(_check(func_ir, arguments, statement, label in certain))
            body.append(statement)
        block.body = body


def _certain_blocks(blocks: Any) -> set[Any]:
    """Labels of the blocks that run in every call."""
    graph = compute_cfg_from_blocks(blocks)
    dominators, exits = graph.dominators(), graph.exit_points()
    return set.intersection(*(set(dominators[label]) for label in exits)) if exits else set()


def _check(func_ir: Any, arguments: tuple[Any, ...], statement: Any, certain: bool) -> list[Any]:
    """Statements to run before ``statement``, an unpacking or an indexing."""
    vector = statement.value.value
    kind = _argument(func_ir, arguments, vector)
    length = kind.length if isinstance(kind, Theta) else None
    need = _need(func_ir, statement.value)
    if need is None or (length is not None and need.met(length)):
        return []
    if length is not None and certain:
        raise Refused(f"{need.sentence} a parameter vector that has {_elements(length)} here.", statement.loc)
    if length is None and not (need.exact and _may_be_vector(func_ir, kind, vector)):
        return []
    place = f"{os.path.basename(statement.loc.filename)}, line {statement.loc.line}"
    checker = variable(func_ir, statement, raising_unless(need, place))
    result = variable(func_ir, statement, None)
    result.definition.value = ir.Expr.call(checker, [vector], (), statement.loc)
    func_ir._definitions[result.name] = [result.definition.value]
    return [checker.definition, result.definition]


@dataclass(frozen=True)
class Need:
    """How many elements a vector must have, exactly or at least, and for what."""

    count: int
    exact: bool
    sentence: str

    def met(self, length: int) -> bool:
        """Whether a vector is long enough, and not too long."""
        return length == self.count if self.exact else length >= self.count


def _need(func_ir: Any, use: Any) -> Need | None:
    """What an unpacking or an indexing by a constant needs."""
    if use.op == "exhaust_iter":
        return Need(use.count, True, f"{use.count} names are unpacked from")
    index = use.index if use.op == "static_getitem" else guard(find_const, func_ir, use.index)
    if not isinstance(index, int):
        return None
    return Need(index + 1 if index >= 0 else -index, False, f"Element {index} is taken from")


def _elements(length: int) -> str:
    return f"{length} element{'s' if length != 1 else ''}"


def _argument(func_ir: Any, arguments: tuple[Any, ...], vector: Any) -> Any:
    """The type of the argument that a variable holds, or ``None``."""
    definition = guard(func_ir.get_definition, vector)
    return arguments[definition.index] if isinstance(definition, ir.Arg) else None


def _may_be_vector(func_ir: Any, kind: Any, vector: Any) -> bool:
    if kind is not None:
        return isinstance(kind, types.Array | Theta)
    definition = guard(func_ir.get_definition, vector)
    return isinstance(definition, ir.Expr) and definition.op in _USES


@functools.cache
def raising_unless(need: Need, place: str) -> Any:
    """An intrinsic that raises where a vector does not meet a need, and takes anything else as it is."""
    sentence = f"{place}: {need.sentence} a {'vector of another length' if need.exact else 'shorter vector'}"

    @intrinsic
    def check(typing_context: Any, vector: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            if isinstance(sig.args[0], types.Array | Theta):
                struct = cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0])
                length = struct.size if isinstance(sig.args[0], Theta) else builder.extract_value(struct.shape, 0)
                wrong = builder.icmp_signed("!=" if need.exact else "<", length, llvm.Constant(INDEX, need.count))
                with builder.if_then(wrong, likely=False):
                    context.call_conv.return_user_exc(builder, ValueError, (sentence,))
            return context.get_dummy_value()

        return types.none(vector), generate

    return check
