"""The Gaussian's statistics against NumPy: merging, drawing, singular cases, points on demand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ouroboros_jax.base import Context, Pool, Settings
from ouroboros_jax.learners import gaussian as g

pytestmark = pytest.mark.usefixtures("quick_compilation")

MERGE, OF = jax.jit(g.merge), jax.jit(g.statistics_of)


def settings(num=10, bias=1.0):
    num = jnp.int32(num)
    return Settings(num, jnp.int32(0), num, {}, {}, {"bias": jnp.float32(bias)}, {})


def covariance(statistics):
    root = np.exp(np.float64(statistics.log_scale))[..., None] * np.float64(statistics.factor)
    return root @ np.swapaxes(root, -1, -2)


def points(rng, n, d, scales=1.0, center=0.0):
    return (center + rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) * scales).astype(
        np.float32
    )


def statistics(data, pad=3):
    """Statistics of rows, with empty slots that hold rubbish."""
    rubbish = np.full((pad, data.shape[1]), 7.0, np.float32)
    weights = np.repeat(np.float32([1, 0]), [len(data), pad])
    return OF(np.concatenate([data, rubbish]), weights)


def check(found, data, tolerance=3e-5):
    data = np.float64(data)
    centred = data - data.mean(0)
    expected = centred.T @ centred / len(data)
    scale = np.sqrt(np.diag(expected))
    assert found.count == len(data)
    size = scale + abs(data).max(0)
    np.testing.assert_allclose((found.mean - data.mean(0)) / size, 0, atol=tolerance)
    np.testing.assert_allclose(
        covariance(found) / np.outer(scale, scale),
        expected / np.outer(scale, scale),
        atol=tolerance,
    )
    lengths = np.square(found.factor).sum(-1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)
    assert not np.triu(found.factor, 1).any()


@pytest.mark.parametrize("d", [1, 2, 5])
def test_statistics_of_rows(d):
    data = points(np.random.default_rng(d), 30, d, 10.0 ** np.arange(d), 3.0)
    check(statistics(data), data)


@pytest.mark.parametrize(("d", "m", "n"), [(1, 2, 40), (2, 9, 3), (5, 7, 60), (5, 2, 3), (3, 1, 1)])
def test_merged_statistics_are_those_of_the_union(d, m, n):
    rng = np.random.default_rng(m)
    a, b = points(rng, m, d), points(rng, n, d, center=2.0)
    merged = MERGE(statistics(a), statistics(b))
    if m + n > d:
        check(merged, np.concatenate([a, b]), 1e-4)
    union = np.concatenate([a, b])
    np.testing.assert_allclose(covariance(merged), np.cov(union.T, ddof=0).reshape(d, d), atol=1e-4)


def test_merging_nothing():
    rng = np.random.default_rng(0)
    a, nothing = statistics(points(rng, 20, 3)), jax.tree.map(jnp.zeros_like, OF(*_empty()))
    for merged in (MERGE(a, nothing), MERGE(nothing, a)):
        assert merged.count == 20
        np.testing.assert_allclose(merged.mean, a.mean, rtol=1e-6)
        np.testing.assert_allclose(covariance(merged), covariance(a), rtol=1e-5)
    both = MERGE(nothing, nothing)
    assert both.count == 0 and jnp.isfinite(both.mean).all() and not jnp.isnan(both.factor).any()
    none = OF(*_empty())
    assert none.count == 0 and (none.log_scale == -jnp.inf).all()


def _empty():
    return np.zeros((4, 3), np.float32), np.zeros(4, np.float32)


@pytest.mark.parametrize("scale", [1e-25, 1e-12, 1.0, 1e12])
def test_far_apart_scales_neither_underflow_nor_lose_the_small_part(scale):
    """A collapsed set beside a live one, and two collapsed ones: relative precision is kept."""
    rng = np.random.default_rng(0)
    a, b = points(rng, 30, 2), points(rng, 50, 2)
    small = statistics(b)
    small = small._replace(
        mean=small.mean * scale, log_scale=small.log_scale + jnp.float32(np.log(scale))
    )
    twice = MERGE(small, small)
    np.testing.assert_allclose(twice.log_scale, small.log_scale, rtol=1e-5)
    np.testing.assert_allclose(covariance(twice), covariance(small), rtol=1e-3)
    merged = MERGE(statistics(a), small)
    union = np.concatenate([np.float64(a), np.float64(b) * scale])
    expected = np.cov(union.T, ddof=0)
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(covariance(merged) / size, expected / size, atol=1e-4)


def test_merging_many_by_one_is_the_whole():
    """100 sets of 3 points, one after another."""
    rng = np.random.default_rng(0)
    data = points(rng, 300, 2, center=5.0)
    merged = statistics(data[:3])
    for i in range(3, 300, 3):
        merged = MERGE(merged, statistics(data[i : i + 3]))
    check(merged, data, 1e-4)


@pytest.mark.parametrize(("n", "d"), [(2, 1), (30, 1), (40, 4), (4, 4), (3, 5), (2, 3), (1, 2)])
def test_points_have_the_statistics_they_were_asked_for(n, d):
    rng = np.random.default_rng(n)
    wanted = statistics(points(rng, n, d, 10.0 ** -np.arange(d), 2.0))
    if n > 1:
        found = g.points_with(np.random.default_rng(1), wanted)
        other = g.points_with(np.random.default_rng(2), wanted)
        assert n <= d or abs(found - other).max() > 1e-6 or (n, d) == (2, 1)
        scale = np.exp(np.float64(wanted.log_scale))
        centred = (found - found.mean(0)) / scale
        corr = np.float64(wanted.factor) @ np.float64(wanted.factor).T
        np.testing.assert_allclose(centred.T @ centred / n, corr, atol=1e-5)
    else:
        found = g.points_with(rng, wanted)
    assert found.shape == (n, d)
    np.testing.assert_allclose(found.mean(0), np.float64(wanted.mean), rtol=1e-6, atol=1e-7)


def test_no_points():
    none = statistics(np.zeros((0, 2), np.float32))
    assert g.points_with(np.random.default_rng(0), none).shape == (0, 2)


def model(d, rng=None):
    """A Gaussian with correlated features, and its covariance."""
    rng = rng or np.random.default_rng(5)
    fitted = statistics(points(rng, 50, d, center=1.0))
    return g.Gaussian(fitted.mean, fitted.log_scale, g.pack(fitted.factor)), covariance(fitted)


def test_few_points_give_a_singular_covariance_within_the_span():
    """n <= D: rank n - 1, and the deviations lie in the model's own range."""
    params, _ = model(4)
    keys, nums = jax.random.split(jax.random.key(1), 50), np.arange(5, dtype=np.int32)
    for num, found in zip(
        nums, _unstack(draw_many(keys, params, nums, np.float32(1))), strict=True
    ):
        assert (found.count == num).all()
        ranks = np.linalg.matrix_rank(covariance(found), rtol=1e-4, hermitian=True)
        assert (ranks == max(num - 1, 0)).all()
        diagonal = np.diagonal(found.factor, axis1=1, axis2=2)
        if num >= 2:
            assert (diagonal[:, num - 1 :] == 0).all() and (diagonal[:, : num - 1] != 0).all()
            assert np.isfinite(found.log_scale).all()
        else:
            assert (found.log_scale == -np.inf).all()


