"""Fisher information matrices by Monte Carlo: two functions in, a matrix with error bars out."""

from .catalogue import catalogue
from .engine import estimate
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
from .result import FisherEstimate

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "ConvergenceWarning",
    "FastfimError",
    "FisherEstimate",
    "Likelihood",
    "LikelihoodError",
    "NonFiniteError",
    "OptionError",
    "ParameterError",
    "RegularityWarning",
    "catalogue",
    "estimate",
    "interval",
    "positive",
    "real",
    "unit_interval",
]
