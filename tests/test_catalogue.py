"""The built-in likelihoods: densities and samplers against scipy.stats, names, the registry."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from naive import naive_draw, naive_estimate, naive_score
from oracles import CASES, CONTINUOUS, DISCRETE, ar1_moments, each
from scipy import special, stats

import fastfim
from fastfim.catalogue import Catalogue, catalogue
from fastfim.catalogue.registry import constant_names
from fastfim.errors import OptionError
from fastfim.kernels.block import Block, Job, chunks_of

UNIVARIATE = CONTINUOUS | DISCRETE
SEEDS = range(20)


def draws(name, case, seed, n):
    rng = np.random.default_rng([seed, n])
    return np.array([naive_draw(catalogue[name], rng, case.theta, case.args) for _ in range(n)])


def assert_p_values_are_uniform(p_values):
    """Fisher's combination over seeds: a false alarm once in a million, and none with these fixed seeds."""
    assert stats.combine_pvalues(np.maximum(p_values, 1e-300)).pvalue > 1e-6


# Densities


@pytest.mark.parametrize(("name", "case"), each(UNIVARIATE))
def test_log_density_equals_scipy(name, case):
    frozen = UNIVARIATE[name](*case.theta, *case.args)
    u = np.concatenate([np.logspace(-12, -1, 40), np.linspace(0.1, 0.9, 40)])
    for x in np.concatenate([frozen.ppf(u), frozen.isf(u)]):
        expected = frozen.logpdf(x) if name not in DISCRETE else frozen.logpmf(x)
        value = catalogue[name].logpdf(x, case.theta, *case.args)
        assert value == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("name", "case"), each(UNIVARIATE))
def test_log_density_is_minus_infinity_off_the_support(name, case):
    low, high = UNIVARIATE[name](*case.theta, *case.args).support()
    for x in (low - 1.0, high + 1.0):
        if np.isfinite(x):
            assert catalogue[name].logpdf(x, case.theta, *case.args) == -np.inf


@pytest.mark.parametrize(("name", "case"), each(["normal_mixture"]))
def test_mixture_log_density_is_a_log_sum_of_scipy_normals(name, case):
    weight, loc1, scale1, loc2, scale2 = case.theta
    for x in np.linspace(-200, 200, 401):
        terms = stats.norm.logpdf(x, [loc1, loc2], [scale1, scale2])
        expected = special.logsumexp(terms + np.log([weight, 1 - weight]))
        assert catalogue[name].logpdf(x, case.theta) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("name", "case"), each(["logistic_regression"]))
def test_logistic_log_density_is_a_sum_of_scipy_bernoullis(name, case):
    (X,) = case.args
    rng = np.random.default_rng(3)
    for spread in (1.0, 3.0):
        theta = spread * np.array(case.theta)
        y = rng.integers(0, 2, len(X)).astype(float)
        expected = np.sum(stats.bernoulli.logpmf(y, special.expit(X @ theta)))
        assert catalogue[name].logpdf(y, theta, X) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("eta", [-800.0, -40.0, 40.0, 800.0])
def test_logistic_log_density_of_a_near_certain_response_keeps_its_digits(eta):
    X, theta = np.array([[1.0]]), np.array([eta])
    for y in (0.0, 1.0):
        expected = special.log_expit((2 * y - 1) * eta)
        assert catalogue["logistic_regression"].logpdf(np.array([y]), theta, X) == pytest.approx(
            expected, rel=1e-13, abs=0
        )


@pytest.mark.parametrize(("name", "case"), each(["ar1"]))
def test_ar1_log_density_is_that_of_a_gaussian_vector(name, case):
    mean, covariance = ar1_moments(case.theta, *case.args)
    for x in draws(name, case, 1, 20):
        expected = stats.multivariate_normal.logpdf(x, mean, covariance)
        assert catalogue[name].logpdf(x, case.theta, *case.args) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_ar1_of_one_value_is_its_stationary_normal():
    theta = (0.3, -0.5, 2.0)
    expected = stats.norm.logpdf(1.7, 0.3 / 1.5, 2.0 / np.sqrt(0.75))
    assert catalogue["ar1"].logpdf(np.array([1.7]), theta, 1) == pytest.approx(expected, rel=1e-13)


# Samplers


def goodness_of_fit(x, frozen, discrete):
    if not discrete:
        return stats.kstest(x, frozen.cdf).pvalue
    edges = np.unique(frozen.ppf(np.linspace(0.02, 0.98, 25)))
    expected = np.diff(np.concatenate([[0.0], frozen.cdf(edges), [1.0]]))
    observed = np.bincount(np.searchsorted(edges, x), minlength=len(expected))
    keep = expected > 0
    return stats.chisquare(observed[keep], len(x) * expected[keep]).pvalue