def _unstack(tree):
    return [jax.tree.map(lambda a, i=i: np.asarray(a[i]), tree) for i in range(len(tree.count))]


@jax.jit
def draw_many(keys, params, nums, bias):
    """Statistics [num, key]."""

    def draw(key, num):
        return g.draw_statistics(key, settings(bias=bias), params, num)

    return jax.vmap(jax.vmap(draw, (0, None)), (None, 0))(keys, nums)


def test_samples_of_a_singular_model_stay_in_its_span():
    """Three points in five dimensions: the model is a plane, and draws nothing beside it."""
    rng = np.random.default_rng(0)
    data = points(rng, 3, 5)
    fitted = statistics(data)
    params = g.Gaussian(fitted.mean, fitted.log_scale, g.pack(fitted.factor))
    for learner in (g.gaussian(draw="samples"), g.gaussian()):
        drawn = learner.sample(jax.random.key(0), settings(), params, None, 400)
        offsets = np.float64(drawn - fitted.mean[None])
        inside = np.linalg.svd(np.float64(data - data.mean(0)))[2][:2]
        outside = offsets - offsets @ inside.T @ inside
        assert abs(outside).max() < 1e-5 * abs(offsets).max()
        assert np.linalg.matrix_rank(np.cov(offsets.T), rtol=1e-5) == 2
    context = Context(None, params, None)
    lean = g.gaussian(metrics=("log_det_covariance", "variance"))
    metrics = lean.measure(settings(), params, context)
    assert metrics["log_det_covariance"] == -jnp.inf
    np.testing.assert_allclose(metrics["variance"], np.var(data, 0).mean(), rtol=1e-5)


