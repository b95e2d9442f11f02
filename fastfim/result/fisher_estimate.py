"""What an estimate is: the matrix, its error bars, and how it came about.

The K streams of a run each give an unbiased estimate F_k of the information; ``fim`` is their mean, ``standard_error``
their standard deviation over the root of K, and the replicates themselves are kept.

>>> import fastfim
>>> result = fastfim.estimate("norm", (0.0, 2.0), estimator="hessian", draws=20_000, rtol=0.1, rng=1)
>>> result.fim.shape, result.replicates.shape
((2, 2), (32, 2, 2))
>>> low, high = result.standard_errors(n=100).interval(0.9)
>>> bool(low[0] < 0.2 < high[0])
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError, OptionError
from ..estimation.estimators import standard_error
from ..estimation.stopping import critical_value, met, relative_error
from . import arguments, derived, files, printing, spectrum, transformed
from .checks import Check, MatrixChecks, of_matrix, worst_of
from .quantity import Quantity

Array = NDArray[np.float64]

#: Fields that gain a leading axis when estimates are stacked.
STACKED = ("fim", "standard_error", "replicates", "theta")


@dataclass(frozen=True)
class Round:
    """Where a run stood after a round: draws and seconds so far, and the relative error reached."""

    draws: int
    seconds: float
    relative_error: float


@dataclass(frozen=True, eq=False)
class FisherEstimate:
    """A Fisher information matrix with its error bars.

    For m points the arrays have a leading axis m, and ``result[i]`` is the estimate at point i.

    Attributes
    ----------
    fim, standard_error
        The matrix and the standard error of each entry, shape (p, p).
    replicates
        One unbiased estimate a stream, shape (K, p, p); ``fim`` is their mean.
    parameters, theta
        Names and values of the parameters.
    fixed
        Names and values of the parameters that were not differentiated (``wrt``).
    draws, streams, seed, estimator, sampling
        What the estimate rests on.
    converged, message
        Whether the tolerance was met, and what else is to be said.
    relative_error
        Largest half-width at ``confidence`` relative to sqrt(I_ii I_jj): what ``rtol`` is held against.
    elapsed
        Seconds.
    history
        A `Round` for each round.
    variance_reduction
        How many times more draws the plain score estimator with independent draws would need for the same error.
    checks
        A `Check` by name.
    confidence, rtol, atol, likelihood
        As asked for; the name of the likelihood.
    """

    fim: Array
    standard_error: Array
    replicates: Array
    parameters: tuple[str, ...]
    theta: Array
    draws: int
    streams: int
    seed: int | None
    estimator: str
    sampling: str
    converged: Any
    message: str
    elapsed: float
    relative_error: Any
    history: tuple[Round, ...] = ()
    variance_reduction: Any = float("nan")
    checks: Mapping[str, Check] = field(default_factory=dict)
    confidence: float = 0.95
    rtol: float = 1e-3
    atol: float = 0.0
    likelihood: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    points: Sequence[FisherEstimate] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name in STACKED:
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        object.__setattr__(self, "parameters", tuple(self.parameters))
        object.__setattr__(self, "history", tuple(self.history))
        if not isinstance(self.checks, MatrixChecks):
            object.__setattr__(self, "checks", dict(self.checks))
        object.__setattr__(self, "fixed", dict(self.fixed))

    @classmethod
    def stack(cls, estimates: Sequence[FisherEstimate]) -> FisherEstimate:
        """Join estimates of the same parameters, at one point each, into one with a leading axis."""
        arrays = {name: _frozen(np.stack([getattr(e, name) for e in estimates])) for name in STACKED}
        points = tuple(
            replace(estimate, **{name: array[i] for name, array in arrays.items()})
            for i, estimate in enumerate(estimates)
        )
        return replace(
            points[0],
            **arrays,
            **{name: _frozen([getattr(e, name) for e in points]) for name in ("relative_error", "variance_reduction")},
            converged=_frozen([e.converged for e in points], bool),
            draws=sum(e.draws for e in points),
            elapsed=sum(e.elapsed for e in points),
            estimator=_joined(e.estimator for e in points),
            sampling=_joined(e.sampling for e in points),
            message="\n".join(f"point {i}: {e.message}" for i, e in enumerate(points) if e.message),
            history=_one_after_another(points),
            checks=worst_of({i: point.checks for i, point in enumerate(points)}),
            fixed={name: _frozen([e.fixed[name] for e in points]) for name in points[0].fixed},
            points=points,
        )

    def __len__(self) -> int:
        if not self.points:
            raise TypeError("an estimate at a single point has no len()")
        return len(self.points)

    def __getitem__(self, index: int) -> FisherEstimate:
        if not self.points:
            raise TypeError("an estimate at a single point cannot be indexed: its matrix is result.fim")
        return self.points[index]

    def __iter__(self) -> Iterator[FisherEstimate]:
        if not self.points:
            raise TypeError("an estimate at a single point cannot be iterated over: its matrix is result.fim")
        return iter(self.points)

    def __bool__(self) -> bool:
        return True

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.fim, dtype=dtype, copy=copy)

    def __str__(self) -> str:
        return printing.text(self)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return printing.html(self)

    # Quantities that follow from the matrix

    def inverse(self) -> Quantity:
        """Inverse of the matrix: the least covariance of an unbiased estimator from one observation."""
        return self._quantity(derived.inverse, self.parameters, self.parameters)

    def crlb(self, n: float = 1) -> Quantity:
        """Cramér-Rao lower bound on the variance of each parameter's estimator from ``n`` observations.

        Raises
        ------
        OptionError
            If ``n`` is not a positive number.
        """
        return self._quantity(partial(derived.crlb, n=arguments.positive(n)), self.parameters)

    def standard_errors(self, n: float = 1) -> Quantity:
        """Square root of `crlb`: the standard error that an efficient estimator reaches with ``n`` observations.

        Raises
        ------
        OptionError
            If ``n`` is not a positive number.
        """
        return self._quantity(partial(derived.standard_errors, n=arguments.positive(n)), self.parameters)

    def correlation(self) -> Quantity:
        """Correlation matrix of an efficient estimator."""
        return self._quantity(derived.correlation, self.parameters, self.parameters)

    def eigenvalues(self) -> Quantity:
        """Eigenvalues in ascending order; those too close to be told apart are a cluster with Weyl bounds."""
        return self._quantity(spectrum.eigenvalues, tuple(str(k + 1) for k in range(len(self.parameters))))

    def eigenvectors(self) -> Quantity:
        """Eigenvectors as columns, in the order of `eigenvalues`, the largest component of each positive.

        Those of a cluster are any basis of the space that they span: they have no error bars.
        """
        ranks = tuple(str(k + 1) for k in range(len(self.parameters)))
        return self._quantity(spectrum.eigenvectors, self.parameters, ranks)

    def logdet(self) -> Quantity:
        """Logarithm of the determinant."""
        return self._quantity(derived.logdet)

    def condition_number(self) -> Quantity:
        """Largest eigenvalue over the least."""
        return self._quantity(spectrum.condition_number)

    def jeffreys(self) -> Quantity:
        """Jeffreys' prior density at ``theta``, not normalized: the square root of the determinant."""
        return self._quantity(derived.jeffreys)

    def natural_gradient(self, g: Any) -> Quantity:
        """The natural gradient F^-1 g of a function with the gradient ``g`` (p,) in the parameters (Amari 1998).

        Raises
        ------
        OptionError
            If ``g`` is not one finite number for each parameter.
        """
        return self._quantity(
            partial(derived.natural_gradient, gradient=arguments.vector(g, self.parameters, "g")), self.parameters
        )

    def criterion(self, kind: str, which: Any = None) -> Quantity:
        """A criterion of optimal design (Atkinson, Donev and Tobias 2007, chapter 10).

        Parameters
        ----------
        kind
            ``"D"``: log det F; ``"A"``: the trace of F^-1; ``"E"``: the least eigenvalue of F; ``"T"``: the trace of
            F; ``"c"``: c^T F^-1 c, the least variance of an unbiased estimator of c^T theta; ``"Ds"``: the logarithm
            of the determinant of the information about some parameters where the others are unknown.
        which
            For ``"c"`` the vector c, (p,) or numbers by name; for ``"Ds"`` the names of the parameters of interest.

        Raises
        ------
        OptionError
            There is no such criterion, or ``which`` is not what it needs.
        """
        if kind == "c":
            return self._quantity(
                partial(derived.variance_along, direction=arguments.vector(which, self.parameters, "which"))
            )
        if kind == "Ds":
            drop, keep = arguments.split(() if which is None else which, self.parameters)
            return self._quantity(partial(derived.logdet_of_part, keep=keep, drop=drop))
        simple = {"D": derived.logdet, "A": derived.trace_of_inverse, "E": spectrum.least, "T": derived.trace}
        if kind not in simple or which is not None:
            raise OptionError(
                "criterion is 'D', 'A', 'E' or 'T', or 'c' with a vector, or 'Ds' with names of parameters; "
                f"got {kind!r}" + ("" if which is None else f" with {which!r}")
            )
        return self._quantity(simple[kind])

    def _quantity(self, function: Callable[[Array], Quantity], *labels: tuple[str, ...]) -> Quantity:
        if self.points:
            return Quantity.stack([point._quantity(function, *labels) for point in self.points])
        return replace(function(self.replicates), labels=labels)

    # New estimates from old

    def __mul__(self, n: Any) -> FisherEstimate:
        """The information in ``n`` independent observations."""
        n = arguments.positive(n)
        if self.points:
            return FisherEstimate.stack([point * n for point in self.points])
        arrays = {name: n * getattr(self, name) for name in ("fim", "standard_error", "replicates")}
        return replace(self, **arrays, atol=n * self.atol)

    __rmul__ = __mul__
    # so that a NumPy number times an estimate comes here, too
    __array_priority__ = 1000.0

    def __add__(self, other: Any) -> FisherEstimate:
        """The information in two independent experiments on the same parameters.

        Replicates are added stream by stream, which is right whether or not the two share random numbers.
        """
        if not isinstance(other, FisherEstimate):
            return NotImplemented
        _require_addable(self, other)
        if self.points:
            return FisherEstimate.stack([a + b for a, b in zip(self.points, other.points, strict=True)])
        return self._of(
            self.replicates + other.replicates,
            worst_of({0: self.checks, 1: other.checks}, "experiment"),
            draws=self.draws + other.draws,
            seed=self.seed if self.seed == other.seed else None,
            estimator=_joined((self.estimator, other.estimator)),
            sampling=_joined((self.sampling, other.sampling)),
            converged=self.converged and other.converged,
            message="\n".join(dict.fromkeys(filter(None, (self.message, other.message)))),
            elapsed=self.elapsed + other.elapsed,
            history=(),
            rtol=max(self.rtol, other.rtol),
            atol=self.atol + other.atol,
            likelihood=" + ".join(filter(None, (self.likelihood, other.likelihood))),
        )

    def fix(self, names: str | Sequence[str]) -> FisherEstimate:
        """The information about the other parameters where these are known: their rows and columns left out.

        Raises
        ------
        OptionError
            A name is not a parameter's, or no parameter is left.
        """
        keep, drop = arguments.split(names, self.parameters)
        if self.points:
            return FisherEstimate.stack([point.fix(names) for point in self.points])
        known = {self.parameters[i]: self.theta[i] for i in drop}
        return self._of(
            self.replicates[:, keep[:, None], keep],
            self.checks,
            parameters=tuple(self.parameters[i] for i in keep),
            theta=self.theta[keep],
            fixed={**self.fixed, **known},
        )

    def marginalize(self, names: str | Sequence[str]) -> FisherEstimate:
        """The information about the other parameters where these are unknown: F_aa - F_ab F_bb^-1 F_ba.

        Its inverse is the block of the inverse that belongs to the others. Its replicates are the jackknife's
        pseudo-values.

        Raises
        ------
        OptionError
            A name is not a parameter's, no parameter is left, or the data do not identify these parameters well enough.
        """
        keep, drop = arguments.split(names, self.parameters)
        if self.points:
            return FisherEstimate.stack([point.marginalize(names) for point in self.points])
        return self._of(
            transformed.marginal(self.replicates, keep, drop),
            self.checks,
            parameters=tuple(self.parameters[i] for i in keep),
            theta=self.theta[keep],
        )

    def with_prior(self, precision: Any) -> FisherEstimate:
        """The information in the data and a prior together: the matrix plus the prior's precision.

        Parameters
        ----------
        precision
            A positive semidefinite matrix (p, p), its diagonal (p,), or numbers by parameter; those that are not named
            have none. For a normal prior it is the inverse of its covariance.

        Raises
        ------
        OptionError
            It is none of these.
        """
        added = arguments.precision(precision, self.parameters)
        if self.points:
            return FisherEstimate.stack([point.with_prior(precision) for point in self.points])
        return self._of(self.replicates + added, self.checks)

    def reparametrize(self, function_or_jacobian: Any, parameters: Sequence[str]) -> FisherEstimate:
        """The information about new parameters phi = g(theta), as many as there are now: G^-T F G^-1.

        Parameters
        ----------
        function_or_jacobian
            The function g, which takes ``theta`` (p,) and gives the new parameters; or its Jacobian
            G_ij = d phi_i / d theta_j, shape (p, p): then the values of the new parameters are NaN.
        parameters
            Names of the new parameters.

        Raises
        ------
        OptionError
            The Jacobian is singular or of another shape, or the function is not smooth near ``theta``.
        """
        names = tuple(parameters)
        if len(set(names)) != len(self.parameters) or isinstance(parameters, str):
            raise OptionError(
                f"parameters must be {len(self.parameters)} different names, as many as there are in "
                f"{list(self.parameters)}; got {parameters!r}"
            )
        if self.points:
            return FisherEstimate.stack([point.reparametrize(function_or_jacobian, names) for point in self.points])
        theta, jacobian = transformed.new_parameters(function_or_jacobian, self.theta, self.parameters)
        return self._of(transformed.carried(self.replicates, jacobian), self.checks, parameters=names, theta=theta)

    def _of(self, replicates: Array, checks: Mapping[str, Check], **changes: Any) -> FisherEstimate:
        """An estimate of another matrix from the same draws: what follows from its replicates is made anew."""
        changed = replace(self, **changes)
        fim = replicates.mean(axis=0)
        roots = np.sqrt(np.clip(np.diagonal(fim), 0.0, None))
        scale = np.outer(roots, roots)
        error = standard_error(replicates, scale)
        half_width, axes = critical_value(self.confidence, self.streams) * error, (-2, -1)
        return replace(
            changed,
            fim=fim,
            standard_error=error,
            replicates=replicates,
            converged=bool(changed.converged and met(half_width, scale, changed.rtol, changed.atol, axes)),
            relative_error=relative_error(half_width, scale, axes),
            variance_reduction=float("nan"),
            checks={**checks, **of_matrix(replicates, roots, changed.parameters)},
        )

    # Pictures

    def plot(self) -> Any:
        """The matrix and the correlation of an efficient estimator, as a matplotlib Figure.

        Raises
        ------
        OptionError
            There are several points, or matplotlib is missing.
        """
        return self._picture("matrix")

    def plot_convergence(self) -> Any:
        """The relative error after each round, as a matplotlib Figure.

        Raises
        ------
        OptionError
            There are several points, or no history, or matplotlib is missing.
        """
        return self._picture("convergence")

    def plot_spectrum(self) -> Any:
        """Eigenvalues with their intervals, and eigenvectors, as a matplotlib Figure.

        Raises
        ------
        OptionError
            There are several points, or matplotlib is missing.
        """
        return self._picture("spectrum")

    def _picture(self, what: str) -> Any:
        from .. import plotting  # few want pictures

        if self.points:
            raise OptionError(f"a picture is of one point; there are {len(self.points)}: result[0].plot(), say")
        return getattr(plotting, what)(self)

    # Files

    def save(self, path: files.PathLike) -> None:
        """Write the estimate to ``path`` for `fastfim.load`: a .npz archive, whatever its name."""
        arrays = {name: getattr(self, name) for name in STACKED}
        points = [_record(point) for point in self.points or (self,)]
        files.write(path, arrays, {"content": "estimate", "stacked": bool(self.points), "points": points})


