"""Do the two Bartlett identities hold, E[s] = 0 and E[s s^T + H] = 0?

Sums of 32 streams are tested as those of an estimate are (see `fastfim.estimation.soundness`). The mean score is looked
at under quasi-random draws, too: it errs far less there, and shows faults that as many independent draws do not (the
first term of a series of 200, say). The second identity is only asked where the log density is smooth in theta, since a
kink breaks it and is no fault.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from ...engine import verdicts
from ...errors import LikelihoodError
from ...estimation import soundness, stopping
from ...estimation.estimators import Sums
from ...kernels.block import Block, Job, run_streams
from ...result.checks import Check
from .subject import LEVEL, Subject, confirmed, skipped

#: Streams of a sum, and the first of them: apart from those of the other checks.
STREAMS, FIRST_STREAM = 32, 2**30 + 2**20


def identities(subject: Subject, smooth: bool) -> dict[str, Check]:
    """A `Check` of each identity; of the first alone where the log density is not smooth."""
    equality = skipped("the log density is not smooth in theta, or has no Hessians")
    if smooth:
        equality = confirmed(partial(_information_equality, subject))
    return {"mean_score": confirmed(partial(_mean_score, subject)), "information_equality": equality}


def _mean_score(subject: Subject, stage: int) -> Check:
    """By the sampling that speaks against it, or independent draws."""
    findings = [soundness.mean_score(_sums(subject, subject.job, stage), LEVEL)]
    with suppress(LikelihoodError):  # not every sampler can be made quasi-random
        findings.append(soundness.mean_score(_sums(subject, replace(subject.job, sampling="rqmc"), stage), LEVEL))
    failing = (finding for finding in findings if finding.verdict == "fail")
    return verdicts.identity("mean_score", next(failing, findings[0]), subject.job.model.parameters)


def _information_equality(subject: Subject, stage: int) -> Check:
    finding = soundness.information_equality(_sums(subject, replace(subject.job, order=2), stage), LEVEL)
    return verdicts.identity("information_equality", finding, subject.job.model.parameters)


def _sums(subject: Subject, job: Job, stage: int) -> Sums:
    totals, done = np.zeros((STREAMS, job.layout.sums)), 0
    for number, size in enumerate(stopping.blocks(max(subject.draws // STREAMS, 1), job.layout.block)):
        totals += run_streams(job, Block(FIRST_STREAM + stage * STREAMS, number, size, done, STREAMS))
        done += size
    return Sums.unpack(totals, job.p, done)
