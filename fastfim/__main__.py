"""Command line: ``fastfim gamma a=2 scale=0.5 --rtol 1e-4``, or ``python -m fastfim``.

A model is a name in the catalogue or a `Likelihood` in a Python file (``path/to/model.py:waiting_time``). Parameters
and constants are given by name; a constant goes by the name of the log density's argument, and may be a number, numbers
joined by commas, or a file (.csv, .txt or .npy)::

    fastfim binom p=0.3 n=10
    fastfim logistic_regression b0=0.5 b1=-1 X=design.csv

``fastfim check NAME ...`` asks whether the model is sound (see `fastfim.check`).

Exit status: 0 converged (or sound), 3 stopped before the tolerance was met (or a check failed), 2 bad input, 130
interrupted.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib.util
import inspect
import json
import math
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

import fastfim

from . import plotting
from .catalogue import catalogue
from .catalogue.registry import constant_names
from .errors import ConvergenceWarning, FastfimError, OptionError, RegularityWarning
from .likelihood import Likelihood

CONVERGED, UNREAD, BAD_INPUT, STOPPED, INTERRUPTED = 0, 1, 2, 3, 130

#: Options that are handed to `fastfim.estimate` as they are, if given.
FORWARDED = (
    "rtol",
    "atol",
    "confidence",
    "draws",
    "max_draws",
    "time_limit",
    "estimator",
    "sampling",
    "streams",
    "rng",
    "workers",
    "checkpoint",
)

#: Attributes of the result that ``--json`` prints.
REPORTED = (
    "likelihood",
    "parameters",
    "theta",
    "fim",
    "standard_error",
    "relative_error",
    "confidence",
    "rtol",
    "atol",
    "draws",
    "streams",
    "seed",
    "estimator",
    "sampling",
    "converged",
    "message",
    "elapsed",
    "variance_reduction",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    # the interpreter ends with a look through all that was compiled for what could be freed: a third of a second
    atexit.register(gc.freeze)
    parser = build_parser()
    given = parser.parse_intermixed_args(argv)
    if given.model is None and not given.list:
        parser.error("name a model: one of --list, or path/to/model.py:name")
    try:
        with _brief_warnings():
            return show_catalogue() if given.list else run(given)
    except BrokenPipeError:
        # the reader has gone (``| head``): nothing more to say, and nothing left to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except (FastfimError, OSError) as error:
        print(f"fastfim: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED


def show_catalogue() -> int:
    """Print the built-in likelihoods."""
    print(catalogue, flush=True)
    return CONVERGED


def run(given: argparse.Namespace) -> int:
    """Estimate as asked, print, save, and return the exit status."""
    if given.model == "check":
        return examine(given)
    likelihood = find_model(given.model)
    theta, args = split_assignments(likelihood, given.assignments)
    _require_folder("--save", given.save)
    _require_folder("--plot", given.plot)
    if given.plot is not None:
        plotting.require_format(given.plot)
    options = {name: getattr(given, name) for name in FORWARDED if getattr(given, name) is not None}
    result = fastfim.estimate(likelihood, theta, args, progress=sys.stderr.isatty(), **options)
    if given.save is not None:
        result.save(given.save)
    if given.plot is not None:
        result.plot().savefig(given.plot)
    print(as_json(result) if given.json else result, flush=True)
    return CONVERGED if result.converged else STOPPED


def examine(given: argparse.Namespace) -> int:
    """Print whether a model is sound (``fastfim check MODEL name=value ...``), and return the exit status."""
    if not given.assignments:
        raise OptionError("check needs a model: fastfim check gamma a=2 scale=0.5, say")
    likelihood = find_model(given.assignments[0])
    theta, args = split_assignments(likelihood, given.assignments[1:])
    options = {name: getattr(given, name) for name in ("draws", "rng", "workers") if getattr(given, name) is not None}
    report = fastfim.check(likelihood, theta, args, **options)
    print(report, flush=True)
    return CONVERGED if report.ok else STOPPED


def build_parser() -> argparse.ArgumentParser:
    """The options; each means what the argument of `fastfim.estimate` of that name means."""
    parser = argparse.ArgumentParser(
        prog="fastfim",
        description="Fisher information matrix of a likelihood by Monte Carlo, with error bars.",
        epilog="Exit status: 0 converged, 3 stopped before the tolerance was met, 2 bad input, 130 interrupted.",
    )
    parser.add_argument(
        "model", nargs="?", help="a name from --list, or path/to/model.py:name; 'check' before it asks: is it sound?"
    )
    parser.add_argument(
        "assignments",
        nargs="*",
        metavar="name=value",
        help="a value for each parameter and constant; a constant may be numbers joined by commas, "
        "or a .csv, .txt or .npy file",
    )
    parser.add_argument("--list", action="store_true", help="show the built-in likelihoods and exit")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--save", metavar="FILE", help="keep the result in a file for fastfim.load")
    parser.add_argument("--plot", metavar="FILE", help="draw the matrix into a .png, .pdf or .svg file")
    _add_precision(parser.add_argument_group("how precise"))
    _add_method(parser.add_argument_group("how"))
    return parser


def _add_precision(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--rtol", type=float, help="relative tolerance of every entry (default 1e-3)")
    group.add_argument("--atol", type=float, help="absolute tolerance (default 0)")
    group.add_argument("--confidence", type=float, help="probability that an entry's interval holds (default 0.95)")
    group.add_argument("--draws", type=_count, metavar="N", help="a fixed number of draws instead of a tolerance")
    group.add_argument("--max-draws", type=_count, metavar="N", help="stop after so many draws")
    group.add_argument("--time-limit", type=float, metavar="SECONDS", help="stop after so many seconds")


def _add_method(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--estimator", help="which estimator (default auto)")
    group.add_argument("--sampling", help="how the draws are made (default auto)")
    group.add_argument("--streams", type=_count, metavar="K", help="independent streams (default 32)")
    group.add_argument("--rng", type=_count, metavar="SEED", help="seed; default: fresh, and reported")
    group.add_argument("--workers", type=_count, metavar="N", help="threads (default: all cores)")
    group.add_argument("--checkpoint", metavar="FILE", help="keep progress there, and go on from it")


def _count(text: str) -> int:
    """An integer, also written 1e6 or 1_000_000."""
    try:
        return int(text)
    except ValueError:
        value = float(text)
    if not value.is_integer():
        raise ValueError(text)
    return int(value)


_count.__name__ = "integer"  # argparse says "invalid integer value"


# The model


def find_model(text: str) -> Likelihood:
    """A likelihood by its name in the catalogue, or from ``path/to/model.py:name``.

    Raises
    ------
    OptionError
        No such file or name, or the file does not run.
    """
    path, colon, name = text.rpartition(":")
    if text.endswith(".py"):
        return _only_likelihood(load_module(Path(text)))
    if not colon:
        return catalogue[text]
    module = load_module(Path(path))
    likelihood = getattr(module, name, None)
    if isinstance(likelihood, Likelihood):
        return likelihood
    what = "is no Likelihood" if hasattr(module, name) else "is not there"
    raise OptionError(f"{path}: {name} {what}; the file defines {_listed(_likelihoods(module))}")


def load_module(path: Path) -> ModuleType:
    """Run a Python file as a module; what lies beside it can be imported from it.

    Raises
    ------
    OptionError
        No such file, or the file does not run.
    """
    if not path.is_file():
        raise OptionError(f"no file {path}; a model is path/to/model.py:name or a name from --list")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise OptionError(f"{path} is no Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise OptionError(f"{_where(error, path)}: {type(error).__name__}: {error}") from error
    return module


def _where(error: Exception, path: Path) -> str:
    """The last line of the user's file on the way to the error."""
    if isinstance(error, SyntaxError):
        return f"{path}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _likelihoods(module: ModuleType) -> dict[str, Likelihood]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Likelihood)}