def load(path: files.PathLike) -> FisherEstimate:
    """Read an estimate that `FisherEstimate.save` wrote.

    Raises
    ------
    CheckpointError
        The file is damaged, or holds something else.
    OSError
        There is no such file, or it cannot be read.
    """
    arrays, record = files.read(path)
    try:
        stacked, points = record["stacked"], record["points"]
        if not stacked:
            return _restored(points[0], arrays)
        parts = [{name: arrays[name][i] for name in STACKED} for i in range(len(points))]
        return FisherEstimate.stack([_restored(point, part) for point, part in zip(points, parts, strict=True)])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(f"{path} does not hold an estimate, or is damaged ({error!r})") from error


def _record(estimate: FisherEstimate) -> dict[str, Any]:
    """All that is not an array, fit for JSON."""
    record = {f.name: getattr(estimate, f.name) for f in fields(estimate) if f.name not in (*STACKED, "points")}
    return record | {
        "seed": None if estimate.seed is None else hex(estimate.seed),
        "draws": int(estimate.draws),
        "streams": int(estimate.streams),
        "converged": bool(estimate.converged),
        "history": [[int(r.draws), float(r.seconds), float(r.relative_error)] for r in estimate.history],
        "checks": {name: asdict(check) | _floats(check) for name, check in estimate.checks.items()},
        "fixed": {name: float(value) for name, value in estimate.fixed.items()},
        **{name: float(record[name]) for name in _FLOATS},
    }


