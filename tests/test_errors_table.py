"""Bad calls by the table: the right class, and a message that names the argument, the value and the way out.

Every row is a call that has to be refused before anything is compiled or drawn, so that the table takes seconds.
"""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from ids import shown

import fastfim
from fastfim import FastfimError, Likelihood, LikelihoodError, OptionError, ParameterError, estimate, interval


def sample(rng, theta):
    return rng.normal(theta[0], theta[1])


def logpdf(x, theta):
    return -0.5 * ((x - theta[0]) / theta[1]) ** 2 - math.log(theta[1])


def logpdf_with_constant(x, theta, n):
    return logpdf(x, theta) * n


def one(x):
    return x


NOT_NUMBERS = ("1", None, [1.0], {}, 1j, True, math.nan)
NOT_COUNTS = (0, -1, 1.5, "10", [10], True, math.nan, math.inf, 2j)

#: Argument of `estimate`, values that cannot be used, and what the message has to say beside the argument's name.
OPTIONS = [
    ("likelihood", ("nrom", "Norm", 3, None, logpdf, [sample, logpdf]), ("norm", "norm", "fastfim.Likelihood")),
    ("args", ([1], 1.0, "a", {"a": 1}, np.ones(2)), ("tuple",)),
    ("args", ((1.0,), (1, 2)), ("constants",)),
    ("args", (("a",), (None,), (object(),), (1j,), ([1, "b"],), ([[1], [1, 2]],), (np.array(["x"]),)), ("args[0]",)),
    ("rtol", (*NOT_NUMBERS, -1.0, math.inf, np.ones(2)), ("number",)),
    ("atol", (*NOT_NUMBERS, -1e-9, math.inf, np.ones(2)), ("number",)),
    ("confidence", (*NOT_NUMBERS[:-1], 0.0, 1.0, 95, -0.5, math.nan), ("confidence",)),
    ("draws", (*NOT_COUNTS,), ("positive integer",)),
    ("max_draws", (*NOT_COUNTS,), ("positive integer",)),
    ("time_limit", ("1s", [1], {}, True, 0, -1.0, math.nan), ("number",)),
    ("streams", (*NOT_COUNTS,), ("positive integer",)),
    ("estimator", ("scores", "Score", "hessians", "barttlet", "", 3, None, ["score"]), ("'score'", "'auto'")),
    ("sampling", ("MC", "qmc", "sobol", "", 0, None, ["mc"]), ("'mc'", "'rqmc'")),
    ("target", ("fisher", "logdets", "", 0, None, ["fim"]), ("'fim'",)),
    ("rng", (-1, 1.0, "seed", [1, 2], True, np.random.RandomState, object()), ("rng",)),
    ("workers", (0, -2, 1.5, "all", True, [2], object()), ("workers",)),
    ("progress", ("yes", 1, 0.5, [True]), ("progress",)),
    ("wrt", ("lco", ("loc", "lco"), ("loc", "loc"), (), 3, (1,)), ("loc",)),
]
#: Combinations that contradict one another.
COMBINATIONS = [
    ({"rtol": 0.0}, "would never be met"),
    ({"rtol": 0.0, "atol": 0.0}, "draws, max_draws or time_limit"),
    ({"rtol": 1e-13}, "below rounding"),
    ({"draws": 100, "max_draws": 100}, "give one of them"),
    ({"max_draws": 10}, "less than one draw"),
    ({"streams": 1}, "at least 2"),
    ({"streams": 2, "estimator": "covariance"}, "at least 3 streams"),
    ({"max_draws": 40, "estimator": "bartlett"}, "allow 48 or more"),
    ({"max_draws": 40, "estimator": "score", "sampling": "rqmc"}, "allow 48 or more"),
]
#: Points that cannot be used, and what the message has to say.
POINTS = [
    ((0.0,), "needs 2 values"),
    ((0.0, 1.0, 2.0), "needs 2 values"),
    ([], "needs 2 values"),
    (1.0, "needs 2 values"),
    ([[0.0], [1.0]], "needs 2 values"),
    (np.zeros((2, 2, 2)), "needs 2 values"),
    (np.zeros((0, 2)), "needs 2 values"),
    ([(0.0, 1.0), (0.0,)], "theta must be numbers"),
    (("a", 1.0), "theta must be numbers"),
    ((0.0, 1j), "theta must be numbers"),
    ((0.0, object()), "theta must be numbers"),
    (None, "theta"),
    ("gamma", "theta"),
    ((0.0, math.nan), "scale = nan is not finite"),
    ((math.inf, 1.0), "loc = inf is not finite"),
    ((-math.inf, 1.0), "loc = -inf is not finite"),
    ((0.0, -1.0), "scale = -1 must lie strictly between 0 and inf"),
    ((0.0, 0.0), "scale = 0 must lie"),
    ([(0.0, 1.0), (0.0, -1.0)], "scale = -1"),
    ({"loc": 0.0}, "missing"),
    ({}, "missing"),
    ({"loc": 0.0, "scale": 1.0, "shape": 2.0}, "unknown"),
    ({"mu": 0.0, "sigma": 1.0}, "unknown"),
    ({"loc": "a", "scale": 1.0}, "theta must be numbers"),
    ({0: 0.0, 1: 1.0}, "unknown"),
]
#: Changes to the making of a likelihood, the class of the error, and words of its message.
LIKELIHOODS = [
    ({"sample": None}, LikelihoodError, "sample must be a Python function"),
    ({"sample": "normal"}, LikelihoodError, "sample must be a Python function"),
    ({"sample": 3.0}, LikelihoodError, "sample must be a Python function"),
    ({"sample": np.random.default_rng}, LikelihoodError, "sample must be a Python function"),
    ({"sample": one}, LikelihoodError, "sample must take"),
    ({"sample": lambda: 0.0}, LikelihoodError, "sample must take"),
    ({"sample": sample, "size": 2}, LikelihoodError, "sample must take"),
    ({"logpdf": None}, LikelihoodError, "logpdf must be a Python function"),
    ({"logpdf": math.log}, LikelihoodError, "logpdf must be a Python function"),
    ({"logpdf": one}, LikelihoodError, "logpdf must take"),
    ({"score": 1}, LikelihoodError, "score must be a Python function"),
    ({"score": logpdf}, LikelihoodError, "score must take"),
    ({"hessian": "auto"}, LikelihoodError, "hessian must be a Python function"),
    ({"hessian": logpdf}, LikelihoodError, "hessian must take"),
    ({"prepare": 3}, LikelihoodError, "prepare must be a Python function"),
    ({"prepare": lambda: 1.0}, LikelihoodError, "prepare must take"),
    ({"parameters": "loc"}, OptionError, r"write \('loc',\)"),
    ({"parameters": 3}, OptionError, "parameters must be"),
    ({"parameters": ()}, OptionError, "parameters must be"),
    ({"parameters": ("a", "")}, OptionError, "parameters must be"),
    ({"parameters": ("a", 1)}, OptionError, "parameters must be"),
    ({"parameters": ("a", "a")}, OptionError, "differ"),
    ({"domain": 3}, OptionError, "domain must hold"),
    ({"domain": "positive"}, OptionError, "domain must hold"),
    ({"domain": (0.0, 1.0)}, OptionError, "domain must hold"),
    ({"domain": (fastfim.real,)}, OptionError, "domain has 1 entries"),
    ({"domain": (fastfim.real,) * 3}, OptionError, "domain has 3 entries"),
    ({"constraint": 3}, OptionError, "constraint must be a function"),
    ({"constraint": "a < b"}, OptionError, "constraint must be a function"),
    ({"size": 0}, OptionError, "size must be a positive integer"),
    ({"size": -2}, OptionError, "size must be a positive integer"),
    ({"size": 1.5}, OptionError, "size must be a positive integer"),
    ({"size": "2"}, OptionError, "size must be a positive integer"),
    ({"size": True}, OptionError, "size must be a positive integer"),
    ({"name": 3}, OptionError, "name must be a string"),
]
#: Ends of an interval.
INTERVALS = [(1.0, 0.0), (0.0, 0.0), ("a", 1.0), (0.0, None), (math.nan, 1.0), (0.0, math.nan), (0.0, 1j), ([], 1.0)]
#: Methods of an estimate with numbers of observations that cannot be.
OBSERVATIONS = [0, -1, math.nan, math.inf, "10", None, True, [1], 1j]

