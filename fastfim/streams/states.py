"""State vectors of streams: where things lie in them, and how a stream begins.

A state is one float64 vector (integers are stored as the bits of the float), so that it can be made, kept, copied and
sent like any array. Nothing here is compiled.

====================  ================================================================================
words                 content
====================  ================================================================================
0 to 63               the generator's lanes: word ``16 i + j`` is word i of the state of lane j
64 to 67              cursors: how much of each buffer, or of a point, has been handed out
72 to 75              keys of a quasi-random stream, from (entropy, stream)
76                    index of the tile of `TILE` consecutive points at hand
77, 78                how its coordinates are stretched: a `Stretch`
128 and after         the buffers of uniforms, normals and exponentials, `BUFFER` words each
====================  ================================================================================

and of a quasi-random stream beyond:

====================  ================================================================================
then 16 DIMENSIONS    the direction numbers, two a word
then DIMENSIONS TILE  columns: coordinate k of the points of the tile is at ``COLUMNS_AT + TILE k``
then DIMENSIONS TILE  normals of these coordinates, at ``NORMAL_COLUMNS_AT + TILE k``, if word ``MADE_AT + k`` is 1
then STRETCHED TILE   weights of the points by their first k + 1 coordinates, at ``WEIGHTS_AT + TILE k``
the rest              tables of quantile functions, see `tables`
====================  ================================================================================

A stream begins with what the first `SEED_WORDS` words say, its *seed*; compiled code copies a seed into a state that
was used before (see `stream.beginner`). Lanes and keys are what `numpy.random.SeedSequence` (O'Neill 2015, "Developing
a seed_seq alternative") gives for the spawn keys (stream, block) and (stream,): its pool after the entropy is the same
for all streams of a run, and the two words after it are mixed in here for all streams at once, 20 times faster.

>>> words = seeds(7, range(3), block=5)
>>> expected = np.random.SeedSequence(7, spawn_key=(2, 5)).generate_state(64, np.uint64)
>>> np.array_equal(words.view(np.uint64)[2, :64], expected)
True
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .directions import DIGITS, DIMENSIONS, direction_words

#: Lanes of the generator, and words of their states.
LANES = 16
GENERATOR_WORDS = 4 * LANES

CURSORS_AT = GENERATOR_WORDS
#: Cursors of a pseudo-random stream: one a buffer.
CURSORS = 3
#: Cursors of a quasi-random one, after that of its uniforms: coordinate and point asked for next, columns filled.
COORDINATE, POINT, FILLED = 1, 2, 3
POINT_CURSORS = 4
KEYS_AT, KEYS = CURSORS_AT + 8, 4
TILE_AT = KEYS_AT + KEYS
STRETCH_AT = TILE_AT + 1
SEED_WORDS = 80

#: Variates that one refill makes.
BUFFER = 512
UNIFORMS_AT = 128
NORMALS_AT = UNIFORMS_AT + BUFFER
EXPONENTIALS_AT = NORMALS_AT + BUFFER
#: Length of a pseudo-random stream's state.
WORDS = EXPONENTIALS_AT + BUFFER

#: Points whose coordinate one refill makes: 2^TILE_DIGITS.
TILE_DIGITS = 6
TILE = 1 << TILE_DIGITS
DIRECTIONS_AT = WORDS
COLUMNS_AT = DIRECTIONS_AT + DIMENSIONS * DIGITS // 2
NORMAL_COLUMNS_AT = COLUMNS_AT + DIMENSIONS * TILE
MADE_AT = NORMAL_COLUMNS_AT + DIMENSIONS * TILE
WEIGHTS_AT = MADE_AT + DIMENSIONS

#: Width of the ramps at the ends of stretched coordinates (half as wide is as good; twice as wide is better for one
#: coordinate and worse for two), the longest draw that is stretched, and how many of its coordinates at most.
STRETCH_WIDTH, LONGEST_STRETCHED, STRETCHED = 0.25, 3, 4
TABLES_AT = WEIGHTS_AT + STRETCHED * TILE

#: Tables of quantile functions: slots, and of each the header and 8 pieces an octave on both sides, `PIECE_WORDS` each.
SLOTS = 16
OCTAVES, PIECES_AN_OCTAVE = 24, 8
PIECES = OCTAVES * PIECES_AN_OCTAVE
SLOT_HEADER, PIECE_WORDS = 8, 9
SLOT_WORDS = SLOT_HEADER + 2 * PIECES * PIECE_WORDS
TABLE_WORDS = SLOTS * SLOT_WORDS
#: Length of a quasi-random stream's state; most of it is never touched.
POINT_WORDS = TABLES_AT + TABLE_WORDS

#: Kinds of streams, and how many cursors they have.
KINDS = {"mc": CURSORS, "rqmc": POINT_CURSORS}

# Words of a line of the cache.
_LINE = 8
# Constants of `numpy.random.SeedSequence`.
_POOL, _MASK = 4, 0xFFFFFFFF
_INIT_A, _MULT_A = 0x43B0D7E5, 0x931E8875
_INIT_B, _MULT_B = 0x8B51F9DD, 0x58F38DED
_MIX_L, _MIX_R = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
_16 = np.uint32(16)

Words = NDArray[np.uint32]


class Stretch(NamedTuple):
    """How coordinates are stretched: width of the ramps, and how many of a draw's coordinates have them."""

    width: float = 0.0
    coordinates: int = 0

    @classmethod
    def of_draws(cls, size: int) -> Stretch:
        """For draws of ``size`` numbers."""
        return cls(STRETCH_WIDTH, STRETCHED) if size <= LONGEST_STRETCHED else cls()


