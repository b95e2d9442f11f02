"""Models with data, written as a user would write them, and what is published about them."""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np

from fastfim.likelihood import Likelihood, positive, real

# The 23 space-shuttle launches before the accident of January 1986: temperature at the joints in degrees Fahrenheit,
# and whether an O-ring suffered thermal distress (Dalal, Fowlkes and Hoadley 1989, JASA 84), in order of flight.
TEMPERATURES = np.array([66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58.0])
DISTRESS = np.isin(np.arange(1, 24), [2, 9, 10, 11, 14, 21, 23]).astype(float)
LAUNCHES = np.column_stack([np.ones(23), TEMPERATURES])


def _sample_unequal_noise(rng, theta, z, c):
    mu, variance, alpha = theta
    for i in range(len(c)):
        z[i] = rng.normal(mu, sqrt(variance + c[i] * alpha))


def _logpdf_unequal_noise(z, theta, c):
    mu, variance, alpha = theta
    total = 0.0
    for i in range(len(c)):
        v = variance + c[i] * alpha
        total -= 0.5 * (log(2 * pi * v) + (z[i] - mu) ** 2 / v)
    return total


def _observations(c):
    return len(c)


# Independent z_i ~ N(mu, variance + c_i alpha): Das, Spall and Ghanem (2010), Efficient Monte Carlo computation of
# Fisher information matrix using prior information, Computational Statistics and Data Analysis 54.
unequal_noise = Likelihood(
    _sample_unequal_noise,
    _logpdf_unequal_noise,
    parameters=("mu", "variance", "alpha"),
    domain=(real, positive, positive),
    size=_observations,
    name="unequal_noise",
)
NOISE_WEIGHTS = 1.03592551 * ((np.arange(1, 31) - 0.5) / 30) ** 1.08158313


def unequal_noise_information(theta, c):
    """Exact matrix: the sum of 1 / v for the mean, of the derivatives' products over 2 v^2 for the variances."""
    _, variance, alpha = theta
    v = variance + c * alpha
    derivatives = np.stack([np.ones_like(c), c])
    matrix = np.zeros((3, 3))
    matrix[0, 0] = np.sum(1 / v)
    matrix[1:, 1:] = derivatives / (2 * v**2) @ derivatives.T
    return matrix
