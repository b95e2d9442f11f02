"""Time to accuracy: seconds to a 95 % half-width of so much of sqrt(I_ii I_jj), against plain Monte Carlo of the score.

Everything but compilation counts: pilots, inversions, Hessians, checks. The peers draw independently and average outer
products of scores, in batches whose spread gives error bars: this engine's plain score, vectorised NumPy with scores by
hand, and JAX's ``jit(vmap(grad))`` in float64 (where it is installed), each with all cores that it uses of itself. The
draws that they need follow from the variance of s s^T, their time from their rate, measured in the same run; so do
those of the engine itself where they would take more than `PATIENCE` seconds. ``python -m benchmarks accuracy`` prints
the table.
"""

import warnings

import numpy as np

import fastfim
from fastfim.estimation import stopping

from .models import MODELS
from .peers import RATES

GOALS = (1e-2, 1e-3, 1e-4, 1e-6)
#: Seconds after which a run is projected.
PATIENCE = 20.0
QUANTILE = 1.959964


def seconds_to(name, goal, seed=1):
    """Seconds that `fastfim.estimate` takes to a relative error of ``goal``, and whether they are projected."""
    likelihood, theta, args = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fastfim.estimate(likelihood, theta, args, rtol=goal, rng=0, max_draws=2**14)  # compiles
        results = [fastfim.estimate(likelihood, theta, args, rtol=goal, rng=seed, time_limit=PATIENCE)]
        while results[-1].elapsed < 1.0 and len(results) < 5:
            results.append(fastfim.estimate(likelihood, theta, args, rtol=goal, rng=seed, time_limit=PATIENCE))
    best = min(results, key=lambda result: result.elapsed)
    if best.converged:
        return best.elapsed, False
    # the error falls as it did over the last rounds
    rate = stopping.rate([(round.draws, round.relative_error) for round in best.history])
    return best.elapsed * (best.relative_error / goal) ** (1 / rate), True


def plain_draws(name, goal):
    """Independent draws that the mean outer product of scores needs."""
    likelihood, theta, args = MODELS[name]
    result = fastfim.estimate(likelihood, theta, args, draws=2**18, estimator="score", sampling="mc", rng=2)
    root = np.sqrt(np.diagonal(result.fim))
    spread = (result.standard_error / np.outer(root, root)).max() * np.sqrt(result.draws)
    return (QUANTILE * spread / goal) ** 2


class TimeToAccuracy:
    """Seconds to each goal."""

    params = (list(MODELS), list(GOALS))
    param_names = ("model", "relative error")
    timeout = 600

    def track_seconds(self, name, goal):
        return seconds_to(name, goal)[0]

    track_seconds.unit = "s"


class FasterThanPeers:
    """Time of the fastest peer over that of `fastfim.estimate`, at 1e-4."""

    params = (list(MODELS),)
    param_names = ("model",)
    timeout = 600

    def track_ratio(self, name):
        fastest = min(rate(name) for rate in RATES.values())
        return plain_draws(name, 1e-4) * fastest / seconds_to(name, 1e-4)[0]

    track_ratio.unit = "times"


def show(seconds, projected=False):
    """A time in two digits; ``~`` where it was projected."""
    for limit, unit, size in ((1.0, "ms", 1e-3), (120.0, "s", 1.0), (7200.0, "min", 60.0), (172800.0, "h", 3600.0)):
        if seconds < limit:
            return f"{'~' * projected}{seconds / size:.2g} {unit}"
    return f"~{seconds / 86400:,.0f} days"


def main():
    """Print the table."""
    heads = [*(f"{goal:g}" for goal in GOALS), "engine, score", "NumPy", "JAX", "times faster"]
    print(f"{'':32}" + "".join(f"{head:>15}" for head in heads))
    ratios = []
    for name in MODELS:
        ours = [seconds_to(name, goal) for goal in GOALS]
        peers = [plain_draws(name, 1e-4) * rate(name) for rate in RATES.values()]
        ratios.append(min(peers) / ours[GOALS.index(1e-4)][0])
        cells = [*(show(*pair) for pair in ours), *(show(seconds, True) for seconds in peers), f"{ratios[-1]:,.0f}"]
        print(f"{name:32}" + "".join(f"{cell:>15}" for cell in cells), flush=True)
    print(f"{'geometric mean':32}{np.exp(np.mean(np.log(ratios))):>120,.0f}")
