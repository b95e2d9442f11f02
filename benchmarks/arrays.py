"""Array code against the loop that says the same: what a score costs either way."""

import math

import numpy as np

import fastfim
from fastfim.kernels.block import Block, Job, run_block

from .many_parameters import normals
from .throughput import best_seconds

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


def linear_arrays(y, theta, design):
    beta, scale = theta[:-1], np.exp(theta[-1])
    z = (y - design @ beta) / scale
    return -0.5 * np.sum(z**2) - len(y) * (np.log(scale) + HALF_LOG_2_PI)


def linear_loop(y, theta, design):
    k = len(theta) - 1
    scale, total = math.exp(theta[k]), 0.0
    for i in range(len(y)):
        mean = 0.0
        for j in range(k):
            mean += design[i, j] * theta[j]
        z = (y[i] - mean) / scale
        total -= 0.5 * z**2 + HALF_LOG_2_PI
    return total - len(y) * math.log(scale)


def logistic_arrays(y, theta, design):
    eta = design @ theta
    return np.sum(y * eta - np.logaddexp(0.0, eta))


def logistic_loop(y, theta, design):
    total = 0.0
    for i in range(len(y)):
        eta = 0.0
        for j in range(len(theta)):
            eta += design[i, j] * theta[j]
        total += y[i] * eta - np.logaddexp(0.0, eta)
    return total


def poisson_arrays(y, theta, design):
    eta = design @ theta
    return np.sum(y * eta - np.exp(eta))


def poisson_loop(y, theta, design):
    total = 0.0
    for i in range(len(y)):
        eta = 0.0
        for j in range(len(theta)):
            eta += design[i, j] * theta[j]
        total += y[i] * eta - math.exp(eta)
    return total


def mixture_arrays(x, theta):
    k = len(theta) // 3
    weights, means, scales = theta[:k], theta[k : 2 * k], np.exp(theta[2 * k :])
    terms = weights - 0.5 * ((x - means) / scales) ** 2 - np.log(scales)
    top, norm = np.max(terms), np.max(weights)
    total = top + np.log(np.sum(np.exp(terms - top)))
    return total - norm - np.log(np.sum(np.exp(weights - norm))) - HALF_LOG_2_PI


def mixture_loop(x, theta):
    k = len(theta) // 3
    terms = np.empty(k)
    top, norm = -np.inf, -np.inf
    for i in range(k):
        scale = math.exp(theta[2 * k + i])
        terms[i] = theta[i] - 0.5 * ((x - theta[k + i]) / scale) ** 2 - math.log(scale)
        top, norm = max(top, terms[i]), max(norm, theta[i])
    total, weight = 0.0, 0.0
    for i in range(k):
        total += math.exp(terms[i] - top)
        weight += math.exp(theta[i] - norm)
    return top + math.log(total) - norm - math.log(weight) - HALF_LOG_2_PI


def ar1_arrays(x, theta):
    const, coef, scale = theta
    z = (x[1:] - const - coef * x[:-1]) / scale
    return -0.5 * np.sum(z**2) - len(z) * np.log(scale)


def ar1_loop(x, theta):
    const, coef, scale = theta
    total = 0.0
    for t in range(1, len(x)):
        z = (x[t] - const - coef * x[t - 1]) / scale
        total -= 0.5 * z**2
    return total - (len(x) - 1) * math.log(scale)


def mean_arrays(x, theta):
    return -0.5 * np.sum((x - theta) ** 2)


def mean_loop(x, theta):
    total = 0.0
    for i in range(len(x)):
        total -= 0.5 * (x[i] - theta[i]) ** 2
    return total


def multinomial_arrays(counts, theta):
    """With log odds against the first outcome."""
    others = counts[1:]
    return np.sum(others * theta) - np.sum(counts) * np.log1p(np.sum(np.exp(theta)))


def multinomial_loop(counts, theta):
    dot, total, n = 0.0, 0.0, counts[0]
    for j in range(len(theta)):
        dot += counts[j + 1] * theta[j]
        total += math.exp(theta[j])
        n += counts[j + 1]
    return dot - n * math.log1p(total)


def student_arrays(x, theta):
    loc, scale, df = theta
    z = (x - loc) / scale
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * np.log(df * math.pi) - np.log(scale)
    return len(x) * constant - (df + 1) / 2 * np.sum(np.log1p(z**2 / df))


def student_loop(x, theta):
    loc, scale, df = theta
    total = 0.0
    for i in range(len(x)):
        z = (x[i] - loc) / scale
        total -= (df + 1) / 2 * math.log1p(z**2 / df)
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi) - math.log(scale)
    return total + len(x) * constant


#: Log density as array code and as a loop, p, length of a draw (1: a number), constants.
MODELS = {}
for p in (4, 16):
    MODELS |= {
        f"linear, p = {p}": (linear_arrays, linear_loop, p, 30, (normals(30, p - 1),)),
        f"logistic, p = {p}": (logistic_arrays, logistic_loop, p, 30, (normals(30, p),)),
        f"Poisson, p = {p}": (poisson_arrays, poisson_loop, p, 30, (normals(30, p),)),
        f"mixture, p = {3 * p // 2}": (mixture_arrays, mixture_loop, 3 * p // 2, 1, ()),
        f"normal mean, p = {p}": (mean_arrays, mean_loop, p, p, ()),
        f"multinomial, p = {p}": (multinomial_arrays, multinomial_loop, p, p + 1, ()),
    }
MODELS |= {
    "AR(1), p = 3": (ar1_arrays, ar1_loop, 3, 100, ()),
    "Student t, p = 3": (student_arrays, student_loop, 3, 50, ()),
}


def jobs(name, order):
    """The same run of a model's two forms; draws are rounded normals, which suit counts as well."""
    *forms, p, size, args = MODELS[name]

    def number(rng, theta, *args):
        return np.floor(abs(2.0 * rng.standard_normal()))

    def vector(rng, theta, x, *args):
        for i in range(len(x)):
            x[i] = np.floor(abs(2.0 * rng.standard_normal()))

    names = [f"t{j}" for j in range(p)]
    theta = 0.7 + 0.1 * np.arange(p) / p
    models = [
        fastfim.Likelihood(vector if size > 1 else number, logpdf, parameters=names, size=size).bind(args)
        for logpdf in forms
    ]
    return [Job(model, model.theta(theta), 0, order) for model in models]


class ArrayCode:
    """Time of array code over that of the loop."""

    params = (list(MODELS), [1, 2])
    param_names = ("model", "order")
    timeout = 120

    def track_ratio(self, name, order):
        def seconds(job):
            draws = Block(0, 0, 10_000 // order**4)
            return best_seconds(lambda: run_block(job, draws), 10)

        arrays, loop = map(seconds, jobs(name, order))
        return arrays / loop

    track_ratio.unit = "times the loop"
