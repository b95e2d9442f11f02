"""What an examination found: a table that a person can act on."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from ...result.checks import Check
from ...result.printing import integer, place, seconds

#: Narrowest column for messages.
NARROWEST = 30


@dataclass(frozen=True, eq=False)
class Report:
    """Is a model sound?

    Attributes
    ----------
    checks
        A `fastfim.Check` by name.
    parameters, theta, fixed, likelihood
        What was examined: names and values of the parameters, those of known ones, the name of the likelihood.
    draws, seed, elapsed
        Draws of one look, the seed, and seconds.
    """

    checks: Mapping[str, Check]
    parameters: tuple[str, ...]
    theta: NDArray[np.float64]
    fixed: Mapping[str, float]
    likelihood: str
    draws: int
    seed: int
    elapsed: float

    @property
    def ok(self) -> bool:
        """Whether no check failed; a warning, or a check that could not be made, is no failure."""
        return all(check.verdict != "fail" for check in self.checks.values())

    def __str__(self) -> str:
        width = shutil.get_terminal_size().columns
        left = max(map(len, self.checks), default=0)
        return "\n".join(self._summary() + [_line(name, check, left, width) for name, check in self.checks.items()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(f"<div>{escape(line)}</div>" for line in self._summary())
        rows = ((name, check.verdict, check.message) for name, check in self.checks.items())
        cells = ("".join(f'<td style="text-align:left">{escape(word)}</td>' for word in row) for row in rows)
        return f"{lines}<table><tbody>{''.join(f'<tr>{row}</tr>' for row in cells)}</tbody></table>"

    def _summary(self) -> list[str]:
        failures = sum(check.verdict == "fail" for check in self.checks.values())
        warnings = sum(check.verdict == "warn" for check in self.checks.values())
        verdict = f"{failures} of {len(self.checks)} checks failed" if failures else "sound as far as can be told"
        also = f", {warnings} to be aware of" if warnings else ""
        return [
            f"Is {self.likelihood} sound at {place(self.parameters, self.theta, self.fixed)}? {verdict}{also}",
            f"{self.draws:,} draws a look, {seconds(self.elapsed)}, seed {integer(self.seed)}",
        ]


def _line(name: str, check: Check, left: int, width: int) -> str:
    """Verdict, name and message; the message hangs in its column."""
    head = f"{check.verdict:<8}{name:<{left}}  "
    text = check.message + (f" [p = {check.p_value:.2g}]" if np.isfinite(check.p_value) else "")
    room = max(width - len(head), NARROWEST)
    return "\n".join(
        (head if k == 0 else " " * len(head)) + line for k, line in enumerate(textwrap.wrap(text, room) or [""])
    ).rstrip()
