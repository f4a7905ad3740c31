"""A law and data: the expected mean of a metric, and the distance of a run's chains from it."""

from typing import NamedTuple

import numpy as np

MIN_CHAINS = 30  # with fewer, a sample standard error is unreliable


class Law(NamedTuple):
    """The mean of one metric over chains that theory predicts, at given generations."""

    label: str
    source: str
    expected: np.ndarray  # [G]
    sd: np.ndarray | None = None  # [G], exact, of a single chain; None if not known
    # Above this relative standard error, a skewed metric's mean is too far from Gaussian to test.
    max_relative_error: float = np.inf


class ZScore(NamedTuple):
    """A mean over chains against its law; `valid` tells whether |z| may be read as a Gaussian's."""

    predicted: float
    measured: float
    standard_error: float
    z: float
    valid: bool


def z_score(law: Law, values: np.ndarray, index: int) -> ZScore:
    """How many standard errors the chains' mean lies from the law, at one generation.

    The standard error is the exact one if the law has it, else the sample's. Skewed metrics (those
    whose law carries `max_relative_error`) are marked invalid while the relative standard error is
    above it: too few chains, or too heavy a tail. Read `log_det_covariance` instead.

    Args:
      law: a law of the metric, at the run's generations.
      values: `[C, G]`, the metric of independent chains.
      index: position along G in both.

    Returns:
      A `ZScore`; z is 0 if a metric without spread equals its law.
    """
    column = np.asarray(values, np.float64)[:, index]
    predicted = float(law.expected[index])
    chains = len(column)
    if chains < 1 or not np.isfinite(column).all() or not np.isfinite(predicted):
        return ZScore(predicted, float("nan"), float("nan"), float("nan"), False)
    measured = float(column.mean())
    if law.sd is not None:
        spread = float(law.sd[index])
    else:
        spread = float(column.std(ddof=1)) if chains > 1 else float("nan")
    error = spread / np.sqrt(chains)
    gap = measured - predicted
    if not np.isfinite(error):
        return ZScore(predicted, measured, error, float("nan"), False)
    if error == 0:
        return ZScore(predicted, measured, 0.0, 0.0 if gap == 0 else float("nan"), False)
    relative = error / abs(predicted) if predicted else np.inf
    enough = law.sd is not None or chains >= MIN_CHAINS
    valid = enough and (np.isinf(law.max_relative_error) or relative < law.max_relative_error)
    return ZScore(predicted, measured, error, gap / error, bool(valid))
