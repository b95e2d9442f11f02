"""The same log densities in JAX, with its own random numbers: scores are jit(vmap(grad)) in float64.

`PEERS` maps a model's name to ``(draw(key, theta, n), logpdf(x, theta))``; `scores` makes a compiled function of them.
Only used where JAX is installed.
"""

import functools
from math import log, pi

from .workloads import factor_and_precision

try:
    import jax
    import jax.numpy as jnp
    from jax.scipy.special import gammaln, logsumexp
except ModuleNotFoundError:
    pass  # nothing here is called without JAX, but asv imports every file
else:
    jax.config.update("jax_enable_x64", True)

HALF_LOG_2PI = 0.5 * log(2 * pi)


def draw_norm(key, theta, n):
    return theta[0] + theta[1] * jax.random.normal(key, (n,))


def norm(x, theta):
    return -0.5 * ((x - theta[0]) / theta[1]) ** 2 - jnp.log(theta[1]) - HALF_LOG_2PI


def draw_gamma(key, theta, n):
    return jax.random.gamma(key, theta[0], (n,)) / theta[1]


def gamma(x, theta):
    shape, rate = theta
    return shape * jnp.log(rate) - gammaln(shape) + (shape - 1) * jnp.log(x) - rate * x


def draw_t(key, theta, n):
    return theta[1] + theta[2] * jax.random.t(key, theta[0], (n,))


def t(x, theta):
    df, loc, scale = theta
    constant = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * jnp.log(df * jnp.pi) - jnp.log(scale)
    return constant - (df + 1) / 2 * jnp.log1p(((x - loc) / scale) ** 2 / df)


def draw_mixture(key, theta, n):
    weight, loc1, scale1, loc2, scale2 = theta
    which, noise = jax.random.split(key)
    first = jax.random.uniform(which, (n,)) < weight
    return jnp.where(first, loc1, loc2) + jnp.where(first, scale1, scale2) * jax.random.normal(noise, (n,))


def mixture(x, theta):
    weight, loc1, scale1, loc2, scale2 = theta
    one = jnp.log(weight) + norm(x, (loc1, scale1))
    return logsumexp(jnp.array([one, jnp.log(1 - weight) + norm(x, (loc2, scale2))]))


def draw_logistic(key, theta, n):
    covariates, response = jax.random.split(key)
    x = jax.random.normal(covariates, (n, len(theta)))
    y = jax.random.uniform(response, (n,)) < jax.nn.sigmoid(x @ theta)
    return jnp.concatenate([x, y[:, None]], axis=1)


def logistic(x, theta):
    eta = x[:-1] @ theta
    return x[-1] * eta - jnp.logaddexp(0.0, eta)


def draw_ar1(key, theta, n):
    const, coef, scale = theta
    noise = jax.random.normal(key, (100, n))

    def step(x, z):
        x = const + coef * x + scale * z
        return x, x

    start = const / (1 - coef) + scale / jnp.sqrt(1 - coef**2) * noise[0]
    _, rest = jax.lax.scan(step, start, noise[1:])
    return jnp.concatenate([start[None], rest]).T


def ar1(x, theta):
    const, coef, scale = theta
    start = jnp.sqrt(1 - coef**2) * (x[0] - const / (1 - coef))
    squares = start**2 + jnp.sum((x[1:] - const - coef * x[:-1]) ** 2)
    return -0.5 * squares / scale**2 + 0.5 * jnp.log(1 - coef**2) - 100 * (jnp.log(scale) + HALF_LOG_2PI)


def draw_garch(key, theta, n):
    omega, alpha, beta = theta

    def step(variance, z):
        x = jnp.sqrt(variance) * z
        return omega + alpha * x * x + beta * variance, x

    return jax.lax.scan(step, jnp.full(n, omega / (1 - alpha - beta)), jax.random.normal(key, (100, n)))[1].T


def garch(x, theta):
    omega, alpha, beta = theta

    def step(variance, x):
        return omega + alpha * x * x + beta * variance, -0.5 * (jnp.log(variance) + x * x / variance)

    return jax.lax.scan(step, omega / (1 - alpha - beta), x)[1].sum()


def draw_inflated(key, theta, n):
    which, counts = jax.random.split(key)
    return jnp.where(jax.random.uniform(which, (n,)) < theta[0], 0, jax.random.poisson(counts, theta[1], (n,)))


def inflated(x, theta):
    inflation, mean = theta
    zero = jnp.log(inflation + (1 - inflation) * jnp.exp(-mean))
    return jnp.where(x == 0, zero, jnp.log(1 - inflation) - mean + x * jnp.log(mean) - gammaln(x + 1.0))


def covariance(theta):
    a, b, c, d, e, f = theta[3:]
    return jnp.array([[a, b, c], [b, d, e], [c, e, f]])


def draw_normal3(key, theta, n):
    return theta[:3] + jax.random.normal(key, (n, 3)) @ jnp.linalg.cholesky(covariance(theta)).T


def normal3(x, theta):
    matrix, rest = covariance(theta), x - theta[:3]
    return -0.5 * (rest @ jnp.linalg.solve(matrix, rest) + jnp.linalg.slogdet(matrix)[1])


def draw_level(key, theta, n):
    start, steps, noise = jax.random.split(key, 3)
    levels = jnp.cumsum(theta[0] * jax.random.normal(steps, (n, 50)), axis=1)
    before = jnp.concatenate([jnp.zeros((n, 1)), levels[:, :-1]], axis=1)
    return jax.random.normal(start, (n, 1)) + before + theta[1] * jax.random.normal(noise, (n, 50))


def level(x, theta):
    walk, noise = theta

    def step(state, x):
        mean, variance = state
        spread, surprise = variance + noise**2, x - mean
        gain = variance / spread
        state = mean + gain * surprise, variance * (1 - gain) + walk**2
        return state, -0.5 * (jnp.log(spread) + surprise**2 / spread)

    return jax.lax.scan(step, (0.0, 1.0), x)[1].sum()


FACTOR, PRECISION = factor_and_precision()


def draw_normal_mean(key, theta, n):
    return theta + jax.random.normal(key, (n, len(theta))) @ FACTOR


def normal_mean(x, theta):
    return -0.5 * (x - theta) @ PRECISION @ (x - theta)


PEERS = {
    "norm": (draw_norm, norm),
    "gamma": (draw_gamma, gamma),
    "t": (draw_t, t),
    "normal_mixture": (draw_mixture, mixture),
    "logistic, 20 random covariates": (draw_logistic, logistic),
    "AR(1), T = 100": (draw_ar1, ar1),
    "GARCH(1,1), T = 100": (draw_garch, garch),
    "zero-inflated Poisson": (draw_inflated, inflated),
    "3-d normal (9)": (draw_normal3, normal3),
    "local level, T = 50": (draw_level, level),
    "normal mean, score by hand": (draw_normal_mean, normal_mean),
}


def scores(name):
    """Compiled ``f(key, theta, n)``: scores (n, p) of n new draws."""
    draw, logpdf = PEERS[name]
    score = jax.vmap(jax.grad(logpdf, argnums=1), in_axes=(0, None))

    @functools.partial(jax.jit, static_argnums=2)
    def outer(key, theta, n):
        return score(draw(key, theta, n), theta)

    return outer


def products(name):
    """Compiled ``f(key, theta, n)``: mean outer product of the scores of n new draws."""
    of_draws = scores(name)

    @functools.partial(jax.jit, static_argnums=2)
    def mean(key, theta, n):
        s = of_draws(key, theta, n)
        return s.T @ s / n

    return mean
