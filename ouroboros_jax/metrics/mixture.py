"""Exact distances and moments of ONE Gaussian mixture, in closed form if there is one.

Serves the mixture chains of Shumailov et al. (squared L2 to the first fit), the Wasserstein and
log-determinant curves of Kazdan et al. and the variance ratios of Suresh et al. A Gaussian is a
mixture of one component. Every function takes `base.Mixture`; `factors` may be None, which means
independent features and avoids all matrix algebra.
"""

from collections.abc import Sequence
from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri

from ouroboros_jax.base import Context, Metrics, Mixture, Settings
from ouroboros_jax.metrics.asked import chosen_metrics, computed, if_known
from ouroboros_jax.metrics.linalg import (
    correlation_cholesky,
    invert_lower,
    lower_times,
    matmul,
    singular_values,
)
from ouroboros_jax.metrics.names.mixtures import OF_MIXTURES
from ouroboros_jax.samplers import broadened

TAIL = 0.01  # of the truth's mass, on either side of each feature
_LOG_2PI = float(np.log(2 * np.pi))
_UNROLLED = 8  # components


class Truth(NamedTuple):
    """The law the real data came from, with the tails of its marginals."""

    mixture: Mixture
    low: jax.Array  # [D], quantiles at `TAIL`
    high: jax.Array  # [D], quantiles at 1 - `TAIL`


def truth_of(mixture: Mixture, tail: float = TAIL) -> Truth:
    """The truth with its tail bounds, computed once a run."""
    return Truth(mixture, *tail_bounds(mixture, tail))


def covariances(mixture: Mixture) -> jax.Array:
    """Covariance matrices of the components, [K, D, D]."""
    root = jnp.exp(mixture.log_scales)[:, :, None] * full_factors(mixture)
    return matmul(root, root.mT)


def full_factors(mixture: Mixture) -> jax.Array:
    """Correlation factors [K, D, D], also of a mixture that stores none."""
    if mixture.factors is not None:
        return mixture.factors
    shape = (*mixture.means.shape, mixture.means.shape[-1])
    return jnp.broadcast_to(jnp.eye(shape[-1], dtype=mixture.means.dtype), shape)


def is_diagonal(mixture: Mixture) -> bool:
    """Whether the features are independent within components, judged by shapes alone."""
    return mixture.factors is None or mixture.means.shape[-1] == 1


def log_roots(mixture: Mixture) -> jax.Array:
    """Logarithm of sqrt(det S_k) of every component, [K]; -inf if singular."""
    log_root = mixture.log_scales.sum(-1)
    if is_diagonal(mixture):
        return log_root
    return log_root + jnp.log(jnp.diagonal(mixture.factors, axis1=-2, axis2=-1)).sum(-1)


def log_joint(mixture: Mixture, columns: jax.Array) -> tuple[jax.Array, jax.Array]:
    """log w_k N(x; m_k, S_k) [K, N], and x - m_k [K, D, N], for data in columns [D, N]."""
    deltas = columns[None] - mixture.means[:, :, None]
    inverse = jnp.exp(-mixture.log_scales)
    if is_diagonal(mixture):
        whitened = deltas * inverse[:, :, None]
    else:
        whitened = lower_times(invert_lower(mixture.factors) * inverse[:, None, :], deltas)
    peak = jnp.log(mixture.weights) - log_roots(mixture) - 0.5 * _LOG_2PI * columns.shape[0]
    return peak[:, None] - 0.5 * jnp.square(whitened).sum(1), deltas


