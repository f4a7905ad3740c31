"""The Gaussian chain: full covariance, log-scale state, points or exact sufficient statistics.

Serves Shumailov et al. (arXiv 2305.17493, Nature 2024), Suresh et al. (arXiv 2412.17646), Kazdan et
al. (arXiv 2410.16713) and Alemohammad et al. (arXiv 2307.01850). A covariance is S R R^T S with S
the standard deviations, held as logarithms, and R the triangular Cholesky factor of the
correlations, whose rows have length 1: scales neither underflow nor lose precision in float32
however far a chain collapses, and a singular covariance is no exception. That holds for statistics;
points themselves (`draw="samples"`) are float32 numbers, which cannot tell a spread below about
1e-7 of their mean from none: such chains end as degenerate, and need `x64`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import (
    Context,
    Learner,
    Mixture,
    Moments,
    Pool,
    closed_form,
    effective_count,
)
from ouroboros_jax.draws.numbers import log_chi_square_of, normal_of, normals, symmetric_uniforms
from ouroboros_jax.draws.threefry import fold_in
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.metrics.asked import chosen_metrics
from ouroboros_jax.metrics.linalg import matmul
from ouroboros_jax.metrics.mixture import mixture_metrics
from ouroboros_jax.metrics.names.mixtures import OF_MIXTURES
from ouroboros_jax.metrics.roots import root_of_rows, root_with_rows
from ouroboros_jax.samplers import broadened


class Gaussian(NamedTuple):
    """A normal law of D features."""

    mean: jax.Array  # [D]
    log_scale: jax.Array  # [D], log of the standard deviations
    factor: jax.Array  # [D (D + 1) / 2], R's lower triangle by rows


class Statistics(NamedTuple):
    """Sufficient statistics of `count` points; their scatter / count is S R R^T S."""

    count: jax.Array  # float []
    mean: jax.Array  # [D]
    log_scale: jax.Array  # [D]; -inf for features that do not vary
    factor: jax.Array  # [D, D]


def pack(factor: jax.Array) -> jax.Array:
    """R [D, D] as it is stored, [D (D + 1) / 2]."""
    return factor[np.tril_indices(factor.shape[0])]


def unpack(packed: jax.Array, num_features: int) -> jax.Array:
    """The inverse of `pack`."""
    if num_features == 1:
        return packed[None]
    zeros = jnp.zeros((num_features, num_features), packed.dtype)
    return zeros.at[np.tril_indices(num_features)].set(packed)


def mixture_of(params: Gaussian) -> Mixture:
    """The same law as a mixture of one component."""
    factor = unpack(params.factor, params.mean.shape[0])
    return Mixture(
        jnp.ones(1, params.mean.dtype), params.mean[None], params.log_scale[None], factor[None]
    )


def _normalise(root: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A lower triangular root [D, D] as log row lengths and rows of length 1.

    A row of zeros (a feature that does not vary) becomes -inf and a unit row.
    """
    length = jnp.sqrt(jnp.square(root).sum(-1))
    unit = root / jnp.where(length > 0, length, 1)[:, None]
    rest = jnp.eye(root.shape[0], dtype=root.dtype)
    return jnp.log(length), jnp.where((length > 0)[:, None], unit, rest)


def _stacked(weights, means, log_scales, factors, centre):
    """Log-scales and factor of sum_s w_s (S_s R_s R_s^T S_s + (m_s - c)(m_s - c)^T).

    Every feature is measured in units of its largest part, so nothing under- or overflows.
    """
    half = jnp.where(weights > 0, jnp.log(jnp.maximum(weights, 1e-30)) / 2, -jnp.inf)[:, None]
    apart = means - centre[None]
    log_parts = jnp.concatenate([half + log_scales, half + jnp.log(jnp.abs(apart))])
    unit = log_parts.max(0)
    unit = jnp.where(jnp.isfinite(unit), unit, 0)
    roots = jnp.exp(half + log_scales - unit[None])[:, :, None] * factors  # [S, D, D]
    offsets = jnp.sign(apart) * jnp.exp(half + jnp.log(jnp.abs(apart)) - unit[None])  # [S, D]
    rows = jnp.concatenate([roots[1:].transpose(0, 2, 1).reshape(-1, means.shape[1]), offsets])
    log_scale, factor = _normalise(root_with_rows(roots[0], rows))
    return log_scale + unit, factor


