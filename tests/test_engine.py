"""`estimate` end to end: right over many seeds, the same bits on any workers, ended as asked."""

import math
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from math import exp, log

import numpy as np
import pytest
from naive import naive_estimate
from scipy import stats

import fastfim
from fastfim import (
    ConvergenceWarning,
    Likelihood,
    LikelihoodError,
    NonFiniteError,
    OptionError,
    ParameterError,
    RegularityWarning,
    estimate,
)
from fastfim.estimation import stopping

# ---------------------------------------------------------------- right


def test_agrees_with_the_naive_estimate():
    """|z| of the difference of two independent estimates; beyond 5 with probability below 1e-5 over 3 entries."""
    slow = naive_estimate(fastfim.catalogue["gamma"], (2.0, 0.5), draws_per_stream=128, seed=1)
    fast = estimate("gamma", (2.0, 0.5), draws=10**6, rng=2)
    z = (fast.fim - slow.fim) / np.hypot(fast.standard_error, slow.standard_error)
    assert np.abs(z).max() < 5


def test_covariance_holds_without_the_normalizing_constant():
    """|z| beyond 5 (t with 31 degrees of freedom) has probability 2e-5."""

    def logpdf(x, theta):  # exponential with rate theta, its constant log(theta) left out
        return -theta[0] * x

    unnormalized = Likelihood(lambda rng, theta: rng.exponential(1 / theta[0]), logpdf, parameters=("rate",))
    result = estimate(unnormalized, (2.0,), estimator="covariance", draws=10**6, rng=0)
    assert abs(result.fim[0, 0] - 0.25) < 5 * result.standard_error[0, 0]
    for estimator in ("score", "auto"):
        with pytest.warns(RegularityWarning, match="normalizing constant"):
            assert not estimate(unnormalized, (2.0,), estimator=estimator, rng=0).converged


# ---------------------------------------------------------------- reproducible


def test_the_same_bits_on_any_workers():
    def run(workers):
        return estimate("t", (5.0, 0.0, 1.0), draws=3_000_000, streams=8, rng=5, workers=workers)

    reference = run(1)
    with ThreadPoolExecutor(3) as pool:
        others = [run(workers) for workers in (2, 4, None, map, pool, lambda f, tasks: [f(task) for task in tasks])]
    for other in others:
        np.testing.assert_array_equal(other.replicates, reference.replicates)


def test_the_same_bits_in_other_processes():
    reference = estimate("norm", (0.0, 1.0), draws=100_000, rng=5)
    with ProcessPoolExecutor(2) as pool:
        result = estimate("norm", (0.0, 1.0), draws=100_000, rng=5, workers=pool)
    np.testing.assert_array_equal(result.replicates, reference.replicates)


@pytest.mark.parametrize("rng", [7, np.random.SeedSequence(7), None, np.int64(12)])
def test_a_seed_repeats_a_run(rng):
    first = estimate("norm", (0.0, 1.0), draws=4096, rng=rng)
    again = estimate("norm", (0.0, 1.0), draws=4096, rng=first.seed)
    np.testing.assert_array_equal(first.replicates, again.replicates)
    if rng is None:
        assert estimate("norm", (0.0, 1.0), draws=4096).seed != first.seed


def test_a_generator_moves_on():
    generator = np.random.default_rng(3)
    seeds = [estimate("norm", (0.0, 1.0), draws=64, rng=generator).seed for _ in range(2)]
    assert seeds[0] != seeds[1]
    assert estimate("norm", (0.0, 1.0), draws=64, rng=np.random.default_rng(3)).seed == seeds[0]


def test_seed_sequences_with_different_spawn_keys_differ():
    children = np.random.SeedSequence(7).spawn(2)
    seeds = {estimate("norm", (0.0, 1.0), draws=64, rng=child).seed for child in children}
    assert len(seeds) == 2


