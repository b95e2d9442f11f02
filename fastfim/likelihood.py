"""A likelihood: what a user gives, validated once.

A statistical model enters as two plain functions, a sampler and a log density:

>>> from math import lgamma, log
>>> def sample(rng, theta):
...     shape, rate = theta
...     return rng.gamma(shape, 1 / rate)
>>> def logpdf(x, theta):
...     shape, rate = theta
...     return shape * log(rate) - lgamma(shape) + (shape - 1) * log(x) - rate * x
>>> waiting_time = Likelihood(sample, logpdf, parameters=("shape", "rate"), domain=positive)
>>> waiting_time
Likelihood('logpdf', parameters=('shape', 'rate'))

Nothing is compiled here. Everything later reads a `Likelihood` through `Likelihood.bind`, which joins it with its
constants (``args``) and answers for names, length of a draw, and whether a ``theta`` may be used.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import LikelihoodError, OptionError, ParameterError

__all__ = ["BoundLikelihood", "Interval", "Likelihood", "interval", "positive", "real", "unit_interval"]


@dataclass(frozen=True)
class Interval:
    """Open interval ``(low, high)`` that a parameter lives in; see `interval`."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low < value < self.high

    def __repr__(self) -> str:
        return f"interval({self.low:g}, {self.high:g})"


def interval(low: float, high: float) -> Interval:
    """Domain ``low < parameter < high``.

    Raises
    ------
    OptionError
        If the ends are not numbers with ``low < high``.
    """
    try:
        ends = float(low), float(high)
    except (TypeError, ValueError):
        raise OptionError(f"interval(low, high) needs two numbers; got {low!r}, {high!r}") from None
    if not ends[0] < ends[1]:
        raise OptionError(f"interval(low, high) needs low < high; got {low!r}, {high!r}")
    return Interval(*ends)


real = Interval(-math.inf, math.inf)
positive = Interval(0.0, math.inf)
unit_interval = Interval(0.0, 1.0)

#: What a user may give as a function.
ROLES = ("sample", "logpdf", "score", "hessian", "prepare")

Names = Sequence[str] | Callable[..., Sequence[str]]


