"""One draw in plain Python before the first in compiled code, which checks no bounds and no names.

``x[2]`` of a draw of two reads or writes what lies behind it: numbers that look fine, or a crash. As a likelihood's
functions are ordinary Python, they are run once as such, on read-only arrays of the same lengths, and an index out of
bounds is met on the user's own line. The ``rng`` of this draw is NumPy's, behind a check of how it is called. Whatever
else goes wrong is left to the compiler, whose arithmetic differs from Python's (``log(0)`` is ``-inf``).

The draw is given up after so many lines that a slow density is not waited for.

Numbers from ``np.random`` or ``random`` come from a generator that the engine knows nothing of: neither can they be
repeated, nor are the streams independent. They are refused by name, wherever the sampler may call them.
"""

from __future__ import annotations

import dis
import random
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..errors import LikelihoodError
from ..likelihood import BoundLikelihood, Likelihood

#: Lines of Python that a trial may take: some ten milliseconds.
LINES = 20_000

READ_ONLY = (
    "theta, args, the draw and what prepare makes are not to be changed by a function; "
    "work on a copy, y = x.copy(), instead"
)
#: Packages whose functions are not the user's.
_LIBRARIES = frozenset(sys.stdlib_module_names - {"__main__"}) | {"numpy", "scipy", "numba"}
#: Shapes with which a likelihood has been tried.
_tried: WeakKeyDictionary[Likelihood, set[Any]] = WeakKeyDictionary()


def once(model: BoundLikelihood, theta: NDArray[np.float64]) -> None:
    """Try a likelihood, if it has not been with arrays of these shapes.

    Raises
    ------
    LikelihoodError
        An index out of bounds, a call of ``rng`` that it does not know, or another source of random numbers.
    """
    shapes = (model.size, len(theta), *(getattr(value, "shape", ()) for value in model.args))
    tried = _tried.setdefault(model.likelihood, set())
    if shapes in tried:
        return
    _refuse_other_generators(model.likelihood.sample)
    _try(model, theta)
    tried.add(shapes)


# ---------------------------------------------------------------- in plain Python


class _LongEnoughError(Exception):
    """The trial has taken its share of lines."""


@contextmanager
def _at_most(lines: int) -> Iterator[None]:
    """Leave the code inside after so many lines."""
    left = lines
    before = sys.gettrace()

    def tracer(frame: Any, event: str, arg: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise _LongEnoughError
        return tracer

    sys.settrace(tracer)
    try:
        yield
    finally:
        sys.settrace(before)


def _try(model: BoundLikelihood, theta: NDArray[np.float64]) -> None:
    likelihood = model.likelihood
    given = [getattr(likelihood, role) for role in ("sample", "logpdf", "score", "hessian", "prepare")]
    codes = {helper.__code__ for function in given if function is not None for helper in _reachable(function)}
    try:
        with _at_most(LINES), np.errstate(all="ignore"):
            _one_draw(model, _read_only(theta))
    except LikelihoodError as error:
        raise _placed(error, codes, str(error)) from None
    except IndexError as error:
        message = f"{error}; compiled code would read or write what lies behind the array"
        raise _placed(error, codes, message) from None
    except ValueError as error:
        if "read-only" in str(error):
            raise _placed(error, codes, READ_ONLY) from None
    except Exception:  # the compiler has other rules, and its own words for what breaks them
        return


def _one_draw(model: BoundLikelihood, theta: NDArray[np.float64]) -> None:
    likelihood = model.likelihood
    plain = {role: _plain(getattr(likelihood, role)) for role in ("sample", "logpdf", "prepare")}
    args = tuple(_read_only(value) for value in model.args)
    if plain["prepare"] is not None:
        args += (_read_only(plain["prepare"](theta, *args)),)
    rng = _CheckedGenerator(np.random.default_rng(0))
    if likelihood.scalar:
        x: Any = float(plain["sample"](rng, theta, *args))
    else:
        x = np.zeros(model.size)
        plain["sample"](rng, theta, x, *args)
        x = _read_only(x)
    plain["logpdf"](x, theta, *args)
    p = len(theta)
    for function, shape in ((likelihood.score, (p,)), (likelihood.hessian, (p, p))):
        if function is not None:
            _plain(function)(x, theta, np.zeros(shape), *args)


def _read_only(value: Any) -> Any:
    if isinstance(value, tuple):
        members = tuple(map(_read_only, value))
        return type(value)(*members) if hasattr(value, "_fields") else members
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


def _placed(error: BaseException, codes: set[Any], message: str) -> LikelihoodError:
    """The error on the innermost line of the user's that led to it."""
    place: tuple[Any, int | None] = (None, None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            place = (trace.tb_frame.f_code, trace.tb_lineno)
        trace = trace.tb_next
    code, line = place
    if code is None:
        return LikelihoodError(message)
    return LikelihoodError(f"{code.co_filename}:{line}: {code.co_name}: {message}", code.co_filename, line)


class _CheckedGenerator:
    """NumPy's generator, which gives one draw a call."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not hasattr(self._generator, name):
            near = get_close_matches(name, dir(self._generator), n=1)
            hint = f"; did you mean rng.{near[0]}?" if near else ", as numpy.random.Generator has none"
            raise LikelihoodError(f"rng has no method {name!r}{hint}")
        return lambda *args, **kwargs: self._draw(name, args, kwargs)

    def _draw(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if "size" in kwargs:
            raise LikelihoodError(f"rng.{name} gives one draw a call, and takes no size: call it in a loop")
        try:
            return getattr(self._generator, name)(*args, **kwargs)
        except TypeError as error:
            if "argument" not in str(error):
                raise
            raise LikelihoodError(f"rng.{name}: {error}") from None


# ---------------------------------------------------------------- by name


def _refuse_other_generators(sample: Any) -> None:
    for function in _reachable(sample):
        for what, line in _global_values(function):
            if _is_generator(what):
                file = function.__code__.co_filename
                raise LikelihoodError(
                    f"{file}:{line}: {function.__name__}: use the rng that sample is given (rng.normal(...), say): "
                    "np.random and random draw from a generator of their own, which can neither be repeated nor kept "
                    "apart between streams",
                    file,
                    line,
                )


def _plain(function: Any) -> Any:
    """The Python function behind a compiled one."""
    return getattr(function, "py_func", function)


def _reachable(function: Any) -> set[Any]:
    """Functions of the user's that ``function`` may call, itself included."""
    found: set[Any] = set()
    waiting = [_plain(function)]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += [plain for what, _ in _global_values(current) if _is_users(plain := _plain(what))]
    return found


def _is_users(what: Any) -> bool:
    return isinstance(what, types.FunctionType) and what.__module__.partition(".")[0] not in _LIBRARIES


def _is_generator(what: Any) -> bool:
    owner = getattr(what, "__self__", None)
    return what is np.random or what is random or isinstance(owner, (np.random.RandomState, random.Random))


def _global_values(function: Any) -> Iterator[tuple[Any, int | None]]:
    """What the names in a function's code stand for, attributes of modules among them, with their lines."""
    line, value = None, None
    names = {**function.__globals__, **_closure(function)}
    for step in dis.get_instructions(function):
        line = (step.positions and step.positions.lineno) or line
        if step.opname in ("LOAD_GLOBAL", "LOAD_DEREF"):
            value = names.get(step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, types.ModuleType):
            value = getattr(value, step.argval, None)
        else:
            value = None
        if value is not None:
            yield value, line


def _closure(function: Any) -> dict[str, Any]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells if _is_bound(cell)}


def _is_bound(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
