"""The Gaussian loop in D dimensions: determinant, trace, and the exact spread of both metrics.

The fitted covariance of n points is a Wishart matrix, S' = S^(1/2) W S^(1/2) / nu. The trace's mean
is D times the one-dimensional variance; the determinant is a product of D chi-squares, so it
collapses faster than the trace as D grows. Arguments are those of `gaussian.py`; the truth is
N(mu0, std^2 I).

References:
  Alemohammad et al., 2023 (arXiv 2307.01850), eq. 1: the Wishart recursion.
  Kazdan et al., 2024 (arXiv 2410.16713): traces and determinants over n and D.
  Moments of Wishart determinants and products: Muirhead, Aspects of Multivariate Statistical
  Theory, 1982. The recursions for second and fourth moments are derived here.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma

from ouroboros_jax.theory.clock import as_generations, biases_of, divisor_of, sizes_of, split_counts
from ouroboros_jax.theory.weighted import resolve_weight


def expected_det(
    generation, num_samples, num_features, *, num_real=None, estimator="mle", bias=1.0, std=1.0
):
    """E[det S] = std^(2D) prod_fits bias^D prod_j (n - j) / nu, j = 1..D; 0 where n <= D."""
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)[:, None]
    j = np.arange(1, num_features + 1)[None]
    factors = np.maximum(n - j, 0.0) / divisor_of(n, estimator)
    per_fit = biases_of(bias, generation) ** num_features * factors.prod(1)
    return std ** (2 * num_features) * np.cumprod(per_fit)[generation]


def expected_log_det(
    generation, num_samples, num_features, *, num_real=None, estimator="mle", bias=1.0, std=1.0
):
    """E[ln det S]: every fit adds sum_j psi((n-j)/2) + D ln(2 bias / nu); -inf where n <= D."""
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    j = np.arange(1, num_features + 1)[None]
    half = np.maximum(n[:, None] - j, 0.5) / 2
    drift = digamma(half).sum(1) + num_features * np.log(
        2 * biases_of(bias, generation) / divisor_of(n, estimator)
    )
    drift = np.where(n > num_features, drift, -np.inf)
    return 2 * num_features * np.log(std) + np.cumsum(drift)[generation]


def variance_log_det(generation, num_samples, num_features, *, num_real=None):
    """Var[ln det S] = sum over fits of sum_j psi1((n-j)/2); NaN where n <= D."""
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    j = np.arange(1, num_features + 1)[None]
    added = polygamma(1, np.maximum(n[:, None] - j, 0.5) / 2).sum(1)
    return np.cumsum(np.where(n > num_features, added, np.nan))[generation]


class Spread(NamedTuple):
    """Exact mean and standard deviation of one chain's metrics, float64 `[...]` as `generation`."""

    variance: np.ndarray  # of tr S / D
    variance_sd: np.ndarray
    mean_squared_error: np.ndarray  # of |mu - mu0|^2
    mean_squared_error_sd: np.ndarray


class _Step(NamedTuple):
    """One generation of a covariance S and a mean error mu, linear in S given the noise.

    S' = R + a S + b S^(1/2) (W + kappa z z^T) S^(1/2) and mu' = r mu + c S^(1/2) z + x, where
    W ~ Wishart(dof, I), z ~ N(0, I), R = real W_r with W_r ~ Wishart(real_dof, I), x ~ N(0, tau I),
    all independent. `a` is `keep`, `b` is `draw`, `r` is `shrink`, `c2` is c^2.
    """

    keep: float = 0.0
    draw: float = 0.0
    dof: float = 0.0
    kappa: float = 0.0
    shrink: float = 1.0
    c2: float = 0.0
    real: float = 0.0
    real_dof: float = 0.0
    tau: float = 0.0