def test_theta_by_name_and_several_points():
    single = estimate("gamma", {"scale": 0.5, "a": 2.0}, draws=4096, rng=0)
    np.testing.assert_array_equal(single.fim, estimate("gamma", (2.0, 0.5), draws=4096, rng=0).fim)
    both = estimate("gamma", [(2.0, 0.5), (3.0, 1.0)], draws=4096, rng=0)
    assert both.fim.shape == (2, 2, 2)
    np.testing.assert_array_equal(both[0].fim, single.fim)
    assert both.converged.shape == (2,)


# ---------------------------------------------------------------- ended as asked


def test_a_tolerance_is_met():
    result = estimate("gamma", (2.0, 0.5), rtol=3e-3, rng=0, estimator="score")
    assert result.converged
    assert result.relative_error <= 3e-3
    assert len(result.history) >= 2
    scale = np.sqrt(np.outer(np.diag(result.fim), np.diag(result.fim)))
    half_width = stats.t(31).ppf(0.975) * result.standard_error
    assert half_width.max() > 0
    assert (half_width <= 3e-3 * scale * (1 + 1e-9)).all()


def test_an_absolute_tolerance_is_met():
    result = estimate("norm", (0.0, 1.0), rtol=0.0, atol=0.01, rng=0, confidence=0.9)
    assert result.converged
    assert (stats.t(31).ppf(0.95) * result.standard_error <= 0.01).all()


def test_a_fixed_budget_is_spent_exactly():
    for draws, used in ((1, 32), (1000, 1024), (100_000, 100_000)):
        result = estimate("norm", (0.0, 1.0), draws=draws, rng=0, estimator="score", sampling="mc")
        assert result.draws == used
        assert not result.converged
    for estimator in ("score", "auto", "bartlett"):
        for sampling, used in (("mc", 100_000), ("rqmc", 32 * 4096 + 4096)):
            options = {"estimator": estimator, "sampling": sampling}
            generous = estimate("norm", (0.0, 1.0), draws=100_000, rtol=0.1, rng=0, **options)
            assert generous.converged
            assert generous.draws == used


def test_a_limit_on_draws_is_kept():
    with pytest.warns(ConvergenceWarning, match="max_draws = 50,000"):
        result = estimate("norm", (0.0, 1.0), rtol=1e-6, max_draws=50_000, rng=0, estimator="score", sampling="mc")
    assert not result.converged
    assert result.draws <= 50_000
    assert "would take about" in result.message


def test_a_time_limit_is_kept():
    estimate("norm", (0.0, 1.0), draws=64)
    start = time.perf_counter()
    with pytest.warns(ConvergenceWarning, match=r"time_limit = 0\.3 s"):
        result = estimate("norm", (0.0, 1.0), rtol=1e-9, time_limit=0.3, rng=0, estimator="score", sampling="mc")
    assert not result.converged
    assert time.perf_counter() - start < 10  # a hundred times what a block takes; only a hang would exceed it
    assert result.draws % 32 == 0


def sample_cauchy(rng, theta):
    return theta[0] + rng.standard_cauchy()


def logpdf_slow(x, theta):
    """A Cauchy location that takes some 0.1 ms."""
    wasted = 0.0
    for i in range(5000):
        wasted += math.sin(x * i)
    return -math.log1p((x - theta[0]) ** 2) + 1e-30 * wasted * theta[0]


@pytest.mark.parametrize("estimator", ["auto", "score", "hessian", "bartlett"])
def test_the_clock_is_looked_at_before_the_run_too(estimator):
    slow = Likelihood(sample_cauchy, logpdf_slow, parameters=("m",))
    estimate(slow, (0.0,), draws=4096, estimator=estimator, rng=0)  # compiled
    start = time.thread_time()
    with pytest.warns(ConvergenceWarning, match=r"time_limit = 0\.001 s"):
        result = estimate(slow, (0.0,), rtol=1e-4, time_limit=1e-3, estimator=estimator, workers=1)
    one_look = time.thread_time() - start
    assert not result.converged
    assert result.draws <= 3 * 4096  # the first round, and the pilot that control variates have to have
    assert result.checks["smoothness"].verdict == "skipped"
    start = time.thread_time()
    estimate(slow, (0.0,), draws=result.draws, estimator=estimator, workers=1)
    assert one_look < 3 * (time.thread_time() - start)  # no more than that of a run of as many draws


