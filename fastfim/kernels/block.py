"""The one hot loop: a block of draws in, sums of scores, outer products and Hessians out.

For every draw x of a block: the score s = grad log p(x|theta), its outer product Y = s s^T and, where the estimator
asks for it, N = -Hessian. Only their sums leave (see `fastfim.estimation.estimators` for why that is enough). A block
runs in chunks of up to 512 draws, three passes each, so that every pass is a tight loop over memory in cache:

1. draw: the user's ``sample`` writes the chunk's draws;
2. differentiate: ``logpdf`` on dual numbers (or the user's ``score`` and ``hessian``) writes s and N, parameter by
   parameter ("structure of arrays"), so that
3. sum: adds dot products of contiguous rows.

A chunk stays behind in the workspace, which is how `chunks_of` looks at single draws with the same compiled code, and
`derivatives_at` differentiates draws that come from elsewhere: a block without its first pass.

>>> from fastfim.catalogue import catalogue
>>> model = catalogue["norm"].bind()
>>> job = Job(model, model.theta([1.0, 2.0]), seed=0, order=1)
>>> run_block(job, Block(stream=0, number=0, size=1000)).shape  # 2 sums of s, 3 of Y, weights, a count of trouble
(7,)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from .. import store, streams
from ..errors import LikelihoodError
from ..likelihood import BoundLikelihood, location
from . import calls

#: Draws a chunk: enough to amortise a pass, few enough that the chunk stays in the first two caches.
LONGEST_CHUNK, CACHED_WORDS = 512, 8192
#: Draws whose elements lie together (see `fastfim.kernels.placing`), and may be done at once; chunks have room for
#: whole tiles.
TILE = 32
#: Draws that are made at once (`autodiff.tiles.DRAWS`).
DRAWN_TOGETHER = 8
#: Beyond so many parameters outer products cost more than all else, and want at least so many draws a chunk.
MANY, MANY_CHUNK = 64, 128
#: Blocks are long, yet short enough to interrupt.
LONGEST_BLOCK, BLOCK_WORDS = 1 << 18, 1 << 20
#: The ``sampling`` of a job whose draws are there already.
GIVEN = "given"
#: Bits of a NaN that no arithmetic makes: fills what a user's function is to fill.
UNWRITTEN = 0x7FF8_F00D_F00D_F00D


@dataclass(frozen=True)
class Layout:
    """Where things lie in ``work`` and ``sums``.

    ``work``: draws (chunk / `TILE`, size, `TILE`); log densities (chunk); scores (p, chunk); for order 2 also Hessians
    (p (p + 1) / 2, chunk), upper triangle row by row; if ``weighted``, weights of the draws (chunk), and scratch
    (chunk).
    ``sums``: s (p); Y (p (p + 1) / 2); for order 2 also N; the weights; last, 0, or NaN if a draw or a log density was
    not finite. All but the last are weighted.
    """

    p: int
    size: int
    order: int
    weighted: bool = False
    #: Draws a chunk at least, if not as many as stay in cache.
    together: int = 0

    @property
    def pairs(self) -> int:
        """Entries of a packed symmetric matrix."""
        return self.p * (self.p + 1) // 2

    @property
    def rows(self) -> int:
        """Derivatives of one draw."""
        return self.p + self.pairs * (self.order == 2)

    @cached_property
    def words_a_draw(self) -> int:
        """Workspace of one draw."""
        return self.size + 1 + self.rows + 2 * self.weighted

    @cached_property
    def chunk(self) -> int:
        """Draws a chunk, or room for them: a power of two, or as asked for up to a multiple of `TILE`."""
        if self.together:
            return -(-self.together // TILE) * TILE
        shortest = MANY_CHUNK if self.p > MANY and self.order == 1 else TILE
        fitting = max(CACHED_WORDS // self.words_a_draw, shortest)
        return int(min(LONGEST_CHUNK, 1 << (fitting.bit_length() - 1)))

    @property
    def block(self) -> int:
        """Draws a block at most: words stand for work, so that a block takes a millisecond or so of a cheap density."""
        return int(min(LONGEST_BLOCK, max(self.chunk, BLOCK_WORDS // (1 << (self.words_a_draw - 1).bit_length()))))

    @property
    def sums(self) -> int:
        """Length of ``sums``."""
        return self.p + self.pairs * self.order + 2

    def workspace(self, blocks: int = 1) -> NDArray[np.float64]:
        """A ``work`` yet to be filled, one row a block."""
        return streams.aligned_empty(blocks * self.chunk * self.words_a_draw).reshape(blocks, -1)

    def placed(self, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """Draws (n, size) as they lie in a row of ``work``."""
        rows = np.zeros((self.chunk, self.size))
        rows[: len(draws)] = draws
        return rows.reshape(-1, TILE, self.size).swapaxes(1, 2).ravel()

    def _by_draw(self, placed: NDArray[np.float64]) -> NDArray[np.float64]:
        """Draws (blocks, chunk, size) of those that lie in tiles; a copy, but of scalars."""
        tiles = placed.reshape(len(placed), -1, self.size, TILE)
        return tiles.swapaxes(2, 3).reshape(len(placed), self.chunk, self.size)

    def read(self, work: NDArray[np.float64], count: int, finite: bool = False) -> Chunk:
        """The first ``count`` draws of the chunk that each block left in its row of ``work``."""
        blocks, chunk = len(work), self.chunk
        logpdf = self.size * chunk
        scores = logpdf + chunk
        hessians = scores + self.p * chunk
        weights = scores + self.rows * chunk

        def by_draw(first: int, end: int) -> NDArray[np.float64]:
            return work[:, first:end].reshape(blocks, -1, chunk)[:, :, :count].transpose(0, 2, 1)

        return Chunk(
            self._by_draw(work[:, :logpdf])[:, :count],
            work[:, logpdf : logpdf + count],
            by_draw(scores, hessians),
            by_draw(hessians, weights) if self.order == 2 else None,
            work[:, weights : weights + count] if self.weighted else np.ones((blocks, count)),
            finite,
        )


@dataclass(frozen=True)
class Chunk:
    """Single draws: ``draws`` (n, size), ``logpdf`` (n,), ``scores`` (n, p), packed ``hessians`` or None; weights (n,).

    Of several blocks at once, with a leading axis. ``finite`` is set where it is known that all of it is.
    """

    draws: NDArray[np.float64]
    logpdf: NDArray[np.float64]
    scores: NDArray[np.float64]
    hessians: NDArray[np.float64] | None
    weights: NDArray[np.float64]
    finite: bool = False

    def __getitem__(self, part: Any) -> Chunk:
        """Some of the blocks, or one: without the first axis."""
        hessians = None if self.hessians is None else self.hessians[part]
        return Chunk(self.draws[part], self.logpdf[part], self.scores[part], hessians, self.weights[part], self.finite)

    @classmethod
    def joined(cls, chunks: Sequence[Chunk]) -> Chunk:
        """One chunk after another."""
        hessians = [chunk.hessians for chunk in chunks if chunk.hessians is not None]
        return cls(
            np.concatenate([chunk.draws for chunk in chunks]),
            np.concatenate([chunk.logpdf for chunk in chunks]),
            np.concatenate([chunk.scores for chunk in chunks]),
            np.concatenate(hessians) if hessians else None,
            np.concatenate([chunk.weights for chunk in chunks]),
            all(chunk.finite for chunk in chunks),
        )


@dataclass(frozen=True, eq=False)
class Job:
    """What all blocks of a run share.

    Attributes
    ----------
    model, theta
        The likelihood with its constants and the parameters to differentiate; one point (all parameters), or several:
        shape (m, number of parameters).
    seed
        Entropy of the run.
    order
        1: scores; 2: Hessians too.
    sampling
        ``"mc"`` or ``"rqmc"``: where the random numbers come from; ``"given"``: no draws are made.
    """

    model: BoundLikelihood
    theta: NDArray[np.float64]
    seed: int
    order: int
    sampling: str = "mc"

    @property
    def p(self) -> int:
        """Parameters to differentiate."""
        return len(self.model.wrt)

    @cached_property
    def layout(self) -> Layout:
        """Layout of the job's workspace and sums."""
        return self.layout_of(0)

    def layout_of(self, together: int) -> Layout:
        """The same with so many draws a chunk at least."""
        return _layout(self.p, self.model.size, self.order, _weighted(self.sampling, self.model.size), together)

    @cached_property
    def work(self) -> int:
        """What a draw costs, roughly: words of memory that are written or read."""
        return self.layout.words_a_draw + sum(np.size(value) for value in self.model.args)


