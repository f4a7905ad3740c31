"""Pools whose points are drawn when they are taken: the same points, never all of them at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.base import Pool
from ouroboros_jax.learners import epochs
from ouroboros_jax.pools import recipes
from ouroboros_jax.pools.recipes import RedrawnPool

SETS, NUM, WIDTH = 5, 12, 3
THERE = np.array([False, True, True, False, True])
POINTS = jnp.arange(SETS * NUM * WIDTH, dtype=jnp.float32).reshape(SETS, NUM, WIDTH)
COUNTS = np.array([12, 12, 7, 12, 12])  # the third set has empty slots


def pools(rows=None) -> tuple[RedrawnPool, Pool]:
    """A pool of some `rows` of all sets, drawn when they are taken, and the same as rows."""
    rows = jnp.arange(SETS * NUM) if rows is None else jnp.asarray(rows)
    weights = ((np.arange(NUM) < COUNTS[:, None]) & THERE[:, None]).reshape(-1)[rows] * 1.0
    weights, group = jnp.asarray(weights), jnp.zeros(len(rows), jnp.int32)
    totals = weights.sum()[None]
    order = jnp.argsort(~jnp.asarray(THERE))
    places = Pool(rows.astype(jnp.int32), weights, group, totals)
    redrawn = RedrawnPool(places, lambda i: {"x": POINTS[i]}, order, jnp.int32(THERE.sum()))
    return redrawn, Pool({"x": POINTS.reshape(-1, WIDTH)[rows]}, weights, group, totals)


def test_points_are_taken_in_the_order_that_is_asked_for():
    redrawn, rows = pools()
    places = jnp.asarray([58, 13, 24, 12, 30, SETS * NUM])  # and one that there is not
    np.testing.assert_array_equal(
        redrawn.take(places)["x"][:5], rows.data["x"][places[:5]], strict=True
    )


def test_a_subsample_takes_what_it_chose():
    redrawn, rows = pools(rows=[59, 12, 27, 15])
    np.testing.assert_array_equal(redrawn.data["x"], rows.data["x"], strict=True)
    places = jnp.asarray([3, 0])
    np.testing.assert_array_equal(redrawn.take(places)["x"], rows.take(places)["x"])


def test_sets_that_are_not_there_are_not_drawn():
    drawn = []

    def draw(number):
        jax.debug.callback(lambda i: drawn.append(int(i)), number)
        return {"x": POINTS[number]}

    pools()[0]._replace(draw=draw).take(jnp.arange(20))
    jax.effects_barrier()
    assert sorted(drawn) == [1, 2, 4]


@pytest.mark.parametrize("most", [1, 8, 11, 1000])
def test_an_epoch_in_parts_is_the_epoch_over_rows(most, monkeypatch):
    monkeypatch.setattr(recipes, "TAKEN_BYTES", most * WIDTH * 4)

    def loss(key, params, data, weights):
        off = data["x"] - (params + jax.random.normal(key, (WIDTH,)))[None]
        total = (weights[:, None] * off**2).sum()
        return total, {"total": total, "points": weights.sum()}

    def epoch(pool):
        assert most == pool.most_taken or pool.most_taken == 1
        return epochs.epoch(
            jax.random.key(0),
            epochs.begin(jnp.zeros(WIDTH)),
            pool,
            loss,
            batch_size=4,
            learning_rate=jnp.float32(0.1),
        )

    (parts, said), (whole, expected) = (epoch(pool) for pool in pools())
    np.testing.assert_allclose(parts.params, whole.params, rtol=1e-6)
    assert said["points"] == expected["points"] == 1
    np.testing.assert_allclose(said["total"], expected["total"], rtol=1e-6)
