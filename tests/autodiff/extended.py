"""The slow twin: the same user source, run uncompiled in 60 digits and differentiated by central differences.

``in_extended_precision`` gives a function new globals, in which ``math`` and ``np`` are mpmath; so are those of its
helpers and closures.  No rule of the package enters.  With steps of 1e-15 the truncation error is of the order of
1e-30 and the rounding error about the same.
"""

from __future__ import annotations

import builtins
import types

import mpmath
import numpy as np
import scipy.special

from . import special_oracle

DIGITS = 60
STEP = mpmath.mpf(10) ** -15

SAME = ("log", "exp", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "asinh", "acosh")
SAME += ("atanh", "erf", "erfc", "gamma", "expm1", "log1p", "atan2", "hypot")
TABLE = {name: getattr(mpmath, name) for name in SAME}
TABLE |= {
    "lgamma": lambda x: mpmath.re(mpmath.loggamma(x)),
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "log10": lambda x: mpmath.log(x) / mpmath.log(10),
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "fabs": abs,
    "pow": lambda x, y: mpmath.mpf(x) ** y,
    "copysign": lambda x, y: abs(x) if y >= 0 else -abs(x),
    "isnan": mpmath.isnan,
    "isinf": mpmath.isinf,
    "isfinite": mpmath.isfinite,
}


def logaddexp(a, b):
    """The logarithm of a sum of exponentials in extended precision."""
    if max(a, b) == -mpmath.inf:
        return max(a, b)
    return max(a, b) + mpmath.log1p(mpmath.exp(-abs(a - b)))


def mp_array(make):
    def made(*args, **kws):
        shape, *rest = (a for a in args if a is not REPLACED["float"])  # no dtype
        return make(shape, *rest, dtype=object) + mpmath.mpf(0)

    return made


def on_matrices(operation):
    """An operation of mpmath on its matrices, for arrays of objects."""

    def applied(*arrays):
        result = operation(*(mpmath.matrix(a.tolist()) for a in arrays))
        if not isinstance(result, mpmath.matrix):
            return result
        rows = np.array([[result[i, j] for j in range(result.cols)] for i in range(result.rows)], dtype=object)
        return rows[:, 0] if arrays[-1].ndim == 1 else rows

    return applied


def slogdet(a):
    """Sign and logarithm of the absolute value of a determinant in extended precision."""
    determinant = on_matrices(mpmath.det)(a)
    return float(mpmath.sign(determinant)), mpmath.log(abs(determinant))


LINALG = types.SimpleNamespace(
    cholesky=on_matrices(mpmath.cholesky),
    solve=on_matrices(lambda a, b: mpmath.inverse(a) * b),
    inv=on_matrices(mpmath.inverse),
    det=on_matrices(mpmath.det),
    slogdet=slogdet,
    norm=lambda a: mpmath.sqrt(np.sum(a * a)),
)


def on_elements(function):
    """A function of numbers, for arrays of objects too."""
    return lambda *args: (
        np.frompyfunc(function, len(args), 1)(*args)
        if any(isinstance(a, np.ndarray) for a in args)
        else function(*args)
    )


def objects(make):
    """A function that makes an array, with elements that take extended numbers unless all are integers."""

    def made(*args):
        found = make(*args)
        return found if found.dtype.kind == "i" else found.astype(object)

    return made