def _listed(likelihoods: dict[str, Likelihood]) -> str:
    return ", ".join(likelihoods) or "no Likelihood"


def _only_likelihood(module: ModuleType) -> Likelihood:
    likelihoods = _likelihoods(module)
    if len(likelihoods) != 1:
        raise OptionError(f"{module.__file__}:name must say which; the file defines {_listed(likelihoods)}")
    return next(iter(likelihoods.values()))


# Its parameters and constants


def split_assignments(likelihood: Likelihood, assignments: Sequence[str]) -> tuple[dict[str, float], tuple[Any, ...]]:
    """``name=value`` words as ``theta`` by name and the tuple ``args``.

    Raises
    ------
    OptionError
        A word that is no assignment, a name given twice, a value that is no number, a constant left out.
    """
    values = _by_name(assignments)
    args = tuple(_constant(name, values.pop(name)) for name in _constants_given(likelihood, values))
    return {name: _number(name, text) for name, text in values.items()}, args


def _by_name(assignments: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for word in assignments:
        name, equals, text = word.partition("=")
        if not (name and equals and text):
            raise OptionError(f"{word!r} is no assignment; write name=value")
        if name in values:
            raise OptionError(f"{name} is given twice")
        values[name] = text
    return values


def _constants_given(likelihood: Likelihood, values: dict[str, str]) -> list[str]:
    """Names of the constants in their order; those with a default may be left out from the end."""
    names = constant_names(likelihood)
    function: Any = likelihood.logpdf
    signature = inspect.signature(getattr(function, "py_func", function)).parameters
    last = max((k for k, name in enumerate(names) if name in values), default=-1)
    missing = [
        name
        for k, name in enumerate(names)
        if name not in values and (k < last or signature[name].default is inspect.Parameter.empty)
    ]
    if missing:
        raise OptionError(f"{likelihood.name} also needs {', '.join(f'{name}=value' for name in missing)}")
    return [name for name in names if name in values]


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"{name} must be a number; got {text!r}") from None


