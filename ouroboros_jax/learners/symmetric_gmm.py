"""The symmetric mixture chain: two equal components at +-mu with one standard deviation.

Serves Suresh, Thangaraj and Khandavally 2024 (arXiv 2412.17646), Thm 4, whose bound on how long the
standard deviation survives is `theory.mixture.suresh_bound`. Two estimators, one feature:

  joint        maximum likelihood of (mu, s). At every stationary point mu^2 + s^2 = S, the mean
               square, so it is a search along one line: mu = r sqrt(S), 0 <= r < 1.
  approximate  theirs, in closed form from m0 = mean |x| and S. With
               kappa = exp((eta-1)((n-1)/2 + 4 eta) / (eta (n-1)(n + 4 eta - 1))) - 1, eta = 2, and
               a = 2 (1+kappa) S / (S - (1+kappa) m0^2), or 50 where S <= (1+kappa) m0^2,
               s^2 = a S (S - m0^2) / (a m0^2 + 2 S) where S <= 2 a m0^2 / (a-2), else S.

Everything is computed in units of sqrt(S), so nothing underflows until the points themselves do.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Context, Learner, Pool, closed_form, effective_count
from ouroboros_jax.draws.numbers import normals
from ouroboros_jax.draws.threefry import split
from ouroboros_jax.errors import UserError
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.metrics.asked import chosen_metrics, computed, if_known
from ouroboros_jax.metrics.linalg import matmul
from ouroboros_jax.metrics.names.densities import OF_SYMMETRIC

ETA = 2.0  # of the approximate estimator, as published
LARGEST_A = 50.0
_GRID, _GOLDEN_STEPS = 128, 30
_GOLDEN = (5**0.5 - 1) / 2


class Symmetric(NamedTuple):
    """(N(mu, s^2) + N(-mu, s^2)) / 2."""

    log_mean: jax.Array  # [1], log mu; -inf if the components coincide
    log_std: jax.Array  # [1], log s


def kappa(count: jax.Array) -> jax.Array:
    """The approximate estimator's correction for `count` points, at least 2."""
    top = (ETA - 1) * ((count - 1) / 2 + 4 * ETA)
    return jnp.expm1(top / (ETA * (count - 1) * (count + 4 * ETA - 1)))


def approximate(moment: jax.Array, count: jax.Array) -> jax.Array:
    """s^2 / S of the approximate estimator, from m0 / sqrt(S) and the number of points."""
    square, grown = jnp.square(moment), 1 + kappa(count)
    gap = 1 - grown * square
    a = jnp.where(gap > 0, 2 * grown / jnp.where(gap > 0, gap, 1), LARGEST_A)
    apart = a * (1 - square) / (a * square + 2)
    return jnp.where(a - 2 <= 2 * a * square, apart, 1.0)


def joint(units: jax.Array, share: jax.Array) -> jax.Array:
    """s^2 / S of the maximum likelihood estimator.

    The mean log likelihood along mu = r sqrt(S) is, up to a constant and with v = 1 - r^2,
    -ln(v)/2 - (1 + r^2)/(2 v) + mean ln cosh(r x / v). Its best point on a grid that is dense
    towards r = 1 is refined by a golden-section search.

    Args:
      units: the points over sqrt(S), [N].
      share: their weights, [N], sum 1.
    """
    dtype = units.dtype
    sizes = jnp.abs(units)

    def score(log_v):
        v = jnp.exp(log_v)
        r = jnp.sqrt(jnp.maximum(1 - v, 0))
        z = r / v * sizes
        # ln cosh z = |z| + ln(1 + exp(-2 |z|)) - ln 2; the r^2 and |z| parts nearly cancel.
        main = (2 * r * sizes - 1 - jnp.square(r)) / (2 * v)
        return -0.5 * log_v + matmul(share, main + jnp.log1p(jnp.exp(-2 * z)))

    least = float(np.log(4 * np.finfo(dtype).eps))
    grid = jnp.linspace(least, 0, _GRID, dtype=dtype)
    best = jnp.argmax(jax.vmap(score)(grid))
    low, high = grid[jnp.maximum(best - 1, 0)], grid[jnp.minimum(best + 1, _GRID - 1)]

    def shrink(_, bracket):
        low, high = bracket
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        is_left = score(left) > score(right)
        return jnp.where(is_left, low, left), jnp.where(is_left, right, high)

    low, high = jax.lax.fori_loop(0, _GOLDEN_STEPS, shrink, (low, high))
    middle = (low + high) / 2
    return jnp.exp(jnp.where(score(middle) >= score(grid[best]), middle, grid[best]))


def symmetric_gmm(*, estimator: str = "approximate", metrics=None) -> Learner:
    """Two equal components at +-mu with one standard deviation, of one feature.

    Args:
      estimator: `joint` maximum likelihood, or the published `approximate` one.
      metrics: names of the metrics to compute; None for all.

    Pool weights count as repeated rows do; its groups are ignored.
    """
    check_choices("symmetric_gmm", estimator=estimator)
    wanted = chosen_metrics(metrics, OF_SYMMETRIC)

    def init(key, settings, data):
        del key, settings
        if data.shape[1] != 1:
            raise UserError(
                f"learner.name='symmetric_gmm' is fitted to one feature, and the data has "
                f"{data.shape[1]}: expected data such as normal, or mixture with numbers as means"
            )
        return Symmetric(jnp.zeros(1, data.dtype), jnp.zeros(1, data.dtype))

    def fit(key, settings, params, pool: Pool):
        del key, settings, params
        there = pool.weights > 0
        x = jnp.where(there, pool.data[:, 0], 0)
        share = (pool.weights / pool.weights.sum()).astype(x.dtype)
        largest = jnp.abs(x).max()
        largest = jnp.where(largest > 0, largest, 1)
        x = x / largest
        root = jnp.sqrt(matmul(share, jnp.square(x)))
        units = x / jnp.where(root > 0, root, 1)
        if estimator == "joint":
            ratio = joint(units, share)
        else:
            count = effective_count(pool.weights)
            ratio = approximate(matmul(share, jnp.abs(units)), count.astype(x.dtype))
        log_root = jnp.log(root) + jnp.log(largest)
        log_mean = log_root + jnp.log1p(-ratio) / 2
        log_std = log_root + jnp.log(jnp.maximum(ratio, 0)) / 2
        return Symmetric(log_mean[None], log_std[None])

    def sample(key, settings, params, source, num):
        del settings, source
        key_side, key_noise = split(key)
        dtype = params.log_std.dtype
        side = jax.random.rademacher(key_side, (num, 1), dtype)
        noise = normals(key_noise, (num, 1), dtype)
        return side * jnp.exp(params.log_mean)[None] + jnp.exp(params.log_std)[None] * noise

    def measure(settings, params, context: Context):
        del settings
        mean, std = jnp.exp(params.log_mean[0]), jnp.exp(params.log_std[0])

        def log_likelihood(test):
            sides = jnp.stack([mean, -mean])
            z = (test[:, 0][:, None] - sides[None]) / std
            peak = params.log_std[0] + np.log(8 * np.pi) / 2
            return (jnp.logaddexp(*(-0.5 * jnp.square(z)).T) - peak).mean()

        compute = {
            "half_distance": lambda: mean,
            "std": lambda: std,
            "variance": lambda: jnp.square(mean) + jnp.square(std),
            "test_log_likelihood": lambda: if_known(context.test, log_likelihood, mean.dtype),
        }
        return computed(compute, wanted)

    return closed_form(
        init,
        fit,
        sample,
        measure,
        block=512,
    )
