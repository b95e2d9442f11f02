"""Models with one thing wrong, written as a user would write them."""

from math import exp, inf, lgamma, log, log1p, pi, sqrt

from fastfim.likelihood import Likelihood, interval, positive, real, unit_interval

#: Normalizing constant of exp(-z^2/2 - |z|/100), by quadrature.
_WEAK_KINK = 0.9109778203202477


def _sample_weak_kink(rng, theta):
    while True:
        z = rng.normal()
        if rng.random() < exp(-0.01 * abs(z)):
            return theta[0] + z


def _logpdf_uniform(x, theta):
    return -log(theta[0]) if x < theta[0] else -inf


# The density has a kink: minus the mean Hessian is 0 for the location of the one, and 1 for that of the other, whose
# information is 1.008.
laplace = Likelihood(
    lambda rng, theta: rng.laplace(theta[0], theta[1]),
    lambda x, theta: -log(2 * theta[1]) - abs(x - theta[0]) / theta[1],
    parameters=("loc", "scale"),
    domain=(real, positive),
    name="laplace",
)
weak_kink = Likelihood(
    _sample_weak_kink,
    lambda x, theta: -0.5 * (x - theta[0]) ** 2 - 0.01 * abs(x - theta[0]) - _WEAK_KINK,
    parameters=("loc",),
    name="weak_kink",
)

# An exponential with rate theta whose constant log(theta) has been left out.
unnormalized = Likelihood(
    lambda rng, theta: rng.exponential(1 / theta[0]),
    lambda x, theta: -theta[0] * x,
    parameters=("rate",),
    domain=positive,
    name="unnormalized",
)

# The support moves with theta.
uniform = Likelihood(
    lambda rng, theta: rng.uniform(0, theta[0]), _logpdf_uniform, parameters=("high",), domain=positive, name="uniform"
)

# The sampler has heavier tails than the density says; the mean score is zero all the same.
t_for_normal = Likelihood(
    lambda rng, theta: rng.standard_t(5) + theta[0],
    lambda x, theta: -0.5 * (x - theta[0]) ** 2,
    parameters=("loc",),
    name="t_for_normal",
)

# Nothing wrong, but next to no draw says anything if the probability is small.
bernoulli = Likelihood(
    lambda rng, theta: rng.random() < theta[0],
    lambda x, theta: log(theta[0]) if x else log1p(-theta[0]),
    parameters=("p",),
    domain=unit_interval,
    name="bernoulli",
)

# ---------------------------------------------------------------- one slip each


def _normal(x, loc, scale):
    return -0.5 * ((x - loc) / scale) ** 2 - log(scale) - 0.5 * log(2 * pi)


def _sample_normal(rng, theta):
    return rng.normal(theta[0], theta[1])


def _logpdf_normal(x, theta):
    return _normal(x, theta[0], theta[1])


def _sample_truncated(rng, theta):
    while True:
        x = rng.normal(theta[0], theta[1])
        if x < theta[0] + 2 * theta[1]:
            return x


def _wrong_score(x, theta, out):
    out[0] = (x - theta[0]) / theta[1] ** 2
    out[1] = (x - theta[0]) ** 2 / theta[1] ** 2 - 1 / theta[1]


def _wrong_hessian(x, theta, out):
    z = (x - theta[0]) / theta[1]
    out[0, 0] = -1 / theta[1] ** 2
    out[0, 1] = out[1, 0] = -2 * z / theta[1] ** 2
    out[1, 1] = (1 - 2 * z**2) / theta[1] ** 2


def normal(sample=_sample_normal, logpdf=_logpdf_normal, name="normal", **options):
    """A normal likelihood with something else about it."""
    return Likelihood(sample, logpdf, parameters=("loc", "scale"), domain=(real, positive), name=name, **options)


wrong_constant = normal(
    logpdf=lambda x, theta: -0.5 * ((x - theta[0]) / theta[1]) ** 2 - 2 * log(theta[1]), name="wrong_constant"
)
wrong_scale = normal(sample=lambda rng, theta: rng.normal(theta[0], 1.1 * theta[1]), name="wrong_scale")
truncated = normal(sample=_sample_truncated, name="truncated")
wrong_score = normal(score=_wrong_score, name="wrong_score")
wrong_hessian = normal(hessian=_wrong_hessian, name="wrong_hessian")

