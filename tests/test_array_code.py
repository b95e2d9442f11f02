"""The models of `benchmarks.arrays`: array code and loops give the same derivatives, draw for draw."""

import numpy as np
import pytest

from benchmarks.arrays import MODELS, jobs
from fastfim.kernels.block import Block, chunks_of

FEW = [name for name, (*_, p, _, _) in MODELS.items() if p < 10]  # for Hessians, which compile long


@pytest.mark.parametrize(("name", "order"), [*((name, 1) for name in MODELS), *((name, 2) for name in FEW)])
def test_arrays_and_loops(name, order):
    arrays, loop = (next(chunks_of(job, Block(0, 0, 64))) for job in jobs(name, order))
    np.testing.assert_array_equal(arrays.draws, loop.draws)
    for part in ("logpdf", "scores", "hessians")[: 1 + order]:
        found, wanted = getattr(arrays, part), getattr(loop, part)
        # sums of some hundred terms in another order
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12 * np.abs(wanted).max())
