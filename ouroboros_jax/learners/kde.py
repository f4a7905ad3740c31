"""The kernel-density chain: the training points, each blurred by a kernel.

Serves Kazdan et al. 2024 (arXiv 2410.16713). A density estimate is wider than its points by the
kernel's variance, so this loop gains spread at every generation instead of losing it: what
collapses is the likelihood of real data. As the bandwidth goes to 0 it becomes the bootstrap, whose
atoms drift like alleles.

Kernels and rules are scikit-learn's `KernelDensity`: `gaussian` is N(0, h^2 I), `tophat` uniform on
the ball of radius h; `scott` is h = N^(-1/(D+4)) and `silverman` h = (N (D+2)/4)^(-1/(D+4)), the
bare factors, in the data's own units.

A model has room for a fixed number of points M, `capacity` times those of the real data set. A pool
of up to M points is kept as it is, and drawn from with replacement. From a larger one
(`accumulate`) the model keeps M draws with replacement and uses each once. Sampling an estimate
means choosing points with replacement and blurring them, so samples have exactly the law of the
whole pool's estimate, as long as no more than M are drawn. `mean`, `variance` and `bandwidth` are
those of the whole pool in either case; `test_log_likelihood` is that of the points kept.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln, logsumexp

from ouroboros_jax.base import Context, Learner, Metrics, Pool, closed_form, effective_count
from ouroboros_jax.draws.numbers import normal_of_unit, unit_uniforms
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.metrics.asked import chosen_metrics, computed, if_known
from ouroboros_jax.metrics.linalg import matmul
from ouroboros_jax.metrics.mixture import mean_squared_error
from ouroboros_jax.metrics.names.densities import OF_KDE

_ROWS = 64  # of test data; their distances to all kept points are held at once


class Kernels(NamedTuple):
    """A density estimate: a kernel of one bandwidth on each of M points."""

    points: jax.Array  # [M, D]
    weights: jax.Array  # [M], sums to 1; 0 marks an empty slot
    bandwidth: jax.Array  # [], h
    mean: jax.Array  # [D], of the whole pool
    variance: jax.Array  # [D], of the whole pool and the kernel
    once: jax.Array  # [], 1 where the points are draws from a larger pool, to be used once each


def bandwidth_by_rule(rule: str, count: jax.Array, num_features: int) -> jax.Array:
    """Scikit-learn's `scott` or `silverman` bandwidth of `count` points."""
    size = count if rule == "scott" else count * (num_features + 2) / 4
    return size ** (-1 / (num_features + 4))


def kernel_variance(kernel: str, bandwidth: jax.Array, num_features: int) -> jax.Array:
    """Variance of one coordinate of a kernel: h^2, or h^2 / (D + 2) of the uniform ball."""
    return jnp.square(bandwidth) / {"gaussian": 1, "tophat": num_features + 2}[kernel]


def log_density(params: Kernels, kernel: str, data: jax.Array) -> jax.Array:
    """Log density at the rows of `data` [M, D], in nats; -inf outside every tophat."""
    num_features = data.shape[1]
    log_weights = jnp.log(params.weights)
    log_h = jnp.log(params.bandwidth)

    def gaussian(squares):
        log_peak = -num_features * (log_h + 0.5 * np.log(2 * np.pi))
        scaled = squares / jnp.square(params.bandwidth)
        return log_peak + logsumexp(log_weights - 0.5 * scaled)

    def tophat(squares):
        half = num_features / 2
        log_volume = half * np.log(np.pi) - gammaln(half + 1) + num_features * log_h
        within = squares <= jnp.square(params.bandwidth)
        return jnp.log((params.weights * within).sum()) - log_volume

    of_squares = {"gaussian": gaussian, "tophat": tophat}[kernel]

    def at(row):
        return of_squares(jnp.square(params.points - row[None]).sum(1))

    return jax.lax.map(at, data, batch_size=_ROWS)


def _choose(uniforms: jax.Array, weights: jax.Array) -> jax.Array:
    """One place per uniform, drawn with probability proportional to `weights`."""
    edges = jnp.cumsum(weights)
    # Rounding may put a uniform past the end: it takes the last place that has weight.
    last = weights.shape[0] - 1 - jnp.argmax(weights[::-1] > 0)
    return jnp.minimum(jnp.searchsorted(edges, uniforms * edges[-1], side="right"), last)


def init(key, settings, data: jax.Array, *, capacity: int) -> Kernels:
    """Room for `capacity` times as many points as `data` has."""
    del key, settings
    num_points, num_features = data.shape
    kept, zeros = capacity * num_points, jnp.zeros(num_features, data.dtype)
    one = jnp.ones((), data.dtype)
    weights = jnp.zeros(kept, data.dtype).at[0].set(1)
    points = jnp.zeros((kept, num_features), data.dtype)
    return Kernels(points, weights, one, zeros, jnp.ones_like(zeros), 0 * one)


