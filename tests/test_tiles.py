"""Eight draws at once against the same draws one by one: the tile pass and its slow twin, the single pass."""

from __future__ import annotations

from math import exp, floor, inf, lgamma, log

import numpy as np
import pytest
from oracles import CASES

from fastfim import Likelihood, _abi, positive
from fastfim.autodiff import Dual, Theta, tiles
from fastfim.catalogue import catalogue
from fastfim.kernels import block as kernels
from fastfim.kernels import calls, passes
from fastfim.kernels.block import Block, Job, chunks_of, compile_for, run_block


def form_of(likelihood, args=()):
    """How a likelihood goes by tiles: ``None``, or its form."""
    model = likelihood.bind(args)
    kinds = tuple(map(_abi.kind_of, calls.kinds_of(model.args)))
    theta = Theta(Dual(len(model.wrt), draws=tiles.DRAWS), len(model.wrt))
    return tiles.tile_form(likelihood.logpdf, theta, scalar=likelihood.scalar, kinds=kinds)


def single_draws(job, size):
    chunks = list(chunks_of(job, Block(0, 0, size)))
    names = ("draws", "logpdf", "scores", "hessians")[: 2 + job.order]
    return [np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in names]


@pytest.fixture
def one_by_one(monkeypatch):
    """A function that gives the draws of a job by the single pass, for each of several sizes."""

    def run(job, sizes):
        with monkeypatch.context() as patch:
            patch.setattr(passes, "TILE_PARAMETERS", {1: 0, 2: 0})
            patch.setattr(passes, "TAPE_PARAMETERS", {1: 10**6, 2: 10**6})
            patch.setattr(passes, "TILE_SCORES", False)
            patch.setattr(kernels.store, "fetch", lambda depends_on, make: make().code())  # not what is on disk
            kernels.forget()
            results = [single_draws(job, size) for size in sizes]
        kernels.forget()
        return results

    return run


def assert_same(job, one_by_one, *sizes):
    """Both passes see the same draws; each result carries a rounding error or two of every term."""
    for size, expected in zip(sizes, one_by_one(job, sizes), strict=True):
        for found, wanted in zip(single_draws(job, size), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12 * np.abs(wanted).max())


TILED = {
    "norm": False,
    "gamma": True,
    "beta": True,
    "weibull_min": True,
    "t": False,
    "gumbel_r": False,
    "normal_mixture": False,
    "logistic_regression": False,
    "ar1": False,
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", TILED)
def test_tiles_give_the_derivatives_of_single_draws(name, order, one_by_one):
    case = CASES[name][0]
    form = form_of(catalogue[name], case.args)
    assert form is not None
    assert form.diverges is TILED[name]
    model = catalogue[name].bind(case.args)
    assert_same(Job(model, model.theta(case.theta), 0, order), one_by_one, 333)


# ---------------------------------------------------------------- branches


def sample_normal(rng, theta):
    return rng.normal(theta[0], theta[1])


def logpdf_two_sided(x, theta):
    """Normal on the left of its mode, with other variance on the right: draws of a tile disagree."""
    loc, scale = theta
    z = (x - loc) / scale
    if z < 0.0:
        return -0.5 * z * z - log(scale)
    return -0.25 * z * z - log(scale)


def logpdf_where(x, theta):
    loc, scale = theta
    z = (x - loc) / scale
    inside = (z < 0.0) & (z > -50.0)
    return np.where(inside, -0.5 * z * z, -0.25 * z * z) - log(scale)


def logpdf_bounded(x, theta):
    if x < -1e6 or not x < 1e6:
        return -inf
    return logpdf_two_sided(x, theta)


def logpdf_loop(x, theta):
    """How often the loop runs depends on the draw."""
    loc, scale = theta
    total, y = 0.0, abs(x - loc)
    while y > scale:
        total -= y / scale
        y -= scale
    return total - y / scale - log(scale)


def normal(logpdf, **given):
    return Likelihood(sample_normal, logpdf, parameters=("loc", "scale"), **given)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("logpdf", "diverges"),
    [(logpdf_two_sided, True), (logpdf_where, False), (logpdf_bounded, True), (logpdf_loop, True)],
    ids=lambda v: getattr(v, "__name__", str(v)),
)
def test_draws_that_disagree_are_done_one_by_one(logpdf, diverges, order, one_by_one):
    likelihood = normal(logpdf)
    assert form_of(likelihood).diverges is diverges
    model = likelihood.bind()
    assert_same(Job(model, model.theta((0.3, 1.2)), 0, order), one_by_one, 333)


