"""Hessians of many parameters: reverse mode to second order.

A gradient of any length costs a few times the function (see `fastfim.autodiff.reverse`), and the derivative of that
gradient along a direction, a product of the Hessian with a vector, costs a few times more.  So a Hessian of p columns
costs of the order of p times the function, where numbers that carry it along (see `fastfim.autodiff.dual`) cost p^2
times; and what is compiled does not grow with p.

- `quadratic` holds the numbers.  While a function runs they write a tape: a row of the same few words for every
  operation that makes one number of several.
- `columns` reads it, sixteen columns at a time.
"""

from fastfim.autodiff.second_order.columns import differentiate
from fastfim.autodiff.second_order.quadratic import NODE_WORDS, end, recorder, rewind, room

__all__ = ["NODE_WORDS", "differentiate", "end", "recorder", "rewind", "room"]
