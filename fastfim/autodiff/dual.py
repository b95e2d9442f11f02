# mypy: disable-error-code="untyped-decorator"
"""Dual numbers as a Numba type: a float64 that carries its gradient, and at order 2 its Hessian, wherever it goes.

``Dual(n, order)`` differentiates with respect to ``n`` lanes.  The gradient is kept in LLVM vectors of four doubles
(explicit vectors: left as unrolled scalars, a GARCH score ran 4.8 times slower).  The Hessian keeps row by row the
chunks that reach the diagonal or lie right of it.  Large ones are made otherwise (see `fastfim.autodiff.second_order`).

The propagation itself is the chain rule to second order.  For ``z = f(x_1, ..., x_k)`` with partials f_a and f_ab

    z_i  = sum_a f_a x_a,i
    z_ij = sum_a (f_a x_a,ij + u_a,i x_a,j)     with   u_a,i = sum_b f_ab x_b,i

so a row of the Hessian costs one multiple of each argument's gradient.

``Dual(n, draws=8)`` holds eight draws at once, a *tile*: value and each lane of the gradient are vectors of eight, so
that a function of one draw runs, unchanged, on eight.  With ``n = 0`` it is eight plain numbers, the data.  A number of
one draw that meets a tile is the same for each of the eight: what depends on the parameters alone.

Source: Griewank and Walther, *Evaluating Derivatives* (2008), chapters 3 and 13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typeconv import Conversion
from numba.extending import register_model

from fastfim.autodiff.emit import DOUBLE, INDEX, LANE, Emitter, Value
from fastfim.autodiff.number import Active
from fastfim.autodiff.rules import Entry, Partial, evaluate

WIDTH = 4


def chunks(n: int) -> list[tuple[int, int]]:
    """``(first lane, width)`` of the vectors that hold ``n`` lanes; the last is padded to a power of two."""
    tail = n % WIDTH
    whole = [(start, WIDTH) for start in range(0, n - tail, WIDTH)]
    return whole + ([(n - tail, 1 << (tail - 1).bit_length())] if tail else [])


class Lanes(types.Type):  # type: ignore[misc]
    """A vector of doubles inside a dual number."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(f"Lanes({width})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    """Kept as an LLVM vector; in memory aligned like a double, which is all that Numba's arrays promise."""

    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, DOUBLE if kind.width == 1 else ir.VectorType(DOUBLE, kind.width))

    def load_from_data_pointer(self, builder: Any, pointer: Any, align: Any = None) -> Any:
        """Load with the alignment of a double."""
        return builder.load(pointer, align=8)


