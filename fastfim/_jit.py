"""The one room that chooses Numba's options.

``STRICT`` arithmetic keeps NaN, infinities and the order of additions: fused multiply-adds and signless zeros are all
that the compiler may assume (``fastmath=True`` removes ``isfinite`` tests and breaks branches that return ``-inf``).
``SUMMING`` also lets it add in any order, so that a long sum runs in SIMD lanes; NaN and infinities still come through.

Derivatives have two more freedoms, each in one place of `autodiff.emit`. ``RECIPROCAL``: a quotient may be a product
with the reciprocal, which derivatives want anyway; a division takes as long as ten products, and one by a parameter is
then done once for all draws. ``CHAIN``: a product with a derivative that is known to be zero is zero, where IEEE
arithmetic has to wait for the other factor, which may be infinite.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import llvmlite.binding
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.compiler_lock import global_compiler_lock
from numba.core.imputils import impl_ret_borrowed
from numba.core.registry import CPUDispatcher, cpu_target
from numba.extending import intrinsic as _intrinsic
from numba.np.arrayobj import make_array, populate_array

from . import store
from ._arrays import empty
from ._inlining import CalledCompiler, EntryCompiler, InlinedCompiler
from ._libraries import ALIGNMENT, EntryLibrary


def _import_array_functions() -> None:
    """Import Numba's functions of arrays, but not the whole of ``scipy.linalg``, half of what Numba takes to start.

    It imports that to see whether there is a BLAS, and where one is called looks again.
    """
    linalg: Any = import_module("numba.np.linalg")
    look = getattr(linalg, "ensure_blas", None)
    if look is None:  # another Numba, which may do as it likes
        return
    linalg.ensure_blas = lambda: None
    try:
        arraymath: Any = import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = look
    arraymath.ensure_blas = look


_import_array_functions()

STRICT = frozenset({"contract", "nsz"})
SUMMING = STRICT | {"reassoc"}
RECIPROCAL = STRICT | {"arcp"}
CHAIN = STRICT | {"nnan", "ninf"}

#: Arithmetic of all compiled code.
ARITHMETIC: dict[str, Any] = {"error_model": "numpy", "fastmath": set(STRICT)}

#: Spares the wrappers through which Python and C call compiled code.
NO_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: Options of functions that are inlined where compiled code calls them (variates, the user's functions).
INNER: dict[str, Any] = {**ARITHMETIC, "forceinline": True, **NO_WRAPPERS, "pipeline_class": InlinedCompiler}


def intrinsic(function: Callable[..., Any]) -> Any:
    """`numba.extending.intrinsic`, for type checkers."""
    return _intrinsic(function)


class _Inlined(CPUDispatcher):  # type: ignore[misc]
    """A compiled function without wrappers: where Python calls it, it runs as plain Python."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.py_func(*args, **kwargs)


def inner(function: Any) -> Any:
    """Compile ``function`` so that its callers swallow it whole; only compiled code calls it."""
    return _without_wrappers(function, INNER)


def apart(function: Any, flags: frozenset[str] = STRICT) -> Any:
    """Like `inner`, as a function of its own."""
    options = {**ARITHMETIC, "fastmath": set(flags), **NO_WRAPPERS}
    return _without_wrappers(function, {**options, "pipeline_class": InlinedCompiler})


def called(function: Any) -> Any:
    """Like `apart`, and never swallowed: what a caller calls from many places is there once."""
    options = {**ARITHMETIC, **NO_WRAPPERS, "forceinline": False, "pipeline_class": CalledCompiler}
    return _without_wrappers(function, options)


def _without_wrappers(function: Any, options: dict[str, Any]) -> Any:
    compiled = njit(**options)(function)
    compiled.__class__ = _Inlined
    return compiled


def apart_summing(function: Any) -> Any:
    """Like `apart`, with sums in any order."""
    return apart(function, SUMMING)


def prefetch(builder: Any, address: Any, write: bool = False) -> None:
    """Write an instruction that calls a line from memory before it is needed."""
    byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [builder.inttoptr(address, byte), *(number(n) for n in (int(write), 3, 1))])