def posterior(log_joint: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Responsibilities [K, N] and log densities [N] from logarithms of the joint [K, N]."""
    top = jnp.maximum(_fold(jnp.maximum, log_joint), jnp.finfo(log_joint.dtype).min)
    parts = jnp.exp(log_joint - top[None])
    total = _fold(jnp.add, parts)
    return parts / total[None], top + jnp.log(total)


def _fold(combine, rows: jax.Array) -> jax.Array:
    """`combine` over the leading axis; unrolled if short, which keeps it in one fused loop."""
    if len(rows) <= _UNROLLED:
        return reduce(combine, [rows[k] for k in range(len(rows))])
    return {jnp.maximum: jnp.max, jnp.add: jnp.sum}[combine](rows, 0)


def log_pdf(mixture: Mixture, data: jax.Array) -> jax.Array:
    """Log density at the rows of `data` [N, D], in nats, [N]."""
    return posterior(log_joint(mixture, data.T)[0])[1]


def moment_match(mixture: Mixture) -> Mixture:
    """The Gaussian with the mixture's total mean and covariance, itself a mixture of one."""
    if len(mixture.weights) == 1:
        return mixture
    mean = matmul(mixture.weights, mixture.means)
    unit = mixture.log_scales.max(0)  # no square of a tiny scale is ever formed
    unit = jnp.where(jnp.isfinite(unit), unit, 0)
    scales = jnp.exp(mixture.log_scales - unit[None])
    apart = (mixture.means - mean[None]) * jnp.exp(-unit)[None]
    one = jnp.ones(1, mean.dtype)
    if mixture.means.shape[-1] == 1:
        square = matmul(mixture.weights, jnp.square(scales) + jnp.square(apart))
        return Mixture(one, mean[None], (unit + 0.5 * jnp.log(square))[None], None)
    root = scales[:, :, None] * full_factors(mixture)
    scatter = matmul(root, root.mT) + apart[:, :, None] * apart[:, None, :]
    cov = (mixture.weights[:, None, None] * scatter).sum(0)
    total = jnp.sqrt(jnp.diagonal(cov))
    factor = correlation_cholesky(cov / (total[:, None] * total[None, :]))
    return Mixture(one, mean[None], (unit + jnp.log(total))[None], factor[None])


def total_mean(mixture: Mixture) -> jax.Array:
    """Mean of the whole mixture, [D]."""
    return moment_match(mixture).means[0]


def variance(mixture: Mixture) -> jax.Array:
    """Trace of the total covariance over D."""
    return jnp.exp(2 * moment_match(mixture).log_scales[0]).mean()


def log_det_covariance(mixture: Mixture) -> jax.Array:
    """Log determinant of the total covariance; -inf if it is singular."""
    return 2 * log_roots(moment_match(mixture))[0]


def mean_squared_error(mean: jax.Array, truth: Truth) -> jax.Array:
    """Squared Euclidean distance of a mean [D] from the truth's."""
    return jnp.square(mean - total_mean(truth.mixture)).sum()


def _sums(mixture: Mixture, first, second) -> tuple[jax.Array, jax.Array]:
    """log sqrt(det(S_i + S_j)) and (m_i - m_j)^T (S_i + S_j)^-1 (m_i - m_j) of pairs [P]."""
    log_i, log_j = mixture.log_scales[first], mixture.log_scales[second]
    log_scale = 0.5 * jnp.logaddexp(2 * log_i, 2 * log_j)
    apart = (mixture.means[first] - mixture.means[second]) * jnp.exp(-log_scale)
    log_root = log_scale.sum(-1)
    if not is_diagonal(mixture):
        root_i = jnp.exp(log_i - log_scale)[:, :, None] * mixture.factors[first]
        root_j = jnp.exp(log_j - log_scale)[:, :, None] * mixture.factors[second]
        factor = correlation_cholesky(matmul(root_i, root_i.mT) + matmul(root_j, root_j.mT))
        log_root += jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
        apart = lower_times(invert_lower(factor), apart[:, :, None])[:, :, 0]
    return log_root, jnp.square(apart).sum(-1)


def l2_squared(p: Mixture, q: Mixture) -> jax.Array:
    """Squared L2 distance of two densities, the integral of (p - q)^2, exactly.

    |p - q|^2 = sum_ij c_i c_j N(m_i - m_j; 0, S_i + S_j) over the components of both, with c the
    weights of p and minus those of q; summed relative to the largest term, so that it overflows
    only if the distance itself does. Round-off below zero is clipped. Infinite if p or q is
    singular.
    """
    if not (is_diagonal(p) and is_diagonal(q)):
        p, q = (m._replace(factors=full_factors(m)) for m in (p, q))
    else:
        p, q = (m._replace(factors=None) for m in (p, q))
    both = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), p, q)
    signed = jnp.concatenate([p.weights, -q.weights])
    first, second = np.triu_indices(len(signed))
    log_root, quadratic = _sums(both, first, second)
    log_terms = -0.5 * (quadratic + _LOG_2PI * p.means.shape[-1]) - log_root
    top = log_terms.max()
    counts = np.where(first == second, 1, 2).astype(log_terms.dtype)
    signs = counts * signed[first] * signed[second]
    distance = jnp.exp(top) * jnp.maximum((signs * jnp.exp(log_terms - top)).sum(), 0)
    return jnp.where((log_roots(both) == -jnp.inf).any(), jnp.inf, distance)


