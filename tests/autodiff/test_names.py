"""Every function that a density may use, in a block of draws: its score and Hessian against central differences.

One line a function. Lines on single numbers run in the sampler too, compiled without derivatives. Eight lines are
compiled together, as helpers of one likelihood, and the first element of a draw says which of them the draw is about.
"""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from math import erf, log

import numpy as np
import pytest
import scipy
import scipy.special as sc
from numba import njit
from scipy.special import gammaln, logsumexp, zeta

from fastfim import Likelihood
from fastfim.autodiff import rules
from fastfim.kernels.block import Block, Job, chunks_of

from .differentiate import differentiate

THETA = np.array([0.4, 1.3, 2.2])
DATA = np.array([0.5, -1.0, 2.0])
MATRIX = np.array([[1.0, 0.5, -0.2], [1.0, -1.5, 0.3], [0.4, 0.1, 2.0]])


@njit
def compiled_helper(v):
    return math.lgamma(v) + np.log1p(v)


def plain_helper(v):
    return compiled_helper(2 * v) * sc.ndtr(v) + scipy.special.gammaln(v)


def changed_in_place(t):
    rows = np.ones((2, 3))
    rows[0] *= t[0]
    rows[1] += t
    row = rows[1]
    row /= t[1]
    row -= 0.5
    rows **= 2
    return np.sum(rows) * row[2]


def filled(array, t):
    for i in range(3):
        array[i] += t[i] * t[0]
    return array[0] * array[2] + array[1]


def overwritten(array, t):
    for i in range(3):
        array[i] = t[i] * t[0]
    return array[0] * array[2] + array[1]


MATH = {
    "acos": lambda t: math.acos(t[0]),
    "acosh": lambda t: math.acosh(t[1]),
    "asin": lambda t: math.asin(t[0]),
    "asinh": lambda t: math.asinh(t[0] * t[1]),
    "atan": lambda t: math.atan(t[0] * t[1]),
    "atan2": lambda t: math.atan2(t[0], t[1]) + math.atan2(1, t[2]) + math.atan2(t[1], -2),
    "atanh": lambda t: math.atanh(t[0]),
    "cbrt": lambda t: math.cbrt(-t[1]),
    "copysign": lambda t: math.copysign(t[0], -1.0) * math.copysign(2.0, t[1]) * t[2],
    "cos": lambda t: math.cos(t[0] * t[1]),
    "cosh": lambda t: math.cosh(t[0]),
    "degrees": lambda t: math.degrees(t[0]) * t[1],
    "erf": lambda t: math.erf(t[0]) * erf(t[1]),
    "erfc": lambda t: math.erfc(t[0]),
    "exp": lambda t: math.exp(t[0] * t[1]) + math.exp(2),
    "exp2": lambda t: math.exp2(t[0]),
    "expm1": lambda t: math.expm1(t[0]),
    "fabs": lambda t: math.fabs(-t[0]) * t[1],
    "gamma": lambda t: math.gamma(t[0]),
    "hypot": lambda t: math.hypot(t[0], t[1]) + math.hypot(3, t[2]),
    "isfinite": lambda t: t[0] * t[1] if math.isfinite(t[2]) else t[2],
    "isinf": lambda t: t[0] if math.isinf(t[2]) else t[1] * t[2],
    "isnan": lambda t: t[0] if math.isnan(t[2]) else t[1] * t[2],
    "lgamma": lambda t: math.lgamma(t[0]) + math.lgamma(len(t)) * t[1],
    "log": lambda t: math.log(t[0]) * log(t[1]),
    "log10": lambda t: math.log10(t[0]),
    "log1p": lambda t: math.log1p(t[0]),
    "log2": lambda t: math.log2(t[0]),
    "pow": lambda t: math.pow(t[0], t[1]) + math.pow(2, t[0]) + math.pow(t[2], 3),
    "radians": lambda t: math.radians(t[0]) * t[1],
    "sin": lambda t: math.sin(t[0] * t[1]),
    "sinh": lambda t: math.sinh(t[0]),
    "sqrt": lambda t: math.sqrt(t[0] * t[1]),
    "tan": lambda t: math.tan(t[0]),
    "tanh": lambda t: math.tanh(t[0]),
    "constants": lambda t: math.pi * t[0] + math.e * t[1] ** math.tau,
}

