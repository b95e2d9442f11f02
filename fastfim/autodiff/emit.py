"""Arithmetic that writes LLVM instructions: a `Value` looks like a float, an `Emitter` holds the functions.

A derivative rule is short mathematics, ``r = 1 / x``, run once while the user's density is being compiled; every
operation appends an instruction to the function under construction.  Emitting instructions directly, rather than
compiling a Python function per rule, keeps compilation fast and lets the optimiser see straight-line code::

    def log(e, x):
        r = 1 / x
        return e.call(math.log, x), (r,), (lambda: -r * r,)

Nothing here depends on how many numbers a value holds: an element is a ``double`` or a ``<w x double>``, and scalars
are broadcast to vectors where the two meet.  Arithmetic carries the flags of ``_jit.STRICT``.

`Emitter.call` reaches functions.  All of them are pure, and declared so to LLVM (see `declare_pure`): a
result that nobody uses vanishes, equal calls are merged, and a call on parameters alone moves out of the loop over
draws.  Three kinds are callable: functions of `math`, plain scalar Python functions, and names of C symbols.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core.dispatcher import Dispatcher

from fastfim import _jit
from fastfim.autodiff.numerics.compile import kept

DOUBLE = ir.DoubleType()
INDEX = ir.IntType(64)
LANE = ir.IntType(32)
FLAGS = tuple(sorted(_jit.STRICT))
RECIPROCAL_FLAGS, CHAIN_FLAGS = tuple(sorted(_jit.RECIPROCAL)), tuple(sorted(_jit.CHAIN))

Operand: TypeAlias = "Value | float"

#: Functions for which LLVM has an intrinsic; these also work on whole vectors.
INTRINSICS: dict[Any, str] = {
    math.fabs: "llvm.fabs",
    math.sqrt: "llvm.sqrt",
    math.exp: "llvm.exp",
    math.exp2: "llvm.exp2",
    math.log: "llvm.log",
    math.log2: "llvm.log2",
    math.log10: "llvm.log10",
    math.sin: "llvm.sin",
    math.cos: "llvm.cos",
    math.pow: "llvm.pow",
    math.copysign: "llvm.copysign",
}

#: Functions of the C library; Numba binds the symbols.
SYMBOLS: dict[Any, str] = {
    math.log1p: "log1p",
    math.expm1: "expm1",
    math.tan: "tan",
    math.asin: "asin",
    math.acos: "acos",
    math.atan: "atan",
    math.atan2: "atan2",
    math.sinh: "sinh",
    math.cosh: "cosh",
    math.tanh: "tanh",
    math.asinh: "asinh",
    math.acosh: "acosh",
    math.atanh: "atanh",
    math.cbrt: "cbrt",
    math.erf: "erf",
    math.erfc: "erfc",
    math.gamma: "numba_gamma",
    math.lgamma: "lgamma",
}

#: Functions that have a form for whole vectors, ``form(emitter, *vectors)`` (see `vector_math`).
VECTOR_FORMS: dict[Any, Callable[..., Value]] = {}


@functools.cache
def inlined(function: Any) -> Any:
    """The dispatcher of a scalar function of a rule, made once."""
    return function if isinstance(function, Dispatcher) else _jit.inner(function)


class Value:
    """A number that will exist at run time: ``double``, ``<w x double>``, or the result of a comparison."""

    __slots__ = ("emitter", "ir")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, emitter: Emitter, instruction: Any) -> None:
        self.emitter, self.ir = emitter, instruction

    @property
    def width(self) -> int:
        """Number of elements: 1 for a scalar."""
        return self.ir.type.count if isinstance(self.ir.type, ir.VectorType) else 1

    @property
    def constant(self) -> float | None:
        """The number, where it is already known while compiling."""
        known = isinstance(self.ir, ir.Constant) and isinstance(self.ir.constant, (int, float))
        return float(self.ir.constant) if known else None

    def __add__(self, other: Operand) -> Value:
        return self.emitter.arithmetic("fadd", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self.emitter.arithmetic("fadd", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self.emitter.arithmetic("fsub", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self.emitter.arithmetic("fsub", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self.emitter.multiply(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> Value:
        return self.emitter.arithmetic("fdiv", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.emitter.arithmetic("fdiv", other, self)

    def __neg__(self) -> Value:
        return Value(self.emitter, self.emitter.builder.fneg(self.ir, flags=FLAGS))

    def __lt__(self, other: Operand) -> Value:
        return self.emitter.compare("<", self, other)

    def __le__(self, other: Operand) -> Value:
        return self.emitter.compare("<=", self, other)

    def __gt__(self, other: Operand) -> Value:
        return self.emitter.compare(">", self, other)

    def __ge__(self, other: Operand) -> Value:
        return self.emitter.compare(">=", self, other)

    def __eq__(self, other: Operand) -> Value:  # type: ignore[override]
        return self.emitter.compare("==", self, other)

    def __ne__(self, other: Operand) -> Value:  # type: ignore[override]
        return self.emitter.compare("!=", self, other)

    def __and__(self, other: Value) -> Value:
        a, b = self.emitter.broadcast(self, other)
        return Value(self.emitter, self.emitter.builder.and_(a.ir, b.ir))

    def __or__(self, other: Value) -> Value:
        a, b = self.emitter.broadcast(self, other)
        return Value(self.emitter, self.emitter.builder.or_(a.ir, b.ir))

    def __invert__(self) -> Value:
        return Value(self.emitter, self.emitter.builder.not_(self.ir))


class Emitter:
    """Functions on `Value`; one is made for each operation that is lowered.

    Parameters
    ----------
    context, builder
        Numba's target context and llvmlite's instruction builder, at the place where instructions are to go.
    """

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder

    def value(self, number: Operand) -> Value:
        """A number known now as a `Value` (a `Value` comes back unchanged)."""
        return number if isinstance(number, Value) else Value(self, ir.Constant(DOUBLE, float(number)))

    def splat(self, x: Operand, width: int) -> Value:
        """Every element of a vector equal to ``x``; a vector, or ``width`` 1, comes back unchanged."""
        scalar = self.value(x).ir
        if width == 1 or isinstance(scalar.type, ir.VectorType):
            return Value(self, scalar)
        if isinstance(scalar, ir.Constant) and scalar.constant is not None:
            return Value(self, ir.Constant(ir.VectorType(scalar.type, width), [scalar.constant] * width))
        undefined = ir.Constant(ir.VectorType(scalar.type, width), ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(LANE, 0))
        zeros = ir.Constant(ir.VectorType(LANE, width), [0] * width)
        return Value(self, self.builder.shuffle_vector(first, first, zeros))

    def lane(self, x: Value, index: int) -> Value:
        """Element ``index`` of a vector (a scalar is its own every element)."""
        if x.width == 1:
            return x
        return Value(self, self.builder.extract_element(x.ir, ir.Constant(LANE, index)))

    def broadcast(self, *xs: Operand) -> list[Value]:
        """All operands at the width of the widest."""
        values = [self.value(x) for x in xs]
        width = max(v.width for v in values)
        return [self.splat(v, width) for v in values]

    def arithmetic(self, instruction: str, x: Operand, y: Operand) -> Value:
        """``fadd``, ``fsub``, ``fmul`` or ``fdiv`` under the strict flags."""
        a, b = self.broadcast(x, y)
        return Value(self, getattr(self.builder, instruction)(a.ir, b.ir, flags=FLAGS))

    def multiply(self, x: Value, y: Operand) -> Value:
        """``x * y``; factors of 1 and -1 cost nothing."""
        factor = y.constant if isinstance(y, Value) else y
        if factor == 1:
            return x
        return -x if factor == -1 else self.arithmetic("fmul", x, y)

    def quotient(self, x: Operand, y: Operand) -> Value:
        """``x / y``, or ``x`` times the reciprocal of ``y`` where that is at hand: a unit in the last place apart."""
        a, b = self.broadcast(x, y)
        return Value(self, self.builder.fdiv(a.ir, b.ir, flags=RECIPROCAL_FLAGS))

    def scale(self, derivative: Value, factor: Operand) -> Value:
        """A derivative times a partial one: zero where the derivative is known to be, whatever the factor is.

        Where neither is known, and one of them is infinite or NaN, it is what arithmetic makes of it all the same.
        """
        if not isinstance(factor, Value) and factor in (1, -1):
            return self.multiply(derivative, factor)
        a, b = self.broadcast(derivative, factor)
        return Value(self, self.builder.fmul(a.ir, b.ir, flags=CHAIN_FLAGS))

    def compare(self, relation: str, x: Operand, y: Operand) -> Value:
        """A condition; comparisons with NaN are false, except ``!=``."""
        a, b = self.broadcast(x, y)
        compare = self.builder.fcmp_unordered if relation == "!=" else self.builder.fcmp_ordered
        return Value(self, compare(relation, a.ir, b.ir))

    def select(self, condition: Value, x: Operand, y: Operand) -> Value:
        """``x`` where ``condition`` holds, else ``y``; both are computed."""
        a, b = self.broadcast(x, y)
        if condition.width > 1:
            a, b = self.splat(a, condition.width), self.splat(b, condition.width)
        return Value(self, self.builder.select(condition.ir, a.ir, b.ir))

    def sqrt(self, x: Operand) -> Value:
        """Square root."""
        return self.call(math.sqrt, x)

    def fma(self, x: Operand, y: Operand, z: Operand) -> Value:
        """``x * y + z`` with one rounding."""
        return self._call_intrinsic("llvm.fma", self.broadcast(x, y, z))

    def call(self, function: Any, *xs: Operand) -> Value:
        """Call a pure scalar function, element by element where the arguments are vectors.

        Parameters
        ----------
        function
            A function of `math`, a plain Python function of floats (compiled by Numba; it must not raise), or the name
            of a C symbol that takes and returns doubles.
        *xs
            Its arguments.
        """
        values = self.broadcast(*xs)
        width = values[0].width
        if width > 1 and function in VECTOR_FORMS:
            return VECTOR_FORMS[function](self, *values)
        if function in INTRINSICS:
            return self._call_intrinsic(INTRINSICS[function], values)
        target = self._declared(function, len(values))
        if width == 1:
            return Value(self, self.builder.call(target, [v.ir for v in values]))
        result = ir.Constant(ir.VectorType(DOUBLE, width), ir.Undefined)
        for k in range(width):
            element = self.builder.call(target, [self.lane(v, k).ir for v in values])
            result = self.builder.insert_element(result, element, ir.Constant(LANE, k))
        return Value(self, result)

    def _call_intrinsic(self, name: str, values: list[Value]) -> Value:
        kind = values[0].ir.type
        suffix = "f64" if values[0].width == 1 else f"v{values[0].width}f64"
        target = self._function(f"{name}.{suffix}", kind, len(values))
        return Value(self, self.builder.call(target, [v.ir for v in values], fastmath=FLAGS))

    def _function(self, name: str, kind: Any, arity: int) -> Any:
        known = self.builder.module.globals.get(name)
        return known or ir.Function(self.builder.module, ir.FunctionType(kind, [kind] * arity), name)

    def _declared(self, function: Any, arity: int) -> Any:
        symbol = SYMBOLS.get(function, function)
        if not isinstance(symbol, str):
            return pure_function(self, symbol, arity)
        target = self._function(symbol, DOUBLE, arity)
        declare_pure(target)
        return target


def declare_pure(function: Any) -> None:
    """Tell LLVM that a call only computes: it may be dropped, merged with its like, or moved.

    ``speculatable`` also lets it move out of a branch: without, a density that begins with ``if x <= 0: return -inf``
    works out its normalizing constant again at every draw, at twice the cost.
    """
    for attribute in ("readnone", "nounwind", "willreturn", "speculatable"):
        set.add(function.attributes, attribute)  # llvmlite's own `add` does not know `willreturn`


def pure_function(e: Emitter, function: Any, arity: int) -> Any:
    """The LLVM function ``f(double...)`` of a plain Python function, which returns what that does.

    Functions of `numerics` are called by name; others are compiled along, inside a function that returns the result,
    which Numba's own convention writes to memory.
    """
    external, module = kept(function), e.builder.module
    if external is not None:
        external.link()
        name, result = external.symbol, external.result
    else:
        dispatcher, arguments = inlined(function), (types.float64,) * arity
        dispatcher.compile(arguments)
        compiled = dispatcher.overloads[arguments]
        name, result = f"pure.{compiled.fndesc.mangled_name}", compiled.signature.return_type
    known = module.globals.get(name)
    if known is not None:
        return known
    target = ir.Function(module, ir.FunctionType(e.context.get_value_type(result), [DOUBLE] * arity), name)
    declare_pure(target)
    if external is None:
        e.context.add_linking_libs((compiled.library,))
        target.linkage = "linkonce_odr"
        target.attributes.add("noinline")  # inlined, its loops would stay in the loop over draws
        inside = ir.IRBuilder(target.append_basic_block())
        values = list(target.args)
        inside.ret(e.context.call_internal_no_propagate(inside, compiled.fndesc, compiled.signature, values)[1])
    return target
