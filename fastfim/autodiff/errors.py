"""What a user reads when a function cannot be differentiated or compiled: a sentence, on a line of their own file.

Two ways lead here.  What this package refuses raises `Refused` while types are inferred; its sentence and place travel
inside the message, since Numba copies messages from exception to exception.  Every other compile error is Numba's own;
`explain` takes from it the innermost place in the user's source, and puts what went wrong in words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

from numba.core import errors

from fastfim.autodiff.callgraph import python_function, reachable

_MARK = "\N{INVISIBLE SEPARATOR}"
_REFUSED = re.compile(f"{_MARK}(.*?){_MARK}(.*?){_MARK}(\\d*){_MARK}", re.S)
_PLACE = re.compile(r"(?:(?:at|from) ([^\n(]+?) \((\d+)\))|(?:File \"([^\"\n]+)\", line (\d+))")
_CALL = re.compile(r"No implementation of function (.*?) found for signature:\s*>>> (\w+)\((.*?)\)\s*\n", re.S)

_FUNCTIONS = (
    "Use the functions of math, NumPy's scalar functions or those of scipy.special that the documentation lists, "
    "element by element."
)
STORED = (
    "A value that depends on theta is stored in an array that cannot hold it. Make the array inside the function with "
    "np.zeros(n) or np.empty(n) and no dtype (arrays from outside, and arrays of integers, hold plain numbers)."
)
READ_ONLY = (
    "theta, args, the draw and what prepare makes are not to be changed by a function (they are read-only); "
    "work on a copy, y = x.copy(), and write to that."
)
WHOLE = "depends on theta; it is an integer, and has no derivative. Take it from the draw or from args."
#: Where an index stands among the arguments, and what takes counts alone.
_INDEX = {"getitem": r", (?:Dual|Taped)\([^)]*\)$", "setitem": r", (?:Dual|Taped)\([^)]*\), "}
_COUNTED = ("range", "slice", "zeros", "empty", "ones", "arange", "eye", "identity")
#: Numba's words, and ours.
_KNOWN = (
    (r"IMPORT_NAME", "An import inside a function cannot be compiled; move it to the top of the file."),
    (r"yield in a closure|generator", "A generator expression cannot be compiled; write a list, sum([... for ...])."),
    (
        r"cell variable|unresolved reference",
        "A nested function that calls itself, or changes a variable of the function around it, cannot be compiled; "
        "write it as a loop.",
    ),
    (
        r"unsupported NumPy function '([\w.]+)'",
        r"'\1' is not available in a compiled function; write it with arithmetic and branches, element by element.",
    ),
    (r"opcode \(\w+\)", "A statement here cannot be compiled; use plain arithmetic, branches and loops."),
    (r"type-inferred|recursi", "A recursive function cannot be compiled; write it as a loop."),
    (
        r"(?:Untyped global name|NameError: name|name) '([^']+)'(?:.*?not defined|.*?Cannot determine)",
        r"'\1' cannot be used in a compiled function: it is not defined, or not a number, an array or a function.",
    ),
    (r"Unknown attribute '([^']+)' of type ([^\n]+)", r"'\1' of \2 is not available in a compiled function."),
)


class DifferentiationError(TypeError):
    """A user's function uses something that cannot be differentiated or compiled.

    Attributes
    ----------
    file, line
        Where in the user's source, when known (else ``None``).
    """

    def __init__(self, message: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.file, self.line = file, line


class Refused(errors.TypingError):
    """Raised during type inference with a sentence for the user, at the place ``loc`` if that is known."""

    def __init__(self, sentence: str, loc: Any = None) -> None:
        file, line = (loc.filename, loc.line) if loc is not None else ("", "")
        super().__init__(f"{_MARK}{sentence}{_MARK}{file}{_MARK}{line}{_MARK}", loc=loc)


def explain(
    exception: BaseException, function: Any, of: str = "theta", others: Iterable[Any] = ()
) -> DifferentiationError:
    """Turn any error of Numba's compiler into a `DifferentiationError`.

    Parameters
    ----------
    exception
        What compilation raised.
    function
        The user's function that was being compiled; its first line serves where the error names no place.
    of
        What derivatives were taken with respect to.
    others
        Further functions of the user's that were compiled along.
    """
    if isinstance(exception, DifferentiationError):
        return exception
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(exception))
    refused = _REFUSED.search(text)
    file, line = (refused[2], int(refused[3])) if refused is not None and refused[3] else _place(text, function, others)
    sentence = refused[1] if refused else _sentence(text, exception)
    return DifferentiationError(re.sub(r"\b(on|vector) theta\b", rf"\1 {of}", sentence), file, line)


def _place(text: str, function: Any, others: Iterable[Any]) -> tuple[str, int]:
    """The innermost place in a file of the user's functions; messages go from the inside out."""
    codes = [f.__code__ for g in (function, *others) for f in reachable(g)]
    files = {os.path.realpath(code.co_filename): code.co_filename for code in codes}
    for first_file, first_line, second_file, second_line in _PLACE.findall(text):
        known = files.get(os.path.realpath(first_file or second_file))
        if known is not None:
            return known, int(first_line or second_line)
    code = python_function(function).__code__
    return code.co_filename, code.co_firstlineno