NUMPY = {
    "abs": lambda t: np.abs(-t[0]) * t[1] + abs(t[2]) * np.fabs(t[0]) + np.absolute(t[1]),
    "add": lambda t: np.add(t[0], t[1]) * np.subtract(t[0], 2) * np.multiply(t[1], t[2]) / np.divide(3, t[2]),
    "arccos": lambda t: np.arccos(t[0]) + np.arcsin(t[0]) * np.arctan(t[1]),
    "arccosh": lambda t: np.arccosh(t[1]) + np.arcsinh(t[1]) * np.arctanh(t[0]),
    "arctan2": lambda t: np.arctan2(t[0], t[1]),
    "cbrt": lambda t: np.cbrt(t[0]) * t[1],
    "copysign": lambda t: np.copysign(t[0], t[1] - 3) * t[1],
    "cos": lambda t: np.cos(t[0]) * np.sin(t[1]) * np.tan(t[0]),
    "cosh": lambda t: np.cosh(t[0]) * np.sinh(t[1]) * np.tanh(t[2]),
    "degrees": lambda t: np.degrees(t[0]) * np.rad2deg(t[1]) * np.radians(t[2]) * np.deg2rad(t[0]),
    "exp": lambda t: np.exp(t[0]) * np.exp2(t[1]) * np.expm1(t[2]),
    "float64": lambda t: np.float64(t[0]) * float(t[1]) * np.positive(t[2]),
    "hypot": lambda t: np.hypot(t[0], t[1]),
    "isfinite": lambda t: t[0] * t[1] if np.isfinite(t[2]) and not (np.isnan(t[0]) or np.isinf(t[1])) else t[2],
    "less": lambda t: t[0] * t[1] if np.less(t[0], t[1]) and np.greater_equal(t[2], 2) else t[2],
    "greater": lambda t: t[0] * t[1] if np.greater(t[1], t[0]) and np.less_equal(t[2], 3) else t[2],
    "equal": lambda t: t[0] * t[1] if np.not_equal(t[1], t[0]) and not np.equal(t[2], 3) else t[2],
    "log": lambda t: np.log(t[0]) * np.log1p(t[1]) + np.log2(t[1]) * np.log10(t[2]),
    "logaddexp": lambda t: np.logaddexp(t[0], t[1]) * np.logaddexp2(t[1], t[2]) + np.logaddexp(0.0, -t[2]),
    "logical_not": lambda t: t[0] * t[1] if not np.logical_not(t[2]) else t[2],
    "maximum": lambda t: np.maximum(t[0], t[1]) * np.minimum(t[1], 5) * np.fmax(t[2], t[0]) * np.fmin(1, t[1] * t[0]),
    "power": lambda t: np.power(t[0], t[1]) * np.negative(t[2]),
    "reciprocal": lambda t: np.reciprocal(t[0]) * np.square(t[1]),
    "sign": lambda t: np.sign(t[0]) * t[0] * t[1] * (1 if np.signbit(-t[1]) else 2),
    "sqrt": lambda t: np.sqrt(t[0] * t[1]),
    "where": lambda t: np.where(t[0] > t[1], t[0], t[1] * t[2]) + np.where(t[1] > 0, t[0] ** 2, 1.0),
}

