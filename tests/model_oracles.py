"""Exact matrices of the models in scalar_models.py and vector_models.py, from sources outside this project.

``MODEL_CASES`` is laid out like ``CASES`` of oracles.py. Closed forms are good to rounding; sums and integrals are over
scipy's or mpmath's densities, to the relative error that their functions state. All are held against quadrature of
numerical scores in test_oracles.py.

Sources
-------
[JKB]  Johnson, Kotz and Balakrishnan (1994, 1995), Continuous Univariate Distributions, volumes 1 and 2.
[JKK]  Johnson, Kemp and Kotz (2005), Univariate Discrete Distributions, third edition.
[MJ]   Mardia and Jupp (2000), Directional Statistics, section 5.3: maximum likelihood for the von Mises distribution.
[A]    Azzalini (1985), A class of distributions which includes the normal ones, SJS 12, section 4.
[EM]   Escobar and Meeker (1994), Fisher information matrix for the extreme value, normal and logistic distributions
       and censored data, Applied Statistics 43.
[MN]   McCullagh and Nelder (1989), Generalized Linear Models, chapters 4 to 6.
[E]    Engle (1982), Autoregressive conditional heteroscedasticity, Econometrica 50: a Gaussian series whose variance
       h_t is known from its past has the information sum_t E[grad log h_t grad log h_t^T] / 2.
"""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
from oracles import beta, cases, design, gamma, gaussian_vector, trigamma
from scipy import integrate, special, stats

# ---------------------------------------------------------------- closed forms


def exponential(theta):
    return np.diag([1 / theta[0] ** 2])


def lognormal(theta):
    return np.diag([1.0, 2.0]) / theta[1] ** 2


def invgamma(theta):
    """1 / x is a gamma variate of rate ``scale``."""
    a, scale = theta
    return gamma((a, 1 / scale)) * [[1, -1 / scale**2], [-1 / scale**2, 1 / scale**4]]


def chi2(theta):
    return np.array([[trigamma(theta[0] / 2) / 4]])


def squared_scale(degrees):
    """A scale times the root of a chi-square variate: Rayleigh for 2 degrees of freedom, Maxwell for 3."""
    return lambda theta: np.array([[2 * degrees / theta[0] ** 2]])


def pareto(theta):
    return np.array([[1 / theta[0] ** 2]])


def wald(theta):
    """[JKB] volume 1, chapter 15."""
    mean, shape = theta
    return np.diag([shape / mean**3, 1 / (2 * shape**2)])


def logistic(theta):
    """[JKB] volume 2, chapter 23."""
    return np.diag([1 / 3, (3 + np.pi**2) / 9]) / theta[1] ** 2


def cauchy(theta):
    """[JKB] volume 1, chapter 16."""
    return np.eye(2) / (2 * theta[1] ** 2)


def laplace(theta):
    """[JKB] volume 2, chapter 24."""
    return np.eye(2) / theta[1] ** 2


def vonmises(theta):
    """[MJ]"""
    _, kappa = theta
    ratio = special.i1e(kappa) / special.i0e(kappa)
    return np.diag([kappa * ratio, 1 - ratio / kappa - ratio**2])


def bernoulli(theta):
    (p,) = theta
    return np.array([[1 / (p * (1 - p))]])


def geom(theta):
    (p,) = theta
    return np.array([[1 / (p**2 * (1 - p))]])


def logser(theta):
    """[JKK] chapter 7: a power series distribution, whose information is the variance over p^2."""
    (p,) = theta
    return np.array([[stats.logser.var(p) / p**2]])


def multinomial(theta, n):
    """[JKB], Discrete Multivariate Distributions (1997), chapter 35."""
    return n * (np.diag(1 / np.array(theta)) + 1 / (1 - sum(theta)))


def dirichlet(theta):
    return np.diag(trigamma(np.array(theta))) - trigamma(sum(theta))


def trivariate_normal(theta):
    rows, columns = np.triu_indices(3)
    units = np.zeros((9, 3, 3))
    units[3 + np.arange(6), rows, columns] = units[3 + np.arange(6), columns, rows] = 1.0
    means = np.eye(9, 3)
    return gaussian_vector(means, np.tensordot([0, 0, 0, *theta[3:]], units, 1), units)


