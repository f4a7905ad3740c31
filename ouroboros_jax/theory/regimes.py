"""Expected variance and squared mean error of the Gaussian loop under every data regime.

`replace`, `accumulate`, `accumulate_fresh`, `accumulate_subsample`, `fresh`, `window`, `fixed_real`
and `weighted` are exact at every generation, for both estimators, MAD's sampling bias, and
schedules of sizes: each carries E[v] and E[(mu - mu0)^2] through the linear recursion that its pool
obeys. The closed forms and limits of the literature are given too. Arguments are those of
`gaussian.py`; values are per feature of a truth of variance std^2, so in D dimensions traces are D
times these.

References:
  Gerstgrasser et al., Is Model Collapse Inevitable?, 2024 (arXiv 2404.01413): pi^2/6.
  Dey and Donoho, Universality of the pi^2/6 Pathway, 2024 (arXiv 2410.22812).
  Kazdan et al., Collapse or Thrive?, 2024 (arXiv 2410.16713): accumulate-subsample.
  Alemohammad et al., Self-Consuming Generative Models Go MAD, 2023 (arXiv 2307.01850).
  Seddik et al., How Bad is Training on Synthetic Data?, 2024 (arXiv 2404.05090): fixed real data.
The finite-n recursions and their closed forms are derived here.
"""

from typing import NamedTuple

import numpy as np

from ouroboros_jax.theory import gaussian, multivariate
from ouroboros_jax.theory.clock import (
    as_generations,
    biases_of,
    divisor_of,
    sizes_of,
    split_counts,
    values_at,
)
from ouroboros_jax.theory.recursion import window_split


class Curve(NamedTuple):
    """Expected metrics per feature, float64 of the shape of `generation`."""

    variance: np.ndarray
    mean_squared_error: np.ndarray


def _curve(variance, error, std, generation) -> Curve:
    return Curve(std**2 * np.asarray(variance)[generation], std**2 * np.asarray(error)[generation])


def replace(generation, num_samples, **kwargs) -> Curve:
    """Each generation sees the last model's points alone: `gaussian`'s closed forms."""
    return Curve(
        gaussian.expected_variance(generation, num_samples, **kwargs),
        gaussian.expected_mean_squared_error(generation, num_samples, **kwargs),
    )


def accumulate(
    generation, num_samples, *, num_real=None, estimator="mle", bias=1.0, std=1.0
) -> Curve:
    """Each generation sees the real data and all sets drawn so far, n new points each.

    Maximum likelihood, equal sizes: E[v] = std^2 prod_j (1 - 1/(n j^2)), j = 1..generation + 1. In
    general it is the recursion of `accumulate_fresh`.
    """
    arguments = {"num_real": num_real, "estimator": estimator, "bias": bias, "std": std}
    return accumulate_fresh(generation, num_samples, 0.0, **arguments)


def accumulate_fresh(
    generation, num_samples, real_fraction, *, num_real=None, estimator="mle", bias=1.0, std=1.0
) -> Curve:
    """As `accumulate`, r of each generation's n new points being real, m = n - r the model's.

    With S the pool's MLE variance, e the squared error of its mean, u = b N S / nu(N) that of draws
    and N' = N + n: e' = ((N + m)^2 e + m u + r) / N'^2, S' + e' = (N (S + e) + m (u + e) + r) / N'.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    real, synthetic = split_counts(num_samples, real_fraction, generation)
    b, total = biases_of(bias, generation), np.cumsum(n)
    scale = total / divisor_of(total, estimator)
    pool, error = (n[0] - 1) / n[0], 1 / n[0]
    variances, errors = [scale[0] * pool], [error]
    for g in range(1, len(n)):
        old, new, r, m = total[g - 1], total[g], real[g], synthetic[g]
        drawn = b[g] * variances[-1]
        square = (old * (pool + error) + m * (drawn + error) + r) / new  # about the truth's mean
        error = ((old + m) ** 2 * error + m * drawn + r) / new**2
        pool = square - error
        variances.append(scale[g] * pool)
        errors.append(error)
    return _curve(variances, errors, std, generation)


def accumulate_product(generation, num_samples):
    """E[v] of `accumulate` by maximum likelihood, std 1: prod_{j <= generation+1} 1 - 1/(n j^2)."""
    generation = as_generations(generation)
    j = np.arange(1, int(np.max(generation, initial=0)) + 2)
    return np.cumprod(1 - 1 / (num_samples * j**2.0))[generation]


def accumulate_limit(num_samples):
    """The product's limit, sin(pi/sqrt(n)) / (pi/sqrt(n)): about 1 - pi^2/(6n)."""
    return np.sinc(1 / np.sqrt(np.asarray(num_samples, np.float64)))


