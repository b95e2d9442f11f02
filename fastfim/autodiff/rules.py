"""The table of derivative rules: each function is stated once, for every order and every mix of arguments.

A rule receives an `Emitter` and the arguments' values and returns its value, its first partial derivatives (one per
argument), and its second partial derivatives (the upper triangle over the arguments, row by row)::

    @rule("operator.mul", "numpy.multiply")
    def multiply(e, x, y):
        return x * y, (y, x), (None, 1.0, None)

A partial is a `Value`, a number, ``None`` (zero), or a function of no arguments that gives one of these and runs only
when it is needed: partials with respect to arguments that carry no derivatives never run, nor do second ones at order
1.  Arguments that carry no derivatives arrive as ordinary values.

Names are dotted and resolved when a user's function is compiled, and only in modules that are loaded by then: a user
who never imported ``scipy.special`` cannot have meant it, and nobody else pays for its import.

Two smaller tables stand beside the rules.  A *choice* selects one of its two arguments with all its derivatives
(``max``), which a chain rule with coefficients 0 and 1 would spoil where the other derivative is infinite.  A *refusal*
names a function whose use on a quantity to be differentiated is a mistake, and says what to write instead.
"""

from __future__ import annotations

import enum
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from fastfim.autodiff.emit import Value

Partial: TypeAlias = "Value | float | Callable[[], Value | float | None] | None"
Derivatives: TypeAlias = "tuple[Value, tuple[Partial, ...], tuple[Partial, ...]]"

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Adding(enum.Enum):
    """What is known of the first argument of an addition: it is a sum so far, of no use to anybody else.

    ``SUM``: terms may be appended to it (see `Active.append`).  ``RESULT``: it is what the whole function returns (see
    `Active.deposit`).
    """

    SUM = enum.auto()
    RESULT = enum.auto()


@dataclass(frozen=True)
class Rule:
    """Value and partial derivatives of one function.

    Attributes
    ----------
    name
        For messages.
    names
        Dotted names of the callables that mean this function.
    arity
        Number of arguments.
    emit
        ``emit(e, *values)`` gives value, first and second partials.
    plain
        The same function of plain floats, compilable: what a call is where no argument carries derivatives.  ``None``:
        whatever Numba makes of the callable.
    adds_up
        For an addition of which more is known.
    """

    name: str
    names: tuple[str, ...]
    arity: int
    emit: Callable[..., Derivatives]
    plain: Callable[..., float] | None = None
    adds_up: Adding | None = None

    @property
    def costly(self) -> bool:
        """Whether it takes longer to work out than to look up: all but operators may."""
        return not any(name.startswith("operator.") for name in self.names)


@dataclass(frozen=True)
class Choice:
    """A function of two arguments that returns one of them; ``emit(e, x, y)`` is the condition for the first."""

    name: str
    names: tuple[str, ...]
    arity: int
    emit: Callable[..., Value]

    @property
    def variadic(self) -> bool:
        """Python's own ``max`` and ``min`` take any number of arguments."""
        return any(name.startswith("builtins.") for name in self.names)


@dataclass(frozen=True)
class Predicate:
    """A function of values alone; its result, a truth value or a number, carries no derivatives."""

    name: str
    names: tuple[str, ...]
    arity: int
    emit: Callable[..., Value]
    truth: bool


@dataclass(frozen=True)
class Refusal:
    """A function that has no derivative worth having, and the advice that goes with the refusal."""

    name: str
    names: tuple[str, ...]
    advice: str


Entry: TypeAlias = "Rule | Choice | Predicate | Refusal"

ENTRIES: list[Entry] = []


def rule(*names: str, plain: Callable[..., float] | None = None) -> Callable[[_Function], _Function]:
    """Enter the decorated function into the table as the derivative rule of the callables ``names``."""
    return _entering(Rule, names, plain)


def choice(*names: str) -> Callable[[_Function], _Function]:
    """Enter a function that returns one of its two arguments; the decorated function is the condition for the first."""
    return _entering(Choice, names)


def predicate(*names: str, truth: bool = True) -> Callable[[_Function], _Function]:
    """Enter a function of values alone: ``math.isnan``, or with ``truth=False`` the number ``numpy.sign``."""
    return _entering(Predicate, names, truth)


def refuse(*names: str, advice: str) -> None:
    """Enter functions that cannot be differentiated, with a sentence on what to write instead."""
    ENTRIES.extend(Refusal(name, (name,), advice) for name in names)


def _entering(kind: Any, names: tuple[str, ...], *details: Any) -> Callable[[_Function], _Function]:
    def enter(function: _Function) -> _Function:
        arity = len(inspect.signature(function).parameters) - 1
        ENTRIES.append(kind(function.__name__, names, arity, function, *details))
        return function

    return enter


def evaluate(partial: Partial) -> Value | float | None:
    """The coefficient itself; zero comes back as ``None``."""
    coefficient = partial() if callable(partial) else partial
    return None if isinstance(coefficient, (int, float)) and coefficient == 0 else coefficient


def resolve(name: str) -> Any:
    """The callable of a dotted name, or ``None`` while its module is not loaded or does not have it."""
    module, _, attribute = name.rpartition(".")
    return getattr(sys.modules.get(module), attribute, None)


def callables(entries: Iterable[Entry]) -> dict[Any, Entry]:
    """The entry of every callable that is loaded now; of two entries for one callable the later wins."""
    return {found: entry for entry in entries for name in entry.names if (found := resolve(name)) is not None}
