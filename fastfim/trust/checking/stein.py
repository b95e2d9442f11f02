"""Do the draws follow the density? The kernelized Stein discrepancy, for continuous draws of any length.

Stein's identity says of a smooth density p and every function f with p f = 0 at the ends of the support

    E[a_j(x) f(x) + g_j(x) d f / d x_j] = 0,      a_j = g_j' + g_j d log p / d x_j,

for each coordinate j and each weight g_j(x_j). Only the derivative of log p enters: no normalizing constant. The
discrepancy is the largest violation over the unit ball of a kernel's Hilbert space, and its square is E h(x, x') with

    h = sum_j a_j a_j' k + g_j a_j' dk/dx_j + a_j g_j' dk/dx_j' + g_j g_j' d2k/dx_j dx_j'.

The U-statistic of h has mean zero if the draws follow p, and is degenerate then, so that its distribution comes from a
bootstrap with random signs, sum of w_i w_j h_ij.

*Ends.* A density need not vanish at the ends of its support (exponential, uniform), and nobody says where these are. So
the weight g_j rises from zero at the smallest draw of an earlier sample and falls to zero at the largest: the identity
then holds inside, whatever lies beyond. Where the support is no box (a simplex, an ordering), the density is asked, and
the test is left out.

*Kernels.* Inverse multiquadrics (1 + r^2 / l^2)^-1/2 of all coordinates, l the median distance; of each coordinate
alone, since a series whose density leaves out one term goes wrong in one or two coordinates among many; and the sum of
the latter. The statistic is the largest of their U-statistics, each over its standard deviation, and so is that of the
bootstrap, which keeps its level whatever they have to do with one another (Westfall and Young 1993). Positive draws
over more than a decade go by their logarithm.

>>> rng = np.random.default_rng(0)
>>> x = rng.normal(size=(400, 1))
>>> frame = Frame.of(rng.normal(size=(1000, 1)))
>>> right, wrong = (stein_matrices(*frame.weighted(x, slope * x)) for slope in (-1, -2))
>>> largest(right, rng).p_value > 0.01, largest(wrong, rng).p_value
(True, 0.0005)

Sources: Liu, Lee and Jordan (2016), A kernelized Stein discrepancy for goodness-of-fit tests; Chwialkowski, Strathmann
and Gretton (2016), A kernel test of goodness of fit; Gorham and Mackey (2017), Measuring sample quality with kernels;
Westfall and Young (1993), Resampling-based multiple testing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Positive draws are looked at by their logarithm where the middle eight tenths spread over more than this factor.
DECADE = 10.0
#: Random signs for a p-value, which is then at least 1 / (SIGNS + 1).
SIGNS = 1999


@dataclass(frozen=True)
class Frame:
    """Coordinates in which to look, settled on an earlier sample so that the test owes nothing to its own draws.

    Attributes
    ----------
    logarithmic
        Which coordinates go by their logarithm.
    centre, spread
        Median and interquartile range of each.
    low, high
        Where the weights vanish, and ``ramp_low``, ``ramp_high`` over what length they rise to a half.
    """

    logarithmic: NDArray[np.bool_]
    centre: Array
    spread: Array
    low: Array
    high: Array
    ramp_low: Array
    ramp_high: Array

    @classmethod
    def of(cls, draws: Array) -> Frame:
        """Settle on the coordinates of earlier draws (n, d); NaN stands for what is not to be looked at."""
        tenth, nine_tenths = np.nanquantile(draws, [0.1, 0.9], axis=0)
        logarithmic = (np.nanmin(draws, axis=0) > 0.0) & (nine_tenths > DECADE * tenth)
        moved = _logarithms(draws, logarithmic)
        lower, centre, upper = np.nanquantile(moved, [0.25, 0.5, 0.75], axis=0)
        z = (moved - centre) / (upper - lower)
        low, high = np.nanmin(z, axis=0), np.nanmax(z, axis=0)
        ramps = np.nanquantile(z, 0.25, axis=0) - low, high - np.nanquantile(z, 0.75, axis=0)
        return cls(logarithmic, centre, upper - lower, low, high, *ramps)

    def weighted(self, draws: Array, gradients: Array) -> tuple[Array, Array, Array]:
        """Coordinates z, weights g and a = g' + g d log p / dz of draws; zero weight for NaN."""
        log_p = np.where(self.logarithmic, draws * gradients + 1.0, gradients) * self.spread
        with np.errstate(invalid="ignore", divide="ignore"):
            z = (_logarithms(draws, self.logarithmic) - self.centre) / self.spread
        left, right = z - self.low, self.high - z
        inside = (left > 0.0) & (right > 0.0)
        left, right = np.where(inside, left, 0.0), np.where(inside, right, 0.0)
        rise, fall = left / (left + self.ramp_low), right / (right + self.ramp_high)
        slope = (
            self.ramp_low / (left + self.ramp_low) ** 2 * fall - self.ramp_high / (right + self.ramp_high) ** 2 * rise
        )
        g = rise * fall
        return np.nan_to_num(z), g, np.where(inside, slope + g * log_p, 0.0)