@pytest.mark.parametrize(("name", "case"), each(UNIVARIATE))
def test_sampler_follows_scipy(name, case):
    frozen = UNIVARIATE[name](*case.theta, *case.args)
    p_values = [goodness_of_fit(draws(name, case, seed, 1000), frozen, name in DISCRETE) for seed in SEEDS]
    assert_p_values_are_uniform(p_values)


@pytest.mark.parametrize(("name", "case"), each(["normal_mixture"]))
def test_mixture_sampler_follows_its_distribution_function(name, case):
    weight, loc1, scale1, loc2, scale2 = case.theta

    def cdf(x):
        return weight * stats.norm.cdf(x, loc1, scale1) + (1 - weight) * stats.norm.cdf(x, loc2, scale2)

    assert_p_values_are_uniform([stats.kstest(draws(name, case, seed, 1000), cdf).pvalue for seed in SEEDS])


def test_logistic_sampler_follows_the_joint_probabilities():
    """All eight outcomes of three cases, one of them with an integer design."""
    X, theta = np.array([[1, -2], [1, 0], [1, 3]]), np.array([0.4, -0.8])
    p = special.expit(X @ theta)
    outcomes = (np.arange(8)[:, None] >> np.arange(3)) & 1
    expected = np.prod(np.where(outcomes, p, 1 - p), axis=1)
    p_values = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        y = np.array([naive_draw(catalogue["logistic_regression"], rng, theta, (X,)) for _ in range(500)])
        observed = np.bincount((y @ [1, 2, 4]).astype(int), minlength=8)
        p_values.append(stats.chisquare(observed, 500 * expected).pvalue)
    assert_p_values_are_uniform(p_values)


@pytest.mark.parametrize(("name", "case"), each(["ar1"]))
def test_ar1_sampler_follows_its_mean_and_covariance(name, case):
    """Whitened by the exact covariance: standard normal values, chi-square distances."""
    (T,) = case.args
    mean, covariance = ar1_moments(case.theta, T)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    values, distances = [], []
    for seed in SEEDS:
        z = (draws(name, case, seed, 300) - mean) @ whiten.T
        values.append(stats.kstest(z.ravel(), stats.norm.cdf).pvalue)
        distances.append(stats.kstest(np.sum(z**2, axis=1), stats.chi2(T).cdf).pvalue)
        neighbours = stats.pearsonr(z[:, :-1].ravel(), z[:, 1:].ravel()).pvalue
        distances.append(neighbours)
    assert_p_values_are_uniform(values)
    assert_p_values_are_uniform(distances)


@pytest.mark.parametrize(
    ("name", "theta", "lowest", "highest"),
    [("beta", (0.5, 0.02), 0, 1), ("gamma", (0.001, 1.0), 0, np.inf), ("weibull_min", (0.005, 1.0), 0, np.inf)],
)
def test_draws_stay_inside_the_support(name, theta, lowest, highest):
    """Shapes so small that many draws round onto the end of the support."""
    x = draws(name, CASES[name][0]._replace(theta=theta), 0, 1000)
    assert np.all((x > lowest) & (x < highest))


# Sampler and density together: the naive estimate against the exact matrix


@pytest.mark.parametrize(("name", "case"), each(CASES))
def test_naive_estimate_meets_the_oracle(name, case):
    """Every entry within 6 standard errors: with 31 degrees of freedom, a false alarm in 1.2e-6 of entries.

    There are about 200 entries, and the seed is fixed. A wrong factor of two anywhere is some 20 standard errors off.
    """
    size = 60 if name in ("logistic_regression", "ar1") else 200
    result = naive_estimate(catalogue[name], case.theta, case.args, draws_per_stream=size, seed=11)
    scale = np.sqrt(np.outer(np.diag(case.exact), np.diag(case.exact)))
    z = (result.fim - case.exact) / np.maximum(result.standard_error, 1e-8 * scale)
    assert np.max(np.abs(z)) < 6


# Compiled: derivatives against differences, estimates against the exact matrices


@pytest.mark.parametrize(("name", "case"), each(CASES))
def test_compiled_log_density_and_score_are_those_of_plain_python(name, case):
    """Scores to 1e-8 of their standard deviation, which is what central differences can give."""
    bound = catalogue[name].bind(case.args)
    chunk = next(chunks_of(Job(bound, bound.theta(case.theta), seed=0, order=2), Block(stream=0, number=0, size=32)))
    deviations = np.sqrt(np.diag(case.exact))
    for draw, logpdf, score in zip(chunk.draws, chunk.logpdf, chunk.scores, strict=True):
        x = draw[0] if bound.likelihood.scalar else draw
        assert logpdf == pytest.approx(bound.likelihood.logpdf(x, case.theta, *bound.args), rel=1e-12, abs=1e-12)
        expected = naive_score(bound.likelihood, x, case.theta, bound.args)
        np.testing.assert_allclose(score / deviations, expected / deviations, atol=1e-8)


