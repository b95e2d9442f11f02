"""The whole estimate in plain Python: slow, obvious, and nothing shared with the package but the user's two functions.

Each stream has a NumPy generator of its own; the score is a central difference of the log density; a stream's estimate
is the mean outer product of its scores; the answer is the mean over streams and its error their spread.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class NaiveEstimate(NamedTuple):
    fim: np.ndarray
    standard_error: np.ndarray
    replicates: np.ndarray


def naive_draw(likelihood, rng, theta, args):
    """One draw: a float, or a new vector."""
    bound = likelihood.bind(args)
    if likelihood.scalar:
        return float(likelihood.sample(rng, theta, *bound.args))
    x = np.full(bound.size, np.nan)
    likelihood.sample(rng, theta, x, *bound.args)
    return x


def naive_score(likelihood, x, theta, args):
    """Gradient of the log density by central differences of fourth order, good to about ten digits."""
    theta = np.asarray(theta, dtype=float)
    score = np.empty(len(theta))
    for j in range(len(theta)):
        step = np.zeros(len(theta))
        step[j] = 1e-3 * min(1.0, abs(theta[j]) or 1.0, 1.0 - abs(theta[j]) if abs(theta[j]) < 1.0 else 1.0)
        near = likelihood.logpdf(x, theta + step, *args) - likelihood.logpdf(x, theta - step, *args)
        far = likelihood.logpdf(x, theta + 2 * step, *args) - likelihood.logpdf(x, theta - 2 * step, *args)
        score[j] = (8 * near - far) / (12 * step[j])
    return score


def naive_estimate(likelihood, theta, args=(), *, streams=32, draws_per_stream=256, seed=0, score=naive_score):
    """Fisher information with its standard error by independent draws and outer products of scores."""
    theta = np.asarray(theta, dtype=float)
    replicates = []
    for sequence in np.random.SeedSequence(seed).spawn(streams):
        rng = np.random.default_rng(sequence)
        total = np.zeros((len(theta), len(theta)))
        for _ in range(draws_per_stream):
            s = score(likelihood, naive_draw(likelihood, rng, theta, args), theta, args)
            total += np.outer(s, s)
        replicates.append(total / draws_per_stream)
    replicates = np.array(replicates)
    return NaiveEstimate(replicates.mean(0), replicates.std(0, ddof=1) / np.sqrt(streams), replicates)
