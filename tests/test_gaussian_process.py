"""Scores of a Gaussian process with a length scale a dimension, against Rasmussen and Williams (2006), equation 5.9.

Few parameters go by forward mode, many by a tape; Cholesky factors, systems and determinants have to serve both.
"""

import math

import numpy as np
import pytest

from fastfim import Likelihood, positive
from fastfim.kernels.block import Block, Job, chunks_of

POINTS = 6


def covariance(theta, t):
    K = np.zeros((POINTS, POINTS))
    for i in range(POINTS):
        for j in range(POINTS):
            total = 0.0
            for k in range(len(theta)):
                total += theta[k] * (t[i, k] - t[j, k]) ** 2
            K[i, j] = math.exp(-total)
        K[i, i] += 0.5
    return K


def sample(rng, theta, x, t):
    for i in range(POINTS):
        x[i] = rng.standard_normal()


def by_factor(x, theta, t):
    L = np.linalg.cholesky(covariance(theta, t))
    z = np.linalg.solve(L, x)
    return -0.5 * (z @ z) - np.sum(np.log(np.diag(L)))


def by_system(x, theta, t):
    K = covariance(theta, t)
    return -0.5 * (x @ np.linalg.solve(K, x)) - 0.5 * np.linalg.slogdet(K)[1]


@pytest.mark.parametrize("logpdf", [by_factor, by_system], ids=lambda f: f.__name__)
@pytest.mark.parametrize("p", [4, 40])
def test_scores(logpdf, p):
    t, theta = np.random.default_rng(0).normal(scale=0.2, size=(POINTS, p)), np.linspace(0.5, 1.5, p)
    model = Likelihood(sample, logpdf, parameters=[f"l{k}" for k in range(p)], size=POINTS, domain=positive).bind((t,))
    (chunk,) = chunks_of(Job(model, theta, 0, 1), Block(0, 0, 5))
    K = covariance(theta, t)
    inverse = np.linalg.inv(K)
    for x, score in zip(chunk.draws, chunk.scores, strict=True):
        z = inverse @ x
        slopes = [-((t[:, None, k] - t[None, :, k]) ** 2) * (K - 0.5 * np.eye(POINTS)) for k in range(p)]
        exact = [0.5 * (z @ D @ z - np.trace(inverse @ D)) for D in slopes]
        np.testing.assert_allclose(score, exact, rtol=1e-10, atol=1e-12 * np.abs(exact).max())
