"""Poisson loops: survival and variance of a rate fitted to its own counts.

A generation of n counts is one number, their total S: the fitted rate is S / n and the next total
is Poisson of it, so S is a branching process and Pr(S = 0) is exact in every regime whose points
are redrawn. The same survival is the limit of a rare symbol's in a categorical loop.

References:
  Suresh, Thangaraj and Khandavally, Rate of Model Collapse in Recursive Training, 2024
  (arXiv 2412.17646), Theorem 2: survival under `replace`.
The forms for varying sizes, real points and variances are derived here.
"""

import numpy as np

from ouroboros_jax.theory.clock import as_generations, generations_up_to, values_at
from ouroboros_jax.theory.recursion import covariance_recursion


def survival_rate(generation) -> np.ndarray:
    """g_k at k = generation + 1: g_1 = 1 and g_{k+1} = 1 - exp(-g_k).

    Of n points of rate lambda, Pr(rate != 0) = 1 - exp(-n lambda g_k). Suresh et al., Theorem 2.
    """
    generation = as_generations(generation)
    rates = [1.0]
    for _ in range(int(np.max(generation, initial=0))):
        rates.append(-np.expm1(-rates[-1]))
    return np.array(rates)[generation]


def survival_rate_bounds(generation) -> tuple[np.ndarray, np.ndarray]:
    """1/k and 3/k, between which g_k lies. Suresh et al."""
    k = as_generations(generation) + 1.0
    return 1 / k, 3 / k


def survival_rate_limit(generation) -> np.ndarray:
    """g_k for many generations: 1 / (k/2 + ln(k)/6 + 0.399). Derived here, the constant fitted."""
    k = as_generations(generation) + 1.0
    return 1 / (k / 2 + np.log(k) / 6 + 0.399)


def survival(generation, num_samples, rate, *, num_real=None, real_share=0.0) -> np.ndarray:
    """Pr(fitted rate != 0), exactly, if each generation sees only new points.

    With shares a of real points, the total of generation g given the one before is
    Poisson(a n_g lambda + (1 - a) n_g S / n_{g-1}), so that backwards from y = 1 - exp(-infinity)

      E exp(-y S_g) = exp(-(1 - e^{-y}) (a n_g lambda + (1 - a) n_g S_{g-1} / n_{g-1})).

    Without real points and with equal sizes this is 1 - exp(-n lambda g_k).

    Args:
      generation: ints, 0 being the fit to real data.
      num_samples: points of each generation, a number or a schedule.
      rate: lambda of the truth.
      num_real: points of generation 0; None: `num_samples` at generation 0.
      real_share: share of a generation's points that are real, after rounding to whole points.
    """
    generation = as_generations(generation)
    every = generations_up_to(generation)
    sizes = values_at(num_samples, every)
    sizes[0] = sizes[0] if num_real is None else num_real
    share = np.broadcast_to(values_at(real_share, every), sizes.shape)
    found = np.empty(len(every))
    for g in every:
        y, real = 1.0, 0.0  # y stands for 1 - exp(-y)
        for t in range(g, 0, -1):
            real += y * share[t] * sizes[t] * rate
            y = -np.expm1(-y * (1 - share[t]) * sizes[t] / sizes[t - 1])
        found[g] = -np.expm1(-real - y * sizes[0] * rate)
    return found[generation]


def kept_survival(generation, num_real, rate, fresh=0) -> np.ndarray:
    """Pr(fitted rate != 0) if the real points are always kept: 1 - exp(-lambda N_g).

    N_g counts the real points so far; models with rate 0 add nothing.

    Args:
      generation: ints, 0 being the fit to real data.
      num_real: real points of generation 0.
      rate: lambda of the truth.
      fresh: real points that each later generation adds, a number or `[G + 1]`, entry 0 ignored.
    """
    generation = as_generations(generation)
    added = np.array(np.broadcast_to(fresh, int(np.max(generation, initial=0)) + 1), np.float64)
    added[0] = 0
    return -np.expm1(-rate * (num_real + np.cumsum(added)))[generation]


def redrawn_error(counts, weights=None) -> np.ndarray:
    """Var(rate) / lambda of every generation, `[G + 1]`, if all points are redrawn.

    The recursion of `recursion.py` with a constant variance of draws: a Poisson count's variance is
    its mean, which is a martingale. (g + 1)/n under `replace`.

    Args:
      counts: `[G + 1, G + 1]`, points by source, as `recursion.covariance_recursion` reads them.
      weights: total weights of the sources, the same shape; None: counts / total.
    """
    return covariance_recursion(counts, weights=weights, is_constant=True).mean_squared_error


def kept_error(sizes, fresh=0) -> np.ndarray:
    """Var(rate) / lambda of every generation, `[G + 1]`, if all points are kept.

    A generation of m model points and r real ones changes the pooled rate of N points to ((N + m)
    rate + noise + r real) / N', so that Var' = ((N + m)^2 Var + m + r) / N'^2. For equal sizes
    without real points: sum_j 1/(n j^2), j up to generation + 1.

    Args:
      sizes: points that each generation adds, `[G + 1]`, entry 0 the real data set.
      fresh: how many of them are real, a number or `[G + 1]`, entry 0 ignored.
    """
    sizes = np.asarray(sizes, np.float64)
    real = np.broadcast_to(np.asarray(fresh, np.float64), sizes.shape)
    total, error = sizes[0], 1 / sizes[0]
    errors = [error]
    for n, r in zip(sizes[1:], real[1:], strict=True):
        error = ((total + n - r) ** 2 * error + n) / (total + n) ** 2
        total += n
        errors.append(error)
    return np.array(errors)


def fixed_real_error(sizes) -> np.ndarray:
    """Var(rate) / lambda, `[G + 1]`, with the same N = sizes[0] real points and n new ones.

    With D the squared distance from the real sample's rate and al = n/(N + n):
    D' = al^2 (D + 1/n) from 0, Var = 1/N + D.
    """
    sizes = np.asarray(sizes, np.float64)
    distance, errors = 0.0, [1 / sizes[0]]
    for n in sizes[1:]:
        distance = (n / (sizes[0] + n)) ** 2 * (distance + 1 / n)
        errors.append(1 / sizes[0] + distance)
    return np.array(errors)
