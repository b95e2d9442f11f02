"""Compiled forms of a user's function: `active` carries derivatives, `plain` does not.

Both run the user's source unchanged, inline themselves into their caller and compile the helpers along.  They are
ordinary Numba dispatchers: `active` differentiates in whatever arguments turn out to be `Theta` or `Dual`::

    density = active(logpdf)            # logpdf(x, theta) in plain Python
    theta_with_seeds = seeds(p, n, 2)

    @njit
    def score(x, theta_pointer, out_pointer):
        store_gradient(density(x, theta_with_seeds(theta_pointer, 0)), out_pointer, 1, 0, n)

Compiled functions are remembered by the function object itself, so that two closures of the same code with different
captured constants stay apart, and only as long as somebody uses them.
"""

from __future__ import annotations

import weakref
from typing import Any

from numba import njit
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.typed_passes import NopythonTypeInference
from numba.core.untyped_passes import ReconstructSSA

from fastfim._inlining import inlined
from fastfim.autodiff import (
    elementary,  # noqa: F401 - fills the table
    linear_algebra,  # noqa: F401 - registers stand-ins
    matrices,  # noqa: F401 - registers stand-ins
    operations,
    rules,
    selections,  # noqa: F401 - fills the table
    tuples,  # noqa: F401 - registers types
    vector_math,  # noqa: F401 - enters the forms for vectors
)
from fastfim.autodiff.callgraph import python_function
from fastfim.autodiff.promotion import InferTypes
from fastfim.autodiff.substitute import Substitution
from fastfim.autodiff.vectors import UNBOXED

_compiled: weakref.WeakValueDictionary[tuple[int, str], Any] = weakref.WeakValueDictionary()

operations.register_operators(rules.callables(rules.ENTRIES))


def active(function: Any, *, outermost: bool = False) -> Any:
    """Compile a user's function (plain, or already compiled by `njit`) so that it carries derivatives.

    Parameters
    ----------
    function
        Called with a `Theta` (see `seeds`), or with dual numbers, and whatever else it takes.
    outermost
        Whether its result is what is differentiated in the end: then a tape can be shorter (see `reverse.accumulate`).

    Returns
    -------
    dispatcher
        To be called from compiled code; its result is a `Dual`, or a plain number where the result is constant.
    """
    return _remembered(function, *(("outermost", OutermostCompiler) if outermost else ("active", TopCompiler)), UNBOXED)


def plain(function: Any) -> Any:
    """Compile a user's function for ordinary numbers: a sampler, or a density whose value alone is wanted."""
    return _remembered(function, "plain", PlainCompiler, UNBOXED)


def _active_helper(function: Any) -> Any:
    return _remembered(function, "helper", HelperCompiler, UNBOXED)


def _remembered(function: Any, form: str, pipeline: Any, options: dict[str, Any]) -> Any:
    source = python_function(function)
    found = _compiled.get((id(source), form))
    if found is None or found.py_func is not source:
        found = _compiled[id(source), form] = njit(**{**options, "pipeline_class": pipeline})(source)
    return found


class _Substitute(FunctionPass):  # type: ignore[misc]
    """Runs a `Substitution` before types are inferred."""

    stack = outermost = False

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    @staticmethod
    def compile_along(function: Any) -> Any:
        """Compile a helper."""
        return _active_helper(function)

    def run_pass(self, state: Any) -> bool:
        """Rewrite, and let Numba see what was registered on the way."""
        Substitution(state, self.compile_along, self.stack, self.outermost).run()
        state.typingctx.refresh()
        state.targetctx.refresh()
        return True


@register_pass(mutates_CFG=False, analysis_only=False)
class SubstituteInHelper(_Substitute):
    """For helpers: their arrays stay on the heap, since they may return them."""

    _name = "autodiff_substitute_in_helper"


@register_pass(mutates_CFG=False, analysis_only=False)
class SubstituteInTop(_Substitute):
    """For the user's own function."""

    _name = "autodiff_substitute_in_top"
    stack = True


@register_pass(mutates_CFG=False, analysis_only=False)
class SubstituteInOutermost(_Substitute):
    """For the user's own function, where its result is what is differentiated."""

    _name = "autodiff_substitute_in_outermost"
    stack = outermost = True


@register_pass(mutates_CFG=False, analysis_only=False)
class SubstituteInPlain(_Substitute):
    """For functions without derivatives."""

    _name = "autodiff_substitute_in_plain"

    @staticmethod
    def compile_along(function: Any) -> Any:
        """Compile a helper."""
        return plain(function)


def _pipeline(substitute: Any, inner: bool) -> Any:
    class Compiler(CompilerBase):  # type: ignore[misc]
        def define_pipelines(self) -> list[Any]:
            manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
            manager.add_pass_after(substitute, ReconstructSSA)
            if inner:
                manager.passes = [(InferTypes if p is NopythonTypeInference else p, what) for p, what in manager.passes]
                inlined(manager)
            manager.finalize()
            return [manager]

    return Compiler


HelperCompiler = _pipeline(SubstituteInHelper, inner=True)
TopCompiler = _pipeline(SubstituteInTop, inner=True)
OutermostCompiler = _pipeline(SubstituteInOutermost, inner=True)
PlainCompiler = _pipeline(SubstituteInPlain, inner=True)
