"""Families to come fit the same shape: images with labels, tokens with prompts, regression.

Toy learners whose data are dicts and tuples, in bytes and floats, over several epochs, from tables
that all chains share; each runs under the regimes, driven whole or step by step by the host.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys

import ouroboros_jax as oj
from ouroboros_jax import regimes
from ouroboros_jax.base import Context, Settings
from ouroboros_jax.chain import Chain
from ouroboros_jax.config import new_config
from ouroboros_jax.keys import chain_key
from ouroboros_jax.pools.given import Capacity, Given
from ouroboros_jax.pools.rows import rows

pytestmark = pytest.mark.usefixtures("quick_compilation")

N, LAST = 12, 3
FAMILIES = {
    "images": (toys.pictures, toys.digits_of_mine),
    "tokens": (toys.sentences, toys.prose),
    "regression": (toys.curves, toys.line),
}
REGIMES = {
    "replace": (regimes.replace, {}),
    "accumulate": (regimes.accumulate, {}),
    "accumulate_subsample": (regimes.accumulate_subsample, {}),
    "window": (regimes.window, {"window": 2}),
    "kept window": (regimes.window, {"window": 2, "kept": True}),
    "fresh": (regimes.fresh, {}),
    "fixed_real": (regimes.fixed_real, {}),
}
POINTS = {"accumulate": [N, 2 * N, 3 * N, 4 * N], "kept window": [N, 2 * N, 2 * N, 2 * N]}
POINTS["fixed_real"] = [N, 2 * N, 2 * N, 2 * N]


def settings():
    num, real = jnp.int32(N), jnp.int32(5)
    return Settings(num, real, num, {}, {}, {"bias": jnp.float32(1)}, {})


def chain_of(family, regime, **options):
    make_learner, make_real = FAMILIES[family]
    factory, arguments = REGIMES[regime]
    learner, regime, real = make_learner(), factory(**arguments), make_real()
    chain = Chain(learner, regime, rows(learner, regime, real), **options)
    table = jax.tree.map(jnp.asarray, real.table)
    return chain, learner, table, Capacity(N, N, (LAST + 1) * N)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("regime", REGIMES)
def test_every_family_runs_under_every_regime(family, regime):
    chain, learner, table, capacity = chain_of(family, regime)
    expected = jax.tree.map(lambda a: (a.dtype, a.shape[1:]), table)

    # Seen here are shapes and counts, which do not hang on how well XLA optimises.
    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    @jax.vmap
    def run(replicate):
        key = chain_key(jnp.uint32(0), replicate)
        given = Given(key, settings(), table, capacity)
        first, _ = chain.init(given)
        context = Context(None, first.params, None, jnp.float32(0))

        def step(state, _):
            fit = chain.begin(given, state)
            fit = jax.lax.fori_loop(
                0, learner.num_steps, lambda i, fit: chain.advance(given, fit, i)[0], fit
            )
            state, metrics = chain.end(settings(), fit, context)
            return state, (fit.pool, state.params, metrics)

        return first.params, jax.lax.scan(step, first, None, LAST)[1]

    first, (pool, params, metrics) = run(jnp.arange(3, dtype=jnp.uint32))
    assert jax.tree.map(lambda a: (a.dtype, a.shape[3:]), pool.data) == expected
    counts = np.asarray((pool.weights > 0).sum(-1))
    assert (counts == np.array(POINTS.get(regime, [N] * 4)[1:])[None]).all()
    assert (metrics["status"] == 0).all()
    for leaf, start in zip(jax.tree.leaves(params), jax.tree.leaves(first), strict=True):
        assert np.isfinite(leaf).all()
        assert leaf.shape == (3, LAST, *start.shape[1:])
        if start.ndim > 1:
            assert not np.array_equal(leaf[0], leaf[1]), "chains differ"
            assert not np.array_equal(leaf[:, 0], leaf[:, 1]), "and generations"
    if family == "images":
        assert (metrics["em_steps"] == 3).all(), "three epochs"
    there = np.asarray(pool.weights > 0)
    if family == "tokens":
        assert set(np.unique(pool.data["tokens"][there])) <= set(range(5))
        prompts = {tuple(row[:3]) for row in np.asarray(table["tokens"]).tolist()}
        drawn = np.asarray(pool.data["tokens"])[there].tolist()
        assert {tuple(row[:3]) for row in drawn} <= prompts, "sentences continue real ones"
    if family == "regression":
        inputs = {tuple(row) for row in np.asarray(table[0]).tolist()}
        assert {tuple(row) for row in np.asarray(pool.data[0])[there].tolist()} <= inputs


@pytest.mark.parametrize(
    ("family", "start"), [("images", "fresh"), ("tokens", "previous"), ("regression", "base")]
)
def test_a_host_may_drive_the_epochs(family, start):
    """begin, advance and end, each a call of its own, do what `step` does.

    The points are the same bits; a fit compiled in another way may round its last one differently.
    """
    chain, learner, table, capacity = chain_of(family, "accumulate", start=start)
    given = Given(chain_key(jnp.uint32(0), jnp.uint32(1)), settings(), table, capacity)
    whole = jax.jit(lambda: chain.init(given)[0])()
    context = Context(None, whole.params, None, jnp.float32(0))
    step = jax.jit(lambda state: chain.step(given, state, context))
    begin = jax.jit(lambda state: chain.begin(given, state))
    advance = jax.jit(lambda fit, i: chain.advance(given, fit, i))
    end = jax.jit(lambda fit, curves: chain.end(settings(), fit, context, curves))
    for _ in range(2):
        fit = begin(whole)
        whole, metrics = step(whole)
        infos = []
        for i in range(learner.num_steps):
            fit, info = advance(fit, jnp.int32(i))
            infos.append(info)
        driven, likewise = end(fit, jax.tree.map(lambda *a: jnp.stack(a), *infos))
        jax.tree.map(np.testing.assert_array_equal, whole.memory, driven.memory)
        assert driven.generation == whole.generation
        for a, b in ((whole.params, driven.params), (metrics, likewise)):
            jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-6), a, b)


def test_where_a_fit_begins():
    """From the last parameters, from where generation 0 began, or from parameters of its own."""

    def begun(start):
        chain, _, table, capacity = chain_of("images", "replace", start=start)

        def run(key):
            given = Given(key, settings(), table, capacity)
            state, _ = chain.init(given)
            first = chain.begin(given, state)
            context = Context(None, state.params, None, jnp.float32(0))
            later, _ = chain.step(given, state, context)
            second = chain.begin(given, later)
            fits = [fit.fit_state.params.images for fit in (first, second)]
            return state.params.images, later.params.images, *fits

        return [np.asarray(a) for a in jax.jit(run)(chain_key(jnp.uint32(0), jnp.uint32(0)))]

    state, later, first, second = begun("previous")
    np.testing.assert_array_equal(first, state)
    np.testing.assert_array_equal(second, later)
    _, _, first, second = begun("base")
    np.testing.assert_array_equal(first, second)
    _, _, fresh_first, fresh_second = begun("fresh")
    assert not np.array_equal(fresh_first, fresh_second)
    assert not np.array_equal(fresh_first, first)
    with pytest.raises(ValueError, match="warm"):
        chain_of("images", "replace", start="warm")


@pytest.mark.parametrize(
    ("learner", "data", "regime"),
    [
        ("toys:pictures", "toys:digits_of_mine", "fresh"),
        ("toys:sentences", "toys:prose", "accumulate_subsample"),
        ("toys:curves", "toys:line", "replace"),
    ],
)
def test_a_run_from_config_to_disk_and_back(learner, data, regime, tmp_path, compiled_once):
    config = new_config(
        learner=learner,
        regime=regime,
        data=data,
        chains=3,
        generations=LAST,
        num_samples=N,
    )
    run = oj.run(config, tmp_path / "run", progress=False, figures=False)
    assert (run.metrics.status == 0).all()
    again = oj.open_run(tmp_path / "run")
    table = run.program(0).real.table
    for got in (run, again):
        points = got.data(2, 1)
        assert jax.tree.map(lambda a: (len(a), a.dtype, a.shape[1:]), points) == jax.tree.map(
            lambda a: (N, a.dtype, a.shape[1:]), table
        )
    drawn = again.sample(generation=2, chain=1, num_samples=7)
    assert jax.tree.map(lambda a: (len(a), a.dtype), drawn) == jax.tree.map(
        lambda a: (7, a.dtype), table
    )
