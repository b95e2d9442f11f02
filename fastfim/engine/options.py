"""The arguments of `estimate` other than the model: each checked once, each with its own sentence.

>>> Options.of(rtol=1e-2, streams=8, rng=7).seed
7
>>> Options.of(streams=1)
Traceback (most recent call last):
    ...
fastfim.errors.OptionError: streams must be at least 2, since the spread between them gives the error bars; got 1
"""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import OptionError
from ..estimation import stopping
from ..estimation.estimators import ESTIMATORS
from ..result.target import NAMED, Target

SAMPLINGS = ("mc", "rqmc")


@dataclass(frozen=True)
class Options:
    """Validated options of one run; the attributes are those of `fastfim.estimate`.

    ``seed`` is the entropy that ``rng`` came to.
    """

    rtol: float
    atol: float
    confidence: float
    draws: int | None
    max_draws: int | None
    time_limit: float | None
    estimator: str
    sampling: str
    streams: int
    seed: int
    workers: Any
    progress: bool | Callable[..., Any]
    target: Target
    checkpoint: Path | None = None

    def budget(self, spent: int, sampling: str) -> int | None:
        """Draws a stream at most, with ``spent`` draws gone: a fixed budget is rounded up, a limit down.

        For quasi-Monte Carlo to a power of two.
        """
        if self.draws is not None:
            draws = max(1, -(-(self.draws - spent) // self.streams))
            return 1 << (draws - 1).bit_length() if sampling == "rqmc" else draws
        if self.max_draws is not None:
            draws = max(0, (self.max_draws - spent) // self.streams)
            return (1 << draws.bit_length()) >> 1 if sampling == "rqmc" else draws
        return None

    @classmethod
    def of(
        cls,
        *,
        rtol: Any = 1e-3,
        atol: Any = 0.0,
        confidence: Any = 0.95,
        draws: Any = None,
        max_draws: Any = None,
        time_limit: Any = None,
        estimator: Any = "auto",
        sampling: Any = "auto",
        streams: Any = 32,
        rng: Any = None,
        workers: Any = None,
        progress: Any = False,
        target: Any = "fim",
        checkpoint: Any = None,
    ) -> Options:
        """Check every option.

        Raises
        ------
        OptionError
            Naming the argument, what was given and what is needed.
        """
        rtol, atol = tolerance("rtol", rtol), tolerance("atol", atol)
        endless = draws is None and max_draws is None and time_limit is None
        if rtol == atol == 0.0 and endless:
            raise OptionError(
                f"rtol = {rtol} and atol = {atol} would never be met: "
                "ask for a tolerance, or give draws, max_draws or time_limit"
            )
        if draws is not None and max_draws is not None:
            raise OptionError("draws is a fixed budget, so max_draws has nothing to add: give one of them")
        confidence = probability("confidence", confidence, 0.95)
        streams = count("streams", streams)
        if streams < 2:
            raise OptionError(
                f"streams must be at least 2, since the spread between them gives the error bars; got {streams}"
            )
        estimator = _choice("estimator", estimator, (*ESTIMATORS, "auto"))
        least = 2 if estimator == "auto" else ESTIMATORS[estimator].least_streams
        if streams < least:
            raise OptionError(f"estimator {estimator!r} needs at least {least} streams; got {streams}")
        least_rtol = stopping.least_rtol(confidence, streams)
        if endless and target == "fim" and atol == 0.0 and rtol <= least_rtol:
            raise OptionError(
                f"rtol = {rtol:g} is below rounding: error bars include a floor of {least_rtol:.2g} of the scale; "
                "ask for more, or give draws, max_draws or time_limit"
            )
        max_draws = None if max_draws is None else count("max_draws", max_draws)
        if max_draws is not None and max_draws < streams:
            raise OptionError(f"max_draws = {max_draws} is less than one draw for each of {streams} streams")
        if not (isinstance(progress, (bool, np.bool_)) or callable(progress)):
            raise OptionError(f"progress must be True, False or a function of a round; got {progress!r}")
        return cls(
            rtol=rtol,
            atol=atol,
            confidence=confidence,
            draws=None if draws is None else count("draws", draws),
            max_draws=max_draws,
            time_limit=None if time_limit is None else _seconds(time_limit),
            estimator=estimator,
            sampling=_choice("sampling", sampling, (*SAMPLINGS, "auto")),
            streams=streams,
            seed=entropy(rng),
            workers=workers,
            progress=progress,
            target=target if callable(target) else _choice("target", target, NAMED),
            checkpoint=None if checkpoint is None else place(checkpoint),
        )


def entropy(rng: Any) -> int:
    """The one integer that a run's random numbers come from.

    An int stands for itself, so that ``rng=result.seed`` runs again what gave ``result``; a `SeedSequence` or
    `Generator` gives 128 bits (a generator moves on); None asks the operating system.

    Raises
    ------
    OptionError
        If ``rng`` is none of these, or negative.
    """
    if rng is None:
        return int(np.random.SeedSequence().entropy)  # type: ignore[arg-type]
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool):
        if rng < 0:
            raise OptionError(f"rng must not be negative; got {rng}")
        return int(rng)
    if isinstance(rng, np.random.SeedSequence):
        return int.from_bytes(rng.generate_state(4, np.uint32).tobytes(), "little")
    if isinstance(rng, np.random.Generator):
        return int.from_bytes(rng.bytes(16), "little")
    raise OptionError(f"rng must be an int, a numpy SeedSequence or Generator, or None; got {rng!r}")


def place(checkpoint: Any) -> Path:
    """A path that a file can be written to.

    Raises
    ------
    OptionError
        If it is no path, or there is no such folder.
    """
    try:
        path = Path(checkpoint)
    except TypeError:
        raise OptionError(f"checkpoint must be a path; got {checkpoint!r}") from None
    if path.is_dir() or not path.absolute().parent.is_dir():
        what = "it is a folder" if path.is_dir() else f"there is no folder {path.absolute().parent}"
        raise OptionError(f"checkpoint must be the path of a file; got {os.fspath(path)!r}: {what}")
    return path


def probability(name: str, value: Any, example: float) -> float:
    """A number strictly between 0 and 1.

    Raises
    ------
    OptionError
        If it is none; the message gives the example.
    """
    number = _number(name, value)
    if not 0.0 < number < 1.0:
        raise OptionError(f"{name} must lie strictly between 0 and 1 ({example:g}, say); got {number}")
    return number


def _number(name: str, value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise OptionError(f"{name} must be a number; got {value!r}")
    return float(value)


def tolerance(name: str, value: Any) -> float:
    """A finite number, zero or more.

    Raises
    ------
    OptionError
        If it is none.
    """
    number = _number(name, value)
    if not 0.0 <= number < math.inf:
        raise OptionError(f"{name} must be a finite number, zero or more; got {value!r}")
    return number


def _seconds(value: Any) -> float:
    number = _number("time_limit", value)
    if not number > 0.0:
        raise OptionError(f"time_limit must be a positive number of seconds; got {value!r}")
    return number


def count(name: str, value: Any) -> int:
    """A positive integer; floats that are whole numbers (1e6) will do.

    Raises
    ------
    OptionError
        If it is none.
    """
    whole = isinstance(value, (int, np.integer)) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or value < 1:
        raise OptionError(f"{name} must be a positive integer; got {value!r}")
    return int(value)


def _choice(name: str, value: Any, known: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in known:
        return value
    near = get_close_matches(str(value), known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    also = ", or a function of the matrix" if name == "target" else ""
    raise OptionError(f"{name} must be one of {', '.join(map(repr, known))}{also}; got {value!r}{hint}")