def poisson_regression(theta, X):
    """[MN]"""
    return (X * np.exp(X @ np.array(theta))[:, None]).T @ X


def local_level(theta, T):
    """The covariance of the series: noise on the diagonal, and the level that two times have in common."""
    noise, step = theta
    common = np.minimum.outer(np.arange(1, T + 1), np.arange(1, T + 1))
    return gaussian_vector(np.zeros((2, T)), noise * np.eye(T) + step * common + 4.0, [np.eye(T), common.astype(float)])


# ---------------------------------------------------------------- sums and integrals


def zipf(theta):
    """[JKK] chapter 11: an exponential family in log x, whose information is the curvature of log zeta."""
    zeta, first, second = (mpmath.zeta(theta[0], derivative=k) for k in range(3))
    return np.array([[float(second / zeta - (first / zeta) ** 2)]])


def zero_inflated_poisson(theta):
    """[JKK] chapter 8: the sum of the squared derivatives of the mass over the mass."""
    zeros, mu = theta
    k = np.arange(int(mu + 20 * np.sqrt(mu)) + 40)
    poisson = stats.poisson.pmf(k, mu)
    by_mu = (1 - zeros) * (stats.poisson.pmf(k - 1, mu) - poisson)
    derivatives = np.array([(k == 0) - poisson, by_mu])
    return derivatives / (zeros * (k == 0) + (1 - zeros) * poisson) @ derivatives.T


def integral(scores, density, low, high, points=()):
    """The matrix E[s s^T] over a density, to a relative 1e-12."""

    def integrand(x):
        s = np.array(scores(x))
        return np.outer(s, s) * density(x)

    return integrate.quad_vec(integrand, low, high, points=points, epsabs=1e-14, epsrel=1e-12)[0]


def gompertz(theta):
    """[JKB] volume 2, chapter 22: c (exp(x / scale) - 1) is a standard exponential variate."""
    c, scale = theta

    def scores(e):
        z = np.log1p(e / c)
        return (1 - e) / c, ((c + e) * z - z - 1) / scale

    return integral(scores, stats.expon.pdf, 0, 60, points=(1.0, 5.0, 20.0))


def censored_weibull(theta, end):
    """[EM]: the part before the end, and the mass at it."""
    c, scale = theta

    def scores(x, dies):
        z = np.log(x / scale)
        hazard = (x / scale) ** c
        return dies / c + (dies - hazard) * z, c * (hazard - dies) / scale

    # x = end v^4 takes the logarithm's edge off at zero
    density = lambda v: stats.weibull_min.pdf(end * v**4, c, scale=scale) * 4 * end * v**3
    before = integral(lambda v: scores(end * v**4, 1), density, 1e-8, 1)
    at_end = np.array(scores(end, 0))
    return before + np.outer(at_end, at_end) * stats.weibull_min.sf(end, c, scale=scale)


def skewnorm(theta):
    """[A]"""
    a, _, scale = theta

    def scores(z):
        tail = np.exp(stats.norm.logpdf(a * z) - stats.norm.logcdf(a * z))
        return z * tail, (z - a * tail) / scale, (z * z - 1 - a * z * tail) / scale

    return integral(scores, lambda z: stats.skewnorm.pdf(z, a), -14, 14, points=(-4.0, -1.0, 0.0, 1.0, 4.0))


def logit_with_covariates(theta):
    """[MN]: E[w z z^T], z = (1, covariates); the weight w varies in the direction of the slopes alone."""
    slopes = np.array(theta[1:])
    length = np.linalg.norm(slopes)
    along = np.append(0.0, slopes / length)
    across = np.array([0.0, -along[2], along[1]])

    def weight(u):
        return special.expit(theta[0] + length * u) * special.expit(-theta[0] - length * u) * stats.norm.pdf(u)

    moments = [integrate.quad(lambda u, k=k: u**k * weight(u), -14, 14, epsabs=1e-14)[0] for k in range(3)]
    basis = np.array([[1.0, 0.0, 0.0], along, across])
    inner = np.array([[moments[0], moments[1], 0], [moments[1], moments[2], 0], [0, 0, moments[0]]])
    return basis.T @ inner @ basis