SPECIAL = {
    "betaln": lambda t: sc.betaln(t[0], t[1]) + sc.betaln(1, t[2]) + sc.betaln(t[1], 3) + sc.betaln(2, 2) * t[0],
    "digamma": lambda t: sc.digamma(t[0]) + sc.psi(t[1]) + sc.digamma(2) * t[0],
    "entr": lambda t: sc.entr(t[0]) + sc.rel_entr(t[0], t[1]) + sc.rel_entr(1, t[2]),
    "erf": lambda t: sc.erf(t[0]) * sc.erfc(t[1]) + sc.erf(1) * t[0] * t[1],
    "expit": lambda t: sc.expit(t[0]) * sc.log_expit(-t[1]) + sc.expit(1) * t[0],
    "gamma": lambda t: sc.gamma(t[0]) + sc.gamma(4) * t[0] * t[1],
    "gammaln": lambda t: sc.gammaln(t[0]) + sc.loggamma(t[1]) + sc.gammaln(len(t)) * t[0] + gammaln(5) * t[1],
    "i0": lambda t: sc.i0(t[0]) * sc.i0e(t[1]) + sc.i0(1) * t[2],
    "i1": lambda t: sc.i1(t[0]) * sc.i1e(t[1]) + sc.i1e(2) * t[2],
    "k0": lambda t: sc.k0(t[0]) * sc.k0e(t[1]) + sc.k0(1) * t[2],
    "k1": lambda t: sc.k1(t[0]) * sc.k1e(t[1]) + sc.k1(2) * t[2],
    "log_ndtr": lambda t: sc.log_ndtr(-t[0]) * sc.ndtr(t[1]) + sc.ndtr(0) * sc.ndtri(t[0]),
    "logit": lambda t: sc.logit(t[0]) * sc.log_ndtr(-1) * t[1],
    "logsumexp": lambda t: logsumexp(t) * sc.logsumexp(np.array([t[0] * t[1], 1.0])) + sc.logsumexp(DATA) * t[0],
    "multigammaln": lambda t: sc.multigammaln(t[2], 3) + scipy.special.multigammaln(3, 2) * t[1],
    "polygamma": lambda t: sc.polygamma(1, t[1]) + sc.polygamma(2, 3) * t[0] * t[1],
    "xlogy": lambda t: sc.xlogy(t[0], t[1]) + sc.xlogy(2, t[2]) + sc.xlogy(t[0], 3) + sc.xlogy(0, 0) * t[0],
    "xlog1py": lambda t: sc.xlog1py(t[0], t[1]) + sc.xlog1py(2, t[2]) + sc.xlog1py(t[0], 3),
    "zeta": lambda t: zeta(t[1]) + sc.zeta(t[2], t[0]) + sc.zeta(3, t[0]) + sc.zeta(t[1], 2) + zeta(2) * t[0],
    "zetac": lambda t: sc.zetac(t[1]) * t[0],
    "module": lambda t: scipy.special.gammaln(t[0]) + scipy.special.gammaln(2 * t[1]),
    "helpers": lambda t: plain_helper(t[0]) * compiled_helper(t[1]) + plain_helper(2) * t[0],
    "vectors": lambda t: np.sum(sc.gammaln(t) * sc.betaln(t, 2)) + np.sum(sc.gammaln(DATA + 2)) * t[0],
}

#: Functions of several sums and integrals, which take long to compile; `test_special` has them one by one.
LARGE = {
    "betainc": lambda t: sc.betainc(t[1], t[2], t[0]) + sc.betainc(2, t[1], 0.3) + sc.betainc(t[2], 1, t[0]),
    "gammainc": lambda t: sc.gammainc(t[0], t[1]) * sc.gammaincc(t[1], t[2]) + sc.gammainc(2, t[0]),
    "gammaincc": lambda t: sc.gammaincc(t[0], 1) + sc.gammaincc(3, 2) * t[1] + sc.gammaincc(2, t[2]),
    "iv": lambda t: sc.iv(t[0], t[1]) * sc.ive(1, t[2]) + sc.ive(t[0], t[2]) + sc.ive(t[1], 2) + sc.iv(2, 3) * t[0],
    "kv": lambda t: sc.kv(t[0], t[1]) * sc.kve(0, t[2]) + sc.kve(t[0], 1) + sc.kv(0, t[1]) + sc.kv(1, 2) * t[0],
}

