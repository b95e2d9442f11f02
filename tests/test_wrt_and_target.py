"""`wrt`: some parameters are known constants. `target`: what the tolerance applies to."""

import numpy as np
import pytest

import fastfim
from fastfim import Likelihood, OptionError, estimate
from fastfim.kernels.block import Block, Job, chunks_of

WIDE = 70  # more than the lanes of one pass
MIXTURE = (0.4, -1.0, 1.0, 1.5, 0.7)


def sample_chain(rng, theta):
    return rng.normal(theta[0], 1.0)


def logpdf_chain(x, theta):
    """Neighbours in pairs, so that Hessians have entries off the diagonal; slices and loops over theta."""
    total = theta[0] * theta[-1]
    for i in range(1, len(theta)):
        total += np.sin(theta[i] * theta[i - 1] + x)
    return total - np.dot(theta[2:], theta[:-2])


def chain(p):
    return Likelihood(sample_chain, logpdf_chain, parameters=[f"c{i}" for i in range(p)])


def derivatives(likelihood, theta, order, wrt=None, args=()):
    model = likelihood.bind(args, wrt)
    return next(chunks_of(Job(model, model.theta(theta), 3, order), Block(0, 0, 8)))


def packed(matrices, p, chosen):
    """Entries of packed triangles that belong to chosen parameters, in their order."""
    rows, columns = np.triu_indices(p)
    full = np.zeros((len(matrices), p, p))
    full[:, rows, columns] = full[:, columns, rows] = matrices
    part = full[:, chosen][:, :, chosen]
    return part[:, *np.triu_indices(len(chosen))]


