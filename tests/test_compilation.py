"""How often a user's functions are compiled: once for each type of their numbers, and never again."""

from collections import Counter

import numba.core.event
import numpy as np
import pytest

from fastfim import Likelihood, kernels
from fastfim.kernels import Block, Job, compile_for, run_block


def centred(x, theta):
    return (x[1:] - theta[0] - theta[1] * x[:-1]) / theta[2]


def sample(rng, theta, x):
    for t in range(len(x)):
        x[t] = theta[0] + theta[2] * rng.standard_normal()


def logpdf(x, theta):
    z = centred(x, theta)
    return -0.5 * np.sum(z**2) - len(z) * np.log(theta[2])


class Compilations(numba.core.event.Listener):
    """Counts the functions that Numba compiles while it listens."""

    def __init__(self):
        self.names = Counter()

    def on_start(self, event):
        self.names[event.data["dispatcher"].py_func.__name__] += 1

    def on_end(self, event):
        pass


@pytest.mark.parametrize("order", [1, 2])
def test_each_function_once_a_type(order, monkeypatch):
    monkeypatch.setattr(kernels.store, "fetch", lambda depends_on, make: make().code())  # not what is on disk
    kernels._compiled.cache_clear()
    model = Likelihood(sample, logpdf, parameters=("const", "coef", "scale"), size=20).bind()
    listener = Compilations()
    with numba.core.event.install_listener("numba:compile", listener):
        compile_for(model, order)
    # draws one by one or in tiles; in tiles, what cannot diverge is not compiled for single draws, too
    assert listener.names["sample"] <= 2
    assert listener.names["logpdf"] == listener.names["centred"] == 1
    again = Compilations()
    with numba.core.event.install_listener("numba:compile", again):
        for theta in ((0.0, 0.5, 1.0), (1.0, 0.2, 3.0)):
            run_block(Job(model, model.theta(theta), 1, order), Block(0, 0, 100))
    assert not again.names
    kernels._compiled.cache_clear()
