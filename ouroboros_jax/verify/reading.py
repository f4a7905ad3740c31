"""One line of the table: a law, its prediction, the measurement, and the gap between them.

A mean over independent chains is compared with its law by z, the gap in standard errors. It has to
be below 4.5 in size: a correct program fails one reading in 150,000. Quantities that are exact, or
limited by a grid, have a tolerance in place of a standard error; z is 0 within it and infinite
beyond.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import ks_1samp, ks_2samp

LIMIT = 4.5
MOST_RELATIVE_ERROR = 0.02  # for means of products of chi-squares, which are not Gaussian beyond


class Reading(NamedTuple):
    """A law and its measurement."""

    law: str
    predicted: float
    measured: float
    error: float  # standard error, or a tolerance if `is_exact`
    z: float
    is_exact: bool = False

    @property
    def holds(self) -> bool:
        """Whether the law holds; it does not if z is NaN."""
        return bool(abs(self.z) < LIMIT)


def reading(law: str, predicted, measured, error) -> Reading:
    """A measurement with its standard error."""
    predicted, measured, error = float(predicted), float(measured), float(error)
    gap = measured - predicted
    z = gap / error if error > 0 else (0.0 if gap == 0 else np.inf)
    return Reading(law, predicted, measured, error, z)


def mean(law: str, predicted, values, sd=None) -> Reading:
    """The mean of independent `values`; `sd` is the exact one of a single value, if known."""
    values = np.asarray(values, np.float64)
    spread = values.std(ddof=1) if sd is None else sd
    return reading(law, predicted, values.mean(), spread / np.sqrt(len(values)))


def variance(law: str, predicted, values) -> Reading:
    """The sample variance of independent `values`, its standard error from their fourth moment."""
    values = np.asarray(values, np.float64)
    squares = np.square(values - values.mean())
    return reading(law, predicted, values.var(ddof=1), squares.std() / np.sqrt(len(values)))


def ratio(law: str, predicted, above, below) -> Reading:
    """The ratio of the means of paired `above` and `below`, by the delta method."""
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    measured = above.mean() / below.mean()
    spread = (above - measured * below).std(ddof=1) / below.mean()
    return reading(law, predicted, measured, spread / np.sqrt(len(above)))


def share(law: str, predicted, claims) -> Reading:
    """The share of independent `claims` that are true, with the exact binomial deviation."""
    sd = np.sqrt(predicted * (1 - predicted))
    return mean(law, predicted, np.asarray(claims, np.float64), sd)


def exact(law: str, predicted, measured, tolerance) -> Reading:
    """The largest gap of arrays that should be equal to within a tolerance."""
    predicted, measured = (np.asarray(x, np.float64) for x in (predicted, measured))
    gap = np.abs(measured - predicted)
    gap = np.where(np.isnan(gap), np.inf, gap)
    worst = np.unravel_index(gap.argmax(), gap.shape)
    z = 0.0 if gap[worst] <= tolerance else np.inf
    return Reading(law, float(predicted[worst]), float(measured[worst]), tolerance, z, True)


def between(law: str, low, high, values) -> Reading:
    """A mean that lies between two bounds; z is measured from the bound that it violates."""
    found = mean(law, low, values)
    if found.measured > high:
        return mean(law, high, values)
    return found._replace(z=min(found.z, 0.0))


def same_law(law: str, values, others) -> Reading:
    """Two samples of one law, by the Kolmogorov-Smirnov distance (predicted 0)."""
    return _distance(law, ks_2samp(values, others), 1 / len(values) + 1 / len(others))


def follows(law: str, cdf, values) -> Reading:
    """A sample of a known law, by the Kolmogorov-Smirnov distance (predicted 0)."""
    return _distance(law, ks_1samp(values, cdf), 1 / len(values))


def _distance(law: str, test, inverse_size: float) -> Reading:
    # z is the Gaussian's with the same p-value, one-sided.
    z = -ndtri(max(test.pvalue, 1e-300))
    return Reading(law, 0.0, float(test.statistic), float(np.sqrt(inverse_size)), float(max(z, 0)))
