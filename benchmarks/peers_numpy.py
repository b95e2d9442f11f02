"""Scores by hand, vectorised with NumPy: what one would write without fastfim. `PEERS` maps a model's name to
``scores(rng, theta, n)``, the scores (n, p) of n new draws; the models are those of `models.MODELS`."""

import numpy as np
from scipy.special import digamma

from .workloads import factor_and_precision

FACTOR, PRECISION = factor_and_precision()


def norm(rng, theta, n):
    _, scale = theta
    z = rng.standard_normal(n)
    return np.stack([z / scale, (z * z - 1) / scale], axis=1)


def gamma(rng, theta, n):
    shape, rate = theta
    x = rng.gamma(shape, 1 / rate, n)
    return np.stack([np.log(rate) - digamma(shape) + np.log(x), shape / rate - x], axis=1)


def t(rng, theta, n):
    df, _, scale = theta
    z = rng.standard_t(df, n)
    q = z * z / df
    w = (df + 1) / (df * (1 + q))
    by_df = 0.5 * (digamma((df + 1) / 2) - digamma(df / 2) - 1 / df - np.log1p(q) + w * z * z / df)
    return np.stack([by_df, w * z / scale, (w * z * z - 1) / scale], axis=1)


def normal_mixture(rng, theta, n):
    weight, loc1, scale1, loc2, scale2 = theta
    first = rng.random(n) < weight
    x = np.where(first, loc1, loc2) + np.where(first, scale1, scale2) * rng.standard_normal(n)
    a, b = (x - loc1) / scale1, (x - loc2) / scale2
    f, g = np.exp(-0.5 * a * a) / scale1, np.exp(-0.5 * b * b) / scale2
    mixed = weight * f + (1 - weight) * g
    one, two = weight * f / mixed, (1 - weight) * g / mixed
    columns = [(f - g) / mixed, one * a / scale1, one * (a * a - 1) / scale1]
    return np.stack([*columns, two * b / scale2, two * (b * b - 1) / scale2], axis=1)


def logistic(rng, theta, n):
    covariates = rng.standard_normal((n, len(theta)))
    p = 1 / (1 + np.exp(-covariates @ theta))
    return covariates * ((rng.random(n) < p) - p)[:, None]


def ar1(rng, theta, n):
    const, coef, scale = theta
    steps, rest = 100, 1 - coef * coef
    x = np.empty((n, steps))
    x[:, 0] = const / (1 - coef) + scale / np.sqrt(rest) * rng.standard_normal(n)
    noise = rng.standard_normal((n, steps - 1))
    for i in range(1, steps):
        x[:, i] = const + coef * x[:, i - 1] + scale * noise[:, i - 1]
    start = x[:, 0] - const / (1 - coef)
    by_const = rest / (1 - coef) * start / scale**2 + noise.sum(axis=1) / scale
    by_coef = (coef * start**2 + rest * start * const / (1 - coef) ** 2) / scale**2 - coef / rest
    by_coef += np.einsum("ni,ni->n", noise, x[:, :-1]) / scale
    squares = rest * start**2 / scale**2 + np.einsum("ni,ni->n", noise, noise)
    return np.stack([by_const, by_coef, (squares - steps) / scale], axis=1)


def garch(rng, theta, n):
    omega, alpha, beta = theta
    rest = 1 - alpha - beta
    variance = np.full(n, omega / rest)
    slopes = np.tile([1 / rest, omega / rest**2, omega / rest**2], (n, 1))
    scores = np.zeros((n, 3))
    for _ in range(100):
        square = variance * rng.standard_normal(n) ** 2
        scores += (0.5 * (square / variance - 1) / variance)[:, None] * slopes
        slopes = beta * slopes + np.stack([np.ones(n), square, variance], axis=1)
        variance = omega + alpha * square + beta * variance
    return scores


def inflated(rng, theta, n):
    inflation, mean = theta
    x = np.where(rng.random(n) < inflation, 0, rng.poisson(mean, n))
    none = np.exp(-mean)
    zero = inflation + (1 - inflation) * none
    by_inflation = np.where(x == 0, (1 - none) / zero, -1 / (1 - inflation))
    return np.stack([by_inflation, np.where(x == 0, -(1 - inflation) * none / zero, x / mean - 1)], axis=1)


def normal3(rng, theta, n):
    upper = np.triu_indices(3)
    covariance = np.empty((3, 3))
    covariance[upper] = covariance.T[upper] = theta[3:]
    factor, precision = np.linalg.cholesky(covariance), np.linalg.inv(covariance)
    by_mean = rng.standard_normal((n, 3)) @ factor.T @ precision
    products = by_mean[:, upper[0]] * by_mean[:, upper[1]] - precision[upper]
    return np.concatenate([by_mean, np.where(upper[0] == upper[1], 0.5, 1.0) * products], axis=1)


def level(rng, theta, n):
    walk, noise = theta
    steps = np.array([walk, noise])
    true, mean, slopes = rng.standard_normal(n), np.zeros(n), np.zeros((2, n))
    variance, variance_slopes, scores = 1.0, np.zeros(2), np.zeros((2, n))
    for _ in range(50):
        x = true + noise * rng.standard_normal(n)
        true = true + walk * rng.standard_normal(n)
        spread, spread_slopes = variance + noise * noise, variance_slopes + np.array([0.0, 2 * noise])
        surprise = x - mean
        relative = (spread_slopes / spread)[:, None]
        scores += 0.5 * relative * (surprise**2 / spread - 1) + surprise * slopes / spread
        gain = variance / spread
        gain_slopes = (variance_slopes - gain * spread_slopes) / spread
        slopes = slopes * (1 - gain) + gain_slopes[:, None] * surprise
        mean = mean + gain * surprise
        variance_slopes = variance_slopes * (1 - gain) - variance * gain_slopes + 2 * steps * [1.0, 0.0]
        variance = variance * (1 - gain) + walk * walk
    return scores.T


def normal_mean(rng, theta, n):
    return rng.standard_normal((n, len(theta))) @ FACTOR @ PRECISION


PEERS = {
    "norm": norm,
    "gamma": gamma,
    "t": t,
    "normal_mixture": normal_mixture,
    "logistic, 20 random covariates": logistic,
    "AR(1), T = 100": ar1,
    "GARCH(1,1), T = 100": garch,
    "zero-inflated Poisson": inflated,
    "3-d normal (9)": normal3,
    "local level, T = 50": level,
    "normal mean, score by hand": normal_mean,
}
