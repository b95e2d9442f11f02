"""Make ``fastfim/streams/directions.npz`` of SciPy's table: ``python -m tests.streams.pack_directions``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.stats

from fastfim.streams import directions


def scipys_table():
    """Polynomials (n,) and initial numbers (n, largest degree) of the coordinates that fastfim has."""
    file = Path(scipy.stats.__file__).parent / "_sobol_direction_numbers.npz"
    with np.load(file) as table:
        polynomials = table["poly"][: directions.DIMENSIONS]
        degrees = [int(p).bit_length() - 1 for p in polynomials]
        return polynomials.astype(np.uint16), table["vinit"][: directions.DIMENSIONS, : max(degrees)].astype(np.uint16)


if __name__ == "__main__":
    polynomials, initial = scipys_table()
    np.savez_compressed(Path(directions.__file__).with_name("directions.npz"), polynomials=polynomials, initial=initial)
