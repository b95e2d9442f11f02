"""What a run shows of itself while it runs: a bar on a terminal, or a call after each round."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Report = Callable[[int, float], None]


@contextmanager
def reporter(progress: bool | Callable[..., Any], goal: float) -> Iterator[Report]:
    """Give ``report(draws, relative_error)``.

    Parameters
    ----------
    progress
        True shows a bar on stderr that fills as the relative error falls towards ``goal``; a function is called with
        (draws, relative error) instead; False does nothing.
    goal
        Relative error asked for.
    """
    if not progress:
        yield lambda draws, relative_error: None
    elif callable(progress):
        yield progress
    else:
        from tqdm import tqdm

        with tqdm(total=100, bar_format="{percentage:3.0f}% |{bar}| {elapsed}{postfix}", leave=False) as bar:

            def report(draws: int, relative_error: float) -> None:
                bar.n = max(bar.n, round(100 * share_done(relative_error, goal)))
                bar.set_postfix_str(f"{draws:,} draws, relative error {relative_error:.1e}")

            yield report


def share_done(relative_error: float, goal: float) -> float:
    """Share of the work that is done, were the error to fall like one over the root of the draws."""
    if relative_error <= goal:
        return 1.0
    if not math.isfinite(relative_error) or goal <= 0.0:
        return 0.0
    return (goal / relative_error) ** 2