PLAIN = Stretch()


def initial_state(
    entropy: int | Sequence[int] | None,
    stream: int,
    block: int,
    kind: str = "mc",
    first: int = 0,
    stretch: Stretch = PLAIN,
) -> NDArray[np.float64]:
    """State of a stream at the beginning of a block: a pure function of its arguments.

    Parameters
    ----------
    entropy
        Seed of the run, as `numpy.random.SeedSequence` takes it.
    stream, block
        Which stream, and which block of it; any two pairs give independent sequences.
    kind : {"mc", "rqmc"}
        Where the numbers come from.
    first
        For ``"rqmc"``: the number in its stream of the block's first draw. All points of a stream belong to one
        randomization; ``block`` keys only what lies beyond the last coordinate.
    stretch
        For ``"rqmc"``: how coordinates are stretched (see `stretching`); draws then have weights.

    Returns
    -------
    ndarray
        float64, of a length that depends on ``kind``; compiled code advances it in place.
    """
    state = new_state(kind)
    state[:SEED_WORDS] = seeds(entropy, (stream,), block, kind, first, stretch)[0]
    return state


def new_state(kind: str) -> NDArray[np.float64]:
    """Memory for the state of any stream of this kind; a seed is still to come."""
    check_kind(kind)
    state = aligned_empty(WORDS if kind == "mc" else POINT_WORDS)
    state[:] = 0.0
    if kind != "mc":
        state[DIRECTIONS_AT:COLUMNS_AT] = _packed_directions()
    return state


