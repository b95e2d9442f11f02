"""The plain functions against mpmath (first derivatives to 1e-13, second to 1e-12), and compiled against uncompiled.

What passes through zero, or is ill conditioned, is judged against its condition: see `special_oracle.disagreements`.
"""

from __future__ import annotations

import functools
import math

import mpmath as mp
import numpy as np
import pytest
from numba import njit
from scipy import special

from fastfim.autodiff.numerics import (
    bessel_01,
    bessel_i,
    bessel_k,
    differences,
    hurwitz,
    incomplete_beta,
    incomplete_gamma,
    log_gamma,
    normal,
    psi,
)
from fastfim.autodiff.numerics.functions import FLOAT_FUNCTIONS

from . import special_oracle as oracle

DERIVATIVES = {
    "zeta": hurwitz.hurwitz,
    "zetac": hurwitz.riemann_excess_derivatives,
    "i0": bessel_01.i0_derivatives,
    "i0e": bessel_01.i0e_derivatives,
    "i1": bessel_01.i1_derivatives,
    "i1e": bessel_01.i1e_derivatives,
    "iv": bessel_i.iv_derivatives,
    "ive": bessel_i.ive_derivatives,
    "kv": bessel_k.kv_derivatives,
    "kve": bessel_k.kve_derivatives,
    "gammainc": incomplete_gamma.gammainc_derivatives,
    "gammaincc": incomplete_gamma.gammaincc_derivatives,
    "betainc": incomplete_beta.betainc_derivatives,
}
PAIRS = [(a, b) for a in (1e-5, 0.3, 2.0, 9.99, 10.0, 12.0, 1e3, 1e8) for b in (1e-10, 1e-3, 0.5, 3.0, 11.0, 1e3, 1e9)]
SMALL = [s * x for x in (1e-150, 1e-12, 1e-3, 0.1, 0.3, 0.499, 0.501, 0.99, 1.01, 3.0, 30.0) for s in (1, -1)]

VALUES = {
    psi.digamma: (lambda x: mp.psi(0, x), oracle.POSITIVE + oracle.POLES),
    psi.trigamma: (lambda x: mp.psi(1, x), oracle.POSITIVE[1:] + oracle.POLES),
    psi.tetragamma: (lambda x: mp.psi(2, x), oracle.POSITIVE[1:] + oracle.POLES),
    psi.log_minus_digamma: (lambda x: mp.log(x) - mp.psi(0, x), oracle.POSITIVE),
    psi.digamma_difference: (lambda a, b: mp.psi(0, a + b) - mp.psi(0, a), PAIRS),
    psi.trigamma_difference: (lambda a, b: mp.psi(1, a) - mp.psi(1, a + b), PAIRS),
    log_gamma.lgamma1p: (lambda x: mp.loggamma(1 + x), [(x,) for x in SMALL if x > -1]),
    log_gamma.lgamma_difference: (lambda a, b: mp.loggamma(a + b) - mp.loggamma(a), [p for p in PAIRS if p[1] > 1e-4]),
    log_gamma.betaln: (oracle.log_beta, PAIRS),
    normal.erfcx: (lambda x: mp.exp(x * x) * mp.erfc(x), [(x,) for x in (0.0, 0.3, 0.46, 0.47, 3.9, 4.0, 4.1, 1e3)]),
    normal.mills_excess: (
        lambda x: x + mp.npdf(x) / oracle.normal_distribution(x),
        [p for p in oracle.NORMAL if p[0] > -1000],
    ),
    differences.expm1_excess: (lambda x: mp.expm1(x) - x, [(x,) for x in SMALL]),
    differences.log1p_excess: (lambda x: mp.log1p(x) - x, [(x,) for x in SMALL if x > -1]),
    differences.sinh_excess: (lambda x: mp.sinh(x) - x, [(x,) for x in SMALL if x > 1e-100]),
}
OURS = {name: f for name, f in FLOAT_FUNCTIONS.items() if f.__module__ != "math" and name in oracle.POINTS}
SCALARS = [*VALUES, *(f for name, f in OURS.items() if name not in DERIVATIVES and f not in VALUES)]


@oracle.thinned_and_dense
@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_against_mpmath(name, thinning):
    wrong = []
    for point in oracle.POINTS[name][::thinning]:
        wrong += oracle.disagreements(oracle.FUNCTIONS[name], point, DERIVATIVES[name](*point))
    assert not wrong


@pytest.mark.parametrize("function", VALUES, ids=lambda f: f.__name__)
def test_values_against_mpmath(function):
    exact, points = VALUES[function]
    for point in points:
        with mp.workdps(400):
            expected = exact(*map(mp.mpf, point))
            moved = max(
                abs(exact(*(c * (1 + oracle.EPS * (i == k)) for i, c in enumerate(map(mp.mpf, point)))) - expected)
                for k in range(len(point))
            )
            assert abs(function(*point) - expected) <= 5e-15 * abs(expected) + 4 * moved, point


