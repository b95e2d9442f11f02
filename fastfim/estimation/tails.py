r"""Can the spread of the streams be trusted as an error bar? The tails of what single draws contribute.

An entry of the matrix is a mean of v = s_i^2 over draws (or of a Hessian's entry). Its error bar needs a finite
variance of v, and draws enough for the means of streams to be close to normal.

*Shape.* Beyond a high threshold the excesses of almost any law follow a generalized Pareto law (Pickands 1975), whose
shape k says which moments exist: those of order below 1/k. Above k = 1/2 there is no variance. The shape is the
empirical Bayes estimate of Zhang and Stephens (2009) from the 3 sqrt(n) largest of n draws, as in Pareto smoothed
importance sampling (Vehtari et al. 2024).

*Streams.* A sound law can look just as heavy as far as a few thousand draws reach: the score of the degrees of freedom
of a t is like z^4, and its square shows k = 1, although all its moments exist. Its stream means become normal as the
run goes on, those of a law without a variance never do: one stream is always far out. For K independent normal means
the largest share q of one of them in the sum of squared deviations has

    P(q > c) <= K P(B > c K / (K - 1)),    B ~ Beta(1/2, (K - 2)/2),

and rounds, having draws of their own, are joined by Fisher's method. So a tail is called infinite only where both signs
are there: k above 1/2, and rounds of many draws that are still not normal.

>>> rng = np.random.default_rng(0)
>>> look(np.stack([rng.pareto(1.0, size=4096), rng.exponential(size=4096)])).shape > INFINITE_VARIANCE
array([ True, False])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Shape from which there is no variance, and from which a mean is not normal before `MANY_DRAWS` (Vehtari et al. 2024).
INFINITE_VARIANCE, SLOW = 0.5, 0.7
#: Draws a stream from which stream means tell a law with a variance from one without: so many to be cleared (a sound
#: law is not, at the level `DOUBT`, in some 5 % of looks), and so many, at the level `SURE`, to be condemned.
MANY_DRAWS, PLENTY, DOUBT, SURE = 2**14, 2**18, 1e-3, 1e-6
#: Rounds that are looked at: the later half, and no fewer than this.
ROUNDS_AT_LEAST = 4
#: A tail has a shape if so many of its excesses differ, each by this share of the largest, and that by more than
#: rounding from the threshold.
DISTINCT, TIED, ROUNDING = 25, 1e-9, 1e-10
#: How many draws are "the largest".
LARGEST = 5


@dataclass(frozen=True)
class Tails:
    """What single draws show of the law of p values.

    Attributes
    ----------
    draws
        Draws looked at.
    top
        The largest values of each, in ascending order.
    largest
        Share of the `LARGEST` largest draws in the sum.
    equivalent
        How many equal draws would carry the sum as well: (sum v)^2 / sum v^2.
    """

    draws: int
    top: Array
    largest: Array
    equivalent: Array

    @cached_property
    def shape(self) -> Array:
        """Generalized Pareto shape of each upper tail; -inf where there is none to fit: a bounded, discrete or
        constant law.
        """
        return _shapes(self.top)


def look(rows: Array) -> Tails:
    """Look at non-negative values of single draws, shape (p, draws)."""
    draws = rows.shape[1]
    count = int(min(0.2 * draws, 3.0 * np.sqrt(draws)))
    top = np.sort(np.partition(rows, draws - count - 1)[:, draws - count - 1 :])
    total, squares = rows.sum(axis=1), np.einsum("pn,pn->p", rows, rows)
    known = total > 0.0
    largest = top[:, -LARGEST:].sum(axis=1) / np.where(known, total, 1.0)
    equivalent = np.where(known, total**2 / np.where(known, squares, 1.0), draws)
    return Tails(draws, top, largest, equivalent)


def as_drawn(values: Array, weights: Array, sampling: str) -> Array:
    """Values of a pilot's draws, shape (p, draws), as a run under ``sampling`` will meet them.

    Quasi-random draws add up weight times value. Independent draws have no weights: of draws with weights, those that
    are kept with probability in proportion to them follow the law itself.
    """
    if sampling == "rqmc" or (weights == 1.0).all():
        return weights * values
    kept = np.random.default_rng(0).random(len(weights)) * weights.max() < weights
    plain: Array = values[:, kept]
    return plain


def _shapes(top: Array) -> Array:
    """Shape of each row of largest values in ascending order, where they are distinct enough to have one."""
    excesses = top[:, 1:] - top[:, :1]
    tied = TIED * excesses[:, -1]
    distinct = (np.diff(excesses) > tied[:, None]).sum(axis=1)
    fit = (distinct >= DISTINCT) & (excesses[:, len(excesses[0]) // 4] > tied)
    fit &= excesses[:, -1] > ROUNDING * top[:, 0]
    found = np.full(len(top), -np.inf)
    found[fit] = [_zhang_stephens(row) for row in excesses[fit]]
    return found


def _zhang_stephens(excesses: Array) -> float:
    """Posterior mean of the shape over a grid of the parameter b = -shape / scale.

    At a given b the likelihood is greatest for the shape mean(log(1 - b x)): equations 4 to 7 of the paper, with the
    sign of k reversed.
    """
    n = len(excesses)
    points = 30 + int(np.sqrt(n))
    steps = 1.0 - np.sqrt(points / (np.arange(points) + 0.5))
    grid = 1.0 / excesses[-1] + steps / (3.0 * excesses[int(n / 4 + 0.5) - 1])
    shape = np.log1p(-grid[:, None] * excesses).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        likelihood = n * (np.log(-grid / shape) - shape - 1.0)
    likelihood[~np.isfinite(likelihood)] = -np.inf
    weights = np.exp(likelihood - likelihood.max())
    return float(np.log1p(-(grid @ weights / weights.sum()) * excesses).mean())


@dataclass(frozen=True)
class Judgement:
    """Whether an error bar can be trusted.

    Attributes
    ----------
    parameter, shape, p_value
        The one whose tail gives most cause for doubt, its shape, and the level at which its stream means look normal.
    state
        ``"sound"``; ``"early"``: too heavy for so few draws; ``"doubtful"``: not normal yet; ``"infinite"``: no
        variance.
    """

    parameter: int
    shape: float
    p_value: float
    state: str


def judge(seen: Tails, rounds: Sequence[Array], draws: int) -> Judgement:
    """Judge from single draws, and from stream means of rounds that have come to ``draws`` draws a stream."""
    p_values = np.where(seen.shape > INFINITE_VARIANCE, normality(rounds), 1.0)
    heaviest = int(np.lexsort((-seen.shape, p_values))[0])
    shape, p_value = float(seen.shape[heaviest]), float(p_values[heaviest])
    if p_value < SURE and draws >= PLENTY:
        state = "infinite"
    elif p_value < DOUBT and draws >= MANY_DRAWS:
        state = "doubtful"
    elif seen.shape.max() > SLOW and draws < MANY_DRAWS:
        heaviest, state = int(seen.shape.argmax()), "early"
        shape, p_value = float(seen.shape[heaviest]), float(p_values[heaviest])
    else:
        state = "sound"
    return Judgement(heaviest, shape, p_value, state)


def normality(rounds: Sequence[Array]) -> Array:
    """One p-value a column: do the stream means of each round's own draws, arrays (K, p), look normal?"""
    from scipy.special import betainc, chdtrc

    recent = rounds[-max(ROUNDS_AT_LEAST, (len(rounds) + 1) // 2) :]
    streams = len(recent[0])
    if streams < 3:
        return np.ones(recent[0].shape[1])
    squares = np.array([(means - means.mean(axis=0)) ** 2 for means in recent])
    total = squares.sum(axis=1)
    share = squares.max(axis=1) / np.where(total > 0.0, total, np.inf)
    tail = 1.0 - betainc(0.5, 0.5 * (streams - 2), np.minimum(share * streams / (streams - 1), 1.0))
    p_values = np.clip(streams * tail, 1e-300, 1.0)
    joined: Array = chdtrc(2 * len(recent), -2.0 * np.log(p_values).sum(axis=0))
    return joined
