"""Pools of recipes: the models that drew the points, in place of the points.

A recipe is a data set's parameters, settings and generation; with the chain's key they say every
point of it. A step of a fit draws the points it needs again and lets them go, so what a chain
remembers grows by a model a generation and not by a data set. Learners whose `points` is `stream`
draw other points at every step: each batch is new.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Learner, Params, Pool, Settings
from ouroboros_jax.data.base import RealData
from ouroboros_jax.memory import pad, recipe_memories
from ouroboros_jax.pools import Realisation, reads_last, rows
from ouroboros_jax.regimes import Regime


class Recipe(NamedTuple):
    """One data set: the real one where `generation` is 0, else drawn from models."""

    models: tuple[Params, ...]  # by lag
    settings: Settings  # of that generation
    generation: jax.Array  # int32 []


class Recipes(NamedTuple):
    """Data sets that are trained on together; leaves of `recipe` are [M, ...]."""

    recipe: Recipe
    there: jax.Array  # bool [M]


def recipes(
    learner: Learner,
    regime: Regime,
    real: RealData,
    earlier: Sequence[tuple[Learner, Regime, int]] = (),
) -> Realisation:
    """Pools that are drawn again at every step, for learners that are hosted.

    `earlier` are the learner and regime of earlier generations, where they were others, each up to
    its last generation: what was drawn then is drawn again as it was.
    """
    makers = [(maker, drawn_by) for maker, drawn_by, _ in earlier] + [(learner, regime)]
    if any(reads_last(*maker) for maker in makers) or regime.weights is not None:
        raise ValueError("Recipes need data sets that can be drawn without the one before.")
    draws = [
        rows(maker, drawn_by._replace(subsample=False, kept="nothing"), real)
        for maker, drawn_by in makers
    ]
    lasts = [last for _, _, last in earlier]
    num_models = max(drawn_by.lags for _, drawn_by in makers)
    as_rows = draws[-1]
    whole = rows(learner, regime, real)
    is_stream = learner.points == "stream"

    def first(key, settings, table, capacity):
        def params(key):
            return learner.init(key, settings, as_rows.first(key, settings, table, capacity).data)

        shapes = jax.eval_shape(params, key)
        empty = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
        return Recipe((empty,) * num_models, settings, jnp.int32(0))

    def draw(key, settings, models, table, generation, capacity, memory):
        del key, table, capacity, memory
        models = (*models, *models[-1:] * num_models)[:num_models]  # those beyond are never read
        return Recipe(models, settings, jnp.asarray(generation, jnp.int32))

    def pool(key, settings, union, generation, capacity):
        del key, settings, generation, capacity
        if isinstance(union, Recipe):  # generation 0's, which nothing was before
            return Recipes(jax.tree.map(lambda a: a[None], union), jnp.ones(1, bool))
        return Recipes(*union)

    def data_set(key, recipe: Recipe, table, capacity):
        """Rows of one data set, padded to what any has."""
        num = max(capacity.real, capacity.new)

        def real_set():
            return pad(as_rows.first(key, recipe.settings, table, capacity), num)

        def drawn(by: Realisation):
            made = recipe.models, table, recipe.generation, capacity, ()
            return pad(by.draw(key, recipe.settings, *made), num)

        if not lasts:
            return jax.lax.cond(recipe.generation == 0, real_set, lambda: drawn(as_rows))
        era = (recipe.generation > jnp.array([0, *lasts])).sum()
        branches = [real_set, *(lambda by=by: drawn(by) for by in draws)]
        return jax.lax.switch(era, branches)

    def open_pool(key, settings, pool: Recipes, table, generation, step, capacity) -> Pool:
        key_step = jax.random.fold_in(key, step + 1) if is_stream else key

        def one(item):
            recipe, there = item
            # The real data set is the same at every step; only what models draw is new.
            key_set = jnp.where(recipe.generation == 0, key, key_step)
            shapes = jax.eval_shape(lambda: data_set(key_set, recipe, table, capacity))
            return jax.lax.cond(
                there,
                lambda: data_set(key_set, recipe, table, capacity),
                lambda: jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes),
            )

        sets = jax.lax.map(one, pool)
        points = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), sets)
        return whole.pool(key, settings, points, generation, capacity)

    def begin(key, settings, table, capacity):
        return as_rows.begin(key, settings, table, capacity)

    memory = recipe_memories(regime.window)[regime.kept]
    return Realisation(first, draw, pool, memory, begin, open_pool)


def wants_recipes(learner: Learner, regime: Regime) -> bool:
    """Whether a learner's points are better drawn again than kept."""
    keeps = regime.kept in ("window", "all")
    return learner.points == "stream" or (learner.points == "recipes" and keeps)
