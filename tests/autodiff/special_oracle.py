"""scipy.special's functions in mpmath, their derivatives by central differences in 100 digits, and points to test at.

With relative steps of 1e-20 truncation and rounding stay below 1e-35, so the differences are exact for our purpose.
The points crowd where the package switches from one way of computing to another, from both sides.
"""

from __future__ import annotations

import itertools

import mpmath as mp
import numpy as np
import pytest

DIGITS = 100
STEP = mp.mpf(10) ** -20
EPS = np.finfo(float).eps

#: Every fifth point in the ordinary run, all of them in the long one.
thinned_and_dense = pytest.mark.parametrize("thinning", [5, pytest.param(1, marks=pytest.mark.long)])


def partials(function, point):
    """Value, first and second partial derivatives (upper triangle, row by row) at a point of floats."""
    with mp.workdps(DIGITS):
        x = [mp.mpf(float(c)) for c in point]
        h = [abs(c) * STEP if c else STEP for c in x]

        def f(*moves):
            return function(*(c + m * s for c, m, s in zip(x, moves, h, strict=True)))

        n = len(x)
        unit = np.eye(n, dtype=int)
        centre = f(*(0,) * n)
        up, down = [f(*row) for row in unit], [f(*-row) for row in unit]
        firsts = [(up[i] - down[i]) / (2 * h[i]) for i in range(n)]
        seconds = []
        for i, j in itertools.combinations_with_replacement(range(n), 2):
            if i == j:
                seconds.append((up[i] - 2 * centre + down[i]) / h[i] ** 2)
            else:
                same = f(*(unit[i] + unit[j])) + f(*(-unit[i] - unit[j]))
                other = f(*(unit[i] - unit[j])) + f(*(unit[j] - unit[i]))
                seconds.append((same - other) / (4 * h[i] * h[j]))
        return [centre, *firsts, *seconds]


def natural_errors(function, point, exact):
    """How much each derivative moves when an argument moves by its own rounding error: no algorithm can do better."""
    moved = np.zeros(len(exact))
    for i in range(len(point)):
        for sign in (1, -1):
            near = list(point)
            near[i] = float(point[i]) * (1 + sign * EPS)
            other = partials(function, near)
            moved = np.maximum(moved, [float(abs(a - b)) for a, b in zip(other, exact, strict=True)])
    return moved


def disagreements(function, point, computed, condition=16.0):
    """What of the computed value and derivatives is off: 1e-13 for value and first, 1e-12 for second derivatives.

    Results smaller than 1e-290 are not judged (they lose digits to gradual underflow).  What fails this is judged
    against its condition: ``condition`` times the movement under a rounding error of an argument is added.
    """
    exact = partials(function, point)
    tolerances = [1e-13] * (1 + len(point)) + [1e-12] * (len(exact) - 1 - len(point))
    errors = [
        float(abs(mp.mpf(float(c)) - e)) if np.isfinite(c) else np.inf for c, e in zip(computed, exact, strict=True)
    ]
    sizes = [float(abs(e)) for e in exact]
    wrong = [k for k, s in enumerate(sizes) if 1e-290 < s < 1e300 and not errors[k] <= tolerances[k] * s]
    if wrong:
        moved = natural_errors(function, point, exact)
        wrong = [k for k in wrong if not errors[k] <= tolerances[k] * sizes[k] + condition * moved[k]]
    return [(tuple(map(float, point)), k, errors[k] / sizes[k], float(exact[k])) for k in wrong]


