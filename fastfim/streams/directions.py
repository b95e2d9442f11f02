"""Direction numbers of the Sobol sequence, by Joe and Kuo (2008, *SIAM J. Sci. Comput.* 30, 2635).

A coordinate of the sequence (Sobol 1967; Bratley and Fox 1988) is given by a primitive polynomial over the integers
modulo 2, x^s + a_1 x^(s-1) + ... + a_(s-1) x + 1, and s odd initial numbers m_1, ..., m_s with m_j < 2^j. Further ones
follow by

    m_j = 2 a_1 m_(j-1) ^ 4 a_2 m_(j-2) ^ ... ^ 2^s m_(j-s) ^ m_(j-s),

and the fraction m_j / 2^j is direction number j: the coordinate of point i is the exclusive or of the direction numbers
that the bits of i select.

Polynomials (as integers, both outer coefficients included) and initial numbers of the first `DIMENSIONS` coordinates
are the file ``directions.npz``, a part of the table that SciPy has too; ``tests/streams/pack_directions.py`` made it.

>>> words = direction_words()
>>> words.shape, words[0, :3].tolist()  # the first coordinate: 1/2, 1/4, 1/8, ... with the bits in reverse
((1024, 32), [1, 2, 4])
"""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray

#: Coordinates that have direction numbers.
DIMENSIONS = 1024
#: Binary digits of a coordinate; points before the sequence repeats itself: 2^DIGITS.
DIGITS = 32


def direction_words() -> NDArray[np.uint32]:
    """Direction numbers, shape (DIMENSIONS, DIGITS); bit b of a word is binary digit b + 1 of the fraction."""
    with resources.files(__package__).joinpath("directions.npz").open("rb") as file, np.load(file) as table:
        polynomials, initial = table["polynomials"].astype(np.int64), table["initial"].astype(np.int64)
    return _reversed_fractions(_extended(polynomials, initial))


def _extended(polynomials: NDArray[np.int64], initial: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers m_1, ..., m_DIGITS of every coordinate."""
    numbers = np.ones((len(polynomials), DIGITS), np.int64)  # the first coordinate, of degree 0, keeps the ones
    degrees = np.array([int(p).bit_length() - 1 for p in polynomials])
    for degree in range(1, int(degrees.max()) + 1):
        rows = np.flatnonzero(degrees == degree)
        some = numbers[rows]
        some[:, :degree] = initial[rows, :degree]
        for j in range(degree, DIGITS):
            some[:, j] = some[:, j - degree]
            for k in range(1, degree + 1):
                selected = (polynomials[rows] >> (degree - k)) & 1
                some[:, j] ^= selected * (some[:, j - k] << k)
        numbers[rows] = some
    return numbers


def _reversed_fractions(numbers: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The fractions m_j / 2^j as words whose lowest bit is the first binary digit."""
    words = np.zeros(numbers.shape, np.uint32)
    for j in range(DIGITS):
        for digit in range(j + 1):
            words[:, j] |= (((numbers[:, j] >> (j - digit)) & 1) << digit).astype(np.uint32)
    return words
