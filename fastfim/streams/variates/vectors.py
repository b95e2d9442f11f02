"""Variates that are vectors (`multinomial`, `dirichlet`, `multivariate_normal`), and `choice`, which takes one.

Probabilities may be a vector or a tuple. A multinomial is a chain of binomials of what is left; a Dirichlet is a
vector of gamma variates over their sum, on the scale of logarithms where a small concentration could make all of them
underflow; a multivariate normal is mean + L z with L the Cholesky factor of the covariance, which may be singular.

`multivariate_normal` factors the covariance at every call (d^3 / 3 operations): where it is the same for many
draws, factor it once and take the d normals one by one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from ... import _jit
from ..methods import variate
from ..typed import Rng, inline
from .gammas import log_gamma_variate

# NumPy's own: probabilities may miss their sum by this much
_SUM_TOLERANCE = 1e-12
_CHOICE_TOLERANCE = 1.5e-8
# A pivot this much below its diagonal is rounding of a zero
_SINGULAR = 1e-13


def _itself(a: Any) -> Any:
    return int(a)


def _length(a: Any) -> Any:
    return len(a)


def _position(a: Any, index: Any) -> Any:
    return index


def _entry(a: Any, index: Any) -> Any:
    return a[index]


def _options(a: Any) -> Any:
    """How many there are to choose from: a itself, or its length."""
    return a if isinstance(a, int) else len(a)


def _option(a: Any, index: Any) -> Any:
    """What number ``index`` of them is."""
    return index if isinstance(a, int) else a[index]


@overload(_options, jit_options=dict(_jit.INNER))  # type: ignore[untyped-decorator]
def _overload_options(a: Any) -> Any:
    return _itself if isinstance(a, types.Number | types.Boolean) else _length


@overload(_option, jit_options=dict(_jit.INNER))  # type: ignore[untyped-decorator]
def _overload_option(a: Any, index: Any) -> Any:
    return _position if isinstance(a, types.Number | types.Boolean) else _entry


@inline
def _weighted_index(rng: Rng, count: int, p: Any) -> int:
    """Index i with probability p[i], by sequential search."""
    if len(p) != count:
        raise ValueError("choice: p must have as many entries as there are to choose from")
    total = 0.0
    for i in range(count):
        if not p[i] >= 0.0:
            raise ValueError("choice: probabilities must not be negative or nan")
        total += p[i]
    if not abs(total - 1.0) <= _CHOICE_TOLERANCE:
        raise ValueError("choice: probabilities must sum to 1")
    left = rng.random() * total
    chosen = 0
    for i in range(count):
        if p[i] > 0.0:  # an entry of probability 0 is never chosen, whatever rounding does
            chosen = i
            left -= p[i]
            if left < 0.0:
                break
    return chosen


@variate()
def choice(rng: Rng, a: Any, size: None = None, replace: bool = True, p: Any = None) -> Any:
    """One entry of the vector a, or of 0, ..., a - 1, with probabilities p, or all equally likely."""
    count = _options(a)
    if count < 1:
        raise ValueError("choice: there must be something to choose from")
    if p is None:
        return _option(a, rng.integers(0, count))
    return _option(a, _weighted_index(rng, count, p))


@variate()
def multinomial(rng: Rng, n: int, pvals: Any) -> Any:
    """Counts of n trials by category; the last category takes what the others leave."""
    categories = len(pvals)
    counts = np.zeros(categories, np.int64)
    left, share = int(n), 1.0
    total = 0.0
    for i in range(categories):
        if not 0.0 <= pvals[i] <= 1.0:
            raise ValueError("multinomial: probabilities must be from 0 to 1")
        if i < categories - 1:
            total += pvals[i]
    if left < 0 or total > 1.0 + _SUM_TOLERANCE:
        raise ValueError("multinomial: n must not be negative and pvals[:-1] must not sum to more than 1")
    for i in range(categories - 1):
        if pvals[i] > 0.0:
            counts[i] = rng.binomial(left, pvals[i] / share if pvals[i] < share else 1.0)
            left -= counts[i]
        share -= pvals[i]
    if categories > 0:
        counts[categories - 1] = left
    return counts


@variate()
def dirichlet(rng: Rng, alpha: Any) -> Any:
    """Shares that sum to 1, with concentrations alpha."""
    length = len(alpha)
    shares = np.empty(length)
    small = False
    for i in range(length):
        if not alpha[i] >= 1.0:
            small = True
    if small:
        _log_gammas(rng, alpha, shares)
        np.exp(shares - np.max(shares), shares)
    else:
        for i in range(length):
            shares[i] = rng.standard_gamma(alpha[i])
    shares /= np.sum(shares)
    return shares


@inline
def _log_gammas(rng: Rng, alpha: Any, out: Any) -> None:
    for i in range(len(alpha)):
        if alpha[i] > 0.0:
            out[i] = log_gamma_variate(rng, alpha[i])
        else:
            out[i] = -math.inf if alpha[i] == 0.0 else math.nan


@inline
def _cholesky_row(factor: Any, cov: Any, i: int) -> None:
    """Row i of the lower Cholesky factor; where a pivot vanishes, its column is zero."""
    for j in range(i + 1):
        rest = cov[i, j]
        for k in range(j):
            rest -= factor[i, k] * factor[j, k]
        if j < i:
            factor[i, j] = rest / factor[j, j] if factor[j, j] > 0.0 else 0.0
        elif abs(rest) <= _SINGULAR * cov[i, i] * (i + 1):
            factor[i, i] = 0.0
        else:
            factor[i, i] = math.sqrt(rest)


@variate()
def multivariate_normal(rng: Rng, mean: Any, cov: Any) -> Any:
    """Normal vector of this mean and covariance matrix (its lower triangle is read); nan where that is indefinite."""
    length = len(mean)
    factor = np.empty((length, length))
    normals = np.empty(length)
    out = np.empty(length)
    for i in range(length):
        _cholesky_row(factor, cov, i)
        normals[i] = rng.standard_normal()
        out[i] = mean[i]
        for j in range(i + 1):
            out[i] += factor[i, j] * normals[j]
    return out