def _logarithms(draws: Array, logarithmic: NDArray[np.bool_]) -> Array:
    """Coordinates by their logarithm where so settled; NaN for what has none, or is NaN."""
    positive = draws > 0.0
    logarithms = np.where(positive, np.log(np.where(positive, draws, 1.0)), np.nan)
    moved: Array = np.where(logarithmic, logarithms, draws)
    return moved


def stein_matrices(z: Array, g: Array, a: Array) -> Iterator[Array]:
    """H of all pairs: by the kernel of all coordinates; by that of each one, and by the sum of these."""
    yield joint(z, g, a)
    if z.shape[1] > 1:
        total = np.zeros((len(z), len(z)))
        for j in range(z.shape[1]):
            h = joint(z[:, j : j + 1], g[:, j : j + 1], a[:, j : j + 1])
            total += h / (np.diagonal(h).mean() or 1.0)
            yield h
        yield total


def joint(z: Array, g: Array, a: Array) -> Array:
    """H for k = (1 + r^2 / l^2)^-1/2, its sums over coordinates as products of matrices.

    With k' = dk / d(r^2): dk/dx_j = 2 k' (x_j - x_j'), d2k/dx_j dx_j' = -2 k' - 4 k'' (x_j - x_j')^2.
    """
    squares = (z**2).sum(axis=1)
    r2 = np.maximum(squares[:, None] + squares - 2.0 * z @ z.T, 0.0)
    half = len(z) // 2
    scale = np.median(r2[:half, half:]) or 1.0  # of many pairs of different draws
    base = 1.0 / (1.0 + r2 / scale)
    k = np.sqrt(base)
    first, second = -0.5 / scale * k * base, 0.75 / scale**2 * k * base**2
    gz, az = g * z, a * z
    along = gz @ a.T - g @ az.T  # sum_j g_j a_j' (x_j - x_j')
    spread = (gz * z) @ g.T - 2.0 * gz @ gz.T + g @ (gz * z).T  # sum_j g_j g_j' (x_j - x_j')^2
    mixed = -2.0 * first * (g @ g.T) - 4.0 * second * spread
    h: Array = k * (a @ a.T) + 2.0 * first * (along + along.T) + mixed
    return h


class Largest(NamedTuple):
    """The largest U-statistic in standard deviations, whose it is, and the probability of a larger one."""

    figure: float
    place: int
    p_value: float


def largest(matrices: Iterable[Array], rng: np.random.Generator) -> Largest:
    """Test whether draws follow the density by several kernels together, with random signs."""
    signs, own, others = None, [], np.full(SIGNS, -np.inf)
    for h in matrices:
        # single precision, in half of the time, tells statistics apart far beyond their own noise
        pairs = (h - np.diag(np.diagonal(h))).astype(np.float32)
        if signs is None:
            signs = rng.choice(np.array([-1.0, 1.0], dtype=np.float32), size=(SIGNS, len(h)))
        spread = float(np.sqrt(2.0 * np.sum(pairs**2, dtype=np.float64))) or 1.0
        own.append(float(pairs.sum(dtype=np.float64)) / spread)
        replicates = np.einsum("bi,bi->b", signs @ pairs, signs).astype(np.float64)
        others = np.maximum(others, replicates / spread)
    worst = int(np.argmax(own))
    return Largest(own[worst], worst, float((1 + np.count_nonzero(others >= own[worst])) / (SIGNS + 1)))