def accumulate_subsample(
    generation, num_samples, *, num_real=None, estimator="mle", bias=1.0, std=1.0
) -> Curve:
    """Each generation sees n points drawn without replacement from `accumulate`'s pool.

    A subsample of n out of N points of MLE variance S has expected variance
    a S, a = N(n-1)/(n(N-1)), and a mean b S away from the pool's in square,
    b = (N-n)/(n(N-1)), a + b = 1.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    lam, total = biases_of(bias, generation), np.cumsum(n)
    scale = n / divisor_of(n, estimator)
    pool, pool_error = (n[0] - 1) / n[0], 1 / n[0]
    away, variances, errors = 0.0, [scale[0] * pool], [pool_error]
    for g in range(1, len(n)):
        old, new = total[g - 1], total[g]
        drawn = lam[g] * variances[-1]
        between = away + drawn / n[g]  # squared distance of the new points' mean from the pool's
        pool = (old * pool + (n[g] - 1) * drawn + old * n[g] / new * between) / new
        pool_error += (n[g] / new) ** 2 * between
        away = (new - n[g]) / (n[g] * (new - 1)) * pool
        variances.append(scale[g] * new * (n[g] - 1) / (n[g] * (new - 1)) * pool)
        errors.append(pool_error + away)
    return _curve(variances, errors, std, generation)


def fresh(
    generation, num_samples, real_fraction, *, num_real=None, estimator="mle", bias=1.0, std=1.0
) -> Curve:
    """A share of new real points, rounded half up and exact, the rest from the last model.

    M = a + (1-a)(lambda s + c); c' = (a + (1-a) lambda s)/n + (1-a)^2 c; s' = (n/nu)(M - c').
    """
    generation = as_generations(generation)
    real, synthetic = split_counts(num_samples, real_fraction, generation)
    n = real + synthetic
    share = real / n
    lam = biases_of(bias, generation)
    n[0] = n[0] if num_real is None else num_real
    scale = n / divisor_of(n, estimator)
    s, c = scale[0] * (1 - 1 / n[0]), 1 / n[0]
    variances, errors = [s], [c]
    for g in range(1, len(n)):
        a, drawn = share[g], lam[g] * s
        second = a + (1 - a) * (drawn + c)
        c = (a + (1 - a) * drawn) / n[g] + (1 - a) ** 2 * c
        s = scale[g] * (second - c)
        variances.append(s)
        errors.append(c)
    return _curve(variances, errors, std, generation)


def fresh_random(
    generation, num_samples, real_fraction, *, num_real=None, estimator="mle", bias=1.0, std=1.0
) -> Curve:
    """As `fresh`, but each point is real with probability `real_fraction`, independently."""
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    share = values_at(real_fraction, np.arange(len(n)))
    lam = biases_of(bias, generation)
    scale = n / divisor_of(n, estimator)
    s, c = scale[0] * (1 - 1 / n[0]), 1 / n[0]
    variances, errors = [s], [c]
    for g in range(1, len(n)):
        a = share[g]
        second = a + (1 - a) * (lam[g] * s + c)
        c = second / n[g] + (1 - 1 / n[g]) * (1 - a) ** 2 * c
        s = scale[g] * (second - c)
        variances.append(s)
        errors.append(c)
    return _curve(variances, errors, std, generation)


def fresh_fixed_point(num_samples, real_fraction, *, bias=1.0, random=False, std=1.0) -> Curve:
    """Limit of `fresh` (or, `random`, of `fresh_random`) by maximum likelihood.

    Without bias the error is std^2 / (a n (2-a) + 1 - a) for the exact split and
    std^2 / (n (1 - (1-a)^2 (1 - 1/n))) for the random mixture, and E[v] the rest of std^2. In
    general the solution of the 2 x 2 system in (s, c).
    """
    n, a, lam = float(num_samples), float(real_fraction), float(bias)
    # c = p + q s + r c, s = a + (1-a)(lam s + c) - c
    if random:
        p, q, r = a / n, (1 - a) * lam / n, (1 - a) / n + (1 - 1 / n) * (1 - a) ** 2
    else:
        p, q, r = a / n, (1 - a) * lam / n, (1 - a) ** 2
    matrix = np.array([[1 - (1 - a) * lam, a], [-q, 1 - r]])
    s, c = np.linalg.solve(matrix, np.array([a, p]))
    return Curve(std**2 * s, std**2 * c)


def fresh_contraction(num_samples, real_fraction, *, random=False):
    """Factor by which `fresh`'s error nears its limit each generation (`mle`, no bias)."""
    n, a = num_samples, real_fraction
    return (1 - a) ** 2 * (1 - 1 / n) if random else (1 - a) ** 2 - (1 - a) / n


def effective_sample_ratio(num_real, num_synthetic):
    """Effective sample size of `fresh`'s limit over the points it sees: (n_r + 2 n_s)/(n_r + n_s).

    For a known variance and no bias. It is in [1, 2): unbiased synthetic data never hurt here, as
    Alemohammad et al. 2023 observe.
    """
    n, m = np.asarray(num_real, np.float64), np.asarray(num_synthetic, np.float64)
    return (n + 2 * m) / (n + m)


def window(
    generation, num_samples, window, *, num_real=None, estimator="mle", bias=1.0, std=1.0
) -> Curve:
    """n points redrawn from the last `window` models, the truth being the one before generation 0.

    The recursion of `recursion.py` on a sliding block, O(window^2) a generation.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    lam = biases_of(bias, generation)
    scale = n / divisor_of(n, estimator)
    size = min(int(window), len(n))
    cov, var = np.zeros((size, size)), np.zeros(size)  # newest model first
    cov[0, 0], var[0] = 1 / n[0], scale[0] * (1 - 1 / n[0])
    variances, errors = [var[0]], [cov[0, 0]]
    for g in range(1, len(n)):
        by_model, real = window_split(g, n[g], window)
        k = len(by_model)
        w, drawn = by_model / n[g], lam[g] * var[:k]
        cross = w @ cov[:k]
        error = cross[:k] @ w + (w @ drawn + real / n[g]) / n[g]
        fitted = scale[g] * (w @ (drawn + np.diagonal(cov)[:k]) + real / n[g] - error)
        cov[1:, 1:] = cov[:-1, :-1].copy()
        cov[0, 1:] = cov[1:, 0] = cross[:-1]
        var[1:] = var[:-1].copy()
        cov[0, 0], var[0] = error, fitted
        variances.append(fitted)
        errors.append(error)
    return _curve(variances, errors, std, generation)


def fixed_real(
    generation, num_samples, *, num_real=None, estimator="mle", bias=1.0, std=1.0
) -> Curve:
    """The same N real points in every generation, plus n new ones from the last model.

    With D the squared distance of the mean from the real sample's, al = n/(N + n) and u the
    variance of draws: D' = al^2 (D + u/n) from D = 0, error = 1/N + D, and the pooled variance
    follows from the scatters within and between. Without bias D' = al^2 (D + (1 - 1/N - D)/n).
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    lam, real = biases_of(bias, generation), n[0]
    start = 1 - 1 / real  # MLE variance of the real sample, in expectation
    distance, v = 0.0, real / float(divisor_of(real, estimator)) * start
    variances, errors = [v], [1 / real]
    for g in range(1, len(n)):
        total, drawn = real + n[g], lam[g] * v
        between = distance + drawn / n[g]
        scatter = real * start + (n[g] - 1) * drawn + real * n[g] / total * between
        distance = (n[g] / total) ** 2 * between
        v = scatter / float(divisor_of(total, estimator))
        variances.append(v)
        errors.append(1 / real + distance)
    return _curve(variances, errors, std, generation)


def fixed_real_limit(num_samples, num_real, *, std=1.0) -> Curve:
    """Limit of `fixed_real` by maximum likelihood: the floor std^2/N stays, nothing diverges."""
    n, real = float(num_samples), float(num_real)
    al2 = (n / (real + n)) ** 2
    distance = al2 * (1 - 1 / real) / n / (1 - al2 * (1 - 1 / n))
    error = 1 / real + distance
    return Curve(std**2 * (1 - error), std**2 * error)


def weighted(generation, num_samples, real_fraction, real_weight, **kwargs) -> Curve:
    """New real points of total weight w, synthetic ones of 1 - w; variances within source."""
    spread = multivariate.weighted_spread(
        generation, num_samples, real_fraction, real_weight, **kwargs
    )
    return Curve(spread.variance, spread.mean_squared_error)


def replace_ratio(generation):
    """Error of `generation` over that of generation 0 under `replace`, n large: generation + 1."""
    return as_generations(generation) + 1.0


def accumulate_ratio(generation):
    """Error ratio under `accumulate`, n large: sum_{i <= generation+1} 1/i^2, to pi^2/6.

    Holds for any asymptotically linear estimator (Dey and Donoho 2024).
    """
    generation = as_generations(generation)
    i = np.arange(1, int(np.max(generation, initial=0)) + 2, dtype=np.float64)
    return np.cumsum(1 / i**2)[generation]


def accumulate_subsample_ratio(generation):
    """Error ratio under `accumulate_subsample`, n large, to pi^2/2 - 2 = 2.93480. Derived here.

    With G = generation + 1: 1 + sum_{j=2..G} (2 - 1/(j-1))/j^2 + 1 - 1/G.
    """
    generation = as_generations(generation)
    j = np.arange(1, int(np.max(generation, initial=0)) + 2, dtype=np.float64)
    terms = np.where(j > 1, (2 - 1 / np.maximum(j - 1, 1)) / j**2, 1.0)
    return np.cumsum(terms)[generation] + 1 - 1 / (generation + 1.0)
