"""What was wrong with a block: finds the draw at fault and says how to replay it.

The hot loop only adds. A sum that is not finite, be it that of the draws times zero, brings the block here: it runs
once more, draw by draw, with the same compiled code and the same random numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import LikelihoodError, NonFiniteError
from ..likelihood import Likelihood, location
from .block import UNWRITTEN, Block, Chunk, Job, chunks_of

#: Draws on which hand-written derivatives are held against automatic ones, and how far they may differ.
FIRST_DRAWS, AGREEMENT = Block(stream=0, number=0, size=64), 1e-6


def raise_for(job: Job, block: Block) -> None:
    """Raise the error that explains why the sums of a block are not finite.

    Raises
    ------
    LikelihoodError
        A vector that ``sample``, ``score`` or ``hessian`` did not fill.
    NonFiniteError
        A draw, log density, score or Hessian that is not finite, or finite ones whose products overflow.
    """
    first = 0
    for chunk in chunks_of(job, block):
        _check_filled(job, chunk)
        for what, index in _faults(chunk):
            raise _nonfinite(job, what, chunk, index, block, first + index)
        first += len(chunk.draws)
    raise NonFiniteError(
        f"{job.model.likelihood.name}: every score is finite, but the sum of their products overflows at "
        f"theta = {job.theta.tolist()} (stream {block.stream}, block {block.number}): rescale the parameters",
        theta=job.theta,
        stream=block.stream,
        block=block.number,
        seed=job.seed,
    )


def _check_filled(job: Job, chunk: Chunk) -> None:
    parts = (("sample", "x", chunk.draws), ("score", "out", chunk.scores), ("hessian", "out", chunk.hessians))
    for role, name, values in parts:
        if values is None or not (values.view(np.int64) == UNWRITTEN).any():
            continue
        function = getattr(job.model.likelihood, role)
        raise LikelihoodError(
            f"{role} must fill every entry of {name}: entry {_first_unwritten(values)} was never written "
            f"({function.__name__}; {name}[...] = value fills it in place, {name} = value does not)",
            *location(function),
        )


def _first_unwritten(values: Any) -> int:
    return int(np.argwhere(values.view(np.int64) == UNWRITTEN)[0, 1])


def _faults(chunk: Chunk) -> list[tuple[str, int]]:
    """(what, index) of the earliest draw at fault; of several faults in it, the first that explains the others."""
    named = [("draw", chunk.draws), ("log density", chunk.logpdf[:, None]), ("score", chunk.scores)]
    if chunk.hessians is not None:
        named.append(("Hessian", chunk.hessians))
    bad = [(what, ~np.isfinite(values).all(axis=1)) for what, values in named]
    faults = [(int(rows.argmax()), k, what) for k, (what, rows) in enumerate(bad) if rows.any()]
    return [(what, index) for index, _, what in sorted(faults)[:1]]


_ADVICE = {
    "draw": "the sampler must return finite numbers",
    "log density": "the sampler draws where the density is zero or infinite: the two functions disagree",
    "score": "logpdf has no finite derivative there: look for overflow, log(0), 0 * inf, sqrt(0)",
    "Hessian": "logpdf has no finite second derivative there (estimator='score' does not need it)",
}


def _nonfinite(job: Job, what: str, chunk: Chunk, index: int, block: Block, position: int) -> NonFiniteError:
    draw, values = chunk.draws[index], {"log density": chunk.logpdf, "score": chunk.scores, "Hessian": chunk.hessians}
    subject = f"draw {_shown(draw)} is not finite"
    if what != "draw":
        value = values[what]
        assert value is not None
        subject = f"{what} {_shown(value[index])} of draw {_shown(draw)} is not finite"
    return NonFiniteError(
        f"{job.model.likelihood.name}: {subject} at theta = {job.theta.tolist()}; {_ADVICE[what]}. It is draw "
        f"{position} of block {block.number} of stream {block.stream} with rng={job.seed}; the error's .draw holds it",
        draw=float(draw[0]) if job.model.likelihood.scalar else draw,
        theta=job.theta,
        stream=block.stream,
        block=block.number,
        index=position,
        seed=job.seed,
    )


def _shown(values: Any) -> str:
    """A number, or a vector with its middle left out."""
    values = np.atleast_1d(values)
    return f"{values[0]:.9g}" if values.size == 1 else np.array2string(values, threshold=8)


# ---------------------------------------------------------------- hand-written derivatives


def check_by_hand(job: Job) -> None:
    """Hold hand-written derivatives against automatic ones on the first draws of a run.

    Where ``logpdf`` cannot be differentiated automatically there is nothing to compare with, and nothing is said.

    Raises
    ------
    LikelihoodError
        If they differ by more than `AGREEMENT` of the entry's typical size.
    """
    likelihood = job.model.likelihood
    if likelihood.score is None and (likelihood.hessian is None or job.order == 1):
        return
    automatic = replace(job, model=replace(job.model, likelihood=without_derivatives(likelihood)))
    given = next(chunks_of(job, FIRST_DRAWS))
    _check_filled(job, given)
    try:
        expected = next(chunks_of(automatic, FIRST_DRAWS))
    except LikelihoodError:
        return
    _compare(job, "score", given.draws, given.scores, expected.scores)
    if job.order == 2:
        _compare(job, "hessian", given.draws, given.hessians, expected.hessians)


def without_derivatives(likelihood: Likelihood) -> Likelihood:
    """Return the likelihood as it would be without hand-written derivatives."""
    return Likelihood(
        likelihood.sample,
        likelihood.logpdf,
        parameters=likelihood.parameters,
        domain=likelihood.domain,
        size=likelihood.size,
        prepare=likelihood.prepare,
        name=likelihood.name,
    )


def _compare(job: Job, role: str, draws: Any, given: Any, expected: Any) -> None:
    function = getattr(job.model.likelihood, role)
    if function is None:
        return
    usable = np.isfinite(expected).all(axis=1)
    finite = np.where(np.isfinite(given), given, 0.0)
    scale = np.abs(expected[usable]).max(axis=0, initial=0.0) + np.abs(finite[usable]).max(axis=0, initial=0.0)
    wrong = ~(np.abs(given - expected) <= AGREEMENT * scale)
    wrong[~usable] = False
    if not wrong.any():
        return
    i, k = np.argwhere(wrong)[0]
    names = job.model.parameters
    entries = [(n,) for n in names] if role == "score" else [(a, b) for j, a in enumerate(names) for b in names[j:]]
    raise LikelihoodError(
        f"{role} is not the derivative of logpdf: at draw {_shown(draws[i])}, "
        f"theta = {job.theta.tolist()}, entry ({', '.join(entries[k])}) is {given[i, k]:.9g} by hand and "
        f"{expected[i, k]:.9g} automatically",
        *location(function),
    )