class Dual(Active):
    """A float64 with its first ``order`` derivatives along ``n`` lanes; with ``draws > 1``, as many such numbers."""

    def __init__(self, n: int, order: int = 1, draws: int = 1) -> None:
        self.n, self.order, self.draws = n, order, draws
        self.chunks = chunks(n) if draws == 1 else [(i, draws) for i in range(n)]
        tile = f", draws={draws}" if draws > 1 else ""
        super().__init__(f"Dual(n={n}, order={order}{tile})")

    @property
    def data(self) -> Dual | None:
        """As many plain numbers as it holds draws."""
        return Dual(0, draws=self.draws) if self.draws > 1 else None

    @property
    def plain(self) -> bool:
        """Whether there are no lanes."""
        return self.n == 0

    def meet(self, other: Active) -> Active | None:
        """Numbers of this type, the data of as many draws, and numbers that all draws share."""
        if self.draws > 1 and isinstance(other, Dual) and not other.plain and other.draws == 1:
            met = Dual(other.n, other.order, self.draws)
            return met if self.plain or self == met else None
        return super().meet(other)

    def together(self, kinds: Sequence[Active], entry: Entry) -> tuple[Active, Callable[[Active], Active]]:
        """Numbers that all draws share are taken as those of each."""
        return self, lambda kind: kind if kind.plain else self

    def unify(self, context: Any, other: types.Type) -> types.Type | None:
        """A variable may hold either of two that meet; a plain number joins as a constant."""
        found = self.meet(other) if isinstance(other, Active) else None
        return found or super().unify(context, other)

    def can_convert_from(self, context: Any, other: types.Type) -> Any:
        """What meets this in this converts safely."""
        meets = isinstance(other, Active) and self.meet(other) == self
        return Conversion.safe if meets else super().can_convert_from(context, other)

    def converted(self, e: Emitter, number: Any) -> Parts:
        """The same number for each draw, or data as a constant."""
        if number.kind.plain or number.kind.draws == self.draws:
            return self.constant(e, number.value)
        shared = [e.splat(number.lane(e, i), self.draws) for i in range(self.n)]
        return Parts(self, e.splat(number.value, self.draws), tuple(shared), _each_entry(e, self, number))

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """``(row, chunk)`` of the Hessian blocks that are kept: those that reach the diagonal or lie right of it."""
        if self.order < 2:
            return []
        ends = [start + (width if self.draws == 1 else 1) for start, width in self.chunks]
        return [(i, c) for i in range(self.n) for c, end in enumerate(ends) if end > i]

    @property
    def size(self) -> int:
        """Bytes in memory."""
        widths = [width for _, width in self.chunks] + [self.chunks[c][1] for _, c in self.blocks]
        return 8 * (self.draws + sum(widths))

    def unpack(self, e: Emitter, number: Any) -> Parts:
        """Take an LLVM struct apart."""
        return unpack(e, self, number)

    def constant(self, e: Emitter, value: Value) -> Parts:
        """A number that does not depend on the parameters."""
        return constant(e, self, value)

    def parameter(self, e: Emitter, value: Value, place: Any, theta: Any) -> Parts:
        """A parameter: 1 in the lane ``place``, 0 elsewhere."""
        start = constant(e, self, value)
        if self.draws > 1:
            gradient = tuple(e.splat(seed(e, place, i, 1), self.draws) for i in range(self.n))
        else:
            gradient = tuple(seed(e, place, first, width) for first, width in self.chunks)
        return Parts(self, start.value, gradient, start.hessian)

    def propagate(
        self,
        e: Emitter,
        value: Value,
        active: Sequence[Parts],
        firsts: Sequence[Partial],
        seconds: Callable[[int, int], Partial],
    ) -> Parts:
        """The chain rule."""
        return propagate(e, value, active, firsts, seconds)


@register_model(Dual)
class DualModel(models.StructModel):  # type: ignore[misc]
    """Value, gradient chunks ``g0, g1, ...``, Hessian blocks ``h0, h1, ...``."""

    def __init__(self, manager: Any, kind: Dual) -> None:
        members: list[tuple[str, types.Type]] = [("value", Lanes(kind.draws))]
        members += [(f"g{c}", Lanes(width)) for c, (_, width) in enumerate(kind.chunks)]
        members += [(f"h{k}", Lanes(kind.chunks[c][1])) for k, (_, c) in enumerate(kind.blocks)]
        super().__init__(manager, kind, members)

    def get_data_type(self) -> Any:
        """Packed, so that elements of an array follow each other without padding or alignment."""
        return ir.LiteralStructType([m.get_data_type() for m in self._models], packed=True)


