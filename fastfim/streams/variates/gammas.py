"""Gamma variates and what is made of them: chi-square, beta, F, Student's t.

**Gamma**, Marsaglia and Tsang (2000, *ACM Trans. Math. Softw.* 26, 363): with d = a - 1/3, c = 1 / sqrt(9 d), Z a
standard normal, x = c Z and v = (1 + x)^3, the draw d v is accepted if log U < g = Z^2 / 2 + d (1 - v + log v). There

    g / d = -3/4 x^4 + 3/5 x^5 - 1/2 x^6 + ... > -3/4 x^4 / (1 + 4/5 x - 1/10 x^2)        for -0.95 < x < 4,

and since exp(g) > 1 + g, U below 1 + d times the right side accepts without a logarithm. It misses one in a thousand of
what is to be accepted (the authors' 1 - 0.0331 Z^4 rejects one in ten at small shapes).

**Shapes below 1**: if G has shape a + 1, G exp(-E / a) has shape a. For a of a hundredth or so that is below the
smallest float, and 0, with noticeable probability; ratios of such variates (beta, F, t) are therefore taken on the
scale of logarithms, log G - E / a, where nothing underflows.
"""

from __future__ import annotations

import math
from typing import Any

from numba.extending import overload

from ... import _jit
from ..cursors import Stream
from ..methods import by_kind, variate
from ..quantiles.continuous import (
    BETA,
    GAMMA,
    NONCENTRAL,
    STUDENT,
    F,
    refine_beta,
    refine_f,
    refine_gamma,
    refine_noncentral,
    refine_student,
)
from ..stream import take_quantile
from ..typed import Rng, inline

#: Where `gamma_squeeze` holds; no shape from 1 on takes a normal beyond 3.9 / c.
SQUEEZE_FROM, SQUEEZE_TO = -0.95, 4.0
# A power u^(1 / shape) is too steep for a table; its logarithm is not.
_SMALL_SHAPE = 0.3


@inline
def gamma_squeeze(x: float) -> tuple[float, float]:
    """Numerator and denominator, > 0, of a lower bound of g / d at x = c Z from `SQUEEZE_FROM` to `SQUEEZE_TO`."""
    square = x * x
    return -0.75 * square * square, 1.0 + x * (0.8 - 0.1 * x)


@inline
def gamma_accepts_at_once(x: float, u: float, d: float) -> bool:
    """Whether c Z = x and U = u give a variate, as far as the squeeze can tell; of a tile of draws, for which."""
    numerator, denominator = gamma_squeeze(x)
    return (x > SQUEEZE_FROM) & ((u - 1.0) * denominator < d * numerator)


@inline
def gamma_constants(shape: float) -> tuple[float, float]:
    """The numbers d and c of a shape of at least 1."""
    d = shape - 1.0 / 3.0
    return d, 1.0 / math.sqrt(9.0 * d)


def gamma_above_one(rng: Rng, shape: float) -> float:
    """Gamma variate of a shape of at least 1."""
    d, c = gamma_constants(shape)
    while True:
        x = c * rng.standard_normal()
        v = (1.0 + x) * (1.0 + x) * (1.0 + x)
        if gamma_accepts(x, rng.random(), d):
            return d * v


@inline
def gamma_accepts(x: float, u: float, d: float) -> bool:
    """Whether c Z = x and U = u give a variate."""
    if gamma_accepts_at_once(x, u, d):
        return True
    v = (1.0 + x) * (1.0 + x) * (1.0 + x)
    return v > 0.0 and math.log(u) < d * (4.5 * x * x + 1.0 - v + math.log(v))


@overload(gamma_above_one, jit_options=dict(_jit.INNER))  # type: ignore[untyped-decorator]
def _overload_gamma_above_one(rng: Rng, shape: float) -> Any:
    return gamma_above_one if isinstance(rng, Stream) else None


def log_gamma_variate(rng: Rng, shape: float) -> float:
    """Logarithm of a gamma variate, of any positive shape, without underflow."""
    if shape >= 1.0:
        return math.log(rng.standard_gamma(shape))
    return math.log(rng.standard_gamma(shape + 1.0)) - rng.standard_exponential() / shape


def _log_gamma_by_inversion(rng: Rng, shape: float) -> float:
    return take_quantile(rng, refine_gamma, GAMMA, shape, 1.0)


@overload(log_gamma_variate, jit_options=dict(_jit.INNER))  # type: ignore[untyped-decorator]
def _overload_log_gamma_variate(rng: Rng, shape: float) -> Any:
    return by_kind(log_gamma_variate, _log_gamma_by_inversion)(rng) if isinstance(rng, Stream) else None


