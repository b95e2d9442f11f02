"""One matrix by each of its definitions, and whether they agree.

At a regular model five things are the same matrix, the Fisher information:

- the mean *outer product* of the score, E[s s^T], and its *covariance*, since E[s] = 0;
- minus the mean *Hessian*, by the second Bartlett identity;
- the curvatures of the *Kullback-Leibler* and *Hellinger* divergences between theta and its neighbours, from log
  densities alone, without any derivative (see `fastfim.trust.divergence`).

All are taken over the same draws, so that they differ by little more than what tells them apart. Their differences,
stream by stream, are tested together (see `fastfim.estimation.significance`): the mean score against zero (on which
covariance and outer product differ), the Hessian against the outer product, each divergence against the one of these
that it tends to. Which of them fail says which assumption does:

- a kink in theta: the Hessian stands alone, the divergences side with the outer product;
- a factor of the density that depends on theta is missing, or sampler and density disagree: the mean score is not zero,
  or all pairs differ;
- the support moves with theta: the Kullback-Leibler divergence is infinite.

>>> seen = views("norm", (0.0, 1.0), draws=20_000, rng=0)
>>> seen.ok, list(seen)
(True, ['outer_product', 'covariance', 'hessian', 'kullback_leibler', 'hellinger'])
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.estimate import resolve
from ..engine.options import Options, count, probability
from ..engine.workers import mapper
from ..errors import LikelihoodError
from ..estimation import soundness
from ..estimation.significance import entrywise
from ..kernels.block import Block, Job, chunks_of
from ..kernels.diagnosis import check_by_hand
from ..result import notation, printing
from ..result.checks import Check
from .definitions import Definitions, measured

Array = NDArray[np.float64]

#: How the definitions are called in tables.
TITLES = {
    "outer_product": "outer product",
    "covariance": "covariance",
    "hessian": "Hessian",
    "kullback_leibler": "KL",
    "hellinger": "Hellinger",
}


@dataclass(frozen=True)
class View:
    """The matrix by one definition, and the standard error of each entry, both (p, p)."""

    fim: Array
    standard_error: Array


@dataclass(frozen=True, eq=False)
class Views(Mapping[str, View]):
    """The matrix by each of its definitions: ``views["hessian"].fim``.

    Attributes
    ----------
    by_name
        A `View` by the name of the definition.
    checks
        A `Check` for each comparison.
    p_value
        Probability of differences as large as these if the definitions agree.
    parameters, theta, draws, streams, seed, likelihood, fixed
        What it was computed from, as in `fastfim.FisherEstimate`.
    """

    by_name: Mapping[str, View]
    checks: Mapping[str, Check]
    p_value: float
    parameters: tuple[str, ...]
    theta: Array
    draws: int
    streams: int
    seed: int
    likelihood: str
    fixed: Mapping[str, float]

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the agreement of the definitions."""
        return all(check.verdict == "pass" for check in self.checks.values())

    def __getitem__(self, name: str) -> View:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def __str__(self) -> str:
        return printing.page(self._lines(), self._table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return notation.html_table(*self._table(), lines=self._lines())

    def _lines(self) -> list[str]:
        place = printing.place(self.parameters, self.theta, self.fixed)
        failed = any(check.verdict == "fail" for check in self.checks.values())
        verdict = "agree" if self.ok else "differ" if failed else "cannot be told apart"
        return [
            f"Fisher information of {self.likelihood} at {place}, by its definitions",
            f"{self.draws:,} draws in {self.streams} streams, seed {self.seed}",
            f"the definitions {verdict}: p = {self.p_value:.2g}",
            *(f"{name}: {c.verdict}: {c.message}" for name, c in self.checks.items() if c.verdict != "pass"),
        ]

    def _table(self) -> tuple[NDArray[np.str_], tuple[tuple[str, ...], ...]]:
        """The first rows of the matrix, one after another, by all definitions."""
        names, titles = self.parameters[: notation.LONGEST], tuple(TITLES[name] for name in self)
        cells = [
            notation.bracketed(view.fim[: len(names)], view.standard_error[: len(names)]) for view in self.values()
        ]
        return np.stack(cells, axis=1), (names, titles, self.parameters)


def views(
    likelihood: Any,
    theta: Any,
    args: Any = (),
    *,
    wrt: Any = None,
    draws: int = 2**16,
    streams: int = 32,
    false_alarm: float = 1e-3,
    rng: Any = None,
    workers: Any = None,
) -> Views:
    """Compute the Fisher information by each of its definitions, and test whether they agree.

    A draw costs 3 p (p + 1) evaluations of the log density beside its score and Hessian.

    Parameters
    ----------
    likelihood, theta, args, wrt
        As for `fastfim.estimate`; a single point.
    draws, streams
        Draws in all, rounded up to a multiple of ``streams``; the spread between streams gives the error bars.
    false_alarm
        Probability that definitions which agree are said to differ.
    rng, workers
        As for `fastfim.estimate`.

    Returns
    -------
    Views
        A mapping from ``"outer_product"``, ``"covariance"``, ``"hessian"``, ``"kullback_leibler"`` and ``"hellinger"``
        to the matrix and its standard errors, with ``ok`` and ``checks``.

    Raises
    ------
    ParameterError, OptionError, LikelihoodError, NonFiniteError
        As `fastfim.estimate`.
    """
    options = Options.of(
        draws=count("draws", draws), streams=streams, estimator="covariance", sampling="mc", rng=rng, workers=workers
    )
    false_alarm = probability("false_alarm", false_alarm, 1e-3)
    model = resolve(likelihood).bind(args, wrt)
    point = model.point(theta)
    job = _with_hessians(Job(model, point, options.seed, order=2))
    check_by_hand(job)
    with mapper(options.workers) as ordered_map:
        found = measured(job, options.streams, options.budget(0, "mc") or 1, ordered_map)
    compared = _compared(found)
    support = _support(found, model.parameters)
    return Views(
        by_name={name: View(*found.matrices()[name]) for name in TITLES if name in found.matrices()},
        checks=support | _checks(found, compared, false_alarm, model.parameters),
        p_value=float(min(p_values.min() for _, p_values in compared.values())),
        parameters=model.parameters,
        theta=point[list(model.wrt)],
        draws=found.sums.draws * options.streams,
        streams=options.streams,
        seed=options.seed,
        likelihood=model.likelihood.name,
        fixed={name: point[i] for i, name in enumerate(model.names) if i not in model.wrt},
    )


def _with_hessians(job: Job) -> Job:
    """The job; of order one, should it have no Hessians."""
    try:
        next(chunks_of(job, Block(0, 0, 1)))
    except LikelihoodError:
        return replace(job, order=1)
    return job


def _compared(found: Definitions) -> dict[str, tuple[Array, Array]]:
    """Statistics and p-values of each comparison, from one test of all of them."""
    differences = found.differences()
    every = entrywise(*(np.concatenate(part, axis=-1) for part in zip(*differences.values(), strict=True)))
    ends = np.cumsum([len(scale) for _, scale, _ in differences.values()])[:-1]
    parts = zip(*(np.split(values, ends) for values in every), strict=True)
    return dict(zip(differences, parts, strict=True))


# ---------------------------------------------------------------- in words

_SOUND = {
    "mean_score": "the mean score is zero: outer product and covariance agree",
    "information_equality": "outer product and Hessian agree",
    "kullback_leibler": "the Kullback-Leibler divergence bends as the derivatives say",
    "hellinger": "the Hellinger distance grows as the score says",
}
_BROKEN = {
    "mean_score": "the mean score is not zero: sampler and log density disagree, or a normalizing constant that "
    "depends on theta is missing (then the covariance is right, and estimator='covariance')",
    "information_equality": "outer product and Hessian differ",
    "kullback_leibler": "the Kullback-Leibler divergence does not bend as the Hessian says: the log density has a kink "
    "in theta, and minus the mean Hessian is not the information (the outer product is: estimator='score')",
    "hellinger": "the Hellinger distance does not grow as the score says: the tails of the score are too heavy for a "
    "mean square, or its derivatives are not those of the log density",
}


def _checks(
    found: Definitions, compared: dict[str, tuple[Array, Array]], level: float, parameters: tuple[str, ...]
) -> dict[str, Check]:
    """Each comparison in words."""
    failed = {name for name, (_, p_values) in compared.items() if p_values.min() < level}
    checks = {}
    for name, (statistic, p_values) in compared.items():
        worst = int(np.abs(statistic).argmax())
        message, verdict = _SOUND[name], "pass"
        if name in failed:
            where = _entry(name, worst, parameters)
            message, verdict = (
                f"{_reason(name, failed, moving=bool(found.outside.any()))} (largest for {where})",
                "fail",
            )
        checks[name] = Check(float(abs(statistic[worst])), float(p_values.min()), verdict, message)
    if not failed and soundness.mean_score(found.sums).verdict == "skipped":
        message = (
            "too few events: next to no draw says anything about theta, or all say the same; more draws would tell"
        )
        checks["mean_score"] = replace(checks["mean_score"], p_value=float("nan"), verdict="skipped", message=message)
    return checks


def _reason(name: str, failed: set[str], moving: bool) -> str:
    """Which assumption fails, given all the comparisons that do."""
    if moving:
        return f"{_BROKEN[name].partition(':')[0]}, as the support moves"
    if name != "information_equality":
        return _BROKEN[name]
    if "kullback_leibler" in failed:
        return f"{_BROKEN[name]}, as they do at a kink"
    constant = ", or a constant is missing" if "mean_score" in failed else ""
    return f"{_BROKEN[name]} where the log density is smooth: sampler and log density disagree{constant}"


def _entry(name: str, index: int, parameters: tuple[str, ...]) -> str:
    """A parameter, or a pair of them."""
    if name == "mean_score":
        return parameters[index]
    rows, columns = np.triu_indices(len(parameters))
    return f"{parameters[rows[index]]} x {parameters[columns[index]]}"


def _support(found: Definitions, parameters: tuple[str, ...]) -> dict[str, Check]:
    """Whether log densities near theta are finite at the draws of theta."""
    share = found.outside / found.sums.draws / len(found.sums.score)
    j = int(share.argmax())
    if share[j] > 0.0:
        message = (
            f"the support moves with {parameters[j]}: {100 * share[j]:.2g} % of the draws leave it at a small step, so "
            "that the Kullback-Leibler divergence is infinite; these definitions do not meet"
        )
        return {"support": Check(float(share[j]), float("nan"), "fail", message)}
    if not found.comparable:
        message = "logpdf is not a number at a small step from theta: give the likelihood its domain or constraint"
        return {"support": Check(float("nan"), float("nan"), "skipped", message)}
    return {"support": Check(0.0, float("nan"), "pass", "no draw leaves the support at a small step")}
