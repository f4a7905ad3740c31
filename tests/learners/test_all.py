"""What every learner of the registry owes, whatever its data: one contract, one row a learner."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.chain import FROZEN, Chain, Fit
from ouroboros_jax.config import new_config
from ouroboros_jax.keys import chain_key
from ouroboros_jax.metrics.names import NAMES
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
    "kde": ("moons", {}),
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


def test_no_learner_is_left_out():
    assert set(ROWS) == set(LEARNERS)


class Case(NamedTuple):
    """A learner of ROWS, put together."""

    program: Program
    settings: object
    first: object  # (key) -> the state of generation 0, and what its fit said
    sample: object  # (key, params) -> NUM points


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
        return chain.init(key, settings, table, capacity)

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
    chain, capacity = case.program.chain, case.program.sizes.capacity(0)
    blank = jax.eval_shape(
        lambda key: chain.blank(key, case.settings, case.program.table, capacity), chain_key(1, 0)
    )
    assert kinds(fitted) == kinds(blank)
    assert not fitted.frozen and fitted.generation == 0


def test_keys_decide(case, fitted):
    again, other = (case.first(chain_key(seed, 0))[0] for seed in (1, 2))
    jax.tree.map(np.testing.assert_array_equal, again, fitted)
    leaves = zip(jax.tree.leaves(other.params), jax.tree.leaves(fitted.params), strict=True)
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
    key = chain_key(1, 0)
    prepared = program.stages.prepared(key, case.settings, program.table)
    context = program.stages.context(key, case.settings, fitted.params, program.test, prepared)
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
