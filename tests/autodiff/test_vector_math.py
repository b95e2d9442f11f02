"""Exponentials and logarithms of vectors against exact ones: two units in the last place, everywhere."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastfim.autodiff.emit import DOUBLE, VECTOR_FORMS, Emitter, Value
from fastfim.autodiff.vector_math import log1p_up_to_one

from .differentiate import pointer

WIDTH = 8
VECTOR = ir.VectorType(DOUBLE, WIDTH)


def on_arrays(form):
    """``f(inputs, outputs)``: a vector form over arrays whose length is a multiple of `WIDTH`."""

    @intrinsic
    def apply(typing_context, inputs, outputs, at):
        def generate(context, builder, sig, args):
            source, target = (builder.bitcast(builder.gep(a, [args[2]]), VECTOR.as_pointer()) for a in args[:2])
            e = Emitter(context, builder)
            builder.store(form(e, Value(e, builder.load(source, align=8))).ir, target, align=8)
            return context.get_dummy_value()

        return types.none(inputs, outputs, types.intp), generate

    @njit
    def run(inputs, outputs):
        for at in range(0, len(inputs), WIDTH):
            apply(pointer(inputs), pointer(outputs), at)

    return run


def values(form, xs):
    """The vector form of all of them."""
    results = np.empty_like(xs)
    on_arrays(form)(xs, results)
    return results


def assert_within_two_ulps(results, xs, exact):
    with mpmath.workprec(120):
        for x, result in zip(xs.tolist(), results.tolist(), strict=True):
            expected = exact(mpmath.mpf(x))
            assert abs(mpmath.mpf(result) - expected) <= 2 * math.ulp(float(expected)), (x, result)


def arguments(function):
    """Where results are finite: on a logarithmic scale, near the branch points of the reduction, and at the ends."""
    rng = np.random.default_rng(1)
    small = 10.0 ** rng.uniform(-320, 0, 4000) * rng.choice([-1.0, 1.0], 4000)
    if function in (math.exp, math.expm1):
        halves = (rng.integers(-1070, 1020, 4000) + 0.5) * math.log(2.0)
        xs = [small, rng.uniform(-745.0, 709.7, 8000), rng.uniform(-2.0, 2.0, 8000), halves, [709.78, -708.4, -745.1]]
    else:
        sizes = 2.0 ** rng.uniform(-1074, 1023.9, 8000)
        near_one = 1.0 + small[np.abs(small) > 1e-17]
        steps = 2.0 ** rng.integers(-40, 40, 2000) * math.sqrt(0.5) * (1.0 + rng.normal(0, 1e-15, 2000))
        xs = [sizes, near_one, rng.uniform(0.5, 2.0, 8000), steps, [5e-324, 2.0**-1022, np.finfo(float).max]]
        if function is math.log1p:
            xs = [sizes, small, *(x - 1.0 for x in map(np.asarray, xs[1:4]))]
    xs = np.concatenate(xs)
    if function is math.log1p:
        xs = xs[xs > -1.0]
    elif function is math.log:
        xs = xs[xs > 0.0]
    return xs[: len(xs) // WIDTH * WIDTH]


EXACT = {math.exp: mpmath.exp, math.expm1: mpmath.expm1, math.log: mpmath.log, math.log1p: mpmath.log1p}


@pytest.mark.parametrize("function", EXACT, ids=lambda f: f.__name__)
def test_two_units_in_the_last_place(function):
    xs = arguments(function)
    assert_within_two_ulps(values(VECTOR_FORMS[function], xs), xs, EXACT[function])


def test_a_logarithm_of_one_to_two():
    rng = np.random.default_rng(2)
    xs = np.concatenate(
        [rng.uniform(0, 1, 8000), 10.0 ** rng.uniform(-320, 0, 7992), [0.0, 1.0, 5e-324, 2.0**-1022] * 2]
    )
    assert_within_two_ulps(values(log1p_up_to_one, xs), xs, mpmath.log1p)


ENDS = [0.0, -0.0, math.inf, -math.inf, math.nan, -1.0, -2.0, 1e308, -1e308, 710.0, -746.0, -40.0, 5e-324, 1.0]


@pytest.mark.parametrize("function", VECTOR_FORMS, ids=lambda f: f.__name__)
def test_infinities_and_nan_are_those_of_numpy(function):
    xs = np.resize(ENDS, 16)
    results = values(VECTOR_FORMS[function], xs)
    with np.errstate(all="ignore"):
        expected = getattr(np, function.__name__)(xs)
    np.testing.assert_array_equal(np.isnan(results), np.isnan(expected))
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(results[~finite], expected[~finite])
    np.testing.assert_array_max_ulp(np.abs(results[finite]), np.abs(expected[finite]), maxulp=2)


def test_every_form_is_tested():
    assert set(VECTOR_FORMS) == set(EXACT)
