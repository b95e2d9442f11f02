"""The log densities of `many_parameters` in JAX: nanoseconds a draw of ``jit(vmap(grad))`` in float64 on one core.

``python -m benchmarks.many_parameters_jax NAME`` prints the time of a batch of 1,024 draws. It runs in a process of its
own, which `nanoseconds` starts, since JAX is told to keep to one thread before it is loaded.
"""

import importlib.util
import math
import os
import sys
import time

from .processes import number_from


def mean(x, theta):
    return -0.5 * jnp.sum((x - theta) ** 2)


def precision(x, theta, q):
    r = x - theta
    return -0.5 * r @ (q @ r)


def logistic(y, theta, design):
    eta = design @ theta
    return jnp.sum(y * eta - jnp.logaddexp(0.0, eta))


def network(y, theta, design, hidden):
    d = design.shape[1]
    weights, offsets = theta[: hidden * d].reshape(hidden, d), theta[hidden * d : hidden * (d + 1)]
    f = theta[-1] + jnp.tanh(design @ weights.T + offsets) @ theta[hidden * (d + 1) : -1]
    return -0.5 * jnp.sum((y - f) ** 2)


def cholesky_density(s, x):
    lower = jnp.linalg.cholesky(s)
    z = jax.scipy.linalg.solve_triangular(lower, x, lower=True)
    return -0.5 * z @ z - jnp.sum(jnp.log(jnp.diag(lower)))


def factor(x, theta, k):
    d = len(x)
    loadings = theta[: d * k].reshape(d, k)
    return cholesky_density(loadings @ loadings.T + jnp.diag(jnp.exp(theta[d * k :])), x)


def gaussian_process(x, theta, places):
    u = places / theta
    square = jnp.sum(u * u, axis=1)
    distance = square[:, None] + square[None, :] - 2 * u @ u.T  # two to three times faster than all differences
    return cholesky_density(jnp.exp(-0.5 * distance) + 0.1 * jnp.eye(len(places)), x)


def ar1(x, theta):
    z = (x[1:] - theta[0] - theta[1] * x[:-1]) / theta[2]
    return jnp.sum(-0.5 * z * z - jnp.log(theta[2]))


def nanoseconds(name):
    """Nanoseconds a draw, or NaN where JAX is not installed."""
    if importlib.util.find_spec("jax") is None:
        return math.nan
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return number_from("many_parameters_jax", name, XLA_FLAGS=flags)


def main(name):
    logpdf, theta, size, args = MODELS[name]
    own, draws = globals()[logpdf.__name__], normals(DRAWS, size)
    if logpdf.__name__ == "logistic":
        draws = (draws > 0).astype(float)
    scores = jax.jit(jax.vmap(jax.grad(lambda theta, x: own(x, theta, *args)), in_axes=(None, 0)))
    theta, draws = jnp.asarray(theta), jnp.asarray(draws)
    scores(theta, draws).block_until_ready()
    best, end = math.inf, time.process_time() + 0.3  # of all threads: JAX computes in one of its own
    while time.process_time() < end:
        start = time.process_time()
        scores(theta, draws).block_until_ready()
        best = min(best, time.process_time() - start)
    print(1e9 * best / DRAWS)


if __name__ == "__main__":
    import jax
    import jax.numpy as jnp

    from .many_parameters import DRAWS, MODELS, normals

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    jax.config.update("jax_enable_x64", True)
    main(sys.argv[1])