EVERY_OPTION = [
    pytest.param(name, value, words, id=f"{name}={shown(value):.40}")
    for name, values, words in OPTIONS
    for value in values
]
GOOD = {"likelihood": "norm", "theta": (0.0, 1.0)}


def test_the_table_is_long():
    rows = len(EVERY_OPTION) + len(COMBINATIONS) + len(POINTS) + len(LIKELIHOODS) + len(INTERVALS) + len(OBSERVATIONS)
    assert rows >= 150


@pytest.mark.parametrize(("name", "value", "words"), EVERY_OPTION)
def test_options(name, value, words):
    with pytest.raises(OptionError) as caught:
        estimate(**{**GOOD, name: value})
    message = str(caught.value)
    assert any(word in message for word in words)
    assert name in message or name == "likelihood"
    assert len(message) < 500


@pytest.mark.parametrize(("options", "words"), COMBINATIONS, ids=shown)
def test_combinations(options, words):
    with pytest.raises(OptionError, match=words):
        estimate(**GOOD, **options)


@pytest.mark.parametrize(("theta", "words"), POINTS, ids=shown)
def test_points(theta, words):
    with pytest.raises(ParameterError, match=words):
        estimate("norm", theta)


@pytest.mark.parametrize(("change", "kind", "words"), LIKELIHOODS, ids=shown)
def test_likelihoods(change, kind, words):
    given = {"sample": sample, "logpdf": logpdf, "parameters": ("loc", "scale")} | change
    with pytest.raises(kind, match=words):
        Likelihood(given.pop("sample"), given.pop("logpdf"), **given)


