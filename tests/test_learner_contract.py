"""What every learner of the registry owes: shapes, reproducibility, fits that fit, both widths."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.base import Context, Learner, Pool, Settings
from ouroboros_jax.config import new_config
from ouroboros_jax.programs.build import build
from ouroboros_jax.registry import LEARNERS
from ouroboros_jax.sweep import expand

OF_ONE_SHAPE = ("symmetric_gmm", "mean", "median")  # cannot be fitted to any points
OF_POINTS = [
    name for name, entry in LEARNERS.items() if entry.kind == "points" and name not in OF_ONE_SHAPE
]
pytestmark = pytest.mark.usefixtures("quick_compilation")

D, N, SLOTS = 2, 30, 40
OVERRIDES = {
    "gaussian": {"learner.draw": "samples"},  # the contract is about points
    "kde": {"learner.bandwidth": 0.2},  # narrow enough for samples to look like the data
}


class Case(NamedTuple):
    """A learner, its settings, and its functions compiled."""

    learner: Learner
    settings: Settings
    fit: object  # (key, pool) -> parameters and metrics
    score: object  # (params, data) -> mean log likelihood


def fit(learner, settings, key, pool):
    """A whole fit from scratch."""
    key_init, key_fit = jax.random.split(key)
    params = learner.init(key_init, settings, pool.data)
    state = learner.fit_begin(key_fit, settings, params, pool)
    for step in range(learner.num_steps):
        key_step = jax.random.fold_in(key_fit, step)
        state, _ = learner.fit_step(key_step, settings, state, pool)
    return learner.fit_end(state)


def case_of(name):
    config = new_config(
        learner=name, regime="replace", data="normal", num_samples=N,
        metrics=("test_log_likelihood",), **{"data.num_features": D}, **OVERRIDES.get(name, {}),
    )  # fmt: skip
    (group,) = expand(config)
    program = build(group)
    settings = jax.tree.map(lambda a: jnp.asarray(a[0, 0]), program.settings(1, 1))
    learner = program.learner

    @jax.jit
    def score(params, data):
        context = Context(None, params, data)
        return learner.measure(settings, params, context)["test_log_likelihood"]

    return Case(learner, settings, partial(fit, learner, settings), score)


def pool_of(rubbish=0.0, seed=0):
    """Two clumps of points, and empty slots that hold `rubbish`."""
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((SLOTS, D)) + 4 * (np.arange(SLOTS) % 2)[:, None]
    data[N:] = rubbish
    weights = (np.arange(SLOTS) < N).astype(float)
    dtype = jnp.result_type(float)
    group = jnp.zeros(SLOTS, jnp.int32)
    return Pool(jnp.asarray(data, dtype), jnp.asarray(weights, dtype), group, jnp.full(1, 1.0 * N))


@pytest.fixture(scope="module", params=OF_POINTS)
def case(request):
    return case_of(request.param)


@pytest.fixture(scope="module")
def fitted(case):
    compiled = jax.jit(case.fit)
    return compiled, *compiled(jax.random.key(0), pool_of())


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def test_parameters_keep_their_shapes(case, fitted):
    _, params, metrics = fitted
    begun = jax.eval_shape(case.learner.init, jax.random.key(0), case.settings, pool_of().data)
    shapes = jax.tree.map(lambda a: (a.shape, a.dtype), begun)
    assert shapes == jax.tree.map(lambda a: (a.shape, a.dtype), params)
    assert all(np.isfinite(leaf).all() for leaf in leaves(params))
    assert all(np.ndim(value) <= 2 for value in metrics.values())
    assert not metrics.get("degenerate", False)


def test_equal_keys_give_equal_results(case, fitted):
    compiled, params, _ = fitted
    again = compiled(jax.random.key(0), pool_of())[0]
    for a, b in zip(leaves(params), leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    sample = jax.jit(case.learner.sample, static_argnums=4)
    one, two, other = (
        sample(jax.random.key(seed), case.settings, params, None, 50) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)
    assert one.shape == (50, D) and one.dtype == jnp.float32


def test_empty_slots_mean_nothing(fitted):
    compiled, params, _ = fitted
    other = compiled(jax.random.key(0), pool_of(rubbish=1e3))[0]
    for a, b in zip(leaves(params), leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_fit_improves_its_objective(case, fitted):
    """Beyond where it began, and beyond the fit of other data."""
    compiled, params, _ = fitted
    data = pool_of().data[:N]
    begun = jax.jit(case.learner.init)(jax.random.key(0), case.settings, data)
    elsewhere = compiled(jax.random.key(0), pool_of(seed=1))[0]
    score = case.score(params, data)
    assert score > case.score(begun, data)
    assert score > case.score(elsewhere, data)
    assert np.isfinite(score)


def test_samples_look_like_the_data(case, fitted):
    _, params, _ = fitted
    data = np.asarray(pool_of().data[:N])
    drawn = jax.jit(case.learner.sample, static_argnums=4)(
        jax.random.key(3), case.settings, params, None, 20_000
    )
    error = 4.5 * data.std(0) / np.sqrt(20_000)
    np.testing.assert_allclose(drawn.mean(0), data.mean(0), atol=error.max())
    np.testing.assert_allclose(np.std(drawn, 0), data.std(0), rtol=0.05)


def test_many_chains_at_once(case, fitted):
    """`vmap` gives each chain what it gets alone."""
    compiled, *_ = fitted
    keys = jax.random.split(jax.random.key(5), 3)
    pools = [pool_of(seed=seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *pools)
    together, _ = jax.jit(jax.vmap(case.fit))(keys, stacked)
    for i in range(3):
        alone, _ = compiled(keys[i], pools[i])
        for a, b in zip(leaves(together), leaves(alone), strict=True):
            np.testing.assert_allclose(a[i], b, rtol=2e-3, atol=2e-3)


def test_64_bit(case, fitted):
    _, params, _ = fitted
    with jax.enable_x64(True):
        name = next(n for n in LEARNERS if case_name(n, case))
        wide = case_of(name)
        found, _ = jax.jit(wide.fit)(jax.random.key(0), pool_of())
        assert {leaf.dtype for leaf in leaves(found)} == {np.dtype("float64")}
        drawn = wide.learner.sample(jax.random.key(0), wide.settings, found, None, 3)
        assert drawn.dtype == jnp.float64
        score = float(wide.score(found, pool_of().data[:N]))
    np.testing.assert_allclose(score, case.score(params, pool_of().data[:N]), atol=0.02)


def case_name(name, case):
    return LEARNERS[name].path.partition(":")[0] == case.learner.sample.__module__
