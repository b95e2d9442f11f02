# mypy: disable-error-code="untyped-decorator"
"""What a number that carries derivatives has to offer, so that the rest of the package need not know how it does it.

There are two such types: `fastfim.autodiff.dual.Dual` keeps a number's derivatives beside it (forward mode), and
`fastfim.autodiff.reverse.Taped` remembers where on a tape it comes from (reverse mode).  Rules, operators, arrays and
the rewriting of a user's source are written against `Active` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from llvmlite import ir
from numba import types
from numba.core.typeconv import Conversion
from numba.extending import lower_cast

from fastfim.autodiff.emit import DOUBLE, Emitter, Value
from fastfim.autodiff.masks import Mask
from fastfim.autodiff.rules import Derivatives, Entry, Partial, Rule

REAL = (types.Float, types.Integer, types.Boolean)


class Parts(Protocol):
    """An active number taken apart while compiling."""

    @property
    def kind(self) -> Active:
        """Its type."""

    @property
    def value(self) -> Value:
        """The number itself."""

    def map(self, function: Callable[..., Value], *others: Any) -> Any:
        """Apply ``function`` to all parts of this and of ``others`` alike."""

    def pack(self, e: Emitter) -> Any:
        """Put the LLVM struct together again."""


class Active(types.Type):  # type: ignore[misc]
    """A float64 with derivatives; plain numbers join it as constants."""

    #: Members of a `Theta` of such numbers beside its memory, the place of its first element and its length.
    extra: tuple[tuple[str, types.Type], ...] = ()

    #: How many draws it holds at once (see `fastfim.autodiff.tiles`).
    draws = 1

    @property
    def data(self) -> Active | None:
        """The type of as many plain numbers, where that is not an ordinary float."""
        return None

    @property
    def plain(self) -> bool:
        """Whether these are plain numbers, without derivatives."""
        return False

    @property
    def stored(self) -> Active:
        """The type of the same number in an array."""
        return self

    def meet(self, other: Active) -> Active | None:
        """The type in which numbers of this and of another type (both as stored) meet, if this type knows it."""
        return self if other in (self, self.data) else None

    def holding(self, parameters: bool, draws: bool) -> Active:
        """The type of numbers that depend on the parameters, the draws, or both, in a function of such numbers."""
        return self

    def together(self, kinds: Sequence[Active], entry: Entry) -> tuple[Active, Callable[[Active], Active]]:
        """What an operation on active numbers that meet in this type gives, and what it takes each of them as."""
        return self, lambda kind: kind

    @property
    def size(self) -> int:
        """Bytes in memory."""
        raise NotImplementedError

    def unpack(self, e: Emitter, number: Any) -> Parts:
        """Take an LLVM struct apart."""
        raise NotImplementedError

    def constant(self, e: Emitter, value: Value) -> Parts:
        """A number that does not depend on the parameters."""
        raise NotImplementedError

    def parameter(self, e: Emitter, value: Value, place: Any, theta: Any) -> Parts:
        """The element of ``theta`` (a struct) whose place among the derivatives is ``place``."""
        raise NotImplementedError

    def derivatives(
        self, e: Emitter, entry: Rule, operands: Sequence[Any], emit: Callable[[], Derivatives]
    ) -> Derivatives:
        """What a rule gives for operands (parts, or values where there are no derivatives): what ``emit()`` does."""
        return emit()

    def propagate(
        self,
        e: Emitter,
        value: Value,
        active: Sequence[Any],
        firsts: Sequence[Partial],
        seconds: Callable[[int, int], Partial],
    ) -> Parts:
        """The chain rule.

        Parameters
        ----------
        value
            f at the arguments' values.
        active
            The arguments that carry derivatives.
        firsts
            Partial derivatives with respect to them.
        seconds
            ``seconds(a, b)``, a <= b, gives the second partial with respect to arguments a and b of ``active``.
        """
        raise NotImplementedError

    def append(self, e: Emitter, value: Value, active: Sequence[Any], firsts: Sequence[Partial], seconds: Any) -> Parts:
        """The chain rule for a sum of which only the latest value is used; the result is of the type ``stored``."""
        return self.propagate(e, value, active, firsts, seconds)

    def deposit(self, e: Emitter, value: Value, active: Sequence[Any], firsts: Sequence[Partial]) -> Value:
        """The chain rule for a sum that is the result: derivatives are added where they belong, the value is left."""
        raise NotImplementedError

    def chosen(self, e: Emitter, condition: Value, first: Any, second: Any) -> Parts:
        """One of two such numbers, draw by draw where the condition is."""
        result: Parts = first.map(lambda a, b: e.select(condition, a, b), second)
        return result

    def unify(self, context: Any, other: types.Type) -> types.Type | None:
        """A plain number joins as a constant."""
        return self if self._takes(other) else None

    def can_convert_from(self, context: Any, other: types.Type) -> Any:
        """A plain number converts safely."""
        return Conversion.safe if self._takes(other) else None

    def converted(self, e: Emitter, number: Any) -> Parts:
        """A number of another active type, taken apart, as one of this."""
        return self.constant(e, number.value)

    def _takes(self, other: types.Type) -> bool:
        several = self.data is not None and other in (self.data, Mask(self.draws))
        return several or isinstance(other, REAL)


class Source(types.Type):  # type: ignore[misc]
    """An argument whose methods give active numbers of one type, as a `Theta` gives its elements."""

    dual: Active


def joint(kinds: Iterable[Any]) -> Active | None:
    """The type in which the active numbers among these meet, or ``None`` where there is none."""
    found: Active | None = None
    for kind in kinds:
        if isinstance(kind, Active):
            stored = kind.stored
            found = stored if found is None else found.meet(stored) or stored.meet(found)
            if found is None:
                return None
    return found


@lower_cast(types.Float, Active)
@lower_cast(types.Integer, Active)
@lower_cast(types.Boolean, Active)
def number_to_active(context: Any, builder: Any, source: Any, target: Active, number: Any) -> Any:
    """A plain number where an active one is wanted."""
    e = Emitter(context, builder)
    return target.constant(e, Value(e, context.cast(builder, number, source, types.float64))).pack(e)


@lower_cast(Mask, Active)
def mask_to_active(context: Any, builder: Any, source: Mask, target: Active, mask: Any) -> Any:
    """Truth values as numbers: 1 and 0."""
    e = Emitter(context, builder)
    return target.constant(e, Value(e, builder.uitofp(mask, ir.VectorType(DOUBLE, source.draws)))).pack(e)


@lower_cast(Active, Active)
def active_to_active(context: Any, builder: Any, source: Active, target: Active, number: Any) -> Any:
    """One kind of active number where another is wanted."""
    if target.plain and not source.plain:
        raise NotImplementedError(f"{source} as {target} would lose its derivatives")
    e = Emitter(context, builder)
    return number if source == target else target.converted(e, source.unpack(e, number)).pack(e)
