"""Estimators against NumPy over all pairs of streams, against exact information, and by their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fastfim.estimation.estimators import ROUNDING_FLOOR, Sums, replicates, scale, standard_error

#: Those that need no pilot.
ESTIMATORS = ("score", "covariance", "hessian")


def sums_of(scores, hessians=None):
    """Sums over draws of scores of shape (K, n, p), written out."""
    return Sums(
        draws=scores.shape[1],
        score=scores.sum(axis=1),
        outer=np.einsum("kni,knj->kij", scores, scores),
        negative_hessian=None if hessians is None else -hessians.sum(axis=1),
    )


def random_sums(seed, streams=5, draws=7, p=3):
    rng = np.random.default_rng(seed)
    hessians = rng.normal(size=(streams, draws, p, p))
    return sums_of(rng.normal(size=(streams, draws, p)) + 0.5, hessians + hessians.swapaxes(2, 3))


def ring(sums):
    """Definition: mean of Y_k minus that of s_k s_(k+1)^T, made symmetric; the last stream is followed by the first."""
    means = sums.score / sums.draws
    pairs = [np.outer(means[k - 1], means[k]) for k in range(len(means))]
    return (sums.outer / sums.draws).mean(axis=0) - np.mean([(pair + pair.T) / 2 for pair in pairs], axis=0)


seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(3, 9))
def test_covariance_subtracts_products_of_neighbours(seed, streams):
    sums = random_sums(seed, streams)
    np.testing.assert_allclose(replicates(sums, "covariance").mean(axis=0), ring(sums), atol=1e-12)


@given(seeds, st.integers(3, 9))
def test_covariance_is_positive_semidefinite(seed, streams):
    matrix = replicates(random_sums(seed, streams, draws=1, p=4), "covariance").mean(axis=0)
    assert np.linalg.eigvalsh(matrix).min() > -1e-12


@given(seeds, st.integers(1, 6))
def test_score_is_the_mean_outer_product(seed, split):
    """In any split: sums over parts add up to the sums over the whole."""
    scores = np.random.default_rng(seed).normal(size=(4, 7, 3))
    whole = replicates(sums_of(scores), "score")
    first, second = sums_of(scores[:, :split]), sums_of(scores[:, split:])
    merged = Sums(7, first.score + second.score, first.outer + second.outer)
    np.testing.assert_allclose(replicates(merged, "score"), whole, atol=1e-13)
    np.testing.assert_allclose(whole[0], sum(np.outer(s, s) for s in scores[0]) / 7, atol=1e-13)


@given(seeds)
def test_score_is_positive_semidefinite(seed):
    matrices = replicates(random_sums(seed, draws=2, p=4), "score")
    assert np.linalg.eigvalsh(matrices).min() > -1e-12


@pytest.mark.parametrize("estimator", ESTIMATORS)
@given(seeds)
def test_reparametrization_is_a_congruence(estimator, seed):
    rng = np.random.default_rng(seed)
    jacobian = rng.normal(size=(3, 3))
    scores, hessians = rng.normal(size=(4, 6, 3)), rng.normal(size=(4, 6, 3, 3))
    old = replicates(sums_of(scores, hessians), estimator)
    new = replicates(sums_of(scores @ jacobian, jacobian.T @ hessians @ jacobian), estimator)
    np.testing.assert_allclose(new, jacobian.T @ old @ jacobian, atol=1e-10)


@pytest.mark.parametrize(
    ("estimator", "order"), [("score", (3, 0, 4, 1, 2)), ("hessian", (3, 0, 4, 1, 2)), ("covariance", (2, 3, 4, 0, 1))]
)
def test_the_order_of_the_streams_does_not_matter(estimator, order):
    """For `covariance`, where the ring begins."""
    sums, order = random_sums(1), np.array(order)
    permuted = Sums(sums.draws, sums.score[order], sums.outer[order], sums.negative_hessian[order])
    np.testing.assert_allclose(replicates(permuted, estimator), replicates(sums, estimator)[order], atol=1e-13)


def test_hessian_is_minus_the_mean():
    sums = random_sums(2)
    np.testing.assert_array_equal(replicates(sums, "hessian"), sums.negative_hessian / sums.draws)


def test_packed_triangles_are_read_row_by_row():
    # s = (1, 2), Y = ((3, 4), (4, 5)), N = ((6, 7), (7, 8)), as many weights as draws, and a count
    row = np.append(np.arange(1.0, 9.0), [10.0, 0.0])[None]
    sums = Sums.unpack(row, 2, draws=10)
    assert sums.draws == 10
    np.testing.assert_array_equal(sums.score, [[1, 2]])
    np.testing.assert_array_equal(sums.outer, [[[3, 4], [4, 5]]])
    np.testing.assert_array_equal(sums.negative_hessian, [[[6, 7], [7, 8]]])
    assert Sums.unpack(np.delete(row, [5, 6, 7], axis=1), 2, draws=10).negative_hessian is None


def weighted_rows(rng, streams, draws, constant):
    """Rows of w times (x, x^2, ``constant``) for normal x and weights of mean 1, as a block sums them for p = 1."""
    x, w = rng.normal(size=(streams, draws)), rng.gamma(4.0, 0.25, (streams, draws))
    columns = [w * x, w * x**2, constant * w, w]
    return np.column_stack([*(c.sum(axis=1) for c in columns), np.zeros(streams)])


def test_weights_do_not_spoil_a_constant():
    """A Hessian that is the same for all draws is known to rounding, whatever the weights add up to."""
    sums = Sums.unpack(weighted_rows(np.random.default_rng(0), 8, 100, 3.0), 1, draws=100)
    np.testing.assert_allclose(replicates(sums, "hessian"), 3.0, rtol=1e-13)


def test_weighted_streams_are_unbiased_and_cover():
    """2,000 estimates of E[x^2] = 1: z of their mean, and 95 % intervals; each fails with probability below 1e-4."""
    rng = np.random.default_rng(1)
    means, covered = [], []
    for _ in range(2000):
        matrices = replicates(Sums.unpack(weighted_rows(rng, 16, 50, 1.0), 1, draws=50), "score")[:, 0, 0]
        means.append(matrices.mean())
        covered.append(abs(means[-1] - 1.0) < 2.1314 * matrices.std(ddof=1) / 4)
    assert abs(np.mean(means) - 1.0) < 4 * np.std(means) / np.sqrt(2000)
    assert abs(np.mean(covered) - 0.95) < 0.02


def test_covariance_ignores_a_score_with_a_mean():
    """A normal's score for its mean, with a constant added as by a density that is not normalized."""
    rng = np.random.default_rng(3)
    shifted = rng.normal(size=(400, 32, 20, 1)) + 3.0
    z = []
    for scores in shifted:
        matrices = replicates(sums_of(scores), "covariance")
        z.append((matrices.mean() - 1.0) / (matrices.std(ddof=1) / np.sqrt(32)))
    # 400 t statistics with 31 degrees of freedom: Kolmogorov's test raises a false alarm in 1e-4 of seeds
    assert stats.kstest(z, stats.t(31).cdf).pvalue > 1e-4
    biased = replicates(sums_of(shifted[0]), "score").mean()
    assert biased > 5.0


