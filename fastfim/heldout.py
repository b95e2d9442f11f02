"""What single draws say of the matrix by an estimator, on draws that its control variates were not fitted on.

For each entry e and draw n a value v_en: a product of scores, an entry of minus the Hessian, or what control variates
make of both. Their variance is what a candidate for a run is judged by, their fourth moment says how many of them a
normal mean takes, and their tails whether there is one.

>>> x = np.random.default_rng(0).normal(size=(1, 4096))
>>> held = HeldOut.of(Pilot(x, None, np.ones(4096), streams=16), "score")
>>> round(held.variance("mc"), 1)  # of x^2: 2
1.9
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from . import tails
from .control import ControlVariates
from .estimators import triangle
from .pilot import Pilot

Array = NDArray[np.float64]

#: Deviations below this share of the scale are rounding.
ROUNDING = 1e-10


@dataclass(frozen=True)
class HeldOut:
    """Values (E, draws) of E = p (p + 1) / 2 entries, of the draws of a pilot."""

    values: Array
    pilot: Pilot

    @classmethod
    def of(cls, pilot: Pilot, estimator: str, control: ControlVariates | None = None) -> HeldOut:
        """By ``score``, by ``hessian``, or by control variates."""
        if control is not None:
            return cls(control.of_draws(pilot), pilot)
        if estimator == "score":
            return cls(pilot.products, pilot)
        assert pilot.hessians is not None
        return cls(-pilot.hessians, pilot)

    @cached_property
    def deviations(self) -> Array:
        """Distance of the values from their mean, relative to the scale; zero for an entry that has none."""
        scale = self.pilot.scale
        mean = self.values @ self._shares
        return (self.values - mean[:, None]) / np.where(scale > 0.0, scale, np.inf)[:, None]

    @cached_property
    def _shares(self) -> Array:
        shares: Array = self.pilot.weights / self.pilot.weights.sum()
        return shares

    @cached_property
    def _second(self) -> Array:
        second: Array = self.deviations**2 @ self._shares
        return second

    def variance(self, sampling: str) -> float:
        """Variance a draw of the worst entry, at as many draws a stream as the pilot has."""
        if sampling == "mc":
            return float(self._second.max())
        streams = self.pilot.streams
        weights = self.pilot.weights.reshape(streams, -1)
        sums = np.einsum("ekn,kn->ek", self.deviations.reshape(-1, streams, weights.shape[1]), weights)
        return float(sums.var(axis=1, ddof=1).max() / weights.shape[1])

    @property
    def kurtosis(self) -> float:
        """Fourth moment over the squared second of the worst entry; zero where all there is is rounding.

        Of independent draws: a pilot stretched into the tails holds some that no run will ever meet.
        """
        squares = tails.as_drawn(self.deviations, self.pilot.weights, "mc") ** 2
        second = squares.mean(axis=1)
        visible = second > ROUNDING**2
        if not visible.any():
            return 0.0
        return float(((squares[visible] ** 2).mean(axis=1) / second[visible] ** 2).max())

    def contributions(self, sampling: str) -> Array:
        """Sizes of what single draws contribute to the diagonal, shape (p, draws), as a run will meet them."""
        rows, columns = triangle(self.pilot.p)
        return tails.as_drawn(np.abs(self.values[rows == columns]), self.pilot.weights, sampling)