def test_a_limit_on_draws_holds_for_pilot_and_confirmation():
    def sample(rng, theta):
        return rng.normal(theta[0] + 0.02, 1.0)  # suspected now and then, confirmed later

    def logpdf(x, theta):
        return -0.5 * (x - theta[0]) ** 2

    wrong = Likelihood(sample, logpdf, parameters=("m",))
    for seed in range(40):
        with pytest.warns((ConvergenceWarning, RegularityWarning)):
            result = estimate(wrong, (0.0,), estimator="score", max_draws=60_000, rtol=1e-4, rng=seed)
        assert result.draws <= 60_000
    with pytest.raises(OptionError, match="allow 48 or more"):
        estimate("norm", (0.0, 1.0), estimator="bartlett", max_draws=40)


def test_a_fixed_budget_decides_outright():
    def sample(rng, theta):
        return rng.normal(theta[0] + 0.1, 1.0)

    def logpdf(x, theta):
        return -0.5 * (x - theta[0]) ** 2

    with pytest.warns(RegularityWarning, match="the mean score is not zero"):
        result = estimate(Likelihood(sample, logpdf, parameters=("m",)), (0.0,), draws=10**5, rtol=0.5, rng=0)
    assert not result.converged
    assert result.checks["mean_score"].verdict == "fail"


def test_messages_promise_nothing_that_cannot_be():
    assert "no number of draws would meet rtol = 0" in estimate("norm", (0.0, 1.0), rtol=0, draws=4096).message
    with pytest.raises(OptionError, match="below rounding"):
        estimate("norm", (0.0, 1.0), rtol=1e-13)


def test_a_run_without_prospects_ends():
    with pytest.warns(ConvergenceWarning, match="default limit"):
        result = estimate("norm", (0.0, 1.0), rtol=1e-9, rng=0, estimator="score", sampling="mc")
    assert result.draws < 10**8


def test_rounds_double_and_blocks_cover_them():
    assert list(stopping.rounds(1000)) == [256, 512, 1000]
    assert list(stopping.rounds(100)) == [100]
    assert stopping.blocks(1000, 300) == [300, 300, 300, 100]


# ---------------------------------------------------------------- not fooled


def test_a_rare_event_is_waited_for():
    """A success has probability 1e-4: the first rounds see none, and all their scores are equal."""

    def sample(rng, theta):
        return rng.random() < theta[0]

    def logpdf(x, theta):
        return log(theta[0]) if x == 1 else math.log1p(-theta[0])

    rare = Likelihood(sample, logpdf, parameters=("p",), domain=fastfim.unit_interval)
    for seed in range(20):
        result = estimate(rare, (1e-4,), rtol=0.2, rng=seed)
        assert result.converged
        assert result.fim[0, 0] == pytest.approx(1e4, rel=0.5)


def test_a_support_that_moves_never_converges():
    def sample(rng, theta):
        return theta[0] * rng.random()

    def logpdf(x, theta):
        return -log(theta[0]) if x <= theta[0] else -math.inf

    uniform = Likelihood(sample, logpdf, parameters=("width",), domain=fastfim.positive)
    for estimator in ("auto", "score", "covariance", "hessian"):
        with pytest.warns(RegularityWarning, match="the support moves with width"):
            result = estimate(uniform, (2.0,), rng=0, estimator=estimator)
        assert not result.converged
        assert result.checks["smoothness"].verdict == "fail"


def test_a_sampler_of_the_wrong_shape_is_seen_by_the_score():
    """A t for a normal with a location alone: the mean score is zero, but E s^2 is not -E H."""
    model = Likelihood(
        lambda rng, theta: theta[0] + rng.standard_t(5.0),
        lambda x, theta: -0.5 * (x - theta[0]) ** 2,
        parameters=("m",),
    )
    for estimator in ("auto", "score"):
        with pytest.warns(RegularityWarning, match="differs from minus the mean Hessian"):
            result = estimate(model, (0.0,), rng=0, estimator=estimator)
        assert not result.converged
        assert result.checks["mean_score"].verdict == "pass"


