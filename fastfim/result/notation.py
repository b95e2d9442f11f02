"""Numbers with their errors in brackets, and tables of them.

The bracket holds the standard error, to two digits, in units of the last digits shown: 1.2345(67) is 1.2345 +- 0.0067.
An error of one or more is written with its point: 123.4(5.6). Exponents, where needed, apply to both.

>>> brackets(1.23456, 0.0067), brackets(-123.456, 5.6), brackets(2e-9, 3e-11), brackets(3.0, 0.0)
('1.2346(67)', '-123.5(5.6)', '2.000(30)e-9', '3')
"""

from __future__ import annotations

import math
import shutil
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Magnitudes outside of this range, and errors above the second number, are written with exponents.
FIXED_RANGE, LARGEST_FIXED_ERROR = (1e-4, 1e6), 99.5
#: Significant digits of a value without an error, and the most that a float64 has to show.
PLAIN_DIGITS, MOST_DIGITS = 6, 17
#: Rows or columns beyond which a table is cut, and how many are then shown at the start and at the end.
LONGEST, LEADING, TRAILING = 8, 4, 3
ELLIPSIS = "…"

Cells = NDArray[np.str_]
Labels = Sequence[Sequence[str]]


def brackets(value: Any, error: Any) -> str:
    """``value`` with its standard error in brackets; what is not finite, or has no error, as it is."""
    value, error = float(value), float(error)
    if not math.isfinite(value) or error == 0.0:
        return plain(value)
    if not math.isfinite(error):
        return f"{plain(value)}({error})"
    # two digits of the error: 9.96 becomes 10, not 9.96
    place = int(f"{error:.1e}".partition("e")[2]) - 1
    exponent = _exponent(value, error, place)
    decimals = max(exponent - place, 0)
    mantissa, error_mantissa = (Decimal(number).scaleb(-exponent) for number in (value, error))
    if mantissa and mantissa.adjusted() + decimals >= MOST_DIGITS:
        return plain(value)
    digits = f"{error_mantissa:.{decimals}f}"
    units = digits if float(digits) >= 1.0 else digits.replace(".", "").lstrip("0")
    return f"{_unsigned_zero(f'{mantissa:.{decimals}f}')}({units}){_suffix(exponent)}"


def bracketed(values: Any, errors: Any) -> Cells:
    """`brackets` of every entry."""
    cells = [brackets(value, error) for value, error in zip(np.ravel(values), np.ravel(errors), strict=True)]
    return np.array(cells).reshape(np.shape(values))


def plain(value: float, digits: int = PLAIN_DIGITS) -> str:
    """A number without an error."""
    text = f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else _unsigned_zero(text)


def one_sided(low: Any, high: Any) -> str:
    """What a one-sided bound says."""
    if math.isinf(low) and low > 0.0:
        return "inf"
    if math.isfinite(low) and math.isinf(high):
        return f"> {plain(low, 3)}"
    if math.isfinite(high) and math.isinf(low):
        return f"< {plain(high, 3)}"
    return "?"


def _exponent(value: float, error: float, place: int) -> int:
    """Power of ten to take out: that of the larger of the two once rounded, or none."""
    larger = max(abs(value), error)
    low, high = FIXED_RANGE
    if low <= larger < high and error < LARGEST_FIXED_ERROR:
        return 0
    rounded = Decimal(larger).scaleb(-place).to_integral_value()
    return rounded.adjusted() + place


def _suffix(exponent: int) -> str:
    return f"e{exponent}" if exponent else ""


def _unsigned_zero(text: str) -> str:
    return text.lstrip("-") if float(text) == 0.0 else text


def wrapped(line: str) -> str:
    """A sentence, no wider than the terminal."""
    return "\n".join(textwrap.wrap(line, shutil.get_terminal_size().columns, subsequent_indent="  "))


# Tables


def text_table(cells: Any, labels: Labels = (), width: int | None = None) -> str:
    """Cells aligned at their decimal points, no wider than the terminal.

    Parameters
    ----------
    cells
        Strings of shape (), (n,) or (n, m); with three axes, one table after another.
    labels
        Names along each axis.
    width
        Characters a line; None asks the terminal.
    """
    cells = np.asarray(cells)
    if cells.ndim == 0:
        return str(cells)
    if cells.ndim > 2:
        names = labels[0] if labels else [str(i) for i in range(len(cells))]
        return "\n\n".join(
            f"[{name}]\n{text_table(c, labels[1:], width)}" for name, c in zip(names, cells, strict=True)
        )
    rows = _kept(len(cells))
    heads = _at(labels[0] if labels else [""] * len(cells), rows)
    if cells.ndim == 1:
        return "\n".join(_joined(line) for line in zip(_padded(heads), _aligned(_at(cells, rows)), strict=True))
    columns = [_at(column, rows) for column in cells.T]
    names = labels[1] if labels else [""] * len(columns)
    return _lines(heads, names, columns, width or shutil.get_terminal_size().columns)


