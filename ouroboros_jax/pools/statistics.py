"""Pools of sufficient statistics, exact in law, for learners that can draw these (`base.Moments`).

They cost nothing per point, and leave the number of points traced.
"""

import functools

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Learner, Pool, Settings
from ouroboros_jax.data.base import RealData
from ouroboros_jax.errors import UserError
from ouroboros_jax.pools.memory import are_alike, num_rows, statistics_memories
from ouroboros_jax.pools.realisation import Realisation
from ouroboros_jax.regimes import PREVIOUS, REAL, Regime


def _unbiased(settings: Settings) -> Settings:
    """The same settings with a neutral sampler: the truth is never biased."""
    return settings._replace(sampler=jax.tree.map(jnp.ones_like, settings.sampler))


def statistics(learner: Learner, regime: Regime, real: RealData) -> Realisation:
    """Pools of sufficient statistics, by the learner's exact `moments`."""
    moments = learner.moments
    if moments is None or regime.subsample or PREVIOUS in regime.sources:
        raise UserError(
            "Statistics need a learner that can draw them and a regime that keeps no point's "
            "identity; use draw='samples'."
        )

    begun = real.initial or real
    # Models whose draws are merged draw in one `vmap`; any other source draws separately.
    of_lags = [i for i, source in enumerate(regime.sources) if source != REAL]
    together = of_lags if regime.weights is None and len(of_lags) > 1 else []
    apart = [i for i in range(len(regime.sources)) if i not in together]

    def law_of(real, settings):
        return moments.law(real.truth(settings)) if real.truth else None

    def of_truth(real, given, generation, num, slots):
        key = given.stage_key("real", generation)
        law = law_of(real, given.settings)
        if law is not None:
            return moments.draw(key, _unbiased(given.settings), law, num)
        data = real.draw(key, given.settings, given.table, slots)
        return moments.of(data, jnp.arange(slots) < num)

    def first(given):
        points = of_truth(begun, given, 0, given.settings.num_data, given.capacity.real)
        return jax.tree.map(lambda a: a[None], points)

    def of_model(given, generation, model, lag, count):
        key = given.stage_key("sample", generation, lag)
        return moments.draw(key, given.settings, model, count)

    def of_models(given, before, counts):
        """The merged draws of several models; a program for many is no longer than one for two."""
        lags = [regime.sources[i] for i in together]
        theirs = (before.models[lag - 1] for lag in lags)
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *theirs)
        one = functools.partial(of_model, given, before.generation)
        drawn = jax.vmap(one)(stacked, jnp.array(lags), counts[jnp.array(together)])
        first = jax.tree.map(lambda a: a[0], drawn)
        others = jax.tree.map(lambda a: a[1:], drawn)
        return jax.lax.scan(lambda a, b: (moments.merge(a, b), None), first, others)[0]

    def draw(given, before, drawn=None):
        del drawn  # the host draws points only
        counts = regime.counts(given.settings, before.generation)

        def of_source(i):
            source = regime.sources[i]
            if source == REAL:
                return of_truth(real, given, before.generation, counts[i], given.capacity.new)
            model = before.models[source - 1]
            return of_model(given, before.generation, model, source, counts[i])

        parts = [of_models(given, before, counts)] if together else []
        parts += [of_source(i) for i in apart]
        if regime.weights is None:
            parts = [functools.reduce(moments.merge, parts)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)

    def either(given, before, is_first):
        settings, model = given.settings, before.models[0]
        truth = law_of(begun, settings)
        if regime.sources != (1,) or not alike or not are_alike(truth, model):
            return None  # generation 0 is not drawn and pooled like later ones
        key_model = given.stage_key("sample", before.generation, 1)
        num_samples = regime.counts(settings, before.generation)[0]
        points = moments.draw(
            *jax.tree.map(
                lambda a, b: jnp.where(is_first, a, b),
                (given.stage_key("real", 0), _unbiased(settings), truth, settings.num_data),
                (key_model, settings, model, num_samples),
            )
        )
        return jax.tree.map(lambda a: a[None], points)

    def pool(given, points, generation):
        num = num_rows(points)
        weights = jnp.ones(1)
        if num > 1:  # a source without points has no weight
            there = regime.counts(given.settings, generation) > 0
            weights = jnp.where(there, regime.weights(given.settings), 0)
        return Pool(points, weights, jnp.arange(num, dtype=jnp.int32), weights)

    memory = statistics_memories(regime.window, moments)[regime.kept]
    alike = regime.kept != "real"  # merging with statistics of no points has no effect
    return Realisation(first, draw, pool, memory, first, either=either, pools_alike=alike)
