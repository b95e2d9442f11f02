"""Do the draws fall where the density says, and does the density add up to one? By counting.

One sample lays out cells: where draws repeat, a cell for each value, and for whole numbers also for those in between
that were not drawn; where they do not, panels between quantiles. The density gives each cell its mass, by `exp` or by
quadrature. Fresh draws are counted and held against the masses by Pearson's chi-square, neighbouring cells merged until
each expects `EXPECTED`. For the mass there is no chance left but that of the cells: beyond the largest of n draws lies
more than c / n of it with probability exp(-c), so that a total other than one by more than `BEYOND` / n is a fault of
the density or of the sampler:

- its sum over the cells changes as theta moves: the normalizing constant is wrong, or the support moves;
- it has mass where no draw ever falls: the sampler is truncated (a density that is one over the cells, and goes on
  beyond, has only not been told where its support ends, and is left in peace);
- neither, and no number of whole values: a constant factor is missing, which no derivative notices.

>>> cells = lay_out(np.repeat([0.0, 1.0, 3.0], 100)[:, None])
>>> cells.values.ravel().tolist(), len(cells.edges)
([0.0, 1.0, 2.0, 3.0], 0)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...result.checks import Check
from .integrals import integrate, tail
from .subject import LEVEL, Array, Subject, failed, passed, shown, skipped

#: Panels between quantiles, least draws a cell expects, and mass beyond the draws in units of one over their number.
PANELS, EXPECTED, BEYOND = 64, 10.0, 20.0
#: Whole numbers that are looked at one by one, and the largest that a float still tells from its neighbours with ease.
MOST_VALUES, LARGEST_WHOLE = 1 << 18, 2.0**50
#: Values that repeat less often than this are rounding; fewer draws a value than this on average are too many values.
REPEATS, DRAWS_A_VALUE = 3, 20
#: Sums of masses err by this; changes with theta below it go unseen.
ROUNDING = 1e-6
#: Values that were drawn have at least this mass, as far as those that were not are only rare.
LEAST_SEEN = 0.9
#: Parameters that are moved to see whether the total changes.
MOVED = 16


@dataclass(frozen=True)
class Cells:
    """Where draws are counted.

    Attributes
    ----------
    values
        Draws (k, size) that have a cell of their own.
    edges
        Ends of panels, in order; empty where every draw is one of the values.
    whole
        Step between whole numbers, or zero.
    drawn
        Which of the values were drawn.
    draws
        How many draws laid the cells out.
    """

    values: Array
    edges: Array
    whole: float
    drawn: NDArray[np.bool_]
    draws: int

    @property
    def tolerance(self) -> float:
        """Mass that may lie beyond the draws."""
        return BEYOND / self.draws + ROUNDING

    def masses(self, subject: Subject, theta: Array | None = None) -> Array:
        """Mass of each value, then of each panel."""
        values = subject.density(self.values, theta) if len(self.values) else np.empty(0)
        if not len(self.edges):
            return values
        return np.concatenate([values, integrate(lambda x: subject.density(x, theta), self.edges)])

    def count(self, draws: Array) -> tuple[Array, int]:
        """Draws in each cell, and how many are in none."""
        counts = np.zeros(len(self.values) + max(len(self.edges) - 1, 0))
        place = _place(draws, self.values)
        np.add.at(counts, place[place >= 0], 1.0)
        rest = draws[place < 0]
        if len(self.edges):
            inside = rest[(rest[:, 0] > self.edges[0]) & (rest[:, 0] <= self.edges[-1]), 0]
            panels = np.searchsorted(self.edges, inside) - 1
            np.add.at(counts, len(self.values) + panels, 1.0)
        return counts, int(len(draws) - counts.sum())

    def named(self, cell: int) -> str:
        """A cell in words."""
        if cell < len(self.values):
            return shown(self.values[cell])
        low, high = self.edges[cell - len(self.values) :][:2]
        return f"{low:.4g} to {high:.4g}"


def lay_out(draws: Array) -> Cells | str:
    """Cells for draws like these, or why there are none."""
    values, repeats = np.unique(draws, axis=0, return_counts=True)
    n, everything = len(draws), np.ones(len(values), dtype=bool)
    few = len(values) * DRAWS_A_VALUE <= n
    if draws.shape[1] > 1:
        if few:
            return Cells(values, np.empty(0), 0.0, everything, n)
        return "draws are vectors with too many different values to count"
    if (np.abs(draws) < LARGEST_WHOLE).all() and (draws == np.rint(draws)).all():
        return _whole_numbers(values[:, 0], n)
    if few:
        return Cells(values, np.empty(0), 0.0, everything, n)
    atoms = values[repeats >= REPEATS]
    rest = np.sort(draws[_place(draws, atoms) < 0, 0])
    if len(np.unique(rest)) < 0.99 * len(rest) or len(rest) < PANELS * EXPECTED:
        return "too few draws a value to count, too many repeats for a density"
    edges = np.unique(np.quantile(rest, np.linspace(0.0, 1.0, PANELS + 1)))
    return Cells(atoms, edges, 0.0, np.ones(len(atoms), dtype=bool), n)


def _whole_numbers(values: Array, n: int) -> Cells:
    step = float(np.gcd.reduce(np.diff(values).astype(np.int64))) or 1.0
    first = values[0]
    if (values[-1] - first) / step > MOST_VALUES:
        values = values[(values - first) / step <= MOST_VALUES]
    every = np.arange(first, values[-1] + 0.5 * step, step)
    return Cells(every[:, None], np.empty(0), step, np.isin(every, values), n)


def _place(draws: Array, values: Array) -> NDArray[np.int64]:
    """Index of each draw among sorted, different values, or -1."""
    if not len(values):
        return np.full(len(draws), -1)
    if draws.shape[1] == 1:
        place = np.minimum(np.searchsorted(values[:, 0], draws[:, 0]), len(values) - 1)
        return np.where(values[place, 0] == draws[:, 0], place, -1)
    numbers = {row.tobytes(): k for k, row in enumerate(np.ascontiguousarray(values))}
    return np.array([numbers.get(row.tobytes(), -1) for row in np.ascontiguousarray(draws)])


# ---------------------------------------------------------------- does the density add up


def normalization(subject: Subject, cells: Cells, scores: Array) -> Check:
    """Whether the masses of all cells add up to one, here and at nearby parameters."""
    masses, what = cells.masses(subject), "integrates" if len(cells.edges) else "sums"
    total, tolerance = float(masses.sum()), cells.tolerance
    if not np.isfinite(total) or total <= 0.0:
        return failed(f"the density {what} to {total:g} over the draws", total)
    if cells.whole and abs(masses[cells.drawn].sum() - 1.0) <= tolerance < total - 1.0:
        masses, total = masses[cells.drawn], 1.0  # logpdf has not been told of the gaps
    beyond = _beyond(subject, cells, total)
    if abs(total - 1.0) > tolerance and beyond is not None and beyond > tolerance * (total + beyond):
        share = beyond / (total + beyond)
        return failed(
            f"{100 * share:.3g} % of the density lies where no draw ever falls: the sampler leaves values out, or "
            "logpdf should be -inf there",
            share,
        )
    change, where = _change(subject, cells, scores, total)
    unseen = 1.0 - total if not len(cells.edges) and LEAST_SEEN < total < 1.0 else 0.0
    if change > tolerance + 3.0 * unseen:
        return failed(
            f"the density {what} to {total:.6g}, and to {100 * change:.3g} % more or less at {where}: its "
            "normalizing constant is wrong, or its support moves",
            change,
        )
    if abs(total - 1.0) <= tolerance or (cells.whole and len(cells.values) > MOST_VALUES and total < 1.0):
        return passed(f"the density {what} to {total:.6g} over the draws, here and at nearby parameters", total)
    if not len(cells.edges):
        return failed(
            f"the masses sum to {total:.6g}, not to 1: some are wrong, or belong to values that are never drawn", total
        )
    return passed(
        f"the density integrates to {total:.6g} at all nearby parameters: a constant factor that does not depend on "
        "them is missing, which changes no derivative",
        total,
    )


def _beyond(subject: Subject, cells: Cells, total: float) -> float | None:
    """Mass beyond the outermost cells, as far as it has an end."""
    found = 0.0
    if len(cells.edges):
        for end, inner in ((cells.edges[-1], cells.edges[-3]), (cells.edges[0], cells.edges[2])):
            mass = tail(subject.density, float(end), 0.1 * float(end - inner))
            found += 0.0 if mass is None else mass
    elif cells.whole:
        reach = cells.whole * np.arange(1.0, min(len(cells.values) + 64, MOST_VALUES))
        for beyond in (cells.values[-1] + reach, cells.values[0] - reach):
            masses = subject.density(beyond)
            found += masses.sum() if np.isfinite(masses).all() and masses[-1] <= 1e-9 * total else 0.0
    return found


def _change(subject: Subject, cells: Cells, scores: Array, total: float) -> tuple[float, str]:
    """Largest relative change of the total among nearby parameters, and where."""
    largest, where = 0.0, ""
    for name, theta in subject.neighbours(scores, MOVED):
        masses = cells.masses(subject, theta)
        masses = masses[cells.drawn] if cells.whole and total == 1.0 else masses
        change = abs(float(masses.sum()) / total - 1.0)
        if not change <= largest:
            largest, where = change, name
    return largest, where


# ---------------------------------------------------------------- do the draws follow it


def distribution(subject: Subject, cells: Cells, draws: Array) -> Check:
    """Pearson's chi-square of fresh draws."""
    masses = cells.masses(subject)
    counts, elsewhere = cells.count(draws)
    total = float(masses.sum())
    if not np.isfinite(total) or total <= 0.0:
        return skipped("the density has no finite mass over the draws")
    if cells.whole and abs(masses[cells.drawn].sum() - 1.0) <= cells.tolerance < total - 1.0:
        masses, total = np.where(cells.drawn, masses, 0.0), 1.0
    if len(cells.edges):  # what lies beyond the panels has no mass to go by
        shares, observed = masses / total, counts
    else:
        shares = np.append(masses, max(0.0, 1.0 - total)) / max(total, 1.0)
        observed = np.append(counts, elsewhere)
    return _chi_square(cells, shares * observed.sum(), observed)


