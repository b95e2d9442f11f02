# mypy: disable-error-code="untyped-decorator"
"""Numbers that come to depend on theta in a loop, and arrays that are made of them.

::

    level = 0.0
    for t in range(len(x)):
        level = theta[0] * level + x[t]
    z = x * level

Numba infers types in the order of the statements, and again until nothing changes: at first ``level`` is a float, and
``z`` an array of floats.  That ``level`` depends on theta it finds out later; a number may still change, an array may
not.  Where inference fails so, what it has found out by then tells which numbers to convert before the loop; then
types are inferred once more.
"""

from __future__ import annotations

import functools
from typing import Any

from numba import types
from numba.core import ir
from numba.core.compiler_machinery import register_pass
from numba.core.errors import NumbaError
from numba.core.ir_utils import mk_unique_var
from numba.core.typed_passes import NopythonTypeInference, type_inference_stage
from numba.extending import intrinsic

from fastfim.autodiff.number import REAL, Active


@register_pass(mutates_CFG=True, analysis_only=False)
class InferTypes(NopythonTypeInference):  # type: ignore[misc]
    """Numba's own pass, which takes numbers before loops as constants that carry derivatives if it fails without."""

    _name = "autodiff_infer_types"

    def run_pass(self, state: Any) -> bool:
        """Infer types, if need be twice."""
        try:
            return bool(super().run_pass(state))
        except NumbaError:
            if not _promote(state):
                raise
        state.typingctx.refresh()  # so that Numba sees what `promoter` has registered
        state.targetctx.refresh()
        return bool(super().run_pass(state))


def _promote(state: Any) -> bool:
    """Convert plain numbers where a variable is a plain number on one way and depends on theta on another."""
    given = state.typingctx, state.targetctx, state.func_ir, state.args, state.return_type, state.locals
    kinds = type_inference_stage(*given, raise_errors=False).typemap
    found = False
    for block in state.func_ir.blocks.values():
        for phi in block.find_exprs(op="phi"):
            (target,) = (s.target for s in block.body if isinstance(s, ir.Assign) and s.value is phi)
            kind = kinds.get(target.name)
            if isinstance(kind, Active):
                for i, v in enumerate(phi.incoming_values):
                    if isinstance(v, ir.Var) and isinstance(types.unliteral(kinds.get(v.name)), REAL):
                        phi.incoming_values[i] = _converted(state.func_ir, phi.incoming_blocks[i], v, kind)
                        found = True
    return found


def _converted(func_ir: Any, label: Any, v: Any, kind: Active) -> Any:
    """``v`` as an active number, at the end of a block."""
    convert, result = (ir.Var(v.scope, mk_unique_var("$promoted"), v.loc) for _ in range(2))
    values = ir.Global("promote", promoter(kind), v.loc), ir.Expr.call(convert, [v], (), v.loc)
    for target, value in zip((convert, result), values, strict=True):
        func_ir._definitions[target.name] = [value]
        func_ir.blocks[label].body.insert(-1, ir.Assign(value, target, v.loc))
    return result


@functools.cache
def promoter(kind: Active) -> Any:
    """An intrinsic that makes an active number of a plain one."""

    @intrinsic
    def promote(typing_context: Any, number: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return context.cast(builder, args[0], sig.args[0], kind)

        return kind(number), generate

    return promote
