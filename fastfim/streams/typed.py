"""What static type checkers should know: compiling keeps a function's signature; what an ``rng`` offers to variates."""

# ruff: noqa: D102 (the methods of the protocol are NumPy's)

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from numba.extending import intrinsic as _intrinsic

from .. import _jit

Function = TypeVar("Function", bound=Callable[..., Any])


class Rng(Protocol):
    """The methods that other variates build on; `numpy.random.Generator` has them too."""

    def random(self) -> float: ...
    def standard_normal(self) -> float: ...
    def standard_exponential(self) -> float: ...
    def standard_gamma(self, shape: float) -> float: ...
    def chisquare(self, df: float) -> float: ...
    def integers(self, low: int, high: int) -> int: ...
    def poisson(self, lam: float) -> int: ...
    def binomial(self, n: int, p: float) -> int: ...


def inline(function: Function) -> Function:
    """`_jit.inner`, typed."""
    return cast(Function, _jit.inner(function))


def apart(function: Function) -> Function:
    """`_jit.apart`, typed."""
    return cast(Function, _jit.apart(function))


def called(function: Function) -> Function:
    """`_jit.called`, typed."""
    return cast(Function, _jit.called(function))


def intrinsic(function: Callable[..., Any]) -> Any:
    """`numba.extending.intrinsic`, typed."""
    return _intrinsic(function)


def external(signature: Any) -> Callable[[Function], Function]:
    """`_jit.external`, typed."""
    return cast(Callable[[Function], Function], _jit.external(signature))
