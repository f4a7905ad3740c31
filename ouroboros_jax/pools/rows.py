"""Pools of points, in compact rows: for any learner, and any regime."""

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Data, Learner, Pool
from ouroboros_jax.data.base import RealData
from ouroboros_jax.draws.numbers import shuffled, without_replacement
from ouroboros_jax.keys import stage_key
from ouroboros_jax.pools.memory import Rows, num_rows, rows_memories, with_last
from ouroboros_jax.pools.realisation import Realisation, part_size, reads_last
from ouroboros_jax.regimes import PREVIOUS, REAL, Regime


def _isolated(function):
    """Keep XLA from fusing `function` with its surroundings: what it draws has the same bits in
    every program, so that a data set rebuilt from keys is the one that was trained on."""

    def isolated(*args):
        return jax.lax.optimization_barrier(function(*jax.lax.optimization_barrier(args)))

    return isolated


def _choose(index: jax.Array, options: list[Data]) -> Data:
    """Row i of option `index[i]`; a chain of selects, since options are few."""
    chosen = options[0]
    for i, option in enumerate(options[1:], 1):
        chosen = jax.tree.map(
            lambda a, b, i=i: jnp.where((index == i).reshape(-1, *[1] * (a.ndim - 1)), b, a),
            chosen,
            option,
        )
    return chosen


def _unit_rows(data: Data, num: jax.Array) -> Rows:
    """`data` with weight 1 on its first `num` rows."""
    n = num_rows(data)
    weights = (jnp.arange(n) < num).astype(jnp.result_type(float))
    return Rows(data, weights, jnp.zeros(n, jnp.int32))


def _repeated(data: Data, count: jax.Array, num: int) -> Data:
    """`num` of the first `count` rows, in order, cycled through if there are fewer."""
    place = jnp.arange(num) % count
    return jax.tree.map(lambda a: a[place], data)


def _shuffled(key, points: Rows) -> Rows:
    """The same points in random order, empty slots last."""
    order = shuffled(key, points.weights > 0)
    return jax.tree.map(lambda a: a[order], points)


def rows(
    learner: Learner, regime: Regime, real: RealData, *, keeps_last: bool = False
) -> Realisation:
    """Pools of points, for any learner.

    `keeps_last` also remembers the newest points, even if this regime never reads them, so that its
    memory has the same structure as that of a regime that does.
    """
    num_groups = len(regime.sources) if regime.weights else 1
    lags = [source for source in regime.sources if source not in (REAL, PREVIOUS)]
    is_read = reads_last(learner, regime)
    memory = rows_memories(regime.window)[regime.kept]

    def first(given):
        begun = real.initial or real

        def points(key, settings):
            key_real = stage_key(key, "real", 0)
            return begun.draw(key_real, settings, given.table, given.capacity.real)

        return _unit_rows(_isolated(points)(given.key, given.settings), given.settings.num_data)

    def read_again(given, before):
        """The points of the generation before, and the `source` for `learner.sample`."""
        num = given.capacity.new
        last, source = None, given.table
        if is_read:
            last = before.memory.last
            if len(regime.sources) > 1:  # or some source's points would never prompt
                last = _shuffled(given.stage_key("select", before.generation, 1), last)
            last = _repeated(last.data, (last.weights > 0).sum(), num)
        if learner.prompts == "previous":
            source = last
        elif learner.prompts == "real":
            source = _repeated(first(given).data, given.settings.num_data, num)
        elif learner.prompts == "fresh":
            # A key with a source, so these differ from the points that a regime draws as real ones.
            key_new = given.stage_key("real", before.generation, 1)
            source = real.draw(key_new, given.settings, given.table, num)
        return last, source

    def part(given, before, turn):
        num, size = given.capacity.new, part_size(learner, given.capacity)
        places = jnp.minimum(turn * size + jnp.arange(size), num - 1)

        def points(key, settings, models, source):
            return [
                learner.parts.sample(
                    stage_key(key, "sample", before.generation, lag),
                    *(settings, models[lag - 1], source, num, places),
                )
                for lag in lags
            ]

        _, source = read_again(given, before)
        return _isolated(points)(given.key, given.settings, before.models, source)

    def draw_sources(given, before, drawn):
        """`capacity.new` points of each source; slot i of the data set takes its source's i-th."""
        num = given.capacity.new

        def points(key, settings, models, last, source, drawn):
            def sample(lag):
                key_sample = stage_key(key, "sample", before.generation, lag)
                return learner.sample(key_sample, settings, models[lag - 1], source, num)

            of_source = {PREVIOUS: last}
            of_source |= zip(lags, drawn or map(sample, lags), strict=True)
            if REAL in regime.sources:
                key_real = stage_key(key, "real", before.generation)
                of_source[REAL] = real.draw(key_real, settings, given.table, num)
            return [of_source[source] for source in regime.sources]

        again = read_again(given, before)
        return _isolated(points)(given.key, given.settings, before.models, *again, drawn)

    def draw(given, before, drawn=None):
        options = draw_sources(given, before, drawn)
        counts = regime.counts(given.settings, before.generation)
        places = jnp.arange(given.capacity.new)
        source = (places[:, None] >= jnp.cumsum(counts)[None]).sum(-1)
        new = _unit_rows(_choose(source, options), counts.sum())
        if regime.weights is None:
            return new
        source = jnp.minimum(source, len(regime.sources) - 1).astype(jnp.int32)
        each = regime.weights(given.settings) / jnp.maximum(counts, 1)
        return Rows(new.data, new.weights * each[source], source)

    def subsample(given, points, generation):
        settings, capacity = given.settings, given.capacity
        num = jnp.where(generation == 0, settings.num_data, settings.num_samples)
        slots = min(max(capacity.new, capacity.real), num_rows(points))
        key_select = given.stage_key("select", generation)
        there = points.weights > 0
        chosen = without_replacement(key_select, there, num, slots, points.filled)
        return _unit_rows(jax.tree.map(lambda a: a[chosen], points.data), num)

    def pool(given, points, generation):
        if regime.subsample and not isinstance(generation, int):  # an int is 0: all are taken
            points = subsample(given, points, generation)
        groups = jnp.arange(num_groups)[:, None]
        totals = jnp.where(points.group[None] == groups, points.weights[None], 0).sum(1)
        return Pool(points.data, points.weights, points.group, totals)

    def points_to_begin(given):
        # Points of the real data set: unlike a pool's, none of their slots is empty.
        return first(given).data

    memory = with_last(memory) if is_read or keeps_last else memory
    in_parts = part if learner.parts and lags else None
    alike = regime.kept == "nothing" and not regime.subsample
    return Realisation(first, draw, pool, memory, points_to_begin, part=in_parts, pools_alike=alike)
