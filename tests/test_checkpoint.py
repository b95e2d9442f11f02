"""Runs that are interrupted and taken up again: the same bits as those that were not."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastfim
from fastfim import CheckpointError, Likelihood, OptionError, estimate
from fastfim.engine import estimate as engine

GAMMA = {"likelihood": "gamma", "theta": (2.0, 3.0), "rng": 5}
#: Runs that take several rounds: by each estimator, sampling and way to end.
RUNS = [
    {"estimator": "score", "sampling": "mc", "rtol": 4e-3},
    {"estimator": "covariance", "sampling": "mc", "rtol": 4e-3},
    {"estimator": "hessian", "sampling": "mc", "rtol": 2e-3},
    {"estimator": "bartlett", "sampling": "mc", "draws": 200_000},
    {"estimator": "score", "sampling": "rqmc", "rtol": 1e-4},
    {"estimator": "score", "sampling": "mc", "draws": 100_000},
    {"estimator": "score", "sampling": "mc", "max_draws": 123_456, "rtol": 1e-9},
    {"draws": 150_000},
]


class Interruption(BaseException):
    """Of a run from outside."""


def interrupted(rounds):
    """A progress function that ends a run after so many rounds."""
    seen = []

    def progress(draws, error):
        seen.append(draws)
        if len(seen) == rounds:
            raise Interruption

    return progress


def counted(seen):
    return lambda draws, error: seen.append(draws)


def assert_same(a, b):
    for name in ("fim", "standard_error", "replicates"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)
    for name in ("draws", "seed", "estimator", "sampling", "converged", "message", "relative_error"):
        assert getattr(a, name) == getattr(b, name), name
    assert repr(a.checks) == repr(b.checks)
    assert repr(a.variance_reduction) == repr(b.variance_reduction)
    assert [(r.draws, r.relative_error) for r in a.history] == [(r.draws, r.relative_error) for r in b.history]


@pytest.mark.parametrize("options", RUNS, ids=repr)
@pytest.mark.filterwarnings("ignore::fastfim.ConvergenceWarning")
def test_an_interrupted_run_goes_on_to_the_same_bits(options, tmp_path):
    path, call = tmp_path / "run", GAMMA | options
    whole = estimate(**call)
    for rounds in (1, 2):
        with pytest.raises(Interruption):
            estimate(**call, checkpoint=path, progress=interrupted(rounds))
    seen = []
    again = estimate(**call, checkpoint=path, workers=2, progress=counted(seen))
    assert_same(again, whole)
    assert len(whole.history) >= 3
    # the first call kept one round, the second looked at it and made one more
    assert len(seen) == len(whole.history) - 1
    assert again.elapsed > 0.0


@pytest.mark.parametrize("options", RUNS, ids=repr)
@pytest.mark.filterwarnings("ignore::fastfim.ConvergenceWarning")
def test_a_run_that_has_ended_draws_nothing_more(options, tmp_path, monkeypatch):
    """But the Hessians of a few draws of a run by scores, which are not kept."""
    path, call, drawn = tmp_path / "run", GAMMA | options, []
    first = estimate(**call, checkpoint=path)
    add = engine._add_blocks
    monkeypatch.setattr(engine, "_add_blocks", lambda job, *rest: drawn.append(job.order) or add(job, *rest))
    assert_same(estimate(**call, checkpoint=path), first)
    assert drawn == ([2] * len(drawn) if first.estimator == "score" else [])


def test_a_likelihood_whose_score_is_watched_for_tails_goes_on(tmp_path):
    """Of scores, each round's own draws are looked at: the tails of a t need 16,384 draws a stream."""
    call = {"likelihood": "t", "theta": (3.0, 0.0, 1.0), "estimator": "score", "sampling": "mc", "rtol": 1e-2, "rng": 1}
    with pytest.raises(Interruption):
        estimate(**call, checkpoint=tmp_path / "run", progress=interrupted(4))
    assert_same(estimate(**call, checkpoint=tmp_path / "run"), estimate(**call))


def test_a_seed_is_adopted(tmp_path):
    call = {
        "likelihood": "norm",
        "theta": (0.0, 1.0),
        "estimator": "score",
        "rtol": 5e-3,
        "checkpoint": tmp_path / "run",
    }
    with pytest.raises(Interruption):
        estimate(**call, progress=interrupted(1))
    first = estimate(**call)
    assert_same(estimate(**call), first)
    other = estimate(**(call | {"checkpoint": None}))
    assert other.seed != first.seed


