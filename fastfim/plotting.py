"""Pictures of an estimate, as matplotlib Figures: the matrix, how errors fell, the spectrum.

matplotlib is imported when a picture is asked for; it comes with ``pip install 'fastfim[plot]'``. Figures belong to
nobody (no pyplot, no window): ``figure.savefig("matrix.png")``, or leave one as the last line of a notebook's cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import OptionError
from .result import notation

if TYPE_CHECKING:
    from .result.fisher_estimate import FisherEstimate

Array = NDArray[np.float64]

#: Parameters up to which entries are written into the cells, and up to which axes are labelled.
WRITTEN, LABELLED = 6, 40
#: Characters that a cell has room for; names beyond the second number stand upright.
LONGEST, LONG_NAME = 14, 8
#: Inches of a cell of a matrix, and of the smallest and largest picture of one.
CELL, SMALLEST, LARGEST = 1.0, 4.0, 9.0
#: Beyond this shade text on a cell is white.
DARK = 0.6
COLOURS, LINE, GUIDE = "RdBu_r", "#20507a", "0.5"


def matrix(estimate: FisherEstimate) -> Any:
    """The matrix in units that make its diagonal one, and the correlation of an efficient estimator."""
    roots = np.sqrt(np.clip(np.diagonal(estimate.fim), 0.0, None))
    units = np.where(roots > 0.0, roots, 1.0)
    correlation = estimate.correlation()
    side = min(max(CELL * len(roots) + 1.5, SMALLEST), LARGEST)
    figure = _figure(2.0 * side, side)
    left, right = figure.subplots(1, 2)
    _squares(left, estimate.fim / np.outer(units, units), estimate, estimate.parameters)
    left.set_title(r"information, shaded by $F_{ij} / \sqrt{F_{ii} F_{jj}}$", fontsize="medium")
    image = _squares(right, correlation.value, correlation, estimate.parameters)
    right.set_title("correlation of an efficient estimator", fontsize="medium")
    figure.colorbar(image, ax=[left, right], shrink=0.8)
    return figure


def convergence(estimate: FisherEstimate) -> Any:
    """Relative error after each round against the draws so far, with the tolerance."""
    history = estimate.history
    if not history:
        raise OptionError("plot_convergence needs the history of one run; this estimate was made of others")
    draws = np.array([r.draws for r in history])
    errors = np.array([r.relative_error for r in history])
    figure = _figure(6.0, 4.0)
    axes = figure.subplots()
    axes.loglog(draws, errors, "o-", color=LINE, label="reached")
    finite = np.flatnonzero(np.isfinite(errors) & (errors > 0.0))
    if len(finite) and len(draws) > 1:
        first = finite[0]
        slope = errors[first] * np.sqrt(draws[first] / draws)
        axes.loglog(draws, slope, ":", color=GUIDE, label=r"draws$^{-1/2}$")
    if estimate.rtol > 0.0:
        axes.axhline(estimate.rtol, color=GUIDE, linestyle="--", label=f"rtol = {estimate.rtol:g}")
    axes.set_xlabel("draws, all told")
    axes.set_ylabel(f"relative error at {100 * estimate.confidence:g} % confidence")
    axes.set_title(f"{estimate.estimator}, {estimate.sampling}")
    axes.legend()
    return figure


def spectrum(estimate: FisherEstimate) -> Any:
    """Eigenvalues with their intervals, and the eigenvectors below them."""
    values, vectors = estimate.eigenvalues(), estimate.eigenvectors()
    low, high = values.interval(estimate.confidence)
    ranks = np.arange(1, len(low) + 1)
    side = min(max(CELL * len(ranks) + 1.5, SMALLEST), LARGEST)
    figure = _figure(side, 2.0 * side)
    upper, lower = figure.subplots(2, 1)
    error = np.maximum(0.0, [values.value - low, high - values.value])
    upper.errorbar(ranks, values.value, yerr=error, fmt="o", color=LINE, capsize=4)
    if (low > 0.0).all():
        upper.set_yscale("log")
    upper.set_xticks(ranks)
    upper.set_xlim(0.5, len(ranks) + 0.5)
    upper.set_title(f"eigenvalues, {100 * estimate.confidence:g} % intervals")
    image = _squares(lower, vectors.value, vectors, estimate.parameters, [str(k) for k in ranks])
    lower.set_title("eigenvectors, as columns")
    figure.colorbar(image, ax=lower, shrink=0.8)
    return figure


def require_format(path: str) -> None:
    """Raise OptionError where a picture could not be written to a file of this name, or matplotlib is missing."""
    known = sorted(_figure(1.0, 1.0).canvas.get_supported_filetypes())
    if path.rpartition(".")[2].lower() not in known:
        raise OptionError(f"a picture's file ends in one of {', '.join(known)}; got {path}")


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise OptionError("pictures need matplotlib: pip install 'fastfim[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def _squares(axes: Any, shades: Array, known: Any, rows: Sequence[str], columns: Sequence[str] | None = None) -> Any:
    """Cells shaded from -1 to 1, with what is written in them if there are few."""
    image = axes.imshow(shades, vmin=-1.0, vmax=1.0, cmap=COLOURS)
    if len(shades) <= LABELLED:
        names = rows if columns is None else columns
        axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > LONG_NAME else 0)
        axes.set_yticks(range(len(rows)), rows)
    if len(shades) <= WRITTEN:
        for (i, j), value in np.ndenumerate(np.asarray(known)):
            text = _cell(value, known.standard_error[i, j])
            colour = "white" if abs(shades[i, j]) > DARK else "black"
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize="small")
    return image


def _cell(value: Any, error: Any) -> str:
    """A value with its error bar, where it has one that there is room for."""
    written = notation.brackets(value, error if np.isfinite(error) else 0.0)
    return written if len(written) <= LONGEST else notation.plain(float(value))
