"""The registry: one record a built-in likelihood, one read-only mapping of them all.

An `Entry` is a `Likelihood` with the line that describes it. A `Catalogue` maps names to likelihoods and keeps the
order in which they were grouped:

>>> from math import log
>>> from fastfim.likelihood import positive
>>> def sample(rng, theta):
...     return rng.exponential(theta[0])
>>> def logpdf(x, theta):
...     return -log(theta[0]) - x / theta[0]
>>> expon = Likelihood(sample, logpdf, parameters=("scale",), domain=positive, name="expon")
>>> catalogue = Catalogue({"continuous": [Entry(expon, "Exponential distribution")]})
>>> list(catalogue), catalogue["expon"] is expon
(['expon'], True)
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..errors import OptionError
from ..likelihood import Likelihood

__all__ = ["Catalogue", "Entry", "constant_names"]


def constant_names(likelihood: Likelihood) -> tuple[str, ...]:
    """Names of a likelihood's constants (``args``): what its log density takes after ``x`` and ``theta``."""
    function: Any = likelihood.logpdf
    arguments = inspect.signature(getattr(function, "py_func", function)).parameters.values()
    names = tuple(a.name for a in arguments if a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD))[2:]
    return names[:-1] if likelihood.prepare is not None else names


@dataclass(frozen=True)
class Entry:
    """A built-in likelihood and its description.

    Attributes
    ----------
    likelihood
        Its ``name`` is the key in the catalogue.
    summary
        One line that says what it is.
    pattern
        How to write the parameters where their names depend on the constants (``"b0, b1, ..."``).
    """

    likelihood: Likelihood
    summary: str
    pattern: str = ""

    @property
    def name(self) -> str:
        """Key in the catalogue."""
        return self.likelihood.name

    @property
    def signature(self) -> str:
        """Parameters and, behind a semicolon, constants: ``binom(p; n)``."""
        names = self.likelihood.parameters
        parameters = self.pattern if callable(names) else ", ".join(names)
        constants = ", ".join(constant_names(self.likelihood))
        return f"{self.name}({parameters}; {constants})" if constants else f"{self.name}({parameters})"


class Catalogue(Mapping[str, Likelihood]):
    """Read-only mapping from a name to a `Likelihood`, in the order of its groups.

    Parameters
    ----------
    groups
        Entries by the kind of model.

    Raises
    ------
    OptionError
        On looking up a name that is not there (the message names the nearest ones).
    """

    def __init__(self, groups: Mapping[str, Iterable[Entry]]) -> None:
        self._groups = {kind: tuple(entries) for kind, entries in groups.items()}
        entries = [entry for group in self._groups.values() for entry in group]
        self._entries = {entry.name: entry for entry in entries}
        if len(self._entries) < len(entries):
            raise OptionError(f"names in a catalogue must differ; got {[entry.name for entry in entries]}")

    @property
    def groups(self) -> dict[str, tuple[Entry, ...]]:
        """Entries by the kind of model."""
        return dict(self._groups)

    def entry(self, name: str) -> Entry:
        """The likelihood called ``name`` with its description."""
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise OptionError(self._no_such(name)) from None

    def _no_such(self, name: object) -> str:
        nearest = get_close_matches(str(name), self._entries, n=3, cutoff=0.5)
        advice = f"did you mean {' or '.join(map(repr, nearest))}?" if nearest else f"there are: {', '.join(self)}"
        return f"no likelihood called {name!r} in the catalogue; {advice}"

    def __getitem__(self, name: str) -> Likelihood:
        return self.entry(name).likelihood

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    # Mapping's own versions of the next two expect a KeyError for a miss.
    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._entries

    def get(self, name: str, default: Any = None) -> Any:
        """The likelihood called ``name``, or ``default``."""
        entry = self._entries.get(name)
        return default if entry is None else entry.likelihood

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        width = max((len(entry.signature) for entry in self._entries.values()), default=0)
        for kind, entries in self._groups.items():
            yield f"{kind}:"
            for entry in entries:
                yield f"  {entry.signature:<{width}}  {entry.summary}"
