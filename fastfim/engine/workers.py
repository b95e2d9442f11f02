"""Who runs the blocks of a run: threads of our own, or any map-like callable of the user's.

Blocks are pure functions, so whoever runs them gives the same bits; the results come back in the order of the tasks.

>>> with mapper(2) as workers:
...     list(workers(abs, [-1, 2, -3]))
[1, 2, 3]
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ..errors import OptionError

OrderedMap = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]

#: Work (see `Job.work`) below which threads take longer to begin than to do it: some tenths of a millisecond.
ALONE = 2**18
#: Tasks for each thread: so many that the last one to finish is not waited for long.
TASKS_A_THREAD = 4


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """A map in order, and how work is best shared out for it.

    Parameters
    ----------
    threads
        Threads of our own, begun when there is work for them; the calling thread does small work itself.
    theirs
        What the user brought in their place.
    """

    def __init__(self, threads: int, theirs: Callable[..., Iterable[Any]] | None = None) -> None:
        self.threads, self.theirs = threads, theirs
        self.pool: ThreadPoolExecutor | None = None

    def share(self, streams: int, work: int) -> int:
        """Streams that make one task, where all of them need so much work each."""
        if self.theirs is not None:
            return 1
        if self.threads == 1 or streams * work < ALONE:
            return streams
        return max(1, streams // (self.threads * TASKS_A_THREAD))

    @property
    def ours(self) -> Workers:
        """The same if they are threads of our own, which share memory; else the calling thread."""
        return self if self.theirs is None else Workers(1)

    def __call__(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterable[Any]:
        """Results in the order of the tasks."""
        if self.theirs is not None:
            return self.theirs(function, tasks)
        if self.threads == 1 or len(tasks) == 1:
            return map(function, tasks)
        if self.pool is None:
            self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="fastfim")
        return self.pool.map(function, tasks)

    def close(self) -> None:
        """End our own threads."""
        if self.pool is not None:
            # an interrupt must not wait for blocks that have not begun
            self.pool.shutdown(wait=True, cancel_futures=True)


class Resources(NamedTuple):
    """What a pilot may use: time until the deadline (by `time.perf_counter`), and threads."""

    deadline: float = math.inf
    workers: Workers = Workers(1)


#: All the time there is, and the calling thread.
UNHURRIED = Resources()


@contextmanager
def mapper(workers: Any) -> Iterator[Workers]:
    """Give a map over as many threads as asked for, or over what the user brought.

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
        ours = Workers(int(workers))
        try:
            yield ours
        finally:
            ours.close()
    elif callable(getattr(workers, "map", None)):
        yield Workers(0, workers.map)
    elif callable(workers):
        yield Workers(0, workers)
    else:
        raise OptionError(
            f"workers must be a number of threads, a map-like callable or an executor with .map; got {workers!r}"
        )
