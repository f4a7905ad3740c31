"""Centres of normal points: how much a sample's median varies, at any finite size."""

import numpy as np
from scipy.integrate import quad
from scipy.special import betaincinv, ndtri
from scipy.stats import beta


def median_variance(num_points: int) -> float:
    """Variance of the median of `num_points` standard normal points; about pi / (2 n) for many.

    An odd number has a middle one, whose place among uniforms is Beta(k + 1, k + 1). For an even
    number 2k the middle two are averaged: the upper one's place v is Beta(k + 1, k), and the
    lower's is v times the largest of k uniforms. By quadrature, to about 1e-6.

    Raises:
      ValueError: no points.
    """
    if num_points < 1:
        raise ValueError(f"num_points must be 1 or more, got {num_points}")
    half = num_points // 2
    if num_points % 2:
        place = beta(half + 1, half + 1)
        low, high = place.ppf([1e-15, 1 - 1e-15])
        return quad(lambda u: ndtri(u) ** 2 * place.pdf(u), low, high, limit=200)[0]
    nodes, weights = np.polynomial.legendre.leggauss(400)
    # Denser towards both ends, where quantiles are steep: x = t^2 (3 - 2 t).
    t = (nodes + 1) / 2
    levels, weights = t**2 * (3 - 2 * t), weights * 3 * t * (1 - t)
    upper = betaincinv(half + 1, half, levels)
    lower = upper[:, None] * levels[None] ** (1 / half)
    middle = (ndtri(lower) + ndtri(upper)[:, None]) / 2
    return float(weights @ middle**2 @ weights)