def _constant(name: str, text: str) -> Any:
    """An int or float, a vector written with commas, or the array in a file."""
    if text.endswith((".csv", ".txt", ".npy")):
        return _read_array(name, Path(text))
    numbers = [_scalar(name, part) for part in text.split(",")]
    return np.array(numbers) if len(numbers) > 1 else numbers[0]


def _scalar(name: str, text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return _number(name, text)


def _read_array(name: str, path: Path) -> Any:
    """A .npy file, or a text file of numbers with an optional line of headings; a single column is a vector."""
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        delimiter = "," if path.suffix == ".csv" else None
        with path.open(encoding="utf-8-sig") as file:
            lines = [line for line in file if line.strip()]
        return np.loadtxt(lines[_has_headings(lines, delimiter) :], delimiter=delimiter)
    except ValueError as error:
        raise OptionError(f"{name}: {path} does not hold an array of numbers: {error}") from None


def _has_headings(lines: Sequence[str], delimiter: str | None) -> bool:
    try:
        return bool(lines) and not [float(field) for field in lines[0].split(delimiter)]
    except ValueError:
        return True


# What is shown and kept


def as_json(result: Any) -> str:
    """The result as a JSON object; what is not finite becomes null."""
    record = {name: _plain(getattr(result, name, None)) for name in REPORTED}
    record["checks"] = {
        name: {field: _plain(getattr(check, field)) for field in ("figure", "p_value", "verdict", "message")}
        for name, check in result.checks.items()
    }
    return json.dumps(record, indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    """Lists, strings, numbers and None in place of arrays, tuples, NumPy scalars, NaN and infinities."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _require_folder(option: str, path: str | None) -> None:
    """Complain before the run, not after it."""
    if path is not None and not Path(path).resolve().parent.is_dir():
        raise OptionError(f"{option} {path}: there is no folder {Path(path).resolve().parent}")


@contextmanager
def _brief_warnings() -> Iterator[None]:
    """Warnings as one line on stderr; that a run stopped early is in its message and the exit status."""

    def show(message: Warning | str, *_: Any) -> None:
        print(f"fastfim: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", RegularityWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.showwarning = cast(Any, show)
        yield


if __name__ == "__main__":
    sys.exit(main())
