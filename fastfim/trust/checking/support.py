"""Does the support move with theta? Then the score does not define the information, and no estimator is right.

Draws of theta go through the log density at nearby parameters, and draws made there through the one at theta: none may
come back as -inf. A density that does not say where it ends shows otherwise: for Uniform(0, theta) without its bound
the ratio of densities is the same for every draw and not one, though its mean over draws is one wherever a density and
its neighbour share a support.
"""

from __future__ import annotations

import numpy as np

from ...result.checks import Check
from .cells import BEYOND
from .subject import Array, Subject, failed, passed

#: Draws at each point, and parameters that are moved.
DRAWS, MOVED = 2048, 16
#: Ratios that differ by less are the same.
ROUNDING = 1e-11
#: What the first stream number of neighbours' draws is after the stage.
NEIGHBOURS = 1000


def support(subject: Subject, stage: int) -> Check:
    """Look both ways across small steps."""
    here = subject.sample(stage, DRAWS)
    finite = np.isfinite(here.logpdf)
    points = subject.neighbours(here.scores[finite], MOVED)
    for k, (name, theta) in enumerate(points):
        there = subject.sample(NEIGHBOURS * (stage + 1) + k, DRAWS, theta)
        ratios = subject.logpdf(here.draws[finite], theta) - here.logpdf[finite]
        back = subject.logpdf(there.draws[np.isfinite(there.draws).all(axis=1)])
        for lost, words in (
            (~np.isfinite(ratios), f"the draws have density zero at {name}"),
            (~np.isfinite(back), f"the draws made at {name} have density zero here"),
        ):
            if lost.any():
                return failed(
                    f"the support moves with the parameters: {100 * lost.mean():.2g} % of {words}", lost.mean()
                )
        if _constant(ratios):
            return failed(
                f"every draw is exp({ratios[0]:.3g}) times as likely at {name}: densities that integrate to one "
                "cannot do that, so that the support moves, or a normalizing constant is wrong",
                float(ratios[0]),
            )
    return passed(f"no draw leaves the support across small steps of the parameters, to {len(points)} points")


def _constant(ratios: Array) -> bool:
    """The same ratio throughout, and further from one than events too rare to be seen would explain."""
    size = np.abs(ratios).mean()
    return bool(np.ptp(ratios) <= ROUNDING * max(size, 1.0) and size > 10.0 * ROUNDING and size > BEYOND / len(ratios))
