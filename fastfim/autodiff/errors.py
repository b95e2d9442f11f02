"""What a user reads when a function cannot be differentiated or compiled: a sentence, on a line of their own file.

Two ways lead here.  A call that a rule table refuses raises `Refused` while types are inferred, which carries its own
sentence and place through Numba's layers of messages.  Every other compile error is a message of Numba's; `explain`
takes from it the place in the user's source and the sentence that says what went wrong.
"""

from __future__ import annotations

import os
import re
from typing import Any

import numba
from numba.core import errors

_OWN = (os.path.dirname(numba.__file__), os.path.dirname(os.path.abspath(__file__)))
_PLACE = re.compile(r"(?:at|by) (/[^\n(]+|[A-Za-z]:\\[^\n(]+|<[^>\n]+>) \((\d+)\)")
_EXCERPT = re.compile(r'File "([^"\n]+)", line (\d+)')
_CALL = re.compile(r"No implementation of function Function\((.*?)\) found for signature:\s*\n\s*>>> (.*?)\n", re.S)
_NAME = re.compile(r"(?:function|ufunc|class|method) '?([\w.]+)'?")


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


class Refused(errors.TypingError):  # type: ignore[misc]
    """Raised during type inference; `sentence` is for the user, at ``loc``."""

    def __init__(self, sentence: str, loc: Any = None) -> None:
        super().__init__(sentence, loc=loc)
        self.sentence, self.place = sentence, loc


def explain(exception: BaseException, function: Any) -> DifferentiationError:
    """Turn any error of Numba's compiler into a `DifferentiationError`.

    Parameters
    ----------
    exception
        What compilation raised.
    function
        The user's function that was being compiled; its first line serves where the error names no place.
    """
    if isinstance(exception, DifferentiationError):
        return exception
    refused = _refusal(exception)
    if refused is not None and refused.place is not None:
        return DifferentiationError(refused.sentence, refused.place.filename, refused.place.line)
    text = errors_text(exception)
    code = getattr(function, "py_func", function).__code__
    file, line = _place(text) or (code.co_filename, code.co_firstlineno)
    return DifferentiationError(refused.sentence if refused else _sentence(text, exception), file, line)


def errors_text(exception: BaseException) -> str:
    """The whole message, without terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(exception))


def _refusal(exception: BaseException | None) -> Refused | None:
    seen: set[int] = set()
    while exception is not None and id(exception) not in seen:
        if isinstance(exception, Refused):
            return exception
        seen.add(id(exception))
        exception = exception.__cause__ or exception.__context__
    return None


def _place(text: str) -> tuple[str, int] | None:
    """The innermost place outside Numba and this package: messages go from the inside out."""
    for pattern in (_PLACE, _EXCERPT):
        for file, line in pattern.findall(text):
            if not os.path.abspath(file).startswith(_OWN):
                return file, int(line)
    return None


def _sentence(text: str, exception: BaseException) -> str:
    call = _CALL.search(text)
    if call is not None:
        return _sentence_on_call(*call.groups())
    if "annot unify" in text:
        return _sentence_on_types(text)
    name = re.search(r"Untyped global name '([^']+)'", text) or re.search(r"NameError: name '([^']+)'", text)
    if name is not None:
        return (
            f"The name '{name[1]}' cannot be used in a compiled function: it is not a number, an array or a function."
        )
    attribute = re.search(r"Unknown attribute '([^']+)' of type ([^\n]+)", text)
    if attribute is not None:
        return f"'{attribute[1]}' of {_plain_types(attribute[2])} is not available in a compiled function."
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("Failed in")]
    return f"The function cannot be compiled: {_plain_types(lines[0]) if lines else type(exception).__name__}"


def _sentence_on_call(function: str, call: str) -> str:
    named = _NAME.search(function)
    name = named[1] if named else function
    active = "Dual(" in call or "Theta(" in call
    if name == "setitem" and active:
        return (
            "A value that depends on theta is stored in an array that cannot hold it. Make the array inside the "
            "function with np.zeros(n) or np.empty(n) and no dtype (arrays from outside hold plain numbers)."
        )
    arguments = _plain_types(call.partition("(")[2].rpartition(")")[0])
    if active:
        return (
            f"'{name}' cannot be differentiated for arguments ({arguments}). Use the functions of math, NumPy's scalar "
            "functions or those of scipy.special that the documentation lists, element by element."
        )
    return f"'{name}' cannot be compiled for arguments ({arguments})."


def _sentence_on_types(text: str) -> str:
    found = re.search(r"annot unify (.+?) and (.+?)(?: for '([^']+)'|\n|$)", text)
    if found is None:
        return "A variable has two types that do not go together."
    first, second, variable = found.groups()
    what = f"'{variable.split('.')[0]}'" if variable and not variable.startswith("$") else "A result"
    return f"{what} is {_plain_types(first)} in one place and {_plain_types(second)} in another; make it the same everywhere."


def _plain_types(text: str) -> str:
    """Our type names and Numba's in words."""
    for pattern, words in (
        (r"Literal\[\w+\]\(([^)]*)\)", r"\1"),
        (r"array\(Dual\([^)]*\), (\d)d, \w\)", r"\1-d array that depends on theta"),
        (r"Theta\(Dual\([^)]*\)\)", "the vector theta"),
        (r"Dual\([^)]*\)", "number that depends on theta"),
        (r"array\((\w+), (\d)d, \w\)", r"\2-d \1 array"),
        (r"\bnone\b", "None"),
    ):
        text = re.sub(pattern, words, text)
    return text.strip().rstrip(".")
