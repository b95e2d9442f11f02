"""Finite mixtures: the log density is a log-sum-exp over the components.

normal_mixture: f(x) = weight N(x; loc1, scale1^2) + (1 - weight) N(x; loc2, scale2^2). There is no closed form for its
Fisher information (Behboodian 1972, "Information matrix for a mixture of two normal distributions", integrates it
numerically).

>>> from fastfim.catalogue import catalogue
>>> print(f"{catalogue['normal_mixture'].logpdf(0.0, (0.5, -1.0, 1.0, 1.0, 1.0)):.6f}")
-1.418939
"""

from __future__ import annotations

from math import log, log1p
from typing import Any

import numpy as np

from ..likelihood import Likelihood, positive, real, unit_interval
from .constants import HALF_LOG_2PI
from .registry import Entry


def _normal_mixture_sample(rng: Any, theta: Any) -> Any:
    weight, loc1, scale1, loc2, scale2 = theta
    first = rng.random() < weight
    # one normal for either component: every draw takes two coordinates of a quasi-random point
    z = rng.standard_normal()
    return np.where(first, loc1 + scale1 * z, loc2 + scale2 * z)


def _normal_mixture_logpdf(x: Any, theta: Any) -> Any:
    weight, loc1, scale1, loc2, scale2 = theta
    z1 = (x - loc1) / scale1
    z2 = (x - loc2) / scale2
    first = log(weight) - log(scale1) - 0.5 * z1 * z1
    second = log1p(-weight) - log(scale2) - 0.5 * z2 * z2
    return np.logaddexp(first, second) - HALF_LOG_2PI


ENTRIES = (
    Entry(
        Likelihood(
            _normal_mixture_sample,
            _normal_mixture_logpdf,
            parameters=("weight", "loc1", "scale1", "loc2", "scale2"),
            domain=(unit_interval, real, positive, real, positive),
            name="normal_mixture",
        ),
        "Mixture of two normal distributions",
    ),
)
