"""The kernel-density loop: its variance grows by that of the kernel every generation.

An estimate on points of variance V draws points of variance V + c, with c the kernel's variance of
one coordinate: h^2 of a Gaussian kernel, h^2 / (D + 2) of a uniform ball. V is by maximum
likelihood (it divides by N). In the usual count of resamples, k = generation: the points of
generation 0 are real ones. Values are per feature; the truth's variance is `variance`, an array if
features differ. Derived here.

References:
  Kazdan et al., Collapse or Thrive?, 2024 (arXiv 2410.16713): the loop; its sizes and bandwidths.
"""

from typing import NamedTuple

import numpy as np

from ouroboros_jax.theory.clock import as_generations, sizes_of, values_at

KERNELS, RULES = ("gaussian", "tophat"), ("fixed", "scott", "silverman")


class Moments(NamedTuple):
    """Expected moments at `generation`, float64 of its shape."""

    points: np.ndarray  # variance of the points trained on
    variance: np.ndarray  # variance of the estimate, kernel included
    mean_squared_error: np.ndarray  # of the mean of the points


def kernel_variance(bandwidth, *, num_features: int = 1, kernel: str = "gaussian"):
    """Variance of one coordinate of a kernel."""
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
    square = np.square(np.asarray(bandwidth, np.float64))
    return square / (num_features + 2 if kernel == "tophat" else 1)


def bandwidth_by_rule(rule: str, count, *, num_features: int = 1):
    """Scikit-learn's `scott` or `silverman` bandwidth of `count` points."""
    if rule not in RULES[1:]:
        raise ValueError(f"rule must be one of {', '.join(RULES[1:])}, got {rule!r}")
    count = np.asarray(count, np.float64)
    size = count if rule == "scott" else count * (num_features + 2) / 4
    return size ** (-1 / (num_features + 4))


def _added(count, rule, bandwidth, num_features, kernel) -> np.ndarray:
    """The variance that each generation's estimate adds to its draws, [G + 1]."""
    if rule == "fixed":
        bandwidth = values_at(bandwidth, np.arange(len(count)))
    else:
        bandwidth = bandwidth_by_rule(rule, count, num_features=num_features)
    return kernel_variance(bandwidth, num_features=num_features, kernel=kernel)


def replace(
    generation,
    num_samples,
    *,
    bandwidth=0.3,
    rule="fixed",
    num_features=1,
    kernel="gaussian",
    num_real=None,
    variance=1.0,
) -> Moments:
    """Each generation is fitted to n points of the last: V' = (1 - 1/n) (V + c).

    At equal sizes V_g = (n-1) c + (1 - 1/n)^g (V_0 - (n-1) c): it expands if (n-1) c > V_0.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    added = _added(n, rule, bandwidth, num_features, kernel)
    points, errors = [(1 - 1 / n[0]) * variance], [variance / n[0]]
    for g in range(1, len(n)):
        drawn = points[-1] + added[g - 1]
        points.append((1 - 1 / n[g]) * drawn)
        errors.append(errors[-1] + drawn / n[g])
    return _moments(points, added, errors, generation)


def accumulate(
    generation,
    num_samples,
    *,
    bandwidth=0.3,
    rule="fixed",
    num_features=1,
    kernel="gaussian",
    num_real=None,
    variance=1.0,
) -> Moments:
    """Each generation is fitted to all points so far, n new ones each.

    At equal sizes V_(g+1) = V_g + c/(g+2) - (V_g + c)/(n (g+2)^2), with g + 2 data sets: it grows
    like c ln g without bound.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    total = np.cumsum(n)
    added = _added(total, rule, bandwidth, num_features, kernel)
    points, errors = [(1 - 1 / n[0]) * variance], [variance / n[0]]
    for g in range(1, len(n)):
        drawn, share = points[-1] + added[g - 1], n[g] / total[g]
        within = (1 - share) * points[-1] + share * (1 - 1 / n[g]) * drawn
        points.append(within + share * (1 - share) * drawn / n[g])
        errors.append(errors[-1] + share**2 * drawn / n[g])
    return _moments(points, added, errors, generation)


def fixed_point(num_samples, bandwidth, *, num_features=1, kernel="gaussian"):
    """Limit (n - 1) c of the points' variance under `replace`, whatever the truth."""
    n = np.asarray(num_samples, np.float64)
    return (n - 1) * kernel_variance(bandwidth, num_features=num_features, kernel=kernel)


def _moments(points, added, errors, generation) -> Moments:
    points = np.array(points)
    added = added.reshape(-1, *[1] * (points.ndim - 1))
    return Moments(points[generation], (points + added)[generation], np.array(errors)[generation])
