"""Gaussian mixtures: the exact squared L2 distance, in float64, and its limit under collapse.

A mixture is three arrays: weights `[K]`, means `[K, D]`, covariances `[K, D, D]`.

References:
  Shumailov et al., The Curse of Recursion, 2023 (arXiv 2305.17493): the mixture experiment.
  Suresh, Thangaraj and Khandavally, 2024 (arXiv 2412.17646), Thm 4.
"""

from typing import NamedTuple

import numpy as np

from ouroboros_jax.theory.clock import as_generations, sizes_of


class Gaussians(NamedTuple):
    """A mixture in plain float64 arrays."""

    weights: np.ndarray  # [K]
    means: np.ndarray  # [K, D]
    covariances: np.ndarray  # [K, D, D], positive definite


def inner_product(p: Gaussians, q: Gaussians) -> float:
    """<p, q> = integral of p q = sum_ij a_i b_j N(m_i - n_j; 0, S_i + T_j)."""
    total = 0.0
    for a, m, s in zip(*p, strict=True):
        for b, n, t in zip(*q, strict=True):
            factor = np.linalg.cholesky(np.asarray(s, np.float64) + np.asarray(t, np.float64))
            z = np.linalg.solve(factor, np.subtract(m, n, dtype=np.float64))
            log_det = 2 * np.log(np.diagonal(factor)).sum()
            total += a * b * np.exp(-(z @ z + log_det + len(z) * np.log(2 * np.pi)) / 2)
    return float(total)


def squared_l2(p: Gaussians, q: Gaussians) -> float:
    """Squared L2 distance <p, p> + <q, q> - 2 <p, q>, tiny negative round-off clipped to 0."""
    return max(0.0, inner_product(p, p) + inner_product(q, q) - 2 * inner_product(p, q))


def collapsed_squared_l2(log_det_covariance, num_features):
    """Squared L2 norm of one Gaussian, (4 pi)^(-D/2) det(S)^(-1/2).

    It is the limit of the distance to any broad law as a model collapses; in 2-D it is 1 / (4 pi
    sqrt(det S)). Takes ln det S, since det underflows first.
    """
    log_det = np.asarray(log_det_covariance, np.float64)
    return np.exp(-(num_features * np.log(4 * np.pi) + log_det) / 2)


def suresh_bound(generation, num_samples, threshold, *, num_real=None):
    """Pr(s > threshold std) <= exp(-sum_i 1/(4 n_i)) / threshold, at most 1 (Suresh et al., Thm 4).

    For the symmetric mixture at +-mu of common deviation s, fitted by approximate joint maximum
    likelihood under `replace`; loose.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    return np.minimum(1.0, np.exp(-np.cumsum(1 / (4 * n)))[generation] / threshold)
