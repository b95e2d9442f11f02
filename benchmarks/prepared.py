"""What ``prepare`` is worth: three likelihoods whose normalization depends on theta alone, with it and without.

`MODELS` holds for each the name, the likelihood with ``prepare``, the same where sampler and density work it out anew
for every draw, theta and constants.
"""

from math import exp, lgamma, log, pi

import numpy as np

import fastfim
from fastfim import Likelihood
from fastfim.kernels.block import Block, Job, run_block

from .throughput import best_seconds

# ---------------------------------------------------------------- a Gaussian process at given times


def process_factor(theta, t):
    """Cholesky factor of the covariance, and its log determinant."""
    amplitude, length, noise = theta
    n = len(t)
    covariance = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            covariance[i, j] = amplitude**2 * exp(-0.5 * ((t[i] - t[j]) / length) ** 2)
        covariance[i, i] += noise**2
    factor = np.linalg.cholesky(covariance)
    return factor, 2 * np.sum(np.log(np.diag(factor)))


def sample_process(rng, theta, x, t, prepared):
    factor, _ = prepared
    z = np.empty(len(t))
    for i in range(len(t)):
        z[i] = rng.standard_normal()
        total = 0.0
        for j in range(i + 1):
            total += factor[i, j] * z[j]
        x[i] = total


def process_logpdf(x, theta, t, prepared):
    factor, logdet = prepared
    z = np.linalg.solve(factor, x)
    return -0.5 * (z @ z + logdet + len(t) * log(2 * pi))


def sample_process_anew(rng, theta, x, t):
    sample_process(rng, theta, x, t, process_factor(theta, t))


def process_logpdf_anew(x, theta, t):
    return process_logpdf(x, theta, t, process_factor(theta, t))


# ---------------------------------------------------------------- Conway-Maxwell-Poisson counts

TERMS = 100


def count_masses(theta):
    """Logarithms of the masses of 0 .. TERMS - 1 but for the constant, and the logarithm of the constant."""
    rate, dispersion = theta
    logs = np.empty(TERMS)
    total = 0.0
    for k in range(TERMS):
        logs[k] = k * log(rate) - dispersion * lgamma(k + 1.0)
        total += exp(logs[k])
    return logs, log(total)


def sample_count(rng, theta, prepared):
    logs, constant = prepared
    u = rng.random()
    for k in range(TERMS):
        u -= exp(logs[k] - constant)
        if u < 0:
            return k
    return TERMS - 1


def count_logpmf(k, theta, prepared):
    logs, constant = prepared
    return logs[int(k)] - constant


def sample_count_anew(rng, theta):
    return sample_count(rng, theta, count_masses(theta))


def count_logpmf_anew(k, theta):
    return count_logpmf(k, theta, count_masses(theta))


# ---------------------------------------------------------------- an Ising model: ten spins on a ring

SPINS = 10


def ising_energy(state, theta):
    """Coupling times agreeing neighbours plus field times spins, of a state whose bits are the spins."""
    coupling, field = theta
    agreement, magnetization = 0, 0
    for i in range(SPINS):
        spin, neighbour = state >> i & 1, state >> (i + 1) % SPINS & 1
        agreement += 1 - 2 * (spin ^ neighbour)
        magnetization += 2 * spin - 1
    return coupling * agreement + field * magnetization


def ising_states(theta):
    """Running sums of the weights of all states, and the logarithm of the last."""
    sums = np.empty(1 << SPINS)
    total = 0.0
    for state in range(1 << SPINS):
        total += exp(ising_energy(state, theta))
        sums[state] = total
    return sums, log(total)


def sample_ising(rng, theta, prepared):
    sums, _ = prepared
    return np.searchsorted(sums, rng.random() * sums[-1])


def ising_logpmf(state, theta, prepared):
    return ising_energy(int(state), theta) - prepared[1]


def sample_ising_anew(rng, theta):
    return sample_ising(rng, theta, ising_states(theta))


def ising_logpmf_anew(state, theta):
    return ising_logpmf(state, theta, ising_states(theta))


# ---------------------------------------------------------------- with and without


def pair(sample, logpdf, prepare, sample_anew, logpdf_anew, **options):
    """The same likelihood twice."""
    return Likelihood(sample, logpdf, prepare=prepare, **options), Likelihood(sample_anew, logpdf_anew, **options)


MODELS = {
    "Gaussian process, 50 points": (
        *pair(
            sample_process,
            process_logpdf,
            process_factor,
            sample_process_anew,
            process_logpdf_anew,
            parameters=("amplitude", "length", "noise"),
            size=len,
            domain=fastfim.positive,
        ),
        (1.5, 0.3, 0.4),
        (np.linspace(0.0, 1.0, 50),),
    ),
    "Conway-Maxwell-Poisson": (
        *pair(
            sample_count,
            count_logpmf,
            count_masses,
            sample_count_anew,
            count_logpmf_anew,
            parameters=("rate", "dispersion"),
            domain=fastfim.positive,
        ),
        (3.0, 0.8),
        (),
    ),
    "Ising ring, 10 spins": (
        *pair(
            sample_ising,
            ising_logpmf,
            ising_states,
            sample_ising_anew,
            ising_logpmf_anew,
            parameters=("coupling", "field"),
        ),
        (0.3, 0.1),
        (),
    ),
}


class Prepare:
    """How many times faster a draw is with ``prepare``."""

    params = (list(MODELS), [1, 2])
    param_names = ("likelihood", "order")
    unit = ""
    timeout = 300

    def setup(self, name, order):
        with_it, without, theta, args = MODELS[name]
        self.jobs = [Job(m.bind(args), m.bind(args).theta(theta), 0, order) for m in (with_it, without)]
        for job in self.jobs:
            run_block(job, Block(0, 0, 10))

    def seconds(self, job, draws):
        """Seconds a draw."""
        return best_seconds(lambda: run_block(job, Block(0, 0, draws)), 5) / draws

    def track_ratio(self, name, order):
        with_it, without = self.jobs
        return self.seconds(without, 500) / self.seconds(with_it, 10_000)

    track_ratio.unit = "times"
