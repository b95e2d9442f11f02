"""Estimates from scores made elsewhere: the same object as any estimate, and dependence that is noticed."""

import warnings

import numpy as np
import pytest
from scipy import signal, stats

from fastfim import FisherEstimate, NonFiniteError, OptionError, ParameterError, RegularityWarning, from_scores, load

SHAPE = np.array([[2.0, 0.3], [0.3, 0.5]])


def drawn(seed, n=3200):
    return np.random.default_rng(seed).multivariate_normal(np.zeros(2), SHAPE, size=n)


@pytest.mark.parametrize("n", [3200, 3217])
def test_the_matrix_is_the_mean_outer_product(n):
    scores = drawn(0, n)
    result = from_scores(scores, parameters=("a", "b"), theta=(1.0, 2.0))
    assert isinstance(result, FisherEstimate)
    np.testing.assert_allclose(result.fim, scores.T @ scores / n, rtol=1e-12)
    np.testing.assert_allclose(result.replicates.mean(axis=0), result.fim, rtol=1e-12)
    assert (result.draws, result.streams, result.parameters, result.seed) == (n, 32, ("a", "b"), None)
    assert {check.verdict for check in result.checks.values()} == {"pass"}
    assert "a=1, b=2" in str(result)


def test_it_can_do_what_every_estimate_can(tmp_path):
    result = from_scores(drawn(0))
    assert result.standard_errors(n=10).value.shape == (2,)
    assert (result * 3).fim[0, 0] == 3 * result.fim[0, 0]
    result.save(tmp_path / "scores.fim")
    np.testing.assert_array_equal(load(tmp_path / "scores.fim").replicates, result.replicates)
    assert "theta[0]" in str(result)
    assert "nan" not in str(result)


@pytest.mark.parametrize("n", [640, 655])
def test_intervals_cover(n):
    """95 % intervals of 3 entries over 500 samples; a binomial test at 1e-6 whether coverage is in 93 to 97 %."""
    zs = []
    for seed in range(500):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one run in a thousand
            result = from_scores(drawn(seed, n))
        zs.append((result.fim - SHAPE)[np.triu_indices(2)] / result.standard_error[np.triu_indices(2)])
    covered = np.sum(np.abs(zs) < stats.t.ppf(0.975, 31), axis=0)
    for count in covered:
        assert stats.binomtest(int(count), 500, 0.93, alternative="less").pvalue > 1e-6
        assert stats.binomtest(int(count), 500, 0.97, alternative="greater").pvalue > 1e-6


def test_blocks_are_one_sequence():
    scores = drawn(1)
    whole = from_scores(scores)
    for blocks in ([scores[:1000], scores[1000:1010], scores[1010:]], np.split(scores, 4), iter(np.split(scores, 10))):
        np.testing.assert_array_equal(from_scores(blocks).replicates, whole.replicates)
    np.testing.assert_array_equal(from_scores(scores.tolist()).replicates, whole.replicates)
    np.testing.assert_array_equal(from_scores(list(scores)).replicates, whole.replicates)


LAWS = {
    "normal": lambda rng, n: rng.normal(size=(n, 2)),
    "exponential": lambda rng, n: 1.0 - rng.exponential(size=(n, 2)),
    "heavy": lambda rng, n: rng.standard_t(5, size=(n, 2)),
    "rare": lambda rng, n: (rng.random((n, 2)) < 0.05) / 0.05 - 1.0,
}


@pytest.mark.parametrize("law", LAWS)
def test_independent_scores_pass(law):
    """A false-alarm rate of 0.001, three times that at most for rare events: 500 samples, binomial test at 1e-6."""
    alarms = 0
    for seed in range(500):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = from_scores(LAWS[law](np.random.default_rng(seed), 640))
        alarms += result.checks["independence"].verdict == "warn"
    assert stats.binomtest(alarms, 500, 0.003, alternative="greater").pvalue > 1e-6


@pytest.mark.parametrize("coefficient", [0.2, -0.3, 0.95])
def test_correlated_neighbours_are_noticed(coefficient):
    noise = np.random.default_rng(2).normal(size=(6400, 2))
    with pytest.warns(RegularityWarning, match="depend on one another"):
        result = from_scores(signal.lfilter([1.0], [1.0, -coefficient], noise, axis=0))
    assert not result.converged
    assert result.checks["independence"].figure == pytest.approx(coefficient, abs=0.1)


def test_streams_that_differ_are_noticed():
    """Each tenth of the scores has a mean of its own, too small for neighbours to show."""
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(64_000, 1)) + 0.08 * np.repeat(np.resize([1.0, -1.0], 16), 4000)[:, None]
    with pytest.warns(RegularityWarning, match="streams' mean scores"):
        from_scores(scores)


def test_a_mean_score_is_noticed():
    with pytest.warns(RegularityWarning, match="mean score is not zero"):
        result = from_scores(drawn(4) + np.array([0.5, 0.0]))
    assert result.checks["mean_score"].verdict == "fail"


def test_the_tolerance_decides_what_converged_says():
    assert from_scores(drawn(5), rtol=0.1).converged
    assert not from_scores(drawn(5)).converged


class Detached:
    """As a tensor that still belongs to a graph."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("call detach() first")


@pytest.mark.parametrize(
    ("scores", "options", "error", "words"),
    [
        (np.ones(100), {}, OptionError, r"scores\[:, None\]"),
        (np.ones((4, 4, 4)), {}, OptionError, "shape"),
        (np.ones((0, 2)), {}, OptionError, "shape"),
        ([], {}, OptionError, "shape"),
        (3.0, {}, OptionError, "shape"),
        ("scores", {}, OptionError, "numbers"),
        (Detached(), {}, OptionError, "detach"),
        ([np.ones((40, 2)), np.ones((40, 3))], {}, OptionError, "one number of columns"),
        (np.where(np.arange(200).reshape(100, 2) == 35, np.inf, 1.0), {}, NonFiniteError, "row 17"),
        (np.ones((31, 2)), {}, OptionError, "fewer than one for each of streams = 32"),
        (np.ones((64, 2)), {"streams": 1}, OptionError, "streams"),
        (np.ones((64, 2)), {"parameters": ("a",)}, OptionError, "2 different names"),
        (np.ones((64, 2)), {"parameters": ("a", "a")}, OptionError, "different"),
        (np.ones((64, 2)), {"parameters": 3}, OptionError, "names"),
        (np.ones((64, 2)), {"theta": (1.0,)}, ParameterError, "2 values"),
        (np.ones((64, 2)), {"theta": "here"}, ParameterError, "numbers"),
        (np.ones((64, 2)), {"confidence": 95}, OptionError, "confidence"),
        (np.ones((64, 2)), {"rtol": -1}, OptionError, "rtol"),
    ],
)
def test_what_cannot_be_used_is_refused(scores, options, error, words):
    with pytest.raises(error, match=words):
        from_scores(scores, **options)
