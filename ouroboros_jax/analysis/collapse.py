"""The generation at which a chain's metric first falls below a share of generation 0's."""

from collections.abc import Sequence

import numpy as np

# Metrics that are logarithms, and what a share is taken of: what they are the logarithm of.
LOGARITHMS = {
    "log_det_covariance": "determinant of the covariance",
    "test_log_likelihood": "likelihood of a held-out point (geometric mean)",
}


def quantity_of(metric: str) -> str:
    """What shares of `metric` are shares of, in words."""
    return LOGARITHMS.get(metric, metric)


def times_to_collapse(metric: str, values: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """The first generation below each share of generation 0, float32 [C, thresholds].

    NaN for chains that never fall below, and for those whose generation 0 has no finite value, or
    none above 0.

    Args:
      metric: the name; of `LOGARITHMS` exponentials are compared.
      values: the metric, [C, generations].
      thresholds: the shares.
    """
    is_log = metric in LOGARITHMS
    first = values[:, :1].astype(np.float64)
    first[~np.isfinite(first) | (not is_log) & (first <= 0)] = np.nan
    times = np.full((len(values), len(thresholds)), np.nan, np.float32)
    for i, threshold in enumerate(np.array(thresholds, np.float64)):
        below = values < (first + np.log(threshold) if is_log else first * threshold)
        times[:, i] = np.where(below.any(1), below.argmax(1), np.nan)
    return times
