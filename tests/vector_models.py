"""Models of several numbers a draw: counts, vectors, regressions, time series; see scalar_models.py."""

from __future__ import annotations

from math import exp, lgamma, log, pi, sqrt

import numpy as np

from fastfim.likelihood import Likelihood, positive, unit_interval

LOG_2PI = log(2 * pi)

# ---------------------------------------------------------------- counts, shares, normal vectors


def sample_multinomial(rng, theta, x, n):
    p = np.empty(4)
    p[:3] = theta
    p[3] = 1 - theta[0] - theta[1] - theta[2]
    x[:] = rng.multinomial(n, p)


def logpdf_multinomial(x, theta, n):
    last = 1 - theta[0] - theta[1] - theta[2]
    total = lgamma(n + 1.0) + x[3] * log(last)
    for k in range(3):
        total += x[k] * log(theta[k])
    for k in range(4):
        total -= lgamma(x[k] + 1)
    return total


def inside_the_simplex(theta):
    return sum(theta) < 1 or "the probabilities must leave something for the last category"


def sample_dirichlet(rng, theta, x):
    x[:] = rng.dirichlet(theta)


def logpdf_dirichlet(x, theta):
    total = lgamma(theta[0] + theta[1] + theta[2])
    for k in range(3):
        total += (theta[k] - 1) * log(x[k]) - lgamma(theta[k])
    return total


def cholesky(theta):
    """Of the covariance [[a, b, c], [b, d, e], [c, e, f]] that theta has behind the three means."""
    a, b, c, d, e, f = theta[3], theta[4], theta[5], theta[6], theta[7], theta[8]
    l11 = sqrt(a)
    l21, l31 = b / l11, c / l11
    l22 = sqrt(d - l21 * l21)
    l32 = (e - l21 * l31) / l22
    return l11, l21, l22, l31, l32, sqrt(f - l31 * l31 - l32 * l32)


def sample_trivariate_normal(rng, theta, x):
    l11, l21, l22, l31, l32, l33 = cholesky(theta)
    z1, z2, z3 = rng.standard_normal(), rng.standard_normal(), rng.standard_normal()
    x[0] = theta[0] + l11 * z1
    x[1] = theta[1] + l21 * z1 + l22 * z2
    x[2] = theta[2] + l31 * z1 + l32 * z2 + l33 * z3


def logpdf_trivariate_normal(x, theta):
    l11, l21, l22, l31, l32, l33 = cholesky(theta)
    z1 = (x[0] - theta[0]) / l11
    z2 = (x[1] - theta[1] - l21 * z1) / l22
    z3 = (x[2] - theta[2] - l31 * z1 - l32 * z2) / l33
    return -0.5 * (z1 * z1 + z2 * z2 + z3 * z3 + 3 * LOG_2PI) - log(l11) - log(l22) - log(l33)


# ---------------------------------------------------------------- regression


def rows(X):
    return len(X)


def coefficients(X):
    return [f"b{j}" for j in range(X.shape[1])]


def sample_poisson_regression(rng, theta, y, X):
    for i in range(len(X)):
        y[i] = rng.poisson(exp(np.dot(X[i], theta)))


def logpdf_poisson_regression(y, theta, X):
    total = 0.0
    for i in range(len(X)):
        eta = np.dot(X[i], theta)
        total += y[i] * eta - exp(eta) - lgamma(y[i] + 1)
    return total


def sample_logit_with_covariates(rng, theta, x):
    """Two standard normal covariates, and the response that they make likely."""
    x[0], x[1] = rng.standard_normal(), rng.standard_normal()
    x[2] = rng.random() < 1 / (1 + exp(-theta[0] - theta[1] * x[0] - theta[2] * x[1]))


def logpdf_logit_with_covariates(x, theta):
    eta = theta[0] + theta[1] * x[0] + theta[2] * x[1]
    covariates = -0.5 * (x[0] ** 2 + x[1] ** 2) - LOG_2PI
    return covariates + x[2] * eta - np.logaddexp(0.0, eta)


# ---------------------------------------------------------------- time series


def length(T):
    return T


def sample_garch(rng, theta, x, T):
    """Variance h_t = omega + alpha x_{t-1}^2 + beta h_{t-1}, from h_1 = 1."""
    omega, alpha, beta = theta
    h = 1.0
    for t in range(T):
        x[t] = sqrt(h) * rng.standard_normal()
        h = omega + alpha * x[t] ** 2 + beta * h


def logpdf_garch(x, theta, T):
    omega, alpha, beta = theta
    h, total = 1.0, 0.0
    for t in range(T):
        total -= 0.5 * (LOG_2PI + log(h) + x[t] ** 2 / h)
        h = omega + alpha * x[t] ** 2 + beta * h
    return total


def sample_local_level(rng, theta, x, T):
    """A random walk from a level of variance 4 (before its first step), seen through noise."""
    noise, step = sqrt(theta[0]), sqrt(theta[1])
    level = 2 * rng.standard_normal()
    for t in range(T):
        level += step * rng.standard_normal()
        x[t] = level + noise * rng.standard_normal()


def logpdf_local_level(x, theta, T):
    """By the Kalman filter."""
    noise, step = theta
    mean, variance, total = 0.0, 4.0, 0.0
    for t in range(T):
        variance += step
        total_variance, innovation = variance + noise, x[t] - mean
        total -= 0.5 * (LOG_2PI + log(total_variance) + innovation**2 / total_variance)
        gain = variance / total_variance
        mean += gain * innovation
        variance *= 1 - gain
    return total


VECTOR_MODELS = {
    model.name: model
    for model in (
        Likelihood(
            sample_multinomial,
            logpdf_multinomial,
            parameters=["p1", "p2", "p3"],
            domain=unit_interval,
            constraint=inside_the_simplex,
            size=4,
            name="multinomial",
        ),
        Likelihood(
            sample_dirichlet, logpdf_dirichlet, parameters=["a1", "a2", "a3"], domain=positive, size=3, name="dirichlet"
        ),
        Likelihood(
            sample_trivariate_normal,
            logpdf_trivariate_normal,
            parameters=["m1", "m2", "m3", "v11", "v12", "v13", "v22", "v23", "v33"],
            size=3,
            name="trivariate_normal",
        ),
        Likelihood(
            sample_poisson_regression,
            logpdf_poisson_regression,
            parameters=coefficients,
            size=rows,
            name="poisson_regression",
        ),
        Likelihood(
            sample_logit_with_covariates,
            logpdf_logit_with_covariates,
            parameters=["b0", "b1", "b2"],
            size=3,
            name="logit_with_covariates",
        ),
        Likelihood(
            sample_garch,
            logpdf_garch,
            parameters=["omega", "alpha", "beta"],
            domain=(positive, positive, unit_interval),
            size=length,
            name="garch",
        ),
        Likelihood(
            sample_local_level,
            logpdf_local_level,
            parameters=["noise", "step"],
            domain=positive,
            size=length,
            name="local_level",
        ),
    )
}
