"""The functions of `scipy.special` by name, for plain floats: values alone.

::

    FLOAT_FUNCTIONS["log_ndtr"](-40.0)  # -804.6084420137538
"""

from __future__ import annotations

import math
from collections.abc import Callable

from fastfim.autodiff.numerics.bessel_01 import i0, i0e, i1, i1e
from fastfim.autodiff.numerics.bessel_i import iv, ive
from fastfim.autodiff.numerics.bessel_k import k0, k0e, k1, k1e, kv, kve
from fastfim.autodiff.numerics.hurwitz import polygamma, zeta
from fastfim.autodiff.numerics.incomplete_beta import betainc
from fastfim.autodiff.numerics.incomplete_gamma import gammainc, gammaincc
from fastfim.autodiff.numerics.log_gamma import betaln, gamma, gammaln
from fastfim.autodiff.numerics.logistic import entr, expit, log_expit, logit, rel_entr, xlog1py, xlogy
from fastfim.autodiff.numerics.normal import log_ndtr, ndtr, ndtri
from fastfim.autodiff.numerics.psi import digamma

#: Functions of `scipy.special`, by name; ``zeta`` is the one of two arguments.
FLOAT_FUNCTIONS: dict[str, Callable[..., float]] = {
    "betainc": betainc,
    "betaln": betaln,
    "digamma": digamma,
    "entr": entr,
    "erf": math.erf,
    "erfc": math.erfc,
    "expit": expit,
    "gamma": gamma,
    "gammainc": gammainc,
    "gammaincc": gammaincc,
    "gammaln": gammaln,
    "i0": i0,
    "i0e": i0e,
    "i1": i1,
    "i1e": i1e,
    "iv": iv,
    "ive": ive,
    "k0": k0,
    "k0e": k0e,
    "k1": k1,
    "k1e": k1e,
    "kv": kv,
    "kve": kve,
    "log_expit": log_expit,
    "log_ndtr": log_ndtr,
    "logit": logit,
    "ndtr": ndtr,
    "ndtri": ndtri,
    "polygamma": polygamma,
    "psi": digamma,
    "rel_entr": rel_entr,
    "xlog1py": xlog1py,
    "xlogy": xlogy,
    "zeta": zeta,
}