def _chi_square(cells: Cells, expected: Array, observed: Array) -> Check:
    from scipy.special import chdtrc

    impossible = (expected <= 0.0) & (observed > 0.0)
    if impossible.any():
        k = int(impossible.argmax())
        return failed(f"{int(observed[k])} draws at {_cell(cells, k)}, where the density is zero", np.inf, 0.0)
    groups = _merged(expected)
    wanted, seen = (np.add.reduceat(v, groups) for v in (expected, observed))
    if len(groups) < 2:
        return passed("all draws fall into one cell, as they should")
    residuals = (seen - wanted) / np.sqrt(wanted)
    figure, k = float((residuals**2).sum()), int(np.abs(residuals).argmax())
    p_value = float(chdtrc(len(groups) - 1, figure))
    if p_value >= LEVEL:
        return passed(f"counts in {len(groups)} cells agree with the density", figure, p_value)
    last = (groups[k + 1] if k + 1 < len(groups) else len(expected)) - 1
    where = _cell(cells, int(groups[k])) + (f" ... {_cell(cells, int(last))}" if last > groups[k] else "")
    return failed(
        f"sampler and density disagree: {int(seen[k]):,} of {int(observed.sum()):,} draws at {where}, "
        f"{wanted[k]:,.0f} expected",
        figure,
        p_value,
    )


def _merged(expected: Array) -> NDArray[np.int64]:
    """First cells of groups of neighbours that each expect enough draws."""
    starts, sum_ = [0], 0.0
    for k, value in enumerate(expected):
        if sum_ >= EXPECTED:
            starts.append(k)
            sum_ = 0.0
        sum_ += value
    if sum_ < EXPECTED and len(starts) > 1:
        starts.pop()
    return np.array(starts)


def _cell(cells: Cells, k: int) -> str:
    return cells.named(k) if k < len(cells.values) + max(len(cells.edges) - 1, 0) else "all other values"
