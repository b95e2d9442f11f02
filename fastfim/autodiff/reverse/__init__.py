"""Reverse mode: a gradient of any length for a few times the work of the function.

The chain rule can be multiplied out from either end.  Forward mode carries p derivatives through every operation; it
costs p times the function.  Reverse mode notes, operation by operation, by how much the result moves with each operand,

    dz = w_1 dx_1 + w_2 dx_2,

and afterwards reads these notes backwards.  With the adjoint of x, the derivative of the final result with respect to
it, written x̄, the adjoints of the operands follow from that of the result: x̄_k += w_k z̄.  One pass gives the
adjoints of all parameters.  In matrix terms the notes are a triangular matrix, and reading them backwards is a solve
with its transpose.  Source: Griewank and Walther, *Evaluating Derivatives* (2008), chapters 3 and 4.

The notes are a *tape*, one for each evaluation, so that loops, branches and early returns need no treatment: what was
executed was noted.  `taped` holds the numbers that write it, `sweep` reads it.  One tape may serve many draws at once
(see `tape`): its adjoints are rows, and what is the same for all draws is noted once.  Two things keep it short.

- A function of one number moves in proportion to it.  Its result refers to the same place on the tape with another
  scale, and nothing is noted: ``log(theta[0])`` and ``2 * z`` cost what they cost without derivatives.
- A sum, a dot product, or a loop that adds up, is one note with many operands (see `accumulate` and `products`).
"""

from fastfim.autodiff.reverse.recording import (
    adjoints_at,
    collector,
    end,
    keep_in,
    learn,
    reader,
    recorder,
    room,
    value_store,
)
from fastfim.autodiff.reverse.tape import SPARE
from fastfim.autodiff.reverse.taped import Taped

__all__ = [
    "SPARE",
    "Taped",
    "adjoints_at",
    "collector",
    "end",
    "keep_in",
    "learn",
    "reader",
    "recorder",
    "room",
    "value_store",
]
