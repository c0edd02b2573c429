"""Student's t distribution with any number of degrees of freedom, by the incomplete beta function. No scipy.

P(|T| > t) = I_x(df / 2, 1 / 2) with x = df / (df + t^2) (Abramowitz and Stegun 26.7.1); I by its continued
fraction (26.5.8), evaluated by Lentz's method.
"""

import math
from statistics import NormalDist

NORMAL = 1e7  # degrees of freedom from which the normal distribution is as good
STEPS = 500  # of the continued fraction, and of Newton's method: far more than either takes
PRECISION = 1e-12


def two_sided(t: float, freedom: float) -> float:
    """P(|T| > t)."""
    if freedom >= NORMAL:
        return math.erfc(abs(t) / math.sqrt(2))
    return _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def quantile(error: float, freedom: float) -> float:
    """The t >= 0 with P(|T| > t) = ``error``, in (0, 1), for ``freedom`` > 0.

    Newton's method from the normal quantile: the tail is convex and the start lies on the left of the root,
    so no step passes it.
    """
    t = NormalDist().inv_cdf(1 - error / 2)
    for _ in range(STEPS):
        step = (two_sided(t, freedom) - error) / (2 * _density(t, freedom))
        t += step
        if abs(step) <= PRECISION * max(1.0, t):
            break
    return t


def _density(t: float, freedom: float) -> float:
    if freedom >= NORMAL:
        return NormalDist().pdf(t)
    constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(math.pi * freedom) / 2
    return math.exp(constant - (freedom + 1) / 2 * math.log1p(t * t / freedom))


def _incomplete_beta(x: float, a: float, b: float) -> float:
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away(1 + term * d, tiny)
            c = _away(1 + term / c, tiny)
            value *= c * d
        if abs(c * d - 1) < PRECISION:
            break
    return value


def _away(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
