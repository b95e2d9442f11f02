"""A function's name is what it does: every edit that matters changes it, nothing else does."""

import ctypes
import math
import types as python_types

import cloudpickle
import numba
import numpy as np
import pytest

from fastfim.store.fingerprint import UnkeyableError, fingerprint

SOURCE = """
import math
import numpy as np
from scipy.special import gammaln
rate = 2.0
weights = np.arange(3.0)
labels = {"b", "a"}

def deepest(x):
    return math.exp(-x) * rate

def helper(x, shift=1.0):
    return deepest(x) + shift

def logpdf(x, theta, *, order=2):
    if x in labels:
        return 0.0
    return helper(x) + theta[0] ** order + gammaln(x) + weights[0]
"""


def made(source=SOURCE, name="logpdf", file="model.py"):
    space = {"__name__": "model"}
    exec(compile(source, file, "exec"), space)
    return space[name]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("rate = 2.0", "rate = 2"),
        ("rate = 2.0", "rate = 3.0"),
        ("arange(3.0)", "arange(1.0, 4.0)"),
        ("arange(3.0)", "arange(3)"),
        ('{"b", "a"}', '{"b", "c"}'),
        ("math.exp(-x)", "math.exp(x)"),
        ("math.exp(-x)", "math.expm1(-x)"),
        ("shift=1.0", "shift=2.0"),
        ("order=2", "order=3"),
        ("+ shift", "- shift"),
        ("return 0.0", "return -0.0"),
        ("import gammaln", "import loggamma as gammaln"),
    ],
)
def test_edits_that_matter(before, after):
    assert before in SOURCE
    assert fingerprint(made(SOURCE.replace(before, after))) != fingerprint(made())


def test_what_does_not_matter():
    commented = "# a comment\n\n" + SOURCE.replace("return 0.0", "return 0.0  # nothing")
    assert fingerprint(made(commented, file="elsewhere.py")) == fingerprint(made())
    assert fingerprint(cloudpickle.loads(cloudpickle.dumps(made()))) == fingerprint(made())


def closure(value):
    return lambda x, theta: value * x


def test_closures():
    assert fingerprint(closure(1.0)) == fingerprint(closure(1.0))
    values = [1, 1.0, True, np.float64(1.0), np.ones(1), (1.0,), [1.0], "1.0", math.exp, np.exp, None, closure(1.0)]
    assert len({fingerprint(closure(value)) for value in values}) == len(values)


def test_order_of_arrays_counts():
    table = np.arange(6.0).reshape(2, 3)
    assert fingerprint(closure(table)) != fingerprint(closure(np.asfortranarray(table)))


def test_functions_that_call_each_other():
    source = "def even(n):\n    return n == 0 or odd(n - 1)\ndef odd(n):\n    return n != 0 and even(n - 1)\n"
    assert fingerprint(made(source, "even")) == fingerprint(made(source, "even"))
    assert fingerprint(made(source, "even")) != fingerprint(made(source.replace("n != 0", "n > 0"), "even"))


def test_helpers_in_modules():
    module = python_types.ModuleType("helpers")
    exec("def f(x):\n    return x + 1.0\n", module.__dict__)
    function = made("def g(x):\n    return helpers.f(x)\n", "g")
    function.__globals__["helpers"] = module
    before = fingerprint(function)
    exec("def f(x):\n    return x + 2.0\n", module.__dict__)
    assert fingerprint(function) != before


def test_options_of_compiled_helpers_count():
    def plain(x):
        return x + 1.0

    found = {fingerprint(closure(f)) for f in (plain, numba.njit(plain), numba.njit(fastmath=True)(plain))}
    assert len(found) == 3


def test_a_name_is_trusted_only_if_it_leads_to_the_function():
    forged = made("def exp(x):\n    return x\n", "exp")
    forged.__module__ = "math"
    assert fingerprint(closure(forged)) != fingerprint(closure(math.exp))
    other = made("def exp(x):\n    return 2 * x\n", "exp")
    other.__module__ = "math"
    assert fingerprint(closure(forged)) != fingerprint(closure(other))


class Something:
    value = 1.0


REFUSED = [Something, Something(), ctypes.c_double(1.0), numba.float64, np.array([None]), np.frompyfunc(abs, 1, 1)]


@pytest.mark.parametrize("value", [*REFUSED, {Something}], ids=lambda value: type(value).__name__)
def test_what_has_no_fingerprint_is_refused(value):
    with pytest.raises(UnkeyableError):
        fingerprint(closure(value))