def normal_distribution(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def normal_quantile(p):
    z = mp.findroot(lambda z: mp.log(normal_distribution(z)) - mp.log(p), start_quantile(p)) if p < 0.5 else None
    return z if z is not None else -normal_quantile_of_tail(1 - p)


def normal_quantile_of_tail(p):
    return mp.mpf(0) if p == 0.5 else normal_quantile(p)


def start_quantile(p):
    """A start for Newton's method that is good enough."""
    r = mp.sqrt(-2 * mp.log(p))
    return -(
        r
        - (mp.mpf("2.515517") + r * mp.mpf("0.802853") + r * r * mp.mpf("0.010328"))
        / (1 + mp.mpf("1.432788") * r + mp.mpf("0.189269") * r * r + mp.mpf("0.001308") * r**3)
    )


def log_beta(a, b):
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def real_loggamma(x):
    return mp.re(mp.loggamma(x))


def incomplete_beta(a, b, x):
    """mpmath's own function does not finish for large shapes: DLMF 8.17.8 summed in all digits."""
    if a + b < 1000:
        return mp.betainc(a, b, 0, x, regularized=True)
    term, total, n = mp.mpf(1), mp.mpf(0), 0
    while term > total * mp.eps:
        total += term
        term *= (a + b + n) * x / (a + 1 + n)
        n += 1
    return total * mp.exp(a * mp.log(x) + b * mp.log1p(-x) - log_beta(a, b)) / a


FUNCTIONS = {
    "gammaln": real_loggamma,
    "gamma": mp.gamma,
    "betaln": log_beta,
    "digamma": lambda x: mp.psi(0, x),
    "psi": lambda x: mp.psi(0, x),
    "zeta": mp.zeta,
    "zetac": lambda s: mp.zeta(s) - 1,
    "ndtr": normal_distribution,
    "log_ndtr": lambda x: mp.log(normal_distribution(x)),
    "ndtri": normal_quantile,
    "erf": mp.erf,
    "erfc": mp.erfc,
    "expit": lambda x: 1 / (1 + mp.exp(-x)),
    "log_expit": lambda x: -mp.log1p(mp.exp(-x)),
    "logit": lambda p: mp.log(p / (1 - p)),
    "xlogy": lambda x, y: x * mp.log(y),
    "xlog1py": lambda x, y: x * mp.log1p(y),
    "entr": lambda x: -x * mp.log(x),
    "rel_entr": lambda x, y: x * mp.log(x / y),
    "i0": lambda x: mp.besseli(0, x),
    "i0e": lambda x: mp.besseli(0, x) * mp.exp(-abs(x)),
    "i1": lambda x: mp.besseli(1, x),
    "i1e": lambda x: mp.besseli(1, x) * mp.exp(-abs(x)),
    "iv": mp.besseli,
    "ive": lambda v, x: mp.besseli(v, x) * mp.exp(-x),
    "k0": lambda x: mp.besselk(0, x),
    "k0e": lambda x: mp.besselk(0, x) * mp.exp(x),
    "k1": lambda x: mp.besselk(1, x),
    "k1e": lambda x: mp.besselk(1, x) * mp.exp(x),
    "kv": mp.besselk,
    "kve": lambda v, x: mp.besselk(v, x) * mp.exp(x),
    "gammainc": lambda a, x: mp.gammainc(a, 0, x, regularized=True),
    "gammaincc": lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True),
    "betainc": incomplete_beta,
}


def grid(*axes):
    return list(itertools.product(*axes))


def reals(*numbers):
    return [(float(x),) for x in numbers]


POLES = reals(*(-k - d for k in range(8) for d in (0.03, 0.4, 0.5, 0.77)))
POSITIVE = reals(
    1e-200, 1e-8, 0.01, 0.49, 0.51, 0.999, 1.001, 1.46163, 1.9, 2.1, 3.7, 9.999, 10.0, 11.99, 12.0, 50.5, 170, 1e6
)
#: Around the zeros of log Gamma.
ZEROS = reals(*(n + s * d for n in (1, 2) for s in (-1, 1) for d in (1e-12, 1e-6, 0.03, 0.2)))
NORMAL = reals(
    -1e3, -38, -20.1, -6.001, -5.999, -2.3, -1.001, -0.999, -0.6, -1e-9, 1e-9, 0.3, 0.7, 1.5, 5.6, 5.7, 8, 25
)
LOGISTIC = reals(-700, -40, -3, -0.5, -1e-9, 1e-9, 0.2, 2.5, 36, 700)
PROBABILITY = reals(1e-300, 1e-20, 1e-11, 0.02, 0.0749, 0.0751, 0.29, 0.31, 0.499, 0.501, 0.64, 0.66, 0.93, 1 - 1e-9)
UNIT = [1e-9, 0.2, 0.501, 0.7, 1.001, 1.9, 30.0]
BESSEL = reals(1e-12, 1e-3, 0.5, 2, 7.5, 19.99, 20.0, 20.01, 45, 300, 690)
SHAPES = [1e-5, 0.02, 0.5, 1.0, 3.3, 9.99, 10.01, 24.9, 25.1, 120.0]
GAMMA = [(a, a * m) for a in SHAPES for m in (0.02, 0.6, 0.999, 1.001, 1.4, 4.0)]
GAMMA += grid([1e-5, 0.02, 0.5], [0.3, 0.999, 1.001, 6.0, 30.0])
GAMMA += [(3e4, x) for x in (2.9e4, 3e4, 3.05e4)] + [(1e6, 1e6 + d) for d in (-900.0, 2e3)]
BETA_SHAPES = [1e-4, 0.3, 2.0, 9.9, 24.9, 25.1, 200.0]
BETA = grid(BETA_SHAPES, [1e-4, 0.6, 5.0, 26.0, 300.0], [0.05, 0.69, 0.71, 0.95])
BETA += [
    (a, b, a / (a + b) * m)
    for a in BETA_SHAPES
    for b in (0.02, 0.6, 5.0, 26.0, 300.0)
    for m in (0.98, 0.999, 1.001)
    if a / (a + b) * m < 1
]
BETA += [(1e5, 2e5, 1 / 3 + d) for d in (-0.002, 1e-5, 0.003)]
ORDERS = [0.001, 0.3, 0.999, 1.0, 1.001, 2.5, 7.7, 24.0]

