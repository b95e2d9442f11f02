"""The jackknife over streams: bias correction and standard error of a function of the matrix.

With K independent unbiased replicates F_k, mean F, and the leave-one-out means F_(k) = (K F - F_k) / (K - 1), the
pseudo-values of a smooth function f are

    f_k = K f(F) - (K - 1) f(F_(k)).

Their mean lacks the bias of order 1/K that f(F) has (Quenouille 1956), and their standard deviation over the root of K
is its standard error (Tukey 1958; Efron and Tibshirani 1993, chapter 11). For linear f the pseudo-values are f(F_k).

Where the slope of f vanishes, as that of c^2 at c = 0, this standard error is too small: the error is then of second
order, like z^2 - 1 for a normal z, whose standard deviation is the root of two times the bias that was removed. That is
added in quadrature; elsewhere it is of higher order. (The inverse of ((a, c), (c, b)) with a known exactly and c near 0
is such a case: without the addition 95 % intervals cover 82 %.)

>>> replicates = np.array([[[1.0]], [[2.0]], [[3.0]]])
>>> value, error = jackknife(lambda matrices: 1 / matrices[:, 0, 0], replicates)
>>> print(f"{value:.3f} {error:.3f}")  # the plain 1/F, 0.500, is too large on average
0.456 0.168
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def leave_one_out(replicates: Array) -> Array:
    """Means of all replicates but one, shape (K, p, p)."""
    means: Array = (replicates.sum(axis=0) - replicates) / (len(replicates) - 1)
    return means


def with_leave_one_out(replicates: Array) -> Array:
    """The mean of all replicates, then the means of all but one, shape (K + 1, p, p)."""
    return np.concatenate([replicates.mean(axis=0)[None], leave_one_out(replicates)])


def mean_and_error(values: Array) -> tuple[Any, Any]:
    """Mean over the first axis, and its standard error."""
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def from_values(values: Array) -> tuple[Any, Any]:
    """Bias-corrected value and standard error from a function's values at `with_leave_one_out`."""
    streams = len(values) - 1
    value, error = mean_and_error(streams * values[0] - (streams - 1) * values[1:])
    return value, np.hypot(error, np.sqrt(2.0) * (values[0] - value))


def jackknife(function: Callable[[Array], Array], replicates: Array) -> tuple[Any, Any]:
    """Bias-corrected value and standard error of a function of the mean replicate.

    Parameters
    ----------
    function
        Maps matrices of shape (n, p, p) to values of shape (n, ...), each by itself.
    replicates
        Independent unbiased estimates, shape (K, p, p).

    Returns
    -------
    value, standard_error
        Of the shape of one value.
    """
    return from_values(function(with_leave_one_out(replicates)))