def keep(key, pool: Pool, num: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`num` points of a pool, their weights, and whether they were drawn with replacement."""
    slots, dtype = pool.weights.shape[0], pool.data.dtype
    there = pool.weights > 0
    if slots <= num:
        room = num - slots
        points = jnp.pad(jnp.where(there[:, None], pool.data, 0), ((0, room), (0, 0)))
        return points, jnp.pad(pool.weights, (0, room)).astype(dtype), jnp.zeros((), dtype)
    drawn = _choose(unit_uniforms(key, (num,), dtype), pool.weights.astype(dtype))
    _, in_order = jax.lax.top_k(there * (slots - jnp.arange(slots, dtype=jnp.float32)), num)
    fits = there.sum() <= num
    place = jnp.where(fits, in_order, drawn)
    is_real = jnp.where(fits, jnp.arange(num) < there.sum(), True)
    weights = jnp.where(fits, pool.weights[place], 1) * is_real
    points = jnp.where(is_real[:, None], pool.data[place], 0)
    return points, weights.astype(dtype), 1 - fits.astype(dtype)


def fit(key, settings, params: Kernels, pool: Pool, *, kernel: str, rule: str) -> Kernels:
    """The estimate on a pool's points."""
    num, num_features = params.points.shape
    dtype = pool.data.dtype
    share = (pool.weights / pool.weights.sum()).astype(dtype)
    mean = matmul(share, pool.data)
    spread = matmul(share, jnp.square(pool.data - mean[None]))
    if rule == "fixed":
        bandwidth = jnp.asarray(settings.learner["bandwidth"], dtype)
    else:
        count = effective_count(pool.weights)
        bandwidth = bandwidth_by_rule(rule, count.astype(dtype), num_features)
    points, weights, once = keep(key, pool, num)
    variance = spread + kernel_variance(kernel, bandwidth, num_features)
    return Kernels(points, weights / weights.sum(), bandwidth, mean, variance, once)


def sample(key, settings, params: Kernels, source, num: int, *, kernel: str) -> jax.Array:
    """`num` kept points [num, D], each blurred by a kernel."""
    del settings, source
    slots, num_features = params.points.shape
    dtype = params.points.dtype
    columns = num_features + 1 + (kernel == "tophat")
    uniforms = unit_uniforms(key, (num, columns), dtype)
    turn = (uniforms[0, 0] * slots).astype(jnp.int32) + jnp.arange(num)
    place = jnp.where(params.once > 0, turn % slots, _choose(uniforms[:, 0], params.weights))
    noise = normal_of_unit(uniforms[:, 1 : num_features + 1])
    if kernel == "tophat":
        radius = uniforms[:, -1] ** (1 / num_features)
        length = jnp.sqrt(jnp.square(noise).sum(1))
        noise = noise * (radius / jnp.where(length > 0, length, 1))[:, None]
    return params.points[place] + params.bandwidth * noise


def measure(
    settings, params: Kernels, context: Context, *, kernel: str, wanted: Sequence[str]
) -> Metrics:
    """Metrics of one generation."""
    del settings
    known = partial(if_known, dtype=params.points.dtype)
    compute = {
        "mean": lambda: params.mean,
        "variance": lambda: params.variance.mean(),
        "mean_squared_error": lambda: known(
            context.truth, partial(mean_squared_error, params.mean)
        ),
        "bandwidth": lambda: params.bandwidth,
        "test_log_likelihood": lambda: known(
            context.test, lambda test: log_density(params, kernel, test).mean()
        ),
    }
    return computed(compute, wanted)


def kde(
    *, kernel: str = "gaussian", rule: str = "fixed", capacity: int = 1, metrics=None
) -> Learner:
    """A kernel density estimate.

    Args:
      kernel: `gaussian` or `tophat`.
      rule: `fixed`, the bandwidth being the traced setting `learner.bandwidth`; or `scott` or
        `silverman`, by the number of training points (Kish's effective number if weighted).
      capacity: points that a model keeps, as a multiple of the real data set; see the module.
      metrics: names of the metrics to compute; None for all.

    Pool weights count as repeated rows do; its groups are ignored.
    """
    check_choices("kde", kernel=kernel, rule=rule)
    if capacity < 1:
        raise ValueError(f"capacity={capacity}: expected at least 1.")
    wanted = chosen_metrics(metrics, OF_KDE)
    return closed_form(
        partial(init, capacity=capacity),
        partial(fit, kernel=kernel, rule=rule),
        partial(sample, kernel=kernel),
        partial(measure, kernel=kernel, wanted=wanted),
        block=512,
    )
