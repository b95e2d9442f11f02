"""A `FisherEstimate` from scores that were computed elsewhere: by hand, by JAX, by PyTorch.

The n scores, in the order in which they were drawn, are cut into K contiguous streams of n_k. With F the mean outer
product of all and F_k that of stream k, the replicates are F + (K n_k / n) (F_k - F): their mean is F to the last digit
also where n is no multiple of K, and their spread is its error.

Error bars take the draws for independent. Two tests look into that, parameter by parameter, for scores c less their
mean, with Holm's correction and a false-alarm rate of `LEVEL`:

- neighbours: with u_t = c_t c_(t+1), sum u over the root of sum u^2, or of n var(c)^2 if that is more, is no larger
  than Student's t with (sum u^2)^2 / sum u^4 degrees of freedom: as many as there are products that carry the sum;
- streams: their means may not vary by more than the spread within them says (batch means; Schmeiser 1982). The sum of
  n_k (mean_k - mean)^2 over the variance is chi-square with K - 1 degrees of freedom, fewer where the kurtosis of c
  makes means vary more.

>>> scores = np.random.default_rng(0).normal(size=(6400, 2)) / [1.0, 2.0]
>>> result = from_scores(scores, parameters=("a", "b"))
>>> np.allclose(result.fim, scores.T @ scores / 6400), result.checks["independence"].verdict
(True, 'pass')
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine import verdicts
from ..engine.options import Options
from ..errors import NonFiniteError, OptionError, ParameterError, RegularityWarning
from ..estimation import estimators, soundness, stopping, tails
from ..estimation.estimators import Sums
from ..estimation.significance import holm
from ..result.checks import Check, of_matrix
from ..result.fisher_estimate import FisherEstimate

Array = NDArray[np.float64]

#: False-alarm rate of the tests of independence.
LEVEL = 1e-3
#: Checks that the error bar rests on.
NEEDED = ("independence", "mean_score", "tails")


def from_scores(
    scores: Any,
    *,
    parameters: Any = None,
    theta: Any = None,
    streams: int = 32,
    rtol: float = 1e-3,
    atol: float = 0.0,
    confidence: float = 0.95,
) -> FisherEstimate:
    """Estimate the Fisher information from scores computed elsewhere.

    Parameters
    ----------
    scores
        Shape (n, p), a score a row, in the order of the draws: anything that `numpy.asarray` takes; or an iterable of
        such blocks.
    parameters
        Names; default ``theta[0]``, ``theta[1]`` and so on.
    theta
        Where the scores were taken, if that is to be told; default unknown (NaN).
    streams
        Into so many contiguous parts the scores are cut; their spread gives the error bars.
    rtol, atol, confidence
        As for `fastfim.estimate`; they only decide what ``converged`` says.

    Returns
    -------
    FisherEstimate
        By the ``score`` estimator.

    Raises
    ------
    OptionError
        ``scores`` is no such array, or has fewer rows than there are streams, or another argument cannot be used.
    ParameterError
        ``theta`` has a wrong count.
    NonFiniteError
        A score is not finite; the error says in which row.

    Warns
    -----
    RegularityWarning
        Scores depend on one another, have a mean, or tails too heavy for an error bar.
    """
    started = perf_counter()
    options = Options.of(streams=streams, rtol=rtol, atol=atol, confidence=confidence, draws=1)
    rows = _rows(scores)
    names = _names(parameters, rows.shape[1])
    if len(rows) < options.streams:
        raise OptionError(f"scores has {len(rows)} rows, fewer than one for each of streams = {options.streams}")
    sums = _linearized(rows, options.streams)
    matrices, scale = estimators.replicates(sums, "score"), estimators.scale(sums, "score")
    error = estimators.standard_error(matrices, scale)
    half_width = stopping.critical_value(options.confidence, options.streams) * error
    relative = stopping.relative_error(half_width, scale)
    checks = _checks(rows, sums, scale, names)
    doubts = [check.message for name, check in checks.items() if name in NEEDED and check.verdict in ("warn", "fail")]
    if doubts:
        warnings.warn(doubts[0], RegularityWarning, stacklevel=2)
    settled = all(checks[name].verdict == "pass" for name in NEEDED)
    return FisherEstimate(
        fim=matrices.mean(axis=0),
        standard_error=error,
        replicates=matrices,
        parameters=names,
        theta=_theta(theta, len(names)),
        draws=len(rows),
        streams=options.streams,
        seed=None,
        estimator="score",
        sampling="given",
        converged=settled and bool(stopping.met(half_width, scale, options.rtol, options.atol)),
        message=f"the given scores lead to a relative error of {relative:.2g}" + ("; see checks" if doubts else ""),
        elapsed=perf_counter() - started,
        relative_error=relative,
        variance_reduction=1.0,
        checks=checks,
        confidence=options.confidence,
        rtol=options.rtol,
        atol=options.atol,
    )


# ---------------------------------------------------------------- arguments


def _rows(scores: Any) -> Array:
    """All scores, shape (n, p)."""
    if not hasattr(scores, "__array__") and isinstance(scores, Iterable) and not isinstance(scores, (str, bytes)):
        blocks = [_numbers(block) for block in scores]
        if blocks and all(block.ndim == 2 and block.shape[1] == blocks[0].shape[1] for block in blocks):
            rows = np.concatenate(blocks)
        elif len({block.shape for block in blocks}) == 1:
            rows = np.array(blocks)
        else:
            shapes = sorted({block.shape for block in blocks})
            raise OptionError(f"scores must be blocks of one number of columns, shape (n, p); got shapes {shapes[:4]}")
    else:
        rows = _numbers(scores)
    if rows.ndim != 2 or rows.size == 0:
        hint = "; for one parameter write scores[:, None]" if rows.ndim == 1 and rows.size else ""
        raise OptionError(f"scores must have shape (n, p), one score a row; got {rows.shape}{hint}")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise NonFiniteError(f"scores must be finite; row {row} is {rows[row]}", index=row)
    return rows


def _numbers(values: Any) -> Array:
    try:
        return np.asarray(values, dtype=np.float64)
    except Exception as error:  # whatever the library at hand raises
        raise OptionError(f"scores must be convertible to an array of numbers; numpy.asarray said: {error}") from error


def _names(parameters: Any, p: int) -> tuple[str, ...]:
    if parameters is None:
        return tuple(f"theta[{i}]" for i in range(p))
    names = tuple(parameters) if isinstance(parameters, Iterable) and not isinstance(parameters, str) else (parameters,)
    if len(names) != p or not all(isinstance(name, str) and name for name in names) or len(set(names)) < p:
        raise OptionError(
            f"parameters must hold {p} different names, one for each column of scores; got {parameters!r}"
        )
    return names


def _theta(theta: Any, p: int) -> Array:
    if theta is None:
        return np.full(p, np.nan)
    try:
        point = np.array(theta, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"theta must be numbers; got {theta!r}") from None
    if point.shape != (p,):
        raise ParameterError(f"theta must hold {p} values, one for each column of scores; got shape {point.shape}")
    return point


# ---------------------------------------------------------------- streams


def _cuts(n: int, streams: int) -> NDArray[np.intp]:
    """Where the streams begin, and the end: parts that differ by one row at most."""
    cuts: NDArray[np.intp] = np.arange(streams + 1) * n // streams
    return cuts


def _linearized(rows: Array, streams: int) -> Sums:
    """Means of streams, weighted about the mean of all, as sums over one draw each."""
    cuts = _cuts(len(rows), streams)
    parts = [rows[a:b] for a, b in pairwise(cuts)]
    weights = streams * np.diff(cuts) / len(rows)
    score, outer = rows.mean(axis=0), rows.T @ rows / len(rows)
    scores = np.array([part.mean(axis=0) for part in parts]) - score
    outers = np.array([part.T @ part / len(part) for part in parts]) - outer
    return Sums(1, score + weights[:, None] * scores, outer + weights[:, None, None] * outers)


# ---------------------------------------------------------------- checks


def _checks(rows: Array, sums: Sums, scale: Array, parameters: tuple[str, ...]) -> dict[str, Check]:
    # nothing can be drawn to confirm a suspicion, so that it has to stand for itself
    identity = verdicts.identity("mean_score", soundness.mean_score(sums, soundness.OUTRIGHT), parameters)
    seen = tails.look(np.ascontiguousarray(rows.T) ** 2)
    own = np.diagonal(sums.outer, axis1=1, axis2=2)
    judged = tails.judge(seen, [own], len(rows) // len(own))
    return {
        "independence": _independence(rows, len(own), parameters),
        "mean_score": identity,
        "tails": verdicts.tail(judged, parameters),
        "largest": verdicts.largest(seen, len(rows), parameters),
        **of_matrix(sums.outer, np.sqrt(np.diagonal(scale)), parameters),
    }


def _independence(rows: Array, streams: int, parameters: tuple[str, ...]) -> Check:
    centred = rows - rows.mean(axis=0)
    neighbours, dispersion = _neighbours(centred), _dispersion(centred, streams)
    p_values = holm(np.concatenate([neighbours, dispersion]))
    worst = int(p_values.argmin())
    p_value, lag = float(p_values[worst]), _lag_one(centred)
    figure = float(lag[np.abs(lag).argmax()])
    if p_value >= LEVEL:
        return Check(figure, p_value, "pass", "neither neighbours nor streams show that scores depend on one another")
    name = parameters[worst % len(parameters)]
    how = (
        f"neighbouring scores for {name} are correlated ({lag[worst]:.2g})"
        if worst < len(parameters)
        else f"the streams' mean scores for {name} differ by more than independent draws would make them"
    )
    message = (
        f"{how}: the draws depend on one another, and the error bars hold only if streams are much longer than that "
        "dependence; thin the draws, or give fewer streams"
    )
    return Check(figure, p_value, "warn", message)


def _lag_one(centred: Array) -> Array:
    """Autocorrelations at lag one."""
    squares = np.einsum("np,np->p", centred, centred)
    products = np.einsum("np,np->p", centred[1:], centred[:-1])
    lag: Array = products / np.where(squares > 0.0, squares, 1.0)
    return lag


def _neighbours(centred: Array) -> Array:
    """Two-sided p-values of the sum of products of neighbours."""
    from scipy.special import stdtr

    products = centred[1:] * centred[:-1]
    squares = np.sum(products**2, axis=0)
    known = np.where(squares > 0.0, squares, 1.0)
    dimension = np.maximum(squares**2 / np.where(squares > 0.0, np.sum(products**4, axis=0), 1.0), 1.0)
    size = np.sqrt(np.maximum(known, len(products) * np.mean(centred**2, axis=0) ** 2))
    p_values: Array = 2.0 * stdtr(dimension, -np.abs(products.sum(axis=0)) / size)
    return p_values


def _dispersion(centred: Array, streams: int) -> Array:
    """P-values of the spread of stream means; degrees of freedom by matching the variance (Satterthwaite 1946)."""
    from scipy.special import chdtrc

    cuts = _cuts(len(centred), streams)
    counts = np.diff(cuts)[:, None]
    means = np.add.reduceat(centred, cuts[:-1]) / counts
    variance = np.mean(centred**2, axis=0)
    known = np.where(variance > 0.0, variance, 1.0)
    excess = np.maximum(np.mean(centred**4, axis=0) / known**2 - 3.0, 0.0)
    dimension = (streams - 1.0) / (1.0 + 0.5 * excess * streams / len(centred))
    spread = np.sum(counts * means**2, axis=0) / known
    p_values: Array = chdtrc(dimension, spread * dimension / (streams - 1.0))
    return p_values
