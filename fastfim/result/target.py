"""What a tolerance applies to: entries of the matrix, of its inverse, the log determinant, or what the user names.

A target turns the replicates into half-widths and the scales that ``rtol`` is relative to; a run stops when every
half-width is at most ``atol + rtol * scale``:

- ``"fim"``: entries of the matrix, relative to sqrt(I_ii I_jj);
- ``"inverse"``: entries of its inverse C, relative to sqrt(C_ii C_jj), so that ``rtol=0.01`` means standard errors to
  half a percent;
- ``"logdet"``: the logarithm of the determinant, whose error is the determinant's relative error: its scale is 1;
- a function of the matrix, by the jackknife over streams, relative to the absolute value of each entry.

>>> replicates = np.array([[[4.04]], [[3.96]], [[4.0]]])
>>> half_width, scale = reach(lambda matrix: 1 / matrix[0, 0], replicates, confidence=0.95)
>>> print(f"{half_width:.4f} {scale:.2f}")
0.0062 0.25
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..estimation.jackknife import jackknife
from ..estimation.stopping import critical_value
from . import derived
from .quantity import Quantity

Array = NDArray[np.float64]

#: Targets that have a name; ``"fim"`` is the engine's own.
NAMED = ("fim", "inverse", "logdet")

Target = str | Callable[[Array], Any]


def reach(target: Target, replicates: Array, confidence: float) -> tuple[Array, Array]:
    """Half-widths and scales of what the target names; infinite half-widths where it has no error bars yet.

    Raises
    ------
    OptionError
        If the user's function raises, or does not return numbers.
    """
    half_width, scale = _reached(target, replicates, confidence)
    known = np.isfinite(half_width) & np.isfinite(scale)
    return np.where(known, half_width, np.inf), np.where(known, scale, 1.0)


def _reached(target: Target, replicates: Array, confidence: float) -> tuple[Array, Array]:
    if callable(target):
        value, error = _of_function(target, replicates)
        return critical_value(confidence, len(replicates)) * error, np.abs(value)
    if target == "inverse":
        quantity = derived.inverse(replicates)
        root = np.sqrt(np.abs(np.diagonal(quantity.value)))
        return _longer_side(quantity, confidence), np.outer(root, root)
    quantity = derived.logdet(replicates)
    return _longer_side(quantity, confidence), np.ones_like(quantity.value)


def _longer_side(quantity: Quantity, confidence: float) -> Array:
    low, high = quantity.interval(confidence)
    with np.errstate(invalid="ignore"):
        sides: Array = np.maximum(high - quantity.value, quantity.value - low)
    return sides


def _of_function(function: Callable[[Array], Any], replicates: Array) -> tuple[Array, Array]:
    def each(matrices: Array) -> Array:
        return np.array([function(matrix) for matrix in matrices], dtype=np.float64)

    try:
        with np.errstate(all="ignore"):
            value, error = jackknife(each, replicates)
    except np.linalg.LinAlgError:  # a matrix from few draws may be singular: more of them will tell
        value, error = np.nan, np.inf
    except Exception as problem:
        raise OptionError(
            "target must be a function of the matrix, shape (p, p), to a number or an array of numbers; it raised "
            f"{type(problem).__name__}: {problem}"
        ) from problem
    return np.asarray(value), np.asarray(error)