def native(signature: Any, function: Any, flags: frozenset[str] = STRICT) -> store.Compiled:
    """Compile ``function`` for one signature, as an entry by address: without a wrapper for the interpreter."""
    options = {**ARITHMETIC, "fastmath": set(flags), **NO_WRAPPERS, "pipeline_class": EntryCompiler}
    (result,) = njit(signature, nogil=True, **options)(function).overloads.values()
    return store.Compiled(result.library, result.fndesc.llvm_func_name, result)


@intrinsic
def nothing(typing_context: Any, *args: Any) -> Any:
    """Take anything, and do nothing: a function of that kind would take ten milliseconds to compile."""
    return types.none(types.StarArgTuple(args)), lambda context, builder, sig, args: context.get_dummy_value()


@intrinsic
def number(typing_context: Any, constant: Any) -> Any:
    """Give a whole number that is no literal: what takes a literal is compiled for it, and once more for others."""
    return types.intp(types.intp), lambda context, builder, sig, args: args[0]


@intrinsic
def no_items(typing_context: Any, *args: Any) -> Any:
    """Take anything, and give a tuple of nothing."""
    kind = types.Tuple(())
    return kind(types.StarArgTuple(args)), lambda context, builder, sig, args: context.make_tuple(builder, kind, ())


@intrinsic
def second(typing_context: Any, first: Any, second: Any) -> Any:
    """Give the second of two values."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return impl_ret_borrowed(context, builder, sig.return_type, args[1])

    return second(first, second), generate


def returned(function: Any, arguments: tuple[Any, ...]) -> Any:
    """Type of what a compiled function gives for arguments of these types."""
    function.compile(arguments)
    return function.overloads[arguments].signature.return_type


def stack_array(length: int, scalar: Any) -> Any:
    """Intrinsic ``f() -> array`` of a few numbers, not initialised, on the stack of the function that calls it.

    It may be told their number, and knows it already. Code that allocates nothing needs nothing of Numba's at run time.
    """
    kind = types.Array(scalar, 1, "C")

    @intrinsic
    def make(typing_context: Any, *words: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            item = context.get_data_type(scalar)
            place = cgutils.alloca_once(builder, ir.ArrayType(item, length))
            place.align = ALIGNMENT  # for whole vectors of them
            step = context.get_constant(types.intp, context.get_abi_sizeof(item))
            array = make_array(kind)(context, builder)
            populate_array(
                array,
                data=builder.bitcast(place, item.as_pointer()),
                shape=[context.get_constant(types.intp, length)],
                strides=[step],
                itemsize=step,
                meminfo=None,
            )
            return array._getvalue()

        return kind(types.StarArgTuple(words)), generate

    return make


def reading(scalar: Any) -> Any:
    """Intrinsic ``f(array) -> array``: the same memory, its items read as ``scalar``s, of no more bytes.

    As ``array.view`` does, with a twentieth of what that takes to compile.
    """

    @intrinsic
    def read(typing_context: Any, array: Any) -> Any:
        kind = array.copy(dtype=scalar)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            source, out = make_array(array)(context, builder, args[0]), make_array(kind)(context, builder)
            bytes_before, size = (context.get_abi_sizeof(context.get_data_type(t)) for t in (array.dtype, scalar))
            shape, item = cgutils.unpack_tuple(builder, source.shape), context.get_constant(types.intp, size)
            shape[-1] = builder.mul(shape[-1], context.get_constant(types.intp, bytes_before // size))
            populate_array(
                out,
                data=builder.bitcast(source.data, context.get_data_type(scalar).as_pointer()),
                shape=shape,
                strides=[*cgutils.unpack_tuple(builder, source.strides)[:-1], item],
                itemsize=item,
                meminfo=source.meminfo,
                parent=source.parent,
            )
            return impl_ret_borrowed(context, builder, kind, out._getvalue())

        return kind(array), generate

    return read


as_int64, as_uint64, as_uint32 = reading(types.int64), reading(types.uint64), reading(types.uint32)

#: Words of memory that a pass may take from the stack.
STACK_WORDS = 4096


def memory(words: int | None) -> Any:
    """Compiled ``f(words)``: an array of so many float64, on the stack if their number is known here and small."""
    return empty if words is None or words > STACK_WORDS else stack_array(words, types.float64)


#: What compiles each `external` function, by the name of its symbol.
COMPILERS: dict[str, Callable[[], store.Compiled]] = {}


#: What makes those of one function for several kinds of arguments, by its name (see `externals`).
FAMILIES: dict[str, Callable[[str], Any]] = {}


def compiler(name: str) -> Callable[[], store.Compiled]:
    """What compiles the `external` function of a symbol, once its module is imported."""
    family, _, kind = name.removesuffix("]").partition("[")
    if kind:
        FAMILIES[family](kind)
    return COMPILERS[name]


def _linker(name: str, compiled: Callable[[], store.Compiled]) -> Callable[[], store.Code]:
    """What compiles the function of a symbol, or reads its machine code from disk, and tells the linker: once."""

    @cache
    def link() -> store.Code:
        code = store.fetch((store.EXTERNAL, name), compiled)
        llvmlite.binding.add_symbol(name, code.address)
        return code

    COMPILERS[name] = compiled
    return link


class Direct(NamedTuple):
    """A function that machine code calls by its symbol, and that returns its result, once it is linked."""

    symbol: str
    result: Any
    link: Callable[[], store.Code]


def direct(signature: Any, function: Any, suffix: str) -> Direct:
    """Like `external`, without Numba's convention, by which results are written to memory: it may then be pure."""
    name = f"{function.__module__}.{function.__name__}{suffix}"
    return Direct(name, signature.return_type, _linker(name, lambda: _direct(signature, function)))


