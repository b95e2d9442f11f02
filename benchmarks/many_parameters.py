"""What a score costs beside the log density alone, and a Hessian, as the number of parameters grows."""

import math
import time

import numpy as np
from numba import carray, njit

import fastfim
from fastfim import _abi, autodiff
from fastfim.kernels import calls
from fastfim.kernels.block import TILE, Layout, recipe_of
from fastfim.kernels.passes import derivative_pass
from fastfim.streams import aligned_empty

from . import many_parameters_jax, models

RANDOM = np.random.default_rng(0)
DRAWS = 1024


def mean(x, theta):
    total = 0.0
    for i in range(len(x)):
        z = x[i] - theta[i]
        total -= 0.5 * z * z
    return total


def precision(x, theta, q):
    r = x - theta
    return -0.5 * np.dot(r, q @ r)


def logistic(y, theta, design):
    eta, total = design @ theta, 0.0
    for i in range(len(y)):
        total += y[i] * eta[i] - np.logaddexp(0.0, eta[i])
    return total


def network(y, theta, design, hidden):
    d, total = design.shape[1], 0.0
    for i in range(len(y)):
        f = theta[-1]
        for k in range(hidden):
            a = theta[hidden * d + k]
            for j in range(d):
                a += theta[k * d + j] * design[i, j]
            f += theta[hidden * (d + 1) + k] * math.tanh(a)
        z = y[i] - f
        total -= 0.5 * z * z
    return total


def cholesky_density(s, x):
    """Log density of a normal law with covariance ``s`` (its lower triangle, overwritten by its factor)."""
    z, total = np.empty(len(x)), 0.0
    for i in range(len(x)):
        for j in range(i + 1):
            a = s[i, j]
            for m in range(j):
                a -= s[i, m] * s[j, m]
            s[i, j] = math.sqrt(a) if i == j else a / s[j, j]
        a = x[i]
        for m in range(i):
            a -= s[i, m] * z[m]
        z[i] = a / s[i, i]
        total -= 0.5 * z[i] * z[i] + math.log(s[i, i])
    return total


def factor(x, theta, k):
    d = len(x)
    s = np.zeros((d, d))
    for i in range(d):
        for j in range(i + 1):
            a = 0.0
            for m in range(k):
                a += theta[i * k + m] * theta[j * k + m]
            s[i, j] = a
        s[i, i] += math.exp(theta[d * k + i])
    return cholesky_density(s, x)


def gaussian_process(x, theta, places):
    n, d = places.shape
    s = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            q = 0.0
            for k in range(d):
                u = (places[i, k] - places[j, k]) / theta[k]
                q += u * u
            s[i, j] = math.exp(-0.5 * q)
        s[i, i] += 0.1
    return cholesky_density(s, x)


def ar1(x, theta):
    const, coef, scale = theta
    total = 0.0
    for t in range(1, len(x)):
        z = (x[t] - const - coef * x[t - 1]) / scale
        total -= 0.5 * z * z + math.log(scale)
    return total


def normals(*shape):
    return RANDOM.normal(size=shape)


def positive(p):
    root = normals(p, p)
    return root @ root.T / p + np.eye(p)


#: Log density, theta, length of a draw, constants.
MODELS = {f"normal mean, p = {p}": (mean, normals(p), p, ()) for p in (10, 50, 200, 1000)}
MODELS |= {f"precision matrix, p = {p}": (precision, normals(p), p, (positive(p),)) for p in (10, 50, 200)}
MODELS |= {f"logistic, p = {p}": (logistic, normals(p), 100, (normals(100, p),)) for p in (10, 50, 200, 1000)}
MODELS |= {
    "two-layer network, p = 493": (network, 0.3 * normals(493), 20, (normals(20, 10), 41)),
    "linear factors, p = 80": (factor, np.append(normals(60), np.zeros(20)), 20, (3,)),
    "Gaussian process, p = 20": (gaussian_process, np.full(20, 4.0), 50, (normals(50, 20),)),
    "AR(1), T = 1000, p = 3": (ar1, np.array([0.1, 0.5, 1.2]), 1000, ()),
}

