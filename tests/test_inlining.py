"""Functions that only exist inside their callers."""

import numpy as np
import pytest
from numba import njit, typeof

from fastfim import _jit


@_jit.inner
def reports(x):
    print("x =", x, np.array([x, 2.0]))
    if x < 0:
        raise ValueError("negative")
    return 3 * x


@njit
def calls(x):
    return reports(x) + reports(x + 1)


def test_inlined_code_prints_and_raises(capfd):
    assert calls(2.0) == 15.0
    assert calls(2.0) == 15.0
    assert "x = 2.0 [2. 2.]\nx = 3.0" in capfd.readouterr().out
    with pytest.raises(ValueError, match="negative"):
        calls(-1.0)


def test_callers_of_callers():
    middle = _jit.inner(lambda x: reports(x) * 2)
    first, second = njit(lambda x: middle(x)), njit(lambda x: middle(x) + middle(x))
    assert (first(1.0), second(1.0)) == (6.0, 12.0)


def test_no_machine_code_of_their_own():
    inner = _jit.inner(lambda x: x * x)
    outer = njit(lambda x: inner(x) + 1)
    assert outer(3.0) == 10.0
    (compiled,) = inner.overloads.values()
    engine = compiled.library.codegen._engine
    assert not engine.is_symbol_defined(compiled.fndesc.mangled_name)
    assert engine.is_symbol_defined(outer.overloads[typeof(3.0),].fndesc.mangled_name)
