# mypy: disable-error-code="untyped-decorator"
"""Local arrays of dual numbers: ``np.zeros`` and its kin where they must hold values that depend on theta.

`activate` rewrites one call in Numba's intermediate representation.  An array of constant shape, made once a call and
not handed out, is put on the stack, where the optimiser turns it into registers once loops are unrolled (a trivariate
normal density ran six times faster so); all others come from the heap as usual.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from llvmlite import ir as llvm
from numba import types
from numba.core import cgutils, ir
from numba.core.ir_utils import find_const, guard, mk_unique_var
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from fastfim._arrays import maker
from fastfim.autodiff import vectors
from fastfim.autodiff.dtype import DualDType
from fastfim.autodiff.emit import INDEX
from fastfim.autodiff.number import Active

MAX_STACK = 16384  # bytes an array

#: Number of arguments before ``dtype``, for functions that make an array of a given shape.
SHAPED = {np.zeros: 1, np.empty: 1, np.ones: 1, np.full: 2}
#: The same for functions that take the shape of another array, with what stands in for them.
LIKE = {
    np.zeros_like: (1, vectors.zeros_like),
    np.empty_like: (1, vectors.empty_like),
    np.ones_like: (1, vectors.ones_like),
    np.full_like: (2, vectors.full_like),
}
#: Functions that return a new array, which may have to hold values that depend on theta later on.
NEW = frozenset({np.array, np.copy, np.arange, np.linspace, np.eye, np.identity, np.diag, np.outer, np.concatenate})
MAKERS = (*NEW, *SHAPED, *LIKE)
#: What makes an array of any type in a few instructions.
MADE = {np.zeros: functools.partial(maker, cleared=True), np.empty: functools.partial(maker, cleared=False)}
FLOATS = (float, np.float64, np.double)


@functools.cache
def on_stack(shape: tuple[int, ...], kind: Active, cleared: bool) -> Any:
    """An intrinsic of no arguments that makes a C-ordered array of ``kind`` on the stack."""
    array_type = types.Array(kind, len(shape), "C")

    @intrinsic
    def make(typing_context: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            data_type = context.get_data_type(kind)
            item, count = context.get_abi_sizeof(data_type), math.prod(shape)
            slot = cgutils.alloca_once(builder, llvm.ArrayType(data_type, count))
            if cleared:
                cgutils.memset(builder, slot, llvm.Constant(INDEX, count * item), 0)
            array = make_array(array_type)(context, builder)
            strides = [item * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
            populate_array(
                array,
                data=builder.bitcast(slot, data_type.as_pointer()),
                shape=[llvm.Constant(INDEX, extent) for extent in shape],
                strides=[llvm.Constant(INDEX, stride) for stride in strides],
                itemsize=llvm.Constant(INDEX, item),
                meminfo=None,
            )
            return array._getvalue()

        return array_type(), generate

    return make


def constant_shape(func_ir: Any, variable: Any) -> tuple[int, ...] | None:
    """The shape that ``variable`` holds, where it is known while compiling."""
    definition = guard(func_ir.get_definition, variable)
    is_tuple = isinstance(definition, ir.Expr) and definition.op == "build_tuple"
    found = [guard(find_const, func_ir, v) for v in (definition.items if is_tuple else [variable])]
    extents = found[0] if len(found) == 1 and isinstance(found[0], tuple) else tuple(found)
    return extents if all(isinstance(extent, int) and extent > 0 for extent in extents) else None


def allocation(func_ir: Any, function: Any, call: Any, objects: dict[str, Any]) -> bool:
    """Whether ``call`` makes an array of floats (no ``dtype``, or ``dtype=float``)."""
    if not any(function is known for known in (*SHAPED, *LIKE)):
        return False
    before = SHAPED[function] if function in SHAPED else LIKE[function][0]
    if (
        function is np.full and len(call.args) > 1 and type(guard(find_const, func_ir, call.args[1])) is int
    ):  # an array of integers
        return False
    keywords = dict(call.kws)
    given = [*call.args[before:], *([keywords.pop("dtype")] if "dtype" in keywords else [])]
    return not keywords and len(given) <= 1 and all(objects.get(v.name) in FLOATS for v in given)


def activate(func_ir: Any, statement: Any, function: Any, kind: Active, stack: bool) -> list[Any]:
    """Statements that make an array of ``kind`` in place of ``statement``, a call for which `allocation` holds."""
    call = statement.value
    before = SHAPED[function] if function in SHAPED else LIKE[function][0]
    call.args, call.kws = list(call.args[:before]), ()
    shape = constant_shape(func_ir, call.args[0]) if stack and function in (np.zeros, np.empty) else None
    if shape is not None and math.prod(shape) * kind.size <= MAX_STACK:
        call.args = []
        return replaced(func_ir, statement, on_stack(shape, kind, function is np.zeros))
    if function in MADE:
        return replaced(func_ir, statement, MADE[function](kind))
    dtype = variable(func_ir, statement, DualDType(kind))
    made = [dtype.definition]
    if function in LIKE:
        call.func = variable(func_ir, statement, LIKE[function][1])
        made.append(call.func.definition)
        call.args.append(dtype)
    else:
        call.kws = (("dtype", dtype),)
    return [*made, statement]


def replaced(func_ir: Any, statement: Any, function: Any) -> list[Any]:
    """Statements that call another function with the same arguments."""
    statement.value.func = variable(func_ir, statement, function)
    return [statement.value.func.definition, statement]


def plain(func_ir: Any, statement: Any, function: Any) -> list[Any]:
    """Statements that make an array of float64 in place of ``statement``, a call for which `allocation` holds."""
    if function not in MADE:
        return [statement]
    call = statement.value
    call.args, call.kws = list(call.args[:1]), ()
    return replaced(func_ir, statement, MADE[function](types.float64))


def converted(func_ir: Any, statement: Any, kind: Active) -> list[Any]:
    """Statements that convert the array of plain numbers that ``statement`` makes into one of ``kind``."""
    dtype = variable(func_ir, statement, DualDType(kind))
    convert = variable(func_ir, statement, vectors.converted)
    made = ir.Var(statement.target.scope, mk_unique_var("$autodiff"), statement.loc)
    func_ir._definitions[made.name] = [statement.value]
    call = ir.Expr.call(convert, [made, dtype], (), statement.loc)
    func_ir._definitions[statement.target.name] = [call]
    first = ir.Assign(statement.value, made, statement.loc)
    return [first, dtype.definition, convert.definition, ir.Assign(call, statement.target, statement.loc)]


def variable(func_ir: Any, near: Any, value: Any) -> Any:
    """A new variable that holds a Python object; the statement that defines it is its attribute ``definition``."""
    made = ir.Var(near.target.scope, mk_unique_var("$autodiff"), near.loc)
    made.definition = ir.Assign(ir.Global(made.name, value, near.loc), made, near.loc)
    func_ir._definitions[made.name] = [made.definition.value]
    return made
