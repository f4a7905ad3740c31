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
    """`num` rows of the first `count`, in order, again from the first where there are fewer."""
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

    `keeps_last` remembers the newest points even if nothing here reads them again: the memory is
    then of one kind with that of a regime that does.
    """
    num_groups = len(regime.sources) if regime.weights else 1
    from_models = [place for place in regime.sources if place not in (REAL, PREVIOUS)]
    is_read = reads_last(learner, regime)
    memory = rows_memories(regime.window)[regime.kept]

    def first(key, settings, table, capacity):
        def points(key, settings):
            begun = real.initial or real
            return begun.draw(stage_key(key, "real", 0), settings, table, capacity.real)

        return _unit_rows(_isolated(points)(key, settings), settings.num_data)

    def read_again(key, settings, table, generation, capacity, memory):
        """The points of the generation before, and those that `learner.sample` goes by."""
        last, source = None, table
        if is_read:
            last = memory.last
            if PREVIOUS in regime.sources:  # what is taken over and what prompts: two parts of it
                last = _shuffled(stage_key(key, "select", generation, 1), last)
            last = _repeated(last.data, (last.weights > 0).sum(), capacity.new)
        if learner.prompts == "previous":
            source = last
        elif learner.prompts == "real":
            points = first(key, settings, table, capacity)
            source = _repeated(points.data, settings.num_data, capacity.new)
        elif learner.prompts == "fresh":
            # Not the points that a regime draws as real ones, whose key has no source.
            key_new = stage_key(key, "real", generation, 1)
            source = real.draw(key_new, settings, table, capacity.new)
        return last, source

    def part(key, settings, models, table, generation, capacity, memory, turn):
        size = part_size(learner, capacity)
        places = jnp.minimum(turn * size + jnp.arange(size), capacity.new - 1)

        def points(key, settings, models, source):
            return [
                learner.parts.sample(
                    stage_key(key, "sample", generation, place),
                    *(settings, models[place - 1], source, capacity.new, places),
                )
                for place in from_models
            ]

        _, source = read_again(key, settings, table, generation, capacity, memory)
        return _isolated(points)(key, settings, models, source)

    def draw(key, settings, models, table, generation, capacity, memory, drawn=None):
        def points(key, settings, models, last, source, drawn):
            """Points of each source, `capacity.new` of it, of which the first are used."""

            def sample(place):
                key_sample = stage_key(key, "sample", generation, place)
                return learner.sample(key_sample, settings, models[place - 1], source, capacity.new)

            found = {PREVIOUS: last}
            found |= zip(from_models, drawn or map(sample, from_models), strict=True)
            if REAL in regime.sources:
                key_real = stage_key(key, "real", generation)
                found[REAL] = real.draw(key_real, settings, table, capacity.new)
            return [found[place] for place in regime.sources]

        again = read_again(key, settings, table, generation, capacity, memory)
        options = _isolated(points)(key, settings, models, *again, drawn)
        counts = regime.counts(settings, generation)
        source = (jnp.arange(capacity.new)[:, None] >= jnp.cumsum(counts)[None]).sum(-1)
        new = _unit_rows(_choose(source, options), counts.sum())
        if regime.weights is None:
            return new
        source = jnp.minimum(source, len(regime.sources) - 1).astype(jnp.int32)
        each = regime.weights(settings) / jnp.maximum(counts, 1)
        return Rows(new.data, new.weights * each[source], source)

    def subsample(key, points, num, generation, slots):
        key_select = stage_key(key, "select", generation)
        there = points.weights > 0
        chosen = without_replacement(key_select, there, num, slots, points.filled)
        return _unit_rows(jax.tree.map(lambda a: a[chosen], points.data), num)

    def pool(key, settings, points, generation, capacity):
        if regime.subsample and not isinstance(generation, int):  # else it is 0: all are taken
            num = jnp.where(generation == 0, settings.num_data, settings.num_samples)
            slots = min(max(capacity.new, capacity.real), num_rows(points))
            points = subsample(key, points, num, generation, slots)
        groups = jnp.arange(num_groups)[:, None]
        totals = jnp.where(points.group[None] == groups, points.weights[None], 0).sum(1)
        return Pool(points.data, points.weights, points.group, totals)

    def points_to_begin(key, settings, table, capacity):
        # Points of the real data set: unlike a pool's, none of their slots is empty.
        return first(key, settings, table, capacity).data

    memory = with_last(memory) if is_read or keeps_last else memory
    in_parts = part if learner.parts and from_models else None
    alike = regime.kept == "nothing" and not regime.subsample
    return Realisation(first, draw, pool, memory, points_to_begin, part=in_parts, pools_alike=alike)
