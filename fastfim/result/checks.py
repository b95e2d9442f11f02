"""What speaks for an estimate: one `Check` a question, with a verdict and a sentence for people.

Checks of a run come from the engine. Those of the matrix itself (`of_matrix`: does it have full rank, what does its
inverse cost) follow from its replicates, and are made anew for whatever is derived from them.

>>> matrices = np.array([[[1.0, 0.1], [0.1, 2.0]], [[1.1, 0.0], [0.0, 1.9]], [[0.9, -0.1], [-0.1, 2.1]]])
>>> checks = of_matrix(matrices, np.sqrt([1.0, 2.0]), ("a", "b"))
>>> checks["rank"].verdict, checks["conditioning"].verdict
('pass', 'pass')
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..estimation import identifiability
from ..estimation.identifiability import CLEAR, ILL_CONDITIONED, Identifiability

Array = NDArray[np.float64]

NAN = float("nan")
#: Verdicts, from best to worst.
VERDICTS = ("pass", "skipped", "warn", "fail")


@dataclass(frozen=True)
class Check:
    """Outcome of one soundness check.

    Attributes
    ----------
    figure
        What the check measures.
    p_value
        Probability of so large a figure if all is well; NaN where the check is no test.
    verdict
        ``"pass"``, ``"warn"``, ``"fail"`` or ``"skipped"``.
    message
        One sentence for people.
    """

    figure: float
    p_value: float
    verdict: str
    message: str


def of_matrix(matrices: Array, roots: Array, parameters: tuple[str, ...]) -> dict[str, Check]:
    """What replicates, and the square roots of the information's diagonal, say about rank and conditioning."""
    seen = identifiability.look(matrices, roots)
    rank = _rank(seen, parameters)
    condition = seen.condition
    if rank.verdict != "pass":
        conditioning = Check(condition, NAN, "skipped", "the matrix is singular as far as can be told: see rank")
    elif condition <= ILL_CONDITIONED:
        conditioning = Check(condition, NAN, "pass", f"inverting the matrix costs a factor of {condition:.2g} at most")
    else:
        message = (
            f"the condition number is {condition:.2g} in units that make the diagonal one, and beyond "
            f"{ILL_CONDITIONED:g} an inverse has lost half of its digits: fix or combine parameters"
        )
        conditioning = Check(condition, NAN, "warn", message)
    return {"rank": rank, "conditioning": conditioning}


def _rank(seen: Identifiability, parameters: tuple[str, ...]) -> Check:
    margin = float(seen.margins.min(initial=np.inf)) if not len(seen.idle) else 0.0
    if margin >= CLEAR:
        return Check(margin, NAN, "pass", "every direction of the parameters is identified")
    idle = [f"there is no information about {parameters[i]}" for i in seen.idle]
    unknown = [f"the data do not identify {d}" for d in seen.unidentified(parameters)]
    if idle or unknown:
        advice = f"(within {CLEAR:g} standard errors of zero): fix a parameter, or take more draws"
        return Check(margin, NAN, "warn", f"{'; '.join(idle + unknown)} {advice}")
    unsettled = seen.unsettled(parameters)
    if unsettled:
        message = f"whether the data identify {'; '.join(unsettled)} is lost in the errors: more draws would tell"
        return Check(margin, NAN, "skipped", message)
    return Check(margin, NAN, "pass", "every direction of the parameters is identified")


class MatrixChecks(Mapping[str, Check]):
    """Some checks, and after them those of `of_matrix`, which are made when any is first asked for.

    Nothing in a run depends on these, and they take as long as all else that is said of it.
    """

    def __init__(self, found: Mapping[str, Check], matrices: Array, roots: Array, parameters: tuple[str, ...]) -> None:
        self._found, self._matrix = dict(found), (matrices, roots, parameters)

    @cached_property
    def _all(self) -> dict[str, Check]:
        return self._found | of_matrix(*self._matrix)

    def __getitem__(self, name: str) -> Check:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return repr(self._all)


def worst_of(found: Mapping[int, Mapping[str, Check]], what: str = "point") -> dict[str, Check]:
    """For each check the outcome at the point (or in the experiment) where it went worst."""
    worst: dict[str, Check] = {}
    for i, checks in found.items():
        for name, check in checks.items():
            if name not in worst or VERDICTS.index(check.verdict) > VERDICTS.index(worst[name].verdict):
                worst[name] = replace(check, message=f"{what} {i}: {check.message}")
    return worst
