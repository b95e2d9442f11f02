"""Who runs the blocks of a run: threads of our own, or any map-like callable of the user's.

Blocks are pure functions, so whoever runs them gives the same bits; the results come back in the order of the tasks.

>>> with mapper(2) as ordered_map:
...     list(ordered_map(abs, [-1, 2, -3]))
[1, 2, 3]
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from .errors import OptionError

OrderedMap = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def mapper(workers: Any) -> Iterator[OrderedMap]:
    """Give ``map`` over as many threads as asked for, or over what the user brought.

    Parameters
    ----------
    workers
        Threads (None: one a core), a map-like callable, or an executor with ``map``. What the user brought is
        theirs to close.

    Raises
    ------
    OptionError
        If it is none of these.
    """
    if workers is None:
        workers = available_cores()
    if isinstance(workers, (int, np.integer)) and not isinstance(workers, bool):
        if workers < 1:
            raise OptionError(f"workers must be at least 1; got {workers}")
        if workers == 1:
            yield map
            return
        pool = ThreadPoolExecutor(int(workers), thread_name_prefix="fastfim")
        try:
            yield pool.map
        finally:
            # an interrupt must not wait for blocks that have not begun
            pool.shutdown(wait=True, cancel_futures=True)
    elif callable(getattr(workers, "map", None)):
        yield workers.map
    elif callable(workers):
        yield workers
    else:
        raise OptionError(
            f"workers must be a number of threads, a map-like callable or an executor with .map; got {workers!r}"
        )
