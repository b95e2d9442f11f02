"""A first look at single draws, apart from the run: what its control variates and its choice of estimator rest on.

The pilot has streams of its own, so that nothing learned from it depends on the draws that the estimate is made of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ..estimation.estimators import symmetric, triangle
from ..kernels.block import Block, Chunk, Job, draws_of
from ..kernels.diagnosis import raise_for
from .workers import UNHURRIED, Resources

Array = NDArray[np.float64]

#: Streams of a pilot, draws of each, and the share of a budget that it may take.
PILOT_STREAMS, PILOT_DRAWS, LARGEST_SHARE = 16, 256, 0.25
#: Memory that it fills at most, in words of 8 bytes, if that leaves each stream as many draws as this.
PILOT_WORDS, LEAST_DRAWS = 2**24, 16
#: Index of the first stream that the pilot draws from; the run's begin at 0.
FIRST_STREAM = 2**31
#: Memory that is filled at once, at most, in words of 8 bytes; draws that are kept in any case.
WORDS_TOGETHER, LEAST_KEPT = 2**22, 512


@dataclass(frozen=True)
class Pilot:
    """Single draws, in columns; of several points at once, with a leading axis.

    Attributes
    ----------
    scores, hessians
        Shapes (p, draws) and (p (p + 1) / 2, draws), upper triangles row by row; None for a job of order 1.
    weights
        Of the draws, shape (draws,), mean 1.
    streams
        The draws are those of so many streams, one stream after another, equally many of each.
    samples
        The first of the draws themselves, (n, size): all, unless draws are long.
    """

    scores: Array
    hessians: Array | None
    weights: Array
    streams: int = 1
    samples: Array | None = None

    @property
    def p(self) -> int:
        """Number of parameters."""
        return int(self.scores.shape[-2])

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.weights)

    @cached_property
    def products(self) -> Array:
        """Entries of s s^T for i <= j, like ``hessians``."""
        rows, columns = triangle(self.p)
        products: Array = self.scores.take(rows, axis=-2) * self.scores.take(columns, axis=-2)
        return products

    @cached_property
    def controls(self) -> Array:
        """What has mean zero: the scores, and the entries of s s^T + H if there are Hessians (see `control`)."""
        if self.hessians is None:
            return self.scores
        return np.concatenate([self.scores, self.products + self.hessians], axis=-2)

    @cached_property
    def shares(self) -> Array:
        """Weights that add up to one."""
        shares: Array = self.weights / self.weights.sum()
        return shares

    @cached_property
    def outer_variance(self) -> Array:
        """Variance of each entry of s s^T over draws, as if they were independent (p, p)."""
        variance = self.products**2 @ self.shares - (self.products @ self.shares) ** 2
        return symmetric(variance, self.p)

    @cached_property
    def root(self) -> Array:
        """Root mean square of each parameter's score."""
        root: Array = np.sqrt(self.scores**2 @ self.weights / self.weights.sum())
        return root

    @cached_property
    def scale(self) -> Array:
        """Of each entry: products of the root mean squares, like ``hessians``."""
        rows, columns = triangle(self.p)
        scale: Array = self.root[..., rows] * self.root[..., columns]
        return scale

    def halves(self) -> tuple[Pilot, Pilot]:
        """The first and the last half of the streams; of a single stream, of its draws."""
        middle = self.draws // 2
        return self._part(slice(None, middle)), self._part(slice(middle, None))

    def _part(self, draws: slice) -> Pilot:
        hessians = None if self.hessians is None else self.hessians[..., draws]
        part = Pilot(self.scores[..., draws], hessians, self.weights[draws], max(1, self.streams // 2))
        part.__dict__["products"] = self.products[..., draws]  # those of the whole are made in any case
        return part


def pilot_draws(budget: int | None, words_a_draw: int = 1) -> int:
    """Draws of each stream of a pilot: a power of two, as quasi-Monte Carlo likes it."""
    most = min(PILOT_DRAWS, max(LEAST_DRAWS, PILOT_WORDS // (PILOT_STREAMS * words_a_draw)))
    if budget is not None:
        most = min(most, max(1, int(LARGEST_SHARE * budget) // PILOT_STREAMS))
    return 1 << (most.bit_length() - 1)


class OutOfTimeError(Exception):
    """The deadline has passed before a pilot, or a look at it, was done."""


def in_time(deadline: float) -> None:
    """Raise `OutOfTimeError` past the deadline, by `time.perf_counter`."""
    if perf_counter() > deadline:
        raise OutOfTimeError


def spans(count: int, together: int, deadline: float) -> Iterator[tuple[int, int]]:
    """Begin and end of parts of a job of ``count`` equal pieces, in order, ``together`` pieces at most.

    With a deadline the first part is one piece, and the others are what half of the time left allows at the pace so
    far.

    Raises
    ------
    OutOfTimeError
        Past the deadline.
    """
    started, done = perf_counter(), 0
    while done < count:
        in_time(deadline)
        most = together
        if deadline < math.inf:
            now = perf_counter()
            most = min(together, 1 + int(0.5 * done * (deadline - now) / (now - started))) if done else 1
        yield done, min(done + most, count)
        done += most


def draw_pilot(job: Job, draws: int, given: Resources = UNHURRIED) -> Pilot:
    """Draw and differentiate, no further than to the deadline.

    Raises
    ------
    LikelihoodError, NonFiniteError
        As a run would.
    OutOfTimeError
        Past the deadline.
    """
    parts: list[Chunk] = []
    kept = max(LEAST_KEPT // draws, WORDS_TOGETHER // (draws * job.layout.size), 1)
    together = max(1, WORDS_TOGETHER // (draws * job.layout.words_a_draw))
    workers = given.workers.ours
    for begin, end in spans(PILOT_STREAMS, together, given.deadline):
        share = workers.share(end - begin, draws * job.work)
        blocks = [Block(FIRST_STREAM + k, 0, draws, streams=min(share, end - k)) for k in range(begin, end, share)]
        for block, chunk in zip(blocks, workers(partial(draws_of, job), blocks), strict=True):
            if not _finite(chunk):
                _raise_for_first(job, block)
            wanted = max(0, FIRST_STREAM + kept - block.stream)
            parts.append(chunk if wanted >= block.streams else replace(chunk, draws=chunk.draws[:wanted]))
    whole = parts[0] if len(parts) == 1 else Chunk.joined(parts)
    hessians = None if whole.hessians is None else in_columns(whole.hessians)
    samples = whole.draws.reshape(-1, job.layout.size)
    return Pilot(in_columns(whole.scores), hessians, whole.weights.ravel(), PILOT_STREAMS, samples)


def in_columns(values: Array) -> Array:
    """Values (streams, n, q) as (q, draws), stream after stream."""
    return values.transpose(2, 0, 1).reshape(values.shape[2], -1)


def _finite(chunk: Chunk) -> bool:
    parts = (chunk.draws, chunk.logpdf, chunk.scores, chunk.hessians)
    return chunk.finite or all(np.isfinite(part).all() for part in parts if part is not None)


def _raise_for_first(job: Job, block: Block) -> None:
    for k in range(block.streams):
        single = block._replace(stream=block.stream + k, streams=1)
        if not _finite(draws_of(job, single)):
            raise_for(job, single)
