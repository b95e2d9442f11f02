"""Is a claimed Fisher information matrix right?

The matrix is estimated, and the K replicates of the estimate (one a stream) less the claim are tested for a mean of
zero: entry by entry by Student's t with Holm's correction, and jointly by Hotelling's T^2 where the streams allow (see
`fastfim.estimation.significance`). A claim differs only if a second estimate, on fresh streams, rejects it as well:
stream means may be skewed, above all under quasi-Monte Carlo, and a test at a level of 0.001 then rejects up to ten
times too often (a Weibull distribution, 1,024 points a stream), while two keep it. So a right claim is said to be wrong
with probability ``false_alarm`` at most. What a test does not see has to be said as well: ``visible`` holds the
smallest error of each entry that would have been seen with probability `POWER`. Where both Bartlett identities make the
estimate exact, that is close to rounding; ``rtol`` says how many digits a claim has to have right.

A wrong claim is held against what matrices usually are in place of what they should be (see `fastfim.trust.slips`).

>>> checked = verify([[0.25, 0.0], [0.0, 1 / 32]], "norm", (0.0, 2.0), draws=100_000, rng=0)
>>> checked.verdict, checked.slips[0].description
('differs', 'that for the square of scale (variance for standard deviation)')
>>> verify([[0.25, 0.0], [0.0, 0.5]], "norm", (0.0, 2.0), draws=100_000, rng=0).ok
True
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.estimate import estimate, resolve
from ..engine.options import Options, count, probability, tolerance
from ..errors import OptionError, RegularityWarning
from ..estimation.estimators import symmetric
from ..estimation.significance import Significance, visible, zero_means
from ..likelihood import BoundLikelihood
from ..result import notation, printing
from ..result.fisher_estimate import FisherEstimate
from .slips import Slip, corrections

Array = NDArray[np.float64]

#: Probability with which an error of the size of ``visible`` is seen.
POWER = 0.9
#: Largest difference of a claim's (i, j) from its (j, i), relative to sqrt(C_ii C_jj), that passes for rounding.
ASYMMETRY = 1e-9
#: Checks without which nothing is known of the model.
IDENTITIES = ("mean_score", "information_equality")
#: Slips that are reported at most: the ones that fit best.
MOST_SLIPS = 5


@dataclass(frozen=True, eq=False)
class Verification:
    """What became of a claimed matrix.

    Attributes
    ----------
    claimed
        The matrix that was to be verified, shape (p, p).
    estimate
        The `fastfim.FisherEstimate` that it was held against (of two, the one that is nearer to it).
    verdict
        ``"agrees"``, ``"differs"``, or ``"undecided"`` where the model itself is in doubt.
    p_value
        Probability of differences as large as these if the claim is right.
    z
        Claim less estimate, beyond the tolerance, over the standard error: shape (p, p).
    p_values
        Entry by entry, after Holm's correction.
    visible
        For each entry the smallest error that would have been seen with probability 0.9.
    slips
        What the claimed matrix may be instead, if it differs; the best fit first.
    false_alarm, rtol
        As asked for.
    doubt
        Why nothing was decided.
    """

    claimed: Array
    estimate: FisherEstimate
    verdict: str
    p_value: float
    z: Array
    p_values: Array
    visible: Array
    slips: tuple[Slip, ...]
    false_alarm: float
    rtol: float
    doubt: str = ""

    @property
    def ok(self) -> bool:
        """Whether the claim agrees."""
        return self.verdict == "agrees"

    def __str__(self) -> str:
        return printing.page(self._lines(), self._table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return notation.html_table(*self._table(), lines=self._lines())

    def _lines(self) -> list[str]:
        found = self.estimate
        place = printing.place(found.parameters, found.theta, found.fixed)
        scale = _scale(found.fim)
        relative = float(np.max(self.visible / np.where(scale > 0.0, scale, np.inf)))
        lines = [
            f"Claimed Fisher information of {found.likelihood} at {place}",
            f"{self.verdict}: p = {self.p_value:.2g}, at a false-alarm rate of {self.false_alarm:g}",
            f"{found.draws:,} draws, {found.estimator} estimator, {found.sampling} sampling: an error of "
            f"{relative:.2g} sqrt(I_ii I_jj) in any entry would have been seen with probability {POWER:g}",
        ]
        slips = [f"it would be right as {slip.description}" for slip in self.slips]
        doubts = [f"{name}: {c.verdict}: {c.message}" for name, c in found.checks.items() if c.verdict == "warn"]
        return lines + ([self.doubt] if self.doubt else doubts) + slips

    def _table(self) -> tuple[NDArray[np.str_], tuple[tuple[str, ...], ...]]:
        """Entries of the upper triangle; those that differ most first, if there are too many to show."""
        rows, columns = np.triu_indices(len(self.claimed))
        if len(rows) > notation.LONGEST:
            order = np.argsort(-np.abs(self.z[rows, columns]), kind="stable")
            rows, columns = rows[order], columns[order]
        names = self.estimate.parameters
        labels = tuple(f"{names[i]} x {names[j]}" for i, j in zip(rows, columns, strict=True))
        cells = [
            [notation.plain(c, 8) for c in self.claimed[rows, columns]],
            list(notation.bracketed(self.estimate.fim[rows, columns], self.estimate.standard_error[rows, columns])),
            [notation.plain(z, 2) for z in self.z[rows, columns]],
            ["wrong" if p < self.false_alarm else "" for p in self.p_values[rows, columns]],
        ]
        return np.array(cells).T, (labels, ("claimed", "estimated", "z", ""))


def verify(
    fim: Any,
    likelihood: Any,
    theta: Any,
    args: Any = (),
    *,
    wrt: Any = None,
    false_alarm: float = 1e-3,
    rtol: float = 1e-6,
    draws: int = 2**20,
    estimator: str = "auto",
    sampling: str = "auto",
    streams: int = 32,
    rng: Any = None,
    workers: Any = None,
) -> Verification:
    """Test whether a claimed Fisher information matrix is right.

    Parameters
    ----------
    fim
        The claimed matrix, shape (p, p), for one draw.
    likelihood, theta, args, wrt
        As for `fastfim.estimate`; a single point.
    false_alarm
        Probability, at most, that a right matrix is said to be wrong.
    rtol
        Errors of an entry up to ``rtol * sqrt(I_ii * I_jj)`` are none: how exact the claim is meant to be.
    draws, estimator, sampling, streams, rng, workers
        As for `fastfim.estimate`.

    Returns
    -------
    Verification
        With ``ok``, ``verdict``, and a table when printed.

    Raises
    ------
    OptionError
        ``fim`` is no symmetric (p, p) matrix of finite numbers, or another argument cannot be used.
    ParameterError, LikelihoodError, NonFiniteError
        As `fastfim.estimate`.
    """
    false_alarm, rtol = probability("false_alarm", false_alarm, 1e-3), tolerance("rtol", rtol)
    model = resolve(likelihood).bind(args, wrt)
    model.point(theta)
    claimed = _claim(fim, model.parameters)
    # a fixed budget, so that nothing stops a run when it suits the claim
    seed = Options.of(draws=count("draws", draws), rng=rng).seed
    run = partial(
        _quietly,
        partial(estimate, likelihood, theta, args, wrt=wrt, draws=draws, estimator=estimator, sampling=sampling),
        streams=streams,
        workers=workers,
    )
    found = run(rng=seed)
    compared, doubt = _compared(found, claimed, rtol), _doubt(found)
    if compared.p_value < false_alarm and not doubt:
        again = run(rng=np.random.SeedSequence(seed).spawn(1)[0])
        found = max(found, again, key=lambda estimate: _compared(estimate, claimed, rtol).p_value)
        compared = _compared(found, claimed, rtol)
    verdict = "undecided" if doubt else "differs" if compared.p_value < false_alarm else "agrees"
    return Verification(
        claimed=claimed,
        estimate=found,
        verdict=verdict,
        p_value=compared.p_value,
        z=_square(compared.statistic),
        p_values=_square(compared.p_values),
        visible=_visible(found, compared.share * false_alarm, rtol),
        slips=_explanations(found, claimed, model, false_alarm, rtol) if verdict == "differs" else (),
        false_alarm=false_alarm,
        rtol=rtol,
        doubt=doubt,
    )


def _quietly(run: Callable[..., FisherEstimate], **options: Any) -> FisherEstimate:
    """Run without warnings: what they say is in the checks, and these are in the verdict."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RegularityWarning)
        return run(**options)


