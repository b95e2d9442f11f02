"""Random programs: compiled derivatives against the same source in 60 digits.

A failing program is cut down and printed; its number in the test's name brings it back (``-k 'test_short[12]'``).
"""

from __future__ import annotations

import numpy as np
import pytest

from . import extended, random_programs
from .differentiate import (
    differentiate,
    differentiate_backwards,
    differentiate_by_columns,
    differentiate_by_edges,
    differentiate_forward_on_a_tile,
    differentiate_on_a_tile,
)

#: Forward mode, of one draw and several, and reverse mode: to first order, of one draw and
#: several, and to second, of one draw and several.
MODES = (
    differentiate,
    differentiate_forward_on_a_tile,
    differentiate_backwards,
    differentiate_on_a_tile,
    differentiate_by_columns,
    differentiate_by_edges,
)
#: No element is a number that programs contain: where two are equal, `max` has no derivative.
X, THETA = np.array([0.7, 1.3, 2.1]), (1.27, -0.6, 0.8)


def define(parts):
    """The function that pieces make."""
    namespace = {"__name__": "random_program"}
    exec(compile(random_programs.source(parts), "random_program.py", "exec"), namespace)
    return namespace["program"]


def exact(parts):
    """Value, gradient and Hessian in extended precision, or ``None`` where the pieces make no program."""
    try:
        return extended.derivatives(define(parts), X.astype(object), THETA)
    except NameError:  # a piece was left out that another needs
        return None


def complaint(parts, mode):
    """What is wrong with the compiled derivatives, or ``None``."""
    expected = exact(parts)
    if expected is None:
        return None
    try:
        found = mode(define(parts), X, THETA)
    except Exception as error:  # whatever the compiler says of a program that Python runs
        return f"{type(error).__name__}: {str(error)[:2000]}"
    for name, got, wanted, digits in zip(found._fields, found, expected, (1e-12, 1e-11, 1e-10), strict=True):
        if got is not None and not np.allclose(got, wanted, rtol=0, atol=digits * (1 + np.abs(wanted).max())):
            return f"{name}:\n{got}\nexpected:\n{wanted}"
    return None


def check(seed, mode):
    parts = random_programs.pieces(seed)
    wrong = complaint(parts, mode)
    if wrong is not None:
        smallest = random_programs.minimal(parts, lambda fewer: complaint(fewer, mode) is not None)
        pytest.fail(f"{random_programs.source(smallest)}\n{mode.__name__}: {complaint(smallest, mode)}")


@pytest.mark.parametrize("seed", range(30))
def test_short(seed):
    """Each in one of the modes."""
    check(seed, MODES[seed % len(MODES)])


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 4000))
@pytest.mark.parametrize("mode", MODES)
def test_long(seed, mode):
    check(seed, mode)


def test_a_failing_program_is_cut_down():
    """A fault that needs two of six pieces leaves these two."""
    parts = [[f"s{k} = a"] for k in range(6)]
    assert random_programs.minimal(parts, lambda fewer: parts[1] in fewer and parts[4] in fewer) == [parts[1], parts[4]]
