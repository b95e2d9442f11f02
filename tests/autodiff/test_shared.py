"""Array functions that are compiled once an installation."""

import numpy as np
import pytest
from numba import njit, types

from fastfim.autodiff import Dual, shared
from fastfim.autodiff.reverse import Taped
from fastfim.store import symbols

KINDS = {
    "C2w": types.Array(types.float64, 2, "C"),
    "A1r": types.Array(types.float64, 1, "A", readonly=True),
    "F2w3-1-1": types.Array(Dual(3, 1), 2, "F"),
    "C2r12-2-1": types.Array(Dual(12, 2), 2, "C", readonly=True),
    "A1w3-1-8": types.Array(Dual(3, 1, 8), 1, "A"),
    "i": types.intp,
    "b": types.boolean,
}


@pytest.mark.parametrize(("word", "kind"), KINDS.items(), ids=KINDS)
def test_words_say_the_type(word, kind):
    assert (shared._word(kind), shared._type_of(word)) == (word, kind)


@pytest.mark.parametrize("element", [Taped(1), types.float32, types.int64])
def test_other_elements_have_none(element):
    assert not shared._word(types.Array(element, 2, "C"))


def test_found_by_the_name_alone():
    """As code from disk asks for it."""
    compiled = symbols.compiled("fastfim.autodiff.linear_algebra._factor[A2r C2w]")
    assert compiled.entry in compiled.library.get_llvm_str()


def halve(a, n):
    for i in range(n):
        a[i] *= 0.5


def test_several_draws_by_name_only_where_they_never_part_ways():
    """What is raised where they do comes through an inlined copy alone."""
    tile = types.Array(Dual(2, 1, 8), 1, "C")
    assert (
        shared.shared(halve)(tile, types.intp).__class__
        is not shared.shared(halve, by_tiles=True)(tile, types.intp).__class__
    )


def test_inlined_or_by_name():
    """The same either way."""
    choose = shared.shared(halve)
    by_name, inlined = choose(types.Array(types.float64, 1, "C"), types.intp), choose(types.float32[::1], types.intp)
    assert by_name is choose(types.Array(types.float64, 1, "C"), types.intp) is not inlined
    doubles, singles = np.ones(3), np.ones(3, dtype=np.float32)
    njit(lambda a: by_name(a, 2))(doubles)
    njit(lambda a: inlined(a, 2))(singles)
    assert doubles.tolist() == singles.tolist() == [0.5, 0.5, 1.0]
