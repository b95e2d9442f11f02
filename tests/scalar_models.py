"""Models of one number a draw beside the built-in ones, each as short as a user would write it.

They are what the error bars are calibrated on (calibration.py), together with vector_models.py and the catalogue. Their
exact matrices are in model_oracles.py.
"""

from __future__ import annotations

from math import cos, erfc, exp, expm1, lgamma, log, log1p, pi, sqrt

import numpy as np
from scipy.special import i0e, zeta

from fastfim.likelihood import Likelihood, interval, positive, real, unit_interval

LOG_2PI = log(2 * pi)
TINY = 2.0**-1022

# ---------------------------------------------------------------- lifetimes and sizes


def sample_exponential(rng, theta):
    return rng.exponential(1 / theta[0])


def logpdf_exponential(x, theta):
    return log(theta[0]) - theta[0] * x


def sample_lognormal(rng, theta):
    return rng.lognormal(theta[0], theta[1])


def logpdf_lognormal(x, theta):
    mu, sigma = theta
    z = (log(x) - mu) / sigma
    return -0.5 * (z * z + LOG_2PI) - log(sigma) - log(x)


def sample_invgamma(rng, theta):
    a, scale = theta
    return scale / max(rng.gamma(a), TINY)


def logpdf_invgamma(x, theta):
    a, scale = theta
    return a * log(scale) - lgamma(a) - (a + 1) * log(x) - scale / x


def sample_chi2(rng, theta):
    return max(rng.chisquare(theta[0]), TINY)


def logpdf_chi2(x, theta):
    half = theta[0] / 2
    return (half - 1) * log(x) - x / 2 - half * log(2.0) - lgamma(half)


def sample_rayleigh(rng, theta):
    return rng.rayleigh(theta[0])


def logpdf_rayleigh(x, theta):
    return log(x) - 2 * log(theta[0]) - 0.5 * (x / theta[0]) ** 2


def sample_maxwell(rng, theta):
    return theta[0] * sqrt(rng.chisquare(3.0))


def logpdf_maxwell(x, theta):
    return 0.5 * log(2 / pi) + 2 * log(x) - 3 * log(theta[0]) - 0.5 * (x / theta[0]) ** 2


def sample_pareto(rng, theta):
    return 1 + rng.pareto(theta[0])


def logpdf_pareto(x, theta):
    return log(theta[0]) - (theta[0] + 1) * log(x)


def sample_wald(rng, theta):
    return rng.wald(theta[0], theta[1])


def logpdf_wald(x, theta):
    mean, shape = theta
    return 0.5 * (log(shape) - LOG_2PI - 3 * log(x)) - shape * (x - mean) ** 2 / (2 * mean * mean * x)


def sample_gompertz(rng, theta):
    c, scale = theta
    return scale * log1p(rng.exponential() / c)


def logpdf_gompertz(x, theta):
    c, scale = theta
    return log(c / scale) + x / scale - c * expm1(x / scale)


def sample_censored_weibull(rng, theta, end):
    c, scale = theta
    return min(scale * rng.weibull(c), end)


def logpdf_censored_weibull(x, theta, end):
    c, scale = theta
    hazard = (x / scale) ** c
    if x < end:
        return log(c / scale) + (c - 1) * log(x / scale) - hazard
    return -hazard


# ---------------------------------------------------------------- on an interval, on the line, on the circle


def sample_betaprime(rng, theta):
    return max(rng.gamma(theta[0]), TINY) / max(rng.gamma(theta[1]), TINY)


def logpdf_betaprime(x, theta):
    a, b = theta
    return (a - 1) * log(x) - (a + b) * log1p(x) + lgamma(a + b) - lgamma(a) - lgamma(b)


def sample_logistic(rng, theta):
    return rng.logistic(theta[0], theta[1])


def logpdf_logistic(x, theta):
    z = abs(x - theta[0]) / theta[1]
    return -z - log(theta[1]) - 2 * log1p(exp(-z))


def sample_cauchy(rng, theta):
    return theta[0] + theta[1] * rng.standard_cauchy()


def logpdf_cauchy(x, theta):
    z = (x - theta[0]) / theta[1]
    return -log(pi * theta[1]) - log1p(z * z)


def sample_laplace(rng, theta):
    return rng.laplace(theta[0], theta[1])


def logpdf_laplace(x, theta):
    return -log(2 * theta[1]) - abs(x - theta[0]) / theta[1]


def sample_skewnorm(rng, theta):
    a, loc, scale = theta
    delta = a / sqrt(1 + a * a)
    return loc + scale * (delta * abs(rng.standard_normal()) + sqrt(1 - delta * delta) * rng.standard_normal())