def aligned_empty(words: int) -> NDArray[np.float64]:
    """Memory that begins where a line of the cache does: no vector of a buffer then lies in two, which costs twice."""
    memory = np.empty(words + _LINE)
    first = -(memory.ctypes.data // memory.itemsize) % _LINE
    return memory[first : first + words]


def check_kind(kind: str) -> None:
    """Raise ValueError if there is no such kind of stream."""
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is no kind of stream; there are {', '.join(map(repr, KINDS))}")


@cache
def _packed_directions() -> NDArray[np.float64]:
    return direction_words().ravel().view(np.float64)


def seeds(
    entropy: int | Sequence[int] | None,
    streams: Sequence[int],
    block: int,
    kind: str = "mc",
    first: int = 0,
    stretch: Stretch = PLAIN,
) -> NDArray[np.float64]:
    """The first `SEED_WORDS` words of `initial_state` for each of ``streams``, one row a stream."""
    out = np.empty((len(streams), SEED_WORDS))
    out[:] = _without_numbers(kind, first, stretch)
    words, spawned = out.view(np.uint32), _spawned(entropy) if isinstance(entropy, int) else _Spawned(entropy)
    by_stream = spawned.mixed(np.array(streams, np.uint32), spawned.pool)
    words[:, : 2 * GENERATOR_WORDS] = _generated(spawned.mixed(np.uint32(block), by_stream, 1), 2 * GENERATOR_WORDS)
    if kind == "rqmc":
        words[:, 2 * KEYS_AT : 2 * (KEYS_AT + KEYS)] = _generated(by_stream, 2 * KEYS)
    return out


@lru_cache(maxsize=64)
def _without_numbers(kind: str, first: int, stretch: Stretch) -> NDArray[np.float64]:
    """A seed before its lanes and keys: the same for all streams."""
    seed = np.zeros(SEED_WORDS)
    integers = seed.view(np.int64)
    integers[CURSORS_AT : CURSORS_AT + CURSORS] = BUFFER  # nothing in the buffers yet
    if kind == "rqmc":
        integers[TILE_AT], integers[CURSORS_AT + POINT] = divmod(first, TILE)
        integers[CURSORS_AT + COORDINATE] = integers[CURSORS_AT + FILLED] = 0
        seed[STRETCH_AT : STRETCH_AT + 2] = stretch
    return seed


class _Spawned:
    """`SeedSequence`'s pool after the entropy, and what the words of a spawn key do to it."""

    def __init__(self, entropy: Any) -> None:
        sequence = np.random.SeedSequence(entropy)
        self.pool: Words = sequence.pool
        beyond = max(0, _words_of(sequence.entropy) - _POOL)
        #: Hashes that were taken so far.
        self.hashes = _POOL * _POOL + _POOL * beyond

    def mixed(self, word: Any, pool: Words, position: int = 0) -> Words:
        """``pool`` (..., 4) with one more word (a number below 2^32 each) of the spawn key mixed in."""
        before, after = _hash_constants(_INIT_A, _MULT_A, self.hashes + _POOL * position, _POOL)
        hashed = (np.asarray(word)[..., None] ^ before) * after
        hashed ^= hashed >> _16
        result: Words = _MIX_L * pool - _MIX_R * hashed
        result ^= result >> _16
        return result


#: Of the entropies of runs, which ask for seeds block by block.
_spawned = lru_cache(maxsize=64)(_Spawned)


def _words_of(entropy: Any) -> int:
    """Words of 32 bits that `SeedSequence` makes of its entropy."""
    if isinstance(entropy, (int, np.integer)):
        return max(1, -(-int(entropy).bit_length() // 32))
    return sum(_words_of(part) for part in entropy)


@cache
def _hash_constants(first: int, factor: int, skipped: int, count: int) -> tuple[Words, Words]:
    """The constant before and after each of ``count`` hashes."""
    power = first * pow(factor, skipped, 1 << 32) & _MASK
    constants = [power]
    for _ in range(count):
        constants.append(constants[-1] * factor & _MASK)
    return np.array(constants[:-1], np.uint32), np.array(constants[1:], np.uint32)


def _generated(pool: Words, count: int) -> Words:
    """``count`` words of output for each pool."""
    turns = -(-count // _POOL)
    before, after = _hash_constants(_INIT_B, _MULT_B, 0, turns * _POOL)
    # each pool in turns, as one row: loops over rows of four would take twice as long
    words: Words = pool.repeat(turns, axis=0).reshape(len(pool), -1)
    words ^= before
    words *= after
    words ^= words >> _16
    return words[..., :count]
