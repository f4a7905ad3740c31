"""Categorical loops: heterozygosity in every regime, and bounds on which symbols survive.

Heterozygosity H = 1 - sum p_i^2 is the categorical twin of a variance. With C the squared error of
a frequency in units of its one-sample variance, E[H_g] = H_0 (1 - C_g) in every regime, so the
Gaussian's curves apply: one law for two substrates. Exact survival is in `wright_fisher.py`.

References:
  Seddik et al., How Bad is Training on Synthetic Data?, 2024 (arXiv 2404.05090): totals, times to
    collapse, fixed real data.
  Suresh, Thangaraj and Khandavally, Rate of Model Collapse in Recursive Training, 2024
    (arXiv 2412.17646): survival of rare symbols, Theorem 1 and Corollary 1.
  Kazdan et al., 2024 (arXiv 2410.16713), Gerstgrasser et al., 2024 (arXiv 2404.01413): regimes.
The exact forms at finite n for regimes other than `replace` and fixed real data are derived here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ouroboros_jax.theory import regimes
from ouroboros_jax.theory.clock import as_generations
from ouroboros_jax.theory.poisson import survival_rate
from ouroboros_jax.theory.recursion import covariance_recursion, weighted_counts

# Heterozygosity


def initial_heterozygosity(probabilities) -> float:
    """H_0 = 1 - sum p_i^2 of the truth."""
    return float(1 - np.square(np.asarray(probabilities, np.float64)).sum())


def weighted(generation, num_samples, real_fraction, real_weight, *, num_real=None) -> np.ndarray:
    """E[H_g] / H_0 with new real points of total weight w and model points of weight 1 - w.

    This is for pooled frequencies and differs from the Gaussian's variance within sources.
    `real_weight` may be `golden`.
    """
    generation = as_generations(generation)
    shares = real_fraction, real_weight
    counts, weights = weighted_counts(generation, num_samples, *shares, num_real=num_real)
    return 1 - covariance_recursion(counts, weights=weights).mean_squared_error[generation]


class Retained(NamedTuple):
    """E[H_g] / H_0 of a regime as `function(generation, num_samples, *settings, num_real=)`."""

    function: Callable[..., np.ndarray]
    settings: tuple[str, ...] = ()  # of the regime, in order


def _gaussian(name: str, *settings: str) -> Retained:
    """A regime of `regimes.py`, whose variance by maximum likelihood is E[H_g] / H_0."""
    curve = getattr(regimes, name)
    return Retained(lambda *args, **kwargs: curve(*args, **kwargs).variance, settings)


RETAINED = {
    "replace": _gaussian("replace"),
    "accumulate": _gaussian("accumulate"),
    "accumulate_fresh": _gaussian("accumulate_fresh", "real_fraction"),
    "accumulate_subsample": _gaussian("accumulate_subsample"),
    "window": _gaussian("window", "window"),
    "fresh": _gaussian("fresh", "real_fraction"),
    "fixed_real": _gaussian("fixed_real"),
    "weighted": Retained(weighted, ("real_fraction", "real_weight")),
}


def retained_heterozygosity(
    generation, num_samples, regime="replace", *, num_real=None, **settings: Any
) -> np.ndarray:
    """E[H_g] / H_0 under a regime, exactly at finite n.

    (1 - 1/n)^(g+1) under `replace`, prod_j (1 - 1/(n j^2)) under `accumulate`.

    Args:
      generation: ints, 0 being the fit to real data.
      num_samples: points a generation, a number or a schedule, 2 or more.
      regime: a name of `RETAINED`; `window` means the one that redraws its points.
      num_real: points of generation 0; None: `num_samples` at generation 0.
      **settings: the regime's `real_fraction`, `real_weight` or `window`.
    """
    if regime not in RETAINED:
        raise ValueError(f"regime={regime!r}: expected one of {', '.join(RETAINED)}")
    function, names = RETAINED[regime]
    if set(names) != set(settings):
        raise ValueError(f"regime={regime!r} takes {names}, got {sorted(settings)}")
    values = [settings[name] for name in names]
    return function(as_generations(generation), num_samples, *values, num_real=num_real)


def expected_squared_norm(generation, num_samples, probabilities, **kwargs) -> np.ndarray:
    """E[sum p_i^2] = 1 - E[H_g], S_m of Seddik et al., Theorem 1, with m = generation + 1."""
    kept = retained_heterozygosity(generation, num_samples, **kwargs)
    return 1 - initial_heterozygosity(probabilities) * kept


def fixed_real_squared_norm(generation, num_samples, num_real, probabilities) -> np.ndarray:
    """E[sum p_i^2] with N real points kept and n new ones: the recursion of Seddik et al., Thm 2.

    With al = n/(N + n), be = al ((1 + 1/N) al - 1/N): S_1 = 1/N + (1 - 1/N) S_0 and
    S_{m+1} = (1 - al^2) S_1 + al/(N + n) + be S_m.
    """
    generation = as_generations(generation)
    n, real = float(num_samples), float(num_real)
    al = n / (real + n)
    be = al * ((1 + 1 / real) * al - 1 / real)
    first = 1 / real + (1 - 1 / real) * (1 - initial_heterozygosity(probabilities))
    norms = [first]
    for _ in range(int(np.max(generation, initial=0))):
        norms.append((1 - al**2) * first + al / (real + n) + be * norms[-1])
    return np.array(norms)[generation]


def polya_limit(counts) -> list[Any]:
    """Laws of the limiting share of each symbol if points are added one at a time.

    A Polya urn from these initial counts: shares become Dirichlet(counts), each of them Beta. With
    more points at a time the limit differs.
    """
    counts = np.asarray(counts, np.float64)
    return [stats.beta(count, counts.sum() - count) for count in counts]


# Collapse onto one symbol, under `replace`


def collapse_probability_bounds(generation, num_samples, probabilities):
    """Bounds on Pr(only one symbol is left). Seddik et al., Theorem 1.

    1 - n (1 - S_0)(1 - 1/n)^m <= rho_m <= 1 - (1 - S_0)/(1 - 1/s) (1 - 1/n)^m, m = generation + 1,
    s the number of symbols of positive probability.
    """
    p = np.asarray(probabilities, np.float64)
    kept = initial_heterozygosity(p) * (1 - 1 / num_samples) ** (as_generations(generation) + 1.0)
    support = int((p > 0).sum())
    upper = 1 - kept / (1 - 1 / support) if support > 1 else np.ones_like(kept)
    return np.maximum(1 - num_samples * kept, 0), upper


def collapse_time_bounds(num_samples, probabilities) -> tuple[float, float]:
    """Bounds on the mean number of fits until one symbol is left. Seddik et al., Prop. 1.

    1 + (1 - S_0)/(1 - 1/s) (n - 1) <= E[T] <= 1 + (1 - S_0) n (n - 1).
    """
    p = np.asarray(probabilities, np.float64)
    h, n = initial_heterozygosity(p), float(num_samples)
    support = int((p > 0).sum())
    return 1 + h / (1 - 1 / support) * (n - 1), 1 + h * n * (n - 1)


# Survival of symbols, under `replace`


def extinction_bounds(generation, num_samples, probability) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on Pr(a symbol of this probability is lost). Suresh et al., Theorem 1.

    max(1 - 3 n p^2 - 3 k p, 0) exp(-n p g_k) <= Pr(p_k = 0) <= exp(-n p g_k), k = generation + 1.
    Shapes broadcast.
    """
    generation = as_generations(generation)
    k, p = generation + 1.0, np.asarray(probability, np.float64)
    upper = np.exp(-num_samples * p * survival_rate(generation))
    return np.maximum(1 - 3 * num_samples * p**2 - 3 * k * p, 0) * upper, upper


