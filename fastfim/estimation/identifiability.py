"""Which directions of the parameters the data say nothing about, and how well the matrix can be inverted.

In units that make its diagonal one, so that the parameters' units do not matter, the matrix has eigenvalues l_j and
eigenvectors v_j. The standard error of l_j is that of v_j^T F_k v_j over the streams k. An eigenvalue within a few of
these of zero, or within rounding, belongs to a direction that is not identified as far as the estimate can tell: moving
the parameters along it changes the distribution of the data by nothing that can be seen. A parameter whose scores are
all zero carries no information by itself. The ratio of the largest eigenvalue to the least bounds the factor by which
relative errors grow when the matrix is inverted.

>>> replicates = np.array([[1.0, 1.0], [1.0, 1.0]]) * np.array([0.9, 1.0, 1.1])[:, None, None]
>>> look(replicates, np.ones(2)).unidentified(("a", "b"))
['a - b']
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Standard errors from zero below which an eigenvalue counts as zero; the least error, relative to the largest one.
CLEAR, ROUNDING = 3.0, 1e-11
#: An eigenvalue that is surely below this (their mean is 1) is next to nothing.
SMALL = 1e-4
#: Condition number beyond which half of the digits of a double are lost to an inversion.
ILL_CONDITIONED = 1e8
#: Components below this share of an eigenvector's largest are left out of its description.
VISIBLE = 0.05


@dataclass(frozen=True)
class Identifiability:
    """What the spectrum says.

    Attributes
    ----------
    idle
        Parameters without information, as indices.
    roots
        Square roots of the information's diagonal: the units in which the others are.
    values, errors, vectors
        Eigenvalues in ascending order, their standard errors, and their eigenvectors as columns.
    """

    idle: NDArray[np.intp]
    roots: Array
    values: Array
    errors: Array
    vectors: Array

    @cached_property
    def margins(self) -> Array:
        """Standard errors between each eigenvalue and zero; no error is less than rounding."""
        rounding = ROUNDING * np.abs(self.values).max(initial=np.finfo(float).tiny)
        margins: Array = self.values / np.maximum(self.errors, rounding)
        return margins

    @property
    def condition(self) -> float:
        """Largest eigenvalue over the least; infinite where that is not positive."""
        if not len(self.values):
            return 1.0
        return float(self.values[-1] / self.values[0]) if self.values[0] > 0.0 else np.inf

    def unidentified(self, parameters: tuple[str, ...]) -> list[str]:
        """Directions with an eigenvalue that is next to nothing whatever its error, as sums of parameters."""
        return self._in_words((self.margins < CLEAR) & self._small, parameters)

    def unsettled(self, parameters: tuple[str, ...]) -> list[str]:
        """Directions that may be identified or not: the errors are too large to tell."""
        return self._in_words((self.margins < CLEAR) & ~self._small, parameters)

    @cached_property
    def _small(self) -> NDArray[np.bool_]:
        return self.values + CLEAR * self.errors < SMALL

    def _in_words(self, which: NDArray[np.bool_], parameters: tuple[str, ...]) -> list[str]:
        if not which.any():
            return []
        units = np.where(self.roots > 0.0, self.roots, 1.0)
        return [_in_words(self.vectors[:, j], units, parameters) for j in np.flatnonzero(which)]


def look(replicates: Array, roots: Array) -> Identifiability:
    """Look at replicates (K, p, p), with ``roots`` the square roots of the information's diagonal (p,)."""
    informed = np.flatnonzero(roots > 0.0)
    units = roots[informed]
    scaled = replicates[:, informed[:, None], informed] / (units[:, None] * units)
    streams = len(scaled)
    values, vectors = np.linalg.eigh(scaled.sum(axis=0) / streams)
    forms = ((scaled @ vectors) * vectors).sum(axis=1) - values
    errors = np.sqrt((forms * forms).sum(axis=0) / ((streams - 1) * streams))
    every = np.zeros((len(roots), len(informed)))
    every[informed] = vectors
    return Identifiability(np.flatnonzero(roots == 0.0), roots, values, errors, every)


def _in_words(vector: Array, units: Array, parameters: tuple[str, ...]) -> str:
    """``a - 0.5 b``: a direction in the parameters' own units, relative to its largest component."""
    seen = np.flatnonzero(np.abs(vector) >= VISIBLE * np.abs(vector).max())
    direction = vector / units
    largest = seen[np.abs(direction[seen]).argmax()]
    terms = [(direction[j] / direction[largest], parameters[j]) for j in seen]
    words = "".join(f" {'-' if c < 0 else '+'} {_times(abs(c))}{name}" for c, name in terms)
    return words.removeprefix(" + ").replace(" - ", "-", 1) if words.startswith(" - ") else words.removeprefix(" + ")


def _times(coefficient: float) -> str:
    shown = f"{coefficient:.2g}"
    return "" if shown == "1" else f"{shown} "