def test_a_long_run_by_scores_looks_at_some_hessians():
    """A scale that is off by 1 %: too little for 4,096 draws of a pilot, six standard errors for the share of a run."""
    model = Likelihood(
        lambda rng, theta: rng.normal(theta[0], 1.01), lambda x, theta: -0.5 * (x - theta[0]) ** 2, parameters=("m",)
    )
    with pytest.warns(RegularityWarning, match="differs from minus the mean Hessian"):
        result = estimate(model, (0.0,), rng=0, rtol=5e-4, estimator="score")
    assert not result.converged
    assert result.checks["information_equality"].verdict == "fail"
    assert result.checks["mean_score"].verdict == "pass"


@pytest.mark.parametrize("by_comparison", [True, False])
def test_a_comparison_as_a_number_is_a_branch(by_comparison):
    """Its jumps have no derivative: a kink leaves the score right, and where the density jumps nothing converges."""

    def kink(x, theta):
        sign = 2.0 * (x > theta[0]) - 1.0 if by_comparison else (1.0 if x > theta[0] else -1.0)
        return -sign * (x - theta[0]) - math.log(2.0)

    def jump(x, theta):
        step = 1.0 + (x > theta[0]) if by_comparison else (2.0 if x > theta[0] else 1.0)
        return math.log(step) - math.log(2.0 - theta[0])

    def sample_jump(rng, theta):
        below = rng.random() * (2.0 - theta[0]) < theta[0]
        return rng.random() * theta[0] if below else 1.0 - rng.random() * (1.0 - theta[0])

    laplace = Likelihood(lambda rng, theta: rng.laplace(theta[0]), kink, parameters=("loc",))
    with pytest.warns(RegularityWarning, match="kinks in loc"):
        found = estimate(laplace, (0.3,), rng=0)
    assert found.fim[0, 0] == pytest.approx(1.0, rel=1e-12)
    stepped = Likelihood(sample_jump, jump, parameters=("place",), domain=fastfim.unit_interval)
    with pytest.warns(ConvergenceWarning):
        assert not estimate(stepped, (0.3,), rng=0, max_draws=1 << 16).converged


def test_a_kink_stops_the_hessian_but_not_the_score():
    def sample(rng, theta):
        return theta[0] + rng.laplace()

    def logpdf(x, theta):
        return -abs(x - theta[0])

    laplace = Likelihood(sample, logpdf, parameters=("loc",))
    with pytest.warns(RegularityWarning, match="kinks in loc"):
        result = estimate(laplace, (0.0,), estimator="hessian", rng=0)
    assert not result.converged
    assert result.checks["information_equality"].verdict == "fail"
    assert estimate(laplace, (0.0,), estimator="score", rng=0).fim[0, 0] == pytest.approx(1.0)


def test_sound_models_are_not_suspected():
    """300 runs each at the nominal 1e-5 or less: a single confirmed suspicion has a probability below 1 %."""
    for estimator in ("score", "auto"):
        for seed in range(300):
            result = estimate("norm", (0.0, 1.0), rtol=0.05, rng=seed, workers=1, estimator=estimator)
            assert all(check.verdict in ("pass", "warn") for check in result.checks.values())


# ---------------------------------------------------------------- bad input

