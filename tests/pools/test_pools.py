"""Every regime's pool holds the right points from the right sources: rows that say who drew them.

The toy learner `tagged` draws (tag, id): the generation of the model that drew the point, -1 for a
real one, and a random number that no two points share.
"""

from itertools import chain as joined
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys

import ouroboros_jax as oj
from ouroboros_jax import regimes
from ouroboros_jax.base import Context, Settings
from ouroboros_jax.chain import Chain
from ouroboros_jax.keys import chain_key, stage_key
from ouroboros_jax.learners.gaussian import gaussian
from ouroboros_jax.pools.given import Before, Capacity, Given
from ouroboros_jax.pools.memory import Rows, WithLast
from ouroboros_jax.pools.rows import rows
from ouroboros_jax.pools.statistics import statistics
from ouroboros_jax.programs.build import build
from ouroboros_jax.sweep import expand

pytestmark = pytest.mark.usefixtures("quick_compilation")

REAL, LAST = toys.REAL, 6


class Sizes(NamedTuple):
    num: tuple[int, ...]  # points a generation, from generation 1
    data: int  # of the real data set
    real: tuple[int, ...] = (0,) * LAST  # of `num`, drawn fresh
    weight: float = 0.5


def settings_at(sizes, g):
    num, real = (jnp.int32(each[max(g - 1, 0)]) for each in (sizes.num, sizes.real))
    regime = {"real_weight": jnp.float32(sizes.weight)}
    return Settings(num, real, jnp.int32(sizes.data), {}, regime, {"bias": jnp.float32(1)}, {})


def pools_of(regime, sizes, real=None, seed=0):
    """The pool of every generation: rows of weight above 0, and totals."""
    real = real or toys.tags()
    learner = toys.tagged()
    realisation = rows(learner, regime, real)
    chain = Chain(learner, regime, realisation)
    capacity = Capacity(sizes.data, max(sizes.num), sizes.data + LAST * max(sizes.num))
    key = chain_key(jnp.uint32(seed), jnp.int32(0))
    table = jax.tree.map(jnp.asarray, real.table)

    @jax.jit
    def begin(key):
        given = Given(key, settings_at(sizes, 0), table, capacity)
        pool, _ = chain.draw_pool(given, chain.blank(given), is_first=True)
        return pool, chain.init(given)[0]

    @jax.jit
    def go_on(key, settings, state):
        given = Given(key, settings, table, capacity)
        pool, _ = chain.draw_pool(given, state)
        context = Context(None, state.params, None)
        return pool, chain.step(given, state, context)[0]

    pool, state = begin(key)
    found = [pool]
    for g in range(1, LAST + 1):
        pool, state = go_on(key, settings_at(sizes, g), state)
        found.append(pool)
    assert state.generation == LAST
    return [jax.tree.map(np.asarray, pool) for pool in found]