@pytest.mark.parametrize("estimator", ["score", "hessian"])
@pytest.mark.parametrize(("name", "case"), each(CASES))
def test_estimates_meet_the_oracle(name, case, estimator):
    """Every entry within 6 standard errors: with 31 degrees of freedom, a false alarm in 1.2e-6 of entries.

    There are about 400 entries, and the seed is fixed. The floor is for constant Hessians, whose spread is rounding.
    """
    result = fastfim.estimate(name, case.theta, case.args, estimator=estimator, draws=32 * 2048, rtol=1.0, rng=5)
    scale = np.sqrt(np.outer(np.diag(case.exact), np.diag(case.exact)))
    z = (result.fim - case.exact) / np.maximum(result.standard_error, 1e-10 * scale)
    assert np.max(np.abs(z)) < 6


# The registry


def test_every_entry_has_an_oracle():
    assert set(CASES) == set(catalogue)
    assert all(len(cases) >= 3 for cases in CASES.values())


def test_the_first_twelve_have_the_promised_parameters():
    design = np.ones((4, 3))
    expected = {
        "norm": ("loc", "scale"),
        "gamma": ("a", "scale"),
        "beta": ("a", "b"),
        "weibull_min": ("c", "scale"),
        "t": ("df", "loc", "scale"),
        "gumbel_r": ("loc", "scale"),
        "poisson": ("mu",),
        "nbinom": ("n", "p"),
        "binom": ("p",),
        "normal_mixture": ("weight", "loc1", "scale1", "loc2", "scale2"),
        "logistic_regression": ("b0", "b1", "b2"),
        "ar1": ("const", "coef", "scale"),
    }
    constants = {"binom": (10,), "logistic_regression": (design,), "ar1": (5,)}
    assert list(catalogue)[:12] == list(expected)
    for name, parameters in expected.items():
        assert catalogue[name].bind(constants.get(name, ())).parameters == parameters


@pytest.mark.parametrize("name", [name for name in catalogue if hasattr(stats, name)])
def test_parameters_are_scipys_in_scipys_order(name):
    family = getattr(stats, name)
    shapes = family.shapes.replace(" ", "").split(",") if family.shapes else []
    order = [*shapes, "loc", "scale"]
    ours = [*constant_names(catalogue[name]), *catalogue[name].parameters]
    assert [order.index(parameter) for parameter in ours] == sorted(order.index(parameter) for parameter in ours)
    assert set(shapes) <= set(ours)


@pytest.mark.parametrize(("name", "case"), each(CASES))
def test_the_cases_lie_in_the_domain(name, case):
    bound = catalogue[name].bind(case.args)
    np.testing.assert_array_equal(bound.theta(case.theta), case.theta)


def test_the_catalogue_is_a_read_only_mapping():
    assert "norm" in catalogue
    assert "normal" not in catalogue
    assert 3 not in catalogue
    assert catalogue.get("normal") is None
    assert catalogue.get("norm") is catalogue["norm"]
    assert len(catalogue) == len(list(catalogue))
    with pytest.raises(TypeError):
        catalogue["mine"] = catalogue["norm"]


@pytest.mark.parametrize(
    ("name", "hint"), [("normal", "'norm'"), ("weibul", "'weibull_min'"), ("zzz", "there are: norm")]
)
def test_a_miss_names_the_nearest(name, hint):
    with pytest.raises(OptionError, match=hint):
        catalogue[name]


def test_two_entries_of_one_name_are_refused():
    entry = catalogue.entry("norm")
    with pytest.raises(OptionError, match="must differ"):
        Catalogue({"a": [entry], "b": [entry]})


def test_the_table_shows_signature_and_summary():
    table = repr(catalogue)
    assert "binom(p; n)" in table
    assert "logistic_regression(b0, b1, ...; X)" in table
    assert all(catalogue.entry(name).summary in table for name in catalogue)


@pytest.mark.parametrize(
    ("name", "args", "complaint"),
    [
        ("binom", (0,), "positive integer"),
        ("binom", (2.5,), "positive integer"),
        ("ar1", (0,), "positive integer"),
        ("logistic_regression", (np.ones(3),), "matrix"),
    ],
)
def test_bad_constants_are_refused(name, args, complaint):
    with pytest.raises(OptionError, match=complaint):
        catalogue[name].bind(args)


def test_entries_travel_to_other_processes():
    for name in catalogue:
        assert pickle.loads(pickle.dumps(catalogue[name])).name == name


def test_importing_the_catalogue_leaves_scipy_special_alone():
    code = "import sys, fastfim.catalogue; sys.exit('scipy.special' in sys.modules or 'scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
