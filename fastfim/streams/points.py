"""Randomized quasi-Monte Carlo points: a Sobol sequence under nested uniform scrambling, made a column at a time.

Coordinate k of point i is a pure function of (entropy, stream, i, k): any block of points can be made anywhere.

**Scrambling.** Nested uniform scrambling (Owen 1995) flips binary digit r of a coordinate by a random bit that belongs
to the digits before it. Each coordinate of each point is then uniform, whatever happens to the others; every elementary
interval that holds one point of the Sobol sequence still does, and a mean over n points of a smooth function errs by
n^(-3/2) (Owen 1997, *Ann. Statist.* 25, 1541). As Burley (2020, *J. Comput. Graph. Tech.* 9, 4) does, the random bits
come from hashes. The flips of the first five digits are 31 bits, one for each beginning, those of the next five 31 bits
of a hash of the first five: exactly independent, and as good as a hash. (Rounds of carries alone, which are Burley's
choice, are not: there the flips of digit 3 have a parity that the flips of digits 1 and 2 settle.) The other 22 are
flipped by a hash of the first ten, and then by two rounds of Laine and Karras (2011), x ^= x c; x += s; x *= t with c
even and t odd, on the digits in reverse, so that they carry from earlier digits to later ones.

**Digits.** 32 digits are scrambled so; 32 more, a hash of them and of another key, lie below. No two points of a
coordinate share the first 32, and both u and 1 - u are known to 64 digits: a column holds t = u for u < 1/2 and
t = u - 1 = -(1 - u) for the others, as exactly as a float does; |t| is from 2^-65 to 1/2.

**Beyond.** After 2^32 points the sequence begins again, with another scrambling that is independent of the first.
Coordinates from `DIMENSIONS` on are pseudo-random: unbiased as all others, without the gain in accuracy.

The state of such a stream begins like that of a pseudo-random one, whose uniforms serve these coordinates (see
`states`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from .._arrays import part
from .._jit import as_int64, as_uint32, as_uint64, stack_array
from .bits import reverse_bits
from .directions import DIGITS
from .quantiles.elementary import fill_normal_quantiles
from .states import (
    COLUMNS_AT,
    DIRECTIONS_AT,
    KEYS,
    KEYS_AT,
    MADE_AT,
    NORMAL_COLUMNS_AT,
    STRETCH_AT,
    TILE,
    TILE_AT,
    TILE_DIGITS,
    WEIGHTS_AT,
)
from .stretching import rotated, stretched
from .typed import external, inline

_SEEDS = 12
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_U12 = np.uint64(12)
_U27, _U30, _U31, _U32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_U1, _U2, _U3, _U4, _U5, _U7, _U8 = (np.uint32(i) for i in (1, 2, 3, 4, 5, 7, 8))
_U15, _U16 = np.uint32(15), np.uint32(16)
_FIRST_5, _FIRST_10 = np.uint32(2**5 - 1), np.uint32(2**10 - 1)
_C1, _C2 = np.uint32(0x3D20ADEA), np.uint32(0x53A22864)
_M1, _M2 = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_LOW_32 = 0xFFFFFFFF


@inline
def _mixed(z: Any) -> Any:
    """Stafford's 64-bit mixing function 13 (that of SplitMix64)."""
    z = (z ^ (z >> _U30)) * _MIX_1
    z = (z ^ (z >> _U27)) * _MIX_2
    return z ^ (z >> _U31)


