"""What the methods of an estimate are given, made into arrays, or refused in words.

>>> vector({"b": 2.0}, ("a", "b"), "g")
array([0., 2.])
>>> split("b", ("a", "b", "c"))
(array([0, 2]), array([1]))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError

Array = NDArray[np.float64]

#: Asymmetry and negative eigenvalues of a precision below this share of its size are rounding.
ROUNDING = 1e-12


def positive(n: Any) -> float:
    """A number of observations.

    Raises
    ------
    OptionError
        It is not a positive number.
    """
    try:
        number = float("nan") if isinstance(n, (bool, str)) else float(n)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0.0 < number < float("inf"):
        raise OptionError(f"n, the number of observations, must be a positive number; got {n!r}")
    return number


def vector(values: Any, parameters: tuple[str, ...], what: str) -> Array:
    """One finite number for each parameter, given in order or by name (then zero where there is none).

    Raises
    ------
    OptionError
        It is anything else.
    """
    named = isinstance(values, Mapping) and set(values) <= set(parameters)
    given = [values.get(name, 0.0) for name in parameters] if named else values
    try:
        numbers = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (len(parameters),) or not np.isfinite(numbers).all():
        raise OptionError(f"{what} must be a finite number for each of {list(parameters)}; got {values!r}")
    return numbers


def split(names: Any, parameters: tuple[str, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the parameters that stay, and of those that are named.

    Raises
    ------
    OptionError
        A name is not a parameter's, or no parameter is left, or none named.
    """
    chosen = tuple(names) if isinstance(names, Iterable) and not isinstance(names, str) else (names,)
    unknown = [name for name in chosen if name not in parameters]
    if unknown or not 0 < len(set(chosen)) < len(parameters):
        what = f"there is no {unknown[0]!r}" if unknown else "at least one is to be named, and one to be left"
        raise OptionError(f"names must be some of the parameters {list(parameters)}: {what}; got {names!r}")
    named = np.isin(parameters, chosen)
    return np.flatnonzero(~named), np.flatnonzero(named)


def precision(prior: Any, parameters: tuple[str, ...]) -> Array:
    """A prior's precision as a matrix: given as one, as its diagonal, or by name for some of the parameters.

    Raises
    ------
    OptionError
        It is of another shape, not finite, not symmetric, or not positive semidefinite.
    """
    if isinstance(prior, Mapping):
        prior = vector(prior, parameters, "precision")
    p = len(parameters)
    try:
        matrix = np.array(prior, dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionError(f"precision must be numbers; got {prior!r}") from None
    if matrix.shape == (p,):
        matrix = np.diag(matrix)
    if matrix.shape != (p, p) or not np.isfinite(matrix).all():
        raise OptionError(
            f"precision must be a finite matrix of shape ({p}, {p}), its diagonal, or a mapping from names to numbers, "
            f"for {list(parameters)}; got shape {np.shape(prior)}"
        )
    size = np.abs(matrix).max()
    if (np.abs(matrix - matrix.T) > ROUNDING * size).any() or np.linalg.eigvalsh(matrix)[0] < -ROUNDING * size:
        raise OptionError(f"precision must be symmetric and positive semidefinite; got {matrix.tolist()}")
    return 0.5 * (matrix + matrix.T)
