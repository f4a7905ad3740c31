"""The categorical chain: frequencies of V symbols, from points or from exact counts.

Serves Suresh et al. (arXiv 2412.17646), Seddik et al. (arXiv 2404.05090) and the unigram case of
language models. Under `replace` each symbol's count is a Wright-Fisher chain: symbols are alleles,
a lost one never returns, and `sampler.temperature` T, which draws from p^(1/T), is selection.
Counts are drawn in place of points, exact in law, if the regime keeps no point's identity.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Context, Learner, Moments, Pool, closed_form
from ouroboros_jax.data.symbols import SymbolLaw
from ouroboros_jax.draws.counts import multinomial, symbols, tally
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.metrics.asked import chosen_metrics, computed, if_known
from ouroboros_jax.metrics.names.symbols import OF_SYMBOLS
from ouroboros_jax.samplers import tempered


class Categorical(NamedTuple):
    """A law on V symbols."""

    probabilities: jax.Array  # [V], sums to 1


class Counts(NamedTuple):
    """How often each symbol occurs in a data set."""

    counts: jax.Array  # int32 [V]


def points_with(rng: np.random.Generator, statistics: Counts) -> np.ndarray:
    """Points `[N]` with these counts, in random order, on the host."""
    counts = np.asarray(statistics.counts)
    return rng.permutation(np.repeat(np.arange(len(counts), dtype=np.int32), counts))


def categorical(*, num_symbols: int, draw: str = "sufficient", metrics=None) -> Learner:
    """Frequencies of V symbols, fitted by maximum likelihood or with pseudo-counts.

    Args:
      num_symbols: V.
      draw: `sufficient` fits counts that were drawn exactly, `samples` fits points.
      metrics: names of the metrics to compute; None for all.

    The traced setting `learner.smoothing` is a pseudo-count added to every symbol's count.
    """
    check_choices("categorical", draw=draw)
    is_counted = draw == "sufficient"
    wanted = chosen_metrics(metrics, OF_SYMBOLS)

    def drawn_from(settings, params: Categorical):
        return tempered(params.probabilities, settings.sampler["temperature"])

    def init(key, settings, data):
        del key, settings, data
        return Categorical(jnp.full(num_symbols, 1 / num_symbols, jnp.result_type(float)))

    def pooled(pool: Pool) -> tuple[jax.Array, jax.Array]:
        """Total weight of each symbol `[V]`, and the number of points."""
        dtype = jnp.result_type(float)
        if not is_counted:
            weights = tally(pool.data, pool.weights.astype(dtype), num_symbols)
            return weights, (pool.weights > 0).sum(dtype=dtype)
        counts = pool.data.counts.astype(dtype)  # [S, V]
        sizes = counts.sum(1)
        each = pool.totals.astype(dtype) / jnp.maximum(sizes, 1)
        return (each[:, None] * counts).sum(0), sizes.sum()

    def fit(key, settings, params, pool):
        del key, params
        weights, num = pooled(pool)
        alpha = settings.learner["smoothing"]
        added = weights * (num / weights.sum()) + alpha
        return Categorical(added / (num + alpha * num_symbols))

    def sample(key, settings, params, source, num):
        del source
        return symbols(key, drawn_from(settings, params), num)

    def measure(settings, params, context: Context):
        del settings
        values = symbol_metrics(params.probabilities, context, wanted)
        return values | {"degenerate": (params.probabilities > 0).sum() == 1}

    def draw_counts(key, settings, params, num):
        return Counts(multinomial(key, drawn_from(settings, params), num))

    def of(data, mask):
        return Counts(tally(data, mask.astype(jnp.int32), num_symbols))

    def merge(a: Counts, b: Counts):
        return Counts(a.counts + b.counts)

    def law(truth):
        return Categorical(truth.probabilities) if isinstance(truth, SymbolLaw) else None

    return closed_form(
        init,
        fit,
        sample,
        measure,
        moments=Moments(draw_counts, of, merge, law, points_with) if is_counted else None,
        block=512,
    )


def symbol_metrics(p: jax.Array, context: Context, names) -> dict[str, jax.Array]:
    """The metrics called `names` of probabilities p `[V]`; nothing else is computed.

    Metrics that need an absent truth, reference or test are NaN. The divergence is that of the
    model from the truth, KL(model || truth), which stays finite when the model has lost symbols.
    """
    truth = context.truth if isinstance(context.truth, SymbolLaw) else None
    known = partial(if_known, dtype=p.dtype)

    def surviving(p):
        return (p > 0).sum(dtype=jnp.int32)

    def surviving_share(reference):
        return surviving(p) / surviving(reference.probabilities).astype(p.dtype)

    def kl_to_truth(truth):
        ratio = jnp.where(p > 0, p, 1) / jnp.where(p > 0, truth.probabilities, 1)
        return (p * jnp.log(ratio)).sum()

    def of_truth(function):
        return lambda: known(truth, function)

    compute = {
        "heterozygosity": lambda: 1 - jnp.square(p).sum(),
        "entropy": lambda: jax.scipy.special.entr(p).sum(),
        "max_probability": p.max,
        "surviving": lambda: surviving(p),
        "surviving_share": lambda: known(context.reference, surviving_share),
        "surviving_mass": of_truth(lambda truth: jnp.where(p > 0, truth.probabilities, 0).sum()),
        "rare_mass": of_truth(lambda truth: jnp.where(truth.is_rare, p, 0).sum()),
        "rare_surviving": of_truth(lambda truth: (truth.is_rare & (p > 0)).sum(dtype=jnp.int32)),
        "total_variation": of_truth(lambda truth: jnp.abs(p - truth.probabilities).sum() / 2),
        "kl_to_truth": of_truth(kl_to_truth),
        "is_fixated": lambda: surviving(p) == 1,
        "test_log_likelihood": lambda: known(
            context.test, lambda test: jnp.log(p)[test.astype(jnp.int32)].mean()
        ),
    }
    return computed(compute, names)