_FLOATS = ("elapsed", "relative_error", "variance_reduction", "confidence", "rtol", "atol")


def _floats(check: Check) -> dict[str, float]:
    return {"figure": float(check.figure), "p_value": float(check.p_value)}


def _restored(record: dict[str, Any], arrays: Mapping[str, Array]) -> FisherEstimate:
    seed = record["seed"]
    record = record | {
        "seed": None if seed is None else int(seed, 16),
        "history": [Round(*values) for values in record["history"]],
        "checks": {name: Check(**check) for name, check in record["checks"].items()},
    }
    record |= {name: arrays[name] for name in STACKED}
    return FisherEstimate(**record)


def _require_addable(a: FisherEstimate, b: FisherEstimate) -> None:
    """Refuse estimates that do not speak of the same parameters, stream by stream."""
    for name in ("parameters", "streams", "confidence"):
        ours, theirs = getattr(a, name), getattr(b, name)
        if ours != theirs:
            raise OptionError(f"a + b needs the same {name} on both sides; got {ours} and {theirs}")
    if not np.array_equal(a.theta, b.theta):
        raise OptionError(f"a + b needs the same theta on both sides; got {a.theta.tolist()} and {b.theta.tolist()}")


def _frozen(values: Any, dtype: Any = np.float64) -> Any:
    """A read-only array; one that is read-only already is not copied."""
    array = np.asarray(values, dtype=dtype)
    if array.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    return array


def _joined(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _one_after_another(points: Sequence[FisherEstimate]) -> tuple[Round, ...]:
    """Rounds of all points, with draws and seconds since the start of the first."""
    rounds: list[Round] = []
    draws, seconds = 0, 0.0
    for point in points:
        rounds += [Round(draws + r.draws, seconds + r.seconds, r.relative_error) for r in point.history]
        draws, seconds = draws + point.draws, seconds + point.elapsed
    return tuple(rounds)
