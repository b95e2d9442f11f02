"""Samplers that make eight draws at once, against their slow twin: the same source, draw by draw, in plain Python."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from oracles import CASES
from streams.drivers import filler

from fastfim import Likelihood, LikelihoodError, real
from fastfim.catalogue import catalogue
from fastfim.kernels import drawing
from fastfim.kernels.block import Block, Job, chunks_of, recipe_of, run_block
from fastfim.kernels.diagnosis import raise_for
from fastfim.streams import VARIATES, initial_state
from fastfim.streams.lanes import fill_exponentials, fill_normals, fill_uniforms
from fastfim.streams.states import BUFFER, GENERATOR_WORDS
from fastfim.streams.variates import gammas
from fastfim.streams.variates.gammas import gamma_above_one, gamma_accepts, gamma_constants

TILE = 8
FILLS = {"random": fill_uniforms, "standard_normal": fill_normals, "standard_exponential": fill_exponentials}
FILL = {name: filler(fill) for name, fill in FILLS.items()}


class Tiles:
    """What tile after tile of a stream takes: eight neighbours of a buffer for each call."""

    def __init__(self, seed):
        self.lanes = initial_state(seed, 0, 0)[:GENERATOR_WORDS].view(np.uint64).copy()
        self.left = {name: np.empty(0) for name in FILL}
        self.taken = []

    def take(self, name, count=TILE):
        """Neighbours in a buffer; what is left of it is dropped if too short."""
        if len(self.left[name]) < count:
            self.left[name] = np.empty(BUFFER)
            FILL[name](self.lanes, self.left[name])
        taken, self.left[name] = np.split(self.left[name], [count])
        return taken

    def __getattr__(self, name):
        if name not in FILL:
            raise AttributeError(name)
        return lambda: self.take(name, 1)[0]

    def gammas(self, shape):
        """Eight candidates; those that are not accepted are replaced one by one."""
        d, c = gamma_constants(shape)
        pairs = zip(c * self.take("standard_normal"), self.take("random"), strict=True)
        return [d * (1 + x) ** 3 if gamma_accepts(x, u, d) else gamma_above_one(self, shape) for x, u in list(pairs)]


class OneOfEight:
    """The ``rng`` of one draw of a tile: its share of what each call takes."""

    def __init__(self, tiles, lane):
        self.tiles, self.lane, self.calls = tiles, lane, 0

    def __getattr__(self, name):
        if name not in FILL:
            return lambda *args, **kwargs: VARIATES[name](self, *args, **kwargs)
        return lambda: self._next(lambda: self.tiles.take(name))

    def standard_gamma(self, shape):
        boosted = self._next(lambda: self.tiles.gammas(shape if shape >= 1 else shape + 1))
        return boosted if shape >= 1 else boosted * exp(-self.standard_exponential() / shape)

    def _next(self, make):
        if self.calls == len(self.tiles.taken):
            self.tiles.taken.append(make())
        self.calls += 1
        return self.tiles.taken[self.calls - 1][self.lane]


def twin(model, theta, count, seed):
    tiles, draws = Tiles(seed), []
    args = (
        model.args if model.likelihood.prepare is None else (*model.args, model.likelihood.prepare(theta, *model.args))
    )
    for i in range(count):
        if i % TILE == 0:
            tiles.taken.clear()
        rng = OneOfEight(tiles, i % TILE)
        if model.likelihood.scalar:
            draws.append([float(model.likelihood.sample(rng, theta, *args))])
        else:
            draws.append(np.zeros(model.size))
            model.likelihood.sample(rng, theta, draws[-1], *args)
    return np.array(draws)


def drawn(model, theta, count, seed):
    chunks = chunks_of(Job(model, theta, seed, 1), Block(0, 0, count))
    return np.concatenate([chunk.draws for chunk in chunks])


def in_tiles(model):
    return drawing.tile_draws(recipe_of(model, 1, "mc")) is not None


def assert_same(likelihood, theta, args=(), count=333):
    model = likelihood.bind(args)
    theta = model.theta(theta)
    assert in_tiles(model)
    found = drawn(model, theta, count, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gammas, "_gamma_ratio", gammas._gamma_ratio.py_func)  # which takes any rng
        np.testing.assert_allclose(found, twin(model, theta, count, seed=5), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "name", ["norm", "gamma", "t", "weibull_min", "gumbel_r", "normal_mixture", "logistic_regression", "ar1"]
)
def test_built_in_samplers_make_eight_draws_at_once(name):
    case = CASES[name][0]
    assert_same(catalogue[name], case.theta, case.args)


def logpdf(x, theta):
    return -0.5 * (x - theta[0]) ** 2


def scalar(sample):
    return Likelihood(sample, logpdf, parameters=("a",), domain=real)


def vector(sample, **options):
    return Likelihood(sample, lambda x, theta, *args: -0.5 * (x[0] - theta[0]) ** 2, parameters=("a",), **options)


ARGUMENTS = {
    "uniform": "-1.0, theta[0]",
    "normal": "theta[0], 2.0",
    "lognormal": "theta[0], 0.5",
    "exponential": "theta[0]",
    "standard_cauchy": "",
    "laplace": "theta[0], 2.0",
    "logistic": "theta[0], 2.0",
    "gumbel": "theta[0], scale=2.0",
    "rayleigh": "theta[0]",
    "weibull": "theta[0]",
    "pareto": "theta[0]",
    "power": "theta[0]",
    "standard_gamma": "theta[0]",
    "gamma": "theta[0], 2.0",
    "chisquare": "0.7",
    "beta": "theta[0], 0.5",
    "f": "2.0, 3.0",
    "standard_t": "4.0",
}


@pytest.mark.parametrize("method", [*drawing.ARITHMETIC, *drawing.SEVERAL])
def test_every_method(method):
    assert_same(scalar(eval(f"lambda rng, theta: rng.{method}({ARGUMENTS[method]})")), (1.5,))


def draw_step(rng, x, i, scale):
    x[i] = x[i - 1] + scale * rng.standard_normal()


def sample_helped(rng, theta, x, loads):
    """A helper, a local array, a product of a matrix and a vector of drawn numbers, a truth value as a number."""
    x[0] = theta[0]
    draw_step(rng, x, 1, 2.0)
    z = np.empty(3)
    for i in range(3):
        z[i] = rng.exponential()
    x[2:5] = loads @ z
    x[5] = rng.random() < 1 / (1 + exp(-x[1]))
    x[6] = np.where(x[1] > 0, max(x[2], 1.0), abs(x[1]))


def test_helpers_arrays_products_and_truth_values():
    loads = np.arange(9.0).reshape(3, 3)
    assert_same(vector(sample_helped, size=7), (0.3,), (loads,))


def sample_prepared(rng, theta, x, T, factor):
    for t in range(T):
        x[t] = factor[t] * rng.standard_normal()


def test_what_is_prepared_is_plain():
    def prepare(theta, T):
        factor = np.empty(T)
        for t in range(T):
            factor[t] = theta[0] + t
        return factor

    likelihood = Likelihood(
        sample_prepared,
        lambda x, theta, T, factor: -0.5 * (x[0] / factor[0]) ** 2,
        parameters=("a",),
        size=lambda T: T,
        prepare=prepare,
    )
    assert_same(likelihood, (0.3,), (11,))


def test_truth_values_are_draws():
    assert_same(scalar(lambda rng, theta: rng.random() < theta[0]), (0.3,))


def test_draws_do_not_depend_on_how_many_follow():
    model = catalogue["ar1"].bind((5,))
    theta = model.theta((0.5, 0.6, 1.0))
    many = drawn(model, theta, 700, seed=1)
    for count in (1, 7, 8, 257, 699):
        np.testing.assert_array_equal(drawn(model, theta, count, seed=1), many[:count])


def test_what_is_not_filled_is_seen():
    def sample(rng, theta, x):
        x[0] = rng.normal()

    model = vector(sample, size=9).bind(())
    assert in_tiles(model)
    assert np.isnan(drawn(model, model.theta((0.0,)), 20, seed=1)[:, 1:]).all()


def test_what_is_not_filled_is_seen_though_no_density_looks_at_it():
    def sample(rng, theta, x):
        x[0] = rng.normal()

    model = vector(sample, size=3).bind(())
    job = Job(model, model.theta((0.0,)), 1, 1)
    block = Block(0, 0, 4 * job.layout.chunk)
    assert in_tiles(model)
    assert list(np.isfinite(run_block(job, block))) == [True, True, True, False]
    with pytest.raises(LikelihoodError, match=r"entry 1 was never written"):
        raise_for(job, block)


def test_a_draw_whose_elements_are_to_be_neighbours():
    """What reshapes a draw wants no gaps in it, in the sampler and in the density."""

    def sample(rng, theta, x):
        matrix = x.reshape(3, 2)
        for i in range(3):
            for j in range(2):
                matrix[i, j] = theta[0] + (1 + i + j) * rng.standard_normal()

    def plain(rng, theta, x):
        for k in range(6):
            x[k] = theta[0] + (1 + k // 2 + k % 2) * rng.standard_normal()

    def logpdf(x, theta):
        return -0.5 * np.sum((x.reshape(3, 2)[:, 1] - theta[0]) ** 2)

    ours, theirs = (
        next(chunks_of(Job(likelihood.bind(()), np.array([0.3]), 1, 1), Block(0, 0, 77)))
        for likelihood in (
            Likelihood(sample, logpdf, parameters=("a",), size=6),
            Likelihood(plain, lambda x, t: -0.5 * np.sum((x[1::2] - t[0]) ** 2), parameters=("a",), size=6),
        )
    )
    assert in_tiles(Likelihood(sample, logpdf, parameters=("a",), size=6).bind(()))
    np.testing.assert_array_equal(ours.draws, theirs.draws)
    np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-13)


def rejects(rng, theta):
    x = rng.normal()
    while x < 0:
        x = rng.normal()
    return x


def branches(rng, theta):
    return 1.0 if rng.random() < 0.5 else rng.normal()


def counts(rng, theta):
    return rng.poisson(theta[0])


def indexes(rng, theta):
    return np.array([1.0, 2.0])[int(2 * rng.random())]


@pytest.mark.parametrize("sample", [rejects, branches, counts, indexes], ids=lambda sample: sample.__name__)
def test_draws_that_part_are_made_one_by_one(sample):
    model = scalar(sample).bind(())
    assert not in_tiles(model)
    draws = drawn(model, model.theta((1.0,)), 400, seed=1)
    assert len(np.unique(draws)) > 1
    assert np.isfinite(draws).all()


def test_quasi_random_draws_by_a_table_are_made_one_by_one():
    assert drawing.tile_draws(recipe_of(catalogue["gamma"].bind(()), 1, "rqmc")) is None


def _together(rng, theta):
    return theta[0] + theta[1] * rng.standard_normal() + rng.uniform(1.0, 2.0) - rng.exponential(0.5)


def _alone(rng, theta):
    x = theta[0] + theta[1] * rng.standard_normal() + rng.uniform(1.0, 2.0) - rng.exponential(0.5)
    return x if x < 1e300 else 0.0  # a branch on the draw


def _series(rng, theta, x):
    value = 0.0
    for t in range(len(x)):
        value = theta[0] * value + theta[1] * (rng.standard_normal() + rng.random() * rng.standard_exponential())
        x[t] = value


def _series_alone(rng, theta, x):
    _series(rng, theta, x)
    if x[0] > 1e300:
        x[0] = 0.0


def _only(x, theta):
    return -x * theta[0] * theta[1]


def _first(x, theta):
    return -x[0] * theta[0] * theta[1]


@pytest.mark.parametrize(
    ("sample", "twin", "size"),
    [(_together, _alone, 1), (_series, _series_alone, 3), (_series, _series_alone, 100)],
)
def test_quasi_random_draws_of_a_tile_are_what_they_are_one_by_one(sample, twin, size):
    """Weights, too, which draws of up to three numbers have; from a point in the middle of a tile of points."""
    chunks = []
    for function, tiled in ((sample, True), (twin, False)):
        density = _first if size > 1 else _only
        model = Likelihood(function, density, parameters=("a", "b"), size=size).bind()
        assert (drawing.tile_draws(recipe_of(model, 1, "rqmc")) is not None) == tiled
        job = Job(model, np.array([0.7, 1.3]), seed=4, order=1, sampling="rqmc")
        chunks.append(list(chunks_of(job, Block(3, 1, 300, first=32))))
    for ours, theirs in zip(*chunks, strict=True):
        np.testing.assert_allclose(ours.draws, theirs.draws, rtol=1e-13, atol=1e-13)
        np.testing.assert_array_equal(ours.weights, theirs.weights)
    assert (np.ptp(chunks[0][0].weights) > 0.0) == (size != 100)
