"""Blocks of likelihoods with many parameters, whose scores come from a tape: against forward mode."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest

from fastfim import Likelihood, estimate, store
from fastfim.kernels import passes, taping
from fastfim.kernels.block import Block, Chunk, Job, chunks_of, forget, run_block


def decay(theta, t):
    """Expected values that depend on every parameter."""
    out = np.zeros(len(t))
    for i in range(len(t)):
        for j in range(len(theta) - 1):
            out[i] += theta[j] * exp(-t[i] * (j + 1))
    return out


def sample(rng, theta, x, t):
    level = decay(theta, t)
    for i in range(len(t)):
        x[i] = rng.normal(level[i], theta[-1])


def logpdf(x, theta, t):
    level, total = decay(theta, t), 0.0
    for i in range(len(t)):
        z = (x[i] - level[i]) / theta[-1]
        total -= 0.5 * z * z + log(theta[-1])
    return total


def sample_prepared(rng, theta, x, t, level):
    for i in range(len(t)):
        x[i] = rng.normal(level[i], theta[-1])


def logpdf_prepared(x, theta, t, level):
    total = 0.0
    for i in range(len(t)):
        z = (x[i] - level[i]) / theta[-1]
        total -= 0.5 * z * z + log(theta[-1])
    return total


def names(t):
    return [f"a{j}" for j in range(2 * len(t))] + ["sd"]


def model(p, prepare=False, wrt=None, **options):
    functions = (sample_prepared, logpdf_prepared) if prepare else (sample, logpdf)
    t = np.linspace(0.0, 1.0, (p - 1) // 2)
    options["prepare"] = decay if prepare else None
    likelihood = Likelihood(*functions, parameters=names, size=len, **options)
    return likelihood.bind((t,))


def derivatives(bound, order, draws=40):
    theta = np.linspace(0.5, 1.5, len(bound.names))
    return Chunk.joined(list(chunks_of(Job(bound, theta, 3, order), Block(0, 0, draws))))


def scores(bound, draws=40):
    return derivatives(bound, 1, draws).scores


def hessians(bound):
    return derivatives(bound, 2, draws=5).hessians


@pytest.fixture
def by(monkeypatch):
    """A function that takes derivatives with other limits than usual on what is done how."""

    def compute(limits, *args, what=scores):
        with monkeypatch.context() as patch:
            for name, limit in limits.items():
                patch.setattr(passes, name, limit)
            # nothing that is kept of this must pass for what comes without the patch
            patch.setattr(store, "_linked", {})
            patch.setenv("FASTFIM_CACHE_DIR", "")
            forget()
            found = what(*args)
        forget()
        return found

    return compute


NO_TILES = {"TAPE_PARAMETERS": {1: 10**6, 2: 10**6}, "TILE_PARAMETERS": {1: 0, 2: 0}}
FORWARD = {**NO_TILES, "FORWARD_PARAMETERS": 10**6, "FORWARD_HESSIAN": 10**6}
SINGLE = {**NO_TILES, "FORWARD_PARAMETERS": 0}


@pytest.mark.parametrize("prepare", [False, True])
@pytest.mark.parametrize("p", [passes.TAPE_PARAMETERS[1] + 1, 151])
def test_tape_gives_what_forward_mode_gives(p, prepare, by):
    """Draws at once and one by one; 40 draws are a tile and a part of another."""
    expected = by(FORWARD, model(p, prepare))
    for found in scores(model(p, prepare)), by(SINGLE, model(p, prepare)):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("prepare", [False, True])
def test_tape_of_second_order_gives_what_forward_mode_gives(prepare, by):
    p = passes.FORWARD_HESSIAN + 1
    expected = by(FORWARD, model(p, prepare), what=hessians)
    found = hessians(model(p, prepare))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * np.abs(expected).max())


def test_hessians_of_hundreds():
    """On a tape that is made longer; those of the levels are constants, the outer products of their slopes."""
    bound, p = model(151), 151
    found = estimate(bound.likelihood, np.linspace(0.5, 1.5, p), bound.args, draws=512, rng=1, estimator="hessian")
    slopes = np.exp(-np.outer(bound.args[0], np.arange(1, p))) / 1.5
    np.testing.assert_allclose(found.fim[:-1, :-1], slopes.T @ slopes, rtol=1e-10)
    # 3 z^2 - 1 for each observation, of variance 18: a false alarm in 10^-9 of all seeds
    assert found.fim[-1, -1] == pytest.approx(2 * 75 / 1.5**2, rel=6 * np.sqrt(4.5 / (512 * 75)))


@pytest.mark.parametrize("prepare", [False, True])
def test_a_longer_tape_is_taken_where_the_first_is_too_short(prepare, by, monkeypatch):
    expected = scores(model(61, prepare))
    monkeypatch.setattr(taping, "FIRST_NOTES", 100)
    monkeypatch.setattr(taping, "FIRST_ROWS", 100)
    np.testing.assert_array_equal(by({}, model(61, prepare)), expected)
    np.testing.assert_allclose(by(SINGLE, model(61, prepare)), expected, rtol=1e-12)


@pytest.mark.parametrize("prepare", [False, True])
def test_what_is_kept_is_what_would_be_worked_out(prepare, by, monkeypatch):
    """Of functions of theta alone, from tile to tile and from chunk to chunk, all or but a few."""
    expected = scores(model(21, prepare), 600)
    monkeypatch.setattr(taping, "MOST_KEPT", 40)
    np.testing.assert_array_equal(by({}, model(21, prepare), 600), expected)


def test_draws_that_take_different_branches_go_one_by_one(by):
    def logpdf(x, theta):
        total = 0.0
        for i in range(len(x)):
            z = x[i] - theta[i]
            total -= abs(z) if x[i] > 2.2 else 0.5 * z * z  # about every third tile of 32 draws
        return total

    def sample(rng, theta, x):
        for i in range(len(x)):
            x[i] = rng.normal() if i == 0 else 0.1 * rng.normal()

    def bound():
        return Likelihood(sample, logpdf, parameters=[f"m{i}" for i in range(30)], size=30).bind(())

    expected = by(FORWARD, bound(), 1000)
    np.testing.assert_allclose(scores(bound(), 1000), expected, rtol=1e-12, atol=1e-14)


def test_some_of_many_parameters(by):
    """Constants among them, and another order."""
    bound = model(41).likelihood.bind(
        (np.linspace(0.0, 1.0, 20),), wrt=["a7", "sd", *[f"a{j}" for j in range(30, 8, -1)]]
    )
    expected = by(FORWARD, bound)
    for found in scores(bound), by(SINGLE, bound):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * np.abs(expected).max())


def test_constant_matrices_stay_where_they_are(by):
    """By rows, by columns and by neither; a tape holds their addresses alone."""

    def logpdf(x, theta, a, b):
        left, right, every_other = a @ theta, theta @ b, a[:, ::2] @ theta[: a.shape[1] // 2]
        total = np.dot(left, right) * x - np.dot(every_other, every_other)
        return total + np.dot(a[0], theta) * np.dot(theta, b[:, 0])

    rng = np.random.default_rng(0)
    args = (rng.normal(size=(7, 40)), rng.normal(size=(40, 7)))
    quadratic = Likelihood(lambda rng, theta, a, b: rng.normal(), logpdf, parameters=[f"m{i}" for i in range(40)])
    expected = by(FORWARD, quadratic.bind(args))
    for found in scores(quadratic.bind(args)), by(SINGLE, quadratic.bind(args)):
        np.testing.assert_allclose(found, expected, rtol=1e-11)


def in_order(x, theta, a):
    total = 0.0
    for i in range(len(x)):
        total -= 0.5 * (x[i] - theta[i]) ** 2
    return total


def out_of_order(x, theta, a):
    """Some parameters twice, some never."""
    total = x[0] * theta[9]
    for i in range(len(x) - 1, 3, -2):
        total -= 0.5 * (x[i] - theta[i]) * (x[i - 1] - theta[(2 * i) % 5])
    return total


def by_product(x, theta, a):
    eta, total = a @ theta, 0.0
    for i in range(len(x)):
        total += x[i] * eta[i] - np.logaddexp(0.0, eta[i])
    return total


def by_product_of_some(x, theta, a):
    return by_product(x, theta[:15], a[:, :15]) - (x[1] - theta[20]) ** 2


@pytest.mark.parametrize("logpdf", [in_order, out_of_order, by_product, by_product_of_some])
def test_derivatives_are_summed_up_where_they_are_to_be(logpdf, by):
    """In memory that still holds the scores of other draws."""

    def sample(rng, theta, x, a):
        for i in range(len(x)):
            x[i] = rng.normal()

    a = np.random.default_rng(0).normal(size=(30, 30))
    bound = Likelihood(sample, logpdf, parameters=[f"m{i}" for i in range(30)], size=30).bind((a,))
    expected = by(FORWARD, bound, 300)
    np.testing.assert_allclose(scores(bound, 300), expected, rtol=1e-11, atol=1e-11)


def test_a_block_is_a_pure_function():
    """Whatever ran before, and with however long a tape."""
    bound = model(151)
    job = Job(bound, np.linspace(0.5, 1.5, 151), 3, 1)
    first = run_block(job, Block(2, 1, 100))
    run_block(job, Block(0, 0, 50))
    assert first.tobytes() == run_block(job, Block(2, 1, 100)).tobytes()


def test_workers_do_not_change_the_answer():
    p = passes.FORWARD_PARAMETERS + 2
    results = [
        estimate(
            "logistic_regression", np.zeros(p), (np.eye(p),), draws=2048, rng=1, workers=workers, estimator="score"
        )
        for workers in (1, 3)
    ]
    assert results[0].fim.tobytes() == results[1].fim.tobytes()
    z = (results[0].fim - np.eye(p) / 4) / np.maximum(results[0].standard_error, 1e-12)
    assert np.abs(z[~np.eye(p, dtype=bool)]).max() < 6  # 1,122 entries: a false alarm in 10^-5 of all seeds
