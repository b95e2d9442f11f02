"""Control variates from the Bartlett identities: the same matrix with far less noise.

With s the score, Y = s s^T and N = -Hessian, E[s] = 0 and E[D] = 0 for D = Y - N. So for any fixed coefficients

    I_e = mean( N_e - beta_e^T [s ; vech D] )

is unbiased for entry e: beta = 0 is the Hessian estimator, the beta that picks -D_e the score estimator, and the
regression of N_e on the controls has the least variance of all. The coefficients come from a pilot sample that is used
for nothing else, so that they are independent of the draws they meet, and the estimate stays exactly unbiased. Being
linear in the sums that a run keeps anyway, it costs nothing but the Hessian.

Every entry is regressed on all controls (*wide*), or entry (i, j) on [s_i, s_j, D_ij] alone: which is better, other
draws of the pilot tell. All controls make multivariate normals of 20 parameters exact, and are worth a hundred times
the draws of the few for mixtures of 11; where they explain nothing (logistic regression), their coefficients are noise,
and the few have half the variance. Without a Hessian it is Y_ij that is regressed, on [s_i, s_j].

The controls are often collinear (in an exponential family N is constant; supports are discrete; for t, N itself is a
combination of them). Hence a least-squares solution with a relative cut-off: directions that the pilot cannot tell
apart get no coefficient. It is found from inner products, for all entries and points at once, with a step of refinement
for the digits that these lose.

>>> rng = np.random.default_rng(0)
>>> x = rng.normal(size=(1, 500))                    # location of a normal: s = x, N = 1
>>> fit(Pilot(x, np.full((1, 500), -1.0), np.ones(500)), "mc").values
array([[0., 0.]])

Sources: Bartlett (1953); Glynn and Szechtman (2002) on control variates as regression; Björck (1996), "Numerical
Methods for Least Squares Problems", on iterative refinement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..estimation.estimators import Sums, symmetric, triangle
from .pilot import Pilot

Array = NDArray[np.float64]

#: Draws of a pilot for each of all p (p + 3) / 2 controls, at least: an eighth more variance if they are worth nothing.
DRAWS_A_CONTROL = 8
#: Eigenvalues of inner products below this share of the largest are noise, and so is a spread below this share of a
#: column's size.
CUTOFF, LEAST_SPREAD = 1e-12, 1e-12
#: Multiplications up to which OpenBLAS keeps to one thread, and draws of a piece that does.
UNTHREADED, PIECE = 2**18, 64


@dataclass(frozen=True)
class ControlVariates:
    """Coefficients of c controls for each of E = p (p + 1) / 2 entries.

    Attributes
    ----------
    indices
        Which of the controls [s ; vech D], shape (E, c).
    values
        Their coefficients, shape (E, c); (m, E, c) where each of m points has its own.
    """

    indices: NDArray[np.intp]
    values: Array

    def replicates(self, sums: Sums) -> Array:
        """One unbiased matrix a stream, shape (K, p, p)."""
        p = sums.score.shape[-1]
        rows, columns = triangle(p)
        controls, target = sums.score / sums.draws, sums.outer[..., rows, columns] / sums.draws
        if sums.negative_hessian is not None:
            hessian = sums.negative_hessian[..., rows, columns] / sums.draws
            controls, target = np.concatenate([controls, target - hessian], axis=-1), hessian
        packed = target - np.einsum("...kec,...ec->...ke", controls[..., self.indices], self.values)
        return symmetric(packed, p)

    def of_draws(self, pilot: Pilot) -> Array:
        """What each single draw says of each entry, shape (E, draws)."""
        controls, target = pilot.controls, _target(pilot)
        if _all_in_order(self.indices):
            return target - _combined(self.values, controls)
        return target - sum(self.values[..., k, None] * controls[..., few, :] for k, few in enumerate(self.indices.T))


def widths(pilot: Pilot) -> tuple[bool, ...]:
    """What there is to choose from: all controls for every entry, or few (False)."""
    if pilot.hessians is None:
        return (False,)
    if pilot.p == 1:
        return (True,)
    return (True, False) if DRAWS_A_CONTROL * (pilot.p + len(pilot.hessians)) <= pilot.draws else (False,)


def fit(pilot: Pilot, sampling: str, wide: bool = True) -> ControlVariates:
    """Coefficients from the draws of a pilot, for a run under ``sampling``, of all controls or of few.

    They have the least mean of the squared residual r, E[w r^2] over draws with weights w, for independent draws; for
    quasi-random ones, which add up w r, that of (w r)^2.
    """
    return _solved(pilot, _problem(pilot, sampling), wide)


def fits(pilot: Pilot, sampling: str) -> Iterator[ControlVariates]:
    """What `fit` gives for each of the `widths`, when it is asked for."""
    problem = _problem(pilot, sampling)
    for wide in widths(pilot):
        yield _solved(pilot, problem, wide)


# ---------------------------------------------------------------- the least-squares problem


def _problem(pilot: Pilot, sampling: str) -> tuple[Array, Array]:
    """Controls and targets as rows of unit length, and their lengths."""
    factors = pilot.weights if sampling == "rqmc" else np.sqrt(pilot.weights)
    return _standardized(np.concatenate([pilot.controls, _target(pilot)], axis=-2), _sizes(pilot), factors)


def _solved(pilot: Pilot, problem: tuple[Array, Array], wide: bool) -> ControlVariates:
    rows, lengths = problem
    count = pilot.controls.shape[-2]
    design, response = rows[..., :count, :], rows[..., count:, :]
    indices = _indices(pilot.p, pilot.hessians is not None, wide)
    if _all_in_order(indices):
        solution = _regress(design, response)
    else:
        solution = _regress_each(design, response, indices)
    return ControlVariates(indices, solution * lengths[..., count:, None] / lengths[..., indices])


@cache
def _indices(p: int, with_hessians: bool, wide: bool) -> NDArray[np.intp]:
    rows, columns = triangle(p)
    entries = len(rows)
    if not with_hessians:
        return np.stack([rows, columns], axis=1)
    if wide:
        return np.tile(np.arange(p + entries), (entries, 1))
    return np.stack([rows, columns, p + np.arange(entries)], axis=1)


def _all_in_order(indices: NDArray[np.intp]) -> bool:
    """Whether every entry has the controls as they come."""
    return bool((indices == np.arange(indices.shape[1])).all())


def _sizes(pilot: Pilot) -> Array:
    """Of the terms of each control and target: D is a difference, and noise where it is small against these."""
    scores, products = _norms(pilot.scores), _norms(pilot.products)
    if pilot.hessians is None:
        return np.concatenate([scores, products], axis=-1)
    hessians = _norms(pilot.hessians)
    return np.concatenate([scores, np.hypot(products, hessians), hessians], axis=-1)


def _target(pilot: Pilot) -> Array:
    return pilot.products if pilot.hessians is None else -pilot.hessians


def _norms(rows: Array) -> Array:
    norms: Array = np.sqrt(np.einsum("...n,...n->...", rows, rows))
    return norms


def _standardized(rows: Array, sizes: Array, factors: Array) -> tuple[Array, Array]:
    """Centred rows of unit length, and their lengths; rows that are constant to rounding become zero."""
    shares = factors**2
    centred = rows - (rows @ (shares / shares.sum()))[..., None]
    centred *= factors
    lengths = _norms(centred)
    varies = lengths > LEAST_SPREAD * sizes
    lengths = np.where(varies, lengths, 1.0)
    centred *= (varies / lengths)[..., None]
    return centred, lengths


def _regress(design: Array, response: Array) -> Array:
    """Every response on all rows of the design: shape (responses, controls)."""
    inverse = _inverse(_inner(design, design))
    solution = _inner(response, design) @ inverse
    solution += _inner(response - _combined(solution, design), design) @ inverse
    return solution


def _inner(a: Array, b: Array) -> Array:
    """Inner products of rows."""
    if not _small(a, b):
        return a @ np.swapaxes(b, -1, -2)
    products: Array = (_pieces(a) @ np.swapaxes(_pieces(b), -1, -2)).sum(axis=0)
    return products


def _combined(coefficients: Array, rows: Array) -> Array:
    """Linear combinations of rows."""
    if not _small(coefficients, rows):
        return coefficients @ rows
    combined: Array = np.moveaxis(coefficients @ _pieces(rows), 0, 1).reshape(len(coefficients), -1)
    return combined


def _small(a: Array, b: Array) -> bool:
    """Whether a product pays in pieces: a library would hand it to threads that take longer to wake than it takes."""
    pair = len(a) * len(b)
    return a.ndim == 2 and b.shape[1] % PIECE == 0 and pair * PIECE <= UNTHREADED < pair * b.shape[1]


def _pieces(rows: Array) -> Array:
    return np.moveaxis(rows.reshape(len(rows), -1, PIECE), 1, 0)


def _regress_each(design: Array, response: Array, indices: NDArray[np.intp]) -> Array:
    """Each response on the few rows that ``indices`` names for it."""
    few = [design[..., rows, :] for rows in indices.T]
    gram = np.array([[np.einsum("...en,...en->...e", a, b) for b in few] for a in few])
    moments = np.array([np.einsum("...en,...en->...e", a, response) for a in few])
    inverse = _inverse(np.moveaxis(gram, (0, 1), (-2, -1)))
    solution: Array = np.einsum("...eab,...eb->...ea", inverse, np.moveaxis(moments, 0, -1))
    return solution


def _inverse(gram: Array) -> Array:
    """Pseudo-inverses of symmetric matrices."""
    values, vectors = np.linalg.eigh(gram)
    with np.errstate(divide="ignore"):
        inverses = np.where(values > CUTOFF * values[..., -1:], 1.0 / values, 0.0)
    inverse: Array = (vectors * inverses[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return inverse
