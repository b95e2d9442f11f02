"""LLVM code of compiled functions: for callers, who optimise it with their own, or for the store.

Numba links the code of each function into every caller, and makes machine code of it besides. These libraries leave out
what is in vain for functions that only exist inside others: all machine code but that of the outermost function, the
cells through which it would find its Python environment (to print, say), looking through the whole of what is linked
for what can only be in what is new.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import _dynfunc
from numba.core import cgutils
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock

_ENVIRONMENT = "_ZN08NumbaEnv"
#: Bytes of a vector register. Otherwise those that functions put on the stack lie where the caller's frame happens to
#: end: in every other process across two lines of the cache, and gamma variates took half as long again.
ALIGNMENT = 64


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
        defined = [f for f in ir_module.functions if not f.is_declaration]
        self._exported += [f.name for f in defined if not f.linkage]
        for function in defined:
            function.attributes.add("nounwind")  # llvmlite writes no alignment without an attribute
            function.attributes.alignstack = ALIGNMENT
        text = cgutils.normalize_ir_text(str(ir_module))
        for variable in ir_module.global_values:
            if isinstance(variable, ir.GlobalVariable) and variable.name.startswith(_ENVIRONMENT):
                if text.count(variable.get_reference()) > 1:
                    self._environments.append(variable.name)
                else:
                    text = text.replace(str(variable), "")
        module = llvmlite.binding.parse_assembly(text)
        module.name = ir_module.name
        self.add_llvm_module(module)

    def executable(self, context: Any, described: Any, environment: Any) -> Any:
        """What a dispatcher keeps of a function that Python does not call; `numba.core.cpu.CPUContext.get_executable`.

        Without an environment there is nothing to do until somebody links the code.
        """
        if self._environments:
            self._ensure_finalized()
            self.codegen.set_env(context.get_env_name(described), environment)
        name = described.qualname.split(".")[-1]
        return _dynfunc.make_function(described.lookup_module(), name, "", 0, environment, (self,))

    def get_llvm_str(self) -> str:
        """Text of the function and of all that it calls, which a caller may ask for before anything else is linked."""
        with global_compiler_lock:
            self._ensure_finalized()
        return str(self._final_module)

    def _optimize_functions(self, module: Any) -> None:
        """Optimize what is new by itself; Numba does so for what is merely declared, too."""
        module.data_layout = self._codegen._data_layout
        for name in [f.name for f in module.functions if not f.is_declaration]:
            manager, builder = self._codegen._function_pass_manager()
            manager.run(module.get_function(name), builder)

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
        if not missing:
            return
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

    def executable(self, context: Any, described: Any, environment: Any) -> Any:
        """The same, once it is optimized."""
        self._ensure_finalized()
        return super().executable(context, described, environment)

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