@dataclass(frozen=True)
class Parts:
    """A dual number taken apart while compiling."""

    kind: Dual
    value: Value
    gradient: tuple[Value, ...]
    hessian: tuple[Value, ...]

    def lane(self, e: Emitter, i: int) -> Value:
        """Derivative along lane ``i``."""
        if self.kind.draws > 1:
            return self.gradient[i]
        start, width = self.kind.chunks[i // WIDTH]
        return e.lane(self.gradient[i // WIDTH], i - start) if width > 1 else self.gradient[i // WIDTH]

    def map(self, function: Callable[..., Value], *others: Parts) -> Parts:
        """Apply ``function`` to value, gradient chunks and Hessian blocks alike."""
        return Parts(
            self.kind,
            function(self.value, *(o.value for o in others)),
            tuple(function(*group) for group in zip(self.gradient, *(o.gradient for o in others), strict=True)),
            tuple(function(*group) for group in zip(self.hessian, *(o.hessian for o in others), strict=True)),
        )

    def pack(self, e: Emitter) -> Any:
        """Put the LLVM struct together again."""
        return pack(e, self)


def _each_entry(e: Emitter, kind: Dual, shared: Parts) -> tuple[Value, ...]:
    """The Hessian of a number that all draws of a tile share."""
    found = {
        (i, j): e.lane(block, j - shared.kind.chunks[c][0])
        for (i, c), block in zip(shared.kind.blocks, shared.hessian, strict=True)
        for j in range(shared.kind.chunks[c][0], min(sum(shared.kind.chunks[c]), kind.n))
    }
    return tuple(e.splat(found[block], kind.draws) for block in kind.blocks)


def unpack(e: Emitter, kind: Dual, number: Any) -> Parts:
    """Take an LLVM struct apart."""
    struct = cgutils.create_struct_proxy(kind)(e.context, e.builder, number)
    gradient = tuple(Value(e, getattr(struct, f"g{c}")) for c in range(len(kind.chunks)))
    hessian = tuple(Value(e, getattr(struct, f"h{k}")) for k in range(len(kind.blocks)))
    return Parts(kind, Value(e, struct.value), gradient, hessian)


def pack(e: Emitter, parts: Parts) -> Any:
    """Put the LLVM struct together again."""
    struct = cgutils.create_struct_proxy(parts.kind)(e.context, e.builder)
    struct.value = parts.value.ir
    for c, chunk in enumerate(parts.gradient):
        setattr(struct, f"g{c}", chunk.ir)
    for k, block in enumerate(parts.hessian):
        setattr(struct, f"h{k}", block.ir)
    return struct._getvalue()


def constant(e: Emitter, kind: Dual, value: Value) -> Parts:
    """A number that does not depend on the parameters."""
    zeros = tuple(e.splat(0.0, width) for _, width in kind.chunks)
    return Parts(kind, e.splat(value, kind.draws), zeros, tuple(zeros[c] for _, c in kind.blocks))


def seed(e: Emitter, lane: Any, start: int, width: int) -> Value:
    """Lanes ``start .. start + width - 1`` of the unit vector of a lane known at run time."""
    if width == 1:
        hit = e.builder.icmp_signed("==", lane, ir.Constant(INDEX, start))
        return e.select(Value(e, hit), 1.0, 0.0)
    vector = ir.VectorType(INDEX, width)
    first = e.builder.insert_element(ir.Constant(vector, ir.Undefined), lane, ir.Constant(LANE, 0))
    everywhere = e.builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(LANE, width), [0] * width))
    hits = e.builder.icmp_signed("==", everywhere, ir.Constant(vector, list(range(start, start + width))))
    return e.select(Value(e, hits), e.splat(1.0, width), e.splat(0.0, width))


def combine(e: Emitter, terms: Sequence[tuple[Value | float | None, Value]], width: int) -> Value:
    """``sum coefficient * vector``; coefficients of 0 (``None``), 1 and -1 cost no multiplication."""
    total: Value | None = None
    for coefficient, vector in terms:
        if coefficient is None:
            continue
        if isinstance(coefficient, Value):
            coefficient = e.splat(coefficient, width)
        if total is None:
            total = e.scale(vector, coefficient)
        elif not isinstance(coefficient, Value) and coefficient == -1:
            total = total - vector
        else:
            total = e.scale(vector, coefficient) + total
    return e.splat(0.0, width) if total is None else total


def propagate(
    e: Emitter, value: Value, active: Sequence[Parts], firsts: Sequence[Partial], seconds: Callable[[int, int], Partial]
) -> Parts:
    """The chain rule, as `number.Active.propagate` has it."""
    kind, count = active[0].kind, range(len(active))
    f = [evaluate(first) for first in firsts]
    gradient = tuple(
        combine(e, [(f[a], active[a].gradient[c]) for a in count], width) for c, (_, width) in enumerate(kind.chunks)
    )
    if kind.order < 2:
        return Parts(kind, value, gradient, ())
    upper = {(a, b): evaluate(seconds(a, b)) for a in count for b in count if a <= b}
    u = {(a, i): _along(e, active, upper, a, i) for a in count for i in range(kind.n)}
    hessian = []
    for k, (i, c) in enumerate(kind.blocks):
        terms = [(f[a], active[a].hessian[k]) for a in count]
        terms += [(u[a, i], active[a].gradient[c]) for a in count]
        hessian.append(combine(e, terms, kind.chunks[c][1]))
    return Parts(kind, value, gradient, tuple(hessian))


def _along(e: Emitter, active: Sequence[Parts], upper: dict[Any, Any], a: int, i: int) -> Value | None:
    """How the first partial with respect to argument ``a`` changes along lane ``i`` (``None``: not at all)."""
    pairs = [(upper[min(a, b), max(a, b)], b) for b in range(len(active))]
    terms = [(coefficient, active[b].lane(e, i)) for coefficient, b in pairs if coefficient is not None]
    return combine(e, terms, active[0].kind.draws) if terms else None