def test_covariance_covers_where_squares_have_no_noise():
    """Scores of -1 or 1, plus a mean: 95 % intervals over 4,000 seeds; 4 binomial deviations, a false alarm in 6e-5."""
    rng = np.random.default_rng(8)
    signs = 2.0 * rng.binomial(400, 0.5, size=(4000, 32, 1)) - 400.0
    covered = 0
    for mean in signs / 400:
        sums = Sums(400, 400 * (mean + 3.0), 400 * (10.0 + 6.0 * mean[..., None]))
        matrices = replicates(sums, "covariance")
        covered += abs(matrices.mean() - 1.0) < stats.t(31).ppf(0.975) * stats.sem(matrices.ravel())
    assert abs(covered / 4000 - 0.95) < 4 * np.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize("estimator", ["score", "covariance"])
def test_error_bars_are_those_of_student(estimator):
    """Exponential draws, score 1 - x of the log rate, information 1: t statistics over 600 seeds."""
    rng = np.random.default_rng(4)
    z = []
    for _ in range(600):
        sums = sums_of(1.0 - rng.exponential(size=(32, 400, 1)))
        matrices = replicates(sums, estimator)
        z.append((matrices.mean() - 1.0) / standard_error(matrices, scale(sums, estimator))[0, 0])
    covered = np.mean(np.abs(z) < stats.t(31).ppf(0.975))
    # 95 % less 1 % for the skewness of 12,800 squares; 4 binomial deviations: a false alarm in 3e-5 of seeds
    assert covered > 0.94 - 4 * np.sqrt(0.95 * 0.05 / 600)


def test_scale_is_that_of_the_scores_even_for_a_negative_hessian():
    sums = random_sums(5)
    own = np.sqrt(np.diagonal(sums.outer.mean(axis=0)) / sums.draws)
    np.testing.assert_allclose(scale(sums, "hessian"), np.outer(own, own))
    np.testing.assert_allclose(scale(sums, "score"), np.outer(own, own))


def test_scale_of_a_covariance_leaves_the_mean_out():
    sums = sums_of(np.random.default_rng(6).normal(size=(16, 100, 1)) + 100.0)
    assert scale(sums, "covariance")[0, 0] < 2.0
    assert scale(sums, "score")[0, 0] > 9000.0


def test_agreement_between_streams_is_not_accuracy():
    exact = np.full((8, 1, 1), 2.0)
    assert standard_error(exact, np.array([[2.0]])) == pytest.approx(2.0 * ROUNDING_FLOOR)
    spread = np.array([1.0, 3.0] * 4)[:, None, None]
    assert standard_error(spread, np.array([[2.0]])) == pytest.approx(stats.sem(spread.ravel()))
