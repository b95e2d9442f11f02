"""Seconds a draw of the plain score, all in, against peers: each with all the cores that it uses of itself.

Vectorised NumPy has scores written by hand, and is given the best of a few sizes of its batches; JAX has
``jit(vmap(grad))`` in float64, where it is installed. All of them draw, differentiate and average outer products.
"""

import importlib.util

import numpy as np

import fastfim

from .models import MODELS
from .peers_numpy import PEERS
from .throughput import best_seconds
from .workloads import WORKLOADS

#: Draws of a batch of the peers.
BATCH = 2**14
NORMAL_MEAN = "normal mean, score by hand"
LIKELIHOODS = MODELS | {NORMAL_MEAN: WORKLOADS[NORMAL_MEAN]}
#: Those of the table.
ROWS = ("norm", "gamma", "t", "normal_mixture", "logistic, 20 random covariates", "AR(1), T = 100", NORMAL_MEAN)


def rate_of_engine(name):
    """Seconds a draw of the plain score by this engine, all cores."""
    likelihood, theta, args = LIKELIHOODS[name]
    options = {"estimator": "score", "sampling": "mc", "rng": 3}

    def run(draws):
        return lambda: fastfim.estimate(likelihood, theta, args, draws=draws, **options)

    draws = 2**16
    run(draws)()
    while best_seconds(run(draws), 1) < 0.5:  # until what a call costs is nothing beside them
        draws *= 2
    return best_seconds(run(draws), 3) / draws


def rate_of_numpy(name):
    """Seconds a draw of vectorised NumPy."""
    theta, rng, scores = np.array(LIKELIHOODS[name][1]), np.random.default_rng(4), PEERS[name]

    def batch(size):
        s = scores(rng, theta, size)
        return s.T @ s / size

    return min(best_seconds(lambda size=size: batch(size)) / size for size in (BATCH // 8, BATCH))


def rate_of_jax(name):
    """Seconds a draw of JAX, compiled; infinite without JAX."""
    if importlib.util.find_spec("jax") is None:
        return np.inf
    import jax

    from .peers_jax import products

    theta, mean, key = np.array(LIKELIHOODS[name][1]), products(name), jax.random.key(5)
    mean(key, theta, 4 * BATCH).block_until_ready()
    return best_seconds(lambda: mean(key, theta, 4 * BATCH).block_until_ready()) / (4 * BATCH)


RATES = {"engine": rate_of_engine, "numpy": rate_of_numpy, "jax": rate_of_jax}


class FasterThanPeers:
    """Time of a draw of the fastest peer over ours."""

    params = (list(ROWS),)
    param_names = ("likelihood",)
    timeout = 300

    def track_ratio(self, name):
        return min(RATES[peer](name) for peer in ("numpy", "jax")) / rate_of_engine(name)

    track_ratio.unit = "times"


def main():
    """Print the table."""
    print(f"{'ns a draw, all cores':32}{'fastfim':>10}{'NumPy':>10}{'JAX':>10}{'times faster':>14}")
    ratios = []
    for name in ROWS:
        ours, *others = (1e9 * RATES[peer](name) for peer in ("engine", "numpy", "jax"))
        ratios.append(min(others) / ours)
        cells = "".join(f"{seconds:10.3g}" for seconds in (ours, *others))
        print(f"{name:32}{cells}{ratios[-1]:14.1f}", flush=True)
    print(f"{'geometric mean':32}{np.exp(np.mean(np.log(ratios))):44.1f}")
