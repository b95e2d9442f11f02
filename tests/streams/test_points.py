"""Scrambled Sobol points: the sequence, the scrambling, the digits below, and what lies beyond the last ones."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numba import njit
from scipy import stats
from scipy.stats import qmc

from fastfim import streams
from fastfim.streams import directions, points, states

from .drivers import compiled
from .pack_directions import scipys_table

RARE = 1e-6  # the false-alarm rate of each statistical test, with fixed seeds
NONE = np.empty(0)


def point_set(n, d, stream=0, block=0, first=0, entropy=3):
    """Coordinates (n, d) as samplers get them."""

    def sample(rng, theta, row):
        for k in range(len(row)):
            row[k] = rng.random()

    out = np.empty((n, d))
    _fill(sample)(streams.initial_state(entropy, stream, block, "rqmc", first), NONE, out)
    return out


_FILLERS = []


def _fill(sample):
    if not _FILLERS:
        _FILLERS.append(compiled(sample, 2, "rqmc"))
    return _FILLERS[0]


def single_points(n, d, first=0, entropy=5):
    """The same point of n randomizations."""
    return np.array([point_set(1, d, stream, 0, first, entropy)[0] for stream in range(n)])


# ---- the sequence
def test_packed_table_is_scipys():
    polynomials, initial = scipys_table()
    file = points.__file__.replace("points.py", "directions.npz")
    with np.load(file) as table:
        np.testing.assert_array_equal(table["polynomials"], polynomials)
        np.testing.assert_array_equal(table["initial"], initial)


@njit
def _plain_tiles(words, tiles):
    """Digits in reverse of the first points of one coordinate, unscrambled."""
    out = np.empty(tiles * states.TILE, np.uint32)
    for tile in range(tiles):
        points.fill_digits(words, tile * states.TILE, out[tile * states.TILE : (tile + 1) * states.TILE])
    return out


def test_unscrambled_points_are_scipys():
    # SciPy goes through the points in the order of the Gray code
    n = 1 << 12
    words = directions.direction_words()
    theirs = (qmc.Sobol(directions.DIMENSIONS, scramble=False, bits=32).random(n) * 2.0**32).astype(np.uint64)
    gray = np.arange(n) ^ (np.arange(n) >> 1)
    for k in range(directions.DIMENSIONS):
        reverse = _plain_tiles(words[k], n // states.TILE)[gray].astype(np.uint64)
        ours = sum(((reverse >> np.uint64(b)) & np.uint64(1)) << np.uint64(31 - b) for b in range(32))
        np.testing.assert_array_equal(ours, theirs[:, k])


# ---- equidistribution
@pytest.mark.parametrize("first", [0, 5 << 10, 2**32 + (3 << 10)])
def test_every_coordinate_fills_every_cell_once(first):
    n = 1 << 10
    cells = np.floor(point_set(n, directions.DIMENSIONS, first=first) * n).astype(int)
    for k in range(directions.DIMENSIONS):
        assert np.array_equal(np.sort(cells[:, k]), np.arange(n))


@pytest.mark.parametrize("digits", range(11))
def test_every_elementary_interval_holds_its_share(digits):
    # the first two coordinates are a (0, 10, 2)-net in base 2
    x = point_set(1 << 10, 2, stream=4)
    cells = np.floor(x[:, 0] * 2**digits) * 2 ** (10 - digits) + np.floor(x[:, 1] * 2 ** (10 - digits))
    assert np.array_equal(np.sort(cells), np.arange(1 << 10))


def test_scrambling_permutes_the_elementary_intervals_of_many_coordinates():
    n = 1 << 9
    plain, scrambled = qmc.Sobol(7, scramble=False).random(n), point_set(n, 7)
    for some in [(0, 1, 2), (2, 4), (1, 3, 5), (3, 4, 5, 6)]:
        counts = [np.histogramdd(x[:, some], bins=4, range=[(0, 1)] * len(some))[0] for x in (plain, scrambled)]
        assert np.array_equal(np.sort(counts[0].ravel()), np.sort(counts[1].ravel()))


# ---- nested uniform scrambling
@njit
def _patterns(seeds, levels):
    """Flips of the digits down to ``levels``, digit after digit over all beginnings, as one number a row of seeds."""
    out = np.zeros(len(seeds), np.int64)
    for i in range(len(seeds)):
        bit = 0
        for level in range(levels):
            for before in range(1 << level):
                flipped = (points.scrambled(np.uint32(before), seeds[i]) >> np.uint32(level)) & np.uint32(1)
                out[i] |= np.int64(flipped) << bit
                bit += 1
    return out


@pytest.mark.parametrize(("levels", "many"), [(1, 10**4), (2, 10**5), (3, 10**6), (4, 4 * 10**6)])
def test_flips_are_independent_over_all_beginnings(levels, many):
    # nested uniform scrambling: all 2^(2^levels - 1) ways to flip are equally likely
    seeds = np.random.default_rng(levels).integers(0, 2**32, (many, 12), dtype=np.uint32)
    counts = np.bincount(_patterns(seeds, levels), minlength=2 ** (2**levels - 1))
    assert stats.chisquare(counts).pvalue > RARE


def test_deep_flips_are_even_and_uncorrelated():
    # two random beginnings of r digits, equal up to digit j < r: their flips of digit r are independent coins
    rng = np.random.default_rng(1)
    seeds = rng.integers(0, 2**32, (20000, 12), dtype=np.uint32)
    p_values = []
    for r in range(4, 32, 3):
        for j in range(0, r, 4):
            x = rng.integers(0, 2**r)
            y = (x ^ (1 << j)) & (2 ** (j + 1) - 1) | (int(rng.integers(0, 2**r)) >> (j + 1) << (j + 1))
            flips = _two_flips(seeds, np.uint32(x), np.uint32(y), r)
            p_values.append(stats.chisquare(np.bincount(flips, minlength=4)).pvalue)
    assert stats.kstest(p_values, "uniform").pvalue > RARE
    assert min(p_values) > RARE / len(p_values)


@njit
def _two_flips(seeds, x, y, r):
    out = np.zeros(len(seeds), np.int64)
    for i in range(len(seeds)):
        a = (points.scrambled(x, seeds[i]) >> np.uint32(r)) & np.uint32(1)
        b = (points.scrambled(y, seeds[i]) >> np.uint32(r)) & np.uint32(1)
        out[i] = np.int64(2 * a + b)
    return out


# ---- one point over randomizations
@pytest.fixture(scope="module", params=[0, 37, 2**32 + 12345], ids=str)
def over_streams(request):
    return single_points(4096, 3, request.param)


def test_a_point_is_uniform_over_randomizations(over_streams):
    assert np.all((over_streams > 0) & (over_streams < 1))
    for u in over_streams.T:
        assert stats.kstest(u, "uniform").pvalue > RARE
        below = u * 2.0**32 % 1.0  # the digits below the scrambled ones
        assert stats.kstest(below, "uniform").pvalue > RARE


def test_coordinates_and_streams_are_independent(over_streams):
    pairs = [(over_streams[:, 0], over_streams[:, 1]), (over_streams[:, 1], over_streams[:, 2])]
    pairs += [(u[:-1], u[1:]) for u in over_streams.T]
    for x, y in pairs:
        counts = np.histogram2d(x, y, bins=8, range=[[0, 1]] * 2)[0]
        assert stats.chisquare(counts.ravel()).pvalue > RARE


def test_another_scrambling_after_two_to_the_32_points():
    u, v = single_points(2048, 1, 77), single_points(2048, 1, 77 + 2**32)
    assert stats.chisquare(np.histogram2d(u[:, 0], v[:, 0], bins=8, range=[[0, 1]] * 2)[0].ravel()).pvalue > RARE
    before, after = point_set(128, 2, first=2**32 - 64), point_set(64, 2, first=2**32)
    np.testing.assert_array_equal(before[64:], after)


def test_no_two_points_share_their_digits():
    x = point_set(1 << 14, 1)[:, 0]
    assert len(np.unique(np.floor(x * 2.0**32))) == len(x)


# ---- a pure function of the index
@pytest.mark.parametrize("cuts", [[1], [63, 64, 65], [10, 500, 900]])
def test_blocks_may_be_cut_anywhere(cuts):
    whole = point_set(1000, 5)
    edges = [0, *cuts, 1000]
    pieces = [point_set(b - a, 5, block=i, first=a) for i, (a, b) in enumerate(pairwise(edges))]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_going_on_equals_one_long_run():
    state, pieces = streams.initial_state(3, 0, 0, "rqmc"), [np.empty((m, 5)) for m in (1, 62, 1, 1, 435)]
    for piece in pieces:
        _FILLERS[0](state, NONE, piece)
    np.testing.assert_array_equal(np.concatenate(pieces), point_set(500, 5))


def test_keys():
    for other in [{"stream": 1}, {"entropy": 4}]:
        assert len(np.intersect1d(point_set(512, 2, **other), point_set(512, 2))) == 0


def test_points_are_pinned():
    # of the key (7, 2); they must never change: a seed's answer would
    pinned = [[0.08645923329466752, 0.09213892662910775], [0.7166142096697636, 0.5152229620628768]]
    assert point_set(2, 2, stream=2, entropy=7).tolist() == pinned


# ---- beyond the last coordinate
def test_coordinates_beyond_the_last_are_pseudo_random():
    more = directions.DIMENSIONS + 2
    x, y = point_set(4096, more, block=0), point_set(4096, more, block=1)
    assert np.array_equal(x[:, :-2], y[:, :-2])
    beyond = np.concatenate([x[:, -2:].ravel(), y[:, -2:].ravel()])
    assert len(np.unique(beyond)) == len(beyond)
    assert stats.kstest(beyond, "uniform").pvalue > RARE
    assert stats.chisquare(np.histogram2d(x[:, -2], x[:, 0], bins=8, range=[[0, 1]] * 2)[0].ravel()).pvalue > RARE
