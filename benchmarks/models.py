"""The ten likelihoods of the accuracy benchmark, written as a user would write them, each with one point.

`MODELS` maps a name to (likelihood, theta, args). `fastfim.catalogue` has some of them under the same name.
"""

from math import exp, lgamma, log, pi, sqrt

import numpy as np

import fastfim
from fastfim import Likelihood, interval, positive, real, unit_interval

HALF_LOG_2PI = 0.5 * log(2 * pi)


def sample_gamma(rng, theta):
    shape, rate = theta
    return rng.gamma(shape, 1 / rate)


def logpdf_gamma(x, theta):
    shape, rate = theta
    return shape * log(rate) - lgamma(shape) + (shape - 1) * log(x) - rate * x


def sample_logistic(rng, theta, x):
    """Covariates, then the response."""
    p = len(theta)
    eta = 0.0
    for i in range(p):
        x[i] = rng.standard_normal()
        eta += x[i] * theta[i]
    x[p] = rng.random() < 1 / (1 + exp(-eta))


def logpdf_logistic(x, theta):
    p = len(theta)
    eta = np.dot(x[:p], theta)
    return x[p] * eta - np.log1p(exp(-abs(eta))) - max(eta, 0.0) - 0.5 * np.dot(x[:p], x[:p]) - p * HALF_LOG_2PI


def sample_garch(rng, theta, x):
    omega, alpha, beta = theta
    variance = omega / (1 - alpha - beta)
    for t in range(len(x)):
        x[t] = sqrt(variance) * rng.standard_normal()
        variance = omega + alpha * x[t] * x[t] + beta * variance


def logpdf_garch(x, theta):
    omega, alpha, beta = theta
    variance = omega / (1 - alpha - beta)
    total = -len(x) * HALF_LOG_2PI
    for t in range(len(x)):
        total -= 0.5 * (log(variance) + x[t] * x[t] / variance)
        variance = omega + alpha * x[t] * x[t] + beta * variance
    return total


def sample_inflated(rng, theta):
    inflation, mean = theta
    return 0 if rng.random() < inflation else rng.poisson(mean)


def logpdf_inflated(x, theta):
    inflation, mean = theta
    if x == 0:
        return log(inflation + (1 - inflation) * exp(-mean))
    return log(1 - inflation) - mean + x * log(mean) - lgamma(x + 1)


def sample_normal3(rng, theta, x):
    """Mean, then the covariance's upper triangle; by the rows of its Cholesky factor."""
    a, b, c, d, e, f = theta[3:]
    l11 = sqrt(a)
    l21, l31 = b / l11, c / l11
    l22 = sqrt(d - l21 * l21)
    l32 = (e - l31 * l21) / l22
    l33 = sqrt(f - l31 * l31 - l32 * l32)
    u, v, w = rng.standard_normal(), rng.standard_normal(), rng.standard_normal()
    x[0] = theta[0] + l11 * u
    x[1] = theta[1] + l21 * u + l22 * v
    x[2] = theta[2] + l31 * u + l32 * v + l33 * w


def logpdf_normal3(x, theta):
    a, b, c, d, e, f = theta[3:]
    l11 = sqrt(a)
    l21, l31 = b / l11, c / l11
    l22 = sqrt(d - l21 * l21)
    l32 = (e - l31 * l21) / l22
    l33 = sqrt(f - l31 * l31 - l32 * l32)
    u = (x[0] - theta[0]) / l11
    v = (x[1] - theta[1] - l21 * u) / l22
    w = (x[2] - theta[2] - l31 * u - l32 * v) / l33
    return -0.5 * (u * u + v * v + w * w) - log(l11 * l22 * l33) - 3 * HALF_LOG_2PI


def positive_definite(theta):
    a, b, c, d, e, f = theta[3:]
    return bool(np.linalg.eigvalsh([[a, b, c], [b, d, e], [c, e, f]])[0] > 0) or "the covariance is not definite"


def sample_level(rng, theta, x):
    """A random walk observed with noise, from a standard normal start."""
    walk, noise = theta
    level = rng.standard_normal()
    for t in range(len(x)):
        x[t] = level + noise * rng.standard_normal()
        level += walk * rng.standard_normal()


def logpdf_level(x, theta):
    """Kalman's filter."""
    walk, noise = theta
    mean, variance = 0.0, 1.0
    total = -len(x) * HALF_LOG_2PI
    for t in range(len(x)):
        spread = variance + noise * noise
        surprise = x[t] - mean
        total -= 0.5 * (log(spread) + surprise * surprise / spread)
        gain = variance / spread
        mean += gain * surprise
        variance = variance * (1 - gain) + walk * walk
    return total


gamma = Likelihood(sample_gamma, logpdf_gamma, parameters=("shape", "rate"), domain=positive)
logistic = Likelihood(sample_logistic, logpdf_logistic, parameters=[f"b{i}" for i in range(20)], size=21)
garch = Likelihood(
    sample_garch, logpdf_garch, parameters=("omega", "alpha", "beta"), domain=(positive, *[unit_interval] * 2), size=100
)
inflated = Likelihood(
    sample_inflated, logpdf_inflated, parameters=("inflation", "mean"), domain=(unit_interval, positive)
)
normal3 = Likelihood(
    sample_normal3,
    logpdf_normal3,
    parameters=("m1", "m2", "m3", "c11", "c12", "c13", "c22", "c23", "c33"),
    domain=(*[real] * 3, positive, real, real, positive, real, positive),
    constraint=positive_definite,
    size=3,
)
level = Likelihood(sample_level, logpdf_level, parameters=("walk", "noise"), domain=interval(0.0, 100.0), size=50)

COEFFICIENTS = tuple(np.linspace(-0.5, 0.5, 20))

MODELS = {
    "norm": (fastfim.catalogue["norm"], (1.0, 2.0), ()),
    "gamma": (gamma, (2.0, 3.0), ()),
    "t": (fastfim.catalogue["t"], (5.0, 0.0, 1.0), ()),
    "normal_mixture": (fastfim.catalogue["normal_mixture"], (0.4, -1.0, 1.0, 1.5, 0.7), ()),
    "logistic, 20 random covariates": (logistic, COEFFICIENTS, ()),
    "AR(1), T = 100": (fastfim.catalogue["ar1"], (0.5, 0.6, 1.0), (100,)),
    "GARCH(1,1), T = 100": (garch, (0.1, 0.1, 0.8), ()),
    "zero-inflated Poisson": (inflated, (0.3, 2.0), ()),
    "3-d normal (9)": (normal3, (0.0, 1.0, -1.0, 1.0, 0.3, -0.2, 2.0, 0.5, 1.5), ()),
    "local level, T = 50": (level, (0.5, 1.0), ()),
}
