"""The information that data hold: outer product, Hessian and sandwich, and whether the model fits.

For n observations with scores s_i and Hessians H_i at theta, the maximum-likelihood estimate,

- A = -sum H_i, the Hessian (observed) information, and B = sum s_i s_i^T, the outer product of scores, both estimate n
  times the Fisher information if the model is right;
- the covariance of the estimate is A^-1 B A^-1 whether it is right or not (Huber 1967, White 1982), and the sandwich
  information is its inverse, A B^-1 A.

Where A and B differ by more than the model allows, it is misspecified: White's test, see
`fastfim.trust.misspecification`.

>>> x = np.random.default_rng(0).normal(3.0, 2.0, size=100)
>>> seen = observed("norm", (x.mean(), x.std()), x, rng=0, bootstrap=99)
>>> seen.ok, seen.hessian.round(3) + 0.0
(True, array([[27.007,  0.   ],
       [ 0.   , 54.013]]))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.estimate import resolve
from ..engine.options import Options, count
from ..engine.workers import mapper
from ..errors import NonFiniteError, OptionError
from ..estimation.estimators import symmetric
from ..kernels.block import Chunk, Job, derivatives_at
from ..kernels.diagnosis import check_by_hand
from ..likelihood import BoundLikelihood
from ..result import notation, printing
from ..result.checks import Check
from .misspecification import Tested, information_matrix_test

Array = NDArray[np.float64]

#: Newton's step, in standard errors, beyond which theta is no maximum.
AT_MAXIMUM = 0.1
#: P-value of White's test from which on the model is said not to fit.
LEVEL = 0.01


@dataclass(frozen=True, eq=False)
class Observed:
    """The information in data, all of them together.

    Attributes
    ----------
    outer_product, hessian, sandwich
        B, A and A B^-1 A, shape (p, p).
    covariance, standard_errors
        A^-1 B A^-1 and the square root of its diagonal: of the maximum-likelihood estimate, model right or not.
    log_likelihood, n
        Sum of log densities, and number of observations.
    checks
        ``"maximum"``: whether theta is a maximum of the likelihood; ``"information_matrix"``: White's test.
    parameters, theta, likelihood, fixed
        As in `fastfim.FisherEstimate`.
    """

    outer_product: Array
    hessian: Array
    sandwich: Array
    covariance: Array
    standard_errors: Array
    log_likelihood: float
    n: int
    checks: Mapping[str, Check]
    parameters: tuple[str, ...]
    theta: Array
    likelihood: str
    fixed: Mapping[str, float]

    @property
    def ok(self) -> bool:
        """Whether theta is a maximum, and nothing speaks against the model."""
        return all(check.verdict == "pass" for check in self.checks.values())

    def __str__(self) -> str:
        return printing.page(self._lines(), self._table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return notation.html_table(*self._table(), lines=self._lines())

    def _lines(self) -> list[str]:
        place = printing.place(self.parameters, self.theta, self.fixed)
        return [
            f"Information about {self.likelihood} in {self.n:,} observations, at {place}",
            f"log likelihood {notation.plain(self.log_likelihood, 8)}",
            *(f"{name}: {check.verdict}: {check.message}" for name, check in self.checks.items()),
            "standard errors by",
        ]

    def _table(self) -> tuple[NDArray[np.str_], tuple[tuple[str, ...], ...]]:
        errors = [self.standard_errors, _roots(self.hessian), _roots(self.outer_product)]
        cells = [[notation.plain(value, 4) for value in column] for column in errors]
        return np.array(cells).T, (self.parameters, ("sandwich", "Hessian", "outer product"))


def observed(
    likelihood: Any,
    theta: Any,
    x: Any,
    args: Any = (),
    *,
    wrt: Any = None,
    bootstrap: int = 199,
    rng: Any = None,
    workers: Any = None,
) -> Observed:
    """Compute outer-product, Hessian and sandwich information from data, and test the model by them.

    Parameters
    ----------
    likelihood, args, wrt
        As for `fastfim.estimate`.
    theta
        The maximum-likelihood estimate.
    x
        Independent observations, shape (n,), or (n, size) where a draw is a vector.
    bootstrap
        Data sets that are simulated for White's test, each as large as ``x``; 0 leaves the test out.
    rng, workers
        As for `fastfim.estimate`.

    Returns
    -------
    Observed
        The matrices of all observations together; its table shows standard errors.

    Raises
    ------
    OptionError
        ``x`` has a wrong shape or is not finite, or another argument cannot be used.
    NonFiniteError
        The log density of an observation, or a derivative, is not finite.
    ParameterError, LikelihoodError
        As `fastfim.estimate`.
    """
    model = resolve(likelihood).bind(args, wrt)
    point, draws = model.point(theta), _observations(x, model)
    repeats = 0 if isinstance(bootstrap, int) and bootstrap == 0 else count("bootstrap", bootstrap)
    options = Options.of(rng=rng, workers=workers)
    job = Job(model, point, options.seed, order=2)
    check_by_hand(job)
    data = derivatives_at(model, point, draws, order=2)
    _require_finite(data, model)
    assert data.hessians is not None
    outer = data.scores.T @ data.scores
    hessian = symmetric(-data.hessians.sum(axis=0, keepdims=True), job.p)[0]
    covariance, sandwich = _sandwich(outer, hessian)
    maximum = _maximum(data.scores.sum(axis=0), hessian, covariance, model.parameters)
    with mapper(options.workers) as ordered_map:
        skipped = _not_tested(maximum, repeats)
        fit = skipped or _worded(information_matrix_test(model, point, draws, repeats, options.seed, ordered_map))
    return Observed(
        outer_product=outer,
        hessian=hessian,
        sandwich=sandwich,
        covariance=covariance,
        standard_errors=np.sqrt(np.diagonal(covariance)),
        log_likelihood=float(data.logpdf.sum()),
        n=len(draws),
        checks={"maximum": maximum, "information_matrix": fit},
        parameters=model.parameters,
        theta=point[list(model.wrt)],
        likelihood=model.likelihood.name,
        fixed={name: point[i] for i, name in enumerate(model.names) if i not in model.wrt},
    )


def _observations(x: Any, model: BoundLikelihood) -> Array:
    """Shape (n, size)."""
    try:
        draws = np.array(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionError(f"x must be an array of numbers; got {type(x).__name__}") from None
    wanted = "(n,)" if model.likelihood.scalar else f"(n, {model.size})"
    fits = draws.ndim == 1 if model.likelihood.scalar else draws.ndim == 2 and draws.shape[1] == model.size
    if not fits or len(draws) == 0:
        hint = "; for a single observation write x[None, :]" if draws.shape == (model.size,) else ""
        raise OptionError(f"x must have shape {wanted}, one observation a row; got {draws.shape}{hint}")
    if not np.isfinite(draws).all():
        row = int(np.argmin(np.isfinite(draws.reshape(len(draws), -1)).all(axis=1)))
        raise OptionError(f"x must be finite; x[{row}] is {draws[row]}")
    return draws.reshape(len(draws), -1)


def _require_finite(data: Chunk, model: BoundLikelihood) -> None:
    for what, values in (("log density", data.logpdf[:, None]), ("score", data.scores), ("Hessian", data.hessians)):
        assert values is not None
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            raise NonFiniteError(
                f"{model.likelihood.name}: the {what} of x[{row}] = {data.draws[row].squeeze()} is "
                f"{values[row].squeeze()}: the observation lies outside of the support at theta, or logpdf overflows",
                draw=data.draws[row],
                index=row,
            )


def _sandwich(outer: Array, hessian: Array) -> tuple[Array, Array]:
    """Covariance and information; NaN where they do not exist."""
    unknown = np.full_like(outer, np.nan)
    try:
        np.linalg.cholesky(hessian)
        half = np.linalg.solve(hessian, np.linalg.cholesky(outer))
        back = np.linalg.solve(np.linalg.cholesky(outer), hessian)
    except np.linalg.LinAlgError:
        return unknown, unknown
    return half @ half.T, back.T @ back


def _roots(information: Array) -> Array:
    """Standard errors by an information matrix; NaN where it is singular."""
    try:
        np.linalg.cholesky(information)
        errors: Array = np.sqrt(np.diagonal(np.linalg.inv(information)))
    except np.linalg.LinAlgError:
        return np.full(len(information), np.nan)
    return errors


# ---------------------------------------------------------------- in words


def _maximum(score: Array, hessian: Array, covariance: Array, parameters: tuple[str, ...]) -> Check:
    """How far Newton's step would go."""
    errors = _roots(hessian)
    if np.isnan(errors).any():
        message = "minus the Hessian is not positive definite: theta is no maximum of the likelihood"
        return Check(float("nan"), float("nan"), "fail", message)
    errors = np.where(np.isnan(np.diagonal(covariance)), errors, np.sqrt(np.diagonal(covariance)))
    steps = np.linalg.solve(hessian, score) / errors
    j = int(np.abs(steps).argmax())
    figure = float(abs(steps[j]))
    if figure <= AT_MAXIMUM:
        return Check(figure, float("nan"), "pass", "theta is the maximum-likelihood estimate")
    message = (
        f"theta is no maximum of the likelihood: one Newton step moves {parameters[j]} by {steps[j]:+.2g} standard "
        "errors; the matrices are those at theta"
    )
    return Check(figure, float("nan"), "warn", message)


def _not_tested(maximum: Check, repeats: int) -> Check | None:
    if repeats == 0:
        return Check(float("nan"), float("nan"), "skipped", "White's test was left out (bootstrap=0)")
    if maximum.verdict != "pass":
        message = "White's test holds at the maximum of the likelihood only"
        return Check(float("nan"), float("nan"), "skipped", message)
    return None


def _worded(tested: Tested) -> Check:
    """The outcome of White's test."""
    figure, p_value = tested.statistic, tested.p_value
    if tested.rank == 0:
        return Check(figure, p_value, "pass", "outer product and Hessian are equal for every observation")
    told = f"White's statistic is {figure:.3g} in {tested.rank} directions, p = {p_value:.2g} by parametric bootstrap"
    if p_value > LEVEL:
        return Check(figure, p_value, "pass", told)
    message = f"the model does not fit: {told}; only the sandwich's standard errors hold"
    return Check(figure, p_value, "fail", message)
