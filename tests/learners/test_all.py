"""What every learner of the registry owes: one contract, one row a learner.

Shapes, reproducibility, chains that are independent, metrics with names; and of those that are
fitted to any points, fits that fit, in both widths of numbers.
"""

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.base import Context, Pool
from ouroboros_jax.chain import FROZEN, Chain, Fit
from ouroboros_jax.config import new_config
from ouroboros_jax.keys import chain_key
from ouroboros_jax.metrics.names import NAMES
from ouroboros_jax.pools.given import Given
from ouroboros_jax.programs.build import build
from ouroboros_jax.programs.program import Program
from ouroboros_jax.registry import LEARNERS
from ouroboros_jax.sweep import expand

pytestmark = pytest.mark.usefixtures("quick_compilation")

NUM = 24
TEXT = {"data.tokenizer": "bytes", "data.block": 16, "data.num_test": 8}
ROWS = {  # the data of a learner and what keeps it small
    "gaussian": ("normal", {"learner.draw": "samples"}),
    "gmm": ("mixture", {}),
    "kde": ("moons", {"learner.bandwidth": 0.2}),  # samples then look like the data
    "mean": ("normal", {}),
    "median": ("normal", {}),
    "symmetric_gmm": ("mixture", {}),
    "linear_regression": ("linear", {}),
    "logistic_regression": ("logistic", {}),
    "categorical": ("zipf", {"data.num_symbols": 7, "learner.draw": "samples"}),
    "poisson": ("counts", {"learner.draw": "samples"}),
    "heat_death": ("outcomes", {"learner.dynamics": "counts", "data.concentration": 3.0}),
    "ngram": ("pydoc", TEXT | {"learner.order": 2, "learner.smoothing": 0.1}),
    "lm": ("pydoc", TEXT | {
        "learner.num_layers": 1, "learner.width": 16, "learner.num_heads": 2, "learner.epochs": 2,
        "learner.num_scored": 8, "learner.rows": 8,
    }),
    "vae": ("image_digits", {
        "learner.network": "mlp", "learner.layer_sizes": (16,), "learner.latent_dim": 4,
        "learner.epochs": 2, "learner.batch_size": 8, "learner.num_scored": 40,
    }),
}  # fmt: skip
OF_ONE_SHAPE = ("symmetric_gmm", "mean", "median")  # cannot be fitted to any points
OF_POINTS = [
    name for name, entry in LEARNERS.items() if entry.kind == "points" and name not in OF_ONE_SHAPE
]


def test_no_learner_is_left_out():
    assert set(ROWS) == set(LEARNERS)


class Case(NamedTuple):
    """A learner of ROWS, put together."""

    program: Program
    settings: object
    first: object  # (key) -> the state of generation 0, and what its fit said
    sample: object  # (key, params) -> NUM points


@cache
def case_of(name):
    data, overrides = ROWS[name]
    config = new_config(
        learner=name, regime="replace", data=data, num_samples=NUM, generations=1,
        **{"data.num_test": 8} | overrides,
    )  # fmt: skip
    (group,) = expand(config)
    program = build(group)
    chain, settings = (
        program.chain,
        jax.tree.map(lambda a: jnp.asarray(a[0, 0]), program.settings(0, 1)),
    )
    capacity, table = program.sizes.capacity(0), program.table

    @jax.jit
    def first(key):
        return chain.init(Given(key, settings, table, capacity))

    @jax.jit
    def sample(key, params):
        source = program.real.draw(key, settings, table, NUM)
        return program.learner.sample(key, settings, params, source, NUM)

    return Case(program, settings, first, sample)


