"""Is a model sound? Sampler, density and derivatives held against one another, with a table of what was found.

Most wrong Fisher matrices come from a wrong model, not from noise. `check` asks, at one point theta:

- *derivatives*: do automatic, hand-written and difference quotients agree? (`fastfim.trust.checking.differences`)
- *support*: does it stay where it is as theta moves? (`fastfim.trust.checking.support`)
- *normalization*: does the density add up to one, whatever theta? (`fastfim.trust.checking.cells`)
- *distribution*: do draws fall where the density says? Counts against masses (`fastfim.trust.checking.cells`)
- *stein*: do draws follow the gradient of the log density? Any length, no constant needed
  (`fastfim.trust.checking.stein`)
- *mean score*, *information equality*: do both Bartlett identities hold? (`fastfim.trust.checking.identities`)
- and what every estimate asks: kinks, tails, rank.

Each test that draws by chance fails only if it fails twice, on fresh draws, at `LEVEL` each: a sound model is called
unsound with a probability far below 1e-3.

>>> report = check("norm", (0.0, 1.0), draws=20_000, rng=0)
>>> report.ok, report.checks["stein"].verdict
(True, 'pass')
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from ..engine.estimate import estimate, resolve
from ..engine.options import count, entropy
from ..errors import ConvergenceWarning, LikelihoodError, NonFiniteError, OptionError, RegularityWarning
from ..kernels.block import Job
from ..kernels.diagnosis import without_derivatives
from ..likelihood import Likelihood
from ..result.checks import Check
from .checking.cells import distribution, lay_out, normalization
from .checking.differences import derivatives
from .checking.discrepancy import discrepancy
from .checking.identities import identities
from .checking.report import Report
from .checking.subject import Subject, confirmed, failed, passed, skipped
from .checking.support import support

#: Fewest draws that say anything.
LEAST_DRAWS = 4096
#: First streams of the samples that lay out cells, and of those that are counted.
LAID_OUT, COUNTED = 700_000, 800_000

__all__ = ["Report", "check"]


def check(
    likelihood: Likelihood | str,
    theta: Any,
    args: Any = (),
    *,
    wrt: Any = None,
    draws: int = 65_536,
    rng: Any = None,
    workers: Any = None,
) -> Report:
    """Examine whether sampler, density and derivatives of a likelihood fit together at ``theta``.

    Parameters
    ----------
    likelihood
        A `Likelihood`, or the name of one in `fastfim.catalogue`.
    theta
        One point: parameters in the likelihood's order, or by name.
    args
        The likelihood's constants, a tuple.
    wrt
        Names of the parameters to differentiate; the others are known constants. Default: all.
    draws
        Draws of one look, at least 4,096; a look that raises a suspicion is repeated on fresh draws.
    rng
        Seed: int, `numpy.random.SeedSequence`, `numpy.random.Generator`, or None for fresh entropy.
    workers
        Threads (None: all cores), a map-like callable, or an executor with ``map``.

    Returns
    -------
    Report
        Prints as a table; ``report.ok`` is False if a check failed.

    Raises
    ------
    ParameterError
        ``theta`` has a wrong count, name or value, or is more than one point.
    OptionError
        Any other argument that cannot be used.
    LikelihoodError
        The functions do not compile, or do not do their part. What they compute, if wrong, is in the report.
    """
    started = perf_counter()
    model = resolve(likelihood).bind(args, wrt)
    point, seed, number = model.point(theta), entropy(rng), count("draws", draws)
    if number < LEAST_DRAWS:
        raise OptionError(f"draws must be at least {LEAST_DRAWS:,}, since fewer draws say next to nothing; got {draws}")
    subject = Subject(Job(model, point, seed, order=1), number)
    checks = {"derivatives": confirmed(lambda stage: derivatives(subject, stage))}
    if checks["derivatives"].verdict == "fail":
        # the other checks are about sampler and density: they go on with the automatic derivatives
        subject = replace(subject, job=replace(subject.job, model=_bare(subject)))
    checks["support"] = confirmed(lambda stage: support(subject, stage))
    checks |= _counted(subject)
    checks["stein"] = confirmed(lambda stage: discrepancy(subject, stage))
    estimated = _estimated(subject, workers)
    finite = estimated.pop("finite")
    if finite.verdict == "pass":
        estimated |= identities(subject, smooth=estimated["smoothness"].verdict == "pass")
    return Report(
        checks={"finite": finite, **checks, **estimated},
        parameters=model.parameters,
        theta=point[list(model.wrt)],
        fixed={name: float(point[i]) for i, name in enumerate(model.names) if i not in model.wrt},
        likelihood=model.likelihood.name,
        draws=number,
        seed=seed,
        elapsed=perf_counter() - started,
    )


def _bare(subject: Subject) -> Any:
    """The model with automatic derivatives, if there are any."""
    model = replace(subject.job.model, likelihood=without_derivatives(subject.job.model.likelihood))
    try:
        replace(subject, job=replace(subject.job, model=model)).sample(0, 1)
    except LikelihoodError:
        return subject.job.model
    return model


def _counted(subject: Subject) -> dict[str, Check]:
    """Normalization and distribution, on cells that a first sample lays out."""
    half = subject.held // 2
    first = subject.sample(LAID_OUT, half)
    if not (np.isfinite(first.draws).all() and np.isfinite(first.logpdf).all()):
        reason = skipped("some draws have no finite log density")
        return {"normalization": reason, "distribution": reason}
    cells = lay_out(first.draws)
    if isinstance(cells, str):
        return {"normalization": skipped(cells), "distribution": skipped(cells)}
    return {
        "normalization": normalization(subject, cells, first.scores),
        "distribution": confirmed(
            lambda stage: distribution(subject, cells, subject.sample(COUNTED + stage, half).draws)
        ),
    }


# ---------------------------------------------------------------- what an estimate checks


def _estimated(subject: Subject, workers: Any) -> dict[str, Check]:
    """The checks of an estimate, those that doubt asked again of a second one."""
    first = _estimate(subject, workers, 0)
    doubtful = {name for name, check in first.items() if check.verdict in ("warn", "fail")}
    if not doubtful:
        return first
    second = _estimate(subject, workers, 1)
    return {name: _milder(check, second.get(name, check)) for name, check in first.items()}


def _milder(first: Check, second: Check) -> Check:
    order = ("pass", "skipped", "warn", "fail")
    return min(second, first, key=lambda check: order.index(check.verdict))


def _estimate(subject: Subject, workers: Any, stage: int) -> dict[str, Check]:
    job = subject.job
    model, seed = job.model, int(np.random.SeedSequence([job.seed, stage]).generate_state(2, np.uint64)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RegularityWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            result = estimate(
                model.likelihood,
                job.theta,
                model.args,
                wrt=model.parameters,
                draws=subject.draws,
                estimator="score",
                sampling="mc",
                rng=seed,
                workers=workers,
            )
        except NonFiniteError as error:
            return {"finite": failed(str(error))}
    checks = dict(result.checks)
    if checks["tails"].verdict == "fail":
        # a sound model may well have scores of infinite variance
        checks["tails"] = replace(checks["tails"], verdict="warn")
    return {"finite": passed("draws, log densities and scores are finite"), **checks}
