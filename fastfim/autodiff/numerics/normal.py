"""The normal distribution function, its logarithm and inverse, into both tails.

The lower tail is carried by the scaled complementary error function erfcx(z) = exp(z^2) erfc(z), from the rational
approximations of Cody (1969, Math. Comp. 23, 631; relative error below 1e-16).  The derivative of log Phi is the
inverse Mills ratio m(x) = phi(x) / Phi(x), and its own derivative is -m (x + m), where x + m = 1/z - ... cancels in the
lower tail x = -z: there it is Laplace's continued fraction 1/(z + 2/(z + 3/(z + ...))) (NIST DLMF 7.9.3).  The
quantile starts from Wichura's AS 241 (1988, Applied Statistics 37, 477; relative error 1e-16)::

    log_ndtr(-40.0), mills(-40.0)  # -804.608..., 40.0249...
"""

from __future__ import annotations

import math

from fastfim.autodiff.numerics.compile import compilable

SQRT_HALF = math.sqrt(0.5)
SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)
INVERSE_SQRT_PI = 1.0 / math.sqrt(math.pi)
INVERSE_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)

MIDDLE = (
    (2.15311535474403846e-8, 1.0),
    (5.64188496988670089e-1, 1.57449261107098347e1),
    (8.88314979438837594, 1.17693950891312499e2),
    (6.61191906371416295e1, 5.37181101862009858e2),
    (2.98635138197400131e2, 1.62138957456669019e3),
    (8.81952221241769090e2, 3.29079923573345963e3),
    (1.71204761263407058e3, 4.36261909014324716e3),
    (2.05107837782607147e3, 3.43936767414372164e3),
    (1.23033935479799725e3, 1.23033935480374942e3),
)
FAR = (
    (1.63153871373020978e-2, 1.0),
    (3.05326634961232344e-1, 2.56852019228982242),
    (3.60344899949804439e-1, 1.87295284992346725),
    (1.25781726111229246e-1, 5.27905102951428412e-1),
    (1.60837851487422766e-2, 6.05183413124413191e-2),
    (6.58749161529837803e-4, 2.33520497626869185e-3),
)
QUANTILE_CENTRE = (
    (2.5090809287301226727e3, 5.2264952788528545610e3),
    (3.3430575583588128105e4, 2.8729085735721942674e4),
    (6.7265770927008700853e4, 3.9307895800092710610e4),
    (4.5921953931549871457e4, 2.1213794301586595867e4),
    (1.3731693765509461125e4, 5.3941960214247511077e3),
    (1.9715909503065514427e3, 6.8718700749205790830e2),
    (1.3314166789178437745e2, 4.2313330701600911252e1),
    (3.3871328727963666080, 1.0),
)
QUANTILE_TAIL = (
    (7.74545014278341407640e-4, 1.05075007164441684324e-9),
    (2.27238449892691845833e-2, 5.47593808499534494600e-4),
    (2.41780725177450611770e-1, 1.51986665636164571966e-2),
    (1.27045825245236838258, 1.48103976427480074590e-1),
    (3.64784832476320460504, 6.89767334985100004550e-1),
    (5.76949722146069140550, 1.67638483018380384940),
    (4.63033784615654529590, 2.05319162663775882187),
    (1.42343711074968357734, 1.0),
)
QUANTILE_FAR_TAIL = (
    (2.01033439929228813265e-7, 2.04426310338993978564e-15),
    (2.71155556874348757815e-5, 1.42151175831644588870e-7),
    (1.24266094738807843860e-3, 1.84631831751005468180e-5),
    (2.65321895265761230930e-2, 7.86869131145613259100e-4),
    (2.96560571828504891230e-1, 1.48753612908506148525e-2),
    (1.78482653991729133580, 1.36929880922735805310e-1),
    (5.46378491116411436990, 5.99832206555887937690e-1),
    (6.65790464350110377720, 1.0),
)


@compilable
def _rational(coefficients: tuple[tuple[float, float], ...], x: float) -> float:
    """Quotient of two polynomials, coefficients from the highest power down."""
    p, q = 0.0, 0.0
    for k in range(len(coefficients)):
        p, q = p * x + coefficients[k][0], q * x + coefficients[k][1]
    return p / q


@compilable
def erfcx(z: float) -> float:
    """Scaled complementary error function exp(z^2) erfc(z), z >= 0."""
    if z < 0.46875:
        return math.exp(z * z) * math.erfc(z)
    if z <= 4.0:
        return _rational(MIDDLE, z)
    i = 1.0 / (z * z)
    return (INVERSE_SQRT_PI - i * _rational(FAR, i)) / z


@compilable
def ndtr(x: float) -> float:
    """Standard normal distribution function."""
    return 0.5 * math.erfc(-SQRT_HALF * x)


@compilable
def log_ndtr(x: float) -> float:
    """Logarithm of `ndtr`."""
    if x > -1.0:
        return math.log1p(-0.5 * math.erfc(SQRT_HALF * x))
    return math.log(0.5 * erfcx(-SQRT_HALF * x)) - 0.5 * x * x


@compilable
def mills(x: float) -> float:
    """Derivative of `log_ndtr`: the inverse Mills ratio phi(x) / Phi(x)."""
    if x < 0.0:
        return SQRT_2_OVER_PI / erfcx(-SQRT_HALF * x)
    return INVERSE_SQRT_2PI * math.exp(-0.5 * x * x) / ndtr(x)


@compilable
def mills_excess(x: float) -> float:
    """The sum x + mills(x), positive, by Laplace's continued fraction in the lower tail."""
    if x > -6.0:
        return x + mills(x)
    fraction = -x
    for k in range(40, 1, -1):
        fraction = k / fraction - x
    return 1.0 / fraction


@compilable
def ndtri(p: float) -> float:
    """Standard normal quantile."""
    if not 0.0 < p < 1.0:
        return -math.inf if p == 0.0 else math.inf if p == 1.0 else math.nan
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * _rational(QUANTILE_CENTRE, 0.180625 - q * q)
    r = math.sqrt(-math.log(min(p, 1.0 - p)))
    z = _rational(QUANTILE_TAIL, r - 1.6) if r <= 5.0 else _rational(QUANTILE_FAR_TAIL, r - 5.0)
    return math.copysign(z, q)


@compilable
def ndtri_slope(p: float, z: float) -> float:
    """Derivative 1 / phi(z) of `ndtri` at p, z its value: 1 / (p mills(z)), which underflows nowhere."""
    tail, x = (p, z) if p < 0.5 else (1.0 - p, -z)
    return 1.0 / (tail * mills(x)) if tail > 0.0 else math.inf