_layout = lru_cache(maxsize=64)(Layout)


def _weighted(sampling: str, size: int) -> bool:
    """Whether draws have weights."""
    return sampling == "rqmc" and streams.Stretch.of_draws(size).coordinates > 0


class Block(NamedTuple):
    """Which draws: ``size`` of ``stream`` from its ``first`` on (under ``"rqmc"`` a multiple of
    `DRAWN_TOGETHER`), with the random numbers of ``number``.

    With ``streams`` more than one: the same of the streams that follow.
    """

    stream: int
    number: int
    size: int
    first: int = 0
    streams: int = 1


def run_block(job: Job, block: Block) -> NDArray[np.float64]:
    """Sums over the draws of a block of one stream; see `run_streams`."""
    sums: NDArray[np.float64] = run_streams(job, block)[..., 0, :]
    return sums


def run_streams(job: Job, block: Block) -> NDArray[np.float64]:
    """Sums over the draws of a block: a pure function of its arguments, whoever calls it and wherever.

    Returns
    -------
    ndarray
        For each stream (at each point, if the job has several) what `Layout` says; no check is made that it is finite.

    Raises
    ------
    LikelihoodError
        If the user's functions do not compile, or raise.
    """
    layout = job.layout
    sums = np.zeros((*job.theta.shape[:-1], block.streams, layout.sums))
    _call(job, layout, _scratch(job.sampling), _seeds(job, block), block.size, layout.workspace(), sums)
    return sums