def survival_bounds(generation, num_samples, probability) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on Pr(p_k != 0): the complement of `extinction_bounds`.

    The lower one is the useful curve; the upper one is void once 3 k p is near 1.
    """
    low, high = extinction_bounds(generation, num_samples, probability)
    return 1 - high, 1 - low


def both_survive_bounds(generation, num_samples, probability) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on Pr(p_k is neither 0 nor 1) of two symbols. Suresh et al., Theorem 1, two-sided."""
    low, high = extinction_bounds(generation, num_samples, probability)
    other_low, other_high = extinction_bounds(
        generation, num_samples, 1 - np.asarray(probability, np.float64)
    )
    return np.maximum(1 - high - other_high, 0), 1 - low - other_low


def seddik_both_survive_bounds(generation, num_samples, probability):
    """The older bracket [4 p q (1 - 1/n)^k, 2 n p q (1 - 1/n)^k] of the same; far looser."""
    p = np.asarray(probability, np.float64)
    kept = p * (1 - p) * (1 - 1 / num_samples) ** (as_generations(generation) + 1.0)
    return 4 * kept, np.minimum(2 * num_samples * kept, 1)


def surviving_bounds(generation, num_samples, probabilities) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on the expected number of surviving symbols, `[G]`. Suresh et al., Corollary 1."""
    generation = as_generations(generation).reshape(-1)
    p = np.asarray(probabilities, np.float64)
    low, high = survival_bounds(generation[:, None], num_samples, p[None])
    return low.sum(1), high.sum(1)


def seen_symbols(num_points, probabilities) -> np.ndarray:
    """Pr(a symbol is among `num_points` points of the truth), shapes `[...]` and `[V]`: `[..., V]`.

    These symbols survive forever if real points are kept.
    """
    p = np.asarray(probabilities, np.float64)
    num = np.asarray(num_points, np.float64)[..., None]
    return 1 - (1 - p) ** num


def half_life(count) -> np.ndarray:
    """Generations after which a symbol seen `count` times is lost with probability 1/2.

    About 2 c / ln 2, since it survives with probability 1 - exp(-c g_k) and g_k is near 2/k.
    Suresh et al.
    """
    return 2 * np.asarray(count, np.float64) / np.log(2)
