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

from ..estimation import tails
from ..estimation.estimators import triangle
from .control import ControlVariates
from .pilot import Pilot

Array = NDArray[np.float64]

#: Deviations below this share of the scale are rounding.
ROUNDING = 1e-10
#: Part of the draws that streams are compared with, and the fastest fall of a variance that is believed.
SHORTER, STEEPEST = 16, 2.0


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
        mean = self.values @ self.pilot.shares
        return (self.values - mean[:, None]) / np.where(scale > 0.0, scale, np.inf)[:, None]

    @cached_property
    def _second(self) -> Array:
        second: Array = self.deviations**2 @ self.pilot.shares
        return second

    def variance(self, sampling: str) -> float:
        """Variance a draw of the worst entry, at as many draws a stream as the pilot has."""
        return float((self._second if sampling == "mc" else self._of_whole_streams).max())

    def rate(self, sampling: str) -> float:
        """Power of the draws by which the variance of a mean falls: 1, or for quasi-random draws what streams show.

        These are compared with the first `SHORTER`-th of their draws, which is a net too. Only half of what that
        promises beyond 1 is believed, up to `STEEPEST`: smooth integrands have 3 (Owen 1997, Ann. Statist. 25), those
        of twenty coordinates seem to have 1.5 at first and have 1 in the end.
        """
        if sampling == "mc" or self.pilot.draws < 2 * SHORTER * self.pilot.streams:
            return 1.0
        whole, short = self._of_whole_streams.sum(), self._of_streams(SHORTER).sum()
        if not whole > ROUNDING**2:
            return STEEPEST
        gain = np.log(short / whole) / np.log(SHORTER)  # beyond 1, as the variances are those of means times draws
        return min(max(1.0, 1.0 + 0.5 * float(gain)), STEEPEST)

    @cached_property
    def _of_whole_streams(self) -> Array:
        return self._of_streams(1)

    def _of_streams(self, part: int) -> Array:
        """Variance of each entry's stream means, times their draws, with so large a part of the draws (1: all)."""
        streams = self.pilot.streams
        each = self.pilot.draws // streams
        weights = self.pilot.weights.reshape(streams, each)[:, : each // part]
        deviations = self.deviations.reshape(-1, streams, each)[:, :, : each // part]
        sums = np.einsum("ekn,kn->ek", deviations, weights)
        sums -= sums.sum(axis=1, keepdims=True) / streams  # `numpy.var` takes longer to begin than all of this
        variances: Array = np.einsum("ek,ek->e", sums, sums) / ((streams - 1) * weights.shape[1])
        return variances

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
