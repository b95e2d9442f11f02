"""What there is beside the draws: the first result of a process, a call, many points, several workers."""

import os
import subprocess
import sys
import tempfile
import time

import numpy as np

import fastfim

from .throughput import best_seconds

FIRST = """
import time
import fastfim
from math import lgamma, log
def sample(rng, theta):
    shape, rate = theta
    return rng.gamma(shape, 1 / rate)
def logpdf(x, theta):
    shape, rate = theta
    return shape * log(rate) - lgamma(shape) + (shape - 1) * log(x) - rate * x
own = fastfim.Likelihood(sample, logpdf, parameters=("shape", "rate"))
fastfim.estimate({likelihood}, (2.0, 3.0), rtol=1e-2, rng=0)
"""
LIKELIHOODS = {"built-in": "'gamma'", "own": "own"}


def another():
    """A program with a likelihood that was never seen: another constant is another likelihood."""
    return FIRST.replace("- rate * x", f"- rate * x + {1e-9 * time.time()}").format(likelihood="own")


def seconds_of_a_process(program, folder):
    """From its start to its end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "FASTFIM_CACHE_DIR": folder}, check=True)
    return time.perf_counter() - start


class Start:
    """From the start of a process to its first result: never seen before (``cold``), or kept on disk (``warm``)."""

    params = tuple(LIKELIHOODS)
    param_names = ("likelihood",)
    timeout = 300

    def setup_cache(self):
        folder = tempfile.mkdtemp()
        # what all likelihoods share is compiled once an installation
        seconds_of_a_process(FIRST.format(likelihood="'gamma'"), folder)
        return folder

    def track_warm(self, folder, likelihood):
        program = FIRST.format(likelihood=LIKELIHOODS[likelihood])
        seconds_of_a_process(program, folder)
        return min(seconds_of_a_process(program, folder) for _ in range(5))

    track_warm.unit = "s"

    def track_cold(self, folder, likelihood):
        return seconds_of_a_process(another(), folder)

    track_cold.unit = "s"

    def track_import(self, folder, likelihood):
        """Against that of Numba."""
        ours, numba = (
            min(seconds_of_a_process(f"import {name}", folder) for _ in range(5)) for name in ("fastfim", "numba")
        )
        return ours / numba


class Call:
    """Milliseconds of a call with next to no draws."""

    timeout = 300
    params = ("score", "auto")
    param_names = ("estimator",)

    def track_milliseconds(self, estimator):
        def call():
            fastfim.estimate("norm", (0.0, 1.0), draws=1024, rng=0, estimator=estimator, workers=1)

        call()
        return 1e3 * best_seconds(call, 50)

    track_milliseconds.unit = "ms"


class Compilation:
    """Seconds that the first call of a new likelihood takes in a process that has run others."""

    timeout = 300

    def track_seconds(self):
        def first_call():
            exec(another(), {})

        first_call()
        return best_seconds(first_call, 3)

    track_seconds.unit = "s"


class Batch:
    """Seconds for 10,000 points of a gamma."""

    timeout = 300

    def track_seconds(self):
        rng = np.random.default_rng(0)
        points = np.column_stack([rng.uniform(1.0, 5.0, 10_000), rng.uniform(0.5, 3.0, 10_000)])
        fastfim.estimate("gamma", points[:100], rtol=1e-2, rng=0)
        return best_seconds(lambda: fastfim.estimate("gamma", points, rtol=1e-2, rng=0), 3)

    track_seconds.unit = "s"


class Scaling:
    """How many times faster two workers are than one."""

    timeout = 300
    params = ("norm", "gamma")
    param_names = ("likelihood",)

    def track_speedup(self, likelihood):
        def run(workers):
            fastfim.estimate(likelihood, (2.0, 1.0), draws=2 * 10**7, rng=0, estimator="score", workers=workers)

        run(2)
        return best_seconds(lambda: run(1), 3) / best_seconds(lambda: run(2), 3)
