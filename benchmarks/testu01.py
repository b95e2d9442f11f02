"""TestU01's batteries (L'Ecuyer and Simard 2007, *ACM Trans. Math. Softw.* 33, 22) on the streams.

    python benchmarks/testu01.py [--battery SmallCrush|Crush|BigCrush] [--only high|low|between]

Three sequences of 32-bit words are tested: the upper bits of one stream's uniforms (``high``), the lower bits in
reverse, so that the lowest weigh most (``low``), and 32 streams that take turns (``between``), which shows dependence
between streams. A C driver reads the words from a pipe and prints the p-value of each test. Exit status 1: a p-value
is outside [1e-6, 1 - 1e-6].

Needs a C compiler and TestU01 (Debian: ``apt install libtestu01-0-dev``, in the section non-free; elsewhere from
http://simul.iro.umontreal.ca/testu01). Outside the standard folders, set CPATH, LIBRARY_PATH and LD_LIBRARY_PATH.
SmallCrush takes some ten seconds a sequence, Crush and BigCrush hours.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numba import njit

from fastfim import streams

DRIVER = r"""
#if __has_include(<testu01/bbattery.h>)
#include <testu01/bbattery.h>
#include <testu01/swrite.h>
#include <testu01/unif01.h>
#else
#include <bbattery.h>
#include <swrite.h>
#include <unif01.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned int words[1 << 16];
static size_t at, have;

static unsigned int next_word(void)
{
    if (at == have) {
        have = fread(words, sizeof words[0], sizeof words / sizeof words[0], stdin);
        at = 0;
        if (have == 0) {
            fprintf(stderr, "no more words\n");
            exit(2);
        }
    }
    return words[at++];
}

int main(int argc, char **argv)
{
    unif01_Gen *generator = unif01_CreateExternGenBits("fastfim", next_word);
    swrite_Basic = 0;
    if (!strcmp(argv[1], "SmallCrush")) bbattery_SmallCrush(generator);
    else if (!strcmp(argv[1], "Crush")) bbattery_Crush(generator);
    else bbattery_BigCrush(generator);
    for (int i = 0; i < bbattery_NTests; i++)
        fprintf(stderr, "%.17g %s\n", bbattery_pVal[i], bbattery_TestNames[i]);
    unif01_DeleteExternGenBits(generator);
    return argc != 2;
}
"""

#: A p-value closer to 0 or 1 than this is a failure; SmallCrush has 15 of them, three times.
EXTREME = 1e-6

BLOCK = 1 << 16
STREAMS = 32
SEED = 20240607

_open_stream = streams.opener("mc")


@njit(error_model="numpy")
def _cells(state, out):
    """The 52 random bits of each uniform."""
    rng = _open_stream(state.ctypes)
    for i in range(len(out)):
        out[i] = np.int64(rng.random() * 2.0**52)
    streams.close_stream(rng)


def high(cells: np.ndarray) -> np.ndarray:
    """The upper 32 of 52 bits."""
    return (cells >> 20).astype(np.uint32)


def low(cells: np.ndarray) -> np.ndarray:
    """The lower 32 of 52 bits, the lowest first."""
    words = (cells & 0xFFFFFFFF).astype(np.uint32)
    for shift, mask in [(1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)]:
        shift, mask = np.uint32(shift), np.uint32(mask)
        words = ((words >> shift) & mask) | ((words & mask) << shift)
    return (words >> np.uint32(16)) | (words << np.uint32(16))


def one_stream(pick) -> Iterator[np.ndarray]:
    state, cells = streams.initial_state(SEED, 0, 0), np.empty(BLOCK, np.int64)
    while True:
        _cells(state, cells)
        yield pick(cells)


def many_streams(pick) -> Iterator[np.ndarray]:
    """A word of each stream in turn."""
    states = [streams.initial_state(SEED, k, 0) for k in range(STREAMS)]
    cells = np.empty((STREAMS, BLOCK // STREAMS), np.int64)
    while True:
        for state, row in zip(states, cells, strict=True):
            _cells(state, row)
        yield pick(np.ascontiguousarray(cells.T).ravel())


SEQUENCES = {"high": lambda: one_stream(high), "low": lambda: one_stream(low), "between": lambda: many_streams(high)}


def build(folder: Path) -> Path:
    """Compile the driver, or say what is missing."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        sys.exit("no C compiler found (cc, gcc or clang): install one")
    source, program = folder / "driver.c", folder / "driver"
    source.write_text(DRIVER)
    libraries = ["-ltestu01", "-ltestu01probdist", "-ltestu01mylib"], ["-ltestu01", "-lprobdist", "-lmylib"]
    for names in libraries:  # as Debian calls them, as the authors do
        command = [compiler, "-O2", str(source), "-o", str(program), *names, "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return program
    sys.exit(f"TestU01 not found: install it (Debian: apt install libtestu01-0-dev, section non-free)\n{done.stderr}")


def run(program: Path, battery: str, words: Iterator[np.ndarray]) -> list[tuple[float, str]]:
    """p-values and names of the battery's tests on a sequence."""
    with tempfile.TemporaryFile("w+") as report:
        process = subprocess.Popen([program, battery], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=report)
        assert process.stdin is not None
        try:
            while process.poll() is None:
                process.stdin.write(next(words).tobytes())
        except BrokenPipeError:
            pass
        process.wait()
        report.seek(0)
        lines = report.read().splitlines()
    if process.returncode != 0:
        sys.exit("\n".join(lines))
    return [(float(p), name) for p, name in (line.split(maxsplit=1) for line in lines)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--battery", choices=["SmallCrush", "Crush", "BigCrush"], default="SmallCrush")
    parser.add_argument("--only", choices=list(SEQUENCES))
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        for name in [options.only] if options.only else SEQUENCES:
            results = run(program, options.battery, SEQUENCES[name]())
            failed = [(p, test) for p, test in results if not EXTREME <= p <= 1.0 - EXTREME]
            failures += len(failed)
            smallest, largest = min(p for p, _ in results), max(p for p, _ in results)
            print(f"{options.battery} {name:8s} {len(results)} p-values from {smallest:.3g} to {largest:.3g}:", end=" ")
            print("failed " + ", ".join(f"{test} ({p:.3g})" for p, test in failed) if failed else "passed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
