"""Runs that can be taken up again: after each round the sums of every stream are kept in a file.

A block of draws is a pure function of its number, so a run that goes on from kept sums gives the same bits as one that
was never interrupted. What the pilot decided is decided again, from the same draws and under the tolerance and budget
that were asked for first; what each round says is worked out again from its sums.

Kept are the last round of the doubling schedule, and after it the one that a budget cut short, if there is one: a
larger budget goes on from the former, as a run by that budget would have. A round cut short by the clock is not kept.

A file says which run it is of: a fingerprint of the likelihood's functions and of whatever they call, ``theta``,
``args``, ``wrt``, the seed, ``streams``, ``estimator`` and ``sampling``. Another run is refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError
from ..estimation import stopping
from ..kernels.block import Job
from ..result import files
from ..result.fisher_estimate import Round
from ..store.fingerprint import UnkeyableError, fingerprint
from .options import Options

Array = NDArray[np.float64]

CONTENT = "checkpoint"
#: Options that the pilot's decisions depend on, and that a run which goes on may change.
PLANNED = ("rtol", "atol", "confidence", "draws", "max_draws")


@dataclass(frozen=True)
class Stage:
    """Where a run stood after a round.

    Attributes
    ----------
    totals
        Sums of every stream (K, n); see `fastfim.kernels.block.Layout`.
    draws, blocks
        Draws of a stream, and the blocks that they came in.
    spent
        Draws that went elsewhere, before this round was judged.
    own
        What each round's own draws say of the diagonal (rounds, K, p), where single draws have been looked at.
    history
        The rounds before this one.
    seconds
        Time that it took to get there.
    """

    totals: Array
    draws: int = 0
    blocks: int = 0
    spent: int = 0
    own: tuple[Array, ...] = ()
    history: tuple[Round, ...] = ()
    seconds: float = 0.0

    @classmethod
    def nothing(cls, job: Job, options: Options, spent: int = 0) -> Stage:
        """A run before its first round."""
        return cls(np.zeros((options.streams, job.layout.sums)), spent=spent)

    @property
    def regular(self) -> bool:
        """Whether the round was one of the doubling schedule."""
        return self.draws == stopping.FIRST_ROUND << len(self.history)


@dataclass
class Checkpoint:
    """A run's file; without a path, nothing is kept."""

    path: Path | None
    key: Mapping[str, Any]
    planned: Mapping[str, Any]
    stages: list[Stage] = field(default_factory=list)

    @classmethod
    def of(cls, job: Job, options: Options) -> Checkpoint:
        """Of the run that is asked for, with what its file holds if there is one.

        Raises
        ------
        CheckpointError
            The file is damaged, or of another run.
        """
        planned = {name: getattr(options, name) for name in PLANNED}
        path = options.checkpoint
        if path is None:
            return cls(None, {}, planned)
        key = _key(job, options)
        if not path.exists():
            return cls(path, key, planned)
        record, stages = _read(path)
        for name, ours in key.items():
            if record["key"].get(name) != ours:
                raise CheckpointError(
                    f"{path} is the checkpoint of another run: its {name} is not the one that is asked for; "
                    "name another file, or remove this one"
                )
        return cls(path, key, record["planned"], stages)

    def options(self, options: Options) -> Options:
        """The options under which the run was planned."""
        return options if self.path is None else replace(options, **self.planned)

    def start(self, job: Job, options: Options, spent: int) -> Stage:
        """What to go on from, where the pilot has taken so many draws: before the first round, or after a later one.

        Raises
        ------
        CheckpointError
            It holds more draws than the budget allows.
        """
        budget = options.budget(spent, job.sampling)
        going = [stage for stage in self.stages if stage.regular or stage.draws == budget]
        if not going:
            return Stage.nothing(job, options, spent)
        last = going[-1]
        if budget is not None and last.draws > budget:
            raise CheckpointError(
                f"{self.path} holds {last.draws:,} draws of each stream already, and the budget asked for allows "
                f"{budget:,}: allow more, or name another file"
            )
        return replace(last, totals=last.totals.copy())

    def keep(self, stage: Stage, budget: int | None) -> None:
        """Keep a round, unless it was cut short by the clock."""
        if self.path is None or not (stage.regular or stage.draws == budget):
            return
        stage = replace(stage, totals=stage.totals.copy())  # the run adds to its own
        self.stages = [stage] if stage.regular else [*(s for s in self.stages if s.regular), stage]
        record = {"content": CONTENT, "key": self.key, "planned": self.planned}
        arrays = {f"totals_{i}": stage.totals for i, stage in enumerate(self.stages)}
        arrays |= {f"own_{i}": np.array(stage.own) for i, stage in enumerate(self.stages)}
        files.write(self.path, arrays, record | {"stages": [_record(stage) for stage in self.stages]})


def adopted_seed(path: Path) -> int | None:
    """The seed of the run in a file, if there is one.

    Raises
    ------
    CheckpointError
        The file is damaged, or not a checkpoint.
    """
    return int(_read(path)[0]["key"]["rng"], 16) if path.exists() else None


def _key(job: Job, options: Options) -> dict[str, Any]:
    model, likelihood = job.model, job.model.likelihood
    roles = ("sample", "logpdf", "prepare", "score", "hessian")
    functions = tuple(getattr(likelihood, role) for role in roles)
    try:
        what = fingerprint(functions)
    except UnkeyableError:  # by name alone
        what = ", ".join(f"{f.__module__}.{f.__qualname__}" for f in functions if f is not None)
    return {
        "likelihood": what,
        "theta": [float(value).hex() for value in job.theta],
        "args": fingerprint(model.args),
        "wrt": list(model.parameters),
        "rng": hex(options.seed),
        "streams": options.streams,
        "estimator": options.estimator,
        "sampling": options.sampling,
    }


def _record(stage: Stage) -> dict[str, Any]:
    return {
        "draws": stage.draws,
        "blocks": stage.blocks,
        "spent": stage.spent,
        "seconds": stage.seconds,
        "history": [[int(r.draws), float(r.seconds), float(r.relative_error)] for r in stage.history],
    }


def _read(path: Path) -> tuple[dict[str, Any], list[Stage]]:
    arrays, record = files.read(path)
    if record.get("content") != CONTENT:
        raise CheckpointError(f"{os.fspath(path)} is no checkpoint: it holds {record.get('content', 'something else')}")
    try:
        stages = [
            Stage(
                totals=arrays[f"totals_{i}"],
                draws=int(kept["draws"]),
                blocks=int(kept["blocks"]),
                spent=int(kept["spent"]),
                seconds=float(kept["seconds"]),
                own=tuple(arrays[f"own_{i}"]),
                history=tuple(Round(*values) for values in kept["history"]),
            )
            for i, kept in enumerate(record["stages"])
        ]
        int(record["key"]["rng"], 16)
        planned = {name: record["planned"][name] for name in PLANNED}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{os.fspath(path)} is damaged ({error!r})") from error
    return record | {"planned": planned}, stages
