"""Compile functions without machine code of their own, or not yet.

Some only exist inside their callers. Numba optimizes each function it compiles, makes machine code of it, and links its
LLVM code into every caller, where it is optimized once more.  For a function that is inlined wherever it is called, all
but the last is in vain; a density with a Cholesky factor calls some fifty of them, and compiles a third faster so::

    square = njit(pipeline_class=InlinedCompiler, no_cpython_wrapper=True, no_cfunc_wrapper=True)(lambda x: x * x)

The code is that of the last optimization either way.  What else goes with machine code is kept: the cell through which
compiled code finds its Python environment (to print, say) is made, and callers share it.

Others go to the store, which makes machine code of them by itself: `EntryCompiler` optimizes them and all that they
call, and leaves machine code until somebody asks for an address in this process.
"""

from __future__ import annotations

from typing import Any

from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, PassManager, register_pass
from numba.core.untyped_passes import ReconstructSSA

from ._libraries import CalledLibrary, EntryLibrary, InlinedLibrary


class _ChooseLibrary(FunctionPass):  # type: ignore[misc]
    """Make the library of the code that lowering will make, which takes one if it is there."""

    library: type[InlinedLibrary]

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Make it."""
        context = state.targetctx  # each compilation has its own
        state.library = self.library(context.codegen(), state.func_id.func_qualname)
        context.get_executable = lambda library, *about: library.executable(context, *about)
        return False


@register_pass(mutates_CFG=False, analysis_only=False)
class ChooseInlinedLibrary(_ChooseLibrary):
    """Code for callers only."""

    _name = "choose_inlined_library"
    library = InlinedLibrary


@register_pass(mutates_CFG=False, analysis_only=False)
class ChooseCalledLibrary(_ChooseLibrary):
    """Code for callers, who call it."""

    _name = "choose_called_library"
    library = CalledLibrary


@register_pass(mutates_CFG=False, analysis_only=False)
class ChooseEntryLibrary(_ChooseLibrary):
    """Code for the store."""

    _name = "choose_entry_library"
    library = EntryLibrary


class _Passes(PassManager):  # type: ignore[misc]
    """Passes one after the other. Numba's announces each of them, with all that is to be said of the function."""

    def _runPass(self, index: int, step: Any, state: Any) -> None:
        step.analysis = self._analysis
        step.run_initialization(state)
        step.run_pass(state)
        step.run_finalizer(state)


def inlined(manager: Any, library: Any = ChooseInlinedLibrary) -> Any:
    """Let a pipeline of passes compile functions for their callers only, or for another kind of ``library``."""
    manager.add_pass_after(library, ReconstructSSA)
    manager.__class__ = _Passes
    return manager


#: Passes for what functions of fastfim's own do without: closures, expressions of whole arrays, ``with``, functions
#: to be inlined before types are known. Each looks through all statements, and has Numba look for their uses again.
_SPARED = frozenset(
    {
        "InlineClosureLikes",
        "InlineInlinables",
        "InlineOverloads",
        "LiteralPropagationSubPipelinePass",
        "LiteralUnroll",
        "MakeFunctionToJitFunction",
        "NoPythonSupportedFeatureValidation",
        "NopythonRewrites",
        "WithLifting",
    }
)


class InlinedCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's compiler, for functions that are inlined into all their callers."""

    library: type[_ChooseLibrary] = ChooseInlinedLibrary

    def define_pipelines(self) -> list[Any]:
        """The usual passes but some, and ours: 7 % less for a block."""
        manager = inlined(DefaultPassBuilder.define_nopython_pipeline(self.state), self.library)
        manager.passes = [(step, what) for step, what in manager.passes if step.__name__ not in _SPARED]
        manager.finalize()
        return [manager]


class CalledCompiler(InlinedCompiler):
    """The same, for functions of which each caller has one copy."""

    library = ChooseCalledLibrary


class EntryCompiler(InlinedCompiler):
    """The same, for functions that the store keeps."""

    library = ChooseEntryLibrary
