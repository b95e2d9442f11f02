"""Information from data: closed forms, the level of White's test, and what it finds."""

import numpy as np
import pytest
from models import DISTRESS, LAUNCHES
from scipy import stats

from fastfim import NonFiniteError, OptionError, ParameterError, catalogue, observed
from fastfim.trust.misspecification import information_matrix_test

RNG = np.random.default_rng(7)
SAMPLE = RNG.normal(3.0, 2.0, size=400)


def fitted(x):
    return x.mean(), x.std()


def test_matrices_of_a_normal_sample():
    """Closed forms in the sample's moments; the sandwich gives the variance of s as (m4 - s^4) / (4 s^2 n)."""
    x = SAMPLE
    mean, sd = fitted(x)
    seen = observed("norm", (mean, sd), x, bootstrap=0)
    z, n = (x - mean) / sd, len(x)
    scores = np.stack([z, z**2 - 1]) / sd
    np.testing.assert_allclose(seen.hessian, np.diag([n, 2 * n]) / sd**2, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(seen.outer_product, scores @ scores.T, rtol=1e-9)
    fourth = np.mean((x - mean) ** 4)
    expected = [sd / np.sqrt(n), np.sqrt((fourth - sd**4) / (4 * sd**2 * n))]
    np.testing.assert_allclose(seen.standard_errors, expected, rtol=1e-9)
    np.testing.assert_allclose(seen.sandwich, np.linalg.inv(seen.covariance), rtol=1e-9)
    assert seen.log_likelihood == pytest.approx(stats.norm(mean, sd).logpdf(x).sum(), rel=1e-12)
    assert seen.checks["maximum"].verdict == "pass"
    assert seen.checks["information_matrix"].verdict == "skipped"


def test_a_draw_may_be_a_vector():
    """All launches of Challenger's forerunners are one draw, so that only the Hessian has full rank."""
    seen = observed("logistic_regression", (15.0429, -0.2322), DISTRESS[None, :], (LAUNCHES,), bootstrap=0)
    np.testing.assert_allclose(np.sqrt(np.diag(np.linalg.inv(seen.hessian))), [7.3786, 0.1082], rtol=1e-3)
    assert np.isnan(seen.standard_errors).all()
    assert seen.n == 1


def p_values(runs, n, repeats):
    """Of right models: normal samples of n."""
    model = catalogue["norm"].bind()
    found = []
    for seed in range(runs):
        x = np.random.default_rng(seed).normal(size=n)
        found.append(information_matrix_test(model, model.theta(fitted(x)), x[:, None], repeats, seed).p_value)
    return np.array(found)


def test_level_of_whites_test_holds_in_small_samples():
    """Ten observations, where chi-square would be far off: rejections at 10 %, by a binomial test at 3e-7."""
    rejected = int((p_values(60, 10, 19) <= 0.1).sum())
    assert stats.binomtest(rejected, 60, 0.1, alternative="greater").pvalue > 3e-7


@pytest.mark.long
@pytest.mark.parametrize("n", [10, 100])
def test_p_values_of_whites_test_are_flat(n):
    """The k-th of 20 equally likely values, 500 samples: chi-square test at 1e-5."""
    counts = np.bincount(np.rint(p_values(500, n, 19) * 20).astype(int) - 1, minlength=20)
    assert stats.chisquare(counts).pvalue > 1e-5


def test_a_wrong_model_is_found():
    """Student's t with three degrees of freedom for a normal, 300 observations."""
    x = np.random.default_rng(1).standard_t(3, size=300)
    seen = observed("norm", fitted(x), x, bootstrap=99, rng=1)
    assert not seen.ok
    assert seen.checks["information_matrix"].verdict == "fail"
    assert "sandwich" in str(seen)


def test_a_right_model_passes():
    seen = observed("norm", fitted(SAMPLE), SAMPLE, bootstrap=99, rng=1)
    assert seen.ok
    again = observed("norm", fitted(SAMPLE), SAMPLE, bootstrap=99, rng=1, workers=1)
    assert again.checks["information_matrix"] == seen.checks["information_matrix"]


def test_equality_for_every_draw_leaves_nothing_to_test():
    x = (np.arange(20) < 7).astype(float)
    seen = observed("binom", (0.35,), x, (1,), bootstrap=19, rng=0)
    assert seen.ok
    assert "every observation" in seen.checks["information_matrix"].message


def test_theta_that_is_no_maximum_is_said_to_be_none():
    mean, sd = fitted(SAMPLE)
    seen = observed("norm", (mean + 0.3, sd), SAMPLE, rng=0)
    assert seen.checks["maximum"].verdict == "warn"
    assert seen.checks["maximum"].figure == pytest.approx(3.0, rel=0.2)
    assert "loc by -" in seen.checks["maximum"].message
    assert seen.checks["information_matrix"].verdict == "skipped"
    far = observed("t", (1.0, 0.0, 0.01), SAMPLE, rng=0, wrt=("loc", "scale"), bootstrap=0)
    assert far.checks["maximum"].verdict != "pass"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"x": "data"}, OptionError, "x must be an array"),
        ({"x": []}, OptionError, "shape"),
        ({"x": [[1.0, 2.0]]}, OptionError, r"x must have shape \(n,\)"),
        ({"x": [1.0, np.nan]}, OptionError, r"x\[1\] is nan"),
        ({"x": [1.0, -2.0]}, NonFiniteError, r"x\[1\] = -2.0"),
        ({"theta": (2.0,)}, ParameterError, "theta needs 2"),
        ({"theta": (2.0, -1.0)}, ParameterError, "scale"),
        ({"args": [1]}, OptionError, "tuple"),
        ({"bootstrap": -1}, OptionError, "bootstrap"),
        ({"bootstrap": 0.5}, OptionError, "bootstrap"),
        ({"rng": "x"}, OptionError, "rng"),
        ({"workers": -2}, OptionError, "workers"),
        ({"wrt": ()}, OptionError, "wrt"),
    ],
)
def test_what_cannot_be_used_is_refused(changes, error, words):
    arguments = {"likelihood": "gamma", "theta": (2.0, 0.5), "x": [0.5, 1.0, 2.0], "bootstrap": 0} | changes
    with pytest.raises(error, match=words):
        observed(**arguments)


def test_a_vector_in_place_of_rows_is_refused():
    with pytest.raises(OptionError, match=r"x\[None, :\]"):
        observed("logistic_regression", (15.0, -0.2), DISTRESS, (LAUNCHES,))