@pytest.fixture(scope="module", params=ROWS)
def case(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ouroboros_jax.learners.judge.NUM_STEPS", 20)
        yield case_of(request.param)


@pytest.fixture(scope="module")
def fitted(case):
    state, _ = case.first(chain_key(1, 0))
    return state


def kinds(tree):
    return jax.tree.map(lambda a: (a.shape, a.dtype), tree)


def test_parameters_keep_their_shapes_and_are_finite(case, fitted):
    program, settings = case.program, case.settings
    blank = jax.eval_shape(
        lambda key: program.chain.blank(
            Given(key, settings, program.table, program.sizes.capacity(0))
        ),
        chain_key(1, 0),
    )
    assert kinds(fitted) == kinds(blank)
    assert not fitted.frozen and fitted.generation == 0


def test_keys_decide(case, fitted):
    again, other = (case.first(chain_key(seed, 0))[0] for seed in (1, 2))
    assert_decided(fitted, again, other)
    assert_decided(*(case.sample(chain_key(seed, 0), fitted.params) for seed in (3, 3, 4)))


def assert_decided(one, again, other):
    jax.tree.map(np.testing.assert_array_equal, again, one)
    leaves = zip(jax.tree.leaves(other), jax.tree.leaves(one), strict=True)
    assert any(not np.array_equal(a, b) for a, b in leaves)


def test_chains_side_by_side_are_chains_alone(case, fitted):
    both = jax.vmap(case.first)(jnp.stack([chain_key(2, 0), chain_key(1, 0)]))[0]
    for a, b in zip(jax.tree.leaves(both.params), jax.tree.leaves(fitted.params), strict=True):
        np.testing.assert_allclose(a[1], b, rtol=2e-3, atol=2e-4)


def test_points_are_of_the_shapes_of_real_ones(case, fitted):
    program = case.program
    real = jax.eval_shape(
        lambda key: program.real.draw(key, case.settings, program.table, NUM), chain_key(1, 0)
    )
    drawn = case.sample(chain_key(3, 0), fitted.params)
    assert kinds(drawn) == kinds(real)


def test_metrics_are_named_and_readable(case, fitted):
    """Each has an entry in `metrics/names` and the axes it says; scores on test data are known."""
    program = case.program
    _, info = case.first(chain_key(1, 0))
    given = Given(chain_key(1, 0), case.settings, program.table, None)
    prepared = program.stages.prepared(given)
    context = program.stages.context(given, fitted.params, program.test, prepared)
    metrics = program.chain.measure(case.settings, fitted.params, context, info, fitted.frozen)
    assert set(metrics) <= set(NAMES)
    assert int(metrics["status"]) != FROZEN
    for name, value in metrics.items():
        assert jnp.ndim(jnp.squeeze(value)) <= len(NAMES[name].dims), name
        if name in (program.learner.scores or ()) or name.startswith("test_"):
            assert jnp.isfinite(value).all(), name


def test_a_broken_fit_is_frozen(case, fitted):
    """Parameters that are no numbers are given up for the last ones that were."""
    chain = case.program.chain
    broken = jax.tree.map(
        lambda a: jnp.full_like(a, jnp.nan) if jnp.issubdtype(a.dtype, jnp.floating) else a,
        fitted.params,
    )
    learner = case.program.learner._replace(fit_end=lambda fit_state: (broken, {}))
    chain = Chain(learner, chain.regime, chain.realisation)
    state, _ = chain.finish(Fit(fitted, (), ()))
    assert state.frozen
    jax.tree.map(np.testing.assert_array_equal, state.params, fitted.params)


# Learners of points: fits of points that the test knows

D, N, SLOTS = 2, 30, 40


class Points(NamedTuple):
    """A learner of points; a fit to `pool_of()` and its score, compiled."""

    name: str
    case: Case
    fit: object  # (pool) -> parameters, from scratch
    score: object  # (params, data) -> mean log likelihood
    params: object  # of `pool_of()`


def points_of(name, case):
    learner, settings = case.program.learner, case.settings

    @jax.jit
    def fit(pool):
        key_init, key_fit = jax.random.split(jax.random.key(0))
        params = learner.init(key_init, settings, pool.data)
        state = learner.fit_begin(key_fit, settings, params, pool)
        for step in range(learner.num_steps):
            key_step = jax.random.fold_in(key_fit, step)
            state, _ = learner.fit_step(key_step, settings, state, pool)
        return learner.fit_end(state)[0]

    @jax.jit
    def score(params, data):
        context = Context(None, params, data)
        return learner.measure(settings, params, context)["test_log_likelihood"]

    return Points(name, case, fit, score, fit(pool_of()))


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
def points(request):
    return points_of(request.param, case_of(request.param))


def test_empty_slots_mean_nothing(points):
    other = points.fit(pool_of(rubbish=1e3))
    jax.tree.map(np.testing.assert_array_equal, other, points.params)


def test_a_fit_improves_its_objective(points):
    """Beyond where it began, and beyond the fit of other data."""
    data = pool_of().data[:N]
    learner, settings = points.case.program.learner, points.case.settings
    begun = jax.jit(learner.init)(jax.random.key(0), settings, data)
    score = points.score(points.params, data)
    assert np.isfinite(score)
    assert score > points.score(begun, data)
    assert score > points.score(points.fit(pool_of(seed=1)), data)


def test_samples_look_like_the_data(points):
    data = np.asarray(pool_of().data[:N])
    drawn = jax.jit(points.case.program.learner.sample, static_argnums=4)(
        jax.random.key(3), points.case.settings, points.params, None, 20_000
    )
    error = 4.5 * data.std(0) / np.sqrt(20_000)
    np.testing.assert_allclose(drawn.mean(0), data.mean(0), atol=error.max())
    np.testing.assert_allclose(np.std(drawn, 0), data.std(0), rtol=0.05)


def test_64_bit(points):
    data = pool_of().data[:N]
    with jax.enable_x64(True):
        wide = points_of(points.name, case_of.__wrapped__(points.name))
        assert {leaf.dtype for leaf in jax.tree.leaves(wide.params)} == {np.dtype("float64")}
        learner, settings = wide.case.program.learner, wide.case.settings
        drawn = learner.sample(jax.random.key(0), settings, wide.params, None, 3)
        assert drawn.dtype == jnp.float64
        score = float(wide.score(wide.params, pool_of().data[:N]))
    np.testing.assert_allclose(score, points.score(points.params, data), atol=0.02)
