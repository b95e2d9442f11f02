"""Likelihoods that the benchmarks share: name to (likelihood, theta, args), in the order of their cost."""

import numpy as np

import fastfim

from .models import COEFFICIENTS, logistic

DESIGN = np.column_stack([np.ones(50), np.random.default_rng(0).normal(size=(50, 4))])
SIZE = 50


def sample_mean(rng, theta, x, factor, precision):
    """Means plus the rows of the covariance's factor (its transpose), four at a time."""
    d = len(theta)
    for i in range(d):
        x[i] = theta[i]
    for j in range(0, d - 3, 4):
        a, b = rng.standard_normal(), rng.standard_normal()
        c, e = rng.standard_normal(), rng.standard_normal()
        for i in range(j, d):
            x[i] += factor[j, i] * a + factor[j + 1, i] * b + factor[j + 2, i] * c + factor[j + 3, i] * e
    for j in range(d - d % 4, d):
        z = rng.standard_normal()
        for i in range(j, d):
            x[i] += factor[j, i] * z


def logpdf_mean(x, theta, factor, precision):
    total = 0.0
    for i in range(len(theta)):
        for j in range(len(theta)):
            total -= 0.5 * (x[i] - theta[i]) * precision[i, j] * (x[j] - theta[j])
    return total


def score_mean(x, theta, out, factor, precision):
    d = len(theta)
    for i in range(d):
        out[i] = 0.0
    for j in range(0, d - 3, 4):
        a, b, c, e = x[j] - theta[j], x[j + 1] - theta[j + 1], x[j + 2] - theta[j + 2], x[j + 3] - theta[j + 3]
        for i in range(d):
            out[i] += precision[j, i] * a + precision[j + 1, i] * b + precision[j + 2, i] * c + precision[j + 3, i] * e
    for j in range(d - d % 4, d):
        a = x[j] - theta[j]
        for i in range(d):
            out[i] += precision[j, i] * a


def factor_and_precision():
    """Of a covariance with entries everywhere."""
    roots = np.random.default_rng(1).normal(size=(SIZE, SIZE))
    covariance = roots @ roots.T / SIZE + np.eye(SIZE)
    return np.ascontiguousarray(np.linalg.cholesky(covariance).T), np.linalg.inv(covariance)


normal_mean = fastfim.Likelihood(
    sample_mean,
    logpdf_mean,
    parameters=tuple(f"mean{i}" for i in range(SIZE)),
    size=SIZE,
    score=score_mean,
    name="normal_mean",
)

WORKLOADS = {
    "norm": ("norm", (1.0, 2.0), ()),
    "gamma": ("gamma", (2.0, 0.5), ()),
    "t": ("t", (5.0, 0.0, 1.0), ()),
    "poisson": ("poisson", (2.5,), ()),
    "normal_mixture": ("normal_mixture", (0.4, -1.0, 1.0, 1.5, 0.7), ()),
    "logistic, 20 random covariates": (logistic, COEFFICIENTS, ()),
    "ar1": ("ar1", (0.5, 0.6, 1.0), (100,)),
    "logistic_regression": ("logistic_regression", (0.3, 1.0, -0.5, 0.8, 0.2), (DESIGN,)),
    "normal mean, score by hand": (normal_mean, (0.0,) * SIZE, factor_and_precision()),
}
#: Whose Hessians nobody would ask for: they have 1,275 entries, and a score by hand.
SCORES_ALONE = {"normal mean, score by hand"}


def bound(name):
    """Likelihood with its constants, and theta."""
    likelihood, theta, args = WORKLOADS[name]
    model = (fastfim.catalogue[likelihood] if isinstance(likelihood, str) else likelihood).bind(args)
    return model, model.theta(theta)
