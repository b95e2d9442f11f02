"""Numbers that several families share."""

from __future__ import annotations

from math import log, pi

HALF_LOG_2PI = 0.5 * log(2.0 * pi)

# Draws of a small shape pile up at an end of the support and can round onto it, where the density is zero or infinite;
# they belong to the nearest number inside.
SMALLEST = 2.0**-1022
BELOW_ONE = 1.0 - 2.0**-53