def present(pool):
    """(tag, id) of the rows that count, sorted, and their weights likewise."""
    there = pool.weights > 0
    tags, ids = pool.data["tag"][there], pool.data["id"][there]
    pairs = list(zip(tags.tolist(), ids.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs), "a point twice"
    np.testing.assert_allclose(pool.totals.sum(), pool.weights.sum(), rtol=1e-6)
    return sorted(pairs)


def tally(pool):
    """How many rows of each tag."""
    tags, counts = np.unique([tag for tag, _ in present(pool)], return_counts=True)
    return dict(zip(tags.tolist(), counts.tolist(), strict=True))


CHANGING = Sizes((7, 7, 4, 9, 9, 5), 6)


@pytest.fixture(scope="module")
def replaced():
    return pools_of(regimes.replace(), CHANGING)


@pytest.fixture(scope="module")
def accumulated():
    return pools_of(regimes.accumulate(), CHANGING)


def test_replace(replaced):
    assert [tally(pool) for pool in replaced] == [{REAL: 6}] + [
        {g: n} for g, n in enumerate(CHANGING.num)
    ]
    assert all((pool.weights[pool.weights > 0] == 1).all() for pool in replaced)


def test_accumulate_keeps_every_point_as_it_was(replaced, accumulated):
    everything = []
    for new, pool in zip(replaced, accumulated, strict=True):
        everything += present(new)
        assert present(pool) == sorted(everything)
        assert (pool.weights[pool.weights > 0] == 1).all()


def test_subsample_is_of_accumulate_without_replacement(accumulated):
    found = pools_of(regimes.accumulate_subsample(), CHANGING)
    assert present(found[0]) == present(accumulated[0])
    for g, (pool, union) in enumerate(zip(found[1:], accumulated[1:], strict=True), 1):
        assert len(present(pool)) == CHANGING.num[g - 1]
        assert set(present(pool)) <= set(present(union))


def test_subsample_takes_every_point_alike():
    """Shares of a pool of 6 + 9 + 9 points, n = 9: each is taken with probability 9/24."""
    sizes = Sizes((9, 9), 6)
    learner, real, regime = toys.tagged(), toys.tags(), regimes.accumulate_subsample()
    realise = rows(learner, regime, real)
    capacity = Capacity(6, 9, 33)
    points = Rows(
        {"tag": jnp.zeros(33, jnp.int32), "id": jnp.arange(33, dtype=jnp.uint32)},
        (jnp.arange(33) < 24).astype(jnp.float32),
        jnp.zeros(33, jnp.int32),
    )

    @jax.jit
    @jax.vmap
    def chosen(replicate):
        key = chain_key(jnp.uint32(0), replicate)
        given = Given(key, settings_at(sizes, 2), None, capacity)
        pool = realise.pool(given, points, jnp.int32(2))
        return jnp.zeros(33).at[pool.data["id"]].add(pool.weights)

    taken = np.asarray(chosen(jnp.arange(20_000, dtype=jnp.uint32)))
    assert (taken.sum(1) == 9).all() and taken.max() == 1
    assert not taken[:, 24:].any()
    share, error = 9 / 24, np.sqrt(9 / 24 * 15 / 24 / 20_000)
    assert (abs(taken[:, :24].mean(0) - share) < 4.5 * error).all()
    # Without replacement, pairs are anticorrelated: 9 8 / (24 23) against (9/24)^2.
    pairs = (taken[:, 0] * taken[:, 23]).mean()
    assert abs(pairs - 72 / 552) < 4.5 * np.sqrt(72 / 552 / 20_000)


@pytest.mark.parametrize("window", [1, 3, 9])
def test_redrawn_window(window):
    found = pools_of(regimes.window(window=window), CHANGING)
    for g in range(1, LAST + 1):
        n, models = CHANGING.num[g - 1], min(g + 1, window)
        edges = [(2 * i * n + models) // (2 * models) for i in range(models + 1)]
        expected = {}
        for lag, size in enumerate(np.diff(edges).tolist(), 1):
            tag = g - lag if lag <= g else REAL
            expected[tag] = expected.get(tag, 0) + size
        assert tally(found[g]) == {tag: size for tag, size in expected.items() if size}
    points = list(joined(*(present(pool) for pool in found)))
    assert len(set(points)) == len(points), "each generation draws anew, fresh real points too"


@pytest.mark.parametrize("window", [1, 3])
def test_kept_window_is_the_union_of_the_last_data_sets(window, replaced):
    found = pools_of(regimes.window(window=window, kept=True), CHANGING)
    for g, pool in enumerate(found):
        union = joined(*(present(new) for new in replaced[max(0, g + 1 - window) : g + 1]))
        assert present(pool) == sorted(union)


SHARES = Sizes((7, 7, 4, 9, 9, 5), 6, (0, 3, 4, 1, 9, 2), 0.3)


@pytest.mark.parametrize("make", [toys.tags, toys.tag_table])
def test_fresh(make):
    found = pools_of(regimes.fresh(), SHARES, make())
    for g in range(1, LAST + 1):
        n, real = SHARES.num[g - 1], SHARES.real[g - 1]
        expected = {REAL: real, g - 1: n - real}
        assert tally(found[g]) == {tag: size for tag, size in expected.items() if size}
    fresh = [[p for p in present(pool) if p[0] == REAL] for pool in found]
    if make is toys.tags:
        flat = list(joined(*fresh))
        assert len(set(flat)) == len(flat), "new real points every generation"
    else:  # rows of the table, another random subset each generation
        assert all(0 <= i < 40 for points in fresh for _, i in points)
        assert fresh[5] != fresh[0] and len({i for _, i in joined(*fresh)}) > 9


@pytest.mark.parametrize("make", [toys.tags, toys.tag_table])
def test_fixed_real(make):
    found = pools_of(regimes.fixed_real(), CHANGING, make())
    for g in range(1, LAST + 1):
        assert tally(found[g]) == {REAL: 6, g - 1: CHANGING.num[g - 1]}
        assert [p for p in present(found[g]) if p[0] == REAL] == present(found[0])


def test_weighted():
    """Total weight w on the real points, 1 - w on the synthetic ones, a group each."""
    found = pools_of(regimes.weighted(), SHARES)
    for g in range(1, LAST + 1):
        pool = found[g]
        n, real = SHARES.num[g - 1], SHARES.real[g - 1]
        there = pool.weights > 0
        is_real = pool.data["tag"] == REAL
        assert (pool.group[there] == np.where(is_real, 0, 1)[there]).all()
        assert ((there & is_real).sum(), (there & ~is_real).sum()) == (real, n - real)
        expected = np.array([SHARES.weight * (real > 0), (1 - SHARES.weight) * (real < n)])
        np.testing.assert_allclose(pool.totals, expected, rtol=1e-6)
        for source in (is_real, ~is_real):
            assert len(np.unique(pool.weights[there & source])) <= 1


def test_another_seed_draws_other_points(replaced):
    again = pools_of(regimes.replace(), CHANGING, seed=1)
    a, b = (set(joined(*(present(pool) for pool in found))) for found in (replaced, again))
    assert len(a) == len(b) and not a & b


def test_statistics_refuse_what_they_cannot_do_exactly():
    with pytest.raises(ValueError, match="identity"):
        statistics(gaussian(), regimes.accumulate_subsample(), toys.tags())
    with pytest.raises(ValueError, match="Statistics need a learner"):
        statistics(toys.tagged(), regimes.replace(), toys.tags())


@pytest.mark.parametrize(
    "regime", [regimes.fresh(), regimes.weighted(), regimes.accumulate_fresh()]
)
def test_real_points_of_the_last_set_are_continued_too(regime):
    """Of 9 points of which 3 are real, any may prompt, real ones as often as others."""
    learner = toys.tagged()._replace(
        prompts="previous", sample=lambda key, settings, params, source, num: source
    )
    real = toys.tags()
    realise = rows(learner, regime, real)
    settings = settings_at(Sizes((9, 9), 9, real=(3, 3)), 1)
    data = {"tag": jnp.where(jnp.arange(9) < 3, -1, 7), "id": jnp.arange(9, dtype=jnp.uint32)}
    last = Rows(data, jnp.ones(9), jnp.zeros(9, jnp.int32))

    @jax.jit
    @jax.vmap
    def continued(replicate):
        key = chain_key(jnp.uint32(0), replicate)
        given = Given(key, settings, None, Capacity(9, 9, 9))
        before = Before((None,), jnp.int32(1), WithLast((), last))
        return realise.draw(given, before).data["tag"][3:]  # the first 3 are new real ones

    share = (np.asarray(continued(jnp.arange(2000, dtype=jnp.uint32))) == -1).mean()
    assert abs(share - 1 / 3) < 4.5 * np.sqrt(2 / 9 / 2000 / 6)


def test_models_draw_side_by_side_what_they_draw_one_by_one():
    """A window's statistics are those of its sources, each drawn from a key of its own, merged."""
    config = oj.load_config("gaussian", {"regime.name": "window", "num_samples": 20})
    program = build(expand(config)[0])
    moments, chain = program.learner.moments, program.chain
    settings = jax.tree.map(lambda a: jnp.asarray(a[0, 0]), program.settings(0, 1))
    key, generation = chain_key(0, 0), 5
    given = Given(key, settings, None, program.sizes.capacity(1))
    first = given._replace(capacity=program.sizes.capacity(0))
    models = [chain.init(first._replace(key=chain_key(seed, 1)))[0].params for seed in range(3)]
    found = chain.realisation.draw(given, Before(tuple(models), generation))
    counts = chain.regime.counts(settings, generation)
    drawn = [
        moments.draw(stage_key(key, "sample", generation, i + 1), settings, models[i], counts[i])
        for i in range(3)
    ]
    expected = moments.merge(moments.merge(*drawn[:2]), drawn[2])
    assert counts.tolist() == [7, 6, 7, 0]
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a[0], b, rtol=1e-4, atol=1e-5)
