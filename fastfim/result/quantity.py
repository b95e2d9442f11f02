"""A number, vector or matrix with its error bars.

An interval is not always value plus or minus so many standard errors: what is positive has its interval on the log
scale, and where the jackknife cannot be trusted there is a bound instead. So a `Quantity` carries how its bounds follow
from the confidence, as one of the functions below with its arguments bound (`functools.partial`).

>>> rate = Quantity(2.0, 0.1, partial(student_bounds, centre=2.0, spread=0.1, streams=32))
>>> low, high = rate.interval(0.95)
>>> print(rate, f"{low:.2f} {high:.2f}")
2.00(10) 1.80 2.20
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from . import notation

Bounds = Callable[[float], tuple[Any, Any]]

#: Confidence of the one-sided bounds that are printed in place of error bars.
PRINTED_CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Quantity:
    """A derived quantity with error bars.

    Attributes
    ----------
    value, standard_error
        Numbers, or arrays of one shape. A standard error of infinity says that there is a one-sided bound only.
    bounds
        A function of the confidence that gives the ends of the interval.
    note
        Where the usual error bars do not hold: why, and what is given instead.
    labels
        Names along each axis, for printing.
    """

    value: Any
    standard_error: Any
    bounds: Bounds
    note: str = ""
    labels: tuple[tuple[str, ...], ...] = ()

    def interval(self, confidence: float = 0.95) -> tuple[Any, Any]:
        """Low and high ends of the interval for each entry.

        Parameters
        ----------
        confidence
            Probability that the interval of an entry covers the truth, between 0 and 1.

        Returns
        -------
        low, high
            Of the shape of ``value``. One end is infinite where there is a one-sided bound only; it holds with at
            least this confidence.

        Raises
        ------
        OptionError
            If ``confidence`` is not strictly between 0 and 1.
        """
        low, high = self.bounds(require_confidence(confidence))
        return np.asarray(low)[()], np.asarray(high)[()]

    def map(self, function: Callable[[Any], Any], slope: Callable[[Any], Any]) -> Quantity:
        """Apply an increasing function, given with its derivative, entry by entry."""
        with np.errstate(all="ignore"):
            error = np.where(np.isinf(self.standard_error), np.inf, slope(self.value) * self.standard_error)
            value = function(self.value)
        return Quantity(value, error[()], partial(mapped_bounds, self.bounds, function), self.note, self.labels)

    def scaled(self, factor: float) -> Quantity:
        """Multiply by a positive number."""
        return self.map(partial(np.multiply, factor), partial(np.full_like, fill_value=factor, dtype=float))

    @property
    def first(self) -> Quantity:
        """The first entry of a vector."""
        bounds = partial(mapped_bounds, self.bounds, first_of)
        return Quantity(self.value[0], self.standard_error[0], bounds, self.note)

    @classmethod
    def stack(cls, quantities: Sequence[Quantity]) -> Quantity:
        """Join quantities of one shape along a new leading axis."""
        notes = [f"point {i}: {quantity.note}" for i, quantity in enumerate(quantities) if quantity.note]
        return cls(
            np.stack([quantity.value for quantity in quantities]),
            np.stack([quantity.standard_error for quantity in quantities]),
            partial(stacked_bounds, tuple(quantity.bounds for quantity in quantities)),
            "\n".join(notes),
            (tuple(str(i) for i in range(len(quantities))), *quantities[0].labels),
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.value, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return "\n".join([notation.text_table(self._cells(), self.labels), *map(notation.wrapped, self._notes())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return notation.html_table(self._cells(), self.labels, self._notes())

    def _notes(self) -> list[str]:
        notes = self.note.splitlines()
        if np.isinf(self.standard_error).any():
            notes.append(f"bounds shown are at {100 * PRINTED_CONFIDENCE:g} % confidence")
        return notes

    def _cells(self) -> NDArray[np.str_]:
        low, high = self.interval(PRINTED_CONFIDENCE)
        cells = [
            notation.one_sided(low, high) if np.isinf(error) else notation.brackets(value, error)
            for value, error, low, high in np.nditer([self.value, self.standard_error, low, high])
        ]
        return np.array(cells).reshape(np.shape(self.value))


def require_confidence(confidence: Any) -> float:
    """Return ``confidence`` as a float.

    Raises
    ------
    OptionError
        If it is not strictly between 0 and 1.
    """
    try:
        number = float(confidence)
    except (TypeError, ValueError):
        number = np.nan
    if not 0.0 < number < 1.0:
        raise OptionError(f"confidence must lie strictly between 0 and 1 (0.95, say); got {confidence!r}")
    return number


def identity(values: Any) -> Any:
    """Give back what is given: the scale of most intervals."""
    return values


def first_of(values: Any) -> Any:
    """The first entry."""
    return values[0]


def log_where(logarithmic: Any, values: Any) -> Any:
    """Logarithms of those entries that are kept on the log scale; the others as they are."""
    return np.where(logarithmic, np.log(np.where(logarithmic, values, 1.0)), values)


def exp_where(logarithmic: Any, values: Any) -> Any:
    """The way back from `log_where`."""
    return np.where(logarithmic, np.exp(np.where(logarithmic, values, 0.0)), values)


def student_bounds(
    confidence: float,
    centre: Any,
    spread: Any,
    streams: int,
    scale: Callable[[Any], Any] = identity,
    dimension: Any = 1.0,
) -> tuple[Any, Any]:
    """``scale(centre -+ half-width)``, by Student's t with ``streams - 1`` degrees of freedom.

    An entry that shares its error with a space of ``dimension`` directions takes the root of Fisher's F in place of t.
    """
    # imported here, as scipy.special takes longer to import than the rest of the package
    from scipy.special import fdtri

    half_width = spread * np.sqrt(fdtri(dimension, streams - 1.0, confidence))
    return scale(centre - half_width), scale(centre + half_width)


def reciprocal_bounds(confidence: float, centre: Any, spread: Any, streams: int) -> tuple[Any, Any]:
    """Bounds of the reciprocal of a quantity with an interval by Student's t; infinity where that reaches zero."""
    low, high = student_bounds(confidence, centre, spread, streams)
    with np.errstate(divide="ignore"):
        return 1.0 / np.maximum(high, 0.0), 1.0 / np.maximum(low, 0.0)


def mapped_bounds(bounds: Bounds, function: Callable[[Any], Any], confidence: float) -> tuple[Any, Any]:
    """Bounds after an increasing function."""
    low, high = bounds(confidence)
    with np.errstate(all="ignore"):
        return function(low), function(high)


def stacked_bounds(parts: Sequence[Bounds], confidence: float) -> tuple[Any, Any]:
    """Bounds of several quantities along a leading axis."""
    lows, highs = zip(*(bounds(confidence) for bounds in parts), strict=True)
    return np.stack(lows), np.stack(highs)


def fixed_bounds(low: Any, high: Any, confidence: float) -> tuple[Any, Any]:
    """Bounds that hold at any confidence."""
    return low, high