def w2_squared(p: Mixture, q: Mixture) -> jax.Array:
    """Squared 2-Wasserstein distance of the Gaussians with the two mixtures' moments.

    |m - n|^2 + tr(S + T) - 2 |F^T G|_*, where S = F F^T, T = G G^T and |.|_* is the sum of
    singular values; (m - n)^2 + (s - t)^2 for one feature. Singular covariances are no exception.

    References:
      Gelbrich, On a Formula for the L2 Wasserstein Metric, 1990.
    """
    p, q = moment_match(p), moment_match(q)
    apart = jnp.square(p.means[0] - q.means[0]).sum()
    if is_diagonal(p) and is_diagonal(q):
        scales = jnp.exp(p.log_scales[0]), jnp.exp(q.log_scales[0])
        return apart + jnp.square(scales[0] - scales[1]).sum()
    roots = [jnp.exp(m.log_scales[0])[:, None] * full_factors(m)[0] for m in (p, q)]
    cross = matmul(roots[0].T, roots[1])
    squares = jnp.square(roots[0]).sum() + jnp.square(roots[1]).sum()
    if cross.shape[0] == 2:
        det = cross[0, 0] * cross[1, 1] - cross[0, 1] * cross[1, 0]
        nuclear = jnp.sqrt(jnp.square(cross).sum() + 2 * jnp.abs(det))
    else:
        nuclear = singular_values(cross).sum()
    return apart + jnp.maximum(squares - 2 * nuclear, 0)


def expected_log_likelihood(gaussian: Mixture, truth: Mixture) -> jax.Array:
    """Mean log density of ONE Gaussian under any truth, in nats: the limit of infinite test data.

    -(D log 2 pi + log det S + tr(S^-1 T) + (n - m)^T S^-1 (n - m)) / 2, with n and T the truth's
    total mean and covariance; -inf if S is singular.
    """
    truth = moment_match(truth)
    inverse = jnp.exp(-gaussian.log_scales[0])
    scales = inverse * jnp.exp(truth.log_scales[0])
    apart = inverse * (truth.means[0] - gaussian.means[0])
    if is_diagonal(gaussian):
        squares = jnp.square(scales).sum() + jnp.square(apart).sum()
    else:
        columns = jnp.concatenate(
            [scales[:, None] * full_factors(truth)[0], apart[:, None]], axis=1
        )
        squares = jnp.square(lower_times(invert_lower(gaussian.factors[0]), columns)).sum()
    log_root = log_roots(gaussian)[0]
    value = -0.5 * (_LOG_2PI * len(apart) + squares) - log_root
    return jnp.where(log_root == -jnp.inf, -jnp.inf, value)


def _marginal_tails(mixture: Mixture, low: jax.Array, high: jax.Array) -> jax.Array:
    """P(x_d < low_d) + P(x_d > high_d), [D]."""
    inverse = jnp.exp(-mixture.log_scales)
    below = ndtr((low[None] - mixture.means) * inverse)
    above = ndtr((mixture.means - high[None]) * inverse)
    return matmul(mixture.weights, below + above)


