# mypy: disable-error-code="untyped-decorator"
"""Calls and operators on active numbers: how the table of rules reaches Numba.

A function of the table, met in a user's source, is replaced by an `Operation` (see `substitute`).  Its type,
`OperationType`, settles a call by the types of the arguments: numbers of which one carries derivatives go by the rule;
anything else is left to the function that the user named, or, where Numba does not know that function (those of
``scipy.special``), to the rule's own function of plain numbers.

Operators have no name to replace, so ``+ - * / **``, the comparisons and ``not`` are typed for active numbers here.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.errors import NumbaError, TypingError
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model, typeof_impl

from fastfim.autodiff import rules
from fastfim.autodiff.dual import Dual
from fastfim.autodiff.emit import DOUBLE, Emitter, Value
from fastfim.autodiff.errors import READ_ONLY, STORED, Refused
from fastfim.autodiff.expressions import Expression
from fastfim.autodiff.masks import Mask
from fastfim.autodiff.number import REAL, Active, Parts, joint
from fastfim.autodiff.rules import Adding, Choice, Entry, Partial, Predicate, Refusal, Rule
from fastfim.autodiff.theta import Theta


@dataclass(frozen=True, eq=False)
class Operation:
    """One use of a function in a user's source.

    Attributes
    ----------
    function
        What the user named.
    entry
        Its entry in the table, for calls on numbers (``None``: it has none).
    vector
        An `ArrayFunction`, or a compiled function, for calls with a vector of active numbers among their arguments, or
        ``None``.
    loc
        The place, for messages.
    always
        For arguments of which types ``vector`` also serves where nothing carries derivatives (``None``: of none).
    """

    function: Any
    entry: Entry | None
    vector: Any
    loc: Any
    always: Callable[..., bool] | None = None


class OperationType(types.Callable, types.Opaque):  # type: ignore[misc]
    """Numba type of an `Operation`."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        name = getattr(operation.function, "__name__", str(operation.function))
        vector = operation.vector if isinstance(operation.vector, ArrayFunction) else id(operation.vector)
        meaning = f"{id(operation.function)}, {id(operation.entry)}, {vector}"
        super().__init__(f"Operation({name}, {meaning}, {operation.loc})")

    def get_call_type(self, context: Any, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        """The signature of a call, or an error that says why there is none."""
        target, sig = resolve(context, self.operation, args, kws)
        self.get_impl_key(sig).targets[sig.args] = target
        return sig

    def get_call_signatures(self) -> tuple[list[Any], bool]:
        """For Numba's messages: none that could be listed."""
        return [], True

    def get_impl_key(self, sig: Any) -> Any:
        """One lowering serves all uses of a function."""
        return lowering(self.operation.function, self.operation.entry, self.operation.vector)


register_model(OperationType)(models.OpaqueModel)


class ArrayFunction:
    """What a function does with arrays, where it writes its instructions itself (see `elementwise` and `folds`).

    ``otherwise``: the stand-in of calls that it does not serve, or ``None``.
    """

    otherwise: Any

    def resolve(self, context: Any, args: tuple[Any, ...]) -> Any:
        """Signature of a call, or ``None`` where the types are none of its."""
        raise NotImplementedError

    def lower(self, context: Any, builder: Any, sig: Any, args: Any) -> Any:
        """Write the instructions of a call."""
        raise NotImplementedError


@typeof_impl.register(Operation)
def type_of_operation(value: Operation, context: Any) -> OperationType:
    """Numba type of a global that holds an `Operation`."""
    return OperationType(value)


@dataclass(frozen=True, eq=False)
class _Lowering:
    targets: dict[Any, Any]


@functools.cache
def lowering(function: Any, entry: Entry | None, vector: Any) -> Any:
    """The key under which the lowering of a function's uses is registered; it remembers who does which call."""
    key = _Lowering({})
    lower_builtin(key, types.VarArg(types.Any))(functools.partial(lower_call, key))
    return key


def is_vector(kind: Any) -> bool:
    """Whether a type is a collection with active numbers inside."""
    if isinstance(kind, (types.Array, types.List)):
        return is_vector(kind.dtype) or isinstance(kind.dtype, Active)
    if isinstance(kind, types.BaseTuple):
        return any(is_vector(member) or isinstance(member, Active) for member in kind)
    return isinstance(kind, Theta | Expression)


def resolve(context: Any, operation: Operation, args: tuple[Any, ...], kws: dict[str, Any]) -> tuple[Any, Any]:
    """Who does a call, and its signature: the entry, or a Numba function type."""
    given, args = args, tuple(types.unliteral(a) for a in args)
    kinds = (*args, *kws.values())
    active = any(isinstance(a, Active) for a in kinds)
    with_array = any(isinstance(a, types.Array) for a in kinds)
    masked = any(isinstance(a, Mask) for a in kinds) and operation.entry is None
    always = operation.always is not None and operation.always(*kinds)
    whole = always or masked or any(map(is_vector, kinds))
    if whole or (active and (operation.entry is None or with_array)):
        return _resolve_vector(context, operation, given, kws)
    if active:
        return _resolve_scalar(operation, args, kws)
    return _resolve_plain(context, operation, args, kws)


def _resolve_scalar(operation: Operation, args: tuple[Any, ...], kws: dict[str, Any]) -> tuple[Any, Any]:
    if isinstance(operation.entry, Refusal):
        applied = f"{_title(operation)} is applied to a value that depends on theta"
        raise Refused(f"{applied}: {operation.entry.advice}", operation.loc)
    sig = None if kws else scalar_signature(operation.entry, args)
    if sig is None:
        raise Refused(f"{_title(operation)} cannot be differentiated for these arguments.", operation.loc)
    return operation.entry, sig


def _resolve_vector(context: Any, operation: Operation, args: tuple[Any, ...], kws: dict[str, Any]) -> tuple[Any, Any]:
    if isinstance(operation.entry, Refusal):
        return _resolve_scalar(operation, args, kws)
    vector, own = operation.vector, isinstance(operation.vector, ArrayFunction)
    sig = vector.resolve(context, args) if own and not kws else None
    if sig is not None:
        return vector, sig
    args = tuple(types.unliteral(a) for a in args)
    vector = vector.otherwise if own else vector
    if vector is None and not own:
        what = "is not available for a vector of values that depend on theta; write it as a loop over its elements"
        raise Refused(f"{_title(operation)} {what}.", operation.loc)
    try:
        if vector is None:
            raise TypingError("none of the types that this serves")
        target = context.resolve_value_type(vector)
        return target, target.get_call_type(context, args, kws)
    except Refused:
        raise
    except NumbaError as error:
        if getattr(operation.function, "__module__", "") == "_operator" and not isinstance(args[0], types.Array):
            return _resolve_plain(context, operation, args, kws)  # lists and tuples, which may hold anything
        what = (
            "cannot be differentiated for these arguments; leave out dtype and out, or write a loop over the elements"
        )
        sentence = f"{_title(operation)} {what}."
        if isinstance(args[0], types.Array) and _title(operation).endswith("='"):
            sentence = READ_ONLY if not args[0].mutable else sentence if is_vector(args[0]) else STORED
        raise Refused(sentence, operation.loc) from error


def _resolve_plain(context: Any, operation: Operation, args: tuple[Any, ...], kws: dict[str, Any]) -> tuple[Any, Any]:
    """The rule's own function of plain numbers, else what the user named, else the value that the rule emits."""
    entry = operation.entry
    numbers = not kws and all(isinstance(a, REAL) for a in args)
    fits = numbers and isinstance(entry, Rule | Choice | Predicate) and entry.arity == len(args)
    by_entry = entry, plain_signature(entry, args)
    if fits and isinstance(entry, Rule) and entry.plain is not None:
        return by_entry
    try:
        target = context.resolve_value_type(operation.function)
        sig = context.resolve_function_type(target, args, kws)
        if sig is not None:
            return target, sig
    except (NumbaError, KeyError, ValueError) as error:
        failure: Any = error
    else:
        failure = TypingError(f"{_title(operation)} cannot be compiled for {args}", loc=operation.loc)
    if fits:
        return by_entry
    if isinstance(entry, Rule) and entry.plain is not None and any(isinstance(a, types.Array) for a in args):
        return _resolve_vector(context, operation, args, kws)
    raise failure


def plain_signature(entry: Any, args: tuple[Any, ...]) -> Any:
    """Signature of a function of plain numbers."""
    return signature(_plain_result(entry), *map(_number, args))


def _title(operation: Operation) -> str:
    """The function as the user may have written it."""
    function = operation.function
    if function in _SYMBOLS:
        return f"'{_SYMBOLS[function]}'"
    names = operation.entry.names if operation.entry else ()
    module = (getattr(function, "__module__", None) or "numpy").replace("builtins", "").replace("_operator", "")
    known = next((name for name in names if rules.resolve(name) is function), f"{module}.{function.__name__}")
    return f"'{known.removeprefix('builtins.').lstrip('.')}'"


_SYMBOLS = {
    operator.floordiv: "//",
    operator.mod: "%",
    operator.matmul: "@",
    operator.add: "+",
    operator.sub: "-",
    operator.iadd: "+=",
    operator.isub: "-=",
    operator.imul: "*=",
    operator.itruediv: "/=",
    operator.ipow: "**=",
}


def scalar_operand(kind: Any) -> Any:
    """What an operation takes a number as; other types as they are, and integers known now."""
    return _number(kind) if isinstance(kind, REAL) and not isinstance(kind, types.IntegerLiteral) else kind


def _number(kind: Any) -> Any:
    """Integers stay integers, so that a literal exponent is still known when the rule runs."""
    return types.int64 if isinstance(kind, types.Integer) and kind.signed else types.float64


def _plain_result(entry: Any, active: Active | None = None) -> Any:
    if isinstance(entry, Predicate) and entry.truth:
        return types.boolean if active is None or active.draws == 1 else Mask(active.draws)
    return types.float64 if active is None or active.data is None else active.data


def scalar_signature(entry: Any, args: tuple[Any, ...]) -> Any:
    """Signature of a call on numbers of which at least one is active, or ``None``."""
    active = joint(args)
    fits = len(args) == entry.arity or (isinstance(entry, Choice) and entry.variadic and len(args) > 1)
    if active is None or not fits or not all(isinstance(a, (Active, *REAL)) for a in args):
        return None
    kind, operand = active.together([a for a in args if isinstance(a, Active)], entry)
    result = _plain_result(entry, active) if isinstance(entry, Predicate) else kind
    return signature(result, *(operand(a) if isinstance(a, Active) else _number(a) for a in args))


def lower_call(key: _Lowering, context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Lower a call that `resolve` has settled."""
    target = key.targets[sig.args]
    if isinstance(target, Rule | Choice | Predicate):
        return lower_entry(target, context, builder, sig, args)
    if isinstance(target, ArrayFunction):
        return target.lower(context, builder, sig, args)
    return context.get_function(target, sig)(builder, args)


def as_value(e: Emitter, kind: Any, number: Any) -> Value:
    """A plain number as a `Value`; constants stay constants."""
    if isinstance(number, ir.Constant) and isinstance(kind, types.Integer):
        return Value(e, ir.Constant(DOUBLE, float(number.constant)))
    return Value(e, e.context.cast(e.builder, number, kind, types.float64))


def lower_entry(entry: Any, context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Lower a rule, a choice or a predicate on numbers."""
    e = Emitter(context, builder)
    operands = [_operand(e, kind, number) for kind, number in zip(sig.args, args, strict=True)]
    result: Parts | Value
    if isinstance(entry, Predicate):
        result = entry.emit(e, *map(_value, operands))
    else:
        result = (_choose if isinstance(entry, Choice) else _differentiate)(e, entry, operands)
    wanted = sig.return_type
    if isinstance(wanted, Active) and isinstance(result, Value):  # plain numbers of several draws
        result = wanted.constant(e, result)
    elif (
        not isinstance(result, Value) and isinstance(wanted, Active) and result.kind != wanted
    ):  # what the rule found may be simpler than expected
        result = wanted.converted(e, result)
    return result.ir if isinstance(result, Value) else result.pack(e)


def _operand(e: Emitter, kind: Any, number: Any) -> Parts | Value:
    """An active number taken apart; a value where there are no derivatives."""
    if not isinstance(kind, Active):
        return as_value(e, kind, number)
    parts = kind.unpack(e, number)
    return parts.value if kind.plain else parts


def _value(operand: Parts | Value) -> Value:
    return operand if isinstance(operand, Value) else operand.value


def _differentiate(e: Emitter, entry: Rule, operands: list[Parts | Value]) -> Parts | Value:
    active = [i for i, operand in enumerate(operands) if not isinstance(operand, Value)]
    if not active and entry.plain is not None:
        return e.call(entry.plain, *map(_value, operands))
    emit = functools.partial(entry.emit, e, *map(_value, operands))
    if not active:
        return emit()[0]
    kind = next(operand.kind for operand in operands if not isinstance(operand, Value))
    value, firsts, seconds = kind.derivatives(e, entry, operands, emit)

    def second(a: int, b: int) -> Partial:
        i, j, k = active[a], active[b], entry.arity
        return seconds[i * k - i * (i - 1) // 2 + j - i]

    numbers, partials = [operands[i] for i in active], [firsts[i] for i in active]
    if entry.adds_up is Adding.RESULT:
        return kind.deposit(e, value, numbers, partials)
    chain = kind.append if entry.adds_up is Adding.SUM else kind.propagate
    return chain(e, value, numbers, partials, second)


def _choose(e: Emitter, entry: Choice, operands: list[Parts | Value]) -> Parts | Value:
    """Fold from the left; the chosen number keeps all its derivatives."""
    result = operands[0]
    for operand in operands[1:]:
        condition = entry.emit(e, _value(result), _value(operand))
        result = select(e, condition, result, operand)
    return result


def select(e: Emitter, condition: Value, x: Parts | Value, y: Parts | Value) -> Parts | Value:
    """``x`` where ``condition`` holds, else ``y``, with their derivatives."""
    if isinstance(x, Value) and isinstance(y, Value):
        return e.select(condition, x, y)
    kind = y.kind if isinstance(x, Value) else x.kind  # type: ignore[union-attr]
    first, second = (kind.constant(e, p) if isinstance(p, Value) else p for p in (x, y))
    return kind.chosen(e, condition, first, second)


@intrinsic
def select_draws(typing_context: Any, mask: Any, x: Any, y: Any) -> Any:
    """``x`` for the draws where ``mask`` holds, else ``y``."""
    kind = joint((x, y, Dual(0, draws=mask.draws)))
    if kind is None:
        return None

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        e = Emitter(context, builder)
        numbers = zip(args[1:], (x, y), strict=True)
        first, second = (kind.unpack(e, context.cast(builder, v, source, kind)) for v, source in numbers)
        return kind.chosen(e, Value(e, args[0]), first, second).pack(e)

    return kind(mask, x, y), generate


def register_operator(function: Any, entry: Any) -> None:
    """Give Numba's operator ``function`` a meaning where an operand is active, and nowhere else."""

    class OperatorTemplate(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            unliteral = tuple(types.unliteral(a) for a in args)
            return scalar_signature(entry, unliteral) if any(isinstance(a, Active) for a in unliteral) else None

    infer_global(function)(OperatorTemplate)
    numbers = (types.float64, types.int64)
    pairs = [(Active, Active), *((Active, n) for n in numbers), *((n, Active) for n in numbers)]
    for kinds in pairs if entry.arity == 2 else [(Active,)]:
        lower_builtin(function, *kinds)(functools.partial(lower_entry, entry))


def register_operators(table: dict[Any, Entry]) -> None:
    """Register every entry that stands for an operator."""
    for function, entry in table.items():
        if getattr(function, "__module__", "") == "_operator" and not isinstance(entry, Refusal):
            register_operator(function, entry)
