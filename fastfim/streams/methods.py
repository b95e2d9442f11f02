"""The methods of ``rng``: plain Python functions under NumPy's names, put into `VARIATES` by the decorator `variate`.

They build on three of them, ``random``, ``standard_normal`` and ``standard_exponential``, so that the same source also
runs uncompiled with a `numpy.random.Generator`. For quasi-random streams ``variate(inverse=...)`` names the function
that makes the variate of one coordinate; what is built on other methods alone needs none.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import errors
from numba.extending import overload_method

from .. import _jit
from .cursors import Stream
from .quantiles.elementary import exponential_quantile
from .stream import (
    in_normal_column,
    next_column,
    take_coordinate,
    take_exponential,
    take_normal,
    take_uniform,
    uniform_of,
)
from .typed import Function

#: Every method of ``rng``: its name, and the function whose signature (after ``rng``) and meaning it has.
VARIATES: dict[str, Callable[..., Any]] = {}


class _Signature(inspect.Signature):
    """A signature whose complaints name the method: Numba shows them to the user whose call does not fit."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(function).parameters.values())
        super().__init__(parameters)
        listed = (str(p.replace(annotation=p.empty)) for p in parameters[1:])
        self.usage = f"rng.{name}({', '.join(listed)}) gives one draw a call"

    def bind(self, *args: Any, **kwargs: Any) -> inspect.BoundArguments:
        try:
            return super().bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{error}; {self.usage}") from None


def variate(*, inverse: Callable[..., Any] | None = None) -> Callable[[Function], Function]:
    """Make ``function(rng, ...)`` the method of that name of every stream; it stays an ordinary Python function.

    Parameters
    ----------
    inverse
        What takes its place in quasi-random streams: a function of the same parameters that takes one coordinate
        (`take_tails`) and is monotone in it. Needed where ``function`` itself would take more than one, or reject.
    """

    def register(function: Function) -> Function:
        name = function.__name__
        VARIATES[name] = function
        chosen = by_kind(function, inverse or function)

        def choose(*args: Any, **kwargs: Any) -> Callable[..., Any]:
            if name not in TAKE_VECTORS and any(isinstance(a, types.Array) for a in (*args[1:], *kwargs.values())):
                raise errors.TypingError(
                    f"rng.{name} gives one draw a call: its parameters must be numbers, not arrays; write a loop"
                )
            return chosen(args[0] if args else kwargs["rng"])

        choose.__name__ = choose.__qualname__ = f"rng.{name}"
        choose.__signature__ = _Signature(name, function)  # type: ignore[attr-defined]
        overload_method(Stream, name, jit_options=dict(_jit.INNER))(choose)
        return function

    return register


#: Methods with arrays among their parameters; a broadcast, as NumPy has it for the others, would give but one draw.
TAKE_VECTORS = frozenset({"choice", "dirichlet", "multinomial", "multivariate_normal"})


def by_kind(function: Callable[..., Any], inverse: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    """Choose between two functions of ``rng`` by its type: ``inverse`` for quasi-random streams."""
    return lambda rng: inverse if rng.kind == "rqmc" else function


def _random_coordinate(rng: Any) -> float:
    return uniform_of(take_coordinate(rng))


def _normal_by_inversion(rng: Any) -> float:
    k = next_column(rng)
    if k < 0:
        return take_normal(rng)
    value: float = in_normal_column(rng, k)[0]
    return value


def _exponential_by_inversion(rng: Any) -> float:
    return exponential_quantile(take_coordinate(rng))


@variate(inverse=_random_coordinate)
def random(rng: Any) -> float:
    """Uniform on the open interval (0, 1): 2^52 equally likely values."""
    return take_uniform(rng)


@variate(inverse=_normal_by_inversion)
def standard_normal(rng: Any) -> float:
    """Normal of mean 0 and variance 1."""
    return take_normal(rng)


@variate(inverse=_exponential_by_inversion)
def standard_exponential(rng: Any) -> float:
    """Exponential of mean 1; always positive."""
    return take_exponential(rng)
