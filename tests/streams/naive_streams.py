"""The slow twin of `fastfim.streams.lanes`: whole numbers and mpmath, written from the papers alone."""

from __future__ import annotations

from functools import wraps

import mpmath
import numpy as np

MASK = 2**64 - 1


def rotate(x, k):
    return (x << k | x >> (64 - k)) & MASK


class Xoshiro256PlusPlus:
    """Blackman and Vigna's generator, on Python's integers."""

    def __init__(self, words):
        self.s = [int(w) for w in words]

    def next(self):
        s = self.s
        result = (rotate((s[0] + s[3]) & MASK, 23) + s[0]) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 45)
        return result


class Lanes:
    """Sixteen generators that take turns."""

    def __init__(self, words):
        self.lanes = [Xoshiro256PlusPlus(words[j::16]) for j in range(16)]

    def bits(self, n):
        return [self.lanes[i % 16].next() for i in range(n)]


def precise(function):
    """Forty digits inside the function."""

    @wraps(function)
    def inside(*args):
        with mpmath.workdps(40):
            return function(*args)

    return inside


@precise
def uniform(bits):
    """Midpoint of the cell that the upper 52 bits name, as a ratio of integers (exact)."""
    return mpmath.mpf(2 * (bits >> 12) + 1) / 2**53


def fine_uniform(bits):
    """The same with all bits, rounded to a float below 1."""
    return min((float(bits) + 0.5) / 2.0**64, 1 - 2.0**-53)


@precise
def exponential(bits):
    return -mpmath.log(mpmath.mpf(fine_uniform(bits)))


@precise
def direction(bits):
    """Point of the right half of the circle at pi/2 times the bits as a signed fraction; an odd number goes left."""
    signed = bits - 2**64 if bits >= 2**63 else bits
    quarters = mpmath.mpf(float(signed)) / 2**64
    return (-1) ** bits * mpmath.cospi(quarters), mpmath.sinpi(quarters)


@precise
def normal_pair(radius_bits, angle_bits):
    radius = mpmath.sqrt(2 * exponential(radius_bits))
    cosine, sine = direction(angle_bits)
    return radius * cosine, radius * sine


@precise
def ulps(values, exact):
    """Largest error of the floats, in units in the last place of the exact numbers."""
    return max(
        float(abs(mpmath.mpf(float(v)) - e)) / np.spacing(abs(float(e))) for v, e in zip(values, exact, strict=True)
    )
