"""The generator against its slow twin, a published vector, and mpmath."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from numba import njit

from fastfim.streams import initial_state, lanes

from .drivers import filler
from .naive_streams import Lanes, Xoshiro256PlusPlus, direction, exponential, fine_uniform, normal_pair, ulps, uniform

# First outputs of the reference C implementation from the state (1, 2, 3, 4), as printed in the tests of Rust's
# rand_xoshiro and others.
PUBLISHED = [
    41943041,
    58720359,
    3588806011781223,
    3591011842654386,
    9228616714210784205,
    9973669472204895162,
    14011001112246962877,
    12406186145184390807,
    15849039046786891736,
    10450023813501588000,
]


fill_uniforms = filler(lanes.fill_uniforms)
fill_exponentials, fill_normals = filler(lanes.fill_exponentials), filler(lanes.fill_normals)


@pytest.fixture
def words():
    return initial_state(20240607, 3, 5)[:64].view(np.uint64).copy()


def test_twin_gives_the_published_numbers():
    generator = Xoshiro256PlusPlus([1, 2, 3, 4])
    assert [generator.next() for _ in PUBLISHED] == PUBLISHED


def test_every_lane_gives_the_published_numbers():
    state = np.repeat(np.array([1, 2, 3, 4], np.uint64), 16)
    out = np.empty(16 * len(PUBLISHED))
    fill_uniforms(state, out)
    for i, bits in enumerate(PUBLISHED):
        assert set(out[16 * i : 16 * i + 16]) == {float(uniform(bits))}


def test_uniforms_equal_the_twin_bit_for_bit(words):
    twin, out = Lanes(words), np.empty(2048)
    fill_uniforms(words, out)
    assert out.tolist() == [float(uniform(bits)) for bits in twin.bits(2048)]


def test_fine_uniforms_equal_the_twin_bit_for_bit(words):
    bits = hard_bits()
    assert _fine_uniforms(bits).tolist() == [fine_uniform(int(b)) for b in bits]


def test_exponentials_agree_with_mpmath(words):
    twin, out = Lanes(words), np.empty(2048)
    fill_exponentials(words, out)
    assert ulps(out, [exponential(bits) for bits in twin.bits(2048)]) < 2.0


def test_normals_agree_with_mpmath(words):
    twin, half = Lanes(words), lanes.BUFFER // 2
    for _ in range(4):
        out = np.empty(lanes.BUFFER)
        fill_normals(words, out)
        radii, angles = twin.bits(half), twin.bits(half)
        pairs = [normal_pair(*both) for both in zip(radii, angles, strict=True)]
        assert ulps(out, [p[0] for p in pairs] + [p[1] for p in pairs]) < 4.0


def hard_uniforms():
    """Both ends, where log changes its exponent, and ordinary points."""
    random = np.random.default_rng(1).random(2000)
    ends = [2.0**-65, 2.0**-53, 2.0**-30, 1 - 2.0**-53, 1 - 2.0**-30]
    roots = [math.sqrt(0.5) * 2.0**-k * (1 + j * 2.0**-52) for k in range(4) for j in range(-3, 4)]
    return np.array([*random, *ends, *roots])


def hard_bits():
    """About the axes and the ends, where rounding to a float carries over, and ordinary words."""
    random = np.random.default_rng(2).integers(0, 2**64, 2000, dtype=np.uint64).tolist()
    near = [(at + step) % 2**64 for at in (0, 2**52, 2**63) for step in (-2049, -1024, -513, -2, -1, 0, 1, 512, 1025)]
    shifted = [w >> k for k, w in enumerate(random[:60])]
    return np.array([*random, *near, *shifted], np.uint64)


@njit
def _logs(u):
    return np.array([lanes.log_unit(x) for x in u])


@njit
def _fine_uniforms(bits):
    return np.array([lanes.fine_uniform(b) for b in bits])


@njit
def _directions(bits):
    out = np.empty((2, len(bits)))
    for i in range(len(bits)):
        out[0, i], out[1, i] = lanes.direction(bits[i])
    return out


def test_logarithm_within_two_ulps():
    u = hard_uniforms()
    with mpmath.workdps(40):
        assert ulps(_logs(u), [mpmath.log(mpmath.mpf(float(x))) for x in u]) < 2.0


def test_sine_and_cosine_within_two_ulps():
    bits = hard_bits()
    for values, exact in zip(_directions(bits), zip(*(direction(int(b)) for b in bits), strict=True), strict=True):
        assert ulps(values, exact) < 2.0


def test_extreme_bits_stay_inside_the_open_interval():
    for word, coarse, fine in [(0, 2.0**-53, 2.0**-65), (2**64 - 1, 1 - 2.0**-53, 1 - 2.0**-53)]:
        state = np.zeros(64, np.uint64)
        state[48:] = word  # from the state (0, 0, 0, w) the output is w with its bits rotated
        out = np.empty(16)
        fill_uniforms(state, out)
        assert set(out) == {coarse}
        assert _fine_uniforms(np.array([word], np.uint64)).tolist() == [fine]
