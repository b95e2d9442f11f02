"""Many points in one call: right at each, smooth between them, and one result that gives single ones."""

import numpy as np
import pytest
from scipy.special import polygamma
from scipy.stats import kstest

import fastfim
from fastfim import estimate
from fastfim.engine import batch
from fastfim.engine import estimate as engine


def gamma_fim(a, scale):
    return np.array([[polygamma(1, a), 1 / scale], [1 / scale, a / scale**2]])


def grid(m, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(1.0, 5.0, m), rng.uniform(0.5, 3.0, m)])


def test_right_at_every_point():
    points = grid(300)
    result = estimate("gamma", points, rtol=1e-2, rng=1)
    assert isinstance(result.points, batch.Points)
    assert result.converged.all()
    exact = np.array([gamma_fim(*point) for point in points])
    root = np.sqrt(np.einsum("mii->mi", exact))
    assert np.abs(result.fim - exact).max() < 1e-9 * root.max() ** 2
    assert (np.abs(result.fim - exact) <= 1e-2 * root[:, :, None] * root[:, None, :]).all()


@pytest.mark.parametrize("estimator", ["score", "hessian"])
def test_error_bars_hold(estimator):
    """z of one entry at points of 20 seeds, Student t with 31 degrees: a false alarm in 10^-4 of all."""
    z = []
    for seed in range(20):
        result = estimate("gamma", grid(20, seed), draws=64_000, rng=seed, estimator=estimator, sampling="mc")
        exact = np.array([gamma_fim(*theta) for theta in result.theta])
        z.append(((result.fim - exact) / result.standard_error)[::7, 1, 1])  # points share draws: take a few
    assert kstest(np.concatenate(z), "t", (31,)).pvalue > 1e-4


def test_single_results():
    points = grid(5)
    result = estimate("gamma", points, rtol=1e-2, rng=1, estimator="score")
    assert len(result) == 5
    for i, one in enumerate(result):
        np.testing.assert_array_equal(one.theta, points[i])
        np.testing.assert_allclose(one.fim, result.fim[i], rtol=1e-14)
        np.testing.assert_array_equal(one.replicates, result.replicates[i])
        np.testing.assert_allclose(one.standard_error, result.standard_error[i], rtol=1e-12)
        assert one.relative_error == pytest.approx(result.relative_error[i])
        assert one.variance_reduction == pytest.approx(result.variance_reduction[i])
        assert one.converged == result.converged[i]
        assert one.checks["mean_score"].verdict == "pass"
    assert [one.theta.tolist() for one in result.points[1:3]] == points[1:3].tolist()
    assert result[-1].fim.tolist() == result[4].fim.tolist()
    with pytest.raises(IndexError):
        result[5]


def test_what_follows_from_a_batch(tmp_path):
    result = estimate("gamma", grid(4), rtol=1e-2, rng=1)
    np.testing.assert_allclose(result.standard_errors().value[2], result[2].standard_errors().value)
    np.testing.assert_allclose((3 * result).fim, 3 * result.fim)
    np.testing.assert_allclose((result + result).fim, 2 * result.fim)
    result.save(tmp_path / "batch")
    np.testing.assert_array_equal(fastfim.load(tmp_path / "batch").fim, result.fim)
    assert "4 points" in str(result)


def test_the_same_bits_on_any_workers():
    points = grid(300)
    first, *others = [
        estimate("weibull_min", points, rtol=3e-2, rng=2, workers=workers) for workers in (1, 2, lambda f, t: map(f, t))
    ]
    assert isinstance(first.points, batch.Points)
    assert all(other.fim.tobytes() == first.fim.tobytes() for other in others)


@pytest.mark.parametrize(
    ("name", "start", "direction", "sampling"),
    [("gamma", (2.0, 1.0), (1.0, 0.3), "rqmc"), ("weibull_min", (1.5, 1.0), (0.5, 1.0), "mc")],
)
def test_smooth_along_a_line(name, start, direction, sampling):
    """Second differences fall like the square of the step: by 4 as it halves."""
    steps = np.array([0.04, 0.02, 0.01])
    places = np.concatenate([[-h, 0.0, h] for h in steps])
    points = np.array(start) + places[:, None] * np.array(direction)
    result = estimate(name, points, draws=2**14, rng=3, estimator="score", sampling=sampling)
    lines = result.fim[:, 0, 0].reshape(3, 3)
    second = lines[:, 0] - 2 * lines[:, 1] + lines[:, 2]
    np.testing.assert_allclose(second[:-1] / second[1:], 4.0, rtol=0.1)


