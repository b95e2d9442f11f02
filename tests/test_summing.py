"""Sums over a chunk, by dot products and by blocks, against NumPy."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numba import njit

from fastfim import _abi
from fastfim.kernels.block import TILE, Layout
from fastfim.kernels.products import FEW
from fastfim.kernels.summing import sum_pass


@cache
def compiled(p):
    sums_of, address = sum_pass(p, False), _abi.address

    @njit
    def run(work, size, order, chunk, m, densities, sums):
        sums_of(address(work), size, order, chunk, m, densities, address(sums))

    return run


def random_chunk(layout, rng):
    """A workspace and what lies in it, draw by draw; numbers of many sizes, so that no error hides."""
    work = rng.normal(size=layout.workspace().size) * 10.0 ** rng.uniform(-3, 3, layout.workspace().size)
    read = layout.read(work[None], layout.chunk)[0]
    return work, read


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("p", [1, 2, 3, 4, 5, FEW, FEW + 1, 8, 13, 20, 50, 63, 64, 65, 66, 67, 130])
def test_sums_are_those_of_numpy(p, order):
    layout, rng = Layout(p, 2, order), np.random.default_rng(p)
    work, read = random_chunk(layout, rng)
    for m in (layout.chunk, layout.chunk - 3, 1):
        before = rng.normal(size=layout.sums)
        sums = before.copy()
        compiled(p)(work, layout.size, order, layout.chunk, m, m, sums)
        scores = read.scores[:m]
        rows, columns = np.triu_indices(p)
        parts = [scores.sum(0), (scores.T @ scores)[rows, columns]]
        sizes = [np.abs(scores).sum(0), (np.abs(scores).T @ np.abs(scores))[rows, columns]]
        if order == 2:
            parts.append(-read.hessians[:m].sum(0))
            sizes.append(np.abs(read.hessians[:m]).sum(0))
        expected, scale = before[:-2] + np.concatenate(parts), 1.0 + np.concatenate(sizes)
        assert np.all(np.abs(sums[:-2] - expected) <= 1e-14 * np.sqrt(m) * scale)
        np.testing.assert_array_equal(sums[-2:], [before[-2] + m, before[-1]])


@pytest.mark.parametrize("p", [3, FEW + 8])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_seen(p, value):
    layout = Layout(p, 2, 1)
    draw, density = np.random.default_rng(p).integers(layout.chunk, size=2)
    density += layout.chunk * layout.size
    for at, densities, seen in ((draw, 0, True), (density, layout.chunk, True), (density, 0, False)):
        work, _ = random_chunk(layout, np.random.default_rng(p))
        work[at], sums = value, np.zeros(layout.sums)
        compiled(p)(work, layout.size, 1, layout.chunk, layout.chunk, densities, sums)
        assert np.isnan(sums[-1]) == seen
        assert np.isfinite(sums[:-1]).all()


def test_what_lies_behind_the_last_draw_is_not_looked_at():
    """The last but one element of a tile is draw 30's, whose two elements are 32 apart."""
    layout = Layout(3, 2, 1)
    work, _ = random_chunk(layout, np.random.default_rng(1))
    last = (layout.chunk - TILE) * layout.size
    for element in (0, 1):
        work[last + element * TILE + np.array([30, 31])] = np.nan
    for m, seen in ((layout.chunk, True), (layout.chunk - 1, True), (layout.chunk - 2, False), (1, False)):
        sums = np.zeros(layout.sums)
        compiled(3)(work, layout.size, 1, layout.chunk, m, 0, sums)
        assert np.isnan(sums[-1]) == seen


def test_room_for_whole_tiles():
    for together in (1, 7, 8, 9, 1001):
        assert Layout(3, 2, 1, together=together).chunk % TILE == 0
