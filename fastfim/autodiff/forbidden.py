"""Statements that compile where a value depends on theta, but could not mean what they say.

Functions and operators are refused by their entries in the table (see `selections`); these are no calls.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from numba.core import ir
from numba.core.dispatcher import LiftedWith
from numba.core.unsafe import eh

from fastfim.autodiff.errors import Refused

OBJECT_MODE = (
    "'with objmode' runs in the interpreter, where nothing carries derivatives. Write it with the functions of math "
    "and NumPy, or compute it beforehand and pass it in args."
)
PRINTED = (
    "A value that depends on theta is printed, with all its derivatives. Call the function uncompiled, with a draw and "
    "theta as NumPy arrays, to see its values."
)
TRIED = (
    "A function of theta has a 'try' statement. Compiled arithmetic raises nothing (log(0) is -inf), so that 'except' "
    "would not run: test by 'if' for what may fail."
)
SET = "A value that depends on theta is an element of a set, which tells numbers apart by their bits. Use an array."


def check(func_ir: Any, active: Set[str]) -> None:
    """Refuse them.

    Parameters
    ----------
    func_ir
        A function.
    active
        Names of the variables that may depend on theta.
    """
    for block in func_ir.blocks.values():
        for statement in block.body:
            value = statement.value if isinstance(statement, ir.Assign) else None
            if isinstance(value, ir.Const) and isinstance(value.value, LiftedWith):
                raise Refused(OBJECT_MODE, statement.loc)
            if isinstance(value, ir.Global) and value.value is eh.mark_try_block:
                raise Refused(TRIED, statement.loc)
            if isinstance(statement, ir.Print) and any(v.name in active for v in statement.args):
                raise Refused(PRINTED, statement.loc)
            if isinstance(value, ir.Expr) and value.op == "build_set" and any(v.name in active for v in value.items):
                raise Refused(SET, statement.loc)
