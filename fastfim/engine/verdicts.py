"""The findings about a run, in words: one `Check` each, with what it means and what to do.

A check passes, warns or fails; it is skipped where nothing can be said, or not yet. What the estimator rests on and
fails ends the run as not converged. What only limits the use of a right matrix (a direction that is not identified)
warns in ``checks``, and leaves the run as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..estimation.soundness import Finding
from ..estimation.tails import LARGEST, MANY_DRAWS, Judgement, Tails
from ..result.checks import Check, MatrixChecks

if TYPE_CHECKING:
    from .choice import Plan
    from .judging import Look

NAN = float("nan")
#: Draws that have to carry a sum, were they equal, for its error bar; a run of fewer than `TOO_FEW` says nothing.
EQUIVALENT, TOO_FEW = 20.0, 1000
#: What the estimator rests on, in the order in which a fault in one explains those of the others.
ORDER = ("smoothness", "mean_score", "information_equality")


def of(plan: Plan, look: Look) -> Mapping[str, Check]:
    """Every check of a run, by name."""
    names = plan.job.model.parameters
    checks = dict(plan.checks)
    for name, finding in look.findings.items():
        if name not in checks or checks[name].verdict != "fail":  # what the pilot is sure of stands
            checks[name] = identity(name, finding, names)
    checks = {name: checks[name] for name in ORDER if name in checks}
    if look.trusted_from is not None:
        checks["tails"] = _residuals(look.trusted_from, look.normal)
    elif look.tail is not None:
        checks["tails"] = tail(look.tail, names)
    if plan.tails is not None:
        checks["largest"] = largest(plan.tails, look.draws, names)
    return MatrixChecks(checks, look.matrices, look.roots, names)


# ---------------------------------------------------------------- the identities

_MEANING = {
    "mean_score": (
        "the mean score is zero",
        "the mean score is not zero: sampler and log density disagree, a normalizing constant that depends on theta "
        "is missing (estimator='covariance' does without it), or the support moves with theta",
    ),
    "information_equality": (
        "outer product and Hessian agree",
        "the mean outer product of the score differs from minus the mean Hessian: sampler and log density disagree, or "
        "the log density has a kink in theta",
    ),
}


def identity(name: str, finding: Finding, parameters: tuple[str, ...]) -> Check:
    """What a test of an identity found."""
    sound, broken = _MEANING[name]
    where = " x ".join(parameters[i] for i in finding.entry)
    message = {
        "pass": sound,
        "fail": f"{broken} (largest for {where})",
        "skipped": "too few events: next to no draw says anything about it, or its score is the same for every draw "
        f"({where})",
    }
    return Check(finding.figure, finding.p_value, finding.verdict, message[finding.verdict])


# ---------------------------------------------------------------- the error bar


def _residuals(least: float, normal: bool) -> Check:
    """Of control variates."""
    if normal:
        return Check(least, NAN, "pass", "stream means are close to normal")
    message = "the error bar rests on the few draws in the tails, and its intervals cover less than they say; "
    if least == float("inf"):
        message += "no number of draws mends that for control variates under quasi-Monte Carlo: take sampling='mc'"
    else:
        message += f"some {least:,.0f} draws a stream would do"
    return Check(least, NAN, "warn", message)


def tail(seen: Judgement, parameters: tuple[str, ...]) -> Check:
    """Whether the tails of single draws leave the error bar its meaning."""
    name = parameters[seen.parameter]
    heavy = f"single draws about {name} have heavy tails (Pareto shape {seen.shape:.2f})"
    if seen.state == "sound":
        verdict, message = "pass", "the tails leave the error bar its meaning"
    elif seen.state == "infinite":
        verdict = "fail"
        message = (
            f"{heavy}, and stream means do not become normal: above a shape of 1/2 the variance is infinite, and the "
            "error bar means nothing; another estimator or parameterization may have lighter tails"
        )
    elif seen.state == "early":
        verdict = "skipped"
        message = f"{heavy}: the error bar cannot be trusted before {MANY_DRAWS:,} draws a stream"
    else:
        verdict, message = "skipped", f"{heavy}, and stream means are not normal yet: more draws would tell"
    return Check(seen.shape, seen.p_value, verdict, message)


def largest(tails: Tails, draws: int, parameters: tuple[str, ...]) -> Check:
    """How few draws carry the sums, in the run if its draws are like those that were looked at one by one."""
    equivalent = tails.equivalent * draws / tails.draws
    worst = int(equivalent.argmin())
    share, name = float(tails.largest[worst]), parameters[worst]
    if draws < TOO_FEW:
        return Check(share, NAN, "skipped", f"fewer than {TOO_FEW} draws say little about the largest of them")
    carried = f"the {LARGEST} largest of {tails.draws:,} draws carry {100 * share:.2g} % of the sum for {name}"
    if equivalent[worst] >= EQUIVALENT:
        return Check(share, NAN, "pass", carried)
    return Check(share, NAN, "warn", f"{carried}: the error bar rests on a handful of draws; take more")
