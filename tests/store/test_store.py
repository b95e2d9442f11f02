"""Code from disk: the same bits without Numba, seen through edits, damage and crowds; and what happens without it."""

import json
import os
import subprocess
import sys
from typing import NamedTuple

import cloudpickle
import pytest

import fastfim
from fastfim import store

HELPERS = """
scale = 2.0

def squared(z):
    return z * z
"""

MODEL = """
import helpers
import math
import fastfim

def sample(rng, theta):
    return theta[0] + helpers.scale * rng.standard_normal()

def logpdf(x, theta):
    return -0.5 * helpers.squared((x - theta[0]) / helpers.scale)

def refusing(rng, theta):
    u = rng.random()
    if u > 0.999:
        raise ValueError("too large")
    return u

likelihood = fastfim.Likelihood(sample, logpdf, parameters=("mean",))
"""

RUN = """
import json, sys
import fastfim
from fastfim import store
made = []
_made = store._made
def counted(key, make):
    def compiled():
        made.append(key)
        return make()
    return _made(key, compiled)
store._made = counted
from model import likelihood
result = fastfim.estimate(likelihood, (0.5,), draws=1600, rng=1, estimator="score", workers=1)
print(json.dumps([result.fim[0, 0].hex(), "numba" in sys.modules, len(made)]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("project")
    (place / "helpers.py").write_text(HELPERS)
    (place / "model.py").write_text(MODEL)
    return place


def start(folder, program=RUN):
    paths = [str(folder), *sys.path]
    environment = {
        **os.environ,
        "FASTFIM_CACHE_DIR": str(folder / "store"),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-2000:]
    return json.loads(out)


def edit(path, before, after):
    """An edit that leaves the file's time as it was."""
    text, status = path.read_text(), path.stat()
    assert before in text
    path.write_text(text.replace(before, after))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_life(folder):
    """In one test, since each step rests on those before."""
    crowd = [outcome(process) for process in [start(folder) for _ in range(4)]]
    value = crowd[0][0]
    assert {found for found, _, _ in crowd} == {value}
    own = sum(1 for _, _, made in crowd if made)
    assert sum(made for _, _, made in crowd) <= 5, "the block and four functions of ours, each compiled by one process"
    assert own >= 1
    assert outcome(start(folder)) == [value, False, 0]

    edit(folder / "helpers.py", "return z * z", "return 1.5 * z * z")
    other, _, made = outcome(start(folder))
    assert float.fromhex(other) == pytest.approx(2.25 * float.fromhex(value))
    assert made == 1
    edit(folder / "helpers.py", "return 1.5 * z * z", "# as it was\n    return z * z")
    assert outcome(start(folder)) == [value, False, 0]

    for path in (folder / "store").glob("*.code"):
        path.write_bytes(path.read_bytes()[:-100])
    assert outcome(start(folder))[0] == value
    assert outcome(start(folder)) == [value, False, 0]


RAISES = """
import fastfim, model
likelihood = fastfim.Likelihood(model.refusing, model.logpdf, parameters=("mean",))
try:
    fastfim.estimate(likelihood, (0.5,), draws=64_000, rng=1, estimator="score")
except fastfim.LikelihoodError as error:
    import json; print(json.dumps(str(error)))
"""


def test_code_from_disk_raises_what_the_user_raised(folder):
    assert {"raised ValueError: too large" in outcome(start(folder, RAISES)) for _ in range(2)} == {True}


TAUGHT = """
import json
from numba.extending import overload
from fastfim.store.environment import overloaded
before = overloaded()
def mine(x):
    return x
@overload(mine)
def ours(x):
    return lambda x: x
print(json.dumps([before, overloaded()]))
"""


def test_what_numba_was_taught_is_noticed(folder):
    assert outcome(start(folder, TAUGHT)) == [False, True]


# ---------------------------------------------------------------- in this process


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTFIM_CACHE_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(store, "_linked", {})
    monkeypatch.setattr(store, "overloaded", lambda: False)  # whatever other tests have taught Numba
    return tmp_path / "store"


def likelihood(offset):
    def sample(rng, theta):
        return theta[0] + rng.standard_normal()

    def logpdf(x, theta):
        return -0.5 * (x - theta[0]) ** 2 + offset

    return fastfim.Likelihood(sample, logpdf, parameters=("mean",))


def estimated(model):
    return fastfim.estimate(model, (0.5,), draws=1600, rng=1, estimator="score", workers=1).fim[0, 0]


@pytest.fixture
def compilations(monkeypatch):
    from fastfim.kernels import assembly

    found, native = [], assembly.native
    monkeypatch.setattr(assembly, "native", lambda *args, **options: found.append(args) or native(*args, **options))
    return found


def test_a_function_that_was_sent_compiles_once(empty, compilations):
    sent = [cloudpickle.loads(cloudpickle.dumps(likelihood(1.25))) for _ in range(3)]
    assert len({estimated(model) for model in sent}) == 1
    assert len(compilations) == 1


def test_without_numbas_insides_it_compiles_all_the_same(empty, compilations, monkeypatch):
    monkeypatch.setattr(
        store.linking.llvm(), "parse_bitcode", lambda _: (_ for _ in ()).throw(RuntimeError("other LLVM"))
    )
    value = estimated(likelihood(1.5))
    assert not list(empty.glob("*.code"))
    monkeypatch.undo()
    assert estimated(likelihood(1.75)) == value


def test_without_a_folder_it_compiles_all_the_same(monkeypatch):
    monkeypatch.setenv("FASTFIM_CACHE_DIR", "")
    monkeypatch.setattr(store, "_linked", {})
    assert estimated(likelihood(2.0)) == estimated(likelihood(2.25))


class Normal(NamedTuple):
    mean: float
    variance: float


def test_what_has_no_fingerprint_compiles_all_the_same(empty, compilations):
    def sample(rng, theta):
        return theta[0] + rng.standard_normal()

    def logpdf(x, theta):
        law = Normal(theta[0], 1.0)  # a class
        return -0.5 * (x - law.mean) ** 2 / law.variance

    model = fastfim.Likelihood(sample, logpdf, parameters=("mean",))
    assert estimated(model) == estimated(likelihood(2.5))
    assert len(compilations) == 2