def test_points_that_need_more_go_on():
    """Information of a Bernoulli's p: events are rare at one end of the line."""

    def sample(rng, theta):
        return 1.0 if rng.random() < theta[0] else 0.0

    def logpdf(x, theta):
        return x * np.log(theta[0]) + (1.0 - x) * np.log1p(-theta[0])

    model = fastfim.Likelihood(sample, logpdf, parameters=("p",), domain=fastfim.unit_interval)
    points = np.concatenate([np.linspace(0.3, 0.7, 20), [1e-3]])[:, None]
    result = estimate(model, points[np.r_[0:10, 20, 10:20]], rtol=0.05, rng=1, estimator="score", sampling="mc")
    draws = np.array([one.draws for one in result])
    assert result.converged.all()
    assert draws[10] > 20 * draws[0]
    assert len(set(draws[np.arange(21) != 10])) == 1
    exact = 1 / (result.theta[:, 0] * (1 - result.theta[:, 0]))
    assert (np.abs(result.fim[:, 0, 0] - exact) < 5 * result.standard_error[:, 0, 0]).all()


def wrong(bias):
    def sample(rng, theta):
        return theta[0] + rng.standard_normal()

    def logpdf(x, theta):
        return -0.5 * (x - theta[0]) ** 2 + bias * theta[0] * max(theta[0], 0.0)

    return fastfim.Likelihood(sample, logpdf, parameters=("mean",))


def test_a_wrong_model_is_noticed_where_it_is_wrong():
    points = np.linspace(-3.0, -0.5, 8)
    points[3] = 0.2
    with pytest.warns(fastfim.RegularityWarning, match="mean score"):
        result = estimate(wrong(0.5), points[:, None], rtol=0.02, rng=1, estimator="score", sampling="mc")
    assert isinstance(result.points, batch.Points)
    assert result.converged.tolist() == [i != 3 for i in range(8)]
    assert result[3].checks["mean_score"].verdict == "fail"
    assert result[2].checks["mean_score"].verdict == "pass"
    assert result.checks["mean_score"].verdict == "fail"


def test_ends_that_were_asked_for():
    points = grid(6)
    fixed = estimate("weibull_min", points, draws=10_000, rng=1, estimator="score", sampling="mc")
    assert {one.draws for one in fixed} == {10_016}
    assert fixed.draws == 6 * 10_016
    with pytest.warns(fastfim.ConvergenceWarning):
        limited = estimate("weibull_min", points, rtol=1e-6, max_draws=10_000, rng=1, estimator="score", sampling="mc")
    assert not limited.converged.any()
    assert {one.draws for one in limited} == {9_984}
    with pytest.warns(fastfim.ConvergenceWarning):
        estimate("weibull_min", points, rtol=1e-9, time_limit=0.2, rng=1, estimator="score", sampling="mc")


def test_a_draw_that_is_not_finite_names_its_point():
    def sample(rng, theta):
        return rng.standard_normal() / theta[0]

    def logpdf(x, theta):
        return -0.5 * (x * theta[0]) ** 2 + np.log(theta[0]) - (np.inf if theta[0] > 2.9 else 0.0)

    model = fastfim.Likelihood(sample, logpdf, parameters=("rate",), domain=fastfim.positive)
    points = np.array([[1.0], [3.0], [1.5], [2.0], [2.5]])
    with pytest.raises(fastfim.NonFiniteError) as caught:
        estimate(model, points, draws=6400, rng=1, estimator="score", sampling="mc")
    assert caught.value.theta.tolist() == [3.0]


@pytest.mark.parametrize("options", [{"target": "inverse"}, {"estimator": "covariance"}])
def test_what_needs_a_closer_look_goes_point_by_point(options):
    points = grid(3)
    result = estimate("gamma", points, draws=6400, rng=1, **options)
    assert not isinstance(result.points, batch.Points)
    single = engine.estimate("gamma", points[1], draws=6400, rng=1, **options)
    np.testing.assert_array_equal(result.fim[1], single.fim)
