"""From Numba's compile result to bytes, and from bytes to callable code.

What is kept is the object file of one optimized module, with every definition but the entry made internal, so that
nothing in it can be taken for what another module defines (Numba gives equal names to closures of equal types), and the
list of symbols that it needs. `link` hands each object to LLVM as a library of its own, with an address for each
symbol (see `symbols`).
"""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import count
from typing import Any

_LENGTH = struct.Struct("<q")
_numbers = count()
_lock = threading.Lock()


@cache
def llvm() -> Any:
    """The library; nothing needs it that an import does, of which it would take a third of the time."""
    return import_module("llvmlite.binding")


@dataclass(frozen=True)
class Compiled:
    """What Numba compiled: its library, the symbol of the entry, and what else is to be kept alive."""

    library: Any
    entry: str
    keep: Any = None

    def code(self) -> Code:
        """The code where Numba put it."""
        return Code(self.library.get_pointer_to_function(self.entry), self)


@dataclass(frozen=True)
class Code:
    """Code in memory: the address of its entry, and what the memory belongs to."""

    address: int
    keep: Any


def packed(compiled: Compiled) -> bytes | None:
    """Content of a file; None where the code holds addresses of this process, or Numba's insides have moved."""
    try:
        if compiled.library.has_dynamic_globals:
            return None
        # the one private name of Numba's that the store rests on
        module = llvm().parse_bitcode(compiled.library._final_module.as_bitcode())
    except (AttributeError, RuntimeError):
        return None
    return pack(module, compiled.entry)


def pack(module: Any, entry: str) -> bytes:
    """Content of a file for an optimized module."""
    for definition in (*module.functions, *module.global_variables):
        if not definition.is_declaration and definition.name != entry:
            definition.linkage = "internal"
    machine = _machine()
    passes = llvm().create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm().create_pass_builder(machine, llvm().create_pipeline_tuning_options(3)))
    needed = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    needed += [g.name for g in module.global_variables if g.is_declaration]
    header = json.dumps([entry, sorted(needed)]).encode()
    return _LENGTH.pack(len(header)) + header + bytes(machine.emit_object(module))


def link(key: str, content: bytes, address: Callable[[str], int | None]) -> Code | None:
    """Code of a file, whose symbols ``address`` finds; None if one that it needs is nowhere."""
    (length,) = _LENGTH.unpack_from(content)
    entry, needed = json.loads(content[_LENGTH.size : _LENGTH.size + length])
    addresses = {name: address(name) for name in needed}
    if not all(addresses.values()):
        return None
    with _lock:
        builder = llvm().JITLibraryBuilder().add_object_img(content[_LENGTH.size + length :]).export_symbol(entry)
        for name, place in addresses.items():
            builder.import_symbol(name, place)
        # a name of its own, should the same key be linked twice
        library = builder.link(_linker(), f"fastfim.{key}.{next(_numbers)}")
    return Code(library[entry], library)


@cache
def _machine() -> Any:
    library = llvm()
    library.initialize_native_target()
    library.initialize_native_asmprinter()
    return library.Target.from_default_triple().create_target_machine(
        cpu=library.get_host_cpu_name(),
        features=library.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="jitdefault",
        jit=True,
    )


@cache
def _linker() -> Any:
    return llvm().create_lljit_compiler(_machine())
