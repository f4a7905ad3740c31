"""Pools of recipes: the models that drew the points, in place of the points.

A recipe is a data set's parameters, settings and generation; together with the chain's key they
determine every point of it. A step of a fit draws the points it needs again and lets them go, so
what a chain remembers grows by a model a generation and not by a data set. Learners whose `points`
is `stream` draw other points at every step: each batch is new.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Data, Learner, Params, Pool, Settings
from ouroboros_jax.data.base import RealData
from ouroboros_jax.draws.threefry import fold_in
from ouroboros_jax.errors import UserError
from ouroboros_jax.pools.given import Before
from ouroboros_jax.pools.memory import Rows, num_bytes, num_rows, pad, recipe_memories
from ouroboros_jax.pools.realisation import Realisation, reads_last
from ouroboros_jax.pools.rows import rows
from ouroboros_jax.regimes import Regime

TAKEN_BYTES = 1 << 30  # limit on the points that a step holds at once


class Recipe(NamedTuple):
    """One data set: the real one if `generation` is 0, else drawn from models."""

    models: tuple[Params, ...]  # by lag
    settings: Settings  # of that generation
    generation: jax.Array  # int32 []


class Recipes(NamedTuple):
    """Data sets that are trained on together; leaves of `recipe` are [M, ...]."""

    recipe: Recipe
    there: jax.Array  # bool [M]


class RedrawnPool(NamedTuple):
    """A `base.Pool` whose points are drawn when they are taken, one data set at a time."""

    places: Pool  # its data are rows of all data sets one after another, int32 [N]
    draw: Callable[[jax.Array], Data]  # a data set by its number
    order: jax.Array  # int32 [M], the numbers of the data sets, existing ones first
    num_there: jax.Array  # int32 []

    @property
    def weights(self) -> jax.Array:
        return self.places.weights

    @property
    def group(self) -> jax.Array:
        return self.places.group

    @property
    def totals(self) -> jax.Array:
        return self.places.totals

    @property
    def data(self) -> Data:
        """All points at once, [N, ...]."""
        return self.take(jnp.arange(self.weights.shape[0], dtype=jnp.int32))

    @property
    def most_taken(self) -> int:
        """How many points to `take` at once; every take redraws all data sets, so as many as fit
        into `TAKEN_BYTES`."""
        shapes = jax.tree.leaves(self._shapes)
        return max(1, TAKEN_BYTES // (num_bytes(shapes) // shapes[0].shape[0]))

    @property
    def _shapes(self) -> Data:
        return jax.eval_shape(self.draw, self.order[0])

    def take(self, places: jax.Array) -> Data:
        """As `base.Pool.take`, for distinct places; empty slots give 0."""
        num, (num_taken,) = num_rows(self._shapes), places.shape
        rows = self.places.data.at[places].get(mode="fill", fill_value=self.order.size * num)
        # The output row of each row of each data set; `num_taken` (which is dropped) if it is not
        # taken.
        goes = jnp.full(self.order.size * num, num_taken, jnp.int32)
        goes = goes.at[rows].set(jnp.arange(num_taken, dtype=jnp.int32), mode="drop")

        def body(i, out):
            number = self.order[i]
            to = jax.lax.dynamic_slice_in_dim(goes, number * num, num)
            return jax.tree.map(lambda a, b: a.at[to].set(b, mode="drop"), out, self.draw(number))

        out = jax.tree.map(lambda a: jnp.zeros((num_taken, *a.shape[1:]), a.dtype), self._shapes)
        return jax.lax.fori_loop(0, self.num_there, body, out)


def recipes(
    learner: Learner,
    regime: Regime,
    real: RealData,
    earlier: Sequence[tuple[Learner, Regime, int]] = (),
) -> Realisation:
    """Pools that are drawn again at every step, for hosted learners.

    `earlier` lists the learner and regime of earlier generations, if they were different, each with
    the last generation it made, so that their points are redrawn exactly as they were.
    """
    makers = [(maker, drawn_by) for maker, drawn_by, _ in earlier] + [(learner, regime)]
    if any(reads_last(*maker) for maker in makers) or regime.weights is not None:
        raise UserError("Recipes need data sets that can be drawn without the one before.")
    draws = [
        rows(maker, drawn_by._replace(subsample=False, kept="nothing"), real)
        for maker, drawn_by in makers
    ]
    lasts = [last for _, _, last in earlier]
    num_models = max(drawn_by.lags for _, drawn_by in makers)
    as_rows = draws[-1]
    whole = rows(learner, regime, real)
    is_stream = learner.points == "stream"

    def first(given):
        def params(key):
            data = as_rows.first(given._replace(key=key)).data
            return learner.init(key, given.settings, data)

        shapes = jax.eval_shape(params, given.key)
        empty = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
        return Recipe((empty,) * num_models, given.settings, jnp.int32(0))

    def draw(given, before, drawn=None):
        del drawn  # a recipe holds no points
        models = before.models
        models = (*models, *models[-1:] * num_models)[:num_models]  # the padding is never read
        return Recipe(models, given.settings, jnp.asarray(before.generation, jnp.int32))

    def pool(given, union, generation):
        del given, generation
        if isinstance(union, Recipe):  # generation 0's, which has no memory before it
            return Recipes(jax.tree.map(lambda a: a[None], union), jnp.ones(1, bool))
        return Recipes(*union)

    def data_set(given, recipe: Recipe):
        """Rows of one data set, padded to the largest."""
        num = max(given.capacity.real, given.capacity.new)
        given = given._replace(settings=recipe.settings)

        def real_set():
            return pad(as_rows.first(given), num)

        def drawn(by: Realisation):
            before = Before(recipe.models, recipe.generation)
            return pad(by.draw(given, before), num)

        if not lasts:
            return jax.lax.cond(recipe.generation == 0, real_set, lambda: drawn(as_rows))
        era = (recipe.generation > jnp.array([0, *lasts])).sum()
        branches = [real_set, *(lambda by=by: drawn(by) for by in draws)]
        return jax.lax.switch(era, branches)

    def open_pool(given, pool: Recipes, generation, step):
        key_step = fold_in(given.key, step + 1) if is_stream else given.key

        def drawn(number) -> Rows:
            recipe = jax.tree.map(lambda a: a[number], pool.recipe)
            # The real data set is the same at every step; only what models draw is new.
            key_set = jnp.where(recipe.generation == 0, given.key, key_step)
            return data_set(given._replace(key=key_set), recipe)

        def about(item):  # a data set's weights and groups; no points are drawn for these
            number, there = item
            rows = drawn(number)
            return jnp.where(there, rows.weights, 0), rows.group

        num_sets = pool.there.shape[0]
        weights, group = jax.lax.map(about, (jnp.arange(num_sets), pool.there))
        places = jnp.arange(weights.size, dtype=jnp.int32)
        rows = Rows(places, weights.reshape(-1), group.reshape(-1))
        return RedrawnPool(
            whole.pool(given, rows, generation),
            lambda number: drawn(number).data,
            jnp.argsort(~pool.there),
            pool.there.sum(),
        )

    memory = recipe_memories(regime.window)[regime.kept]
    return Realisation(first, draw, pool, memory, as_rows.points_to_begin, open_pool)
