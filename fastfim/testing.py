"""Assertions for test suites.

>>> assert_fim([[0.25, 0.0], [0.0, 0.5]], "norm", (0.0, 2.0), draws=100_000, rng=0)
"""

from __future__ import annotations

from typing import Any

from .trust.verify import verify

__all__ = ["assert_fim"]


def assert_fim(fim: Any, likelihood: Any, theta: Any, args: Any = (), **options: Any) -> None:
    """Raise if a Fisher information matrix is not that of a likelihood.

    A right matrix fails with probability ``false_alarm`` (0.001) at most; give ``rng`` for the same outcome every time.

    Parameters
    ----------
    fim, likelihood, theta, args, **options
        As for `fastfim.verify`.

    Raises
    ------
    AssertionError
        If the matrix differs, or nothing can be decided; the message is the table.
    """
    __tracebackhide__ = True
    found = verify(fim, likelihood, theta, args, **options)
    if not found.ok:
        raise AssertionError(str(found))
