"""Forward-mode automatic differentiation inside Numba: exact gradients and Hessians of ordinary scalar code."""
