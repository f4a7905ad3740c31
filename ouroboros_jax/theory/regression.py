"""Least squares fitted to its own targets: the excess test error, exactly.

Targets X w + N(0, sigma^2), T rows of d standard normal features, ridgeless, no intercept. The
excess test error |w_g - w*|^2 of the fit to real data is c = sigma^2 d / (T - d - 1) on average for
T >= d + 2, infinite at T = d and d + 1. Every generation adds an error of that size, divided by the
square of the number of data sets over which it is averaged.

References:
  Dohmatob, Feng and Kempe, Model Collapse Demystified, 2024 (arXiv 2402.07712): `replace`.
  Gerstgrasser et al., Is Model Collapse Inevitable?, 2024 (arXiv 2404.01413): `accumulate`, on the
    same inputs; w_g = w_(g-1) + X^+ E_g / (g + 1) exactly.
`fixed_real` is derived here from the same recursion.
"""

import numpy as np

from ouroboros_jax.theory.clock import as_generations
from ouroboros_jax.theory.ratios import AUGMENT_LIMIT
from ouroboros_jax.theory.regimes import accumulate_ratio, replace_ratio


def first_excess(num_samples, num_features, *, noise=1.0):
    """c = sigma^2 d / (T - d - 1), of one fit to T rows; T >= d + 2.

    Raises:
      ValueError: for fewer rows, whose expected error is infinite or has another formula.
    """
    rows, d = np.asarray(num_samples, np.float64), np.asarray(num_features, np.float64)
    if (rows < d + 2).any():
        raise ValueError(f"num_samples must be num_features + 2 or more, got {num_samples}")
    return noise**2 * d / (rows - d - 1)


def replace(generation, num_samples, num_features, *, noise=1.0):
    """(g + 1) c: targets regenerated on the same inputs, or on fresh ones of the same number."""
    first = first_excess(num_samples, num_features, noise=noise)
    return replace_ratio(generation) * first


def accumulate(generation, num_samples, num_features, *, noise=1.0):
    """c sum_{i <= g+1} 1/i^2: targets regenerated on the same inputs, all data sets kept."""
    first = first_excess(num_samples, num_features, noise=noise)
    return accumulate_ratio(generation) * first


def accumulate_limit(num_samples, num_features, *, noise=1.0):
    """c pi^2/6, which `accumulate` never reaches."""
    return AUGMENT_LIMIT * first_excess(num_samples, num_features, noise=noise)


def fixed_real(generation, num_samples, num_features, *, noise=1.0):
    """c (1 + (1 - 4^-g) / 3): the real data set and one of as many targets, on the same inputs.

    The error is half the real fit's and half the last fit's, plus half a new one; the excess D over
    the real fit's obeys D' = (D + c) / 4 on average.
    """
    generation = as_generations(generation)
    first = first_excess(num_samples, num_features, noise=noise)
    return first * (1 + (1 - 0.25**generation) / 3)
