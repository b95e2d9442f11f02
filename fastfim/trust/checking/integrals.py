"""Integrals of a density over panels, by quadrature that refines itself where it has to.

A panel's integral by a Gauss-Legendre rule is compared with that of its halves; where they differ the panel is split,
between ends of one sign and different size at their geometric mean, which tames a pole at zero. All panels of a round
go to the density in one call.

>>> integrate(lambda x: 0.5 * x**-0.5, np.array([0.0, 1e-8, 0.25, 1.0])).round(6).tolist()
[0.0001, 0.4999, 0.5]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Density = Callable[[Array], Array]

#: Nodes of a rule, largest error of a panel, rounds of splitting.
NODES, TOLERANCE, ROUNDS = 12, 1e-9, 60
#: Doublings by which a tail is followed, and the mass of the last one at which it counts as having an end.
DOUBLINGS, NEGLIGIBLE = 100, 1e-7
#: Ends further apart than this factor are split at their geometric mean.
FAR_APART = 4.0


def integrate(density: Density, edges: Array) -> Array:
    """Integral over each panel between neighbouring edges; of splits that are not settled in time, the best value."""
    totals = np.zeros(len(edges) - 1)
    low, high, owner = edges[:-1], edges[1:], np.arange(len(totals))
    whole = _rule(density, low, high)
    for _ in range(ROUNDS):
        middle = _middle(low, high)
        left, right = _rule(density, low, middle), _rule(density, middle, high)
        with np.errstate(invalid="ignore"):
            open_ = np.abs(left + right - whole) > TOLERANCE + 1e-9 * np.abs(whole)
        open_ &= (low < middle) & (middle < high)
        np.add.at(totals, owner[~open_], (left + right)[~open_])
        if not open_.any():
            return totals
        low, high = np.concatenate([low[open_], middle[open_]]), np.concatenate([middle[open_], high[open_]])
        owner = np.tile(owner[open_], 2)
        whole = np.concatenate([left[open_], right[open_]])
    np.add.at(totals, owner, whole)
    return totals


def tail(density: Density, start: float, width: float) -> float | None:
    """Integral from ``start`` onwards, in panels that double from ``width`` (negative: downwards); None if endless."""
    steps = width * (np.ldexp(1.0, np.arange(DOUBLINGS + 1)) - 1.0)
    edges = start + steps if width > 0.0 else (start + steps)[::-1]
    with np.errstate(over="ignore", invalid="ignore"):
        masses = _rule(density, edges[:-1], edges[1:])
    masses = masses if width > 0.0 else masses[::-1]
    if not np.isfinite(masses).all() or masses[-10:].max() > NEGLIGIBLE:
        return None
    return float(masses.sum())


def _middle(low: Array, high: Array) -> Array:
    smaller, larger = np.minimum(np.abs(low), np.abs(high)), np.maximum(np.abs(low), np.abs(high))
    geometric = (low * high > 0.0) & (larger > FAR_APART * smaller)
    middle: Array = np.where(geometric, np.sign(low) * np.sqrt(smaller) * np.sqrt(larger), low + 0.5 * (high - low))
    return middle


def _rule(density: Density, low: Array, high: Array) -> Array:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = 0.5 * (high - low)
    x = low[:, None] + half[:, None] * (nodes + 1.0)
    values: Array = density(x.ravel()).reshape(x.shape)
    return half * (values @ weights)
