"""How often a user's functions are compiled: once for each type of their numbers, and never again."""

import json
import os
import subprocess
import sys
from collections import Counter

import numba.core.event
import numpy as np
import pytest

from fastfim import Likelihood
from fastfim.kernels import block as kernels
from fastfim.kernels.block import Block, Job, compile_for, run_block


def centred(x, theta):
    return (x[1:] - theta[0] - theta[1] * x[:-1]) / theta[2]


def scales(theta):
    return theta[2] * 1.0, np.log(theta[2])


def sample_prepared(rng, theta, x, prepared):
    for t in range(len(x)):
        x[t] = theta[0] + prepared[0] * rng.standard_normal()


def logpdf_prepared(x, theta, prepared):
    z = (x[1:] - theta[0] - theta[1] * x[:-1]) / prepared[0]
    return -0.5 * np.sum(z**2) - len(z) * prepared[1]


def sample(rng, theta, x):
    for t in range(len(x)):
        x[t] = theta[0] + theta[2] * rng.standard_normal()


def logpdf(x, theta):
    z = centred(x, theta)
    return -0.5 * np.sum(z**2) - len(z) * np.log(theta[2])


class Compilations(numba.core.event.Listener):
    """Counts the functions that Numba compiles while it listens."""

    def __init__(self):
        self.names, self.ours, self.modules = Counter(), Counter(), Counter()

    def on_start(self, event):
        function = event.data["dispatcher"].py_func
        self.names[function.__name__] += 1
        self.modules[function.__module__] += 1
        if function.__module__.startswith("fastfim.kernels."):
            self.ours[function.__qualname__, id(event.data["dispatcher"])] += 1

    def on_end(self, event):
        pass


#: How often each is compiled: samplers for one draw and for several; densities for several alone, as these cannot
#: diverge; what is prepared without derivatives, for the sampler, and with them.
PLAIN = (sample, logpdf, None), {"sample": 2, "logpdf": 1, "centred": 1}
PREPARED = (sample_prepared, logpdf_prepared, scales), {"sample_prepared": 2, "logpdf_prepared": 1, "scales": 2}


@pytest.mark.parametrize(("functions", "most"), [PLAIN, PREPARED], ids=["plain", "prepared"])
@pytest.mark.parametrize(("p", "order"), [(3, 1), (3, 2), (20, 1), (20, 2)])
def test_each_function_once_a_type(functions, most, p, order, monkeypatch):
    """With few parameters, and with so many that scores and Hessians come from tapes."""
    monkeypatch.setattr(kernels.store, "fetch", lambda depends_on, make: make().code())  # not what is on disk
    kernels.forget()
    draw, density, prepare = functions
    names = tuple(f"t{j}" for j in range(p))
    model = Likelihood(draw, density, prepare=prepare, parameters=names, size=20).bind()
    listener = Compilations()
    with numba.core.event.install_listener("numba:compile", listener):
        compile_for(model, order)
    for name, count in most.items():
        assert 1 <= listener.names[name] <= count, name
    assert set(listener.ours.values()) == {1}, "compiled for a literal, and once more"
    again = Compilations()
    with numba.core.event.install_listener("numba:compile", again):
        for theta in ((0.0, 0.5, 1.0), (1.0, 0.2, 3.0)):
            run_block(Job(model, model.theta(theta + (0.0,) * (p - 3)), 1, order), Block(0, 0, 100))
    assert not again.names
    kernels.forget()


def logpdf_linear(x, theta, design):
    eta = design @ theta
    return np.sum(x * eta) - np.sum(np.logaddexp(0.0, eta))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("p", [4, 12])
def test_no_messages_are_compiled(p, order, monkeypatch):
    """Where arrays are assigned, Numba would make up the text of an error: a second and a half of a compilation."""
    monkeypatch.setattr(kernels.store, "fetch", lambda depends_on, make: make().code())
    kernels.forget()
    model = Likelihood(
        lambda rng, theta, x, design: sample(rng, theta, x),
        logpdf_linear,
        parameters=[f"t{j}" for j in range(p)],
        size=len,
    ).bind((np.ones((30, p)),))
    listener = Compilations()
    with numba.core.event.install_listener("numba:compile", listener):
        compile_for(model, order)
    assert listener.modules["fastfim.kernels.assembly"] > 0
    assert listener.modules["numba.cpython.unicode"] == 0
    kernels.forget()


#: What a process prints that finds nothing on disk: the functions that it compiles, and what it keeps.
FIRST = """
import json
import numba.core.event
from fastfim import estimate, store

class Compilations(numba.core.event.Listener):
    names = []

    def on_start(self, event):
        function = event.data["dispatcher"].py_func
        self.names.append(f"{function.__module__}.{function.__qualname__}")

    def on_end(self, event):
        pass

fetch, kept = store.fetch, set()

def fetching(depends_on, make):
    kept.add(depends_on[1] if depends_on[0] == store.EXTERNAL else "the likelihood")
    return fetch(depends_on, make)

store.fetch = fetching
with numba.core.event.install_listener("numba:compile", Compilations()):
    estimate("norm", (0.0, 1.0), rng=0)
print(json.dumps([Compilations.names, sorted(kept)]))
"""

#: All that the block of a normal likelihood with quasi-random draws calls.
SHARED = [
    "fastfim.kernels.placing.fill_up",
    "fastfim.kernels.summing.sum_weighted_chunk",
    "fastfim.streams.lanes.refill_normals",
    "fastfim.streams.points.make_normal_column",
    "fastfim.streams.points.refill_column",
    "fastfim.streams.stream._begin_points",
]


def test_a_first_process_compiles_what_it_needs_once(tmp_path):
    places = {"FASTFIM_CACHE_DIR": str(tmp_path / "ours"), "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    command = [sys.executable, "-c", FIRST]
    said = subprocess.run(command, env=os.environ | places, capture_output=True, text=True, check=True).stdout
    names, kept = json.loads(said)
    assert kept == [*SHARED, "the likelihood"]
    assert {name for name, count in Counter(names).items() if count > 1} == set()
    assert set(SHARED) < set(names)
    assert len(names) < 63  # 30 ms each
    assert not [name for name in names if name.startswith("numba.")], "min, max and the like: with wrappers for Python"
    assert not (tmp_path / "numba").exists(), "kept twice, here and by Numba"
    assert len(list((tmp_path / "ours").glob("*.code"))) == len(kept)
