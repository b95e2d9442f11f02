"""How streams begin: the seeds of `numpy.random.SeedSequence`, and states that are used again."""

import numpy as np
import pytest

import fastfim
from fastfim.kernels.block import Block, Job, run_block, run_streams
from fastfim.streams import seeds, states

ENTROPIES = [0, 1, 2**32 - 1, 2**32, 2**128 - 1, 2**128, 2**200 + 12345, (1, 2, 3), (1, 2**40, 3, 4, 5, 6)]
STREAMS = (0, 1, 31, 2**31, 2**32 - 1)


@pytest.mark.parametrize("entropy", ENTROPIES)
def test_seeds_are_those_of_seed_sequence(entropy):
    words = seeds(entropy, STREAMS, 9, "rqmc", 130).view(np.uint64)
    for row, stream in zip(words, STREAMS, strict=True):
        lanes = np.random.SeedSequence(entropy, spawn_key=(stream, 9)).generate_state(64, np.uint64)
        keys = np.random.SeedSequence(entropy, spawn_key=(stream,)).generate_state(4, np.uint64)
        np.testing.assert_array_equal(row[:64], lanes)
        np.testing.assert_array_equal(row[states.KEYS_AT : states.TILE_AT], keys)
        assert row[states.TILE_AT] * states.TILE + row[states.CURSORS_AT + states.POINT] == 130


@pytest.mark.parametrize("sampling", ["mc", "rqmc"])
def test_a_block_leaves_nothing_to_the_next_in_the_same_memory(sampling):
    """Quasi-random gamma variates of 5,000 draws a block fill tables, whose place depends on the draws before."""
    model = fastfim.catalogue["gamma"].bind()
    job = Job(model, model.theta([(2.0, 0.5), (3.0, 1.5)]), seed=4, order=1, sampling=sampling)
    together = run_streams(job, Block(2, 1, 5000, first=5000, streams=3))
    for i, theta in enumerate(job.theta):
        for k in range(3):
            alone = run_block(Job(model, theta, 4, 1, sampling), Block(2 + k, 1, 5000, first=5000))
            np.testing.assert_array_equal(together[i, k], alone)
