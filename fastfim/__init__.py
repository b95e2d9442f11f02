"""Fisher information matrices by Monte Carlo: two functions in, a matrix with error bars out."""

from .catalogue import catalogue
from .errors import (
    CheckpointError,
    ConvergenceWarning,
    FastfimError,
    LikelihoodError,
    NonFiniteError,
    OptionError,
    ParameterError,
    RegularityWarning,
)
from .likelihood import Likelihood, interval, positive, real, unit_interval

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "ConvergenceWarning",
    "FastfimError",
    "Likelihood",
    "LikelihoodError",
    "NonFiniteError",
    "OptionError",
    "ParameterError",
    "RegularityWarning",
    "catalogue",
    "interval",
    "positive",
    "real",
    "unit_interval",
]
