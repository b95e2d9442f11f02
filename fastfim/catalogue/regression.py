"""Regressions: one draw is the vector of responses to a design X, whose rows are cases and columns covariates.

logistic_regression: y_i is 1 with probability 1 / (1 + exp(-eta_i)), eta = X b, so that
log P(y) = -sum_i log(1 + exp(-s_i eta_i)) with s_i = 2 y_i - 1, which loses no digits for large eta. An intercept is a
column of ones. Its Fisher information is X^T W X, W = diag(p_i (1 - p_i)) (McCullagh and Nelder 1989, section 4.4).

>>> import numpy as np
>>> from fastfim.catalogue import catalogue
>>> design = np.array([[1.0, -1.0], [1.0, 2.0]])
>>> catalogue["logistic_regression"].bind((design,)).parameters
('b0', 'b1')
"""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np

from ..likelihood import Likelihood
from .registry import Entry


def _coefficients(X: Any) -> tuple[str, ...]:
    """One name ``b0, b1, ...`` a column of the design."""
    if np.ndim(X) != 2 or np.size(X) == 0:
        raise ValueError(f"X must be a matrix with a row a case and a column a covariate; got shape {np.shape(X)}")
    return tuple(f"b{j}" for j in range(X.shape[1]))


def _cases(X: Any) -> int:
    """Length of one draw: a response for each row of the design."""
    return len(X)


def _logistic_regression_sample(rng: Any, theta: Any, y: Any, X: Any) -> None:
    for i in range(len(y)):
        eta = 0.0
        for j in range(len(theta)):
            eta += X[i, j] * theta[j]
        odds = exp(-abs(eta))
        rare = rng.random() * (1.0 + odds) < odds
        y[i] = np.where(rare, 1.0, 0.0) if eta < 0.0 else np.where(rare, 0.0, 1.0)


def _logistic_regression_logpmf(y: Any, theta: Any, X: Any) -> Any:
    total = 0.0
    for i in range(len(y)):
        eta = np.dot(X[i], theta)
        sign = 2.0 * y[i] - 1.0
        total -= np.logaddexp(0.0, -sign * eta)
    return total


ENTRIES = (
    Entry(
        Likelihood(
            _logistic_regression_sample,
            _logistic_regression_logpmf,
            parameters=_coefficients,
            size=_cases,
            name="logistic_regression",
        ),
        "Logistic regression on the design X, one coefficient a column",
        pattern="b0, b1, ...",
    ),
)
