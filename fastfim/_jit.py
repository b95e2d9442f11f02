"""The one room that chooses Numba's options.

``STRICT`` arithmetic keeps NaN, infinities and the order of additions: fused multiply-adds and signless zeros are all
that the compiler may assume (``fastmath=True`` removes ``isfinite`` tests and breaks branches that return ``-inf``).
``SUMMING`` also lets it add in any order, so that a long sum runs in SIMD lanes; NaN and infinities still come through.
"""

from __future__ import annotations

from typing import Any

from numba import njit

STRICT = frozenset({"contract", "nsz"})
SUMMING = STRICT | {"reassoc"}

#: Options of functions that are inlined where they are called (variates, the user's functions).
INLINE: dict[str, Any] = {"error_model": "numpy", "fastmath": set(STRICT), "forceinline": True}

#: Options of functions of our own that stand by themselves; their machine code is kept on disk.
STANDALONE: dict[str, Any] = {"error_model": "numpy", "fastmath": set(STRICT), "nogil": True, "cache": True}


def inline(function: Any) -> Any:
    """Compile ``function`` so that its callers swallow it whole."""
    return njit(**INLINE)(function)


def standalone(function: Any) -> Any:
    """Compile ``function`` once and for all (machine code cached on disk)."""
    return njit(**STANDALONE)(function)


def summing(function: Any) -> Any:
    """Like `standalone`, with sums in any order."""
    return njit(**{**STANDALONE, "fastmath": set(SUMMING)})(function)
