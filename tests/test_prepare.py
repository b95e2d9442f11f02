"""What ``prepare`` makes once gives what sampler and density make anew for every draw."""

import numpy as np
import pytest

from benchmarks.prepared import MODELS
from fastfim.kernels.block import Block, Job, run_block


@pytest.mark.parametrize("name", list(MODELS))
def test_same_sums_with_and_without(name):
    *likelihoods, theta, args = MODELS[name]
    models = [likelihood.bind(args) for likelihood in likelihoods]
    with_it, without = (run_block(Job(model, model.theta(theta), 0, 2), Block(0, 0, 300)) for model in models)
    assert np.all(np.isfinite(with_it))
    np.testing.assert_allclose(with_it, without, rtol=1e-10, atol=1e-10 * np.abs(with_it).max())
