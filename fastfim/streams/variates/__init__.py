"""The methods of ``rng``, under the names, parameters and defaults of `numpy.random.Generator`.

Each is a plain function of ``rng``, exact at every parameter value up to the resolution of floats, and runs
uncompiled with a `numpy.random.Generator` too. Parameters that have no meaning give nan where the variate is a float,
so that the draw can be named, and a ValueError where it is an integer, which has no nan.
"""

from __future__ import annotations

from . import continuous, discrete, gammas, vectors

__all__ = ["continuous", "discrete", "gammas", "vectors"]
