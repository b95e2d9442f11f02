# ruff: noqa: D103 - a rule is documented by its name and its formulas
"""Derivative rules of the functions of `scipy.special`.

The mathematics and the sources are in `numerics`; here each function is joined to its derivatives.  Where a derivative
has a closed form in the value it is written out, in the form that keeps its digits: the second derivative of log Phi is
-m (x + m) with m the inverse Mills ratio, and x + m comes from a continued fraction.  Derivatives in orders and
shapes (v of ``kv``, a and b of ``betainc``) come out of the same sums as the values, in one call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from fastfim.autodiff.calls import call_tuple
from fastfim.autodiff.emit import Emitter, Value
from fastfim.autodiff.numerics import (
    bessel_01,
    bessel_i,
    bessel_k,
    hurwitz,
    incomplete_beta,
    incomplete_gamma,
    log_gamma,
    logistic,
    normal,
    psi,
)
from fastfim.autodiff.numerics.functions import FLOAT_FUNCTIONS
from fastfim.autodiff.rules import Derivatives, rule

_Rule = TypeVar("_Rule", bound=Callable[..., Derivatives])


def special(*names: str) -> Callable[[_Rule], _Rule]:
    """Enter a rule for functions of `scipy.special`, whose values alone come without the work on derivatives."""
    return rule(*(f"scipy.special.{name}" for name in names), plain=FLOAT_FUNCTIONS.get(names[0]))


def _unary(e: Emitter, function: Callable[..., tuple[float, ...]], *xs: Any) -> Derivatives:
    """A function whose value, first and second derivative come from one call."""
    f, first, second = call_tuple(e, function, *xs)
    return f, (first,), (second,)


def _binary(e: Emitter, function: Callable[..., tuple[float, ...]], *xs: Any) -> Derivatives:
    """The same for two arguments: value, two first and three second derivatives."""
    f, *partials = call_tuple(e, function, *xs)
    return f, tuple(partials[:2]), tuple(partials[2:])


@special("gammaln", "loggamma")
def gammaln(e: Emitter, x: Value) -> Derivatives:
    first, second = (lambda: e.call(psi.digamma, x)), (lambda: e.call(psi.trigamma, x))
    return e.call(log_gamma.gammaln, x), (first,), (second,)


@special("gamma")
def gamma_function(e: Emitter, x: Value) -> Derivatives:
    f, slope = e.call(log_gamma.gamma, x), e.call(psi.digamma, x)
    return f, (lambda: f * slope,), (lambda: f * (slope * slope + e.call(psi.trigamma, x)),)


@special("betaln")
def betaln(e: Emitter, a: Value, b: Value) -> Derivatives:
    def curvature(x: Value, y: Value) -> Value:
        return e.call(log_gamma.betaln_curvature, x, y)

    firsts = (lambda: e.call(log_gamma.betaln_slope, a, b), lambda: e.call(log_gamma.betaln_slope, b, a))
    mixed = lambda: -e.call(psi.trigamma, a + b)  # noqa: E731
    return e.call(log_gamma.betaln, a, b), firsts, (lambda: curvature(a, b), mixed, lambda: curvature(b, a))


@special("digamma", "psi")
def digamma(e: Emitter, x: Value) -> Derivatives:
    first, second = (lambda: e.call(psi.trigamma, x)), (lambda: e.call(psi.tetragamma, x))
    return e.call(psi.digamma, x), (first,), (second,)


@special("polygamma")
def polygamma_function(e: Emitter, n: Value, x: Value) -> Derivatives:
    """The order n is an integer, without a derivative: NaN where theta enters it."""
    first, second = (lambda: e.call(hurwitz.polygamma, n + 1, x)), (lambda: e.call(hurwitz.polygamma, n + 2, x))
    return e.call(hurwitz.polygamma, n, x), (math.nan, first), (math.nan, math.nan, second)


@rule("fastfim.autodiff.numerics.hurwitz.zeta", plain=hurwitz.zeta)
def hurwitz_zeta(e: Emitter, s: Value, q: Value) -> Derivatives:
    return _binary(e, hurwitz.hurwitz, s, q)


@rule("fastfim.autodiff.numerics.hurwitz.riemann_zeta", plain=hurwitz.riemann_zeta)
def riemann_zeta(e: Emitter, s: Value) -> Derivatives:
    return _unary(e, hurwitz.riemann_derivatives, s)


@special("zetac")
def zetac(e: Emitter, s: Value) -> Derivatives:
    return _unary(e, hurwitz.riemann_excess_derivatives, s)


@special("ndtr")
def ndtr(e: Emitter, x: Value) -> Derivatives:
    density = normal.INVERSE_SQRT_2PI * e.call(math.exp, -0.5 * x * x)
    return e.call(normal.ndtr, x), (density,), (lambda: -(x * density),)


@special("log_ndtr")
def log_ndtr(e: Emitter, x: Value) -> Derivatives:
    mills = e.call(normal.mills, x)
    return e.call(normal.log_ndtr, x), (mills,), (lambda: -(mills * e.call(normal.mills_excess, x)),)


@special("ndtri")
def ndtri(e: Emitter, p: Value) -> Derivatives:
    z = e.call(normal.ndtri, p)
    slope = e.call(normal.ndtri_slope, p, z)
    return z, (slope,), (lambda: z * slope * slope,)


@special("expit")
def expit(e: Emitter, x: Value) -> Derivatives:
    p, q = e.call(logistic.expit, x), e.call(logistic.expit, -x)
    return p, (lambda: p * q,), (lambda: -(p * q * e.call(math.tanh, 0.5 * x)),)


@special("log_expit")
def log_expit(e: Emitter, x: Value) -> Derivatives:
    q = e.call(logistic.expit, -x)
    return e.call(logistic.log_expit, x), (q,), (lambda: -(q * e.call(logistic.expit, x)),)


@special("logit")
def logit(e: Emitter, p: Value) -> Derivatives:
    slope = 1 / (p * (1 - p))
    return e.call(logistic.logit, p), (slope,), (lambda: (2 * (p - 0.5)) * slope * slope,)


@special("xlogy")
def xlogy(e: Emitter, x: Value, y: Value) -> Derivatives:
    ratio = e.select(x == 0, 0.0, x / y)
    seconds = (None, lambda: 1 / y, lambda: e.select(x == 0, 0.0, -(ratio / y)))
    return e.call(logistic.xlogy, x, y), (lambda: e.call(math.log, y), ratio), seconds


@special("xlog1py")
def xlog1py(e: Emitter, x: Value, y: Value) -> Derivatives:
    u = 1 + y
    ratio = e.select(x == 0, 0.0, x / u)
    seconds = (None, lambda: 1 / u, lambda: e.select(x == 0, 0.0, -(ratio / u)))
    return e.call(logistic.xlog1py, x, y), (lambda: e.call(math.log1p, y), ratio), seconds


@special("entr")
def entr(e: Emitter, x: Value) -> Derivatives:
    return e.call(logistic.entr, x), (lambda: -1 - e.call(math.log, x),), (lambda: -1 / x,)


@special("rel_entr")
def rel_entr(e: Emitter, x: Value, y: Value) -> Derivatives:
    firsts = (lambda: 1 + e.call(logistic.log_quotient, x, y), lambda: -(x / y))
    return e.call(logistic.rel_entr, x, y), firsts, (lambda: 1 / x, lambda: -(1 / y), lambda: x / y / y)


@special("i0")
def i0(e: Emitter, x: Value) -> Derivatives:
    return _unary(e, bessel_01.i0_derivatives, x)


@special("i0e")
def i0e(e: Emitter, x: Value) -> Derivatives:
    return _unary(e, bessel_01.i0e_derivatives, x)


@special("i1")
def i1(e: Emitter, x: Value) -> Derivatives:
    return _unary(e, bessel_01.i1_derivatives, x)


@special("i1e")
def i1e(e: Emitter, x: Value) -> Derivatives:
    return _unary(e, bessel_01.i1e_derivatives, x)


@special("ive")
def ive(e: Emitter, v: Value, x: Value) -> Derivatives:
    return _binary(e, bessel_i.ive_derivatives, v, x)


@special("iv")
def iv(e: Emitter, v: Value, x: Value) -> Derivatives:
    return _binary(e, bessel_i.iv_derivatives, v, x)


@special("kve")
def kve(e: Emitter, v: Value, x: Value) -> Derivatives:
    return _binary(e, bessel_k.kve_derivatives, v, x)


@special("kv")
def kv(e: Emitter, v: Value, x: Value) -> Derivatives:
    return _binary(e, bessel_k.kv_derivatives, v, x)


def _of_order(e: Emitter, function: Callable[..., tuple[float, ...]], order: float, x: Value) -> Derivatives:
    """A Bessel function of a fixed order."""
    f, _, first, _, _, second = call_tuple(e, function, order, x)
    return f, (first,), (second,)


@special("k0")
def k0(e: Emitter, x: Value) -> Derivatives:
    return _of_order(e, bessel_k.kv_derivatives, 0.0, x)


@special("k0e")
def k0e(e: Emitter, x: Value) -> Derivatives:
    return _of_order(e, bessel_k.kve_derivatives, 0.0, x)


@special("k1")
def k1(e: Emitter, x: Value) -> Derivatives:
    return _of_order(e, bessel_k.kv_derivatives, 1.0, x)


@special("k1e")
def k1e(e: Emitter, x: Value) -> Derivatives:
    return _of_order(e, bessel_k.kve_derivatives, 1.0, x)


@special("gammainc")
def gammainc(e: Emitter, a: Value, x: Value) -> Derivatives:
    return _binary(e, incomplete_gamma.gammainc_derivatives, a, x)


@special("gammaincc")
def gammaincc(e: Emitter, a: Value, x: Value) -> Derivatives:
    return _binary(e, incomplete_gamma.gammaincc_derivatives, a, x)


@special("betainc")
def betainc(e: Emitter, a: Value, b: Value, x: Value) -> Derivatives:
    f, *partials = call_tuple(e, incomplete_beta.betainc_derivatives, a, b, x)
    return f, tuple(partials[:3]), tuple(partials[3:])