def test_more_is_asked_for_later(tmp_path):
    """A tighter tolerance and larger budgets go on from what is there, as runs by them would have."""
    call, path = GAMMA | {"estimator": "score", "sampling": "mc"}, tmp_path / "run"
    coarse = estimate(**call, rtol=2e-2, checkpoint=path)
    fine = estimate(**call, rtol=5e-3, checkpoint=path)
    assert fine.draws > coarse.draws
    assert_same(fine, estimate(**call, rtol=5e-3))
    path.unlink()
    estimate(**call, draws=50_000, checkpoint=path)
    more = estimate(**call, draws=170_000, checkpoint=path)
    assert_same(more, estimate(**call, draws=170_000))


def test_a_smaller_budget_is_refused(tmp_path):
    estimate(**GAMMA, estimator="score", sampling="mc", draws=100_000, checkpoint=tmp_path / "run")
    with pytest.raises(CheckpointError, match="draws of each stream already"):
        estimate(**GAMMA, estimator="score", sampling="mc", draws=20_000, checkpoint=tmp_path / "run")


def test_a_run_that_the_clock_ended_goes_on(tmp_path):
    call = GAMMA | {"estimator": "score", "sampling": "mc", "rtol": 2e-3, "checkpoint": tmp_path / "run"}
    with pytest.warns(fastfim.ConvergenceWarning, match="time_limit"):
        estimate(**call, time_limit=1e-3)
    assert_same(estimate(**call), estimate(**(call | {"checkpoint": None})))


def other_logpdf(x, theta):
    return -0.5 * (x - theta[0]) ** 2 - 0.5 * math.log(2 * math.pi)


def logpdf(x, theta):
    return -0.5 * (x - theta[0]) ** 2 - 0.9189385332046727


def sample(rng, theta):
    return theta[0] + rng.standard_normal()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"likelihood": Likelihood(sample, other_logpdf, parameters=("loc",))}, "likelihood"),
        ({"theta": (0.5,)}, "theta"),
        ({"rng": 8}, "rng"),
        ({"streams": 16}, "streams"),
        ({"estimator": "hessian"}, "estimator"),
        ({"sampling": "rqmc"}, "sampling"),
    ],
)
def test_another_run_is_refused(changes, named, tmp_path):
    call = {"likelihood": Likelihood(sample, logpdf, parameters=("loc",)), "theta": (0.0,), "rng": 7, "sampling": "mc"}
    call |= {"estimator": "score", "draws": 10_000, "checkpoint": tmp_path / "run"}
    estimate(**call)
    with pytest.raises(CheckpointError, match=f"another run: its {named} is not"):
        estimate(**(call | changes))


def test_other_constants_are_refused(tmp_path):
    design = np.column_stack([np.ones(5), np.arange(5.0)])
    call = {"likelihood": "logistic_regression", "theta": (0.1, 0.2), "rng": 7, "draws": 10_000, "estimator": "score"}
    estimate(**call, args=(design,), checkpoint=tmp_path / "run")
    with pytest.raises(CheckpointError, match="its args is not"):
        estimate(**call, args=(design + 1.0,), checkpoint=tmp_path / "run")
    with pytest.raises(CheckpointError, match="its wrt is not"):
        estimate(**call, args=(design,), wrt=("b0",), checkpoint=tmp_path / "run")


def test_a_damaged_file_is_refused(tmp_path):
    path, call = tmp_path / "run", GAMMA | {"draws": 10_000, "estimator": "score"}
    estimate(**call, checkpoint=path)
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"hello"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged"):
            estimate(**call, checkpoint=path)
    estimate(**call).save(path)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        estimate(**call, checkpoint=path)
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="does not hold an estimate"):
        fastfim.load(path)


@pytest.mark.parametrize("path", [3, "no/such/folder/run", "."])
def test_a_checkpoint_needs_a_place(path):
    with pytest.raises(OptionError, match="checkpoint must be"):
        estimate(**GAMMA, checkpoint=path)


def test_several_points_have_no_checkpoint(tmp_path):
    with pytest.raises(OptionError, match="one at a time"):
        estimate("norm", [(0.0, 1.0), (0.0, 2.0)], checkpoint=tmp_path / "run")


KILLED = """
import os, signal, sys, fastfim
def progress(draws, error):
    if draws > 100_000:
        os.kill(os.getpid(), signal.SIGKILL)
fastfim.estimate("gamma", (2.0, 3.0), rng=5, estimator="score", sampling="mc", rtol=4e-3, checkpoint=sys.argv[1],
                 progress=progress)
"""


def test_a_killed_process_leaves_a_run_that_goes_on(tmp_path):
    path = tmp_path / "run"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, cwd=Path(__file__).parents[1])
    assert ended.returncode == -9
    assert [file.name for file in tmp_path.iterdir()] == ["run"]
    call = GAMMA | {"estimator": "score", "sampling": "mc", "rtol": 4e-3}
    assert_same(estimate(**call, checkpoint=path), estimate(**call))