def _lines(heads: list[str], names: Sequence[str], columns: list[list[str]], width: int) -> str:
    """Lines of a table with as many columns as fit: the first ones, and the last."""
    blocks = [_column(name, column) for name, column in zip(names, columns, strict=True)]
    left = _padded(["", *heads])
    gap = _column(ELLIPSIS, [ELLIPSIS] * len(heads))
    shown = _kept(len(blocks))
    while len(shown) > 3 and _width([left, *_pick(blocks, shown, gap)]) > width:
        number = sum(k is not None for k in shown) - 1
        shown = [*range(number - number // 2), None, *range(len(blocks) - number // 2, len(blocks))]
    lines = zip(left, *_pick(blocks, shown, gap), strict=True)
    return "\n".join(text for text in map(_joined, lines) if text)


def _pick(blocks: list[list[str]], shown: list[int | None], gap: list[str]) -> list[list[str]]:
    return [gap if k is None else blocks[k] for k in shown]


def _width(blocks: list[list[str]]) -> int:
    return sum(len(block[0]) for block in blocks) + 2 * (len(blocks) - 1)


def _joined(parts: Sequence[str]) -> str:
    return "  ".join(part for part in parts if part).rstrip()


def _column(name: str, cells: list[str]) -> list[str]:
    """A heading, centred over its aligned cells."""
    aligned = _aligned(cells)
    width = max(len(name), len(aligned[0]))
    return [name.center(width), *(cell.center(width) for cell in aligned)]


def _aligned(cells: Sequence[str]) -> list[str]:
    """Cells padded so that their decimal points stand below one another."""
    points = [_point(cell) for cell in cells]
    before = max(points)
    return _padded([" " * (before - point) + cell for cell, point in zip(cells, points, strict=True)])


def _point(cell: str) -> int:
    """Where the integer part of a number ends."""
    return next((k for k, letter in enumerate(cell) if letter in ".(e"), len(cell))


def _padded(words: Sequence[str]) -> list[str]:
    width = max(map(len, words), default=0)
    return [word.ljust(width) for word in words]


def _kept(n: int) -> list[int | None]:
    """Indices that are shown of ``n``, with None for a gap."""
    if n <= LONGEST:
        return list(range(n))
    return [*range(LEADING), None, *range(n - TRAILING, n)]


def shortened(words: Sequence[str]) -> list[str]:
    """A long list cut in its middle, as tables are."""
    return _at(words, _kept(len(words)))


def _at(words: Sequence[Any], indices: list[int | None]) -> list[str]:
    return [ELLIPSIS if k is None else str(words[k]) for k in indices]


def html_table(cells: Any, labels: Labels = (), lines: Sequence[str] = ()) -> str:
    """The same cells as a table for notebooks, with ``lines`` above it."""
    cells = np.asarray(cells)
    paragraphs = "".join(f"<div>{escape(line)}</div>" for line in lines)
    if cells.ndim > 2:
        tables = (html_table(part, labels[1:], [f"[{k}]"]) for k, part in enumerate(cells))
        return paragraphs + "".join(tables)
    grid = cells.reshape(len(cells) if cells.ndim else 1, -1)
    rows, columns = _kept(grid.shape[0]), _kept(grid.shape[1])
    body = "".join(_html_row(labels, grid, k, columns) for k in rows)
    head = _html_head(_at(labels[1], columns)) if len(labels) > 1 else ""
    return f"{paragraphs}<table>{head}<tbody>{body}</tbody></table>"


def _html_head(names: Sequence[str]) -> str:
    return f"<thead><tr><th></th>{''.join(f'<th>{escape(name)}</th>' for name in names)}</tr></thead>"


def _html_row(labels: Labels, grid: Cells, row: int | None, columns: list[int | None]) -> str:
    name = ELLIPSIS if row is None else labels[0][row] if labels else ""
    values = [ELLIPSIS] * len(columns) if row is None else _at(grid[row], columns)
    cells = "".join(f'<td style="text-align:right">{escape(value)}</td>' for value in values)
    return f"<tr><th>{escape(name)}</th>{cells}</tr>"
