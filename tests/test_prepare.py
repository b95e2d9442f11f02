"""What ``prepare`` makes once gives what sampler and density make anew for every draw."""

from math import exp

import numpy as np
import pytest

from benchmarks.prepared import MODELS
from fastfim import Likelihood, LikelihoodError
from fastfim.kernels import tiling
from fastfim.kernels.block import Block, Job, derivatives_at, recipe_of, run_block


@pytest.mark.parametrize("name", list(MODELS))
def test_same_sums_with_and_without(name):
    *likelihoods, theta, args = MODELS[name]
    models = [likelihood.bind(args) for likelihood in likelihoods]
    with_it, without = (run_block(Job(model, model.theta(theta), 0, 2), Block(0, 0, 300)) for model in models)
    assert np.all(np.isfinite(with_it))
    np.testing.assert_allclose(with_it, without, rtol=1e-10, atol=1e-10 * np.abs(with_it).max())


# ---------------------------------------------------------------- numbers that the draws of a tile share


def parts_of(theta):
    a, b, c = theta
    matrix = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            matrix[i, j] = a * exp(-b * (i - j) ** 2) + (c if i == j else 0.0)
    return np.linalg.cholesky(matrix), np.exp(theta), matrix, a * b


def scale(v, by):
    return v * by


def meeting(x, theta, parts):
    """Numbers of one draw meet those of several: in systems, loops, branches, arrays, choices and helpers."""
    factor, exponentials, matrix, product = parts
    z, y = np.linalg.solve(factor, x), np.linalg.solve(matrix, x)
    inside = np.empty(3)
    inside[0], inside[1], inside[2] = product, x[1], scale(product, x[0])
    grown = exponentials[0]
    for i in range(3):
        grown = grown * x[i] + inside[i]
    chosen = np.where(x[0] > 0.0, product, x[1] * theta[1])
    larger = np.maximum(exponentials[1], theta[0] * x[2]) + np.sum(exponentials - x) + max(product, x[0])
    return -0.5 * (z @ z) - y @ x + np.linalg.slogdet(factor)[1] + 0.1 * (grown + chosen + larger + np.sum(matrix @ x))


def windows(theta):
    return theta[:2], 2.0 * theta[2]


def by_windows(x, theta, parts):
    window, twice = parts
    return -np.sum((x - window[0]) ** 2) * window[1] - twice * x[2]


@pytest.mark.parametrize("wrt", [None, ("c", "a")])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("prepare", "logpdf", "tiled"), [(parts_of, meeting, True), (windows, by_windows, False)], ids=["parts", "windows"]
)
def test_numbers_that_all_draws_share(prepare, logpdf, tiled, order, wrt):
    """A tile keeps what is prepared for a block, unless it looks at the parameters, which lie elsewhere then."""
    options = {"parameters": ("a", "b", "c"), "size": 3}
    likelihoods = (
        Likelihood(lambda rng, theta, x, parts: None, logpdf, prepare=prepare, **options),
        Likelihood(lambda rng, theta, x: None, lambda x, theta: logpdf(x, theta, prepare(theta)), **options),
    )
    models = [likelihood.bind(wrt=wrt) for likelihood in likelihoods]
    assert (tiling.tile_form(recipe_of(models[0], order, "mc"), order) is not None) is tiled
    draws = np.random.default_rng(0).normal(size=(100, 3))
    found, expected = (derivatives_at(model, np.array([1.5, 0.4, 0.3]), draws, order) for model in models)
    for name in ("logpdf", "scores", "hessians")[: 1 + order]:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-10, atol=1e-10)


# ---------------------------------------------------------------- what all draws share is not to be changed


def same(v):
    return v


def stores(x, theta, z):
    if x[0] > 1.0:
        z[1] = z[1] * x[1]
    return np.sum(z)


def adds(x, theta, z):
    w = same(z)
    w += theta
    return np.sum(w * x)


def multiplies_a_part(x, theta, z):
    part = z[1:]
    part *= x[0]
    return np.sum(z)


def adds_to_the_draw(x, theta, z):
    x += z
    return np.sum(x)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("logpdf", [stores, adds, multiplies_a_part, adds_to_the_draw])
def test_no_density_changes_what_comes_next(logpdf, order):
    """Else the second draw would meet what the first has left."""
    likelihood = Likelihood(
        lambda rng, theta, x, z: None, logpdf, parameters=("a", "b", "c"), size=3, prepare=lambda theta: np.exp(theta)
    )
    draws = np.array([[1.7, 1.3, 2.1]] * 20)
    with pytest.raises(LikelihoodError, match="not to be changed"):
        derivatives_at(likelihood.bind(()), np.array([0.5, 0.6, 0.7]), draws, order)


def test_a_copy_may_be_changed():
    def density(x, theta, z):
        vector, (again, number) = z
        w = vector.copy()
        w[0] *= x[0]
        w -= theta
        return np.sum(w * again) * number

    def prepare(theta):
        z = np.exp(theta)
        return z, (z, theta[0])

    likelihood = Likelihood(lambda rng, theta, x, z: None, density, parameters=("a", "b", "c"), size=3, prepare=prepare)
    theta, draws = np.array([0.5, 0.6, 0.7]), np.array([[1.7, 1.3, 2.1]] * 20)
    found = derivatives_at(likelihood.bind(()), theta, draws, 2)
    z = np.exp(theta)
    expected = theta[0] * np.sum((z * [1.7, 1.0, 1.0] - theta) * z)
    np.testing.assert_allclose(found.logpdf, expected, rtol=1e-14)
    np.testing.assert_allclose(found.scores[:, 1], theta[0] * (2 * z[1] ** 2 - z[1] * (1 + theta[1])), rtol=1e-13)
