"""What a user may give as a likelihood, and what is refused with which words."""

import pickle
from math import inf, nan

import numpy as np
import pytest
from ids import shown

import fastfim
from fastfim import Likelihood, LikelihoodError, OptionError, ParameterError, interval, positive, real, unit_interval


def sample(rng, theta):
    return rng.normal(theta[0], theta[1])


def logpdf(x, theta):
    return -0.5 * ((x - theta[0]) / theta[1]) ** 2 - np.log(theta[1])


def likelihood(sample=sample, logpdf=logpdf, **options):
    return Likelihood(sample, logpdf, **{"parameters": ("m", "s"), **options})


def test_the_functions_run_uncompiled():
    assert isinstance(sample(np.random.default_rng(0), (0.0, 1.0)), float)
    assert logpdf(0.0, (0.0, 1.0)) == 0.0


def test_defaults():
    model = likelihood()
    assert model.name == "logpdf"
    assert model.size == 1
    assert model.domain == (real, real)
    assert repr(model) == "Likelihood('logpdf', parameters=('m', 's'))"
    assert likelihood(name="bell").name == "bell"


def test_one_domain_serves_all_parameters():
    assert likelihood(domain=positive).domain == (positive, positive)
    assert likelihood(domain=[real, interval(0, 2)]).domain[1].high == 2.0


def test_names_domains_and_length_may_depend_on_the_constants():
    def sample(rng, theta, x, X):
        x[0] = rng.normal()

    def logpdf(x, theta, X):
        return 0.0

    model = Likelihood(
        sample,
        logpdf,
        parameters=lambda X: [f"b{j}" for j in range(X.shape[1])],
        domain=lambda X: [positive] * X.shape[1],
        size=lambda X: len(X),
    )
    bound = model.bind((np.ones((7, 3)),))
    assert bound.parameters == ("b0", "b1", "b2")
    assert bound.domain == (positive,) * 3
    assert bound.size == 7
    with pytest.raises(OptionError, match=r"parameters is a function of args, and .* failed"):
        model.bind((3.0,))


def test_a_likelihood_of_module_functions_can_be_pickled():
    again = pickle.loads(pickle.dumps(likelihood(domain=positive)))
    assert again.sample is sample
    assert again.domain == (positive, positive)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"sample": 3}, LikelihoodError, "sample must be a Python function"),
        ({"logpdf": "norm"}, LikelihoodError, "logpdf must be a Python function"),
        ({"logpdf": lambda x: 0.0}, LikelihoodError, r"logpdf must take \(x, theta, \*args\)"),
        ({"sample": lambda rng: 0.0}, LikelihoodError, r"sample must take \(rng, theta, \*args\)"),
        ({"size": 3}, LikelihoodError, r"sample must take \(rng, theta, x, \*args\)"),
        ({"score": lambda x, theta: 0.0}, LikelihoodError, r"score must take \(x, theta, out, \*args\)"),
        ({"hessian": 1}, LikelihoodError, "hessian must be a Python function"),
        ({"prepare": 1}, LikelihoodError, "prepare must be a Python function"),
        ({"constraint": True}, OptionError, "constraint must be a function"),
        ({"size": 0}, OptionError, "size must be a positive integer"),
        ({"size": 1.0}, OptionError, "size must be a positive integer"),
        ({"size": True}, OptionError, "size must be a positive integer"),
        ({"parameters": "mu"}, OptionError, r"write \('mu',\)"),
        ({"parameters": ()}, OptionError, "one or more"),
        ({"parameters": ("a", "a")}, OptionError, "must differ"),
        ({"parameters": (1, 2)}, OptionError, "non-empty names"),
        ({"parameters": 2}, OptionError, "sequence of names"),
        ({"domain": [real]}, OptionError, "domain has 1 entries"),
        ({"domain": ["positive", "real"]}, OptionError, "domain must hold"),
        ({"domain": 3}, OptionError, "domain must hold"),
        ({"name": 3}, OptionError, "name must be a string"),
    ],
    ids=shown,
)
def test_what_is_refused(change, error, words):
    with pytest.raises(error, match=words) as caught:
        likelihood(**change)
    if isinstance(caught.value, LikelihoodError) and caught.value.file:
        assert caught.value.file == __file__


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (nan, 1), ("a", 1), (None, 1)])
def test_an_interval_needs_two_ordered_ends(low, high):
    with pytest.raises(OptionError, match="interval"):
        interval(low, high)


def test_intervals_are_open():
    assert 0.0 not in positive
    assert 1e-300 in positive
    assert inf not in positive
    assert 1.0 not in unit_interval
    assert repr(interval(-1, 1)) == "interval(-1, 1)"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([1.0], "args must be a tuple"),
        (np.ones(3), "args must be a tuple"),
        (1.0, r"write args=\(value,\)"),
        (("text",), r"args\[0\]"),
        ((None,), r"args\[0\]"),
        ((1j,), r"args\[0\]"),
        (([[1.0], [1.0, 2.0]],), r"args\[0\]"),
        ((np.array([2**63], dtype=np.uint64),), "beyond int64"),
        ((1.0, 2.0), "args has 2 constants"),
        ((), "args has 0 constants"),
    ],
    ids=shown,
)
def test_constants_that_cannot_be_used(args, words):
    def with_one(x, theta, k):
        return 0.0

    def sample_with_one(rng, theta, k):
        return 0.0

    with pytest.raises(OptionError, match=words):
        likelihood(sample_with_one, with_one).bind(args)


def test_constants_become_what_compiled_code_takes():
    def with_five(x, theta, a, b, c, d, e):
        return 0.0

    def sample_with_five(rng, theta, a, b, c, d, e):
        return 0.0

    values = (True, np.float32(0.5), [1, 2], np.arange(6.0).reshape(2, 3).T, np.ones(2, dtype=bool))
    a, b, c, d, e = likelihood(sample_with_five, with_five).bind(values).args
    assert (a, b) == (1, 0.5)
    assert isinstance(b, float)
    assert c.dtype == e.dtype == np.int64
    assert d.flags.c_contiguous
    assert d.shape == (3, 2)


def test_theta_is_the_callers_no_longer():
    theta = np.array([0.0, 1.0])
    vector = likelihood().bind().theta(theta)
    theta[0] = 5.0
    assert vector[0] == 0.0
    assert not vector.flags.writeable


def test_a_constraint_may_be_silent_or_speak():
    silent = likelihood(constraint=lambda theta: theta[0] < theta[1])
    with pytest.raises(ParameterError, match="violates"):
        silent.bind().theta((2.0, 1.0))
    assert silent.bind().theta((0.0, 1.0))[1] == 1.0


def test_errors_have_one_base():
    for error in (ParameterError, OptionError, LikelihoodError, fastfim.NonFiniteError, fastfim.CheckpointError):
        assert issubclass(error, fastfim.FastfimError)
    assert issubclass(ParameterError, ValueError)
    assert issubclass(LikelihoodError, TypeError)
    assert issubclass(fastfim.NonFiniteError, ArithmeticError)


def test_does_not_change_and_is_bound_once():
    model = likelihood()
    assert model.bind() is model.bind(())
    assert model.bind(wrt=model.bind().names[:1]) is not model.bind()
    with pytest.raises(AttributeError, match="another one with another logpdf"):
        model.logpdf = model.sample