def test_one_by_one_only_from_the_first_tile_that_diverged(one_by_one):
    """Uniform draws up to a bound that few exceed: most chunks are tiles to their end, the others in part."""
    likelihood = normal(lambda x, theta: -(((x - theta[0]) / theta[1]) ** 2) if x < 2.8 else -abs(x - theta[0]))
    model = likelihood.bind()
    job = Job(model, model.theta((0.0, 1.0)), 0, 1)
    draws = single_draws(job, 2048)[0]
    assert 1 <= np.count_nonzero(draws > 2.8) < 64
    assert_same(job, one_by_one, 2048)


@pytest.mark.parametrize("logpdf", [logpdf_where, logpdf_bounded], ids=lambda f: f.__name__)
def test_any_number_of_draws(logpdf, one_by_one):
    model = normal(logpdf).bind()
    assert_same(Job(model, model.theta((0.3, 1.2)), 0, 1), one_by_one, 1, 7, 8, 9, 256, 257, 263)


def test_the_end_of_a_block_adds_nothing():
    """What a tile makes of the room behind the last draw does not reach the sums."""
    model = catalogue["norm"].bind()
    job = Job(model, model.theta((1.0, 2.0)), 0, 1)
    scores = single_draws(job, 259)[2]
    np.testing.assert_allclose(run_block(job, Block(0, 0, 259))[:2], scores.sum(0), rtol=1e-12)


# ---------------------------------------------------------------- vectors, arrays, data


def sample_pair(rng, theta, x):
    for i in range(len(x)):
        x[i] = theta[0] + theta[1] * rng.standard_normal()


def logpdf_slices(x, theta):
    loc, scale = theta
    steps = x[1:] - x[:-1]
    z = (x - loc) / scale
    return -0.5 * np.sum(z**2) - 0.01 * np.sum(steps * steps) / scale - len(x) * log(scale)


def logpdf_local_array(x, theta):
    loc, scale = theta
    z = np.empty(3)
    for i in range(3):
        z[i] = (x[i] - loc) / scale
    total = 0.0
    for v in z:
        total -= 0.5 * v * v + log(scale)
    for v in x[3:]:
        total -= 0.5 * ((v - loc) / scale) ** 2 + log(scale)
    return total


def logpdf_helper(x, theta):
    return _kernel(x, theta[0], theta[1]) + np.dot(x[:2], theta) * 1e-3


def _kernel(x, loc, scale):
    total = 0.0
    for v in x:
        total += np.logaddexp(-((v - loc) ** 2), -((v - scale) ** 2))
    return total


@pytest.mark.parametrize("logpdf", [logpdf_slices, logpdf_local_array, logpdf_helper], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("size", "order"), [(5, 1), (19, 1), (19, 2)])
def test_draws_that_are_vectors(logpdf, size, order, one_by_one):
    likelihood = Likelihood(sample_pair, logpdf, parameters=("loc", "scale"), size=size)
    assert form_of(likelihood) is not None
    model = likelihood.bind()
    assert_same(Job(model, model.theta((0.3, 1.2)), 0, order), one_by_one, 100)


WEIGHTS = np.array([1.0, 2.0, 0.5])


def sample_weighted(rng, theta, w):
    return w[0] * rng.gamma(2.0, 1.0)


def logpdf_index(x, theta, w):
    return -w[int(x) % 3] * (x - theta[0]) ** 2 / theta[1]


def logpdf_floor(x, theta, w):
    return -((floor(x) - theta[0] * w[0]) ** 2) / theta[1]


def logpdf_heap_branch(x, theta, w):
    z = np.zeros(len(w))
    for i in range(len(w)):
        z[i] = (x - theta[0]) * w[i]
    return -(z[0] ** 2) / theta[1] if x > 0.0 else -abs(z[1]) / theta[1]


@pytest.mark.parametrize("logpdf", [logpdf_index, logpdf_floor, logpdf_heap_branch], ids=lambda f: f.__name__)
def test_what_cannot_be_done_at_eight_draws_is_done_at_one(logpdf):
    likelihood = Likelihood(sample_weighted, logpdf, parameters=("loc", "scale"), domain=positive)
    assert form_of(likelihood, (WEIGHTS,)) is None
    model = likelihood.bind((WEIGHTS,))
    draws, densities, scores = single_draws(Job(model, model.theta((0.3, 1.2)), 0, 1), 40)
    for x, density, score in zip(draws[:, 0], densities, scores, strict=True):
        assert density == pytest.approx(logpdf(x, (0.3, 1.2), WEIGHTS), rel=1e-13)
        assert np.all(np.isfinite(score))


# ---------------------------------------------------------------- scores by hand


def score_vector(x, theta, out, w):
    loc, scale = theta
    out[0] = 0.0
    out[1] = -len(x) / scale
    for i in range(len(x)):
        z = (x[i] - loc) / scale
        out[0] += w[1] * z / scale
        out[1] += z * z / scale