@inline
def _gamma_ratio(rng: Rng, a: float, b: float) -> float:
    """Ratio of two gamma variates of shapes a and b; nan unless both shapes are positive."""
    if not (a > 0.0 and b > 0.0):
        return math.nan
    if a >= 1.0 and b >= 1.0:
        return rng.standard_gamma(a) / rng.standard_gamma(b)
    return math.exp(log_gamma_variate(rng, a) - log_gamma_variate(rng, b))


def _standard_gamma_by_inversion(rng: Rng, shape: float) -> float:
    if not shape > 0.0:
        return 0.0 if shape == 0.0 else math.nan
    log = 1.0 if shape < _SMALL_SHAPE else 0.0
    value = take_quantile(rng, refine_gamma, GAMMA, shape, log)
    return math.exp(value) if log == 1.0 else value


@variate(inverse=_standard_gamma_by_inversion)
def standard_gamma(rng: Rng, shape: float) -> float:
    """Gamma of this shape and scale 1; all at 0 for shape 0, as in NumPy."""
    if shape >= 1.0:
        return gamma_above_one(rng, shape)
    if shape > 0.0:
        return gamma_above_one(rng, shape + 1.0) * math.exp(-rng.standard_exponential() / shape)
    return 0.0 if shape == 0.0 else math.nan


@variate()
def gamma(rng: Rng, shape: float, scale: float = 1.0) -> float:
    """Gamma of mean shape times scale."""
    draw = scale * rng.standard_gamma(shape)
    return draw if scale >= 0.0 else math.nan


@variate()
def chisquare(rng: Rng, df: float) -> float:
    """Sum of df squares of standard normals, for any positive df."""
    draw = 2.0 * rng.standard_gamma(0.5 * df)
    return draw if df > 0.0 else math.nan


def _beta_by_inversion(rng: Rng, a: float, b: float) -> float:
    if not (a > 0.0 and b > 0.0):
        return math.nan
    return take_quantile(rng, refine_beta, BETA, a, b)


@variate(inverse=_beta_by_inversion)
def beta(rng: Rng, a: float, b: float) -> float:
    """Beta: X / (X + Y) for gamma variates X and Y of shapes a and b."""
    return 1.0 / (1.0 + _gamma_ratio(rng, b, a))


def _f_by_inversion(rng: Rng, dfnum: float, dfden: float) -> float:
    if not (dfnum > 0.0 and dfden > 0.0):
        return math.nan
    return take_quantile(rng, refine_f, F, dfnum, dfden)


@variate(inverse=_f_by_inversion)
def f(rng: Rng, dfnum: float, dfden: float) -> float:
    """Ratio of two chi-squares, each over its degrees of freedom."""
    return _gamma_ratio(rng, 0.5 * dfnum, 0.5 * dfden) * (dfden / dfnum)


def _standard_t_by_inversion(rng: Rng, df: float) -> float:
    if not df > 0.0:
        return math.nan
    return take_quantile(rng, refine_student, STUDENT, df)


@variate(inverse=_standard_t_by_inversion)
def standard_t(rng: Rng, df: float) -> float:
    """Student's t: a normal over the root of a chi-square over its degrees of freedom."""
    z = rng.standard_normal()
    half = 0.5 * df
    if half >= 1.0:
        return z * math.sqrt(half / rng.standard_gamma(half))
    if half > 0.0:
        return z * math.sqrt(half) * math.exp(-0.5 * log_gamma_variate(rng, half))
    return math.nan


def _noncentral_chisquare_by_inversion(rng: Rng, df: float, nonc: float) -> float:
    if not (df > 0.0 and 0.0 <= nonc < math.inf):
        return math.nan
    return take_quantile(rng, refine_noncentral, NONCENTRAL, df, nonc)


@variate(inverse=_noncentral_chisquare_by_inversion)
def noncentral_chisquare(rng: Rng, df: float, nonc: float) -> float:
    """Sum of df squares of normals whose squared means add up to nonc.

    One square carries the means if df > 1; else the mixture of chi-squares with Poisson weights.
    """
    if not (df > 0.0 and 0.0 <= nonc < math.inf):
        return math.nan
    if df > 1.0:
        shifted = rng.standard_normal() + math.sqrt(nonc)
        return shifted * shifted + rng.chisquare(df - 1.0)
    return rng.chisquare(df + 2.0 * rng.poisson(0.5 * nonc))
