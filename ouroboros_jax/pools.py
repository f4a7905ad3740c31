"""Pools: a regime's table realised as compact rows, as statistics of each source, or as recipes.

A `Realisation` draws a generation's new points and hands the learner a `Pool` of everything the
regime trains on. Rows work for every learner. Statistics are exact in law where the learner knows
how to draw them (`base.Moments`), cost nothing per point, and leave the number of points traced.
Recipes (`recipes.py`) hold models in place of what they drew.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax import draws
from ouroboros_jax.base import Data, Learner, Pool, Settings
from ouroboros_jax.data.base import RealData
from ouroboros_jax.errors import UserError
from ouroboros_jax.keys import stage_key
from ouroboros_jax.memory import (
    Capacity,
    Memory,
    Rows,
    are_alike,
    num_rows,
    rows_memories,
    statistics_memories,
    with_last,
)
from ouroboros_jax.regimes import PREVIOUS, REAL, Regime


class Realisation(NamedTuple):
    """How points are drawn and pooled; every function is of one chain and pure.

    `first(key, settings, table, capacity)` is the real data set of generation 0;
    `draw(key, settings, models, table, generation, capacity, memory)` a generation's new points,
    with `models[lag - 1]` the parameters that many generations back, and `drawn` what they draw,
    where the host has it; `part(..., turn)`, of learners with `parts` and with the same arguments,
    are rows of that, [R, ...] of each model, in turns 0, 1, ...; and
    `pool(key, settings, points, generation, capacity)` of what the memory says is trained on, the
    generation being a plain 0 where it is known to be the first.
    `open(key, settings, pool, table, generation, step, capacity)` is the pool as a step sees it,
    and `begin(key, settings, table, capacity)` points that a fit may begin from.

    Where one program has generation 0 and those after it: `either(..., is_first)`, of `draw`'s
    arguments, are the points of one or the other without a branch, a TypeError where there is no
    such way (None: a branch costs little), and `pools_alike` says that generation 0 is pooled like
    those after it, from a memory that was empty.
    """

    first: Callable[..., Any]
    draw: Callable[..., Any]
    pool: Callable[..., Pool]
    memory: Memory
    begin: Callable[..., Data]
    open: Callable[..., Pool] = lambda key, settings, pool, *rest: pool
    part: Callable[..., list[Data]] | None = None
    either: Callable[..., Any] | None = None
    pools_alike: bool = False


def _isolated(function):
    """Keep XLA from fusing `function` with its surroundings: what it draws has the same bits in
    every program, so that a data set rebuilt from keys is the one that was trained on."""

    def isolated(*args):
        return jax.lax.optimization_barrier(function(*jax.lax.optimization_barrier(args)))

    return isolated


def _unbiased(settings: Settings) -> Settings:
    """The same settings with a neutral sampler: the truth is never biased."""
    return settings._replace(sampler=jax.tree.map(jnp.ones_like, settings.sampler))


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
    scores = draws.unit_uniforms(key, points.weights.shape, jnp.float32)
    _, order = jax.lax.top_k(jnp.where(points.weights > 0, scores, -1.0), num_rows(points))
    return jax.tree.map(lambda a: a[order], points)


def part_size(learner: Learner, capacity: Capacity) -> int:
    """Rows of one turn of a draw in parts: at most those of the whole, which are drawn alike."""
    return min(learner.parts.size, capacity.new)


def reads_last(learner: Learner, regime: Regime) -> bool:
    """Whether a generation needs the points of the one before again."""
    return PREVIOUS in regime.sources or learner.prompts == "previous"


def rows(
    learner: Learner, regime: Regime, real: RealData, *, keeps_last: bool = False
) -> Realisation:
    """Pools of points, for any learner.

    `keeps_last` remembers the newest points even if nothing here reads them again: the memory is
    then of one kind with that of a regime that does.
    """
    num_groups = len(regime.sources) if regime.weights else 1
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
                for place in regime.sources
                if place not in (REAL, PREVIOUS)
            ]

        _, source = read_again(key, settings, table, generation, capacity, memory)
        return _isolated(points)(key, settings, models, source)

    def draw(key, settings, models, table, generation, capacity, memory, drawn=None):
        def points(key, settings, models, last, source, drawn):
            drawn, options = iter(drawn or ()), []
            for place in regime.sources:
                if place == REAL:
                    key_real = stage_key(key, "real", generation)
                    options.append(real.draw(key_real, settings, table, capacity.new))
                elif place == PREVIOUS:
                    options.append(last)
                elif (known := next(drawn, None)) is not None:
                    options.append(known)
                else:
                    key_sample = stage_key(key, "sample", generation, place)
                    params = models[place - 1]
                    new = learner.sample(key_sample, settings, params, source, capacity.new)
                    options.append(new)
            return options

        again = read_again(key, settings, table, generation, capacity, memory)
        options = _isolated(points)(key, settings, models, *again, drawn)
        counts = regime.counts(settings, generation)
        source = (jnp.arange(capacity.new)[:, None] >= jnp.cumsum(counts)[None]).sum(-1)
        drawn = _unit_rows(_choose(source, options), counts.sum())
        if regime.weights is None:
            return drawn
        source = jnp.minimum(source, len(regime.sources) - 1).astype(jnp.int32)
        each = regime.weights(settings) / jnp.maximum(counts, 1)
        return Rows(drawn.data, drawn.weights * each[source], source)

    def subsample(key, points, num, generation, slots):
        key_select = stage_key(key, "select", generation)
        there = points.weights > 0
        chosen = draws.without_replacement(key_select, there, num, slots, points.filled)
        return _unit_rows(jax.tree.map(lambda a: a[chosen], points.data), num)

    def pool(key, settings, points, generation, capacity):
        if regime.subsample and not isinstance(generation, int):  # else it is 0: all are taken
            num = jnp.where(generation == 0, settings.num_data, settings.num_samples)
            slots = min(max(capacity.new, capacity.real), num_rows(points))
            points = subsample(key, points, num, generation, slots)
        groups = jnp.arange(num_groups)[:, None]
        totals = jnp.where(points.group[None] == groups, points.weights[None], 0).sum(1)
        return Pool(points.data, points.weights, points.group, totals)

    def begin(key, settings, table, capacity):
        # Points of the real data set: unlike a pool's, none of their slots is empty.
        return first(key, settings, table, capacity).data

    memory = with_last(memory) if is_read or keeps_last else memory
    has_models = any(place not in (REAL, PREVIOUS) for place in regime.sources)
    in_parts = part if learner.parts and has_models else None
    alike = regime.kept == "nothing" and not regime.subsample
    return Realisation(first, draw, pool, memory, begin, part=in_parts, pools_alike=alike)


def statistics(learner: Learner, regime: Regime, real: RealData) -> Realisation:
    """Pools of sufficient statistics, by the learner's exact `moments`."""
    moments = learner.moments
    if moments is None or regime.subsample or PREVIOUS in regime.sources:
        raise UserError(
            "Statistics need a learner that can draw them and a regime that keeps no point's "
            "identity; use draw='samples'."
        )

    begun = real.initial or real

    def law_of(real, settings):
        return moments.law(real.truth(settings)) if real.truth else None

    def of_truth(real, key, settings, table, num, slots):
        law = law_of(real, settings)
        if law is not None:
            return moments.draw(key, _unbiased(settings), law, num)
        data = real.draw(key, settings, table, slots)
        return moments.of(data, jnp.arange(slots) < num)

    def first(key, settings, table, capacity):
        key_real = stage_key(key, "real", 0)
        points = of_truth(begun, key_real, settings, table, settings.num_data, capacity.real)
        return jax.tree.map(lambda a: a[None], points)

    def draw(key, settings, models, table, generation, capacity, memory):
        del memory
        counts = regime.counts(settings, generation)
        drawn = []
        for i, source in enumerate(regime.sources):
            if source == REAL:
                key_real = stage_key(key, "real", generation)
                drawn.append(of_truth(real, key_real, settings, table, counts[i], capacity.new))
            else:
                key_model = stage_key(key, "sample", generation, source)
                drawn.append(moments.draw(key_model, settings, models[source - 1], counts[i]))
        if regime.weights is None:
            drawn = [functools.reduce(moments.merge, drawn)]
        return jax.tree.map(lambda *parts: jnp.stack(parts), *drawn)

    def either(key, settings, models, table, generation, capacity, memory, is_first):
        del table, capacity, memory
        truth, model = law_of(begun, settings), models[0]
        if regime.sources != (1,) or not alike or not are_alike(truth, model):
            raise TypeError("Generation 0 is not drawn and pooled as those after it.")
        key_model = stage_key(key, "sample", generation, 1)
        num_samples = regime.counts(settings, generation)[0]
        points = moments.draw(
            *jax.tree.map(
                lambda a, b: jnp.where(is_first, a, b),
                (stage_key(key, "real", 0), _unbiased(settings), truth, settings.num_data),
                (key_model, settings, model, num_samples),
            )
        )
        return jax.tree.map(lambda a: a[None], points)

    def pool(key, settings, points, generation, capacity):
        del key, capacity
        num = num_rows(points)
        weights = jnp.ones(1)
        if num > 1:  # a source without points has no weight
            there = regime.counts(settings, generation) > 0
            weights = jnp.where(there, regime.weights(settings), 0)
        return Pool(points, weights, jnp.arange(num, dtype=jnp.int32), weights)

    memory = statistics_memories(regime.window, moments)[regime.kept]
    alike = regime.kept != "real"  # to merge with statistics of no points changes nothing
    return Realisation(first, draw, pool, memory, first, either=either, pools_alike=alike)
