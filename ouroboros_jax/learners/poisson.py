"""The Poisson chain: a rate fitted to counts, from points or from their exact total.

Serves Suresh et al. (arXiv 2412.17646, Theorem 2). The total of n counts is itself Poisson, so a
generation is one number whatever n; a total of 0 is absorbing, and the chain survives with
probability 1 - exp(-n lambda g_k).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Context, Learner, Moments, Pool, closed_form
from ouroboros_jax.data.symbols import Rate
from ouroboros_jax.draws.counts import poisson as draw_poisson
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.metrics.asked import chosen_metrics, computed, if_known
from ouroboros_jax.metrics.names.symbols import OF_RATES


class Poisson(NamedTuple):
    """A Poisson law."""

    rate: jax.Array  # [], 0 once a chain has died out


class Total(NamedTuple):
    """The sum of a number of counts."""

    num: jax.Array  # int32 []
    total: jax.Array  # int32 []


def points_with(rng: np.random.Generator, statistics: Total) -> np.ndarray:
    """Counts `[N]` with this sum, from their conditional law, a multinomial with equal
    probabilities."""
    num = int(statistics.num)
    if num == 0:
        return np.zeros(0, np.int32)
    return rng.multinomial(int(statistics.total), np.full(num, 1 / num)).astype(np.int32)


def poisson(*, draw: str = "sufficient", metrics=None) -> Learner:
    """A Poisson rate, fitted by maximum likelihood: the mean of the counts.

    Args:
      draw: `sufficient` draws the counts' total, `samples` the counts.
      metrics: names of the metrics to compute; None for all.
    """
    check_choices("poisson", draw=draw)
    is_total = draw == "sufficient"
    wanted = chosen_metrics(metrics, OF_RATES)

    def init(key, settings, data):
        del key, settings, data
        return Poisson(jnp.ones((), jnp.result_type(float)))

    def fit(key, settings, params, pool: Pool):
        del key, settings
        dtype = params.rate.dtype
        if is_total:
            size = jnp.maximum(pool.data.num, 1).astype(dtype)
            means, weights = pool.data.total.astype(dtype) / size, pool.totals.astype(dtype)
        else:
            means, weights = pool.data.astype(dtype), pool.weights.astype(dtype)
        return Poisson((weights * means).sum() / weights.sum())

    def sample(key, settings, params, source, num):
        del settings, source
        return draw_poisson(key, jnp.broadcast_to(params.rate, (num,)))

    def measure(settings, params, context: Context):
        del settings
        values = rate_metrics(params.rate, context, wanted)
        return values | {"degenerate": params.rate == 0}

    def draw_total(key, settings, params, num):
        del settings
        num = jnp.asarray(num, jnp.int32)
        return Total(num, draw_poisson(key, num.astype(params.rate.dtype) * params.rate))

    def of(data, mask):
        num = mask.sum(dtype=jnp.int32)
        return Total(num, jnp.where(mask, data, 0).sum(dtype=jnp.int32))

    def merge(a: Total, b: Total):
        return Total(a.num + b.num, a.total + b.total)

    def law(truth):
        return Poisson(truth.rate) if isinstance(truth, Rate) else None

    return closed_form(
        init,
        fit,
        sample,
        measure,
        moments=Moments(draw_total, of, merge, law, points_with) if is_total else None,
        block=512,
    )


def rate_metrics(rate: jax.Array, context: Context, names) -> dict[str, jax.Array]:
    """The metrics called `names` of a rate; those that need an absent truth or test are NaN."""
    truth = context.truth if isinstance(context.truth, Rate) else None
    known = partial(if_known, dtype=rate.dtype)

    def log_likelihood(test):
        values = test.astype(rate.dtype)
        return (jax.scipy.special.xlogy(values, rate) - rate - jax.lax.lgamma(values + 1)).mean()

    compute = {
        "rate": lambda: rate,
        "is_alive": lambda: rate > 0,
        "mean_squared_error": lambda: known(truth, lambda truth: jnp.square(rate - truth.rate)),
        "test_log_likelihood": lambda: known(context.test, log_likelihood),
    }
    return computed(compute, names)