GOOD = {"likelihood": "norm", "theta": (0.0, 1.0)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"likelihood": "nrom"}, "norm"),
        ({"likelihood": 3}, "likelihood must be"),
        ({"args": [1]}, "args must be a tuple"),
        ({"args": (1,)}, "args has 1 constants"),
        ({"args": ("a",)}, r"args\[0\]"),
        ({"rtol": -1.0}, "rtol"),
        ({"rtol": "small"}, "rtol must be a number"),
        ({"rtol": math.nan}, "rtol"),
        ({"rtol": 0.0}, "would never be met"),
        ({"atol": -1e-3}, "atol"),
        ({"atol": math.inf}, "atol"),
        ({"confidence": 1.0}, "confidence"),
        ({"confidence": 95}, "confidence"),
        ({"draws": 0}, "draws"),
        ({"draws": 1.5}, "draws"),
        ({"draws": True}, "draws"),
        ({"max_draws": -5}, "max_draws"),
        ({"max_draws": 10}, "max_draws"),
        ({"draws": 100, "max_draws": 100}, "give one of them"),
        ({"time_limit": 0}, "time_limit"),
        ({"time_limit": "1s"}, "time_limit"),
        ({"estimator": "scores"}, "'score'"),
        ({"estimator": None}, "estimator"),
        ({"sampling": "MC"}, "'mc'"),
        ({"sampling": "qmc"}, "did you mean 'rqmc'"),
        ({"streams": 1}, "streams"),
        ({"streams": 2.5}, "streams"),
        ({"streams": 2, "estimator": "covariance"}, "at least 3 streams"),
        ({"rng": -1}, "rng"),
        ({"rng": "seed"}, "rng"),
        ({"rng": 1.0}, "rng"),
        ({"workers": 0}, "workers"),
        ({"workers": "all"}, "workers"),
        ({"progress": "yes"}, "progress"),
    ],
    ids=str,
)
def test_options_that_cannot_be_used(change, words):
    with pytest.raises(OptionError, match=words):
        estimate(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("theta", "words"),
    [
        ((0.0,), "needs 2 values"),
        ((0.0, 1.0, 2.0), "needs 2 values"),
        ([], "needs 2 values"),
        (1.0, "needs 2 values"),
        (np.zeros((2, 2, 2)), "needs 2 values"),
        (("a", 1.0), "theta must be numbers"),
        ((0.0, 1j), "theta must be numbers"),
        (None, "theta"),
        ((0.0, math.nan), "scale = nan is not finite"),
        ((math.inf, 1.0), "loc = inf is not finite"),
        ((0.0, -1.0), "scale = -1 must lie strictly between 0 and inf"),
        ((0.0, 0.0), "scale"),
        ([(0.0, 1.0), (0.0, -1.0)], "scale"),
        ({"loc": 0.0}, "missing"),
        ({"loc": 0.0, "scale": 1.0, "shape": 2.0}, "unknown"),
    ],
    ids=str,
)
def test_theta_that_cannot_be_used(theta, words):
    with pytest.raises(ParameterError, match=words):
        estimate("norm", theta)


def test_a_constraint_is_heard():
    def sample(rng, theta):
        return rng.normal(theta[0], theta[1])

    def logpdf(x, theta):
        return -0.5 * ((x - theta[0]) / theta[1]) ** 2 - log(theta[1])

    def ordered(theta):
        return theta[0] < theta[1] or "loc must be less than scale"

    likelihood = Likelihood(sample, logpdf, parameters=("loc", "scale"), constraint=ordered)
    estimate(likelihood, (0.0, 1.0), draws=64)
    with pytest.raises(ParameterError, match="loc must be less than scale"):
        estimate(likelihood, (2.0, 1.0))


def test_faults_of_the_functions_surface():
    def sample(rng, theta):
        return exp(800.0 * rng.random())

    def logpdf(x, theta):
        return -theta[0] * x

    with pytest.raises(NonFiniteError, match="draw inf"):
        estimate(Likelihood(sample, logpdf, parameters=("m",)), (1.0,))

    def not_differentiable(x, theta):
        k = int(theta[0])
        return k * x

    with pytest.raises(LikelihoodError) as caught:
        estimate(Likelihood(sample, not_differentiable, parameters=("m",)), (1.0,))
    assert caught.value.file == __file__
    assert caught.value.line == not_differentiable.__code__.co_firstlineno + 1


def test_progress_is_reported():
    seen = []
    result = estimate("norm", (0.0, 1.0), rtol=1e-2, rng=0, progress=lambda draws, error: seen.append((draws, error)))
    assert seen == [(r.draws, r.relative_error) for r in result.history]


def test_a_bar_goes_to_stderr(capsys):
    estimate("norm", (0.0, 1.0), rtol=1e-2, rng=0, progress=True)
    captured = capsys.readouterr()
    assert "draws" in captured.err
    assert captured.out == ""
