"""One chain: its clock and keys, its status, and what happens when a fit breaks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys

import ouroboros_jax as oj
from ouroboros_jax import regimes
from ouroboros_jax.base import Context, Settings
from ouroboros_jax.chain import DEGENERATE, FROZEN, OK, Chain
from ouroboros_jax.config import new_config
from ouroboros_jax.keys import STAGES, chain_key, stage_key
from ouroboros_jax.pools.given import Capacity, Given
from ouroboros_jax.pools.rows import rows

pytestmark = pytest.mark.usefixtures("quick_compilation")

N = 5


def settings():
    num = jnp.int32(N)
    return Settings(num, jnp.int32(2), num, {}, {}, {"bias": jnp.float32(1)}, {})


@pytest.mark.parametrize(
    "regime", [regimes.replace(), regimes.accumulate_subsample(), regimes.fresh()]
)
def test_no_key_is_used_twice(regime, key_reuse, monkeypatch):
    # For JAX, a use of the key.
    monkeypatch.setattr("ouroboros_jax.pools.rows._isolated", lambda function: function)
    learner, real = toys.tagged(), toys.tags()
    chain = Chain(learner, regime, rows(learner, regime, real))
    key, capacity = chain_key(jnp.uint32(0), jnp.uint32(0)), Capacity(N, N, 4 * N)

    @jax.jit
    def run(key):
        given = Given(key, settings(), None, capacity)
        state, _ = chain.init(given)
        context = Context(None, state.params, None)
        for _ in range(2):
            state, _ = chain.step(given, state, context)
        return state

    state = run(key)
    assert state.generation == 2
    assert state.params.generation == 2, "three fits: generations 0, 1 and 2"
    assert not state.frozen


def test_models_of_the_past_are_the_last_ones():
    learner, regime, real = toys.tagged(), regimes.window(window=3), toys.tags()
    chain = Chain(learner, regime, rows(learner, regime, real))
    key, capacity = chain_key(jnp.uint32(0), jnp.uint32(0)), Capacity(N, N, 0)
    given = Given(key, settings(), None, capacity)
    state, _ = chain.init(given)
    context = Context(None, state.params, None)
    step = jax.jit(lambda state: chain.step(given, state, context)[0])
    for _ in range(4):
        state = step(state)
    assert [p.generation.item() for p in (state.params, *state.past)] == [4, 3, 2]


def test_key_streams_are_apart():
    """No two of (seed, replicate, stage, generation) give the same key."""
    keys = [
        stage_key(chain_key(jnp.uint32(seed), jnp.uint32(replicate)), stage, generation)
        for seed in (0, 1)
        for replicate in (0, 1, 2)
        for stage in STAGES
        for generation in (0, 1, 2)
    ]
    data = {tuple(jax.random.key_data(key).tolist()) for key in keys}
    assert len(data) == len(keys) == 2 * 3 * len(STAGES) * 3


def brittle(limits, **overrides):
    return oj.run(
        new_config(
            learner="toys:brittle", regime="replace", data="normal", chains=2, generations=7,
            num_samples=N, sweep={"learner.limit": limits}, **overrides,
        ),
        progress=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def broken(compiled_once):
    return brittle([1e9, 3.5])


def test_a_frozen_chain_keeps_its_last_finite_parameters(broken):
    """The mean rises by one a generation; past 3.5 the fit gives NaN and the chain stands still."""
    status = broken.metrics.status.values
    value = np.stack([broken.params(g)["value"] for g in range(8)], 1)
    assert (status[:2] == OK).all() and np.isfinite(value).all()
    for chain in (2, 3):
        frozen = status[chain] == FROZEN
        first = frozen.argmax()
        assert 1 < first < 5 and frozen[first:].all() and (status[chain, :first] == OK).all()
        assert (value[chain, first:] == value[chain, first - 1]).all()
        assert 2 < value[chain, first] <= 3.5
        means = broken.metrics["mean"].values[chain, :, 0]
        assert (means == value[chain]).all()
    assert broken.metrics.status.attrs["flag_meanings"].split() == ["ok", "degenerate", "frozen"]


def test_the_others_do_not_notice(broken, compiled_once):
    calm = brittle([1e9, 1e8])
    for g in range(8):
        np.testing.assert_array_equal(calm.params(g)["value"][:2], broken.params(g)["value"][:2])
        np.testing.assert_array_equal(  # the same seeds: as one chain until it breaks
            calm.params(g)["value"][2:] <= 3.5,
            (broken.params(g)["value"] == calm.params(g)["value"])[2:],
        )


def test_a_frozen_chain_stays_frozen_when_resumed(broken, tmp_path, compiled_once):
    config = broken.config.copy_and_resolve_references()
    for generations in (4, 7):
        with config.unlocked():
            config.generations = generations
        run = oj.run(config, tmp_path / "run", progress=False, figures=False)
    np.testing.assert_array_equal(run.metrics.status, broken.metrics.status)
    np.testing.assert_array_equal(run.metrics["mean"], broken.metrics["mean"])


def test_degenerate_is_no_reason_to_stop():
    """Fewer points than features: singular, -inf, and on it goes."""
    config = new_config(
        learner="gaussian", regime="replace", data="normal", chains=2, generations=3,
        num_samples=2, metrics=("log_det_covariance", "variance"),
        **{"data.num_features": 2, "data.num_test": 0},
    )  # fmt: skip
    run = oj.run(config, progress=False)
    assert (run.metrics.status == DEGENERATE).all()
    assert (run.metrics.log_det_covariance == -np.inf).all()
    variance = run.metrics.variance.values
    assert (variance > 0).all() and (np.diff(variance, axis=1) != 0).all()