def _sentence(text: str, exception: BaseException) -> str:
    method = re.search(r"\brng\.\w+[^\n]*one draw a call[^\n]*", text)
    if method is not None:
        return method[0]
    if "array.astype" in text or "attribute 'astype'" in text:
        return "'astype' of what depends on theta is not available: it is float64 with derivatives; leave it as it is."
    if "length_of_iterator" in text:
        return "A list that iterates over theta cannot become an array; iterate over range(len(theta)) instead."
    call = _CALL.search(text)
    if call is not None:
        return _sentence_on_call(call[2], call[3])
    if "annot unify" in text:
        return _sentence_on_types(text)
    for pattern, words in _KNOWN:
        found = re.search(pattern, text, re.S)
        if found is not None:
            return in_words(found.expand(words))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("Failed in")]
    return f"The function cannot be compiled: {in_words(lines[0]) if lines else type(exception).__name__}"


def _sentence_on_call(name: str, arguments: str) -> str:
    active = any(name in arguments for name in ("Dual(", "Taped(", "Theta("))
    if name == "setitem" and arguments.startswith(("readonly", "Theta(")):
        return READ_ONLY
    if name in _INDEX and re.search(_INDEX[name], arguments):
        return f"An index {WHOLE}"
    if name in _COUNTED and active:
        return f"A count in '{name}' {WHOLE}"
    if name in ("setitem", "arr_fill") and active:
        return STORED
    if not active:
        return f"'{name}' cannot be compiled for arguments ({in_words(arguments)})."
    return f"'{name}' cannot be differentiated for arguments ({in_words(arguments)}). {_FUNCTIONS}"


def _sentence_on_types(text: str) -> str:
    found = re.search(r"annot unify (.+?) and (.+?)(?: for '([^']+)'|\n|$)", text)
    if found is None:
        return "A variable has two types that do not go together; make it the same everywhere."
    first, second, variable = found.groups()
    what = f"'{variable.split('.')[0]}'" if variable and not variable.startswith("$") else "A result"
    kinds = f"{in_words(first)} in one place and {in_words(second)} in another"
    return f"{what} is {kinds}; make it the same everywhere."


def in_words(text: str) -> str:
    """A message with our type names, and Numba's, in words."""
    for pattern, words in (
        (r"Literal\[\w+\]\(([^)]*)\)", r"\1"),
        (r"array\((?:Dual|Taped)\([^)]*\), (\d)d, \w\)", r"a \1-d array that depends on theta"),
        (r"Theta\((?:Dual|Taped)\([^)]*\)[^)]*\)", "the vector theta"),
        (r"(?:Dual|Taped)\([^)]*\)", "a number that depends on theta"),
        (r"readonly (array\()", r"\1"),
        (r"array\((\w+), (\d)d, \w\)", r"a \2-d \1 array"),
        (r"Module\(<module '([\w.]+)'.*?>\)", r"\1"),
        (r"OptionalType\((.*?)\)", r"either \1 or None"),
        (r"\bnone\b", "None"),
    ):
        text = re.sub(pattern, words, text)
    return text.strip()
