"""The block of work against its slow twins: the user's own functions uncompiled, and NumPy over single draws."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import exp, lgamma, log

import numba
import numpy as np
import pytest
from naive import naive_score
from oracles import CASES

from fastfim import Likelihood, positive
from fastfim.catalogue import catalogue
from fastfim.kernels import block as kernels
from fastfim.kernels.block import Block, Chunk, Job, chunks_of, compile_for, derivatives_at, run_block


def job_of(likelihood, theta, args=(), order=1, seed=0):
    model = likelihood.bind(args)
    return Job(model, model.theta(theta), seed, order)


def collected(job, size, stream=0, block=0):
    """All single draws of a block."""
    chunks = list(chunks_of(job, Block(stream, block, size)))
    parts = [np.concatenate([getattr(c, name) for c in chunks]) for name in ("draws", "logpdf", "scores")]
    return (*parts, np.concatenate([c.hessians for c in chunks]) if job.order == 2 else None)


def packed(matrices):
    rows, columns = np.triu_indices(matrices.shape[-1])
    return matrices[..., rows, columns]


ONE_CASE = [pytest.param(name, cases[0], id=name) for name, cases in CASES.items()]


@pytest.mark.parametrize("sampling", ["mc", "rqmc"])
@pytest.mark.parametrize(("name", "case"), ONE_CASE)
def test_block_is_the_sum_of_its_single_draws(name, case, sampling):
    job = replace(job_of(catalogue[name], case.theta, case.args, order=2), sampling=sampling)
    block = Block(0, 0, 300)
    draws = Chunk.joined(list(chunks_of(job, block)))
    products = packed(draws.scores[:, :, None] * draws.scores[:, None, :])
    rows = np.concatenate([draws.scores, products, -draws.hessians, np.ones((300, 1))], axis=1)
    expected = np.append(draws.weights @ rows, 0.0)
    np.testing.assert_allclose(run_block(job, block), expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize(("name", "case"), ONE_CASE)
def test_single_draws_agree_with_the_uncompiled_functions(name, case):
    likelihood = catalogue[name]
    job = job_of(likelihood, case.theta, case.args, order=2)
    draws, densities, scores, hessians = collected(job, 20)
    p = len(job.theta)
    for x, density, score, hessian in zip(draws, densities, scores, hessians, strict=True):
        x = x[0] if likelihood.scalar else x
        assert density == pytest.approx(likelihood.logpdf(x, job.theta, *job.model.args), rel=1e-13, abs=1e-13)
        slow = naive_score(likelihood, x, job.theta, job.model.args)
        np.testing.assert_allclose(score, slow, rtol=1e-6, atol=1e-6 * (1 + np.abs(slow).max()))
        for j in range(p):
            step = 1e-4 * np.eye(p)[j] * min(1.0, abs(job.theta[j]) or 1.0)
            up = naive_score(likelihood, x, job.theta + step, job.model.args)
            down = naive_score(likelihood, x, job.theta - step, job.model.args)
            column = (up - down) / (2 * step[j])
            entries = [(min(i, j), max(i, j)) for i in range(p)]
            index = [i * p - i * (i - 1) // 2 + k - i for i, k in entries]
            np.testing.assert_allclose(hessian[index], column, rtol=1e-3, atol=2e-4 * (1 + np.abs(column).max()))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("name", "case"), ONE_CASE)
def test_given_draws_are_differentiated_as_drawn_ones_are(name, case, order):
    job = job_of(catalogue[name], case.theta, case.args, order)
    drawn = collected(job, 300)
    given = derivatives_at(job.model, job.theta, drawn[0], order)
    for expected, part in zip(drawn, (given.draws, given.logpdf, given.scores, given.hessians), strict=True):
        np.testing.assert_array_equal(part, expected)


def test_no_draws_at_all_have_no_derivatives():
    job = job_of(catalogue["norm"], (0.0, 1.0))
    assert derivatives_at(job.model, job.theta, []).scores.shape == (0, 2)


def test_orders_agree_on_the_same_draws():
    first, second = (job_of(catalogue["t"], (5.0, 0.0, 1.0), order=k) for k in (1, 2))
    for a, b in zip(collected(first, 500)[:3], collected(second, 500)[:3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


def test_block_is_a_pure_function():
    job = job_of(catalogue["gamma"], (2.0, 0.5))
    first = run_block(job, Block(3, 7, 1000))
    run_block(job, Block(3, 8, 1000))
    np.testing.assert_array_equal(run_block(job, Block(3, 7, 1000)), first)
    for stream, block in ((4, 7), (3, 8), (7, 3)):
        assert not np.array_equal(run_block(job, Block(stream, block, 1000)), first)


# ---------------------------------------------------------------- many parameters


def sample_vector(rng, theta, x):
    for i in range(len(x)):
        x[i] = rng.normal(theta[i], 1.0 + 0.1 * i)


def logpdf_vector(x, theta):
    """Independent normals whose means are products of neighbours, so that the Hessian has entries off the diagonal."""
    total = 0.0
    for i in range(len(x)):
        z = (x[i] - theta[i] * theta[(i + 1) % len(x)]) / (1.0 + 0.1 * i)
        total -= 0.5 * z * z
    return total


def exact_vector(x, theta):
    """Score and Hessian of `logpdf_vector` by hand."""
    p = len(x)
    score, hessian = np.zeros(p), np.zeros((p, p))
    for i in range(p):
        k, w = (i + 1) % p, 1.0 / (1.0 + 0.1 * i) ** 2
        r = x[i] - theta[i] * theta[k]
        gradient = np.zeros(p)
        gradient[i] += theta[k]
        gradient[k] += theta[i]
        score += w * r * gradient
        hessian -= w * np.outer(gradient, gradient)
        hessian[i, k] += w * r
        hessian[k, i] += w * r
    return score, hessian


@pytest.mark.parametrize("p", [2, 3, 5, 8, 12, 13, 17, 30, 60])
def test_any_number_of_parameters(p):
    likelihood = Likelihood(sample_vector, logpdf_vector, parameters=[f"m{i}" for i in range(p)], size=p)
    theta = np.random.default_rng(p).normal(1.0, 0.3, p)
    draws, _, scores, hessians = collected(job_of(likelihood, theta, order=2), 5)
    for x, score, hessian in zip(draws, scores, hessians, strict=True):
        by_hand = exact_vector(x, theta)
        np.testing.assert_allclose(score, by_hand[0], rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(hessian, packed(by_hand[1]), rtol=1e-12, atol=1e-11)


def test_more_parameters_than_one_pass_differentiates():
    p = 150
    likelihood = Likelihood(sample_vector, logpdf_vector, parameters=[f"m{i}" for i in range(p)], size=p)
    theta = np.random.default_rng(p).normal(1.0, 0.3, p)
    draws, _, scores, _ = collected(job_of(likelihood, theta), 3)
    for x, score in zip(draws, scores, strict=True):
        np.testing.assert_allclose(score, exact_vector(x, theta)[0], rtol=1e-12, atol=1e-11)


# ---------------------------------------------------------------- everything else a likelihood may bring


def sample_gamma(rng, theta):
    shape, rate = theta
    return rng.gamma(shape, 1 / rate)


def logpdf_gamma(x, theta):
    shape, rate = theta
    return shape * log(rate) - lgamma(shape) + (shape - 1) * log(x) - rate * x


def score_gamma(x, theta, out):
    shape, rate = theta
    h = 1e-5  # digamma by an eighth-order difference of lgamma
    weights = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
    digamma = 0.0
    for k in range(4):
        step = 100 * h * (k + 1)
        digamma += weights[k] * (lgamma(shape + step) - lgamma(shape - step)) / (100 * h)
    out[0] = log(rate) - digamma + log(x)
    out[1] = shape / rate - x


def hessian_gamma(x, theta, out):
    shape, rate = theta
    out[0, 0] = -0.6449340668482264  # trigamma(2)
    out[0, 1] = out[1, 0] = 1 / rate
    out[1, 1] = -shape / rate**2


def gamma(**derivatives):
    return Likelihood(sample_gamma, logpdf_gamma, parameters=("shape", "rate"), domain=positive, **derivatives)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    "derivatives",
    [{"score": score_gamma}, {"hessian": hessian_gamma}, {"score": score_gamma, "hessian": hessian_gamma}],
    ids=["score", "hessian", "both"],
)
def test_hand_written_derivatives_stand_in_for_automatic_ones(derivatives, order):
    theta = (2.0, 3.0)
    automatic, by_hand = job_of(gamma(), theta, order=order), job_of(gamma(**derivatives), theta, order=order)
    np.testing.assert_allclose(
        run_block(by_hand, Block(0, 0, 1000)), run_block(automatic, Block(0, 0, 1000)), rtol=1e-8, atol=1e-6
    )


def test_prepared_quantities_are_differentiated():
    def prepare(theta, t):
        decay = np.zeros(len(t))
        for i in range(len(t)):
            decay[i] = theta[0] * exp(-theta[1] * t[i])
        return decay, log(theta[2])

    def sample(rng, theta, x, t, prepared):
        decay, _ = prepared
        for i in range(len(t)):
            x[i] = rng.normal(decay[i], theta[2])

    def logpdf(x, theta, t, prepared):
        decay, log_sd = prepared
        total = 0.0
        for i in range(len(t)):
            z = (x[i] - decay[i]) / theta[2]
            total -= 0.5 * z * z + log_sd
        return total

    def sample_plain(rng, theta, x, t):
        for i in range(len(t)):
            x[i] = rng.normal(theta[0] * exp(-theta[1] * t[i]), theta[2])

    def logpdf_plain(x, theta, t):
        total = 0.0
        for i in range(len(t)):
            z = (x[i] - theta[0] * exp(-theta[1] * t[i])) / theta[2]
            total -= 0.5 * z * z + log(theta[2])
        return total

    names, size, args = ("a", "k", "sd"), len, (np.linspace(0.0, 3.0, 7),)
    with_it = Likelihood(sample, logpdf, parameters=names, size=size, prepare=prepare)
    without = Likelihood(sample_plain, logpdf_plain, parameters=names, size=size)
    theta = (2.0, 0.7, 0.5)
    sums = [run_block(job_of(likelihood, theta, args, order=2), Block(0, 0, 500)) for likelihood in (with_it, without)]
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-11, atol=1e-9)


def test_constants_of_every_kind_arrive():
    def sample(rng, theta, x, k, w, flag, matrix, counts):
        for i in range(len(x)):
            x[i] = theta[0] + k + w + flag + matrix[1, 2] + counts[0] + matrix.shape[0] + rng.normal()

    def logpdf(x, theta, k, w, flag, matrix, counts):
        return -0.5 * (x[0] - theta[0]) ** 2

    likelihood = Likelihood(sample, logpdf, parameters=("m",), size=2)
    args = (3, 0.5, True, np.arange(6.0).reshape(3, 2).T, [10, 20])
    draws, *_ = collected(job_of(likelihood, (0.0,), args), 4000)
    assert draws.mean() == pytest.approx(3 + 0.5 + 1 + 5.0 + 10 + 2, abs=0.1)


def test_discrete_draws_may_be_integers_or_booleans():
    def sample(rng, theta):
        return rng.random() < theta[0]

    def logpdf(x, theta):
        return log(theta[0]) if x == 1 else log(1 - theta[0])

    draws, *_ = collected(job_of(Likelihood(sample, logpdf, parameters=("p",)), (0.3,)), 1000)
    assert set(np.unique(draws)) == {0.0, 1.0}


def test_constant_log_density_has_no_derivative():
    def sample(rng, theta):
        return rng.random()

    def logpdf(x, theta):
        return 0

    job = job_of(Likelihood(sample, logpdf, parameters=("a", "b")), (1.0, 2.0), order=2)
    *zeros, weights, count = run_block(job, Block(0, 0, 100))
    np.testing.assert_array_equal(zeros, 0.0)
    assert (weights, count) == (100.0, 0.0)


# ---------------------------------------------------------------- compilations


class Compilations(numba.core.event.Listener):
    """Counts the functions that Numba compiles while it listens."""

    def __init__(self):
        self.names = []

    def on_start(self, event):
        self.names.append(event.data["dispatcher"].py_func.__qualname__)

    def on_end(self, event):
        pass


def test_a_likelihood_is_compiled_once():
    likelihood = gamma()
    compile_for(likelihood.bind(), 1)
    listener = Compilations()
    with numba.core.event.install_listener("numba:compile", listener):
        for seed, theta in enumerate([(2.0, 3.0), (4.0, 1.0), (0.5, 0.5)]):
            run_block(job_of(gamma(), theta, seed=seed), Block(0, 0, 100))
    assert listener.names == []


def test_length_and_values_of_constants_do_not_compile_again():
    likelihood = catalogue["ar1"]
    compile_for(likelihood.bind((10,)), 1)
    listener = Compilations()
    with numba.core.event.install_listener("numba:compile", listener):
        for length in (5, 20):
            run_block(job_of(likelihood, (0.1, 0.5, 1.0), (length,)), Block(0, 0, 100))
    assert listener.names == []


def test_closures_over_different_constants_are_different_likelihoods():
    def make(scale):
        def sample(rng, theta):
            return rng.normal(theta[0], scale)

        def logpdf(x, theta):
            return -0.5 * ((x - theta[0]) / scale) ** 2

        return Likelihood(sample, logpdf, parameters=("m",))

    for scale in (1.0, 2.0, 4.0):
        sums = run_block(job_of(make(scale), (0.0,), order=2), Block(0, 0, 100))
        assert sums[2] / 100 == pytest.approx(scale**-2)


def test_with_derivatives_by_hand_densities_are_looked_at_in_the_first_chunk():
    """Draws are outside the support that the density admits; its derivatives do not show it."""

    def logpdf(x, theta):
        return -theta[0] * x if x > theta[1] else -np.inf

    def score(x, theta, out):
        out[0] = -x
        out[1] = 0.0

    likelihood = Likelihood(lambda rng, theta: rng.random(), logpdf, parameters=("rate", "edge"), score=score)
    for edge, seen in ((0.5, True), (0.5 / job_of(likelihood, (1.0, 0.5)).layout.chunk, False)):
        job = job_of(likelihood, (1.0, edge))
        chunk, size = job.layout.chunk, 20 * job.layout.chunk
        densities = collected(job, size)[1]
        assert np.isinf(densities[:chunk]).any() == seen
        assert np.isnan(run_block(job, Block(0, 0, size))[-1]) == seen
        assert np.isinf(densities[chunk:]).any()  # single draws have them all


def test_threads_compile_once(monkeypatch):
    fetched, fetch = [], kernels.store.fetch

    def counted(depends_on, make):
        fetched.append(depends_on)
        return fetch(depends_on, make)

    monkeypatch.setattr(kernels.store, "fetch", counted)
    normal = Likelihood(
        lambda rng, theta: rng.normal(theta[0], 1.0), lambda x, theta: -((x - theta[0]) ** 2), parameters=("m",)
    )
    model = normal.bind()
    with ThreadPoolExecutor(4) as pool:
        compiled = list(pool.map(lambda order: compile_for(model, order), [1] * 4))
    assert len(set(map(id, compiled))) == 1
    assert fetched.count(kernels.recipe_of(model, 1, "mc").depends_on) == 1


FREED = """
import numpy as np
from fastfim import Likelihood
from fastfim.kernels.block import Block, Job, run_block