@pytest.mark.parametrize(("low", "high"), INTERVALS, ids=shown)
def test_intervals(low, high):
    with pytest.raises(OptionError, match=r"interval\(low, high\) needs"):
        interval(low, high)


@pytest.fixture(scope="module")
def result():
    return estimate("norm", (0.0, 1.0), draws=64, rng=0)


@pytest.mark.parametrize("n", OBSERVATIONS, ids=shown)
def test_numbers_of_observations(result, n):
    for call in (result.crlb, result.standard_errors, lambda count: result * count):
        with pytest.raises(OptionError, match="n, the number of observations"):
            call(n)


@pytest.mark.parametrize("number", [Decimal("0.01"), Fraction(1, 100), np.float32(0.01), np.float64(0.01)], ids=shown)
def test_numbers_of_other_kinds(number):
    """What stands for a real number is taken, unless Python itself does not call it one."""
    if isinstance(number, Decimal):
        with pytest.raises(OptionError, match="rtol must be a number"):
            estimate(**GOOD, rtol=number, draws=64)
    else:
        assert estimate(**GOOD, rtol=number, draws=64, rng=0).rtol == pytest.approx(0.01)


def test_constants_that_the_functions_do_not_take():
    model = Likelihood(lambda rng, theta, n: rng.normal(), logpdf_with_constant, parameters=("loc", "scale"))
    for args in ((), (1, 2)):
        with pytest.raises(OptionError, match=f"args has {len(args)} constants"):
            estimate(model, (0.0, 1.0), args)


def test_all_errors_have_one_base():
    for name in ("ParameterError", "OptionError", "LikelihoodError", "NonFiniteError", "CheckpointError"):
        assert issubclass(getattr(fastfim, name), FastfimError)