def test_the_order_derivative_of_bessel_i_near_order_zero_is_good_beside_the_value():
    """It tends to -exp(-x) K_0(x), which is exponentially small beside exp(-x) I_0(x), out of a sum of that size."""
    for v in (1e-8, 1e-3, 0.02):
        for x in (0.01, 1.0, 15.0, 34.0, 36.0):
            exact = oracle.partials(oracle.FUNCTIONS["ive"], (v, x))
            computed = bessel_i.ive_derivatives(v, x)
            scale = abs(math.log(0.5 * x)) + 4.0
            for k, tolerance in ((1, 1e-15), (3, 1e-14), (4, 1e-14)):
                assert abs(computed[k] - exact[k]) <= tolerance * scale * exact[0]


@functools.cache
def compiled_derivatives(name):
    return njit(error_model="numpy")(DERIVATIVES[name])


@pytest.mark.parametrize("name", DERIVATIVES)
def test_compiled_and_uncompiled_derivatives_agree(name):
    """To rounding, which the condition of a derivative near its zero magnifies; accuracy is tested above."""
    compiled = compiled_derivatives(name)
    for point in oracle.POINTS[name][::3]:
        np.testing.assert_allclose(compiled(*point), DERIVATIVES[name](*point), rtol=1e-10, atol=1e-290)


@pytest.mark.parametrize("function", SCALARS, ids=lambda f: f.__name__)
def test_compiled_and_uncompiled_values_agree(function):
    named = [name for name, f in FLOAT_FUNCTIONS.items() if f is function]
    points = VALUES[function][1] if function in VALUES else oracle.POINTS[named[0]]
    compiled = njit(error_model="numpy")(function)
    for point in points:
        np.testing.assert_allclose(compiled(*point), function(*point), rtol=2e-14, atol=1e-15)


@pytest.mark.parametrize("name", sorted(FLOAT_FUNCTIONS.keys() - {"polygamma"}))
def test_values_are_those_of_scipy(name):
    """The same names mean the same functions; SciPy is not everywhere as accurate as mpmath, hence the tolerance."""
    for point in oracle.POINTS[name]:
        expected, computed = float(getattr(special, name)(*point)), FLOAT_FUNCTIONS[name](*point)
        if math.isfinite(expected) and abs(expected) > 1e-290:
            conditioning = (
                sum(abs(c) for c in point if abs(c) > 1) if name in ("gammaln", "gamma", "psi", "digamma") else 0
            )
            assert computed == pytest.approx(expected, rel=3e-9 + 1e-15 * conditioning, abs=1e-14), point


def test_values_at_the_ends_are_those_of_scipy():
    points = {
        "gammaln": [(0.0,), (-1.0,), (math.inf,)],
        "gamma": [(172.0,), (-2.0,)],
        "digamma": [(-1.0,)],
        "logit": [(0.0,), (1.0,), (1.5,)],
        "ndtri": [(0.0,), (1.0,), (-0.1,)],
        "xlogy": [(0.0, 0.0), (0.0, -1.0), (0.0, math.nan), (2.0, 0.0), (2.0, -1.0)],
        "xlog1py": [(0.0, -1.0), (0.0, -2.0), (0.0, math.nan), (2.0, -1.0), (2.0, -2.0)],
        "entr": [(0.0,), (-1.0,)],
        "rel_entr": [
            (0.0, 0.0),
            (0.0, 1.0),
            (1.0, 0.0),
            (-1.0, 1.0),
            (math.nan, 1.0),
            (1e-200, 1e200),
            (1e200, 1e-200),
        ],
        "gammainc": [(2.0, 0.0), (2.0, math.inf), (0.0, 1.0), (-1.0, 1.0), (1.0, -1.0)],
        "gammaincc": [(2.0, 0.0), (2.0, math.inf), (0.0, 1.0), (-1.0, 1.0), (1.0, -1.0)],
        "betainc": [(2.0, 3.0, 0.0), (2.0, 3.0, 1.0), (2.0, 3.0, 1.5), (-1.0, 3.0, 0.5)],
        "ive": [(0.0, 0.0), (2.0, 0.0), (2.0, -1.0), (3.0, -1.0), (2.5, -1.0), (-3.0, 2.0)],
        "kve": [(2.0, 0.0), (2.0, -1.0)],
        "zeta": [(1.0, 2.0), (2.0, 0.0)],
        "log_expit": [(-1000.0,), (1000.0,)],
        "expit": [(-1000.0,), (1000.0,)],
    }
    for name, cases in points.items():
        for case in cases:
            expected = float(getattr(special, name)(*case))
            np.testing.assert_allclose(FLOAT_FUNCTIONS[name](*case), expected, rtol=1e-14, err_msg=f"{name}{case}")


@pytest.mark.parametrize("name", DERIVATIVES)
def test_every_call_ends(name):
    """The compiler may run a call whose result is not wanted, whatever its arguments are."""
    extremes = (-math.inf, -1e300, -2.5, -0.0, 5e-324, 1e-300, 0.5, 3.0, 1e5, 1e9, 1e300, math.inf, math.nan)
    compiled = compiled_derivatives(name)
    for point in oracle.grid(*[extremes] * len(oracle.POINTS[name][0])):
        assert len(compiled(*point)) > 2


def test_polygamma_of_every_order():
    for n in range(6):
        for x in (0.01, 0.9, 3.0, 20.0, 1e5):
            with mp.workdps(60):
                assert log_relative(FLOAT_FUNCTIONS["polygamma"](float(n), x), mp.psi(n, x)) < 1e-14


def log_relative(computed, exact):
    return float(abs(computed - exact) / abs(exact))
