"""Forward-mode automatic differentiation inside Numba: exact gradients and Hessians of ordinary scalar code.

`active` compiles a user's function so that it carries derivatives, `plain` so that it does not; `seeds` makes the
parameter vector, and `value`, `store_gradient` and `store_hessian` take results apart, in compiled code.
"""

from fastfim.autodiff.active import active, plain
from fastfim.autodiff.errors import DifferentiationError, explain
from fastfim.autodiff.seeds import seeds, store_gradient, store_hessian, value

__all__ = [
    "DifferentiationError",
    "active",
    "explain",
    "plain",
    "seeds",
    "store_gradient",
    "store_hessian",
    "value",
]
