"""Built-in likelihoods: a read-only mapping from a name to a `Likelihood`, grouped by the kind of model.

>>> from fastfim.catalogue import catalogue
>>> catalogue["gamma"].parameters
('a', 'scale')
>>> print(catalogue.entry("binom").signature)
binom(p; n)

A family that `scipy.stats` has goes by its name, its parameters, their order (shapes, loc, scale) and its
parameterization; integer parameters and designs are constants (``args``). A new likelihood is two short functions and
one `Entry` in the file of its kind.
"""

from __future__ import annotations

from . import continuous, discrete, mixtures, regression, time_series
from .registry import Catalogue, Entry

__all__ = ["Catalogue", "Entry", "catalogue"]

catalogue = Catalogue(
    {
        "continuous": continuous.ENTRIES,
        "discrete": discrete.ENTRIES,
        "mixtures": mixtures.ENTRIES,
        "regression": regression.ENTRIES,
        "time series": time_series.ENTRIES,
    }
)
