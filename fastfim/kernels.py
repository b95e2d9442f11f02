"""The one hot loop: a block of draws in, sums of scores, outer products and Hessians out.

For every draw x of a block: the score s = grad log p(x|theta), its outer product Y = s s^T and, where the estimator
asks for it, N = -Hessian. Only their sums leave (see `fastfim.estimators` for why that is enough). A block runs in
chunks of up to 256 draws, three passes each, so that every pass is a tight loop over memory in cache:

1. draw: the user's ``sample`` writes the chunk's draws;
2. differentiate: ``logpdf`` on dual numbers (or the user's ``score`` and ``hessian``) writes s and N, parameter by
   parameter ("structure of arrays"), so that
3. sum: adds dot products of contiguous rows.

A chunk stays behind in the workspace, which is how `chunks_of` looks at single draws with the same compiled code, and
`derivatives_at` differentiates draws that come from elsewhere: a block without its first pass.

>>> from fastfim.catalogue import catalogue
>>> model = catalogue["norm"].bind()
>>> job = Job(model, model.theta([1.0, 2.0]), seed=0, order=1)
>>> run_block(job, Block(stream=0, number=0, size=1000)).shape  # 2 sums of s, 3 of Y, 1 that counts trouble
(6,)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import carray
from numpy.typing import NDArray

from . import _abi, _jit, autodiff, streams
from .errors import LikelihoodError
from .likelihood import BoundLikelihood, location
from .passes import Recipe, derivative_pass, draw_pass, prepared
from .summing import sum_chunk

#: Draws a chunk: enough to amortise a pass, few enough that the chunk stays in the first two caches.
LONGEST_CHUNK, SHORTEST_CHUNK, CACHED_WORDS = 256, 16, 8192
#: A call costs some 50 microseconds around the draws, so blocks are long, yet short enough to interrupt.
LONGEST_BLOCK, BLOCK_WORDS = 1 << 18, 1 << 20
HEADER = 2
#: The ``sampling`` of a job whose draws are there already.
GIVEN = "given"


@dataclass(frozen=True)
class Layout:
    """Where things lie in ``work`` and ``sums``.

    ``work``: draws (chunk, size); log densities (chunk); scores (p, chunk); for order 2 also Hessians (p (p + 1) / 2,
    chunk), upper triangle row by row.
    ``sums``: s (p); Y (p (p + 1) / 2); for order 2 also N; last, how many draws and log densities were not finite.
    """

    p: int
    size: int
    order: int

    @property
    def pairs(self) -> int:
        """Entries of a packed symmetric matrix."""
        return self.p * (self.p + 1) // 2

    @property
    def words_a_draw(self) -> int:
        """Workspace of one draw."""
        return self.size + 1 + self.p + self.pairs * (self.order == 2)

    @property
    def chunk(self) -> int:
        """Draws a chunk: a power of two."""
        fitting = max(CACHED_WORDS // self.words_a_draw, SHORTEST_CHUNK)
        return int(min(LONGEST_CHUNK, 1 << (fitting.bit_length() - 1)))

    @property
    def block(self) -> int:
        """Draws a block at most: words stand for work, so that a block takes a millisecond or so of a cheap density."""
        return int(min(LONGEST_BLOCK, max(self.chunk, BLOCK_WORDS // (1 << (self.words_a_draw - 1).bit_length()))))

    @property
    def sums(self) -> int:
        """Length of ``sums``."""
        return self.p + self.pairs * self.order + 1

    def workspace(self) -> NDArray[np.float64]:
        """An empty ``work``."""
        return np.empty(self.chunk * self.words_a_draw)

    def read(self, work: NDArray[np.float64], count: int) -> Chunk:
        """Copy the first ``count`` draws of the chunk that a call left in ``work``."""
        ends = np.cumsum([self.size, 1, self.p]) * self.chunk
        draws, logpdf, scores, hessians = np.split(work, ends)
        return Chunk(
            draws.reshape(self.chunk, self.size)[:count].copy(),
            logpdf[:count].copy(),
            scores.reshape(self.p, self.chunk)[:, :count].T.copy(),
            hessians.reshape(-1, self.chunk)[:, :count].T.copy() if self.order == 2 else None,
        )


@dataclass(frozen=True)
class Chunk:
    """Single draws: ``draws`` (n, size), ``logpdf`` (n,), ``scores`` (n, p), packed ``hessians`` or None."""

    draws: NDArray[np.float64]
    logpdf: NDArray[np.float64]
    scores: NDArray[np.float64]
    hessians: NDArray[np.float64] | None

    @classmethod
    def joined(cls, chunks: Sequence[Chunk]) -> Chunk:
        """One chunk after another."""
        hessians = [chunk.hessians for chunk in chunks if chunk.hessians is not None]
        return cls(
            np.concatenate([chunk.draws for chunk in chunks]),
            np.concatenate([chunk.logpdf for chunk in chunks]),
            np.concatenate([chunk.scores for chunk in chunks]),
            np.concatenate(hessians) if hessians else None,
        )


@dataclass(frozen=True, eq=False)
class Job:
    """What all blocks of a run share.

    Attributes
    ----------
    model, theta
        The likelihood with its constants and the parameters to differentiate, and one point (all parameters).
    seed
        Entropy of the run.
    order
        1: scores; 2: Hessians too.
    sampling
        ``"mc"`` or ``"rqmc"``: where the random numbers come from; ``"given"``: no draws are made.
    differentiate_at
        Where the log density is differentiated, if not at ``theta``: the same draws, seen from another point.
    """

    model: BoundLikelihood
    theta: NDArray[np.float64]
    seed: int
    order: int
    sampling: str = "mc"
    differentiate_at: NDArray[np.float64] | None = None

    @property
    def p(self) -> int:
        """Parameters to differentiate."""
        return len(self.model.wrt)

    @property
    def points(self) -> NDArray[np.float64]:
        """Where to draw, and behind it where to differentiate."""
        return np.concatenate([self.theta, self.theta if self.differentiate_at is None else self.differentiate_at])

    @property
    def layout(self) -> Layout:
        """Layout of the job's workspace and sums."""
        return Layout(self.p, self.model.size, self.order)