def _claim(fim: Any, parameters: tuple[str, ...]) -> Array:
    """A symmetric matrix."""
    p = len(parameters)
    try:
        matrix = np.array(fim, dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionError(f"fim must be a matrix of numbers; got {fim!r}") from None
    if matrix.shape != (p, p):
        raise OptionError(f"fim must have shape ({p}, {p}), one row for each of {parameters}; got {matrix.shape}")
    if not np.isfinite(matrix).all():
        i, j = np.argwhere(~np.isfinite(matrix))[0]
        raise OptionError(f"fim must be finite; got {matrix[i, j]} at {parameters[i]} x {parameters[j]}")
    uneven = np.abs(matrix - matrix.T) > ASYMMETRY * (_scale(np.abs(matrix)) + np.abs(matrix))
    if uneven.any():
        i, j = np.argwhere(uneven)[0]
        raise OptionError(
            f"fim must be symmetric, as Fisher information is; got {matrix[i, j]:g} at {parameters[i]} x "
            f"{parameters[j]} and {matrix[j, i]:g} at {parameters[j]} x {parameters[i]}"
        )
    return matrix


def _scale(fim: Array) -> Array:
    """sqrt(I_ii I_jj)."""
    root = np.sqrt(np.clip(np.diagonal(fim), 0.0, None))
    return np.outer(root, root)


def _compared(found: FisherEstimate, claimed: Array, rtol: float) -> Significance:
    """The test of the upper triangle: claim less replicates."""
    upper = np.triu_indices(len(claimed))
    scale = _scale(found.fim)[upper]
    return zero_means((claimed - found.replicates)[:, *upper], scale, rtol * scale)


def _square(entries: Array) -> Array:
    """The matrix of an upper triangle."""
    p = int(np.sqrt(2 * len(entries)))
    matrix: Array = symmetric(entries[None], p)[0]
    return matrix


def _visible(found: FisherEstimate, level: float, rtol: float) -> Array:
    p = len(found.fim)
    distance: Array = rtol * _scale(found.fim) + found.standard_error * visible(
        level, p * (p + 1) // 2, found.streams, np.sqrt(POWER)
    )
    return distance


def _doubt(found: FisherEstimate) -> str:
    """Why the estimate is nothing to judge by, if so."""
    for name, check in found.checks.items():
        if check.verdict == "fail" or (check.verdict == "skipped" and name in IDENTITIES):
            return f"the model is in doubt ({name}): {check.message}"
    return ""


def _explanations(
    found: FisherEstimate, claimed: Array, model: BoundLikelihood, level: float, rtol: float
) -> tuple[Slip, ...]:
    """The slips that make the claim right, the best fit first."""
    domain = tuple(model.domain[k] for k in model.wrt)
    fitting = []
    for slip in corrections(claimed, found.fim, found.theta, found.parameters, domain):
        compared = _compared(found, slip.fim, rtol)
        if compared.p_value >= level:
            fitting.append((float(np.abs(compared.statistic).max()), slip))
    return tuple(slip for _, slip in sorted(fitting, key=lambda pair: pair[0])[:MOST_SLIPS])
