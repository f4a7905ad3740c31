"""Which closed form holds for a run of centres of a known spread, from its settings."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ouroboros_jax.theory.clock import as_generations, counts_of
from ouroboros_jax.theory.law import Law
from ouroboros_jax.theory.location import median_variance
from ouroboros_jax.theory.ratios import RATIOS

OF_MEANS = {"replace": "(g+1) d s^2/n", "accumulate": "d s^2/n sum_j 1/j^2"}
# The median of a pool is not a sum of medians.
OF_MEDIANS = {"replace": "(g+1) d s^2 Var[median of n]"}


def mean_laws(point: dict[str, Any], generations: np.ndarray) -> dict[str, Law]:
    """The law of `mean_squared_error` for a run's point; empty if it does not hold.

    Premises: learner `mean`; normal data whose spread is the one the learner assumes; `replace` or
    `accumulate`; the same number of points in every generation.
    """
    source = "Dey and Donoho 2024; exact at finite n"
    return _error_laws(point, generations, lambda num: 1 / num, OF_MEANS, source)


def median_laws(point: dict[str, Any], generations: np.ndarray) -> dict[str, Law]:
    """As `mean_laws`, for the learner `median` under `replace`: each generation adds a median's
    own error to the last centre."""
    return _error_laws(point, generations, median_variance, OF_MEDIANS, "order statistics; exact")


def _error_laws(
    point: dict[str, Any],
    generations: np.ndarray,
    variance: Callable[[int], float],
    labels: Mapping[str, str],
    source: str,
) -> dict[str, Law]:
    """The law, if `variance(num)` is that of the centre of `num` standard normal points."""
    generations = as_generations(generations)
    regime, spread = point["regime.name"], point["learner.spread"]
    is_plain = point["data.name"] == "normal" and spread == point["data.std"]
    if regime not in labels or not is_plain or not generations.size:
        return {}
    counts = counts_of(point["num_samples"], generations, point["data.num_samples"])
    if np.ptp(counts):
        return {}
    first = point["data.num_features"] * spread**2 * variance(int(counts[0]))
    expected = first * RATIOS[regime](generations)
    return {"mean_squared_error": Law(labels[regime], source, expected, max_relative_error=0.05)}