def test_sampling_bias_scales_the_covariance():
    """MAD: points of N(mu, bias S), drawn as points and as statistics."""
    params, expected = model(4)
    learner, num, bias = g.gaussian(draw="samples"), 200_000, np.float32(0.5)
    drawn = np.float64(learner.sample(jax.random.key(0), settings(bias=bias), params, None, num))
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(np.cov(drawn.T) / size, 0.5 * expected / size, atol=0.01)
    keys = jax.random.split(jax.random.key(1), 50)
    drawn = _unstack(draw_many(keys, params, np.full(5, num, np.int32), bias))[0]
    np.testing.assert_allclose(covariance(drawn)[0] / size, 0.5 * expected / size, atol=0.01)


@pytest.mark.parametrize("estimator", ["mle", "unbiased"])
@pytest.mark.parametrize("draw", ["samples", "sufficient"])
def test_a_fit_is_the_estimate(estimator, draw):
    rng = np.random.default_rng(3)
    data = points(rng, 9, 3, center=4.0)
    learner = g.gaussian(estimator=estimator, draw=draw)
    if draw == "samples":
        pool = Pool(data, np.ones(9, np.float32), np.zeros(9, np.int32), np.full(1, 9.0))
    else:
        stacked = jax.tree.map(lambda a: a[None], statistics(data))
        pool = Pool(stacked, np.ones(1), np.zeros(1, np.int32), np.ones(1))
    params = _fit(learner, pool)
    expected = np.cov(data.T, ddof=estimator == "unbiased")
    found = g.mixture_of(params)
    root = np.exp(found.log_scales[0])[:, None] * found.factors[0]
    np.testing.assert_allclose(root @ root.T, expected, atol=1e-4)
    np.testing.assert_allclose(params.mean, data.mean(0), rtol=1e-5)


def _fit(learner, pool):
    @jax.jit
    def fit(pool):
        key = jax.random.key(0)
        state = learner.fit_begin(key, settings(), learner.init(key, settings(), pool.data), pool)
        state, _ = learner.fit_step(key, settings(), state, pool)
        return learner.fit_end(state)[0]

    return fit(pool)


@pytest.mark.parametrize("estimator", ["mle", "unbiased"])
def test_weighted_groups_keep_their_own_centres(estimator):
    """He, Xu and Cheng: means and within-source variances are averaged, w and 1 - w."""
    rng = np.random.default_rng(0)
    a, b = points(rng, 8, 2), points(rng, 5, 2, center=30.0)
    weights = np.concatenate([np.full(8, 0.3 / 8), np.full(5, 0.7 / 5)]).astype(np.float32)
    group = np.repeat([0, 1], [8, 5]).astype(np.int32)
    pool = Pool(np.concatenate([a, b]), weights, group, np.float32([0.3, 0.7]))
    found = g.mixture_of(_fit(g.gaussian(estimator=estimator, draw="samples"), pool))
    ddof = int(estimator == "unbiased")
    expected = 0.3 * np.cov(a.T, ddof=ddof) + 0.7 * np.cov(b.T, ddof=ddof)
    root = np.exp(found.log_scales[0])[:, None] * found.factors[0]
    np.testing.assert_allclose(root @ root.T, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.means[0], 0.3 * a.mean(0) + 0.7 * b.mean(0), rtol=1e-4)


@pytest.mark.parametrize("num_features", [1, 2, 7])
def test_packing(num_features):
    rng = np.random.default_rng(0)
    factor = np.tril(rng.standard_normal((num_features, num_features)))
    packed = g.pack(jnp.asarray(factor))
    assert packed.shape == (num_features * (num_features + 1) // 2,)
    np.testing.assert_array_equal(g.unpack(packed, num_features), np.float32(factor))


def test_a_key_is_used_once(key_reuse):
    params = g.Gaussian(jnp.zeros(1), jnp.zeros(1), jnp.ones(1))
    jax.jit(g.draw_statistics)(jax.random.key(0), settings(), params, 5)
