"""Nanoseconds a draw on one core: draw, differentiate, sum, all in; and what it costs to get there."""

import os
import resource
import subprocess
import sys
import time

import fastfim
from fastfim.kernels.block import Block, Job, run_block

from .workloads import SCORES_ALONE, WORKLOADS, bound


def best_seconds(function, repeats=7, clock=time.perf_counter):
    """Least of several timings: the one that was disturbed least."""
    times = []
    for _ in range(repeats):
        start = clock()
        function()
        times.append(clock() - start)
    return min(times)


class Draws:
    """One fused pass over draws, scores (order 1) or scores and Hessians (order 2)."""

    params = (list(WORKLOADS), [1, 2])
    param_names = ("likelihood", "order")
    unit = "ns"
    timeout = 300

    def setup(self, name, order):
        if order == 2 and name in SCORES_ALONE:
            raise NotImplementedError("no Hessian")  # asv skips it
        self.job = Job(*bound(name), 0, order)
        run_block(self.job, Block(0, 0, 1000))
        few = best_seconds(lambda: run_block(self.job, Block(0, 0, 1000)), 3, time.thread_time)
        self.draws = max(1000, int(1000 * 0.02 / few))

    def track_nanoseconds_a_draw(self, name, order):
        def run():
            run_block(self.job, Block(0, 0, self.draws))

        # by the clock of the thread: what else the machine does hardly shows
        return 1e9 * best_seconds(run, 20, time.thread_time) / self.draws

    track_nanoseconds_a_draw.unit = "ns"


class Products:
    """Rate of the sums of outer products of p scores, over that of one-threaded BLAS (dsyrk)."""

    params = (100, 500, 2000)
    param_names = ("p",)
    unit = "1"
    timeout = 300

    def track_ratio(self, p):
        run = [sys.executable, "-c", PRODUCTS.format(p=p)]
        one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        return float(subprocess.run(run, env=one_thread, capture_output=True, text=True, check=True).stdout)

    track_ratio.unit = "1"


PRODUCTS = """
import time
import numpy as np
from numba import njit
from scipy.linalg.blas import dsyrk
from fastfim._abi import address
from fastfim.kernels.block import Layout
from fastfim.kernels.products import add_products

@njit
def own(scores, out):
    add_products(address(scores), scores.shape[0], scores.shape[1], scores.shape[1], address(out))

def best(function):
    times = []
    for _ in range(10):
        start = time.thread_time()
        function()
        times.append(time.thread_time() - start)
    return min(times)

p, many = {p}, 256
scores, out = np.random.rand(p, Layout(p, 1, 1).chunk), np.zeros(p * (p + 1) // 2)
block, matrix = np.asfortranarray(np.random.rand(p, many)), np.zeros((p, p), order="F")
own(scores, out)
library = best(lambda: dsyrk(1.0, block, beta=1.0, c=matrix, overwrite_c=1)) / many
print(library / (best(lambda: own(scores, out)) / scores.shape[1]))
"""


class Memory:
    """Growth of the process's largest memory between a run of 10^6 and one of 10^8 draws."""

    timeout = 300

    def track_growth(self):
        fastfim.estimate("norm", (0.0, 1.0), draws=10**6, rng=0)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        fastfim.estimate("norm", (0.0, 1.0), draws=10**8, rng=0)
        return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

    track_growth.unit = "bytes"
