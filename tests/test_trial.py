"""What the first draw in plain Python finds, and what read-only arrays refuse: each on the user's own line."""

import math
import random
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.random import normal as global_normal

from fastfim import Likelihood, LikelihoodError, estimate
from fastfim.engine import trial

# ---------------------------------------------------------------- a sound model of draws of two


def sample(rng, theta, x, *args):
    x[0] = rng.normal(theta[0], 1.0)
    x[1] = rng.normal(theta[0], 1.0)


def logpdf(x, theta, *args):
    return -0.5 * (x[0] - theta[0]) ** 2 - 0.5 * (x[1] - theta[0]) ** 2


def score(x, theta, out, *args):
    out[0] = x[0] + x[1] - 2.0 * theta[0]


def likelihood(**changes):
    functions = {"sample": sample, "logpdf": logpdf} | changes
    return Likelihood(functions.pop("sample"), functions.pop("logpdf"), parameters=("m",), size=2, **functions)


def test_a_sound_model_passes():
    assert estimate(likelihood(score=score), (0.5,), draws=4096, rng=1).fim[0, 0] == pytest.approx(2.0)


# ---------------------------------------------------------------- faults, each on the line after its def


def writes_beyond(rng, theta, x):
    x[2] = rng.normal(theta[0], 1.0)


def reads_beyond(x, theta):
    return -0.5 * (x[2] - theta[0]) ** 2


def reads_beyond_theta(rng, theta, x):
    x[:] = rng.normal(theta[1], 1.0)


def changes_its_order(theta, x, out):
    out[0] = x[0] + x[1] - 2.0 * theta[0]


def writes_theta(rng, theta, x):
    theta[0] = x[0] = x[1] = 1.0


def writes_theta_in_the_density(x, theta):
    theta[0] = 1.0
    return -0.5 * (x[0] - theta[0]) ** 2


def writes_its_draw(x, theta):
    x[0] = 1.0
    return -0.5 * (x[0] - theta[0]) ** 2


def takes_out_for_theta(x, out, theta):
    out[0] = x[0] + x[1] - 2.0 * theta[0]


def many_at_once(rng, theta, x):
    x[:] = rng.normal(theta[0], 1.0, size=2)


def a_keyword_misspelt(rng, theta, x):
    x[:] = rng.normal(theta[0], scael=1.0)


def a_method_misspelt(rng, theta, x):
    x[:] = rng.norml(theta[0], 1.0)


def a_vector_for_a_number(rng, theta, x):
    x[:] = rng.normal(theta, 1.0)


def numpys_generator(rng, theta, x):
    x[:] = np.random.normal(theta[0], 1.0)  # noqa: NPY002


def numpys_function(rng, theta, x):
    x[:] = global_normal(theta[0], 1.0)  # noqa: NPY002


def pythons_generator(rng, theta, x):
    x[:] = random.gauss(theta[0], 1.0)


@pytest.mark.parametrize(
    ("role", "function", "words"),
    [
        ("sample", writes_beyond, "index 2 is out of bounds"),
        ("logpdf", reads_beyond, "index 2 is out of bounds"),
        ("sample", reads_beyond_theta, "index 1 is out of bounds"),
        ("score", changes_its_order, "index 1 is out of bounds"),
        ("sample", writes_theta, "theta, args, the draw and what prepare makes are not to be changed"),
        ("logpdf", writes_theta_in_the_density, "theta, args, the draw and what prepare makes are not to be changed"),
        ("logpdf", writes_its_draw, "theta, args, the draw and what prepare makes are not to be changed"),
        ("score", takes_out_for_theta, "theta, args, the draw and what prepare makes are not to be changed"),
        ("sample", many_at_once, "one draw a call, and takes no size"),
        ("sample", a_keyword_misspelt, r"rng\.normal: .*unexpected keyword argument 'scael'"),
        ("sample", a_method_misspelt, r"did you mean rng\.normal"),
        ("sample", a_vector_for_a_number, "must be numbers, not arrays"),
        ("sample", numpys_generator, "use the rng that sample is given"),
        ("sample", numpys_function, "use the rng that sample is given"),
        ("sample", pythons_generator, "use the rng that sample is given"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_faults_are_named_on_the_users_line(role, function, words):
    with pytest.raises(LikelihoodError, match=words) as caught:
        estimate(likelihood(**{role: function}), (0.5,), draws=4096, rng=1)
    assert caught.value.file == __file__
    assert caught.value.line == function.__code__.co_firstlineno + 1
    assert f"{__file__}:{caught.value.line}" in str(caught.value)


def test_args_are_read_only():
    def writes_args(x, theta, weights):
        weights[0] += 1.0
        return logpdf(x, theta)

    with pytest.raises(LikelihoodError, match="are not to be changed"):
        estimate(likelihood(logpdf=writes_args), (0.5,), (np.ones(3),), draws=4096)


def test_a_helper_is_looked_into():
    def helper(t):
        return np.random.normal(t, 1.0)  # noqa: NPY002

    def draws(rng, theta, x):
        x[:] = helper(theta[0])

    with pytest.raises(LikelihoodError, match="helper: use the rng"):
        estimate(likelihood(sample=draws), (0.5,), draws=4096)


# ---------------------------------------------------------------- what is left to the compiler


def test_pythons_arithmetic_is_not_the_compilers():
    """In Python the logarithm of zero raises; compiled it is -inf, and the other branch is taken."""

    def with_zero(x, theta):
        return logpdf(x, theta) if math.log(0.0 * x[0]) < 0.0 else 0.0

    assert estimate(likelihood(logpdf=with_zero), (0.5,), draws=4096, rng=1).fim[0, 0] == pytest.approx(2.0)


def test_other_lengths_are_tried_again():
    def by_length(x, theta, weights):
        return logpdf(x, theta) + 0.0 * weights[2]

    model = likelihood(logpdf=by_length)
    estimate(model, (0.5,), (np.ones(3),), draws=64)
    with pytest.raises(LikelihoodError, match="index 2 is out of bounds"):
        estimate(model, (0.5,), (np.ones(2),), draws=64)


def test_a_slow_density_is_not_waited_for_and_tracing_goes_on():
    def slow(x, theta):
        total = 0.0
        for _ in range(10**9):
            total += 1.0
        return total

    bound = likelihood(logpdf=slow).bind()
    before = sys.gettrace()
    start = time.process_time()
    trial.once(bound, bound.theta((0.5,)))
    assert time.process_time() - start < 5.0  # some ten milliseconds; a billion additions take half a minute
    assert sys.gettrace() is before


def test_the_trial_needs_no_compiler():
    """Machine code that was kept runs without Numba, whose import takes longer than a trial."""
    program = "import sys, fastfim, fastfim.engine.trial; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
