"""Everything that `fastfim.views` compares, stream by stream, from the same draws.

>>> from fastfim.catalogue import catalogue
>>> model = catalogue["norm"].bind()
>>> found = measured(Job(model, model.theta([0.0, 1.0]), seed=0, order=2), streams=8, each=1000)
>>> sorted(found.matrices())
['covariance', 'hellinger', 'hessian', 'kullback_leibler', 'outer_product']
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.workers import OrderedMap
from ..estimation import stopping
from ..estimation.estimators import Sums, replicates, scale, standard_error, symmetric
from ..kernels.block import Block, Chunk, Job, chunks_of, run_block
from ..kernels.diagnosis import raise_for
from .divergence import curvatures, steps_at

Array = NDArray[np.float64]

#: Draws of a stream that are in memory together.
BLOCK = 4096
#: Differences of divergences below this share of sqrt(I_ii I_jj) may be rounding, and are none.
NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class Definitions:
    """What the draws of K streams say.

    Attributes
    ----------
    sums
        Of scores, outer products and Hessians (None where there are none).
    kullback_leibler, hellinger
        Mean curvatures, shape (K, 2, p, p): extrapolated, and extrapolated as if smooth.
    outside
        For each parameter, how many draws leave the support.
    """

    sums: Sums
    kullback_leibler: Array
    hellinger: Array
    outside: Array

    def matrices(self) -> dict[str, tuple[Array, Array]]:
        """The matrix by each definition, and its standard errors; those of divergences hold the extrapolation's too."""
        found = {"outer_product": replicates(self.sums, "score"), "covariance": replicates(self.sums, "covariance")}
        if self.sums.negative_hessian is not None:
            found["hessian"] = replicates(self.sums, "hessian")
        measured = {name: (m.mean(axis=0), standard_error(m, self._scale)) for name, m in found.items()}
        for name in ("kullback_leibler", "hellinger"):
            curves = getattr(self, name)[:, 0]
            error = np.hypot(standard_error(curves, self._scale), self._tolerance(name))
            measured[name] = curves.mean(axis=0), error
        return measured | {"kullback_leibler": self._infinite_outside(*measured["kullback_leibler"])}

    def differences(self) -> dict[str, tuple[Array, Array, Array]]:
        """What is zero where the definitions agree: replicates (K, q), their scale, and how far from zero they may be.

        Rows and columns of matrices are those of the upper triangle.
        """
        upper = np.triu_indices(len(self._scale))
        root = np.sqrt(np.diagonal(self._scale))
        outer = replicates(self.sums, "score")
        found = {"mean_score": (self.sums.score / self.sums.draws, root, np.zeros(len(root)))}
        smooth = outer
        if self.sums.negative_hessian is not None:
            smooth = replicates(self.sums, "hessian")
            found["information_equality"] = (outer - smooth)[:, *upper], self._scale[upper], np.zeros(len(upper[0]))
        for name, other in (("kullback_leibler", smooth), ("hellinger", outer)) if self.comparable else ():
            curves = getattr(self, name)[:, 0]
            found[name] = (curves - other)[:, *upper], self._scale[upper], self._tolerance(name)[upper]
        return found

    @property
    def comparable(self) -> bool:
        """Whether all divergences are finite."""
        return bool(np.isfinite(self.kullback_leibler).all() and np.isfinite(self.hellinger).all())

    @property
    def _scale(self) -> Array:
        return scale(self.sums, "score")

    def _tolerance(self, name: str) -> Array:
        """How far off the extrapolation may be."""
        kinked, smooth = getattr(self, name).mean(axis=0)
        tolerance: Array = np.abs(kinked - smooth) + NEGLIGIBLE * self._scale
        return tolerance

    def _infinite_outside(self, matrix: Array, error: Array) -> tuple[Array, Array]:
        moving = self.outside > 0
        infinite = moving[:, None] | moving
        return np.where(infinite, np.inf, matrix), np.where(infinite, 0.0, error)


def measured(job: Job, streams: int, each: int, ordered_map: OrderedMap = map) -> Definitions:
    """Draw ``each`` draws of every stream, and see them by every definition.

    Raises
    ------
    LikelihoodError, NonFiniteError
        As a run would.
    """
    first = _draws(job, Block(0, 0, min(each, BLOCK)))
    steps = steps_at(job.model, job.theta, np.mean(first.scores**2, axis=0))
    totals: Any = 0.0
    for number, size in enumerate(stopping.blocks(each, BLOCK)):
        blocks = [Block(stream, number, size) for stream in range(streams)]
        totals = totals + np.array(list(ordered_map(partial(_look, job, steps), blocks)))
    p, pairs = job.p, job.layout.pairs
    sums, divergences, outside = np.split(totals, np.cumsum([job.layout.sums, 4 * pairs]), axis=1)
    curves = symmetric(divergences.reshape(-1, pairs) / each, p).reshape(streams, 2, 2, p, p)
    return Definitions(
        sums=Sums.unpack(sums, p, each),
        kullback_leibler=curves[:, 0],
        hellinger=curves[:, 1],
        outside=outside.sum(axis=0),
    )


def _look(job: Job, steps: Array, block: Block) -> Array:
    """Sums over a block: a pure function of its arguments."""
    sums = run_block(job, block)
    if not np.isfinite(sums).all():
        raise_for(job, block)
    seen = curvatures(job.model, job.theta, _draws(job, block).draws, steps)
    means = np.concatenate([seen.kullback_leibler.ravel(), seen.hellinger.ravel()])
    return np.concatenate([sums, block.size * means, seen.outside])


def _draws(job: Job, block: Block) -> Chunk:
    return Chunk.joined(list(chunks_of(job, block)))
