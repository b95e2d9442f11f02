"""Forward-mode automatic differentiation inside Numba: exact gradients and Hessians of ordinary scalar code.

`active` compiles a user's function so that it carries derivatives, `plain` so that it does not; `seeds` makes the
parameter vector, `variable` and `variables` whatever else derivatives are taken with respect to; `value`,
`store_gradient` and `store_hessian` take results apart. All but the first two are for compiled code.
"""

from fastfim.autodiff.active import active, plain
from fastfim.autodiff.dual import Dual
from fastfim.autodiff.errors import DifferentiationError, explain
from fastfim.autodiff.seeds import seeds, store_gradient, store_hessian, value
from fastfim.autodiff.theta import Theta
from fastfim.autodiff.variables import variable, variables

__all__ = [
    "DifferentiationError",
    "Dual",
    "Theta",
    "active",
    "explain",
    "plain",
    "seeds",
    "store_gradient",
    "store_hessian",
    "value",
    "variable",
    "variables",
]
