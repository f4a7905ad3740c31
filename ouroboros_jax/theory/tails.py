"""The probability that a chain has not collapsed: bounds and the central limit under `replace`.

`threshold` is on the standard deviation ratio s / std in all functions but
`collapse_survival_bound`, where it is on variances, as for `time_to_collapse`.

References:
  Suresh, Thangaraj and Khandavally, 2024 (arXiv 2412.17646), Thm 3 and its Chernoff family.
  Bertrand et al., 2023 (arXiv 2310.00429), the decay of E[s].
"""

import numpy as np
from scipy.special import digamma, ndtr

from ouroboros_jax.theory import gaussian
from ouroboros_jax.theory.clock import as_generations, divisor_of, sizes_of


def suresh_bound(generation, num_samples, threshold, *, num_real=None):
    """Pr(s > threshold std) <= exp(-sum_i 1/(4 n_i - 1)) / threshold, at most 1 (Thm 3).

    Stated for the unbiased estimator (it rests on c4(n) <= exp(-1/(4n-1))) and true, only looser,
    for maximum likelihood.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    return np.minimum(1.0, np.exp(-np.cumsum(1 / (4 * n - 1)))[generation] / threshold)


def bertrand_bound(generation, num_samples, threshold, **kwargs):
    """Markov's inequality on E[s]: Pr(s > threshold std) <= E[s] / (threshold std)."""
    kwargs = {"estimator": "unbiased", **kwargs}
    std = kwargs.get("std", 1.0)
    expected = gaussian.expected_std(generation, num_samples, **kwargs)
    return np.minimum(1.0, expected / (threshold * std))


def clt_tail(generation, num_samples, threshold, *, num_real=None, estimator="unbiased"):
    """Pr(s > threshold std) with ln v taken as N(k d, k psi1): close, but not a bound."""
    mean = gaussian.expected_log_variance(
        generation, num_samples, num_real=num_real, estimator=estimator
    )
    sd = np.sqrt(gaussian.variance_log_variance(generation, num_samples, num_real=num_real))
    return ndtr((mean - 2 * np.log(threshold)) / sd)


def chernoff_bound(
    generation, num_samples, threshold, *, power=None, num_real=None, estimator="unbiased"
):
    """Pr(s > threshold std) <= E[(s/std)^power] / threshold^power, at most 1, for any power > 0.

    None takes the best power at each generation; Suresh et al.'s plots take 0.7.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    return _chernoff(n, np.log(threshold), power, estimator)[generation]


def collapse_survival_bound(
    generation,
    num_samples,
    threshold,
    *,
    power=None,
    num_real=None,
    estimator="unbiased",
    relative_to="start",
):
    """Upper bound on Pr(time to collapse > generation), the overlay of a survival curve.

    A chain survives while variance / original variance stays above `threshold`, so a survivor is
    above it now; `chernoff_bound` with sqrt(threshold) bounds the probability of that. One
    dimension, `replace`, a sampling bias of 1 or below.

    Args:
      generation: int or int array.
      num_samples: points of each generation, a number or a schedule.
      threshold: on the ratio of variances, in (0, 1).
      power: of the Chernoff family; None: the best one.
      num_real: points of generation 0 if they differ; matters only for `truth`.
      estimator: `mle` or `unbiased`.
      relative_to: `start`, the variance fitted at generation 0 (generation g is then g fits away),
        or `truth` (g + 1 fits away).

    Returns:
      Probabilities of the shape of `generation`.

    References:
      Suresh et al. 2024, Thm 3; in terms of the ratio to generation 0, derived here.
    """
    if relative_to not in ("start", "truth"):
        raise ValueError(f"relative_to must be start or truth, got {relative_to!r}")
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    if relative_to == "truth":
        return _chernoff(n, np.log(threshold) / 2, power, estimator)[generation]
    later = _chernoff(n[1:], np.log(threshold) / 2, power, estimator)
    return np.concatenate([[1.0], later])[generation]


def _tally(n):
    """Distinct sizes `[U]`, and how many fits of each there were after each fit, `[G, U]`."""
    sizes, inverse = np.unique(n, return_inverse=True)
    return sizes, np.cumsum(inverse[:, None] == np.arange(len(sizes))[None], axis=0)


def _chernoff(n, log_threshold, power, estimator):
    if not len(n):
        return np.ones(0)
    sizes, counts = _tally(n)
    if power is None:
        power = _best_power(sizes, counts, log_threshold, estimator)
    power = np.broadcast_to(np.asarray(power, np.float64), counts.shape[:1])
    logs = gaussian.log_moment(sizes[None], power[:, None], estimator)
    return np.exp(np.minimum(0.0, (counts * logs).sum(1) - power * log_threshold))


def _best_power(sizes, counts, log_threshold, estimator):
    """Root of the exponent's derivative in the power, by bisection: the exponent is convex."""
    log_divisor = np.log(2 / divisor_of(sizes, estimator))[None]

    def slope(power):
        terms = log_divisor + digamma((sizes[None] - 1 + power[:, None]) / 2)
        return (counts * terms).sum(1) / 2 - log_threshold

    low = np.zeros(len(counts))
    high = np.ones(len(counts))
    while (below := slope(high) < 0).any():  # ends: the slope grows like (k/2) ln power
        high = np.where(below, 2 * high, high)
    for _ in range(40):
        middle = (low + high) / 2
        below = slope(middle) < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(slope(np.zeros(len(counts))) >= 0, 0.0, (low + high) / 2)
