"""Real points of weight w beside synthetic ones of 1 - w: the golden ratio and its curves.

Each generation is fitted to n new real points and m synthetic ones; means and within-source
variances are averaged with weights w and 1 - w. Arguments called `num_real` and `num_synthetic`
are n and m. The transient of the whole metric is `multivariate.weighted_spread`; the forms here are
per feature of a truth of standard deviation `std`, unbiased within-source variances.

References:
  He, Xu and Cheng, Golden Ratio Weighting Prevents Model Collapse, 2025 (arXiv 2502.18049).
"""

import numpy as np

from ouroboros_jax.theory.clock import as_generations, values_at


def golden_weight(ratio):
    """The weight of real data with the smallest stationary error, (sqrt(k^2 + 4k) - k) / 2.

    `ratio` k is real points over synthetic ones; 1/phi = .618 at k = 1, 1 as k grows.
    """
    k = np.asarray(ratio, np.float64)
    return 2 * k / (np.sqrt(k * k + 4 * k) + k)


def resolve_weight(real_weight, num_real, num_synthetic) -> np.ndarray:
    """Weights `[G]` of a number, a schedule or the name `golden`, for counts `[G]`."""
    num_real = np.asarray(num_real, np.float64)
    if isinstance(real_weight, str):
        if real_weight != "golden":
            raise ValueError(f"real_weight must be a number or golden, got {real_weight!r}")
        num_synthetic = np.asarray(num_synthetic, np.float64)
        some = (num_real > 0) & (num_synthetic > 0)
        ratio = np.where(some, num_real, 1.0) / np.where(some, num_synthetic, 1.0)
        return np.where(some, golden_weight(ratio), (num_synthetic == 0).astype(np.float64))
    return values_at(real_weight, np.arange(len(num_real)))


def stationary_mean_error(real_weight, num_real, num_synthetic, *, std=1.0):
    """V(w) = std^2 (w^2/n + (1-w)^2/m) / (1 - (1-w)^2), the limit of E[(mu - mu0)^2]."""
    w, n, m = (np.asarray(x, np.float64) for x in (real_weight, num_real, num_synthetic))
    return std**2 * (w**2 / n + (1 - w) ** 2 / m) / (1 - (1 - w) ** 2)


def golden_mean_error(num_real, num_synthetic, *, std=1.0):
    """V(w*) = w* std^2 / n, the smallest stationary error. Value derived here."""
    n, m = np.asarray(num_real, np.float64), np.asarray(num_synthetic, np.float64)
    return golden_weight(n / m) * std**2 / n


def mean_error(generation, real_weight, num_real, num_synthetic, *, num_start=None, std=1.0):
    """E[(mu - mu0)^2] at `generation`, between std^2 / `num_start` and its limit V(w)."""
    generation = as_generations(generation)
    start = std**2 / (num_real if num_start is None else num_start)
    limit = stationary_mean_error(real_weight, num_real, num_synthetic, std=std)
    return limit + (1.0 - real_weight) ** (2 * generation) * (start - limit)


def stationary_variance_sd(real_weight, num_real, num_synthetic, *, std=1.0):
    """Limit of the sd of the weighted unbiased variance, whose mean is std^2 at every generation.

    Var = 2 std^4 (w^2/(n-1) + (1-w)^2/(m-1)) / (1 - (1-w)^2 (1 + 2/(m-1))); infinite where
    the denominator is not positive. Derived here.
    """
    w, n, m = (np.asarray(x, np.float64) for x in (real_weight, num_real, num_synthetic))
    room = 1 - (1 - w) ** 2 * (1 + 2 / (m - 1))
    added = 2 * (w**2 / (n - 1) + (1 - w) ** 2 / (m - 1))
    return std**2 * np.where(room > 0, np.sqrt(added / np.where(room > 0, room, 1.0)), np.inf)


def variance_sd(generation, real_weight, num_real, num_synthetic, *, num_start=None, std=1.0):
    """Sd of the weighted unbiased variance at `generation`. Derived here."""
    generation = as_generations(generation)
    w, n, m = real_weight, num_real, num_synthetic
    start = 2 / ((num_real if num_start is None else num_start) - 1)
    factor = (1 - w) ** 2 * (1 + 2 / (m - 1))
    added = 2 * (w**2 / (n - 1) + (1 - w) ** 2 / (m - 1))
    if factor == 1:
        return std**2 * np.sqrt(start + generation * added)
    limit = added / (1 - factor)
    return std**2 * np.sqrt(limit + factor**generation * (start - limit))