VECTORS = {
    "arange": lambda t: np.sum(np.arange(3) * t) * t[1] + np.arange(1.0, 4.0)[2] * t[0],
    "arithmetic": lambda t: np.sum((DATA - t) ** 2 / (1 + t) - 2 * t) + np.sum(-t * DATA + t**0.5 - 2**t),
    "broadcast": lambda t: np.sum((MATRIX * t - t[0]) ** 2) + np.sum(MATRIX / (DATA + t) * MATRIX),
    "choices": lambda t: np.sum(np.maximum(t * DATA, 0.3) ** 2) + np.sum(np.where(t > 1, t * t, np.exp(-t))),
    "compare": lambda t: np.sum((t > 1) * t**2) + np.sum((t <= 1) * np.abs(-t)) * t[1],
    "cumsum": lambda t: np.sum(np.cumsum(t) ** 2) * (t * t).cumsum()[1] + np.cumsum(DATA)[1] * t[0],
    "diff": lambda t: np.sum(np.diff(t) ** 2) + np.diff(t * DATA)[0],
    "dot": lambda t: np.dot(DATA, t) * np.dot(t, t) + np.dot(MATRIX[1], t) * np.dot(MATRIX, t)[2],
    "empty": lambda t: overwritten(np.empty(3), t) * overwritten(np.empty_like(DATA), t),
    "full": lambda t: filled(np.full(3, 1.5), t) * filled(np.full_like(DATA, 0.5), t),
    "functions": lambda t: np.sum(np.exp(-t) * np.log(t)) + np.sum(np.sqrt(t) * np.sin(DATA * t)) + np.sum(np.tanh(t)),
    "in place": changed_in_place,
    "matmul": lambda t: t @ t * (DATA @ t) + np.sum((MATRIX @ t) ** 2) + (t @ MATRIX)[1] * np.sum(MATRIX @ (t * t)),
    "max": lambda t: np.max(t) * np.min(t) * max(t[0], t[1], 1) * min(t[1], t[2]) + t[1] * (t * DATA).max(),
    "mean": lambda t: np.mean(t) ** 2 * (t * t).mean() + np.prod(t),
    "ones": lambda t: filled(np.ones(3), t) * filled(np.ones_like(DATA), t),
    "slices": lambda t: np.sum(t[1:] * t[:-1]) * t[-1] + sum([v * v for v in t]),
    "sum": lambda t: np.sum(t) ** 2 * (t * t).sum() + np.sum(MATRIX * t) + sum([t[0], t[1] * t[2]]),
    "zeros": lambda t: filled(np.zeros(3), t) * filled(np.zeros_like(t), t),
}

TOGETHER = 8
TABLES = {"math": MATH, "numpy": NUMPY, "special": SPECIAL, "large": LARGE, "vectors": VECTORS}
GROUPS = [
    pytest.param(module, names, marks=pytest.mark.long if lines is LARGE else ())
    for module, lines in TABLES.items()
    for k in range(0, len(lines), TOGETHER)
    if (names := list(itertools.islice(lines, k, k + TOGETHER)))
]
LINES = [line for lines in TABLES.values() for line in lines.values()]


def likelihood_of(lines, value_in_sampler):
    """A draw is (k, line k of theta, or nothing); its log density is line k."""
    f0, f1, f2, f3, f4, f5, f6, f7 = (lines * TOGETHER)[:TOGETHER]

    def nothing(k, theta):
        return 0.0

    def chosen(k, theta):
        if k < 4:
            if k < 2:
                return f0(theta) if k == 0 else f1(theta)
            return f2(theta) if k == 2 else f3(theta)
        if k < 6:
            return f4(theta) if k == 4 else f5(theta)
        return f6(theta) if k == 6 else f7(theta)

    value = chosen if value_in_sampler else nothing

    def sample(rng, theta, x):
        x[0] = rng.integers(0, 8)
        x[1] = value(x[0], theta)

    def logpdf(x, theta):
        return chosen(x[0], theta)

    return Likelihood(sample, logpdf, parameters=("a", "b", "c"), size=2)


#: Central differences of sixth order: truncation and rounding errors of about 1e-11 here.
STEP, WEIGHTS = 4e-3, {-3: -1 / 60, -2: 3 / 20, -1: -3 / 4, 1: 3 / 4, 2: -3 / 20, 3: 1 / 60}


def slope(function, theta, i):
    unit = STEP * np.eye(len(theta))[i]
    return sum(weight * function(theta + k * unit) for k, weight in WEIGHTS.items()) / STEP


def differences(function, theta):
    """Gradient and packed Hessian of an uncompiled function."""
    p = range(len(theta))
    gradient = [slope(function, theta, i) for i in p]
    hessian = [slope(lambda t, j=j: slope(function, t, j), theta, i) for i in p for j in p if i <= j]
    return np.array(gradient, float), np.array(hessian, float)


