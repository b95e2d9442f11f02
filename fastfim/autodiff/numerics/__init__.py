"""Special functions with exact first and second derivatives, as plain scalar functions for Python and compiled code.

Each module states its mathematics.  A function named ``*_derivatives`` returns the value, the first and then the second
partial derivatives (upper triangle, row by row) of one special function, sharing the work between them.  The module
`functions` gives the values alone, by the names that `scipy.special` uses.
"""