@global_compiler_lock  # type: ignore[untyped-decorator]
def _direct(signature: Any, function: Any) -> store.Compiled:
    dispatcher, context = njit(**INNER)(function), cpu_target.target_context
    dispatcher.compile(signature.args)
    inside = dispatcher.overloads[signature.args]
    name = f"direct.{inside.fndesc.llvm_func_name}"
    library = EntryLibrary(context.codegen(), name)
    module = library.create_ir_module(name)
    kinds = [context.get_value_type(kind) for kind in (signature.return_type, *signature.args)]
    entry = ir.Function(module, ir.FunctionType(kinds[0], kinds[1:]), name)
    builder = ir.IRBuilder(entry.append_basic_block())
    result = context.call_internal_no_propagate(builder, inside.fndesc, signature, entry.args)[1]
    builder.ret(result)
    library.add_linking_library(inside.library)
    library.add_ir_module(module)
    library.finalize()
    return store.Compiled(library, name, inside)


def externals(signature_of: Callable[[str], Any]) -> Any:
    """Like `external`, for several kinds of arguments: a function of words that say which, ``signature_of`` these."""

    def wrap(function: Any) -> Any:
        @cache
        def member(kind: str) -> Any:
            return external(signature_of(kind), suffix=f"[{kind}]")(function)

        FAMILIES[f"{function.__module__}.{function.__name__}"] = member
        return member

    return wrap


def external(signature: Any, *, flags: frozenset[str] = STRICT, suffix: str = "") -> Any:
    """Compile a function once, and let compiled code call it through a named symbol.

    Code that is linked in is optimised again with each of its callers; a symbol is not: 3 times less to compile
    for a block of normal draws. The first caller compiles it, or reads its machine code from disk. Several of one name
    have a ``suffix``; all are to be made when their module is imported, since code from disk asks for them by name.
    """

    def wrap(function: Any) -> Any:
        name = f"{function.__module__}.{function.__name__}{suffix}"

        link = _linker(name, lambda: native(signature, function, flags))

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            link()
            given = zip(cgutils.unpack_tuple(builder, args[0]), sig.args[0], signature.args, strict=True)
            values = [context.cast(builder, *value) for value in given]
            convention = context.call_conv
            kind = convention.get_function_type(signature.return_type, signature.args)
            target = cgutils.get_or_insert_function(builder.module, kind, name)
            # such functions never raise, so that their status is of no interest
            _, result = convention.call_function(builder, target, signature.return_type, signature.args, values)
            return context.get_dummy_value() if signature.return_type == types.none else result

        @intrinsic
        def call(typing_context: Any, *args: Any) -> Any:
            return signature.return_type(types.StarArgTuple(args)), generate

        return call

    return wrap
