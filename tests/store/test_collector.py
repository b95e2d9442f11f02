"""While code is compiled, the garbage collector waits; what was made by then is among the old."""

import gc

import pytest

from fastfim import store


def is_old(made):
    return any(each is made for each in gc.get_objects(generation=2))


def compiled():
    assert not gc.isenabled()
    made = [[]]
    assert not is_old(made)
    return made


def test_what_was_made_is_old_and_nothing_was_collected():
    cycle = []
    cycle.append(cycle)
    before = gc.get_stats()[2]["collections"]
    with store._without_collector():
        made = compiled()
    assert gc.isenabled()
    assert is_old(made)
    assert gc.get_stats()[2]["collections"] == before
    assert gc.get_freeze_count() == 0
    del cycle
    assert gc.collect() > 0


@pytest.fixture
def frozen():
    gc.freeze()
    yield gc.get_freeze_count()
    gc.unfreeze()


def test_what_somebody_has_frozen_stays_so(frozen):
    with store._without_collector():
        compiled()
    assert gc.isenabled()
    assert gc.get_freeze_count() >= 0.9 * frozen  # but for what is freed


def test_off_stays_off():
    gc.disable()
    try:
        with store._without_collector():
            compiled()
        assert not gc.isenabled()
    finally:
        gc.enable()