def chunks_of(job: Job, block: Block) -> Iterator[Chunk]:
    """The draws of a block of one stream one by one, a chunk at a time."""
    layout, seeds, source = job.layout, _seeds(job, block), calls.BEGIN
    state = streams.new_state(job.sampling)
    for done in range(0, block.size, layout.chunk):
        count, work = min(layout.chunk, block.size - done), layout.workspace()
        _call(job, layout, state, seeds, count, work, np.zeros(layout.sums), source)
        source = calls.GO_ON
        yield layout.read(work, count)[0]


def draws_of(job: Job, block: Block) -> Chunk:
    """All draws of a block, stream by stream (point by point, if the job has several)."""
    layout = job.layout_of(block.size)
    blocks = block.streams * (job.theta.size // job.theta.shape[-1])
    work, sums = layout.workspace(blocks), np.zeros((blocks, layout.sums))
    _call(job, layout, _scratch(job.sampling), _seeds(job, block), block.size, work, sums)
    return layout.read(work, block.size, finite=bool(np.isfinite(sums).all()))


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
    job = Job(model, theta[None], seed=0, order=order, sampling=GIVEN)
    given = np.asarray(draws, dtype=np.float64).reshape(-1, model.size)
    starts, together = range(0, max(1, len(given)), job.layout.chunk), job.layout.chunk
    return Chunk.joined([differentiated(job, given[first : first + together])[0] for first in starts])


def differentiated(job: Job, draws: NDArray[np.float64]) -> Chunk:
    """Log densities and derivatives at the job's points (m, p) of the same draws (n, size), point by point."""
    layout = job.layout_of(max(1, len(draws)))
    work, sums = layout.workspace(len(job.theta)), np.zeros((len(job.theta), 1, layout.sums))
    work[:, : layout.chunk * layout.size] = layout.placed(draws)
    # a stream is opened, though nothing is taken from it
    state = _scratch("mc" if job.sampling == GIVEN else job.sampling)
    _call(job, layout, state, np.zeros((1, 1)), len(draws), work, sums, calls.GIVEN)
    return replace(layout.read(work, len(draws)), weights=np.ones((len(job.theta), len(draws))))


_used = threading.local()


def _scratch(kind: str) -> NDArray[np.float64]:
    """State that blocks of this thread begin anew, one after the other."""
    if not hasattr(_used, kind):
        setattr(_used, kind, streams.new_state(kind))
    state: NDArray[np.float64] = getattr(_used, kind)
    return state


def _seeds(job: Job, block: Block) -> NDArray[np.float64]:
    # the points of draws that are made together lie in one tile of points
    assert job.sampling != "rqmc" or block.first % DRAWN_TOGETHER == 0
    numbers = range(block.stream, block.stream + block.streams)
    stretch = streams.Stretch.of_draws(job.model.size)
    return streams.seeds(job.seed, numbers, block.number, job.sampling, block.first, stretch)


def _call(
    job: Job,
    layout: Layout,
    state: NDArray[np.float64],
    seeds: NDArray[np.float64],
    size: int,
    work: NDArray[np.float64],
    sums: NDArray[np.float64],
    source: int = calls.BEGIN,
) -> None:
    """One call: every point by every seed; a workspace of several rows has one for each."""
    run, model = compile_for(job.model, job.order, job.sampling), job.model
    points = np.ascontiguousarray(job.theta)
    shape = (points.size // points.shape[-1], len(seeds), work.shape[1] * (len(work) > 1), source, layout.sums)
    table = calls.words((layout.size, layout.chunk, size, *shape), model.args)
    try:
        run(state, seeds, points, table, work, sums)
    except Exception as error:
        raise LikelihoodError(
            f"{model.likelihood.name}: sample or logpdf raised {type(error).__name__}: {error} "
            f"at theta = {job.theta.tolist()}",
            *location(model.likelihood.sample),
        ) from error


# ---------------------------------------------------------------- what is compiled


@dataclass(frozen=True)
class Recipe:
    """Everything that the code of a block depends on (functions compare by identity); no ``sample`` for given draws."""

    sample: Any
    logpdf: Any
    prepare: Any
    score: Any
    hessian: Any
    parameters: int
    wrt: tuple[int, ...]
    order: int
    sampling: str
    weighted: bool
    scalar: bool
    length: int | None
    kinds: tuple[calls.Kind, ...]

    @property
    def p(self) -> int:
        """Parameters to differentiate."""
        return len(self.wrt)

    @property
    def depends_on(self) -> tuple[Any, ...]:
        """What the store knows the code by."""
        return tuple(getattr(self, field.name) for field in fields(self))

    @property
    def others(self) -> list[Any]:
        """The user's functions beside ``logpdf``."""
        return [f for f in (self.sample, self.prepare, self.score, self.hessian) if f is not None]

    @property
    def selected(self) -> tuple[int, ...] | None:
        """``wrt``, where it is not simply all parameters."""
        return None if self.wrt == tuple(range(self.parameters)) else self.wrt


def recipe_of(model: BoundLikelihood, order: int, sampling: str) -> Recipe:
    """What the block of a likelihood depends on."""
    likelihood, given = model.likelihood, sampling == GIVEN
    return Recipe(
        sample=None if given else likelihood.sample,
        logpdf=likelihood.logpdf,
        prepare=likelihood.prepare,
        score=likelihood.score,
        hessian=likelihood.hessian,
        parameters=len(model.names),
        wrt=model.wrt,
        order=order,
        sampling="mc" if given else sampling,
        weighted=_weighted(sampling, model.size),
        scalar=likelihood.scalar,
        length=None if callable(likelihood.size) else model.size,
        kinds=calls.kinds_of(model.args),
    )


def compile_for(model: BoundLikelihood, order: int, sampling: str = "mc") -> Callable[..., None]:
    """Compile (or recall) the block of a likelihood; threads that want the same wait for the one that does it.

    Raises
    ------
    LikelihoodError
        On the user's own file and line.
    """
    known = _known.setdefault(model, {})
    if (order, sampling) not in known:
        with _compiling:
            known[order, sampling] = _compiled(recipe_of(model, order, sampling))
    return known[order, sampling]


#: Blocks that have been asked for, by order and sampling: recipes take longer to compare than a small block to run.
_known: WeakKeyDictionary[BoundLikelihood, dict[tuple[int, str], Callable[..., None]]] = WeakKeyDictionary()
#: Held while code is compiled or linked, which imports Numba: two threads importing it at once deadlock.
_compiling = threading.RLock()


def forget() -> None:
    """Let all blocks be compiled, or read from disk, anew."""
    with _compiling:
        _known.clear()
        _compiled.cache_clear()


@lru_cache(maxsize=256)
def _compiled(recipe: Recipe) -> Callable[..., None]:
    def compiled() -> store.Compiled:
        from . import assembly  # imports Numba

        return assembly.native(lambda: assembly.blocks(recipe), recipe.logpdf, others=recipe.others)

    return calls.entry(store.fetch(recipe.depends_on, compiled))
