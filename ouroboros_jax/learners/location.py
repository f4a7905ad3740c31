"""The location chains: a normal law of known spread, whose centre is the mean or the median.

They are the simplest asymptotically linear estimators of Dey and Donoho 2024 (arXiv 2410.22812),
whose errors accumulate as pi^2/6 whatever the estimator; the median is the estimator of no
exponential family. Only one number per feature is learnt, so nothing but the centre can drift.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Context, Learner, Pool, closed_form
from ouroboros_jax.draws.numbers import normals
from ouroboros_jax.metrics.asked import chosen_metrics, computed, if_known
from ouroboros_jax.metrics.linalg import matmul
from ouroboros_jax.metrics.mixture import mean_squared_error
from ouroboros_jax.metrics.names.densities import OF_LOCATION


class Location(NamedTuple):
    """N(centre, spread^2) of every feature."""

    centre: jax.Array  # [D]


def weighted_median(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Medians of the columns of `values` [N, D]; of an even number, the mean of the middle two.

    That is the smallest value with at least half the weight at or below it, averaged with the
    largest that has at least half at or above. Rows of weight 0 do not count.
    """

    def column(x):
        x = jnp.where(weights > 0, x, jnp.inf)
        order = jnp.argsort(x)
        x, below = x[order], jnp.cumsum(weights[order])
        half = below[-1] / 2
        low, high = (below < half).sum(), (below <= half).sum()
        last = (weights > 0).sum() - 1
        return (x[jnp.minimum(low, last)] + x[jnp.minimum(high, last)]) / 2

    return jax.vmap(column, 1)(values)


def mean(*, metrics=None) -> Learner:
    """The mean of a normal law whose standard deviation stays `learner.spread`."""

    def estimate(data, weights):
        return matmul(weights / weights.sum(), data)

    return _location(estimate, metrics)


def median(*, metrics=None) -> Learner:
    """The median of a normal law whose standard deviation stays `learner.spread`."""
    return _location(weighted_median, metrics)


def _location(estimate: Callable[[jax.Array, jax.Array], jax.Array], metrics) -> Learner:
    """A centre by `estimate(data, weights)`; `metrics` are names, None for all.

    Pool weights count as repeated rows do; its groups are ignored.
    """
    wanted = chosen_metrics(metrics, OF_LOCATION)

    def fit(key, settings, params, pool: Pool):
        del key, settings, params
        data = jnp.where((pool.weights > 0)[:, None], pool.data, 0)
        return Location(estimate(data, pool.weights.astype(data.dtype)))

    def sample(key, settings, params, source, num):
        del source
        dtype = params.centre.dtype
        noise = normals(key, (num, params.centre.shape[0]), dtype)
        spread = jnp.asarray(settings.learner["spread"], dtype)
        return params.centre[None] + spread * noise

    def measure(settings, params, context: Context):
        known = partial(if_known, dtype=params.centre.dtype)

        def log_likelihood(test):
            spread = jnp.asarray(settings.learner["spread"], test.dtype)
            return jax.scipy.stats.norm.logpdf(test, params.centre[None], spread).sum(1).mean()

        compute = {
            "mean": lambda: params.centre,
            "mean_squared_error": lambda: known(
                context.truth, partial(mean_squared_error, params.centre)
            ),
            "test_log_likelihood": lambda: known(context.test, log_likelihood),
        }
        return computed(compute, wanted)

    return closed_form(
        lambda key, settings, data: Location(jnp.zeros(data.shape[1], data.dtype)),
        fit,
        sample,
        measure,
        block=512,
    )
