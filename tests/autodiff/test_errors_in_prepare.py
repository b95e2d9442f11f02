"""What cannot be differentiated is refused inside ``prepare``, too, whichever way derivatives are taken."""

from __future__ import annotations

import pytest

from fastfim import Likelihood, LikelihoodError
from fastfim.kernels.block import compile_for
from fastfim.kernels.passes import FORWARD_HESSIAN, FORWARD_PARAMETERS

from . import test_errors as errors

REFUSED = [
    errors.rounds_in_a_helper,
    errors.takes_int,
    errors.indexes,
    errors.counts_in_a_loop,
    errors.stores_in_data,
    errors.fills_an_array_like_integers,
    errors.writes_to_a_global_array,
    errors.leaves_the_compiler,
]


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
@pytest.mark.parametrize(("p", "order"), [(3, 1), (FORWARD_PARAMETERS + 1, 1), (FORWARD_HESSIAN + 1, 2)])
def test_what_cannot_be_differentiated_is_refused_on_its_line(function, p, order):
    """In forward mode, on the tape, and on that of second order."""

    def prepare(theta, data):
        return function(data, theta)

    likelihood = Likelihood(
        lambda rng, theta, data, prepared: rng.normal(),
        lambda x, theta, data, prepared: prepared - x * x,
        parameters=[f"t{j}" for j in range(p)],
        prepare=prepare,
    )
    with pytest.raises(LikelihoodError) as caught:
        compile_for(likelihood.bind((errors.DATA,)), order)
    assert (caught.value.file, caught.value.line) == (errors.__file__, errors.expected_line(function))
