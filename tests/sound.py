"""Sound models that an examination may stumble over: ends, atoms, surfaces, heavy tails, rare events."""

from __future__ import annotations

from math import exp, inf, lgamma, log, log1p, pi

import numpy as np

from fastfim.likelihood import Likelihood, positive, real, unit_interval


def _one(sample, logpdf, *parameters, domain=positive, name):
    return Likelihood(sample, logpdf, parameters=parameters, domain=domain, name=name)


# Densities that do not vanish where their support ends, and do not say where that is.
exponential = _one(
    lambda rng, theta: rng.exponential(1 / theta[0]),
    lambda x, theta: log(theta[0]) - theta[0] * x,
    "rate",
    name="exponential",
)
half_normal = _one(
    lambda rng, theta: abs(rng.normal(0.0, theta[0])),
    lambda x, theta: 0.5 * log(2 / pi) - log(theta[0]) - 0.5 * (x / theta[0]) ** 2,
    "scale",
    name="half_normal",
)
pareto = _one(
    lambda rng, theta: 1.0 + rng.pareto(theta[0]),
    lambda x, theta: log(theta[0]) - (theta[0] + 1) * log(x) if x >= 1.0 else -inf,
    "shape",
    name="pareto",
)
power = _one(
    lambda rng, theta: rng.power(theta[0]),
    lambda x, theta: log(theta[0]) + (theta[0] - 1) * log(x),
    "shape",
    name="power",
)


def _sample_uniform_mixture(rng, theta):
    return rng.random() if rng.random() < theta[0] else 2.0 * rng.random()


def _logpdf_uniform_mixture(x, theta):
    return log(0.5 + 0.5 * theta[0]) if x < 1.0 else log(0.5 - 0.5 * theta[0])


# A density that jumps where it does not depend on theta.
uniform_mixture = _one(
    _sample_uniform_mixture, _logpdf_uniform_mixture, "weight", domain=unit_interval, name="uniform_mixture"
)


def _sample_zero_inflated(rng, theta):
    return 0.0 if rng.random() < theta[0] else rng.exponential(theta[1])


def _logpdf_zero_inflated(x, theta):
    return log(theta[0]) if x == 0.0 else log1p(-theta[0]) - log(theta[1]) - x / theta[1]


zero_inflated = _one(
    _sample_zero_inflated, _logpdf_zero_inflated, "zero", "mean", domain=(unit_interval, positive), name="zero_inflated"
)


def _sample_censored(rng, theta, limits):
    return min(rng.exponential(1 / theta[0]), limits)


def _logpdf_censored(x, theta, limits):
    return -theta[0] * x + (log(theta[0]) if x < limits else 0.0)


censored = _one(_sample_censored, _logpdf_censored, "rate", name="censored")


def _sample_dirichlet(rng, theta, x):
    x[:] = rng.dirichlet(theta)


def _logpdf_dirichlet(x, theta):
    total = lgamma(theta[0] + theta[1] + theta[2])
    for i in range(3):
        total += (theta[i] - 1) * log(x[i]) - lgamma(theta[i])
    return total


dirichlet = Likelihood(
    _sample_dirichlet, _logpdf_dirichlet, parameters=("a", "b", "c"), domain=positive, size=3, name="dirichlet"
)


def _sample_ordered(rng, theta, x):
    a, b = rng.exponential(theta[0]), rng.exponential(theta[0])
    x[0], x[1] = min(a, b), max(a, b)


def _logpdf_ordered(x, theta):
    return log(2.0) - 2 * log(theta[0]) - (x[0] + x[1]) / theta[0] if x[0] < x[1] else -inf


ordered = Likelihood(_sample_ordered, _logpdf_ordered, parameters=("mean",), domain=positive, size=2, name="ordered")


def _sample_positive_vector(rng, theta, x):
    for i in range(len(x)):
        x[i] = rng.gamma(theta[0], theta[1])


def _logpdf_positive_vector(x, theta):
    total = 0.0
    for i in range(len(x)):
        total += (theta[0] - 1) * log(x[i]) - x[i] / theta[1] - lgamma(theta[0]) - theta[0] * log(theta[1])
    return total


positive_vector = Likelihood(
    _sample_positive_vector,
    _logpdf_positive_vector,
    parameters=("shape", "scale"),
    domain=positive,
    size=4,
    name="positive_vector",
)


def _sample_labelled(rng, theta, x):
    x[0] = rng.random() < theta[0]
    x[1] = rng.normal(theta[1] * x[0], 1.0)


def _logpdf_labelled(x, theta):
    label = log(theta[0]) if x[0] == 1.0 else log1p(-theta[0])
    return label - 0.5 * (x[1] - theta[1] * x[0]) ** 2 - 0.5 * log(2 * pi)


labelled = Likelihood(
    _sample_labelled, _logpdf_labelled, parameters=("p", "shift"), domain=(unit_interval, real), size=2, name="labelled"
)


def _sample_counts(rng, theta, x):
    p = np.array([theta[0], theta[1], 1 - theta[0] - theta[1]])
    x[:] = rng.multinomial(6, p)


def _logpdf_counts(x, theta):
    total = lgamma(7.0)
    for i in range(3):
        p = theta[i] if i < 2 else 1 - theta[0] - theta[1]
        total += x[i] * log(p) - lgamma(x[i] + 1)
    return total


multinomial = Likelihood(
    _sample_counts, _logpdf_counts, parameters=("p", "q"), domain=unit_interval, size=3, name="multinomial"
)


def _logpdf_zipf(x, theta):
    total = 0.0
    for k in range(1, 200):
        total += exp(-theta[0] * log(k))
    m = 200.0  # Euler and Maclaurin for the rest
    total += exp((1 - theta[0]) * log(m)) / (theta[0] - 1) + 0.5 * exp(-theta[0] * log(m))
    total += theta[0] / 12 * exp(-(theta[0] + 1) * log(m))
    return -theta[0] * log(x) - log(total)


zipf = _one(lambda rng, theta: rng.zipf(theta[0]), _logpdf_zipf, "exponent", name="zipf")
geometric = _one(
    lambda rng, theta: rng.geometric(theta[0]),
    lambda x, theta: log(theta[0]) + (x - 1) * log1p(-theta[0]),
    "p",
    domain=unit_interval,
    name="geometric",
)
bernoulli = _one(
    lambda rng, theta: rng.random() < theta[0],
    lambda x, theta: log(theta[0]) if x else log1p(-theta[0]),
    "p",
    domain=unit_interval,
    name="bernoulli",
)
cauchy = Likelihood(
    lambda rng, theta: theta[0] + theta[1] * rng.standard_cauchy(),
    lambda x, theta: -log(pi * theta[1] * (1 + ((x - theta[0]) / theta[1]) ** 2)),
    parameters=("loc", "scale"),
    domain=(real, positive),
    name="cauchy",
)

#: Model, parameters, constants.
MODELS = [
    (exponential, (2.0,), ()),
    (half_normal, (1.5,), ()),
    (pareto, (2.5,), ()),
    (power, (0.4,), ()),
    (uniform_mixture, (0.3,), ()),
    (zero_inflated, (0.2, 3.0), ()),
    (censored, (0.5,), (2.0,)),
    (dirichlet, (0.7, 1.0, 2.5), ()),
    (ordered, (2.0,), ()),
    (positive_vector, (0.8, 2.0), ()),
    (labelled, (0.3, 1.0), ()),
    (multinomial, (0.2, 0.5), ()),
    (zipf, (2.2,), ()),
    (geometric, (0.3,), ()),
    (bernoulli, (1e-3,), ()),
    (cauchy, (1.0, 2.0), ()),
]