POINTS = {
    "gammaln": POSITIVE + POLES + ZEROS,
    "gamma": [p for p in POSITIVE if p[0] < 171] + POLES,
    "betaln": grid([1e-6, 0.4, 3.0, 9.9, 10.1, 1e3, 1e7], [1e-9, 0.3, 2.0, 10.1, 40.0, 1e8]),
    "digamma": POSITIVE + POLES + reals(1.4616321449683623, 1.4616321449683622, -0.504083, -1.573498),
    "psi": POSITIVE,
    "zeta": grid([1.0001, 1.5, 2.0, 6.0, 14.0, 60.0], [0.01, 0.5, 1.0, 2.5, 7.7, 9.99, 10.0, 30.0, 1e4]),
    "zetac": reals(-30.3, -7.7, -2.5, -0.51, -0.49, -0.01, 0.01, 0.5, 0.99, 1.01, 1.5, 3, 20),
    "ndtr": [p for p in NORMAL if p[0] > -38],
    "log_ndtr": NORMAL,
    "ndtri": PROBABILITY,
    "erf": [p for p in NORMAL if abs(p[0]) < 20],
    "erfc": [p for p in NORMAL if abs(p[0]) < 20],
    "expit": LOGISTIC,
    "log_expit": LOGISTIC,
    "logit": PROBABILITY,
    "xlogy": grid([-2.0, 0.7, 1e9], UNIT),
    "xlog1py": grid([-2.0, 0.7, 1e9], [-0.999, -1e-9, *UNIT]),
    "entr": reals(*UNIT),
    "rel_entr": grid(UNIT, UNIT),
    **dict.fromkeys(("i0", "i0e", "i1", "i1e"), BESSEL + [(-x,) for (x,) in BESSEL]),
    **dict.fromkeys(("k0", "k0e", "k1", "k1e"), BESSEL),
    "iv": grid([0.001, 0.2, 0.3, 1.0, 2.5, 24.0], [0.01, 2.0, 34.0, 36.0, 200.0]),
    "ive": grid([*ORDERS, 34.9, 35.1, 150.0], [0.01, 2.0, 24.9, 34.0, 36.0, 200.0, 1e4])
    + grid([0.0, 1e-9, 0.05, 0.24], [0.01, 1.1, 5.0, 24.9, 34.9, 35.1])
    + grid([-0.3, -0.9, -1.5, -4.2, -7.7], [0.01, 0.9, 3.0, 20.0, 36.0]),
    "kv": grid([-2.5, *ORDERS], [1e-4, 0.3, 1.0, 7.0, 60.0, 400.0]),
    "kve": grid([-2.5, -0.3, *ORDERS, 100.0], [0.02, 1.0, 7.0, 60.0, 400.0, 1e4]),
    "gammainc": GAMMA,
    "gammaincc": GAMMA,
    "betainc": BETA,
}