def _moments(steps, num_features):
    """E and sd of tr S and |mu|^2 after each step, from S = I and mu = 0.

    The state is E of tr S, (tr S)^2, tr S^2, |mu|^2, |mu|^4, |mu|^2 tr S and mu^T S mu; a step maps
    it linearly, by E tr(SW)^2 = m^2 (tr S)^2 + 2 m tr S^2 and
    E tr(SWSW) = m (m+1) tr S^2 + m (tr S)^2 for W ~ Wishart(m, I).
    """
    d = float(num_features)
    t1, t2, q2, e2, e4, et, eq = d, d * d, d, 0.0, 0.0, 0.0, 0.0
    rows = []
    for step in steps:
        a, b, m, kap, r, c2, real, rm, tau = (float(x) for x in step)
        mean = real * rm  # E R = mean I
        f = a + b * (m + kap)
        trr2 = real * real * (rm * rm * d * d + 2 * rm * d)
        trrr = real * real * (rm * (rm + 1) * d + rm * d * d)
        quartic = t2 + 2 * q2  # E (z^T S z)^2
        y2 = r * r * e2 + c2 * t1
        y4 = r**4 * e4 + r * r * c2 * (2 * et + 4 * eq) + c2 * c2 * quartic
        yt = r * r * f * et + c2 * (a * t2 + b * (m * t2 + kap * quartic))
        yq = r * r * f * eq + c2 * (a * q2 + b * (m * q2 + kap * quartic))
        e4 = y4 + 2 * tau * (d + 2) * y2 + tau * tau * d * (d + 2)
        e2 = y2 + tau * d
        et = mean * d * e2 + tau * d * f * t1 + yt
        eq = mean * e2 + tau * f * t1 + yq
        p2 = f * f * t2 + 2 * b * b * (m + kap * kap) * q2
        square = m * (m + 1) + 2 * kap * m + 2 * kap * kap
        pq = (a * a + 2 * a * b * (m + kap) + b * b * square) * q2 + b * b * (m + kap * kap) * t2
        t2 = trr2 + 2 * mean * d * f * t1 + p2
        q2 = trrr + 2 * mean * f * t1 + pq
        t1 = mean * d + f * t1
        rows.append((t1, t2, e2, e4))
    return np.array(rows).T


def _spread(steps, scale, num_features, std, generation) -> Spread:
    """The moments as a `Spread`; `scale` turns the pool's S into the fitted covariance."""
    t1, t2, e2, e4 = _moments(steps, num_features)
    with np.errstate(over="ignore", invalid="ignore"):
        sd_trace = np.sqrt(np.maximum(t2 - t1 * t1, 0.0))
        sd_error = np.sqrt(np.maximum(e4 - e2 * e2, 0.0))
    scale = scale * std**2 / num_features
    columns = (scale * t1, scale * sd_trace, std**2 * e2, std**2 * sd_error)
    return Spread(*(column[generation] for column in columns))


def replace_spread(
    generation, num_samples, num_features=1, *, num_real=None, estimator="mle", bias=1.0, std=1.0
) -> Spread:
    """Mean and sd of `variance` and `mean_squared_error` under `replace`."""
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    bias, nu = biases_of(bias, generation), divisor_of(n, estimator)
    steps = [_Step(draw=b / v, dof=m - 1, c2=b / m) for m, v, b in zip(n, nu, bias, strict=True)]
    return _spread(steps, 1.0, num_features, std, generation)


def accumulate_spread(
    generation, num_samples, num_features=1, *, num_real=None, estimator="mle", bias=1.0, std=1.0
) -> Spread:
    """Mean and sd of `variance` and `mean_squared_error` under `accumulate`.

    The pool's MLE covariance S over N points becomes that over N' = N + n by
    N' S' = N S + scatter of the new points + (N n / N') (their mean - mu)(...)^T.
    """
    generation = as_generations(generation)
    n = sizes_of(num_samples, generation, num_real)
    bias, total = biases_of(bias, generation), np.cumsum(n)
    scale = total / divisor_of(total, estimator)
    before = np.concatenate([[0.0], total[:-1]])
    drawn = bias * np.concatenate([[1.0], scale[:-1]])
    steps = [
        _Step(keep=old / new, draw=v / new, dof=m - 1, kappa=old / new, c2=m * v / new**2)
        for m, old, new, v in zip(n, before, total, drawn, strict=True)
    ]
    return _spread(steps, scale, num_features, std, generation)


def weighted_spread(
    generation,
    num_samples,
    real_fraction,
    real_weight,
    num_features=1,
    *,
    num_real=None,
    estimator="mle",
    bias=1.0,
    std=1.0,
) -> Spread:
    """Mean and sd of `variance` and `mean_squared_error` under `weighted`.

    Of `num_samples` points a share `real_fraction` is new real data of total weight `real_weight`,
    a number, a schedule or `golden`; covariances are taken within each source, then averaged with
    those weights. NaN if a source has fewer than 2 points.
    """
    generation = as_generations(generation)
    real, synthetic = split_counts(num_samples, real_fraction, generation)
    weight = resolve_weight(real_weight, real, synthetic)
    if num_real is not None:
        real[0] = num_real
    weight[0], synthetic[0] = 1.0, real[0]
    if min(real.min(), synthetic.min()) < 2:
        return Spread(*(np.full(generation.shape, np.nan) for _ in range(4)))
    bias = biases_of(bias, generation)
    real_nu, nu = divisor_of(real, estimator), divisor_of(synthetic, estimator)
    steps = [
        _Step(
            draw=(1 - w) * b / v,
            dof=m - 1,
            shrink=1 - w,
            c2=(1 - w) ** 2 * b / m,
            real=w / rv,
            real_dof=r - 1,
            tau=w**2 / r,
        )
        for r, rv, m, v, w, b in zip(real, real_nu, synthetic, nu, weight, bias, strict=True)
    ]
    return _spread(steps, 1.0, num_features, std, generation)
