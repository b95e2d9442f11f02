"""The stopping rule against scipy.stats, its own schedule, and simulated runs."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fastfim.estimation.stopping import (
    blocks,
    critical_value,
    least_rtol,
    met,
    projected_draws,
    rate,
    relative_error,
    rounds,
)


@pytest.mark.parametrize("streams", [2, 3, 32, 1000])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_critical_values_are_those_of_student(streams, confidence):
    expected = stats.t.ppf(0.5 + 0.5 * confidence, streams - 1)
    assert critical_value(confidence, streams) == pytest.approx(expected, rel=1e-9)


def test_relative_error_is_that_of_the_worst_entry():
    assert relative_error(np.array([0.1, 0.3]), np.array([1.0, 2.0])) == pytest.approx(0.15)


def test_an_entry_known_exactly_counts_as_known_whatever_its_scale():
    assert relative_error(np.array([0.0, 0.1]), np.array([0.0, 1.0])) == pytest.approx(0.1)
    assert met(np.array([0.0]), np.array([0.0]), 1e-3, 0.0)


def test_an_error_without_a_scale_is_never_met_by_rtol():
    assert relative_error(np.array([0.1]), np.array([0.0])) == math.inf
    assert not met(np.array([0.1]), np.array([0.0]), 1e300, 0.0)
    assert met(np.array([0.1]), np.array([0.0]), 0.0, 0.2)


def test_an_error_that_is_not_a_number_is_never_met():
    assert not met(np.array([np.nan]), np.array([1.0]), 1.0, 1.0)


@given(st.integers(1, 10**7))
def test_rounds_double_up_to_the_budget(budget):
    schedule = list(rounds(budget))
    assert schedule[-1] == budget
    assert schedule[:-1] == list(itertools.islice(rounds(None), len(schedule) - 1))
    assert all(later == 2 * earlier for earlier, later in itertools.pairwise(schedule[:-1]))
    assert all(draws < budget for draws in schedule[:-1])


@given(st.integers(0, 10**6), st.integers(1, 10**5))
def test_blocks_make_up_the_draws(draws, longest):
    sizes = blocks(draws, longest)
    assert sum(sizes) == draws
    assert all(0 < size <= longest for size in sizes)
    assert all(size == longest for size in sizes[:-1])


@given(st.integers(1, 10**9), st.floats(1e-6, 1e3), st.floats(1e-6, 1.0))
def test_projected_draws_meet_the_tolerance_by_the_root_law(draws, half_width, rtol):
    needed = projected_draws(draws, np.array([half_width]), np.array([1.0]), rtol, 0.0)
    assert needed >= draws
    reached = half_width * math.sqrt(draws / needed)
    assert reached <= rtol * (1 + 1e-9)
    assert needed == draws or reached == pytest.approx(rtol)


def test_a_tolerance_of_zero_is_never_projected_to_be_met():
    assert projected_draws(100, np.array([0.1]), np.array([1.0]), 0.0, 0.0) == math.inf


def test_a_budget_may_shrink_between_rounds():
    left = iter([10_000, 10_000, 700, 700])
    assert list(rounds(lambda: next(left))) == [256, 512, 700]
    left = iter([10_000, 100])
    assert list(rounds(lambda: next(left))) == [256]


@pytest.mark.parametrize("power", [0.5, 0.9, 1.3])
def test_the_rate_is_that_of_the_errors(power):
    history = [(2**k, 3.0 * 2 ** (-power * k)) for k in range(12, 20)]
    assert rate(history) == pytest.approx(power)
    assert projected_draws(2**19, np.array([1e-2]), np.array([1.0]), 1e-3, 0.0, power) == pytest.approx(
        2**19 * 10 ** (1 / power)
    )


def test_the_rate_is_never_less_than_that_of_independent_draws():
    assert rate([(128, 0.1), (256, 0.05)]) == 0.5  # too few rounds to tell
    assert rate([(2**k, 0.1) for k in range(8)]) == 0.5
    assert rate([(2**k, 0.0) for k in range(8)]) == 0.5


def test_nothing_is_projected_below_rounding():
    floor = least_rtol(0.95, 32)
    assert 1e-12 < floor < 1e-11
    assert projected_draws(100, np.array([0.1]), np.array([1.0]), 0.5 * floor, 0.0, floor=floor) == math.inf
    assert projected_draws(100, np.array([0.1]), np.array([1.0]), 2.0 * floor, 0.0, floor=floor) < math.inf


def test_stopping_at_the_first_round_that_will_do_keeps_the_coverage():
    """Means of normal draws, 4,000 runs of doubling rounds from the second on, K = 32, coverage promised 95 %."""
    rng = np.random.default_rng(1)
    runs, streams, rtol = 4000, 32, 0.02
    totals, before = np.zeros((runs, streams)), 0
    covered, running = np.zeros(runs, bool), np.ones(runs, bool)
    for k, draws in enumerate(itertools.islice(rounds(None), 10)):
        totals += np.sqrt(draws - before) * rng.standard_normal((runs, streams)) + (draws - before)
        before = draws
        means = totals / draws
        half_width = critical_value(0.95, streams) * means.std(axis=1, ddof=1) / np.sqrt(streams)
        stops = running & (half_width <= rtol) & (k >= 1)
        covered[stops] = np.abs(means.mean(axis=1) - 1.0)[stops] <= half_width[stops]
        running &= ~stops
    assert not running.any()
    # 94.2 % by design at the least; 4 standard deviations of a binomial below: a false alarm in 3e-5 of seeds
    assert covered.mean() > 0.942 - 4 * math.sqrt(0.942 * 0.058 / runs)
