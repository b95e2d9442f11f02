"""What is usually wrong with a Fisher information matrix, and how to undo it.

Information is a tensor: with respect to phi(theta) it is J^T I J, where J = d theta / d phi. So a matrix C that was
worked out for the variance in place of the standard deviation, or on the log scale, becomes right by a factor a
parameter,

    I_ij = C_ij (d phi_i / d theta_i) (d phi_j / d theta_j).

Other slips are factors of the whole matrix (the total of n observations, a factor of two or four, the sign of the
Hessian), its inverse, the order of the parameters, and the sign of an entry. Whether one of them explains a claim is
for a test to say: `fastfim.verify` tries them all.

>>> from fastfim.likelihood import positive, real
>>> right = np.diag([1 / 4, 2 / 4])  # mean and standard deviation of N(0, 2^2)
>>> for slip in corrections(np.diag([1 / 4, 1 / 32]), right, np.array([0.0, 2.0]), ("mean", "sd"), (real, positive)):
...     if np.allclose(slip.fim, right):
...         print(slip.description)
that for the square of sd (variance for standard deviation)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, permutations
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from ..likelihood import Interval

Array = NDArray[np.float64]

#: Parameters up to which every order is tried; beyond, only exchanges of two.
EVERY_ORDER = 4
#: Largest number of observations that a total is taken to be of.
MOST_OBSERVATIONS = 10**9


@dataclass(frozen=True)
class Slip:
    """What a claimed matrix may be in place of what was asked for, and the matrix that then was meant."""

    description: str
    fim: Array


@dataclass(frozen=True)
class Scale:
    """Another scale for a parameter: how it is called, for which values there is one, and d phi / d theta."""

    name: str
    applies: Callable[[float], bool]
    slope: Callable[[float], float]


def _positive(value: float) -> bool:
    return value > 0.0


def _always(value: float) -> bool:
    return True


SCALES = (
    Scale("the square of {} (variance for standard deviation)", _positive, lambda v: 2.0 * v),
    Scale("the logarithm of {}", _positive, lambda v: 1.0 / v),
    Scale("the reciprocal of {} (rate for scale)", _positive, lambda v: -1.0 / v**2),
    Scale("the square root of {}", _positive, lambda v: 0.5 / sqrt(v)),
    Scale("the logarithm of the square of {}", _positive, lambda v: 2.0 / v),
    Scale("the reciprocal of the square of {}", _positive, lambda v: -2.0 / v**3),
    Scale("the logit of {}", lambda v: 0.0 < v < 1.0, lambda v: 1.0 / (v * (1.0 - v))),
    Scale("the exponential of {}", lambda v: abs(v) < log(1e100), exp),
    Scale("{} with the opposite sign", _always, lambda v: -1.0),
    Scale("twice {}", _always, lambda v: 2.0),
    Scale("half of {}", _always, lambda v: 0.5),
)

FACTORS = {
    2.0: "twice the information",
    4.0: "four times the information",
    0.5: "half of the information",
    0.25: "a quarter of the information",
    -1.0: "the information with the opposite sign",
}


def corrections(
    claimed: Array, estimate: Array, theta: Array, parameters: tuple[str, ...], domain: tuple[Interval, ...]
) -> list[Slip]:
    """Every usual slip undone.

    Parameters
    ----------
    claimed, estimate
        Symmetric matrices (p, p); the estimate only says how many observations a total may be of.
    theta, parameters, domain
        Values, names and intervals.

    Returns
    -------
    list of Slip
        Those that lead to the same matrix as one.
    """
    slips = [
        *_other_scales(claimed, theta, parameters, domain),
        *_factors(claimed, estimate),
        *_inverses(claimed, estimate),
        *_orders(claimed, parameters),
        *_signs(claimed, parameters),
    ]
    return _merged(slips)


def _other_scales(
    claimed: Array, theta: Array, parameters: tuple[str, ...], domain: tuple[Interval, ...]
) -> Iterator[Slip]:
    """One parameter on another scale, or all those whose domain begins at zero."""
    for scale in SCALES:
        usable = [k for k, v in enumerate(theta) if scale.applies(float(v)) and scale.slope(float(v)) != 1.0]
        bounded = [k for k in usable if domain[k].low == 0.0]
        for group in [*([k] for k in usable), *([bounded] if len(bounded) > 1 else [])]:
            slopes = np.ones(len(theta))
            slopes[group] = [scale.slope(float(theta[k])) for k in group]
            what = scale.name.format(" and ".join(parameters[k] for k in group))
            yield Slip(f"that for {what}", claimed * np.outer(slopes, slopes))


def _factors(claimed: Array, estimate: Array) -> Iterator[Slip]:
    for factor, name in FACTORS.items():
        yield Slip(name, claimed / factor)
    n = _observations(claimed, estimate)
    if n > 1.0:
        yield Slip(f"the total of {n:.0f} observations", claimed / n)
    n = _observations(estimate, claimed)
    if n > 1.0:
        yield Slip(f"the information divided by {n:.0f}", claimed * n)


def _inverses(claimed: Array, estimate: Array) -> Iterator[Slip]:
    try:
        inverse: Array = np.array(np.linalg.inv(claimed), dtype=np.float64)
    except np.linalg.LinAlgError:
        return
    yield Slip("the inverse of the information", inverse)
    n = _observations(inverse, estimate)
    if n > 1.0:
        yield Slip(f"the inverse of the total of {n:.0f} observations", inverse / n)


def _observations(total: Array, one: Array) -> float:
    """How many times ``one`` makes about ``total``, on the scale of ``one``; zero if no whole number will do."""
    root = np.sqrt(np.abs(np.diagonal(one)))
    if not (root > 0.0).all():
        return 0.0
    units = np.outer(root, root)
    ratio = float(np.sum(total * one / units**2) / np.sum((one / units) ** 2))
    return round(ratio) if 1.5 <= ratio <= MOST_OBSERVATIONS else 0.0


def _orders(claimed: Array, parameters: tuple[str, ...]) -> Iterator[Slip]:
    """Rows and columns in another order."""
    p = len(parameters)
    own = tuple(range(p))
    if p <= EVERY_ORDER:
        orders = [order for order in permutations(own) if order != own]
    else:
        orders = [tuple({i: j, j: i}.get(k, k) for k in own) for i, j in combinations(own, 2)]
    for order in orders:
        fim = np.empty_like(claimed)
        fim[np.ix_(order, order)] = claimed
        yield Slip(f"that for the parameters in the order {', '.join(parameters[k] for k in order)}", fim)


def _signs(claimed: Array, parameters: tuple[str, ...]) -> Iterator[Slip]:
    """One entry off the diagonal with the wrong sign."""
    for i, j in combinations(range(len(parameters)), 2):
        fim = claimed.copy()
        fim[i, j] = fim[j, i] = -claimed[i, j]
        yield Slip(f"one with the wrong sign at {parameters[i]} x {parameters[j]}", fim)


def _merged(slips: list[Slip]) -> list[Slip]:
    """Slips that lead to the same matrix become one."""
    merged: list[Slip] = []
    for slip in slips:
        for k, other in enumerate(merged):
            if np.allclose(slip.fim, other.fim, rtol=1e-9, atol=0.0):
                merged[k] = Slip(f"{other.description}; or {slip.description}", other.fim)
                break
        else:
            merged.append(slip)
    return merged