def logpdf_skewnorm(x, theta):
    a, loc, scale = theta
    z = (x - loc) / scale
    return log(erfc(-a * z / sqrt(2.0))) - log(scale) - 0.5 * (z * z + LOG_2PI)


def sample_vonmises(rng, theta):
    return rng.vonmises(theta[0], theta[1])


def logpdf_vonmises(x, theta):
    mu, kappa = theta
    return kappa * (cos(x - mu) - 1) - LOG_2PI - log(i0e(kappa))


# ---------------------------------------------------------------- counts


def sample_bernoulli(rng, theta):
    return rng.random() < theta[0]


def logpdf_bernoulli(x, theta):
    return log(theta[0]) if x == 1 else log1p(-theta[0])


def sample_geom(rng, theta):
    return rng.geometric(theta[0])


def logpdf_geom(x, theta):
    return log(theta[0]) + (x - 1) * log1p(-theta[0])


def sample_logser(rng, theta):
    return rng.logseries(theta[0])


def logpdf_logser(x, theta):
    return x * log(theta[0]) - log(x) - log(-log1p(-theta[0]))


def sample_zipf(rng, theta):
    return rng.zipf(theta[0])


def logpdf_zipf(x, theta):
    return -theta[0] * log(x) - log(zeta(theta[0], 1.0))


def sample_zero_inflated_poisson(rng, theta):
    zeros, mu = theta
    structural, count = rng.random() < zeros, rng.poisson(mu)
    return 0 if structural else count


def logpdf_zero_inflated_poisson(x, theta):
    zeros, mu = theta
    if x == 0:
        return log(zeros + (1 - zeros) * exp(-mu))
    return log1p(-zeros) + x * log(mu) - mu - lgamma(x + 1.0)


SCALAR_MODELS = {
    model.name: model
    for model in (
        Likelihood(sample_exponential, logpdf_exponential, parameters=["rate"], domain=positive, name="exponential"),
        Likelihood(
            sample_lognormal, logpdf_lognormal, parameters=["mu", "sigma"], domain=(real, positive), name="lognormal"
        ),
        Likelihood(sample_invgamma, logpdf_invgamma, parameters=["a", "scale"], domain=positive, name="invgamma"),
        Likelihood(sample_chi2, logpdf_chi2, parameters=["df"], domain=positive, name="chi2"),
        Likelihood(sample_rayleigh, logpdf_rayleigh, parameters=["scale"], domain=positive, name="rayleigh"),
        Likelihood(sample_maxwell, logpdf_maxwell, parameters=["scale"], domain=positive, name="maxwell"),
        Likelihood(sample_pareto, logpdf_pareto, parameters=["b"], domain=positive, name="pareto"),
        Likelihood(sample_wald, logpdf_wald, parameters=["mean", "shape"], domain=positive, name="wald"),
        Likelihood(sample_gompertz, logpdf_gompertz, parameters=["c", "scale"], domain=positive, name="gompertz"),
        Likelihood(
            sample_censored_weibull,
            logpdf_censored_weibull,
            parameters=["c", "scale"],
            domain=positive,
            name="censored_weibull",
        ),
        Likelihood(sample_betaprime, logpdf_betaprime, parameters=["a", "b"], domain=positive, name="betaprime"),
        Likelihood(
            sample_logistic, logpdf_logistic, parameters=["loc", "scale"], domain=(real, positive), name="logistic"
        ),
        Likelihood(sample_cauchy, logpdf_cauchy, parameters=["loc", "scale"], domain=(real, positive), name="cauchy"),
        Likelihood(
            sample_laplace, logpdf_laplace, parameters=["loc", "scale"], domain=(real, positive), name="laplace"
        ),
        Likelihood(
            sample_skewnorm,
            logpdf_skewnorm,
            parameters=["a", "loc", "scale"],
            domain=(real, real, positive),
            name="skewnorm",
        ),
        Likelihood(
            sample_vonmises, logpdf_vonmises, parameters=["mu", "kappa"], domain=(real, positive), name="vonmises"
        ),
        Likelihood(sample_bernoulli, logpdf_bernoulli, parameters=["p"], domain=unit_interval, name="bernoulli"),
        Likelihood(sample_geom, logpdf_geom, parameters=["p"], domain=unit_interval, name="geom"),
        Likelihood(sample_logser, logpdf_logser, parameters=["p"], domain=unit_interval, name="logser"),
        Likelihood(sample_zipf, logpdf_zipf, parameters=["a"], domain=interval(1, np.inf), name="zipf"),
        Likelihood(
            sample_zero_inflated_poisson,
            logpdf_zero_inflated_poisson,
            parameters=["zeros", "mu"],
            domain=(unit_interval, positive),
            name="zero_inflated_poisson",
        ),
    )
}