def tail_bounds(truth: Mixture, tail: float = TAIL) -> tuple[jax.Array, jax.Array]:
    """Quantiles at `tail` and 1 - `tail` of each feature's marginal, two arrays [D].

    Meant to be called once a run. The upper one is found as the lower one of -x, which keeps the
    precision of a tail's probability.
    """
    return _quantile(truth, tail), -_quantile(truth._replace(means=-truth.means), tail)


def _quantile(mixture: Mixture, level: float) -> jax.Array:
    """Quantiles of the marginals [D], bisected between those of the components."""
    scales = jnp.exp(mixture.log_scales)
    inside = mixture.means + ndtri(jnp.asarray(level, scales.dtype)) * scales  # [K, D]
    nowhere = jnp.full_like(inside[0], jnp.inf)

    def halve(_, bracket):
        left, right = bracket
        middle = left + 0.5 * (right - left)
        too_low = _marginal_tails(mixture, middle, nowhere) < level
        return jnp.where(too_low, middle, left), jnp.where(too_low, right, middle)

    left, right = jax.lax.fori_loop(0, 64, halve, (inside.min(0), inside.max(0)))
    return left + 0.5 * (right - left)


def tail_mass(mixture: Mixture, low: jax.Array, high: jax.Array) -> jax.Array:
    """Mass of the model beyond [low, high], averaged over features.

    The share of infinitely many generated samples in the truth's 1% tails; the truth's own value is
    2%.
    """
    return _marginal_tails(mixture, low, high).mean()


def separation(mixture: Mixture) -> jax.Array:
    """Smallest distance between component means, in units of their pooled standard deviation.

    min over i < j of sqrt((m_i - m_j)^T ((S_i + S_j) / 2)^-1 (m_i - m_j)), a Mahalanobis distance;
    for one feature |m_i - m_j| / sqrt((s_i^2 + s_j^2) / 2). NaN for a single component.
    """
    first, second = np.triu_indices(len(mixture.weights), 1)
    if not len(first):
        return jnp.full((), jnp.nan, mixture.means.dtype)
    return jnp.sqrt(2 * _sums(mixture, first, second)[1].min())


def broaden(mixture: Mixture, bias: jax.Array) -> Mixture:
    """The mixture from which sampling with `bias` draws: every covariance times `bias`."""
    return mixture._replace(log_scales=broadened(mixture.log_scales, bias))


def mixture_metrics(
    mixture: Mixture,
    settings: Settings,
    context: Context,
    names: Sequence[str] | None = None,
) -> Metrics:
    """The metrics called `names`, all of `OF_MIXTURES` by default; nothing else is computed.

    Args:
      mixture: the model of one generation.
      settings: `settings.sampler["bias"]`, if there is one, enters `tail_mass`.
      context: `truth` a `Truth` or None, `reference` a `Mixture` or None, `test` rows [N, D] or
        None; metrics that need an absent one are NaN.
      names: a subset of `OF_MIXTURES`.

    `test_log_likelihood` of one Gaussian with a known truth is its exact expectation; otherwise it
    is the mean over `test`.
    """
    truth, reference, test = context.truth, context.reference, context.test
    known = partial(if_known, dtype=mixture.means.dtype)
    bias = settings.sampler.get("bias")

    def test_log_likelihood():
        if truth is not None and len(mixture.weights) == 1:
            return expected_log_likelihood(mixture, truth.mixture)
        return known(test, lambda test: log_pdf(mixture, test).mean())

    def drawn():
        return mixture if bias is None else broaden(mixture, bias)

    compute = {
        "mean": lambda: total_mean(mixture),
        "variance": lambda: variance(mixture),
        "log_det_covariance": lambda: log_det_covariance(mixture),
        "mean_squared_error": lambda: known(
            truth, lambda truth: mean_squared_error(total_mean(mixture), truth)
        ),
        "l2_squared": lambda: known(reference, partial(l2_squared, mixture)),
        "w2_squared": lambda: known(truth, lambda truth: w2_squared(mixture, truth.mixture)),
        "test_log_likelihood": test_log_likelihood,
        "tail_mass": lambda: known(truth, lambda truth: tail_mass(drawn(), truth.low, truth.high)),
    }
    return computed(compute, chosen_metrics(names, OF_MIXTURES))