def garch(theta, T, nodes=48):
    """[E]: the expectation over the standardized past by Gauss-Hermite, whose error for T = 4 is below 1e-8."""
    omega, alpha, beta = theta
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    points, weights = points[nodes // 2 :], weights[nodes // 2 :] / weights[nodes // 2 :].sum()  # squares are even
    past = np.array(list(itertools.product(points**2, repeat=T - 1))).T
    weight = np.prod(list(itertools.product(weights, repeat=T - 1)), axis=1)
    h, gradient = np.ones(past.shape[1]), np.zeros((3, past.shape[1]))
    matrix = np.zeros((3, 3))
    for square in past:
        gradient = np.array([np.ones_like(h), h * square, h]) + beta * gradient  # the values themselves are data
        h = omega + (alpha * square + beta) * h
        matrix += (weight * gradient / h**2) @ gradient.T / 2
    return matrix


MODEL_CASES = {
    "exponential": cases(exponential, (2.0,)),
    "lognormal": cases(lognormal, (0.5, 0.8)),
    "invgamma": cases(invgamma, (3.0, 2.0)),
    "chi2": cases(chi2, (4.0,)),
    "rayleigh": cases(squared_scale(2), (2.0,)),
    "maxwell": cases(squared_scale(3), (1.5,)),
    "pareto": cases(pareto, (2.5,)),
    "wald": cases(wald, (1.0, 2.0)),
    "gompertz": cases(gompertz, (0.5, 2.0)),
    "censored_weibull": cases(censored_weibull, (1.5, 2.0), args=(2.5,)),
    "betaprime": cases(beta, (2.0, 3.0)),
    "logistic": cases(logistic, (1.0, 2.0)),
    "cauchy": cases(cauchy, (0.0, 1.0)),
    "laplace": cases(laplace, (0.0, 1.0)),
    "skewnorm": cases(skewnorm, (2.0, 0.0, 1.0)),
    "vonmises": cases(vonmises, (0.5, 2.0)),
    "bernoulli": cases(bernoulli, (0.2,)),
    "geom": cases(geom, (0.3,)),
    "logser": cases(logser, (0.6,)),
    "zipf": cases(zipf, (2.5,)),
    "zero_inflated_poisson": cases(zero_inflated_poisson, (0.3, 2.5)),
    "multinomial": cases(multinomial, (0.2, 0.3, 0.1), args=(10,)),
    "dirichlet": cases(dirichlet, (1.5, 2.0, 3.0)),
    "trivariate_normal": cases(trivariate_normal, (0.0, 1.0, -1.0, 1.0, 0.3, 0.2, 2.0, -0.4, 1.5)),
    "poisson_regression": cases(poisson_regression, (0.5, 0.3, -0.4), args=(design(8, 3, 3),)),
    "logit_with_covariates": cases(logit_with_covariates, (0.3, 1.0, -0.5)),
    "garch": cases(garch, (0.1, 0.2, 0.7), args=(4,)),
    "local_level": cases(local_level, (1.0, 0.5), args=(50,)),
}

# How scipy.stats is called for those that it has, with theta and then constants.
MODEL_CONTINUOUS = {
    "exponential": lambda rate: stats.expon(scale=1 / rate),
    "lognormal": lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu)),
    "invgamma": lambda a, scale: stats.invgamma(a, scale=scale),
    "chi2": lambda df: stats.chi2(df),
    "rayleigh": lambda scale: stats.rayleigh(scale=scale),
    "maxwell": lambda scale: stats.maxwell(scale=scale),
    "pareto": lambda b: stats.pareto(b),
    "wald": lambda mean, shape: stats.invgauss(mean / shape, scale=shape),
    "gompertz": lambda c, scale: stats.gompertz(c, scale=scale),
    "betaprime": lambda a, b: stats.betaprime(a, b),
    "logistic": lambda loc, scale: stats.logistic(loc, scale),
    "cauchy": lambda loc, scale: stats.cauchy(loc, scale),
    "skewnorm": lambda a, loc, scale: stats.skewnorm(a, loc, scale),
    "vonmises": lambda mu, kappa: stats.vonmises(kappa, mu),
}
MODEL_DISCRETE = {
    "bernoulli": lambda p: stats.bernoulli(p),
    "geom": lambda p: stats.geom(p),
    "logser": lambda p: stats.logser(p),
}
