"""Models with one thing wrong, written as a user would write them."""

from math import exp, inf, log, log1p

from fastfim.likelihood import Likelihood, positive, real, unit_interval

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