def merge(a: Statistics, b: Statistics) -> Statistics:
    """Statistics of the union of two data sets, either of which may be empty."""
    count = a.count + b.count
    weights = jnp.stack([a.count, b.count]) / jnp.maximum(count, 1)
    means = jnp.stack([a.mean, b.mean])
    mean = (weights[:, None] * means).sum(0)
    log_scale, factor = _stacked(
        weights,
        means,
        jnp.stack([a.log_scale, b.log_scale]),
        jnp.stack([a.factor, b.factor]),
        mean,
    )
    return Statistics(count, mean, log_scale, factor)


def statistics_of(data: jax.Array, weights: jax.Array) -> Statistics:
    """Statistics of the rows of `data` [N, D] with equal positive `weights` [N], or 0."""
    weights = weights.astype(data.dtype)
    total = weights.sum()
    share = weights / jnp.where(total > 0, total, 1)
    mean = matmul(share, data)
    rows = jnp.sqrt(share)[:, None] * (data - mean[None])
    rank = (weights > 0).sum() - 1
    log_scale, factor = _normalise(root_of_rows(rows, rank, jnp.abs(mean)))
    return Statistics(effective_count(weights), mean, log_scale, factor)


def draw_statistics(key, settings, params: Gaussian, num) -> Statistics:
    """Statistics of `num` points of the model, exactly, without the points.

    With L the model's root, the points' mean is the model's plus L z / sqrt(num), and their scatter
    L A A^T L^T where A A^T is Wishart with num - 1 degrees of freedom (Bartlett: A is triangular,
    squared diagonal entries are chi-square with num - 1 - j degrees of freedom, entries below are
    normal). Columns beyond the degrees of freedom vanish, which is the singular case num <= D.

    References:
      Bartlett, On the Theory of Statistical Regression, 1933; Odell and Feiveson, 1966.
    """
    d = params.mean.shape[0]
    dtype = params.mean.dtype
    num = jnp.asarray(num, dtype)
    log_num = jnp.log(jnp.maximum(num, 1))
    log_scale = broadened(params.log_scale, settings.sampler["bias"])
    factor = unpack(params.factor, d)

    # All numbers come from one key, since hashing is most of the cost; a further chi-square
    # attempt, which is rare, has a key of its own.
    numbers = symmetric_uniforms(key, (4 if d == 1 else 4 + d, d), dtype)
    key_again = fold_in(key, 2**32 - 1)
    z = normal_of(numbers[0])
    mean = params.mean + jnp.exp(log_scale - log_num / 2) * matmul(factor, z)

    df = num - 1 - jnp.arange(d, dtype=dtype)
    log_diagonal = log_chi_square_of(numbers[1:4], key_again, df) / 2
    if d == 1:
        return Statistics(num, mean, log_scale + log_diagonal - log_num / 2, factor)
    below = jnp.tril(normal_of(numbers[4:]), -1)
    root = below * (df > 0)[None] + jnp.diag(jnp.exp(log_diagonal))
    log_length, factor = _normalise(matmul(factor, root))
    return Statistics(num, mean, log_scale + log_length - log_num / 2, factor)