def score_branch(x, theta, out, w):
    score_vector(x, theta, out, w)
    if x[0] > theta[0]:
        out[0] = -out[0]


def score_forgets(x, theta, out, w):
    out[1] = x[0]


def sample_weighted_vector(rng, theta, x, w):
    sample_pair(rng, theta, x)


@pytest.mark.parametrize(
    ("score", "tiled"),
    [(score_vector, True), (score_branch, False), (score_forgets, True)],
    ids=lambda v: getattr(v, "__name__", str(v)),
)
def test_scores_by_hand(score, tiled, one_by_one):
    def logpdf(x, theta, w):
        return -np.sum(((x - theta[0]) / theta[1]) ** 2) / 2 - len(x) * log(theta[1])

    likelihood = Likelihood(sample_weighted_vector, logpdf, parameters=("loc", "scale"), size=9, score=score)
    form = tiles.plain_form(score, scalar=False, kinds=(_abi.kind_of(("f", 1)),))
    assert (form is not None and not form.diverges) is tiled
    model = likelihood.bind((WEIGHTS,))
    job = Job(model, model.theta((0.3, 1.2)), 0, 1)
    for found, wanted in zip(single_draws(job, 75), one_by_one(job, [75])[0], strict=True):
        bits = [a.view(np.int64) for a in (found, wanted)] if score is score_forgets else [0, 0]
        np.testing.assert_array_equal(bits[0] == kernels.UNWRITTEN, bits[1] == kernels.UNWRITTEN)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_products_of_matrices_with_draws():
    """From the left and from the right, by any strides; nine rows are six, two and one."""

    def sample(rng, theta, x, a):
        for i in range(len(x)):
            x[i] = rng.standard_normal()

    def score(x, theta, out, a):
        out[:] = a @ (x - theta) + (x[::2] @ a[::2])[::-1] + x @ a.T

    a = np.random.default_rng(0).normal(size=(9, 9))
    theta = np.linspace(0.0, 1.0, 9)
    likelihood = Likelihood(
        sample, lambda x, theta, a: 0.0, parameters=[f"m{i}" for i in range(9)], size=9, score=score
    )
    assert tiles.plain_form(score, scalar=False, kinds=(_abi.kind_of(("f", 2)),)) is not None
    x, _, found = single_draws(Job(likelihood.bind((a,)), theta, 0, 1), 75)
    expected = (x - theta) @ a.T + (x[:, ::2] @ a[::2])[:, ::-1] + x @ a.T
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- errors, bits, compilations


def logpdf_raises(x, theta):
    if theta[1] > 5.0:
        raise ValueError("too wide")
    return logpdf_where(x, theta)


def test_what_the_density_raises_comes_through():
    assert not form_of(normal(logpdf_raises)).diverges
    model = normal(logpdf_raises).bind()
    with pytest.raises(kernels.LikelihoodError, match="too wide"):
        run_block(Job(model, model.theta((0.0, 6.0)), 0, 1), Block(0, 0, 100))
    assert np.isfinite(run_block(Job(model, model.theta((0.0, 1.0)), 0, 1), Block(0, 0, 100))).all()


def test_same_bits_each_time():
    model = catalogue["gamma"].bind()
    job = Job(model, model.theta((2.0, 0.5)), 0, 1)
    first = run_block(job, Block(0, 0, 1001))
    kernels.forget()
    np.testing.assert_array_equal(run_block(job, Block(0, 0, 1001)), first)


def test_special_values_are_those_of_single_draws(one_by_one):
    def sample(rng, theta):
        return -1.0 if rng.random() < 0.5 else 0.0

    def logpdf(x, theta):
        return theta[0] * log(x) + exp(800.0 * x) + lgamma(theta[1])

    model = Likelihood(sample, logpdf, parameters=("a", "b")).bind()
    job = Job(model, model.theta((1.0, 2.0)), 0, 1)
    for found, wanted in zip(single_draws(job, 64), one_by_one(job, [64])[0], strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert compile_for(model, 1) is compile_for(model, 1)


def test_derivatives_that_are_zero_stay_so_beside_infinite_ones():
    def sample(rng, theta):
        return rng.standard_normal()

    def logpdf(x, theta):
        return theta[0] * x + theta[1]

    model = Likelihood(sample, logpdf, parameters=("slope", "intercept")).bind()
    for order in (1, 2):
        scores = kernels.derivatives_at(model, np.ones(2), np.full(2 * tiles.DRAWS, inf), order).scores
        np.testing.assert_array_equal(scores, np.tile([inf, 1.0], (len(scores), 1)))
