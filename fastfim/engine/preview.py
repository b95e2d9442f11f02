"""What the pilot says about a model before the run: does its support move, has it kinks, do the identities hold?

Single draws show at once what no mean can tell in time (see `fastfim.engine.smoothness`). Where they find nothing, the
identities that the run itself will not test are tested on the pilot's streams, so that one by ``score`` or
``covariance``, which keeps no Hessians, knows whether outer product and Hessian agree: for a sampler that is symmetric
but of the wrong shape the mean score is zero, and this is the only sign.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import LikelihoodError
from ..estimation import soundness
from ..estimation.estimators import Sums
from ..kernels.block import Job
from ..result.checks import Check
from . import smoothness, verdicts
from .pilot import OutOfTimeError, Pilot
from .smoothness import Smoothness
from .workers import Resources

NAN = float("nan")
SMOOTHNESS, OUT_OF_TIME = "smoothness", "time_limit was reached"


@dataclass(frozen=True)
class Preview:
    """What has been seen.

    Attributes
    ----------
    usable
        Whether Hessians may be used.
    sound
        False where no estimator can be right.
    checks
        A `Check` by name.
    """

    usable: bool
    sound: bool
    checks: dict[str, Check] = field(default_factory=dict)


def look(job: Job, pilot: Pilot, given: Resources) -> Preview:
    """Look at a pilot with Hessians, up to the deadline."""
    try:
        seen = smoothness.look(job, pilot, given)
    except OutOfTimeError:
        return nothing(OUT_OF_TIME)
    except LikelihoodError as error:
        return nothing(f"logpdf fails near theta: {error}")
    usable = seen.smooth and seen.support_is_fixed
    return Preview(usable, seen.support_is_fixed, {SMOOTHNESS: _smoothness(seen, job.model.parameters)})


def with_identities(seen: Preview, pilot: Pilot, names: Iterable[str], parameters: tuple[str, ...]) -> Preview:
    """Test identities on the pilot, if its Hessians may be used.

    There are no fresh draws to confirm a suspicion: only one beyond doubt counts.
    """
    names = tuple(names)
    if not (seen.usable and names):
        return seen
    evidence = soundness.Evidence(sums_of(pilot))
    findings = {name: soundness.TESTS[name](evidence, soundness.OUTRIGHT) for name in names}
    checks = {name: verdicts.identity(name, finding, parameters) for name, finding in findings.items()}
    sound = all(check.verdict != "fail" for check in checks.values())
    return replace(seen, sound=seen.sound and sound, checks=seen.checks | checks)


def nothing(reason: str) -> Preview:
    """No look, and why."""
    message = f"not looked at ({reason}); the score does not need it"
    return Preview(False, True, {SMOOTHNESS: Check(NAN, NAN, "skipped", message)})


def of_covariance(seen: Preview) -> Preview:
    """The same for ``covariance``, which needs neither identity, only a support that does not move."""
    if not seen.usable:
        return seen
    checks = dict(seen.checks)
    for name in soundness.TESTS:
        if checks[name].verdict == "fail":
            message = f"{checks[name].message}; the covariance holds if it is only the constant that is missing"
            checks[name] = replace(checks[name], verdict="warn", message=message)
    return replace(seen, sound=True, checks=checks)


def sums_of(pilot: Pilot) -> Sums:
    """The pilot as a run of its own."""
    assert pilot.hessians is not None
    streams, weights = pilot.streams, pilot.weights.reshape(pilot.streams, -1)
    rows = np.concatenate([pilot.scores, pilot.products, -pilot.hessians])
    totals = np.zeros((streams, len(rows) + 2))
    totals[:, :-2] = np.einsum("rkn,kn->kr", rows.reshape(len(rows), streams, -1), weights)
    totals[:, -2] = weights.sum(axis=1)
    return Sums.unpack(totals, pilot.p, weights.shape[1])


def _smoothness(seen: Smoothness, parameters: tuple[str, ...]) -> Check:
    if not seen.support_is_fixed:
        j, worst = int(seen.outside.argmax()), int(seen.outside.max())
        message = (
            f"the support moves with {parameters[j]}: {worst} of {seen.draws} draws leave it at a small step; "
            "the score does not define the information there, and no estimator is right"
        )
        return Check(worst / seen.draws, NAN, "fail", message)
    j, share = int(seen.rough.argmax()), float(seen.rough.max() / seen.draws)
    if seen.smooth:
        return Check(share, NAN, "pass", "Hessians agree with secants of the score, draw by draw")
    message = (
        f"the log density has kinks in {parameters[j]} ({100 * share:.2g} % of draws within a small step): "
        "minus the mean Hessian is not the information; the score is right"
    )
    return Check(share, NAN, "warn", message)
