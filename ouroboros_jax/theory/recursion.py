"""One recursion for every regime whose points are redrawn: fresh mixtures, windows, schedules.

Let generation t train on N_t points, n_{t,s} of them drawn now from model s (s = 0 is the truth
here, s = 1 the model of generation 0), w = n / N. Means are martingales, so the covariance C of
estimation errors, in units of the truth's variance, obeys

  C_{t,u} = sum_s w_{t,s} C_{s,u}                                     for u < t
  C_{t,t} = sum_{s,r} w_{t,s} w_{t,r} C_{s,r} + sum_s w_{t,s}^2 b_{t,s} E[v_s] / n_{t,s}
  E[v_t]  = (N_t / nu_t) (sum_s w_{t,s} (b_{t,s} E[v_s] + C_{s,s}) - C_{t,t})

with b the sampling bias of models. Without bias and with maximum likelihood the last line says
E[v_t] + C_{t,t} = 1: the wandering of the mean gains what the variance loses (*conservation law*).
The same C holds for categorical frequencies, where E[heterozygosity_t] = H_0 (1 - C_{t,t}). Regimes
that persist data are in `regimes.py`. Derived here; the martingale is the starting point of Jangjoo
et al., 2025 (arXiv 2506.20623).
"""

from typing import NamedTuple

import numpy as np

from ouroboros_jax.theory.clock import as_generations, biases_of, divisor_of, sizes_of, split_counts
from ouroboros_jax.theory.weighted import resolve_weight


class Recursion(NamedTuple):
    """Expected moments of generations 0..G, per feature of a truth of variance 1, float64."""

    covariance: np.ndarray  # [G + 1, G + 1], of the means' errors
    variance: np.ndarray  # [G + 1], E of the fitted variance

    @property
    def mean_squared_error(self) -> np.ndarray:
        """E[(mu - mu0)^2], `[G + 1]`."""
        return np.diagonal(self.covariance)


def covariance_recursion(
    counts, *, weights=None, estimator="mle", bias=1.0, is_constant=False
) -> Recursion:
    """The recursion over a table of counts.

    Args:
      counts: `[G + 1, G + 1]`, row g the points of generation g by source: column 0 the truth,
        column s the model of generation s - 1. On and above the first superdiagonal it is ignored.
      weights: total weights of the sources, the same shape, rows summing to 1; None is counts / N.
      estimator: `mle` or `unbiased`; with `weights` the former only.
      bias: factor on the variance of what models draw, a number or a schedule.
      is_constant: whether models draw with the truth's variance on average, whatever was fitted, as
        for Poisson counts, whose variance is their mean; `variance` is then meaningless.

    Returns:
      A `Recursion`.
    """
    counts = np.tril(np.asarray(counts, np.float64))
    last = len(counts) - 1
    if weights is not None and estimator != "mle":
        raise ValueError("weights need estimator mle: a weighted pool has no single n - 1")
    total = counts.sum(1)
    scale = total / divisor_of(total, estimator)
    w = counts / total[:, None] if weights is None else np.tril(np.asarray(weights, np.float64))
    bias = biases_of(bias, np.arange(last + 1))
    c = np.zeros((last + 2, last + 2))
    v = np.ones(last + 2)
    for t in range(1, last + 2):
        s = np.flatnonzero(w[t - 1, :t])
        ws, n = w[t - 1, s], counts[t - 1, s]
        drawn = np.ones(len(s)) if is_constant else v[s] * np.where(s == 0, 1.0, bias[t - 1])
        c[t, :t] = ws @ c[s, :t]
        c[:t, t] = c[t, :t]
        c[t, t] = ws @ c[t, s] + (ws**2 * drawn / n).sum()
        v[t] = scale[t - 1] * (ws @ (drawn + c[s, s]) - c[t, t])
    return Recursion(c[1:, 1:], v[1:])


def replace_counts(generation, num_samples, *, num_real=None) -> np.ndarray:
    """Table of `replace` up to the largest of `generation`: all points from the last model."""
    return np.diag(sizes_of(num_samples, as_generations(generation), num_real))


def fresh_counts(generation, num_samples, real_fraction, *, num_real=None) -> np.ndarray:
    """Table of `fresh`: a share of new real points, rounded half up, the rest synthetic."""
    real, synthetic = split_counts(num_samples, real_fraction, as_generations(generation))
    if num_real is not None:
        real[0] = num_real
    table = np.diag(synthetic)
    table[:, 0] += real
    return table


def weighted_counts(
    generation, num_samples, real_fraction, real_weight, *, num_real=None
) -> tuple[np.ndarray, np.ndarray]:
    """Tables of `weighted`: counts as of `fresh`, and the weights of the sources.

    `real_weight` may be `golden`; a source without points has no weight.
    """
    counts = fresh_counts(generation, num_samples, real_fraction, num_real=num_real)
    real, synthetic = counts[:, 0].copy(), counts.sum(1) - counts[:, 0]
    w = resolve_weight(real_weight, real, synthetic)
    weights = np.diag(np.where(synthetic > 0, 1 - w, 0))
    weights[:, 0] += np.where(real > 0, w, 0)
    weights[0, 0] = 1
    return counts, weights / weights.sum(1, keepdims=True)


def window_split(generation, num_samples, window) -> tuple[np.ndarray, int]:
    """Counts of one generation >= 1 by model, newest first, and of the truth.

    They are as even as whole points allow over the last `window` models, the truth counting as the
    model before generation 0: cumulative counts rounded half up.
    """
    num, models = int(num_samples), min(int(generation) + 1, int(window))
    edges = np.arange(models + 1)
    split = np.diff((2 * edges * num + models) // (2 * models))
    by_model = split[: min(int(generation), models)]
    return by_model, num - int(by_model.sum())


def window_counts(generation, num_samples, window, *, num_real=None) -> np.ndarray:
    """Table of `window` of models up to the largest of `generation`."""
    sizes = sizes_of(num_samples, as_generations(generation), num_real)
    table = np.zeros((len(sizes), len(sizes)))
    table[0, 0] = sizes[0]
    for g in range(1, len(sizes)):
        by_model, real = window_split(g, sizes[g], window)
        table[g, g - np.arange(len(by_model))] = by_model
        table[g, 0] += real
    return table
