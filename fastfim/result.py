"""What an estimate is: the matrix, its error bars, and how it came about.

The K streams of a run each give an unbiased estimate F_k of the information; ``fim`` is their mean, ``standard_error``
their standard deviation over the root of K, and the replicates themselves are kept.

>>> result = fastfim.estimate("gamma", (2.0, 0.5), rtol=1e-3, rng=1)  # doctest: +SKIP
>>> result.fim, result.standard_error                                 # doctest: +SKIP
>>> result.crlb(n=100).interval(0.9)                                  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Verdicts of a check, from best to worst.
VERDICTS = ("pass", "skipped", "warn", "fail")
#: Fields that gain a leading axis when estimates are stacked.
STACKED = ("fim", "standard_error", "replicates", "theta")


@dataclass(frozen=True)
class Round:
    """Where a run stood after a round: draws and seconds so far, and the relative error reached."""

    draws: int
    seconds: float
    relative_error: float


@dataclass(frozen=True)
class Check:
    """Outcome of one soundness check.

    Attributes
    ----------
    figure
        What the check measures.
    p_value
        Probability of so large a figure if all is well; NaN where the check is no test.
    verdict
        ``"pass"``, ``"warn"``, ``"fail"`` or ``"skipped"``.
    message
        One sentence for people.
    """

    figure: float
    p_value: float
    verdict: str
    message: str


@dataclass(frozen=True, eq=False)
class FisherEstimate:
    """A Fisher information matrix with its error bars.

    For m points the arrays have a leading axis m, and ``result[i]`` is the estimate at point i.

    Attributes
    ----------
    fim, standard_error
        The matrix and the standard error of each entry, shape (p, p).
    replicates
        One unbiased estimate a stream, shape (K, p, p); ``fim`` is their mean.
    parameters, theta
        Names and values of the parameters.
    draws, streams, seed, estimator, sampling
        What the estimate rests on.
    converged, message
        Whether the tolerance was met, and what else is to be said.
    relative_error
        Largest half-width at ``confidence`` relative to sqrt(I_ii I_jj): what ``rtol`` is held against.
    elapsed
        Seconds.
    history
        A `Round` for each round.
    variance_reduction
        How many times more draws the plain score estimator with independent draws would need for the same error.
    checks
        A `Check` by name.
    confidence, rtol, atol, likelihood
        As asked for; the name of the likelihood.
    """

    fim: Array
    standard_error: Array
    replicates: Array
    parameters: tuple[str, ...]
    theta: Array
    draws: int
    streams: int
    seed: int | None
    estimator: str
    sampling: str
    converged: Any
    message: str
    elapsed: float
    relative_error: Any
    history: tuple[Round, ...] = ()
    variance_reduction: Any = float("nan")
    checks: Mapping[str, Check] = field(default_factory=dict)
    confidence: float = 0.95
    rtol: float = 1e-3
    atol: float = 0.0
    likelihood: str = ""
    points: tuple[FisherEstimate, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name in STACKED:
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        object.__setattr__(self, "parameters", tuple(self.parameters))
        object.__setattr__(self, "history", tuple(self.history))
        object.__setattr__(self, "checks", MappingProxyType(dict(self.checks)))

    @classmethod
    def stack(cls, estimates: Sequence[FisherEstimate]) -> FisherEstimate:
        """Join estimates of the same parameters, at one point each, into one with a leading axis."""
        arrays = {name: _frozen(np.stack([getattr(e, name) for e in estimates])) for name in STACKED}
        points = tuple(
            replace(estimate, **{name: array[i] for name, array in arrays.items()})
            for i, estimate in enumerate(estimates)
        )
        return replace(
            points[0],
            **arrays,
            **{name: _frozen([getattr(e, name) for e in points]) for name in ("relative_error", "variance_reduction")},
            converged=_frozen([e.converged for e in points], bool),
            draws=sum(e.draws for e in points),
            elapsed=sum(e.elapsed for e in points),
            estimator=_joined(e.estimator for e in points),
            sampling=_joined(e.sampling for e in points),
            message="\n".join(f"point {i}: {e.message}" for i, e in enumerate(points) if e.message),
            history=_one_after_another(points),
            checks=_worst_checks(points),
            points=points,
        )

    def __len__(self) -> int:
        if not self.points:
            raise TypeError("an estimate at a single point has no len()")
        return len(self.points)

    def __getitem__(self, index: int) -> FisherEstimate:
        if not self.points:
            raise TypeError("an estimate at a single point cannot be indexed: its matrix is result.fim")
        return self.points[index]

    def __iter__(self) -> Iterator[FisherEstimate]:
        if not self.points:
            raise TypeError("an estimate at a single point cannot be iterated over: its matrix is result.fim")
        return iter(self.points)

    def __bool__(self) -> bool:
        return True

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.fim, dtype=dtype, copy=copy)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.fim}\n+- {self.standard_error}"


def _frozen(values: Any, dtype: Any = np.float64) -> Any:
    """A read-only array; one that is read-only already is not copied."""
    array = np.asarray(values, dtype=dtype)
    if array.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    return array


def _joined(words: Iterator[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _one_after_another(points: Sequence[FisherEstimate]) -> tuple[Round, ...]:
    """Rounds of all points, with draws and seconds since the start of the first."""
    rounds: list[Round] = []
    draws, seconds = 0, 0.0
    for point in points:
        rounds += [Round(draws + r.draws, seconds + r.seconds, r.relative_error) for r in point.history]
        draws, seconds = draws + point.draws, seconds + point.elapsed
    return tuple(rounds)


def _worst_checks(points: Sequence[FisherEstimate]) -> dict[str, Check]:
    """For each check the outcome at the point where it went worst."""
    worst: dict[str, Check] = {}
    for i, point in enumerate(points):
        for name, check in point.checks.items():
            if name not in worst or VERDICTS.index(check.verdict) > VERDICTS.index(worst[name].verdict):
                worst[name] = replace(check, message=f"point {i}: {check.message}")
    return worst
