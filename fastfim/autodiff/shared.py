"""Functions of arrays that are compiled once an installation, and not with each likelihood that calls them.

A triangular system of dual numbers depends on the user's code by the types of its arrays alone; compiling it takes half
a second, as long as all the rest of a Gaussian process. `shared` makes a function that chooses, by the types, between
machine code of its own (see `fastfim._jit.external`) and, for numbers that the store cannot tell by a few words (those
on a tape, say), a copy that its caller swallows::

    @shared
    def scale(a, factors):                          # changes its arguments, returns nothing, raises nothing
        for i in range(len(a)):
            ...

    scaling = scale(type of a, type of factors)     # for compiled code
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types

from fastfim import _jit
from fastfim.autodiff.dual import Dual

#: Kinds of scalars that such functions take.
_SCALARS = {"i": types.intp, "b": types.boolean}


def shared(function: Callable[..., None], *, by_tiles: bool = False) -> Callable[..., Any]:
    """``choose(*types)``: the compiled ``function`` for arguments of these types.

    ``by_tiles``: it raises nothing for several draws at once either, which may part ways where it compares them.
    """
    inlined = _jit.inner(function)
    member = _jit.externals(lambda words: types.void(*map(_type_of, words.split())))(function)

    def choose(*kinds: Any) -> Any:
        words = tuple(map(_word, kinds))
        fits = all(words) and (by_tiles or not any(map(_of_several_draws, kinds)))
        return member(" ".join(words)) if fits else inlined

    return choose


def _of_several_draws(kind: Any) -> bool:
    return isinstance(kind, types.Array) and getattr(kind.dtype, "draws", 1) > 1


def _word(kind: Any) -> str:
    """What says a type, as in ``"C2r3-1-1"``: layout, dimensions, read-only or not; lanes, order and draws."""
    if not isinstance(kind, types.Array):
        return next((word for word, scalar in _SCALARS.items() if kind == scalar), "")
    layout = f"{kind.layout}{kind.ndim}{'w' if kind.mutable else 'r'}"
    if kind.dtype == types.float64:
        return layout
    dual = kind.dtype
    return f"{layout}{dual.n}-{dual.order}-{dual.draws}" if type(dual) is Dual else ""


def _type_of(word: str) -> Any:
    if word in _SCALARS:
        return _SCALARS[word]
    element = Dual(*map(int, word[3:].split("-"))) if word[3:] else types.float64
    return types.Array(element, int(word[1]), word[0], readonly=word[2] == "r")
