"""Programs that random ones were cut down to, which once were refused or differentiated wrongly: each in every mode."""

from __future__ import annotations

import numpy as np
import pytest

from . import extended
from .test_fuzz import DRAWS, MODES, THETA, difference


def fill(z, u):
    z[0] = u


def a_helper_waits_for_a_branch(x, theta):
    """Which function is called is known before its argument."""
    a = theta[0]
    v, w = np.ones(3), np.full(3, 2.0 if a < 0.7 else a * a)
    fill(v, 2 if a < 0.7 else a * a)
    w[1] = theta[2] if theta[1] < 3 else 1.0
    return v[0] * theta[1] + w[0] * w[1] + w.dot(v if theta[1] > 7 else w)


def data_become_others(x, theta):
    """Arrays of plain numbers at first, by operators, by functions that make them, and by methods."""
    v, z = x * 1.0, np.zeros(3)
    w, u = np.array([0.1, 0.2, 0.3]), x.copy()
    for k in range(2):
        v = np.tanh(v + theta[1] * k)
        z = np.cos(z + theta)
    if theta[0] > 0.1:
        w = w * theta[2]
        u = u + v * theta[0]
    return np.sum(v * w * z) * u[1]


def one_of_two_arrays(x, theta):
    """An array of data and one of parameters, under one name."""
    old, new, w = np.zeros(3), np.zeros(3), theta * 2.0
    for k in range(3):
        new[k] = np.sin(old[(k + 1) % 3] + x[0])
        old, new = new, old
    if theta[1] > 0.5:
        one = old
    else:
        one = w
    one[2] = np.log(x[1])
    return old[2] + 2 * w[2] * w[0]


def turned_in_a_loop(x, theta):
    """An array that is no longer contiguous after the first step."""
    v = theta * 1.0
    for _ in range(2):
        v = (v * 0.5)[::-1]
    w = np.maximum(v, theta * 2.0) - v
    return np.sum(np.tanh(w)) + np.clip(x[0], 0.0, 1.0) * theta[1] + np.clip(3, 0.0, 2.0)


PROGRAMS = (a_helper_waits_for_a_branch, data_become_others, one_of_two_arrays, turned_in_a_loop)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_what_was_found(program, mode):
    expected = [extended.derivatives(program, x.astype(object), THETA) for x in DRAWS]
    for found, exact in zip(MODES[mode](program, DRAWS, THETA), expected, strict=False):
        assert difference(found, exact) is None
