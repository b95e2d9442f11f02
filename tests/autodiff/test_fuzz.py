"""Random programs: compiled derivatives against the same source in 60 digits.

A failing program is cut down and printed; its number in the test's name brings it back (``-k 'test_short[12]'``).
Any others, with what is wrong and how many were right, so many at a time in a process of its own::

    python -m tests.autodiff.test_fuzz --from 10000 --to 12000
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
from collections import Counter
from functools import lru_cache

import numpy as np
import pytest

from . import extended, random_programs
from .differentiate import (
    differentiate,
    differentiate_backwards,
    differentiate_by_columns,
    differentiate_by_edges,
    differentiate_forward_on_a_tile,
    differentiate_on_a_tile,
)


def of_first(mode):
    """A mode of one draw, for several of them."""
    return lambda function, draws, theta: [mode(function, draws[0], theta)]


#: Forward mode and reverse mode, each of one draw and of several, with second derivatives or without.
FORWARD = {"forward": of_first(differentiate), "forward, tile": differentiate_forward_on_a_tile}
REVERSE = {
    "reverse": of_first(differentiate_backwards),
    "reverse, tile": differentiate_on_a_tile,
    "columns": of_first(differentiate_by_columns),
    "edges": differentiate_by_edges,
}
MODES = FORWARD | REVERSE
#: Draws side by side. No element is a number that programs contain: where two are equal, `max` has no derivative.
DRAWS, THETA = np.array([[0.7, 1.3, 2.1], [0.75, 1.45, 1.9], [1.1, 0.4, 2.3]]), (1.27, -0.6, 0.8)
DRAWS.setflags(write=False)
#: Second derivatives of this size are differences over a kink.
KINK = 1e9
#: Programs in a process: what compiles them keeps some megabytes for each.
TOGETHER = 50


def define(source):
    """The function that a source makes."""
    namespace = {"__name__": "random_program"}
    exec(compile(source, "random_program.py", "exec"), namespace)
    return namespace["program"]


@lru_cache(1)
def exact(source):
    """Value, gradient and Hessian at each draw in extended precision, or ``None`` where there are none.

    There are none where a piece was left out that another needs, and at a kink.
    """
    try:
        found = [extended.derivatives(define(source), x.astype(object), THETA) for x in DRAWS]
    except NameError:
        return None
    return None if max(np.abs(hessian).max() for _, _, hessian in found) > KINK else found


def difference(found, expected):
    """What of value, gradient and Hessian is wrong, or ``None``."""
    for name, got, wanted, digits in zip(found._fields, found, expected, (1e-12, 1e-11, 1e-10), strict=True):
        if got is not None and not np.allclose(got, wanted, rtol=0, atol=digits * (1 + np.abs(wanted).max())):
            return f"{name}:\n{got}\nexpected:\n{wanted}"
    return None


def complaint(parts, mode):
    """What is wrong with the compiled derivatives, or ``None``."""
    source = random_programs.source(parts)
    expected = exact(source)
    if expected is None:
        return None
    try:
        found = MODES[mode](define(source), DRAWS, THETA)
    except Exception as error:  # whatever the compiler says of a program that Python runs
        if "is not defined" in str(error):  # left out, and needed in a branch that is not taken
            return None
        return f"{type(error).__name__}: {str(error)[:2000]}"
    each = zip(found, expected, strict=False)  # of the first draw alone, where others take other branches
    return next((wrong for one, other in each if (wrong := difference(one, other))), None)


def modes_of(seed):
    """Two modes for each program, one of either kind; for every tenth all of them."""
    if seed % 10 == 0:
        return list(MODES)
    return [list(FORWARD)[seed % len(FORWARD)], list(REVERSE)[seed // len(FORWARD) % len(REVERSE)]]


def report(seed, mode):
    """What is wrong with a program, with the least of it that is wrong, or ``None``."""
    parts = random_programs.pieces(seed)
    if complaint(parts, mode) is None:
        return None
    smallest = random_programs.minimal(parts, lambda fewer: complaint(fewer, mode) is not None)
    return f"{random_programs.source(smallest)}\n{seed}, {mode}: {complaint(smallest, mode)}"


@pytest.mark.parametrize("seed", range(16))
def test_short(seed):
    """Each in one of the modes."""
    wrong = report(seed, list(MODES)[seed % len(MODES)])
    assert wrong is None, wrong


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 4000))
def test_long(seed):
    for mode in modes_of(seed):
        wrong = report(seed, mode)
        assert wrong is None, wrong


def test_a_failing_program_is_cut_down():
    """A fault that needs two of six pieces leaves these two."""
    parts = [[f"s{k} = a"] for k in range(6)]
    assert random_programs.minimal(parts, lambda fewer: parts[1] in fewer and parts[4] in fewer) == [parts[1], parts[4]]


def run(first, last):
    """Print what is wrong with some programs, and how often each mode had one."""
    gc.disable()  # a seventh of the time
    counts = Counter()
    for seed in range(first, last):
        if seed % 10 == 0:
            gc.collect()
        exists = exact(random_programs.source(random_programs.pieces(seed))) is not None
        for mode in modes_of(seed) if exists else ():
            wrong = report(seed, mode)
            counts[mode if wrong is None else "wrong"] += 1
            if wrong:
                print(wrong, flush=True)
    print(f"{first} to {last}: {dict(counts)}", flush=True)


def main():
    """Programs from one number to another, so many to a process."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--from", dest="first", type=int, required=True)
    parser.add_argument("--to", dest="last", type=int, required=True)
    asked = parser.parse_args()
    for first in range(asked.first, asked.last, TOGETHER):
        last = min(first + TOGETHER, asked.last)
        batch = multiprocessing.get_context("spawn").Process(target=run, args=(first, last))
        batch.start()
        batch.join()
        if batch.exitcode:
            print(f"a program from {first} to {last} ended its process: {batch.exitcode}", flush=True)


if __name__ == "__main__":
    main()