# The logarithm of a normal draw is normal, but log(x) is missing.
missing_jacobian = normal(
    sample=lambda rng, theta: rng.lognormal(theta[0], theta[1]),
    logpdf=lambda x, theta: _normal(log(x), theta[0], theta[1]),
    name="missing_jacobian",
)
rate_for_scale = Likelihood(
    lambda rng, theta: rng.gamma(theta[0], theta[1]),
    lambda x, theta: theta[0] * log(theta[1]) - lgamma(theta[0]) + (theta[0] - 1) * log(x) - theta[1] * x,
    parameters=("shape", "rate"),
    domain=positive,
    name="rate_for_scale",
)
# Supports that move, of densities that do not say where they end.
unbounded_uniform = Likelihood(
    lambda rng, theta: rng.uniform(0, theta[0]),
    lambda x, theta: -log(theta[0]),
    parameters=("high",),
    domain=positive,
    name="unbounded_uniform",
)
shifted_exponential = Likelihood(
    lambda rng, theta: theta[0] + rng.exponential(),
    lambda x, theta: theta[0] - x,
    parameters=("shift",),
    name="shifted_exponential",
)
t_with_equal_variance = Likelihood(
    lambda rng, theta: theta[0] + sqrt(0.6) * rng.standard_t(5),
    lambda x, theta: _normal(x, theta[0], 1.0),
    parameters=("loc",),
    name="t_with_equal_variance",
)


def _sample_category(rng, theta):
    u = rng.random()
    return 0 if u < 0.5 else (1 if u < 0.5 + 0.5 * theta[0] else 2)


def _logpdf_category(x, theta):
    if x == 0:
        return log(0.4)
    if x == 1:
        return log(0.5 * theta[0])
    return log(0.1) if x == 3 else log(0.5 * (1 - theta[0]))


# Of the categories 0, 1, 2 and 3 the last is never drawn.
never_drawn = Likelihood(
    _sample_category, _logpdf_category, parameters=("p",), domain=unit_interval, name="never_drawn"
)


def _sample_walk(rng, theta, x):
    x[0] = rng.normal(0.0, theta[0])
    for i in range(1, len(x)):
        x[i] = x[i - 1] + rng.normal(0.0, theta[0])


def _logpdf_walk(x, theta):
    total = _normal(x[0], 0.0, theta[0])
    for i in range(1, len(x) - 1):
        total += _normal(x[i], x[i - 1], theta[0])
    return total


# A random walk whose last step has been forgotten.
off_by_one = Likelihood(_sample_walk, _logpdf_walk, parameters=("scale",), domain=positive, size=10, name="off_by_one")


def _sample_series(rng, theta, x):
    x[0] = rng.normal() / sqrt(1 - theta[0] ** 2)
    for i in range(1, len(x)):
        x[i] = theta[0] * x[i - 1] + rng.normal()


def _logpdf_series(x, theta):
    total = _normal(x[0], 0.0, 1 / sqrt(1 - theta[0] ** 2))
    for i in range(2, len(x)):
        total += _normal(x[i], theta[0] * x[i - 1], 1.0)
    return total


# A series that forgets the step from its first value to its second; both identities hold all the same.
late_start = Likelihood(
    _sample_series, _logpdf_series, parameters=("phi",), domain=interval(-1, 1), size=40, name="late_start"
)


def _sample_pair(rng, theta, x):
    x[0] = rng.normal()
    x[1] = theta[0] * x[0] + (1 - theta[0] ** 2) * rng.normal()


def _logpdf_pair(x, theta):
    return _normal(x[0], 0.0, 1.0) + _normal(x[1], theta[0] * x[0], sqrt(1 - theta[0] ** 2))


# A variance for a standard deviation: 0.96 for 0.98.
small_slip = Likelihood(
    _sample_pair, _logpdf_pair, parameters=("r",), domain=interval(-1, 1), size=2, name="small_slip"
)


def _sample_t_vector(rng, theta, x):
    for i in range(len(x)):
        x[i] = theta[0] + sqrt(0.6) * rng.standard_t(5)


def _logpdf_normal_vector(x, theta):
    total = 0.0
    for i in range(len(x)):
        total += _normal(x[i], theta[0], 1.0)
    return total


t_vector = Likelihood(_sample_t_vector, _logpdf_normal_vector, parameters=("loc",), size=5, name="t_vector")