def location(function: Any) -> tuple[str | None, int | None]:
    """File and line where a user's function is defined (``None`` where unknown)."""
    code = getattr(getattr(function, "py_func", function), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else (None, None)


def _described(function: Any) -> str:
    file, line = location(function)
    name = getattr(function, "__name__", repr(function))
    return f"{name} ({file}:{line})" if file else str(name)


def _positional(function: Any) -> tuple[int, float]:
    """Least and most positional arguments that ``function`` takes."""
    parameters = inspect.signature(getattr(function, "py_func", function)).parameters.values()
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    most = math.inf if any(p.kind == p.VAR_POSITIONAL for p in parameters) else len(plain)
    return sum(p.default is p.empty for p in plain), most


def _require_function(role: str, function: Any, leading: tuple[str, ...]) -> None:
    """A Python function (or Numba dispatcher) that takes at least the ``leading`` arguments."""
    if not inspect.isfunction(getattr(function, "py_func", function)):
        raise LikelihoodError(f"{role} must be a Python function; got {function!r}")
    if _positional(function)[1] < len(leading):
        raise LikelihoodError(
            f"{role} must take ({', '.join(leading)}, *args): {_described(function)} takes fewer arguments",
            *location(function),
        )


class Likelihood:
    """A statistical model: how to draw, and the log density of a draw.

    Parameters
    ----------
    sample
        ``sample(rng, theta, *args) -> float`` returns one draw (``size == 1``); for any other size
        ``sample(rng, theta, x, *args)`` fills the float64 vector ``x``. ``rng`` has the methods of
        `numpy.random.Generator`.
    logpdf
        ``logpdf(x, theta, *args) -> float``, natural logarithm of the density or mass; ``x`` is a float
        (``size == 1``) or a float64 vector; may return ``-inf``.
    parameters
        Names in the order of ``theta``, or a function of ``*args`` that gives them.
    domain
        One `Interval` for all parameters, or one for each (default `real`), or a function of ``*args``.
    constraint
        ``constraint(theta)`` is True where ``theta`` is allowed, else False or a message.
    size
        Length of one draw: an int, or a function of ``*args`` (``x`` is then always a vector).
    prepare
        ``prepare(theta, *args)``: a scalar, or a tuple of scalars and arrays, that depends on ``theta`` alone;
        computed once a block and handed to ``sample`` and ``logpdf`` as their last argument.
    score, hessian
        Optional hand-written derivatives ``score(x, theta, out, *args)`` with ``out`` of shape (p,) and
        ``hessian(x, theta, out, *args)`` with ``out`` of shape (p, p), every entry to be filled. They replace the
        automatic ones.
    name
        How results call it; default: the name of ``logpdf``.

    Raises
    ------
    LikelihoodError
        A function that is none, or that takes too few arguments.
    OptionError
        Anything else that cannot be used.
    """

    def __init__(
        self,
        sample: Callable[..., Any],
        logpdf: Callable[..., Any],
        *,
        parameters: Names,
        domain: Any = None,
        constraint: Callable[..., Any] | None = None,
        size: int | Callable[..., int] = 1,
        prepare: Callable[..., Any] | None = None,
        score: Callable[..., Any] | None = None,
        hessian: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> None:
        if not callable(size):
            _check_size(size)
        self.size = size
        self.scalar = not callable(size) and int(size) == 1
        _require_function("sample", sample, ("rng", "theta") if self.scalar else ("rng", "theta", "x"))
        _require_function("logpdf", logpdf, ("x", "theta"))
        for role, function in (("score", score), ("hessian", hessian)):
            if function is not None:
                _require_function(role, function, ("x", "theta", "out"))
        if prepare is not None:
            _require_function("prepare", prepare, ("theta",))
        if constraint is not None and not callable(constraint):
            raise OptionError(f"constraint must be a function of theta; got {constraint!r}")
        if name is not None and not isinstance(name, str):
            raise OptionError(f"name must be a string; got {name!r}")
        self.sample, self.logpdf, self.prepare, self.score, self.hessian = sample, logpdf, prepare, score, hessian
        self.constraint = constraint
        self._takes = {role: _positional(function) for role in ROLES if (function := getattr(self, role)) is not None}
        self.parameters = parameters if callable(parameters) else _check_names(parameters)
        self.domain = domain if callable(domain) else _check_domain(domain, self.parameters)
        self.name = name or str(getattr(logpdf, "__name__", "likelihood"))

    def __setattr__(self, name: str, value: Any) -> None:
        if "name" in self.__dict__:  # the last that is set: all has been checked, and may have been compiled
            raise AttributeError(f"a Likelihood does not change: make another one with another {name}")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        names = "a function of args" if callable(self.parameters) else repr(self.parameters)
        return f"Likelihood({self.name!r}, parameters={names})"

    def bind(self, args: Any = (), wrt: Any = None) -> BoundLikelihood:
        """Join the likelihood with its constants, and with the names of the parameters to differentiate.

        Raises
        ------
        OptionError
            ``args`` is no tuple, holds something that compiled code cannot take, or its length does not
            fit the functions' signatures; ``wrt`` holds something that is no parameter.
        """
        plain = isinstance(args, tuple) and not args and wrt is None
        return self._without_constants if plain else self._bound(args, wrt)

    @cached_property
    def _without_constants(self) -> BoundLikelihood:
        return self._bound((), None)

    def _bound(self, args: Any, wrt: Any) -> BoundLikelihood:
        constants = _constants(args)
        for role in self._takes:
            self._check_count(role, len(constants))
        names = self.parameters
        if callable(names):
            names = _check_names(_from_args("parameters", names, constants))
        domain = self.domain
        if callable(domain):
            domain = _from_args("domain", domain, constants)
        size = self.size
        if callable(size):
            size = _check_size(_from_args("size", size, constants))
        return BoundLikelihood(self, constants, names, _check_domain(domain, names), int(size), _check_wrt(wrt, names))

    def _check_count(self, role: str, count: int) -> None:
        leading = {"sample": 2 if self.scalar else 3, "logpdf": 2, "prepare": 1}.get(role, 3)
        given = leading + count + (self.prepare is not None and role != "prepare")
        least, most = self._takes[role]
        if not least <= given <= most:
            raise OptionError(
                f"args has {count} constants, so {role} would be called with {given} arguments, "
                f"but {_described(getattr(self, role))} takes {least if least == most else f'{least} to {most}'}"
            )


@dataclass(frozen=True, eq=False)
class BoundLikelihood:
    """A `Likelihood` with its constants: what the engine runs.

    Attributes
    ----------
    likelihood, args
        The model, and its constants as scalars and C-contiguous float64 or int64 arrays.
    names, domain
        One name and one `Interval` a parameter.
    size
        Length of one draw.
    wrt
        Indices of the parameters to differentiate, in the order of the results.
    """

    likelihood: Likelihood
    args: tuple[Any, ...]
    names: tuple[str, ...]
    domain: tuple[Interval, ...]
    size: int
    wrt: tuple[int, ...]

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters to differentiate."""
        return tuple(self.names[i] for i in self.wrt)

    @cached_property
    def _bounds(self) -> NDArray[np.float64]:
        """Ends of the domain: all that are low, and all that are high."""
        return np.array([(d.low, d.high) for d in self.domain]).T

    def theta(self, theta: Any) -> NDArray[np.float64]:
        """Validate parameters given as a sequence, an (m, p) array or a mapping by name.

        Raises
        ------
        ParameterError
            Wrong count or names, not finite, outside the domain, or against the constraint.
        """
        values = self._by_name(theta) if isinstance(theta, Mapping) else theta
        try:
            # np.array over asarray: a caller's later change to its array must not reach a running estimate
            vector = np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise ParameterError(f"theta must be numbers, one for each of {self.names}; got {theta!r}") from None
        if vector.ndim not in (1, 2) or vector.shape[-1] != len(self.names) or vector.size == 0:
            raise ParameterError(
                f"theta needs {len(self.names)} values, one for each of {self.names} "
                f"(or shape (m, {len(self.names)}) for m points); got shape {vector.shape}"
            )
        low, high = self._bounds
        inside = (np.isfinite(vector) & (low < vector) & (vector < high)).all(axis=-1)
        if self.likelihood.constraint is not None or not inside.all():
            for point in np.atleast_2d(vector):
                self._check_point(point)
        vector.setflags(write=False)
        return vector

    def point(self, theta: Any) -> NDArray[np.float64]:
        """Validate the parameters of a single point.

        Raises
        ------
        ParameterError
            As `theta` does, and for more than one point.
        """
        vector = self.theta(theta)
        if vector.ndim != 1:
            raise ParameterError(
                f"theta must be a single point here, one value for each of {self.names}; got shape {vector.shape}"
            )
        return vector

    def _by_name(self, theta: Mapping[str, Any]) -> Any:
        unknown = [k for k in theta if k not in self.names]
        missing = [k for k in self.names if k not in theta]
        if unknown or missing:
            what = [f"unknown {unknown}"] * bool(unknown) + [f"missing {missing}"] * bool(missing)
            raise ParameterError(f"theta by name: {', '.join(what)}; the parameters are {self.names}")
        columns = np.broadcast_arrays(*(np.asarray(theta[k]) for k in self.names))
        return np.stack(columns, axis=-1)

    def _check_point(self, point: NDArray[np.float64]) -> None:
        for name, value, domain in zip(self.names, point, self.domain, strict=True):
            if not math.isfinite(value):
                raise ParameterError(f"theta: {name} = {value} is not finite")
            if value not in domain:
                raise ParameterError(
                    f"theta: {name} = {value:g} must lie strictly between {domain.low:g} and {domain.high:g}"
                )
        if self.likelihood.constraint is None:
            return
        verdict = self.likelihood.constraint(point)
        if isinstance(verdict, str) or not verdict:
            reason = verdict if isinstance(verdict, str) else f"violates {_described(self.likelihood.constraint)}"
            raise ParameterError(f"theta = {point.tolist()}: {reason}")


def _from_args(what: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return function(*args)
    except Exception as error:
        raise OptionError(
            f"{what} is a function of args, and {_described(function)} failed on the {len(args)} constants given: "
            f"{type(error).__name__}: {error}"
        ) from error


def _check_size(size: Any) -> int:
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise OptionError(f"size must be a positive integer or a function of args that gives one; got {size!r}")
    return int(size)


def _check_names(parameters: Any) -> tuple[str, ...]:
    if isinstance(parameters, str):
        raise OptionError(f"parameters must be a sequence of names; for a single one write ({parameters!r},)")
    try:
        names = tuple(parameters)
    except TypeError:
        raise OptionError(f"parameters must be a sequence of names or a function of args; got {parameters!r}") from None
    if not names or not all(isinstance(n, str) and n for n in names):
        raise OptionError(f"parameters must be one or more non-empty names; got {parameters!r}")
    if len(set(names)) < len(names):
        raise OptionError(f"parameters must differ from one another; got {names}")
    return names


def _check_wrt(wrt: Any, names: tuple[str, ...]) -> tuple[int, ...]:
    if wrt is None:
        return tuple(range(len(names)))
    wanted = (wrt,) if isinstance(wrt, str) else tuple(wrt) if isinstance(wrt, Iterable) else ()
    unknown = [name for name in wanted if name not in names]
    if not wanted or unknown or len(set(wanted)) < len(wanted):
        what = f"{unknown} are no parameters" if unknown else "each once, and at least one"
        raise OptionError(f"wrt must hold names of parameters, of {names}: {what}; got {wrt!r}")
    return tuple(names.index(name) for name in wanted)


def _check_domain(domain: Any, parameters: Any) -> tuple[Interval, ...] | Any:
    """One `Interval` a parameter; kept as given while the names are still a function of args."""
    if callable(parameters) and (domain is None or isinstance(domain, Interval)):
        return domain
    if callable(parameters):
        raise OptionError("domain must be one interval for all, or a function of args, since parameters is one")
    if domain is None or isinstance(domain, Interval):
        return (domain or real,) * len(parameters)
    try:
        intervals = tuple(domain)
    except TypeError:
        intervals = (domain,)
    if not all(isinstance(d, Interval) for d in intervals):
        raise OptionError(f"domain must hold real, positive, unit_interval or interval(low, high); got {domain!r}")
    if len(intervals) != len(parameters):
        raise OptionError(f"domain has {len(intervals)} entries, but there are {len(parameters)} parameters")
    return intervals


def _constants(args: Any) -> tuple[Any, ...]:
    if not isinstance(args, tuple):
        raise OptionError(
            f"args must be a tuple of constants; for a single one write args=(value,); got {type(args).__name__}"
        )
    return tuple(_constant(k, value) for k, value in enumerate(args))


def _constant(k: int, value: Any) -> Any:
    """A Python int or float, or a C-contiguous float64 or int64 array."""
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise OptionError(f"args[{k}] must be a number or an array of float64 or int64; got {value!r}")
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise OptionError(f"args[{k}] holds integers beyond int64")
    # a copy: a caller's later change to its array must not reach a running estimate
    array = np.array(array, dtype=np.float64 if array.dtype.kind == "f" else np.int64, order="C")
    return array if array.ndim else array.item()