def sample(rng, theta, x, n):
    for i in range(n):
        x[i] = rng.standard_normal()
    z = np.empty(n)  # takes memory that should not be free
    for i in range(n):
        z[i] = x[n - 1 - i]
    for i in range(n):
        x[i] = theta[i % len(theta)] + z[i]


def logpdf(x, theta, n):
    total = 0.0
    for i in range(n):
        total -= 0.5 * (x[i] - theta[i % len(theta)]) ** 2
    return total


def score(x, theta, out, n):
    for j in range(len(theta)):
        out[j] = 0.0
    for i in range(n):
        out[i % len(theta)] += x[i] - theta[i % len(theta)]


for p, by_hand in ((3, None), (700, score)):
    names = [f"a{j}" for j in range(p)]
    model = Likelihood(sample, logpdf, parameters=names, size=lambda n: n, score=by_hand).bind((p + 1,))
    print(run_block(Job(model, np.zeros(p), 0, 1), Block(0, 0, 100)).sum())
"""


def test_memory_that_was_freed_is_not_used():
    """The C library fills what is freed: sums are the same with any filling. (Elsewhere than on Linux, nothing is.)"""
    printed = [
        subprocess.run(
            [sys.executable, "-c", FREED],
            env={**os.environ, "MALLOC_PERTURB_": filling},
            capture_output=True,
            check=True,
        ).stdout
        for filling in ("0", "85", "200")
    ]
    assert printed[0].count(b"\n") == 2
    assert printed[0] == printed[1] == printed[2]