class Block(NamedTuple):
    """Which draws: ``size`` of ``stream`` from its ``first`` on, with the random numbers of ``number``."""

    stream: int
    number: int
    size: int
    first: int = 0


def run_block(job: Job, block: Block) -> NDArray[np.float64]:
    """Sums over the draws of a block: a pure function of its arguments, whoever calls it and wherever.

    Returns
    -------
    ndarray
        Laid out as `Layout` says; no check is made that it is finite.

    Raises
    ------
    LikelihoodError
        If the user's functions do not compile, or raise.
    """
    layout = job.layout
    sums = np.zeros(layout.sums)
    _call(job, _state(job, block), block.size, layout.workspace(), sums)
    return sums


def chunks_of(job: Job, block: Block) -> Iterator[Chunk]:
    """The draws of the same block one by one, a chunk at a time."""
    layout = job.layout
    state, work = _state(job, block), layout.workspace()
    for done in range(0, block.size, layout.chunk):
        count = min(layout.chunk, block.size - done)
        _call(job, state, count, work, np.zeros(layout.sums))
        yield layout.read(work, count)


def derivatives_at(model: BoundLikelihood, theta: NDArray[np.float64], draws: Any, order: int = 1) -> Chunk:
    """Log densities and their derivatives in theta at given draws; nothing is drawn.

    Parameters
    ----------
    model, theta
        The likelihood with its constants and the parameters to differentiate, and one point (all parameters).
    draws
        Shape (n, size), or (n,) for scalar draws.
    order
        1: scores; 2: Hessians too.

    Returns
    -------
    Chunk
        All n draws; no check is made that anything is finite.

    Raises
    ------
    LikelihoodError
        If the user's functions do not compile, or raise.
    """
    job = Job(model, theta, seed=0, order=order, sampling=GIVEN)
    layout = job.layout
    given = np.array(draws, dtype=np.float64).reshape(-1, layout.size)
    state, work, sums = streams.initial_state(0, 0, 0), layout.workspace(), np.zeros(layout.sums)
    chunks = []
    for first in range(0, max(1, len(given)), layout.chunk):
        part = given[first : first + layout.chunk]
        work[: part.size] = part.ravel()
        _call(job, state, len(part), work, sums)
        chunks.append(layout.read(work, len(part)))
    return Chunk.joined(chunks)


