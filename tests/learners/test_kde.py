"""Kernel densities against scikit-learn, and the density loop against its laws."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from loops import LIMIT, simulate
from scipy import stats
from sklearn.neighbors import KernelDensity

from ouroboros_jax.base import Pool, Settings
from ouroboros_jax.config import new_config
from ouroboros_jax.errors import UserError
from ouroboros_jax.learners import kde as module
from ouroboros_jax.learners.kde import kde
from ouroboros_jax.sweep import expand
from ouroboros_jax.theory import kde as theory

pytestmark = pytest.mark.usefixtures("quick_compilation")


def settings(bandwidth=0.4):
    count = jnp.int32(10)
    return Settings(count, count, count, {"bandwidth": jnp.float32(bandwidth)}, {}, {}, {})


def pool_of(points, weights=None):
    """A pool with two empty slots that hold rubbish."""
    num = len(points)
    data = np.concatenate([points, np.full((2, points.shape[1]), 50.0)]).astype(np.float32)
    weights = np.ones(num) if weights is None else weights
    weights = np.append(weights, [0, 0]).astype(np.float32)
    arrays = data, weights, np.zeros(num + 2, np.int32), weights.sum(keepdims=True)
    return Pool(*map(jnp.asarray, arrays))


def fit(learner, pool, rows, bandwidth=0.4, seed=0):
    """The fit of a chain whose real data set had so many rows."""
    key = jax.random.key(seed)
    start = learner.init(key, settings(), jnp.zeros((rows, pool.data.shape[1])))
    return learner.fit_step(key, settings(bandwidth), start, pool)[0]


@pytest.mark.parametrize("kernel", ["gaussian", "tophat"])
@pytest.mark.parametrize("num_features", [1, 3])
@pytest.mark.parametrize("rule", ["fixed", "scott", "silverman"])
def test_densities_are_scikit_learns(kernel, num_features, rule):
    rng = np.random.default_rng(0)
    points, test = (rng.standard_normal((num, num_features)) for num in (30, 70))
    params = fit(kde(kernel=kernel, rule=rule), pool_of(points), 40, 0.8)
    peer = KernelDensity(bandwidth=0.8 if rule == "fixed" else rule, kernel=kernel).fit(points)
    assert float(params.bandwidth) == pytest.approx(peer.bandwidth_, rel=1e-6)
    found = module.log_density(params, kernel, jnp.asarray(test, jnp.float32))
    np.testing.assert_allclose(found, peer.score_samples(test), rtol=2e-5, atol=2e-5)


def test_weights_are_scikit_learns():
    rng = np.random.default_rng(1)
    points, test, weights = (
        rng.standard_normal((20, 2)),
        rng.standard_normal((9, 2)),
        rng.random(20),
    )
    params = fit(kde(), pool_of(points, weights), 22)
    peer = KernelDensity(bandwidth=0.4).fit(points, sample_weight=weights)
    found = module.log_density(params, "gaussian", jnp.asarray(test, jnp.float32))
    np.testing.assert_allclose(found, peer.score_samples(test), rtol=1e-5)
    share = weights / weights.sum()
    centred = points - share @ points
    np.testing.assert_allclose(params.variance, share @ centred**2 + 0.4**2, rtol=1e-5)


@pytest.mark.parametrize("kernel", ["gaussian", "tophat"])
def test_draws_follow_the_density(kernel):
    """Kolmogorov and Smirnov in one dimension; radii and directions of a single kernel in three."""
    learner, num = kde(kernel=kernel), 20_000
    sample = jax.jit(learner.sample, static_argnums=4)
    points = np.array([[-2.0], [0.0], [0.5], [3.0]])
    params = fit(learner, pool_of(points, np.array([1, 1, 2, 4.0])), 6)
    found = np.asarray(sample(jax.random.key(0), settings(), params, None, num))[:, 0]
    law = {"gaussian": stats.norm(0, 0.4), "tophat": stats.uniform(-0.4, 0.8)}[kernel]

    def cdf(x):
        return (law.cdf(x[:, None] - points[:, 0][None]) * np.array([1, 1, 2, 4]) / 8).sum(1)

    assert stats.kstest(found, cdf).pvalue > 1e-4

    params = fit(learner, pool_of(np.zeros((1, 3))), 3)
    found = np.asarray(sample(jax.random.key(1), settings(), params, None, num))
    radii = np.linalg.norm(found, axis=1) / 0.4
    law = {"gaussian": stats.chi(3), "tophat": stats.powerlaw(3)}[kernel]
    assert stats.kstest(radii, law.cdf).pvalue > 1e-4
    variance = theory.kernel_variance(0.4, num_features=3, kernel=kernel)
    np.testing.assert_allclose(found.var(0), variance, rtol=0.05)


def test_a_large_pool_is_drawn_from_as_if_it_were_whole():
    """100 points in a model with room for 40: over many fits, every point is as likely."""
    points = np.arange(100.0)[:, None]
    learner, pool = kde(), pool_of(points)

    @jax.jit
    @jax.vmap
    def draw(key):
        key_fit, key_sample = jax.random.split(key)
        start = learner.init(key, settings(), jnp.zeros((40, 1)))
        params, _ = learner.fit_step(key_fit, settings(1e-6), start, pool)
        return params, learner.sample(key_sample, settings(), params, None, 40)

    params, found = draw(jax.random.split(jax.random.key(0), 2000))
    assert (params.once == 1).all()
    np.testing.assert_allclose(params.mean, 49.5, rtol=1e-5)
    np.testing.assert_allclose(params.variance, points.var(), rtol=1e-4)
    found = np.round(np.asarray(found)[..., 0]).astype(int)
    assert stats.chisquare(np.bincount(found.ravel(), minlength=100)).pvalue > 1e-4
    # As with replacement: two of 40 draws meet the same point with probability 1 / 100.
    pairs = (found[:, :-1] == found[:, 1:]).mean()
    assert abs(pairs - 0.01) < LIMIT * np.sqrt(0.01 / found[:, 1:].size)
    # Each kept point is used once.
    kept = np.sort(np.round(np.asarray(params.points)[..., 0]).astype(int), axis=1)
    np.testing.assert_array_equal(np.sort(found, axis=1), kept)


def test_a_pool_with_gaps_that_fits_is_kept_as_it_is():
    data = np.arange(10.0, dtype=np.float32)[:, None]
    weights = np.float32([0, 1, 0, 1, 1, 0, 0, 0, 1, 0])
    arrays = data, weights, np.zeros(10, np.int32), np.float32([4])
    pool = Pool(*map(jnp.asarray, arrays))
    params = fit(kde(), pool, 5)
    assert params.once == 0
    np.testing.assert_array_equal(params.points[:, 0], [1, 3, 4, 8, 0])
    np.testing.assert_array_equal(params.weights, np.float32([0.25, 0.25, 0.25, 0.25, 0]))


SWEEP = {"learner.bandwidth": (0.1, 0.6)}  # one shrinks towards (n - 1) h^2, the other expands


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
def test_the_loop_follows_its_law(regime):
    cells = simulate(
        *("kde", regime, "normal"),
        num_samples=12, chains=3000, generations=5, sweep=SWEEP, data__num_test=0,
    )  # fmt: skip
    assert len(cells) == 2
    for cell in cells:
        for metric in ("variance", "mean_squared_error"):
            assert np.abs(cell.z(metric)).max() < LIMIT, (cell.point["learner.bandwidth"], metric)
        assert cell.notices("mean_squared_error")
    shrinks, expands = (cell.metrics["variance"].mean(0) for cell in cells)
    assert shrinks[-1] < shrinks[0] and expands[-1] > expands[0]
    assert cells[1].notices("variance")


def test_rules_and_tophats_follow_their_law():
    cells = simulate(
        *("kde", "accumulate", "moons"),
        num_samples=20, chains=2000, generations=4, data__num_test=0,
        learner__kernel="tophat", learner__rule="scott",
    )  # fmt: skip
    assert np.abs(cells[0].z("variance")).max() < LIMIT
    assert cells[0].notices("variance")
    assert np.isnan(cells[0].metrics["mean_squared_error"]).all()


def test_capacity_changes_no_law():
    """A model that keeps all of accumulate's points, against one that keeps as many as it draws."""
    found = [
        simulate(
            *("kde", "accumulate", "normal"),
            num_samples=10, chains=2000, generations=3, data__num_test=0,
            learner__capacity=capacity, learner__bandwidth=0.7,
        )[0]
        for capacity in (1, 8)
    ]  # fmt: skip
    for cell in found:
        assert np.abs(cell.z("variance")).max() < LIMIT
    values = [cell.metrics["variance"][:, -1] for cell in found]
    assert stats.ks_2samp(*values).pvalue > 1e-4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"learner.bandwidth": 0}, "learner.bandwidth=0.0 is out of range: expected a number"),
        ({"learner.kernel": "box"}, "learner.kernel='box' is unknown: expected 'gaussian' or"),
        ({"learner.capacity": 0}, "learner.capacity=0 is out of range"),
        (
            {"num_samples": (5, 30), "generations": 3},
            r"learner.capacity=1 keeps 5 points, fewer than the num_samples=30 drawn at generation",
        ),
        ({"data.name": "linear"}, "is fitted to points, and data.name='linear' holds regression"),
    ],
)  # fmt: skip
def test_bad_input(change, sentence):
    new = partial(new_config, learner="kde", regime="replace")
    with pytest.raises(UserError, match=sentence):
        expand(new(data=change.pop("data.name", "normal"), **change))


def test_a_factory_refuses_what_it_does_not_know():
    for change in ({"kernel": "box"}, {"rule": "none"}, {"capacity": 0}, {"metrics": ["std"]}):
        with pytest.raises(ValueError, match="expected"):
            kde(**change)