def points_with(rng: np.random.Generator, statistics: Statistics) -> np.ndarray:
    """Points [count, D] that have `statistics` exactly, from their conditional law, on the host."""
    n, d = round(float(statistics.count)), len(statistics.mean)
    if n == 0:
        return np.zeros((0, d))
    noise = rng.standard_normal((n, min(d, n - 1)))
    unit, _ = np.linalg.qr(noise - noise.mean(0, keepdims=True))  # orthogonal to constants
    root = np.exp(np.float64(statistics.log_scale))[:, None] * np.float64(statistics.factor)
    if n <= d:  # the root has rank n - 1 at most: turn it into n - 1 columns
        left, values, _ = np.linalg.svd(root)
        root = left[:, : n - 1] * values[None, : n - 1]
    return np.float64(statistics.mean)[None] + np.sqrt(n) * unit @ root.T


def _fit(pooled: Statistics, weights: jax.Array, unbiased: bool) -> Gaussian:
    """The Gaussian of one or more groups [S]: weighted mean, covariance within groups."""
    share = weights / weights.sum()
    count = pooled.count
    divisor = jnp.maximum(count - 1, 1) if unbiased else count
    # Scatter / count becomes scatter / divisor.
    grow = jnp.log(count / jnp.where(divisor > 0, divisor, 1)) / 2
    log_scales = pooled.log_scale + grow[:, None]
    mean = (share[:, None] * pooled.mean).sum(0)
    if count.shape[0] == 1:
        return Gaussian(mean, log_scales[0], pack(pooled.factor[0]))
    # Covariance is within groups: offsets of their means do not count.
    here = jnp.zeros_like(pooled.mean)
    log_scale, factor = _stacked(share, here, log_scales, pooled.factor, here[0])
    return Gaussian(mean, log_scale, pack(factor))


def gaussian(*, estimator: str = "mle", draw: str = "sufficient", metrics=None) -> Learner:
    """A Gaussian fitted by maximum likelihood (`mle`) or with divisor N - 1 (`unbiased`).

    Args:
      estimator: `mle` or `unbiased`.
      draw: `sufficient` fits statistics that were drawn exactly, `samples` fits points.
      metrics: names of the metrics to compute; None for all.
    """
    check_choices("gaussian", estimator=estimator, draw=draw)
    unbiased = estimator == "unbiased"
    wanted = chosen_metrics(metrics, OF_MIXTURES)

    def init(key, settings, data):
        del key, settings
        d = data.shape[-1] if draw == "samples" else data.mean.shape[-1]
        dtype = jax.tree.leaves(data)[0].dtype
        eye = pack(jnp.eye(d, dtype=dtype))
        return Gaussian(jnp.zeros(d, dtype), jnp.zeros(d, dtype), eye)

    def groups(pool: Pool) -> Statistics:
        if draw == "sufficient":
            return pool.data
        each = [
            statistics_of(pool.data, pool.weights * (pool.group == s))
            for s in range(pool.totals.shape[0])
        ]
        return jax.tree.map(lambda *parts: jnp.stack(parts), *each)

    def fit(key, settings, params, pool):
        del key, settings
        return _fit(groups(pool), pool.totals.astype(params.mean.dtype), unbiased)

    def sample(key, settings, params, source, num):
        del source
        d = params.mean.shape[0]
        log_scale = broadened(params.log_scale, settings.sampler["bias"])
        z = normals(key, (num, d), params.mean.dtype)
        z = matmul(z, unpack(params.factor, d).T)
        return params.mean[None] + jnp.exp(log_scale)[None] * z

    def measure(settings, params, context: Context):
        context = context._replace(reference=mixture_of(context.reference))
        return mixture_metrics(mixture_of(params), settings, context, wanted)

    def law(truth: Mixture):
        if truth.weights.shape[0] != 1:
            return None
        return Gaussian(truth.means[0], truth.log_scales[0], pack(truth.factors[0]))

    return closed_form(
        init,
        fit,
        sample,
        measure,
        moments=Moments(draw_statistics, statistics_of, merge, law, points_with)
        if draw == "sufficient"
        else None,
        block=512,
    )