#: Those whose Hessians are timed.
HESSIANS = {f"normal mean, p = {p}": MODELS[f"normal mean, p = {p}"] for p in (10, 50)}
HESSIANS |= {f"precision matrix, p = {p}": MODELS[f"precision matrix, p = {p}"] for p in (10, 50)}
HESSIANS |= {f"logistic, p = {p}": MODELS[f"logistic, p = {p}"] for p in (10, 50)}
HESSIANS |= {
    "3-d normal, p = 9": (models.logpdf_normal3, np.array(models.MODELS["3-d normal (9)"][1]), 3, ()),
    "logistic, random covariates, p = 20": (models.logpdf_logistic, np.array(models.COEFFICIENTS), 21, ()),
    **{
        f"linear factors, p = {d * (k + 1)}": (factor, np.append(normals(d * k), np.zeros(d)), d, (k,))
        for d, k in ((4, 1), (6, 3))
    },
    **{
        f"two-layer network, p = {6 * h + 1}": (network, 0.3 * normals(6 * h + 1), 20, (normals(20, 4), h))
        for h in (3, 10)
    },
    "Gaussian process, p = 20": MODELS["Gaussian process, p = 20"],
}


def nanoseconds(function, *args):
    """Least time of a call over a tenth of a second of calls."""
    function(*args)
    best, end = math.inf, time.thread_time() + 0.1
    while time.thread_time() < end:
        start = time.thread_time()
        function(*args)
        best = min(best, time.thread_time() - start)
    return 1e9 * best


def timings(name):
    """Nanoseconds of a log density and of a score."""
    logpdf, _, size, args = MODELS[name]
    density = autodiff.plain(logpdf)

    @njit(error_model="numpy", fastmath={"contract", "nsz"})
    def values(draws, theta, args):
        total = 0.0
        for i in range(len(draws)):
            total += density(draws[i], theta, *args)
        return total

    draws = draws_of(logpdf, DRAWS * size).reshape(DRAWS, size)
    return nanoseconds(values, draws, MODELS[name][1], args) / DRAWS, derivatives(MODELS[name], 1)


def draws_of(logpdf, count):
    """Normal numbers, or truth values for a logistic regression."""
    draws = aligned_empty(count)
    draws[:] = normals(count)
    if logpdf in (logistic, models.logpdf_logistic):
        draws[:] = draws > 0
    return draws


def derivatives(case, order):
    """Nanoseconds of a log density with its score (order 1) or with score and Hessian (order 2)."""
    logpdf, theta, size, args = case
    likelihood = fastfim.Likelihood(
        lambda rng, theta, x, *args: None, logpdf, parameters=[f"t{j}" for j in range(len(theta))], size=size
    )
    model = likelihood.bind(args)
    recipe, layout = recipe_of(model, order, "mc"), Layout(len(theta), size, order)
    begin, differentiate = derivative_pass(recipe)
    address, offset, chunk = _abi.address, _abi.offset, layout.chunk
    unpack = _abi.unpacker(recipe.kinds, 0)

    @njit(error_model="numpy", fastmath={"contract", "nsz"})
    def run(draws, theta, table, results):
        args = unpack(address(table))
        kept = begin(address(theta), args)
        for i in range(0, DRAWS, chunk):  # as in a block: a chunk at a time
            memory = carray(offset(address(draws), i * size), (chunk // TILE, size, TILE))
            differentiate(address(theta), args, kept, memory, address(results), chunk, chunk, True)

    draws, results = draws_of(logpdf, DRAWS * size), aligned_empty(chunk * (layout.rows + 1))
    return nanoseconds(run, draws, theta, calls.words((), model.args), results) / DRAWS


class ScoreByParameters:
    """Time of a score over that of the log density."""

    params = (list(MODELS),)
    param_names = ("model",)
    timeout = 120

    def setup(self, name):
        self.plain, self.score = timings(name)

    def track_nanoseconds(self, name):
        return self.score

    track_nanoseconds.unit = "ns"

    def track_times_jax(self, name):
        return many_parameters_jax.nanoseconds(name) / self.score

    track_times_jax.unit = "times as fast as JAX"

    def track_ratio(self, name):
        return self.score / self.plain

    track_ratio.unit = "times the log density"


class HessianByParameters:
    """Time of a score and a Hessian."""

    params = (list(HESSIANS),)
    param_names = ("model",)
    timeout = 120

    def track_nanoseconds(self, name):
        return derivatives(HESSIANS[name], 2)

    track_nanoseconds.unit = "ns"