@pytest.mark.parametrize(("p", "chosen"), [(5, [3, 0]), (20, [19, 2, 7, 4, 11, 0, 1, 3, 5, 6, 8, 9, 10, 18]), (5, [2])])
def test_derivatives_of_some_parameters_are_those_of_all(p, chosen):
    """Any order; a Hessian made a few rows at a time (14 of 20) too."""
    likelihood, theta = chain(p), np.linspace(0.2, 0.9, p)
    every = derivatives(likelihood, theta, order=2)
    some = derivatives(likelihood, theta, order=2, wrt=[f"c{i}" for i in chosen])
    np.testing.assert_array_equal(some.draws, every.draws)
    np.testing.assert_allclose(some.scores, every.scores[:, chosen], rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(some.hessians, packed(every.hessians, p, chosen), rtol=1e-12, atol=1e-13)


def test_more_parameters_than_lanes():
    likelihood, theta = chain(WIDE), np.linspace(0.2, 0.9, WIDE)
    chosen = np.random.default_rng(0).permutation(WIDE)[:-1]
    every = derivatives(likelihood, theta, order=1)
    some = derivatives(likelihood, theta, order=1, wrt=[f"c{i}" for i in chosen])
    np.testing.assert_allclose(some.scores, every.scores[:, chosen], rtol=1e-13, atol=1e-14)


def score_by_hand(x, theta, out):
    z = (x - theta[0]) / theta[1]
    out[0] = z / theta[1]
    out[1] = (z * z - 1) / theta[1]


def hessian_by_hand(x, theta, out):
    z = (x - theta[0]) / theta[1]
    out[0, 0] = -1 / theta[1] ** 2
    out[0, 1] = out[1, 0] = -2 * z / theta[1] ** 2
    out[1, 1] = (1 - 3 * z * z) / theta[1] ** 2


@pytest.mark.parametrize("wrt", [("scale",), ("scale", "loc")])
def test_derivatives_by_hand_are_of_all_parameters(wrt):
    normal = fastfim.catalogue["norm"]
    by_hand = Likelihood(
        normal.sample,
        normal.logpdf,
        parameters=normal.parameters,
        domain=normal.domain,
        score=score_by_hand,
        hessian=hessian_by_hand,
    )
    given, expected = (derivatives(which, (1.0, 2.0), 2, wrt) for which in (by_hand, normal))
    np.testing.assert_allclose(given.scores, expected.scores, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(given.hessians, expected.hessians, rtol=1e-13, atol=1e-14)


def test_a_known_parameter():
    """Information of t with known df, in the order asked for: (df + 1)/(df + 3), 2 df/(df + 3); exact by Bartlett."""
    result = estimate("t", {"df": 5.0, "loc": 0.0, "scale": 1.0}, wrt=("scale", "loc"), rng=0)
    assert (result.parameters, result.fixed) == (("scale", "loc"), {"df": 5.0})
    np.testing.assert_array_equal(result.theta, [1.0, 0.0])
    np.testing.assert_allclose(result.fim, np.diag([10 / 8, 6 / 8]), atol=1e-11)
    assert "df=5 (known)" in str(result)


def test_known_parameters_survive_a_file_and_points(tmp_path):
    points = estimate("norm", [(0.0, 1.0), (0.0, 2.0)], wrt="loc", draws=4096, rng=0)
    points.save(tmp_path / "kept.npz")
    again = fastfim.load(tmp_path / "kept.npz")
    np.testing.assert_array_equal(again.fixed["scale"], [1.0, 2.0])
    assert again[1].fixed == {"scale": 2.0}


def test_a_kink_in_a_known_parameter_is_no_kink():
    """A Laplace location that is known leaves a smooth scale, whose information is 1/scale^2."""

    def sample(rng, theta):
        return rng.laplace(theta[0], theta[1])

    def logpdf(x, theta):
        return -abs(x - theta[0]) / theta[1] - np.log(2 * theta[1])

    laplace = Likelihood(sample, logpdf, parameters=("loc", "scale"), domain=(fastfim.real, fastfim.positive))
    result = estimate(laplace, (0.0, 2.0), wrt=("scale",), rng=0)
    assert result.checks["smoothness"].verdict == "pass"
    assert result.fim == pytest.approx(0.25)


@pytest.mark.parametrize("wrt", [(), ("location",), ("loc", "loc"), 3, [0, 1]])
def test_names_that_are_no_parameters(wrt):
    with pytest.raises(OptionError, match=r"wrt must hold names of parameters, of \('loc', 'scale'\)"):
        estimate("norm", (0.0, 1.0), wrt=wrt)


# ---------------------------------------------------------------- target


def longer_side(quantity):
    low, high = quantity.interval(0.95)
    return np.maximum(high - quantity.value, quantity.value - low)


def test_the_inverse_is_met_on_the_scale_of_its_diagonal():
    result = estimate("normal_mixture", MIXTURE, target="inverse", rtol=3e-3, rng=1)
    inverse = result.inverse()
    root = np.sqrt(np.diagonal(inverse.value))
    assert result.converged
    assert result.relative_error == pytest.approx((longer_side(inverse) / np.outer(root, root)).max(), rel=1e-12)
    assert result.relative_error <= 3e-3


def test_the_log_determinant_is_met_absolutely():
    result = estimate("normal_mixture", MIXTURE, target="logdet", rtol=3e-3, estimator="score", sampling="mc", rng=1)
    assert result.converged
    assert result.relative_error == pytest.approx(longer_side(result.logdet()), rel=1e-12)


def test_a_function_of_the_matrix_is_met_relative_to_its_size():
    def bounds(matrix):
        return np.diagonal(np.linalg.inv(matrix))

    result = estimate("normal_mixture", MIXTURE, target=bounds, rtol=1e-2, estimator="score", rng=1)
    assert result.converged
    crlb = result.crlb()
    expected = 2.0395 * crlb.standard_error / crlb.value  # t at 0.975 with 31 degrees of freedom
    assert result.relative_error == pytest.approx(expected.max(), rel=1e-3)


def test_the_target_covers():
    """95 % intervals of log det at runs stopped by it cover 0.95: 200 runs miss 25 or more with probability 1e-5."""
    truth = np.log(2 / 2.0**4)  # a normal of scale 2
    runs = [
        estimate("norm", (0.0, 2.0), target="logdet", rtol=0.05, estimator="score", sampling="mc", rng=seed, workers=1)
        for seed in range(200)
    ]
    ends = np.array([run.logdet().interval(0.95) for run in runs])
    assert all(run.converged for run in runs)
    assert np.sum((ends[:, 0] > truth) | (ends[:, 1] < truth)) < 25


def test_a_singular_matrix_never_meets_its_inverse():
    """The same parameter twice."""

    def sample(rng, theta):
        return rng.normal(theta[0] + theta[1], 1.0)

    def logpdf(x, theta):
        return -0.5 * (x - theta[0] - theta[1]) ** 2

    twice = Likelihood(sample, logpdf, parameters=("a", "b"))
    with pytest.warns(fastfim.ConvergenceWarning):
        result = estimate(twice, (0.0, 1.0), target="inverse", max_draws=2**17, rng=0)
    assert not result.converged
    assert result.relative_error == np.inf


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("inverze", "did you mean 'inverse'"),
        (3, "target must be one of 'fim', 'inverse', 'logdet', or a function of the matrix"),
        (lambda matrix: "text", "it raised ValueError"),
        (lambda matrix: matrix[9, 9], "it raised IndexError"),
    ],
)
def test_targets_that_cannot_be_used(target, words):
    with pytest.raises(OptionError, match=words):
        estimate("norm", (0.0, 1.0), target=target, draws=4096, rng=0)
