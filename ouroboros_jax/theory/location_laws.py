"""Which closed form holds for a run of means of a known spread, from its settings."""

from typing import Any

import numpy as np

from ouroboros_jax.theory.clock import as_generations, counts_of
from ouroboros_jax.theory.law import Law
from ouroboros_jax.theory.ratios import RATIOS

LABELS = {"replace": "(g+1) d s^2/n", "accumulate": "d s^2/n sum_j 1/j^2"}
SOURCE = "Dey and Donoho 2024; exact at finite n"


def mean_laws(point: dict[str, Any], generations: np.ndarray) -> dict[str, Law]:
    """The law of `mean_squared_error` for a run's point; empty where it does not hold.

    Premises: learner `mean`; normal data of the spread that the learner takes for granted;
    `replace` or `accumulate`; as many points in every generation.
    """
    generations = as_generations(generations)
    regime, spread = point["regime.name"], point["learner.spread"]
    is_plain = point["data.name"] == "normal" and spread == point["data.std"]
    if regime not in LABELS or not is_plain or not generations.size:
        return {}
    counts = counts_of(point["num_samples"], generations, point["data.num_samples"])
    if np.ptp(counts):
        return {}
    first = point["data.num_features"] * spread**2 / counts[0]
    expected = first * RATIOS[regime](generations)
    return {"mean_squared_error": Law(LABELS[regime], SOURCE, expected, max_relative_error=0.05)}
