"""LAPACK is called for one matrix at a time, whatever the batch: see `linalg.one_by_one`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from ouroboros_jax.config import load_config
from ouroboros_jax.metrics import linalg
from ouroboros_jax.programs.build import build
from ouroboros_jax.sweep import expand

LAPACK = {"cholesky", "eigh", "qr", "svd", "triangular_solve"}
pytestmark = pytest.mark.skipif(jax.default_backend() != "cpu", reason="of CPUs alone")


def lapack_calls(jaxpr):
    """Shapes of what LAPACK is called for, anywhere in a program."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in LAPACK:
            yield equation.primitive.name, equation.invars[0].aval.shape
        for inner in jaxprs_in_params(equation.params):
            yield from lapack_calls(inner)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (linalg.cholesky, np.linalg.cholesky),
        (linalg.singular_values, lambda a: np.linalg.svd(a, compute_uv=False)),
        (linalg.invert_lower, lambda a: np.linalg.inv(np.tril(a))),
    ],
)
def test_batches_are_taken_one_by_one(function, expected):
    """The values of NumPy's, for axes of a batch of either kind."""
    rows = np.random.default_rng(0).normal(size=(2, 3, 4, 9, 6)).astype(np.float32)
    matrices = rows.mT @ rows
    under_vmap = jax.vmap(jax.vmap(function))
    np.testing.assert_allclose(under_vmap(matrices), expected(matrices), rtol=2e-3, atol=2e-3)
    calls = list(lapack_calls(jax.make_jaxpr(under_vmap)(matrices).jaxpr))
    assert calls and all(len(shape) == 2 for _, shape in calls)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("gaussian", {"data.num_features": 9, "chains": 6}),
        ("gaussian", {"data.num_features": 9, "chains": 6, "learner.draw": "samples"}),
        ("gmm", {"data.name": "blobs", "data.num_features": 6, "chains": 4, "chain_block": 4}),
    ],
)
def test_runs_call_for_one_matrix(name, overrides):
    """On several devices a call for more waits for ever."""
    (group,) = expand(load_config(name, {"generations": 1, "num_samples": 50, **overrides}))
    program = build(group)
    block = max(program.layout.block, 2)
    key, settings = jax.random.split(jax.random.key(0), block), program.settings(0, 1)
    settings = jax.tree.map(lambda a: jnp.broadcast_to(jnp.asarray(a[:1]), (block, 1)), settings)

    stages, capacity = program.stages, program.sizes.capacity(1)

    def both(key, settings):
        args = {"key": key, "settings": settings, "prepared": ()}
        shared = {"table": program.table, "test": program.test, "num": jnp.int32(1)}
        blank = stages.blank(capacity, (), args, shared)
        first = stages.first(capacity, (), args, shared)
        args |= {"before": blank, "reference": blank.params}
        return first, stages.segment(capacity, 1, program.from_blank, None, args, shared)

    calls = list(lapack_calls(jax.make_jaxpr(both)(key, settings).jaxpr))
    assert calls and all(len(shape) == 2 for _, shape in calls)
