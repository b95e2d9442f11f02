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

import llvmlite.binding
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.untyped_passes import ReconstructSSA

_ENVIRONMENT = "_ZN08NumbaEnv"


class InlinedLibrary(JITCodeLibrary):  # type: ignore[misc]
    """LLVM code of one function, and of all that it calls, as it comes from lowering.

    Numba looks through all functions and variables of a library, and at each caller again, for what these names say.
    They are known here from the one function that is new: a fifth of the time to compile a Gaussian process.
    """

    _final_module: Any

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self._exported: list[str] = []
        self._environments: list[str] = []

    def add_ir_module(self, ir_module: Any) -> None:
        """Take the code of the function, and note its names."""
        super().add_ir_module(ir_module)
        self._exported += [f.name for f in ir_module.functions if not f.is_declaration and not f.linkage]
        self._environments += [name for name in ir_module.globals if name.startswith(_ENVIRONMENT)]

    def _optimize_final_module(self) -> None:
        """Left to the callers."""

    def _finalize_final_module(self) -> None:
        for name in self._exported:  # each caller has its own copy
            self._final_module.get_function(name).linkage = "linkonce_odr"
        self._shared_module = self._final_module
        self._define_environments()
        self._finalized = True

    def _define_environments(self) -> None:
        engine = self._codegen._engine
        missing = [name for name in self._environments if not engine.is_symbol_defined(name)]
        cells = [str(self._final_module.get_global_variable(name)) for name in missing]
        module = llvmlite.binding.parse_assembly("\n".join(cells))
        module.data_layout, module.triple = self._final_module.data_layout, self._final_module.triple
        self._codegen._add_module(module)
        self._finalize_specific()


class CalledLibrary(InlinedLibrary):
    """LLVM code of one function that callers call, one copy each, however short they find it."""

    def _finalize_final_module(self) -> None:
        super()._finalize_final_module()
        for name in self._exported:
            self._final_module.get_function(name).add_function_attribute("noinline")


class EntryLibrary(InlinedLibrary):
    """Optimized code of a function and all that it calls; machine code once its address is asked for."""

    def _optimize_final_module(self) -> None:
        JITCodeLibrary._optimize_final_module(self)

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._define_environments()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Address of one of its functions, null for others (wrappers that Numba looks for in vain)."""
        self._ensure_finalized()
        if name not in self._exported:
            return 0
        if not self._codegen._engine.is_symbol_defined(name):
            JITCodeLibrary._finalize_final_module(self)
        return int(JITCodeLibrary.get_pointer_to_function(self, name))


class _ChooseLibrary(FunctionPass):  # type: ignore[misc]
    """Make the library of the code that lowering will make, which takes one if it is there."""

    library: type[JITCodeLibrary]

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Make it."""
        state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
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


def inlined(manager: Any, library: Any = ChooseInlinedLibrary) -> Any:
    """Let a pipeline of passes compile functions for their callers only, or for another kind of ``library``."""
    manager.add_pass_after(library, ReconstructSSA)
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
