"""Nodes of Gauss's rule, and where to cut the tail of a density that falls off at least exponentially.

The tail integrals of the incomplete gamma and beta functions are, on the logarithmic or logistic scale, integrals over
w >= 0 of exp(-fall(w)) with a convex analytic fall, fall(0) = 0.  Cut where the fall reaches `CUTOFF`, one rule of 32
nodes gives them to rounding: there is nothing to choose between large and small parameters.
"""

from __future__ import annotations

import numpy as np

_nodes, _weights = np.polynomial.legendre.leggauss(32)

#: Nodes and weights of Gauss's rule on [0, 1].
NODES = 0.5 * (1.0 + _nodes)
WEIGHTS = 0.5 * _weights

#: exp(-CUTOFF) = 2e-19; the polynomial weights of second derivatives stay below rounding.
CUTOFF = 43.0
