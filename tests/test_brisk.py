"""Numba without what it does anew for every function: the same machine code, and itself again afterwards."""

import re
import subprocess
import sys
from pkgutil import resolve_name

import pytest
from numba import njit, types
from numba.core.compiler_lock import global_compiler_lock

from fastfim import _abi, _brisk, _jit
from fastfim._arrays import part
from fastfim._brisk import brisk


def in_numba():
    return [vars(resolve_name(owner))[name] for owner, name, _ in _brisk.REPLACED]


def fails_inside():
    before = in_numba()
    with global_compiler_lock, brisk():
        with brisk():
            pass
        assert all(now is not then for now, then in zip(in_numba(), before, strict=True))
        raise ZeroDivisionError


def test_numba_is_itself_again_after_errors_too():
    before = in_numba()
    with pytest.raises(ZeroDivisionError):
        fails_inside()
    assert in_numba() == before


def test_what_numba_does_not_have_is_not_replaced(monkeypatch):
    missing = [("numba.core.base", "nothing"), ("numba.core.base.Nothing", "run"), ("numba.nothing", "run")]
    before = in_numba()
    monkeypatch.setattr(_brisk, "REPLACED", (*((*place, id) for place in missing), *_brisk.REPLACED))
    with global_compiler_lock, brisk():
        assert njit(lambda x: x + 1)(2) == 3
    monkeypatch.undo()
    assert in_numba() == before


def assembly():
    """A loop, a branch, helpers, numbers of several types; names, which are counted, left out."""
    norm = _jit.inner(lambda values, n: sum_of_squares(part(values, 0, n), n) ** 0.5)

    @_jit.apart
    def sum_of_squares(values, n):
        total = 0.0
        for k in range(n):
            total += values[k] * values[k] if k % 2 else values[k] * 2
        return total

    compiled = _jit.native(types.float64(_abi.FLOATS, types.int64), lambda values, n: norm(values, n) + n // 3)
    return re.sub(r"_ZN\w+", "name", compiled.library.get_asm_str())


def test_the_same_machine_code():
    plain = assembly()
    with global_compiler_lock, brisk():
        assert assembly() == plain


#: In a process of its own, as what Numba is taught it keeps.
TAUGHT = """
import operator
from numba import njit, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import TypingError
from numba.extending import overload
from fastfim._brisk import brisk

def product(x):
    return x @ 2.0 + 1.0

with global_compiler_lock, brisk():
    try:
        njit(product)(3.0)
    except TypingError:
        print("unknown")
    overload(operator.matmul)(lambda x, y: (lambda x, y: x * y) if isinstance(x, types.Float) else None)
    print(njit(product)(3.0))
"""


def test_operators_may_learn_meanwhile():
    said = subprocess.run([sys.executable, "-c", TAUGHT], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["unknown", "7.0"]