@inline
def _fill_seeds(keys: Any, k: int, round_: int, seeds: Any) -> None:
    """Seeds of coordinate k: 32 bits each."""
    column = _mixed(keys[0] + np.uint64(k) * _GOLDEN) ^ keys[1]
    column = _mixed(column + np.uint64(round_) * _GOLDEN) ^ keys[2]
    for j in range(_SEEDS // 2):
        word = _mixed(column + np.uint64(j + 1) * _GOLDEN) + keys[3]
        seeds[2 * j] = np.uint32(word)
        seeds[2 * j + 1] = np.uint32(word >> _U32)


@inline
def _first_digits(directions: Any, first: int) -> Any:
    """Coordinate of the first point of a tile, digits in reverse."""
    x = np.uint32(0)
    for b in range(TILE_DIGITS, DIGITS):
        x ^= directions[b] & -np.uint32((first >> b) & 1)
    return x


@inline
def fill_digits(directions: Any, first: int, out: Any) -> None:
    """Coordinate of the points of the tile that begins at ``first``, unscrambled, digits in reverse."""
    out[0] = _first_digits(directions, first)
    for b in range(TILE_DIGITS):
        for j in range(1 << b):
            out[(1 << b) + j] = out[j] ^ directions[b]


@inline
def _hashed(x: Any, s: Any, t: Any) -> Any:
    """32 random-looking bits of a word and two seeds (multipliers: Wellons 2018); casts keep Numba at 32 bits."""
    x = np.uint32(np.uint32(x ^ s) * _M1)
    x = np.uint32(np.uint32(x ^ (x >> _U15) ^ t) * _M2)
    return np.uint32(x ^ (x >> _U16))


@inline
def _five_flips(digits: Any, flips: Any) -> Any:
    """Flips of five digits: that of digit r after the digits d is bit 2^r + d of ``flips``, 31 bits in all."""
    out = (flips >> _U1) & _U1
    out |= ((flips >> (_U2 + (digits & _U1))) & _U1) << _U1
    out |= ((flips >> (_U4 + (digits & _U3))) & _U1) << _U2
    out |= ((flips >> (_U8 + (digits & _U7))) & _U1) << _U3
    return np.uint32(out | ((flips >> (_U16 + (digits & _U15))) & _U1) << _U4)


@inline
def _round(x: Any, c: Any, s: Any, t: Any) -> Any:
    """Carries from digits to later ones."""
    x ^= np.uint32(x * c)
    return np.uint32(np.uint32(x + s) * (t | _U1))


@inline
def scrambled(x: Any, seeds: Any) -> Any:
    """Scramble 32 digits in reverse: each is flipped by a function of those before it."""
    flips = _five_flips(x, seeds[0])
    flips |= _five_flips(np.uint32(x >> _U5), _hashed(np.uint32(x & _FIRST_5), seeds[1], seeds[2])) << _U5
    rest = np.uint32(x ^ (_hashed(np.uint32(x & _FIRST_10), seeds[3], seeds[4]) & ~_FIRST_10))
    rest = _round(rest, _C1, seeds[5], seeds[6])
    rest = _round(rest, _C2, seeds[7], seeds[8])
    return np.uint32((x & _FIRST_10) ^ flips ^ (rest & ~_FIRST_10))


_seed_array, _digit_array = stack_array(_SEEDS, types.uint32), stack_array(TILE, types.uint32)


@inline
def fill_column(keys: Any, directions: Any, tile: int, k: int, out: Any) -> None:
    """Coordinate k of the points of a tile, as signed tail probabilities t."""
    first = (tile * TILE) & _LOW_32
    seeds = _seed_array()
    _fill_seeds(keys, k, (tile * TILE) >> DIGITS, seeds)
    digits = _digit_array()
    fill_digits(directions, first, digits)
    for j in range(TILE):
        x = scrambled(digits[j], seeds)
        upper, lower = np.int32(reverse_bits(x)), np.int32(_hashed(x, seeds[9], seeds[10]))
        out[j] = np.float64(upper) * 2.0**-32 + (np.float64(lower) + (2.0**31 + 0.5)) * 2.0**-64


@external(types.void(types.CPointer(types.float64), types.int64))
def refill_column(pointer: Any, k: int) -> None:
    """Make column k of the tile at hand of the state at ``pointer``."""
    keys = as_uint64(part(pointer, KEYS_AT, KEYS))
    words = DIGITS // 2
    directions = as_uint32(part(pointer, DIRECTIONS_AT + words * k, words))
    tile = as_int64(part(pointer, TILE_AT, 1))[0]
    column = part(pointer, COLUMNS_AT + TILE * k, TILE)
    fill_column(keys, directions, tile, k, column)
    pointer[MADE_AT + k] = 0.0
    if k < pointer[STRETCH_AT + 1]:
        weights, before = part(pointer, WEIGHTS_AT + TILE * k, TILE), part(pointer, WEIGHTS_AT + TILE * (k - 1), TILE)
        _stretch(column, weights, before, k, pointer[STRETCH_AT], _shift(keys, k))


@external(types.void(types.CPointer(types.float64), types.int64))
def make_normal_column(pointer: Any, k: int) -> None:
    """Make the normals of column k of the state at ``pointer``."""
    column = part(pointer, COLUMNS_AT + TILE * k, TILE)
    fill_normal_quantiles(column, part(pointer, NORMAL_COLUMNS_AT + TILE * k, TILE))
    pointer[MADE_AT + k] = 1.0


@inline
def _shift(keys: Any, k: int) -> float:
    """How far coordinate k is rotated: uniform on (0, 1)."""
    bits = _mixed((keys[0] ^ keys[3]) + np.uint64(k + 1) * _GOLDEN)
    return (np.float64(np.int64(bits >> _U12)) + 0.5) * 2.0**-52


@inline
def _stretch(column: Any, weights: Any, before: Any, k: int, width: float, shift: float) -> None:
    """Rotate and stretch column k, and multiply the weights of the column before."""
    for j in range(TILE):
        column[j], weight = stretched(rotated(column[j], shift), width)
        weights[j] = weight * before[j] if k > 0 else weight
