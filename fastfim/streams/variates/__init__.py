"""The methods of ``rng``, under the names, parameters and defaults of `numpy.random.Generator`.

Each is a plain function of ``rng``, exact at every parameter value up to the resolution of floats, and runs
uncompiled with a `numpy.random.Generator` too. Parameters that have no meaning give nan where the variate is a float,
so that the draw can be named, and a ValueError where it is an integer, which has no nan.

The function with a method's name serves pseudo-random streams, by whatever algorithm is fast. The one given to
`variate` as its ``inverse`` serves quasi-random ones: it takes one coordinate and is the quantile function, increasing
in it. (Only `hypergeometric` of a variance beyond 10^6 rejects there too, and takes further coordinates.)
"""

from __future__ import annotations

from . import continuous, discrete, gammas, vectors

__all__ = ["continuous", "discrete", "gammas", "vectors"]
