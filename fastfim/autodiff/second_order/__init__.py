"""Hessians of many parameters: reverse mode to second order.

A gradient of any length costs a few times the function (see `fastfim.autodiff.reverse`), and the derivative of that
gradient along a direction, a product of the Hessian with a vector, costs a few times more.  So a Hessian of p columns
costs of the order of p times the function, where numbers that carry it along (see `fastfim.autodiff.dual`) cost p^2
times; and what is compiled does not grow with p.

Many draws at once go on a tape of `fastfim.autodiff.reverse`, on which what is not linear notes its second derivatives:

- `edges` pushes the entries that are not 0 for good from number to number, until only parameters have some;
- `motions` reads tapes on which these would be too many;
- `reading` is the engine's side of both, `records` and `space` are what they share.

One draw at a time goes on a tape of its own:

- `quadratic` holds its numbers.  While a function runs they write a row of the same few words for every operation that
  makes one number of several.
- `columns` reads it, sixteen columns at a time.
"""

from fastfim.autodiff.second_order.columns import differentiate
from fastfim.autodiff.second_order.quadratic import NODE_WORDS, end, recorder, rewind, room
from fastfim.autodiff.second_order.reading import hessian_reader
from fastfim.autodiff.second_order.space import words_of

__all__ = ["NODE_WORDS", "differentiate", "end", "hessian_reader", "recorder", "rewind", "room", "words_of"]
