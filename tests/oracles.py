"""Exact Fisher information matrices of the built-in likelihoods, from sources outside this project.

``CASES`` maps each name in the catalogue to its cases: parameters, constants, and the exact matrix. Tests and
benchmarks read the same table. Closed forms are held against quadrature over `scipy.stats` in test_oracles.py.

Sources
-------
[JKB]  Johnson, Kotz and Balakrishnan (1994, 1995), Continuous Univariate Distributions, volumes 1 and 2.
[LLT]  Lange, Little and Taylor (1989), Robust statistical modeling using the t distribution, JASA 84.
[P]    Piegorsch (1990), Maximum likelihood estimation for the negative binomial dispersion parameter, Biometrics 46.
[B]    Behboodian (1972), Information matrix for a mixture of two normal distributions, JSCS 1.
[MN]   McCullagh and Nelder (1989), Generalized Linear Models, section 4.4.
[K]    Kay (1993), Fundamentals of Statistical Signal Processing: Estimation Theory, section 3.9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import integrate, special, stats

EULER = np.euler_gamma


def trigamma(x):
    return special.polygamma(1, x)


def norm(theta):
    _, scale = theta
    return np.diag([1.0, 2.0]) / scale**2


def gamma(theta):
    """[JKB] volume 1, chapter 17."""
    a, scale = theta
    return np.array([[trigamma(a), 1 / scale], [1 / scale, a / scale**2]])


def beta(theta):
    """[JKB] volume 2, chapter 25."""
    a, b = theta
    return np.diag([trigamma(a), trigamma(b)]) - trigamma(a + b)


def weibull_min(theta):
    """[JKB] volume 1, chapter 21."""
    c, scale = theta
    shape = (np.pi**2 / 6 + (1 - EULER) ** 2) / c**2
    cross = -(1 - EULER) / scale
    return np.array([[shape, cross], [cross, (c / scale) ** 2]])


def t(theta):
    """[LLT] in one dimension, with the scale in place of its square."""
    df, _, scale = theta
    shape = (trigamma(df / 2) - trigamma((df + 1) / 2) - 2 * (df + 5) / (df * (df + 1) * (df + 3))) / 4
    location = (df + 1) / ((df + 3) * scale**2)
    spread = 2 * df / ((df + 3) * scale**2)
    cross = -2 / ((df + 1) * (df + 3) * scale)
    return np.array([[shape, 0, cross], [0, location, 0], [cross, 0, spread]])


def gumbel_r(theta):
    """[JKB] volume 2, chapter 22."""
    _, scale = theta
    spread = np.pi**2 / 6 + (1 - EULER) ** 2
    return np.array([[1, EULER - 1], [EULER - 1, spread]]) / scale**2


def poisson(theta):
    (mu,) = theta
    return np.array([[1 / mu]])


def nbinom(theta):
    """[P]: the information about n is the sum of P(X > k) / (n + k)^2, a series without cancellation."""
    n, p = theta
    k = np.arange(stats.nbinom.isf(1e-20, n, p) + 1)
    about_n = np.sum(stats.nbinom.sf(k, n, p) / (n + k) ** 2)
    return np.array([[about_n, -1 / p], [-1 / p, n / (p**2 * (1 - p))]])


def binom(theta, n):
    (p,) = theta
    return np.array([[n / (p * (1 - p))]])


def normal_mixture(theta):
    """[B]: the integral of the outer product of the scores, by adaptive quadrature split at the components."""
    weight, *components = theta
    (loc1, scale1), (loc2, scale2) = components[:2], components[2:]
    points = sorted(
        loc + k * scale for loc, scale in (components[:2], components[2:]) for k in (-40, -6, -2, 0, 2, 6, 40)
    )

    def integrand(x):
        first, second = stats.norm.pdf(x, loc1, scale1), stats.norm.pdf(x, loc2, scale2)
        z1, z2 = (x - loc1) / scale1, (x - loc2) / scale2
        gradient = np.array(
            [
                first - second,
                weight * first * z1 / scale1,
                weight * first * (z1**2 - 1) / scale1,
                (1 - weight) * second * z2 / scale2,
                (1 - weight) * second * (z2**2 - 1) / scale2,
            ]
        )
        density = weight * first + (1 - weight) * second
        return np.outer(gradient, gradient) / density if density > 0 else np.zeros((5, 5))

    return integrate.quad_vec(integrand, points[0], points[-1], points=points, epsabs=1e-13, epsrel=1e-12)[0]


def logistic_regression(theta, X):
    """[MN]: X^T W X."""
    p = special.expit(X @ np.asarray(theta))
    return (X * (p * (1 - p))[:, None]).T @ X


def lags(T):
    return np.abs(np.subtract.outer(np.arange(T), np.arange(T)))


def ar1_moments(theta, T):
    """Mean and covariance of the stationary series."""
    const, coef, scale = theta
    return np.full(T, const / (1 - coef)), scale**2 / (1 - coef**2) * coef ** lags(T)


def ar1(theta, T):
    """The mean and covariance of a Gaussian vector and their derivatives."""
    const, coef, scale = theta
    lag = lags(T)
    variance = scale**2 / (1 - coef**2)
    correlation = coef**lag
    means = np.outer([1 / (1 - coef), const / (1 - coef) ** 2, 0.0], np.ones(T))
    by_coef = variance * (lag * coef ** np.maximum(lag - 1, 0) + 2 * coef / (1 - coef**2) * correlation)
    covariances = [np.zeros((T, T)), by_coef, 2 / scale * variance * correlation]
    return gaussian_vector(means, variance * correlation, covariances)


def gaussian_vector(means, covariance, covariances):
    """[K]: from the covariance, and the derivatives of mean and covariance by each parameter."""
    precision = np.linalg.inv(covariance)
    half_trace = [[np.trace(precision @ a @ precision @ b) / 2 for b in covariances] for a in covariances]
    return means @ precision @ means.T + np.array(half_trace)


class Case(NamedTuple):
    """One point: parameters in the order of the catalogue, constants, and the function that gives the exact matrix."""

    theta: tuple[float, ...]
    args: tuple[Any, ...]
    information: Callable[..., Any]

    @property
    def exact(self):
        return np.asarray(self.information(self.theta, *self.args), dtype=float)


def cases(information, *points, args=()):
    return [Case(point, args, information) for point in points]


def design(n, p, seed):
    """An intercept and p - 1 standard normal covariates."""
    columns = np.random.default_rng(seed).standard_normal((n, p - 1))
    return np.column_stack([np.ones(n), columns])


CASES = {
    "norm": cases(norm, (0.0, 1.0), (-3.0, 0.25), (1e4, 50.0)),
    "gamma": cases(gamma, (2.0, 0.5), (0.3, 4.0), (50.0, 1e-3)),
    "beta": cases(beta, (2.0, 3.0), (0.7, 0.9), (40.0, 5.0)),
    "weibull_min": cases(weibull_min, (1.5, 2.0), (0.6, 0.1), (12.0, 30.0)),
    "t": cases(t, (5.0, 0.0, 1.0), (2.5, -1.0, 0.3), (30.0, 100.0, 7.0)),
    "gumbel_r": cases(gumbel_r, (0.0, 1.0), (-2.0, 0.2), (50.0, 9.0)),
    "poisson": cases(poisson, (2.5,), (0.2,), (120.0,)),
    "nbinom": cases(nbinom, (3.0, 0.4), (0.7, 0.2), (25.5, 0.6)),
    "binom": cases(binom, (0.3,), (0.05,), args=(10,))
    + cases(binom, (0.5,), args=(1,))
    + cases(binom, (0.9,), args=(500,)),
    "normal_mixture": cases(
        normal_mixture, (0.4, -1.0, 1.0, 1.5, 0.7), (0.5, -2.5, 1.0, 3.0, 2.0), (0.8, 0.0, 1.0, 0.5, 3.0)
    ),
    "logistic_regression": cases(logistic_regression, (0.3, 1.0), (0.0, 0.0), args=(design(20, 2, 1),))
    + cases(logistic_regression, (-0.5, 1.0, -2.0, 0.7, 0.2), args=(design(50, 5, 2),)),
    "ar1": cases(ar1, (0.5, 0.6, 1.0), (0.0, -0.9, 2.0), args=(10,)) + cases(ar1, (1.0, 0.0, 0.5), args=(40,)),
}

# How scipy.stats is called for each family, with theta and then constants in the order of the catalogue.
CONTINUOUS = {
    "norm": lambda loc, scale: stats.norm(loc, scale),
    "gamma": lambda a, scale: stats.gamma(a, scale=scale),
    "beta": lambda a, b: stats.beta(a, b),
    "weibull_min": lambda c, scale: stats.weibull_min(c, scale=scale),
    "t": lambda df, loc, scale: stats.t(df, loc, scale),
    "gumbel_r": lambda loc, scale: stats.gumbel_r(loc, scale),
}
DISCRETE = {
    "poisson": lambda mu: stats.poisson(mu),
    "nbinom": lambda n, p: stats.nbinom(n, p),
    "binom": lambda p, n: stats.binom(n, p),
}


def each(names, table=CASES):
    """Every case of these likelihoods, as pytest parameters ``name, case``."""
    return [pytest.param(name, case, id=f"{name}-{k}") for name in names for k, case in enumerate(table[name])]