def _state(job: Job, block: Block) -> NDArray[np.float64]:
    return streams.initial_state(job.seed, block.stream, block.number, job.sampling, block.first)


def compile_for(model: BoundLikelihood, order: int, sampling: str = "mc") -> Callable[..., None]:
    """Compile (or recall) the block of a likelihood.

    Raises
    ------
    LikelihoodError
        On the user's own file and line.
    """
    likelihood, given = model.likelihood, sampling == GIVEN
    recipe = Recipe(
        sample=None if given else likelihood.sample,
        logpdf=likelihood.logpdf,
        prepare=likelihood.prepare,
        score=likelihood.score,
        hessian=likelihood.hessian,
        parameters=len(model.names),
        wrt=model.wrt,
        order=order,
        sampling="mc" if given else sampling,
        scalar=likelihood.scalar,
        length=None if callable(likelihood.size) else model.size,
        kinds=_abi.kinds_of(model.args),
    )
    return _compiled(recipe)


def _call(job: Job, state: Any, size: int, work: Any, sums: Any) -> None:
    run, layout, model = compile_for(job.model, job.order, job.sampling), job.layout, job.model
    try:
        run(state, job.points, _abi.words((layout.size, layout.chunk), model.args), size, work, sums)
    except Exception as error:
        raise LikelihoodError(
            f"{model.likelihood.name}: sample or logpdf raised {type(error).__name__}: {error} "
            f"at theta = {job.theta.tolist()}",
            *location(model.likelihood.sample),
        ) from error


# ---------------------------------------------------------------- what is compiled


@lru_cache(maxsize=256)
def _compiled(recipe: Recipe) -> Callable[..., None]:
    return native(lambda: _block(recipe), recipe.logpdf)


def native(build: Callable[[], Any], logpdf: Any, of: str = "theta") -> Callable[..., None]:
    """Compile the block that ``build`` makes around ``logpdf``, differentiated with respect to ``of``.

    Raises
    ------
    LikelihoodError
        On the user's own file and line.
    """
    try:
        dispatcher = _jit.native(_abi.SIGNATURE, build())
    except Exception as error:
        reason = autodiff.explain(error, logpdf, of)
        place = f"{reason.file}:{reason.line}: " if reason.file else ""
        # the compiler's own account runs to hundreds of lines, and says no more
        raise LikelihoodError(f"{place}{reason}", reason.file, reason.line) from None
    return _abi.entry(next(iter(dispatcher.overloads.values())))


def _block(recipe: Recipe) -> Callable[..., int]:
    """The three passes over chunks, around one likelihood."""
    open_stream, close_stream = streams.opener(recipe.sampling), streams.close_stream
    private, unpack, offset = _abi.private_copy(recipe.parameters), _abi.unpacker(recipe.kinds, HEADER), _abi.offset
    draw_chunk, differentiate_chunk = draw_pass(recipe), derivative_pass(recipe)
    with_prepared = prepared(recipe, autodiff.plain)
    p, parameters, order, length = recipe.p, recipe.parameters, recipe.order, recipe.length

    def block(state, theta, table, n, work, sums):  # type: ignore[no-untyped-def]
        size = table[0] if length is None else length
        chunk = table[1]
        constants = unpack(table)
        point = private(theta)
        args = with_prepared(point, constants)
        there = offset(theta, parameters)
        rng = open_stream(state)
        draws = carray(work, (chunk, size))
        results = offset(work, chunk * size)
        done = 0
        while done < n:
            m = min(chunk, n - done)
            draw_chunk(rng, point, args, draws, m)
            differentiate_chunk(there, constants, draws, results, chunk, m)
            sum_chunk(work, size, p, order, chunk, m, sums)
            done += m
        close_stream(rng)
        return 0

    return block