@pytest.mark.parametrize(("module", "names"), GROUPS, ids=lambda v: v if isinstance(v, str) else f"{v[0]}-{v[-1]}")
def test_score_and_hessian(module, names):
    lines, numbers = [TABLES[module][name] for name in names], module != "vectors"
    model = likelihood_of(lines, value_in_sampler=numbers).bind(())
    chunk = next(chunks_of(Job(model, model.theta(THETA), seed=1, order=2), Block(0, 0, 128)))
    for k, (name, line) in enumerate(zip(names, lines, strict=True)):
        row = np.flatnonzero(chunk.draws[:, 0] == k)[0]
        exact, (gradient, hessian) = float(line(THETA)), differences(line, THETA)
        assert chunk.draws[row, 1] == (pytest.approx(exact, rel=1e-12) if numbers else 0.0), name
        assert chunk.logpdf[row] == pytest.approx(exact, rel=1e-12), name
        scale = np.abs(hessian).max() + np.abs(gradient).max()
        np.testing.assert_allclose(chunk.scores[row], gradient, rtol=1e-8, atol=1e-9 * scale, err_msg=name)
        np.testing.assert_allclose(chunk.hessians[row], hessian, rtol=1e-7, atol=1e-7 * scale, err_msg=name)
        assert np.any(chunk.hessians[row]), f"{name}: a line without curvature tests little"


def test_every_function_of_the_rules_is_in_the_table():
    used = {name for f in (*LINES, compiled_helper.py_func, plain_helper) for name in f.__code__.co_names}
    entries = [entry for entry in rules.ENTRIES if not isinstance(entry, rules.Refusal)]
    modules = ("math", "numpy", "scipy.special")
    names = {name.rpartition(".")[2] for e in entries for name in e.names if name.rpartition(".")[0] in modules}
    assert names - used == set()


def test_helper_of_the_users_that_is_compiled_already_may_use_special_functions():
    """By itself it does not compile, since Numba does not know them."""

    @njit
    def normalizer(v):
        return sc.gammaln(v)

    found = differentiate(lambda x, theta: normalizer(theta[0]) + normalizer(3), 0.0, [2.5])
    assert found.value == pytest.approx(math.lgamma(2.5) + math.log(2), rel=1e-15)
    assert found.gradient[0] == pytest.approx(sc.digamma(2.5), rel=1e-14)


LISTED = (
    "gammaln, betaln, digamma, ndtr, log_ndtr, ndtri, erf, erfc, expit, logit, log_expit, logsumexp, xlogy, xlog1py, "
    "i0, i0e, i1, i1e, ive, k0, k1, k1e, kv, kve, zeta, gammainc, gammaincc, betainc, zeros, empty, ones, full, "
    "zeros_like, arange, diff, cumsum, dot, sum, mean, max, min"
)


def test_every_function_that_the_interface_names_is_in_the_table():
    used = {name for f in LINES for name in f.__code__.co_names}
    assert set(LISTED.split(", ")) - used == set()


def test_importing_the_package_does_not_import_scipy_special_or_stats():
    source = "import sys, fastfim; sys.exit(bool({'scipy.special', 'scipy.stats'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", source], check=False).returncode == 0


def test_rules_enter_when_scipy_special_is_loaded():
    """In a fresh process, where nobody else has loaded them."""
    source = """
import sys, numpy as np, fastfim
from fastfim.kernels.block import Block, Job, run_block
import scipy
def sample(rng, theta):
    return rng.gamma(theta[0])
def logpdf(x, theta):
    return (theta[0] - 1) * np.log(x) - x - scipy.special.gammaln(theta[0])
model = fastfim.Likelihood(sample, logpdf, parameters=("shape",)).bind(())
sums = run_block(Job(model, model.theta((2.0,)), 0, 2), Block(0, 0, 100))
assert abs(sums[2] / 100 - (np.pi**2 / 6 - 1)) < 1e-14, sums
"""
    subprocess.run([sys.executable, "-c", source], check=True)
