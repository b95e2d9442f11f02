"""Fisher information matrices by Monte Carlo: two functions in, a matrix with error bars out."""

from . import testing
from .catalogue import catalogue
from .engine.estimate import estimate
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
from .result.checks import Check
from .result.fisher_estimate import FisherEstimate, Round, load
from .result.quantity import Quantity
from .trust.check import Report, check
from .trust.from_scores import from_scores
from .trust.observed import Observed, observed
from .trust.verify import Verification, verify
from .trust.views import View, Views, views

__version__ = "0.1.0"

__all__ = [
    "Check",
    "CheckpointError",
    "ConvergenceWarning",
    "FastfimError",
    "FisherEstimate",
    "Likelihood",
    "LikelihoodError",
    "NonFiniteError",
    "Observed",
    "OptionError",
    "ParameterError",
    "Quantity",
    "RegularityWarning",
    "Report",
    "Round",
    "Verification",
    "View",
    "Views",
    "catalogue",
    "check",
    "estimate",
    "from_scores",
    "interval",
    "load",
    "observed",
    "positive",
    "real",
    "testing",
    "unit_interval",
    "verify",
    "views",
]