MATH = types.SimpleNamespace(**TABLE, pi=mpmath.pi, e=mpmath.e, inf=mpmath.inf, nan=mpmath.nan)
NUMPY = types.SimpleNamespace(
    **{name: on_elements(f) for name, f in TABLE.items() if name not in ("pow", "gamma", "lgamma", "erf", "erfc")},
    **{name: mp_array(getattr(np, name)) for name in ("zeros", "ones", "zeros_like")},
    empty=mp_array(np.zeros),
    empty_like=mp_array(np.zeros_like),
    **{name: mp_array(getattr(np, name)) for name in ("ones_like", "full", "full_like")},
    **{
        name: getattr(np, name)
        for name in ("sum", "mean", "dot", "copy", "max", "min", "prod", "ravel", "trace", "outer")
    },
    **{
        name: getattr(np, name)
        for name in ("diag", "tril", "triu", "argmax", "argmin", "inner", "vdot", "cumsum", "diff", "clip")
    },
    **{name: objects(getattr(np, name)) for name in ("array", "arange", "linspace")},
    eye=mp_array(lambda n, dtype: np.eye(n, dtype=int).astype(dtype)),
    identity=mp_array(lambda n, dtype: np.eye(n, dtype=int).astype(dtype)),
    var=lambda a: np.mean((a - np.mean(a)) ** 2),
    std=lambda a: mpmath.sqrt(np.mean((a - np.mean(a)) ** 2)),
    square=lambda x: x * x,
    power=lambda x, y: x**y,
    maximum=on_elements(max),
    minimum=on_elements(min),
    where=lambda c, a, b: np.where(c, a, b) if isinstance(c, np.ndarray) else a if c else b,
    abs=abs,
    logaddexp=logaddexp,
    sign=mpmath.sign,
    arctan=mpmath.atan,
    pi=mpmath.pi,
    inf=mpmath.inf,
    float64=lambda x: x,
    linalg=LINALG,
)
#: Functions of scipy.special, by what a program's names stand for.
SPECIAL = {getattr(scipy.special, name): on_elements(f) for name, f in special_oracle.FUNCTIONS.items()}
SPECIAL[scipy.special.logsumexp] = lambda v: mpmath.log(sum(mpmath.exp(u) for u in v))
REPLACED = {"math": MATH, "np": NUMPY, "float": lambda x: x}


def translate(value):
    """Python objects of a user's program as they are in extended precision."""
    plain = getattr(value, "py_func", value)
    if plain in SPECIAL:
        return SPECIAL[plain]
    if isinstance(plain, types.FunctionType) and plain.__module__.split(".")[0] not in ("numpy", "numba"):
        return in_extended_precision(plain)
    name = getattr(plain, "__name__", "")
    return TABLE[name] if getattr(plain, "__module__", "") == "math" and name in TABLE else value


class Globals(dict):
    """Looks names up in the original globals, translated on the way."""

    def __init__(self, original):
        super().__init__(REPLACED, __builtins__=builtins)
        for name, value in original.items():
            if callable(value) and name not in REPLACED and not isinstance(value, type):
                self.setdefault(name, Lazy(value))
            else:
                self.setdefault(name, value)


class Lazy:
    """A callable, translated when it is called (helpers may name each other)."""

    def __init__(self, value):
        self.value = value

    def __call__(self, *args, **kws):
        return translate(self.value)(*args, **kws)


def in_extended_precision(function):
    """The same code with mpmath for ``math`` and ``np``."""
    cells = tuple(types.CellType(translate(c.cell_contents)) for c in function.__closure__ or ())
    made = types.FunctionType(
        function.__code__, Globals(function.__globals__), function.__name__, function.__defaults__, cells
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def derivatives(function, x, theta):
    """Value, gradient and Hessian of ``function(x, theta)`` as floats."""
    with mpmath.workdps(DIGITS):
        exact = in_extended_precision(getattr(function, "py_func", function))
        point = [mpmath.mpf(float(t)) for t in theta]
        p = len(point)

        def at(*shifts):
            moved = np.array(point, dtype=object)
            for i, sign in shifts:
                moved[i] += sign * STEP
            return mpmath.mpf(exact(x, moved))

        gradient = [float((at((i, 1)) - at((i, -1))) / (2 * STEP)) for i in range(p)]
        hessian = np.zeros((p, p))
        for i in range(p):
            for j in range(i, p):
                mixed = at((i, 1), (j, 1)) - at((i, 1), (j, -1)) - at((i, -1), (j, 1)) + at((i, -1), (j, -1))
                hessian[i, j] = hessian[j, i] = float(mixed / (4 * STEP * STEP))
        return float(at()), np.array(gradient), hessian
