"""Quadrature, cells, differences: the parts of an examination, against scipy and by counting."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fastfim.catalogue import catalogue
from fastfim.kernels.block import Job
from fastfim.trust.checking.cells import Cells, distribution, lay_out, normalization
from fastfim.trust.checking.differences import STEPS, extrapolate
from fastfim.trust.checking.integrals import integrate, tail
from fastfim.trust.checking.subject import Subject

DENSITIES = [
    stats.norm(3.0, 0.1),
    stats.gamma(0.1),
    stats.gamma(200.0, scale=1e-6),
    stats.beta(0.2, 3.0),
    stats.cauchy(),
    stats.laplace(),
    stats.lognorm(3.0),
]


@pytest.mark.parametrize("law", DENSITIES, ids=lambda law: law.dist.name)
def test_panels_between_quantiles(law):
    edges = law.ppf(np.linspace(0.002, 0.998, 17))
    np.testing.assert_allclose(integrate(law.pdf, edges), np.diff(law.cdf(edges)), rtol=1e-7, atol=1e-9)


def test_panels_across_a_jump():
    """A step that no node falls on is found by splitting."""
    law = stats.uniform(0.0, 1 / 3)
    np.testing.assert_allclose(integrate(law.pdf, np.array([0.0, 1.0])), [1.0], atol=1e-8)


@pytest.mark.parametrize("law", [stats.norm(), stats.cauchy(), stats.t(0.7), stats.expon(), stats.pareto(1.5)])
def test_tails_that_have_an_end(law):
    start, inner = law.ppf([0.99, 0.9])
    assert tail(law.pdf, start, start - inner) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("density", [lambda x: np.exp(x), lambda x: np.ones_like(x), lambda x: 1 / np.abs(x)])
def test_tails_that_have_none(density):
    assert tail(density, 1.0, 0.5) is None


def test_tails_downwards():
    assert tail(stats.norm.pdf, -2.0, -0.3) == pytest.approx(stats.norm.cdf(-2.0), rel=1e-6)


def test_cells_of_whole_numbers_include_what_was_not_drawn():
    cells = lay_out(np.repeat([2.0, 4.0, 8.0], 50)[:, None])
    assert cells.values.ravel().tolist() == [2.0, 4.0, 6.0, 8.0]
    assert cells.drawn.tolist() == [True, True, False, True]


def test_cells_of_repeated_and_other_values():
    rng = np.random.default_rng(0)
    draws = np.concatenate([np.zeros(300), rng.normal(size=4000)])[:, None]
    cells = lay_out(draws)
    assert isinstance(cells, Cells)
    assert cells.values.tolist() == [[0.0]]
    counts, elsewhere = cells.count(draws)
    assert counts[0] == 300
    assert elsewhere == 1  # the smallest draw is the left end of its panel
    assert (counts[1:] >= 61).all()


def test_cells_of_vectors():
    rows = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    draws = np.repeat(rows, [30, 40, 50], axis=0)
    cells = lay_out(draws)
    assert cells.count(np.vstack([draws, [[0.0, 0.0]]]))[0].tolist() == [30.0, 40.0, 50.0]
    assert lay_out(np.random.default_rng(0).normal(size=(100, 2))) == (
        "draws are vectors with too many different values to count"
    )


def test_differences_of_a_smooth_function():
    steps = 0.1 * np.array(STEPS)
    found = extrapolate(np.exp(1 + steps), np.exp(1 - steps), 0.1)
    assert abs(found.slope - np.e) < 1e-11
    assert abs(found.slope - np.e) <= 10 * found.error


def test_differences_know_both_sides_of_a_kink():
    steps = 0.1 * np.array(STEPS)
    found = extrapolate(np.abs(steps), np.abs(-steps), 0.1, np.array(0.0))
    assert (float(found.slope), float(found.forward), float(found.backward)) == (0.0, 1.0, -1.0)


def subject(name, theta, seed, draws=4096):
    model = catalogue[name].bind()
    return Subject(Job(model, model.theta(theta), seed=seed, order=1), draws)


@pytest.mark.parametrize(("name", "theta"), [("gamma", (0.3, 4.0)), ("nbinom", (3.0, 0.4))])
def test_p_values_of_counts_are_flat(name, theta):
    """Kolmogorov and Smirnov at 1e-5; counting against the cells' own sample would show."""
    found = []
    for seed in range(200):
        model = subject(name, theta, seed)
        cells = lay_out(model.sample(0, 2048).draws)
        found.append(distribution(model, cells, model.sample(1, 2048).draws).p_value)
    assert stats.kstest(found, "uniform").pvalue > 1e-5
    assert min(found) > 1e-6


@pytest.mark.parametrize(("name", "theta"), [("gamma", (0.3, 4.0)), ("beta", (0.7, 0.9)), ("nbinom", (3.0, 0.4))])
def test_sound_densities_add_up(name, theta):
    """Mass beyond 2,048 draws exceeds the tolerance, 20 / 2,048, with probability exp(-20), at either end."""
    for seed in range(50):
        model = subject(name, theta, seed)
        first = model.sample(0, 2048)
        assert normalization(model, lay_out(first.draws), first.scores).verdict == "pass"
