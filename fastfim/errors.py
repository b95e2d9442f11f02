"""Everything fastfim raises or warns with.

A message names the argument, what was given, what is needed, and the way out.
"""

from __future__ import annotations

from typing import Any


class FastfimError(Exception):
    """Base of every error that fastfim raises on purpose."""


class ParameterError(FastfimError, ValueError):
    """``theta`` cannot be used: wrong count, name, domain or constraint, or not finite."""


class OptionError(FastfimError, ValueError):
    """Any argument other than ``theta`` cannot be used."""


class LikelihoodError(FastfimError, TypeError):
    """A user's function does not compile, cannot be differentiated, or breaks its contract.

    Attributes
    ----------
    file, line
        Where in the user's source, when known (else ``None``).
    """

    def __init__(self, message: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.file, self.line = file, line


class NonFiniteError(FastfimError, ArithmeticError):
    """A draw, log density, score or Hessian is not finite.

    Attributes
    ----------
    draw
        The draw at fault (a float, or a float64 vector).
    theta
        The parameters it was drawn at.
    stream, block, index
        Where it came from: draw ``index`` of ``block`` of ``stream``.
    seed
        Entropy of the run; with ``stream`` and ``block`` it replays the draw.
    """

    def __init__(
        self,
        message: str,
        *,
        draw: Any = None,
        theta: Any = None,
        stream: int | None = None,
        block: int | None = None,
        index: int | None = None,
        seed: Any = None,
    ) -> None:
        super().__init__(message)
        self.draw, self.theta, self.seed = draw, theta, seed
        self.stream, self.block, self.index = stream, block, index


class CheckpointError(FastfimError, ValueError):
    """A saved file is damaged, or belongs to another run."""


class RegularityWarning(UserWarning):
    """A condition under which the estimator is right does not seem to hold."""


class ConvergenceWarning(UserWarning):
    """A run ended before its tolerance was met."""
