"""Functions that only exist inside their callers, or have no machine code until it is asked for."""

import ctypes
import platform
import subprocess
import sys

import numpy as np
import pytest
from numba import njit, typeof, types

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


def test_vectors_on_the_stack_lie_within_lines_of_the_cache():
    """Wherever the caller's frame ends."""
    square = _jit.called(lambda x: x * x)
    compiled = _jit.native(types.float64(types.float64), lambda x: square(x) + square(x + 1.0))
    code = compiled.library.get_asm_str()
    if platform.machine() == "x86_64":
        assert code.count("$-64, %rsp") == 2


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


def test_machine_code_once_it_is_asked_for():
    signature = types.int64(types.CPointer(types.float64))
    compiled = _jit.native(signature, lambda x: np.int64(x[0]) + reports(2))
    engine = compiled.library.codegen._engine
    assert not engine.is_symbol_defined(compiled.entry)
    out, number = ctypes.c_int64(), (ctypes.c_double * 1)(5.0)
    native = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3)(compiled.code().address)
    assert native(ctypes.byref(out), ctypes.byref(ctypes.c_void_p()), number) == 0
    assert out.value == 5 + 6
    assert engine.is_symbol_defined(compiled.entry)


def test_compiling_does_not_import_linear_algebra():
    """Numba imports all of it to see whether it is there; it still is where it is needed."""
    source = """
import sys
import numpy as np
from numba import njit
import fastfim._jit
assert njit(lambda x: x + 1)(1) == 2
assert "scipy.linalg" not in sys.modules
assert njit(lambda a: np.linalg.det(a) + np.dot(a, a)[0, 0])(2 * np.eye(2)) == 8.0
assert "scipy.linalg" in sys.modules
"""
    subprocess.run([sys.executable, "-c", source], check=True)


def test_direct_calls_give_results():
    """Without a store each has machine code of its own in this process."""
    double = types.float64
    kept = [_jit._direct(double(double), function) for function in (lambda x: x * x, lambda x: x + 0.5)]
    calls = [ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(compiled.code().address) for compiled in kept]
    assert [call(3.0) for call in calls] == [9.0, 3.5]
