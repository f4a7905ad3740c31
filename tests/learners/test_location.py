"""Means and medians as learners: against NumPy, and against their laws."""

import jax.numpy as jnp
import numpy as np
import pytest
from loops import LIMIT, simulate

from ouroboros_jax.base import Pool
from ouroboros_jax.learners import location as centre

pytestmark = pytest.mark.usefixtures("quick_compilation")


def pool_of(points, weights=None):
    points = np.reshape(points, (len(points), -1))
    weights = np.ones(len(points)) if weights is None else weights
    data = np.concatenate([points, np.full((1, points.shape[1]), 1e3)])
    weights = jnp.asarray(np.append(weights, 0), jnp.result_type(float))
    zeros = jnp.zeros(len(data), jnp.int32)
    return Pool(jnp.asarray(data, weights.dtype), weights, zeros, weights.sum(keepdims=True))


@pytest.mark.parametrize("num", [1, 2, 7, 10])
def test_medians_are_numpys(num):
    x = np.random.default_rng(num).standard_normal((num, 3))
    x[-1] = x[0]  # a tie
    learner = centre.median()
    params, _ = learner.fit_step(None, None, None, pool_of(x))
    np.testing.assert_allclose(params.centre, np.median(x, axis=0), rtol=1e-6)


def test_weights_of_a_median_count_as_repeated_rows():
    x, times = np.array([5.0, 1.0, 3.0, 8.0, 2.0]), np.array([1, 3, 2, 1, 2])
    learner = centre.median()
    params, _ = learner.fit_step(None, None, None, pool_of(x, times))
    assert params.centre[0] == np.median(np.repeat(x, times))
    learner = centre.mean()
    params, _ = learner.fit_step(None, None, None, pool_of(x, times))
    assert params.centre[0] == pytest.approx(np.average(x, weights=times))
    with pytest.raises(ValueError, match="expected names among mean, mean_squared_error"):
        centre.mean(metrics=["std"])


@pytest.mark.parametrize(
    ("learner", "regime"), [("mean", "replace"), ("mean", "accumulate"), ("median", "replace")]
)
def test_the_centre_follows_its_law(learner, regime):
    """Known spread: E[(centre - truth)^2] = (g + 1) / n under replace, sums of 1 / i^2 else."""
    (cell,) = simulate(
        *(learner, regime, "normal"),
        num_samples=10, chains=4000, generations=3, data__num_test=0,
    )  # fmt: skip
    assert np.abs(cell.z("mean_squared_error")).max() < LIMIT
    assert cell.notices("mean_squared_error")
