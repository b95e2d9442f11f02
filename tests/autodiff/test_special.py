"""The rules of scipy.special, through the compiled dual numbers, against mpmath in every argument."""

from __future__ import annotations

import math
import subprocess
import sys

import mpmath as mp
import numpy as np
import pytest
from numba import njit
from scipy import special

from fastfim.autodiff import rules
from fastfim.autodiff.numerics import hurwitz
from fastfim.autodiff.numerics.functions import FLOAT_FUNCTIONS
from fastfim.autodiff.spelled import SPELLED, logsumexp, multigammaln, zeta

from . import special_oracle as oracle
from .differentiate import compiled, differentiate, plain


def density_of(name, count):
    """``logpdf(x, theta)`` that calls the function of that name on the first ``count`` parameters."""
    f = getattr(special, name)
    if count == 1:
        return lambda x, theta: f(theta[0])
    if count == 2:
        return lambda x, theta: f(theta[0], theta[1])
    return lambda x, theta: f(theta[0], theta[1], theta[2])


@oracle.thinned_and_dense
@pytest.mark.parametrize("name", oracle.POINTS)
def test_rule_against_mpmath(name, thinning):
    points = oracle.POINTS[name]
    count = len(points[0])
    evaluate = compiled(density_of(name, count), count)
    wrong = []
    for point in points[:: thinning * (1, 4, 7)[count - 1]]:
        gradient, packed = np.full(count, np.nan), np.full(count * (count + 1) // 2, np.nan)
        value = evaluate(0.0, np.array(point), 0, gradient, packed)
        wrong += oracle.disagreements(oracle.FUNCTIONS[name], point, [value, *gradient, *packed])
    assert not wrong


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_polygamma_against_mpmath(n):
    """The order is an integer, without a derivative."""
    evaluate = compiled(lambda n, theta: special.polygamma(n, theta[0]), 1)
    for x in (0.01, 0.7, 1.9, 6.0, 24.5, 1e4):
        gradient, packed = np.empty(1), np.empty(1)
        value = evaluate(n, np.array([x]), 0, gradient, packed)
        assert not oracle.disagreements(lambda x: mp.psi(n, x), (x,), [value, gradient[0], packed[0]])


def test_every_rule_is_tested():
    """A rule that is neither in the oracle's table nor has a test here would go unchecked."""
    here = {special.polygamma, hurwitz.zeta, hurwitz.riemann_zeta}
    tested = here | {rules.resolve(f"scipy.special.{name}") for name in oracle.POINTS}
    own = [r for r in rules.ENTRIES if isinstance(r, rules.Rule) and not r.emit.__module__.endswith(".elementary")]
    missing = [r.names for r in own if not tested & {rules.resolve(name) for name in r.names}]
    assert len(own) > 30
    assert not missing


def test_first_order_alone_and_arguments_without_derivatives():
    def density(x, theta):
        return special.kve(2.5, theta[0]) + special.betainc(theta[1], 2.0, x) + special.gammainc(3.0, x)

    both = differentiate(density, 0.3, [1.2, 2.2])
    first = differentiate(density, 0.3, [1.2, 2.2], order=1)
    assert first.value == both.value
    np.testing.assert_array_equal(first.gradient, both.gradient)
    bessel = oracle.partials(oracle.FUNCTIONS["kve"], (2.5, 1.2))
    beta = oracle.partials(oracle.FUNCTIONS["betainc"], (2.2, 2.0, 0.3))
    np.testing.assert_allclose(both.gradient, [float(bessel[2]), float(beta[1])], rtol=1e-13)
    np.testing.assert_allclose(np.diag(both.hessian), [float(bessel[5]), float(beta[4])], rtol=1e-12)
    assert both.hessian[0, 1] == 0


@pytest.mark.long  # one by one what `test_names` tests eight at a time
@pytest.mark.parametrize("name", sorted(FLOAT_FUNCTIONS))
def test_functions_of_plain_numbers_in_a_sampler(name):
    """Numba knows none of these: compiled without derivatives, the rule's value stands in."""
    point = (2.0, 0.7, 0.3)[: len(oracle.POINTS.get(name, [(0, 0)])[0])]
    point = (0.7,) if len(point) == 1 else point
    f = getattr(special, name)
    by_count = {1: lambda x: f(x[0]), 2: lambda x: f(x[0], x[1]), 3: lambda x: f(x[0], x[1], x[2])}
    function = plain(by_count[len(point)])
    run = njit(lambda x: function(x))
    expected = f(int(point[0]), point[1]) if name == "polygamma" else f(*point)
    assert run(np.array(point)) == pytest.approx(float(expected), rel=1e-12)


def test_product_with_logarithm_where_the_factor_is_zero():
    """x log(y) at x = 0 is 0 for every y: derivatives in y vanish, also at y = 0."""
    for y in (0.0, 2.0):
        found = differentiate(lambda x, theta: special.xlogy(x, theta[0]) + special.xlog1py(x, theta[0] - 1), 0.0, [y])
        assert (found.value, found.gradient[0], found.hessian[0, 0]) == (0.0, 0.0, 0.0)


def test_logsumexp_of_a_vector_with_derivatives():
    theta = np.array([0.3, -1.0, 800.0, 799.0])
    found = differentiate(lambda x, theta: logsumexp(theta), 0.0, theta)
    weights = special.softmax(theta)
    assert found.value == pytest.approx(special.logsumexp(theta), rel=1e-15)
    np.testing.assert_allclose(found.gradient, weights, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(found.hessian, np.diag(weights) - np.outer(weights, weights), rtol=1e-12, atol=1e-16)


def test_logsumexp_of_infinitely_small_terms():
    """A weight of zero has log(0) = -inf with an infinite derivative: it must leave no trace."""

    def density(x, theta):
        terms = np.empty(3)
        terms[0] = math.log(0.0 * theta[0])
        terms[1] = theta[1] - 2.0
        terms[2] = theta[0] * theta[1]
        return logsumexp(terms)

    def without(x, theta):
        return np.logaddexp(theta[1] - 2.0, theta[0] * theta[1])

    found, expected = (differentiate(f, 0.0, [0.4, 1.7]) for f in (density, without))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    nothing = differentiate(lambda x, theta: logsumexp(x) + theta[0], np.full(3, -np.inf), [1.0])
    assert nothing.value == -math.inf
    assert nothing.gradient[0] == 1


def test_spelled_functions_of_plain_numbers():
    function = plain(lambda x: logsumexp(x) + zeta(x[0]) + zeta(x[0], 2.5) + multigammaln(x[0], 3))
    run = njit(lambda x: function(x))
    x = np.array([3.3, -np.inf, 1.0])
    expected = special.logsumexp(x) + special.zeta(3.3) + special.zeta(3.3, 2.5) + special.multigammaln(3.3, 3)
    assert run(x) == pytest.approx(float(expected), rel=1e-14)
    for name, spelled in SPELLED.items():
        assert getattr(special, name.rpartition(".")[2]).__name__ == spelled.__name__


def test_zeta_of_one_argument_and_multivariate_gamma():
    for s in (-3.3, 0.5, 1.2, 4.0):
        found = differentiate(lambda x, theta: zeta(theta[0]), 0.0, [s])
        computed = [found.value, found.gradient[0], found.hessian[0, 0]]
        assert not oracle.disagreements(mp.zeta, (s,), computed)
    found = differentiate(lambda x, theta: multigammaln(theta[0], 3), 0.0, [4.2])
    exact = oracle.partials(
        lambda a: mp.loggamma(a) + mp.loggamma(a - 0.5) + mp.loggamma(a - 1) + mp.mpf(3) / 2 * mp.log(mp.pi), (4.2,)
    )
    np.testing.assert_allclose(
        [found.value, found.gradient[0], found.hessian[0, 0]], np.array(exact, float), rtol=1e-14
    )


def test_the_rules_do_not_import_scipy_special():
    code = "import sys, fastfim.autodiff.special; sys.exit('scipy.special' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
