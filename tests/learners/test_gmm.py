"""The mixture learner against scikit-learn, brute force and the laws of sampling."""

import itertools
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mixtures import from_moments
from scipy.stats import multivariate_normal
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.mixture import GaussianMixture

from ouroboros_jax.base import Context, Mixture, Pool, Settings
from ouroboros_jax.learners import gmm as module
from ouroboros_jax.learners import kmeans
from ouroboros_jax.metrics import mixture

pytestmark = pytest.mark.usefixtures("quick_compilation")

KEY = jax.random.key(0)
gmm = cache(module.gmm)  # one learner, one compilation
mixture_of = jax.jit(module.mixture_of)
params_of = jax.jit(module.params_of, static_argnames="covariance")
draw = jax.jit(module.draw, static_argnames="num")
covariances, truth_of = jax.jit(mixture.covariances), jax.jit(mixture.truth_of)
seed_centers = jax.jit(kmeans.seed_centers, static_argnums=3)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def settings(tol=1e-3, max_iter=100, reg_covar=1e-6, **sampler):
    told = {"tol": tol, "max_iter": max_iter, "reg_covar": reg_covar}
    return Settings(None, None, None, told, {}, sampler, {})


@partial(jax.jit, static_argnames="learner")
def fit_from(learner, told, key, params, data, weights):
    pool = Pool(data, weights, jnp.zeros(len(data), jnp.int32), weights.sum(keepdims=True))
    return fit_pool(learner, told, key, params, pool)


@partial(jax.jit, static_argnames="learner")
def fit_pool(learner, told, key, params, pool):
    state = learner.fit_begin(key, told, params, pool)
    state, _ = learner.fit_step(key, told, state, pool)
    return learner.fit_end(state)


init = jax.jit(lambda learner, told, data: learner.init(KEY, told, data), static_argnums=0)


def fit(learner, told, data, weights=None, params=None, key=KEY):
    data = jnp.asarray(data, jnp.result_type(float))
    weights = jnp.ones(len(data)) if weights is None else jnp.asarray(weights, data.dtype)
    if params is None:
        params = init(learner, told, data)
    return fit_from(learner, told, key, params, data, weights)


def overlapping(features, num=300, seed=0, components=2):
    """Points of overlapping anisotropic blobs: EM takes many steps."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(components, features, features)) / features**0.5 + np.eye(features)
    centres = 1.5 * rng.normal(size=(components, features))
    label = rng.integers(components, size=num)
    noise = rng.normal(size=(num, features))
    return centres[label] + np.einsum("nij,nj->ni", roots[label], noise)


def start_of(data, components, covariance, seed=0):
    """Starting moments in general position, for scikit-learn and for us."""
    rng = np.random.default_rng(seed)
    features = data.shape[1]
    weights = rng.dirichlet(np.full(components, 4.0))
    means = data[rng.choice(len(data), components, replace=False)]
    covs = np.stack([np.cov(data.T, ddof=0).reshape(features, features)] * components)
    covs *= rng.uniform(0.5, 1.5, (components, 1, 1))
    if covariance == "diag":
        covs *= np.eye(features)
    leaves = (jnp.asarray(a, jnp.result_type(float)) for a in (weights, means, covs))
    precisions = np.linalg.inv(covs)
    if covariance == "diag":
        precisions = np.diagonal(precisions, axis1=1, axis2=2)
    peer = {"weights_init": weights, "means_init": means, "precisions_init": precisions}
    return params_of(from_moments(*leaves), covariance), peer


def assert_equals_peer(params, info, peer, rtol=1e-4):
    law = mixture_of(params)
    covs = peer.covariances_
    if peer.covariance_type == "diag":
        covs = covs[:, :, None] * np.eye(covs.shape[1])
    size = np.abs(peer.means_).max()
    np.testing.assert_allclose(law.weights, peer.weights_, rtol=rtol)
    np.testing.assert_allclose(law.means, peer.means_, rtol=rtol, atol=rtol * size)
    np.testing.assert_allclose(covariances(law), covs, rtol=rtol, atol=rtol * np.abs(covs).max())
    np.testing.assert_allclose(info["lower_bound"], peer.lower_bound_, rtol=rtol)
    assert info["em_steps"] == peer.n_iter_
    assert info["converged"] == peer.converged_
    assert not info["degenerate"]


def check_against_peer(features, covariance, components=2, **told):
    data = overlapping(features, components=components)
    params, start = start_of(data, components, covariance)
    tol = 1e-6 if data.dtype == jnp.result_type(float) else 1e-4
    told = {"tol": tol, "max_iter": 300, "reg_covar": 1e-6} | told
    peer = GaussianMixture(components, covariance_type=covariance, **told, **start).fit(data)
    learner = gmm(components=components, covariance=covariance, init="previous")
    # Labels align to the previous parameters, which here are the start: undo that.
    fitted, info = fit(learner, settings(**told), data, params=params)
    order = match(mixture_of(fitted).means, peer.means_)
    assert_equals_peer(jax.tree.map(lambda a: a[order], fitted), info, peer)
    return peer


def match(means, others):
    """The order of `means` that is nearest to `others`."""
    orders = itertools.permutations(range(len(means)))
    return np.array(min(orders, key=lambda o: np.square(np.asarray(means)[list(o)] - others).sum()))


@pytest.mark.parametrize("covariance", ["full", "diag"])
@pytest.mark.parametrize("features", [1, 2, 5])
def test_em_equals_scikit_learn(x64, features, covariance):
    peer = check_against_peer(features, covariance)
    assert peer.n_iter_ > 3


@pytest.mark.parametrize("covariance", ["full", "diag"])
@pytest.mark.parametrize("features", [1, 2, 5])
def test_em_equals_scikit_learn_in_float32(features, covariance):
    check_against_peer(features, covariance)


def test_em_equals_scikit_learn_with_many_components_and_features(x64):
    check_against_peer(11, "full", components=3, tol=1e-6)
    check_against_peer(2, "full", components=5, reg_covar=0.05)


def test_em_stops_at_max_iter(x64):
    data = overlapping(2)
    params, start = start_of(data, 2, "full")
    with pytest.warns(match="did not converge"):
        peer = GaussianMixture(2, max_iter=4, tol=0, **start).fit(data)
    learner = gmm(init="previous")
    fitted, info = fit(learner, settings(max_iter=4, tol=0), data, params=params)
    assert_equals_peer(fitted, info, peer)


def test_float32_resolves_components_far_from_the_origin():
    data = 1000 + 0.05 * overlapping(1)
    peer = GaussianMixture(2, tol=1e-5, random_state=0).fit(data)
    fitted, info = fit(gmm(), settings(tol=1e-5), data)
    order = np.argsort(peer.means_[:, 0])
    np.testing.assert_allclose(mixture_of(fitted).means, peer.means_[order], atol=1e-3)
    np.testing.assert_allclose(info["lower_bound"], peer.lower_bound_, atol=1e-3)


@pytest.mark.parametrize(
    ("init", "features"), [("kmeans", 1), ("kmeans", 3), ("kmeans++", 1), ("quantile", 3)]
)
def test_every_start_finds_well_separated_blobs(x64, features, init):
    rng = np.random.default_rng(3)
    data = np.concatenate([rng.normal(size=(200, features)) + 12 * k for k in range(3)])
    peer = GaussianMixture(3, tol=1e-6, max_iter=500, random_state=0).fit(data)
    fitted, info = fit(gmm(components=3, init=init), settings(tol=1e-6, max_iter=500), data)
    order = np.argsort(peer.means_[:, 0])
    law = mixture_of(fitted)
    np.testing.assert_allclose(law.means, peer.means_[order], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(info["lower_bound"], peer.lower_bound_, rtol=1e-6)


def test_seeding_points_start_as_in_scikit_learn(x64):
    """init="kmeans++" is covariance reg_covar at the seeding points."""
    data, reg_covar = overlapping(2), 0.01
    uniforms = jax.random.uniform(KEY, (1, kmeans.num_uniforms(2)))[0]
    columns = jnp.asarray((data - data.mean(0)).T)
    seeds = seed_centers(uniforms, columns, jnp.full(len(data), 1 / len(data)), 2)
    start = {
        "weights_init": [0.5, 0.5],
        "means_init": np.asarray(seeds) + data.mean(0),
        "precisions_init": np.stack([np.eye(2) / reg_covar] * 2),
    }
    peer = GaussianMixture(2, reg_covar=reg_covar, **start).fit(data)
    fitted, info = fit(gmm(init="kmeans++"), settings(reg_covar=reg_covar), data)
    order = match(mixture_of(fitted).means, peer.means_)
    assert_equals_peer(jax.tree.map(lambda a: a[order], fitted), info, peer)


@pytest.mark.parametrize(("components", "features"), [(2, 1), (3, 2), (9, 2), (3, 12)])
def test_lloyd_equals_scikit_learn_from_the_same_centers(x64, components, features):
    data = overlapping(features, components=components)
    data -= data.mean(0)
    weights = np.random.default_rng(1).uniform(0.1, 2, len(data))
    weights /= weights.sum()
    seeds = data[:components]
    peer = KMeans(components, init=seeds, n_init=1).fit(data, sample_weight=weights)
    tol = 1e-4 * data.var(0).mean()
    centers = jax.jit(kmeans.lloyd)(
        jnp.asarray(seeds), jnp.asarray(data.T), jnp.asarray(weights), tol
    )
    np.testing.assert_allclose(centers, peer.cluster_centers_, rtol=1e-6, atol=1e-8)
    owned = np.argmax(jnp.stack(kmeans.nearest(centers, jnp.asarray(data.T))), 0)
    np.testing.assert_array_equal(owned, peer.labels_)


@pytest.mark.slow
def test_seeding_has_the_law_of_scikit_learn(x64, components=5):
    """Mean potential of the seeds, ours and theirs, by their spread; and k-means' inertia."""
    data = overlapping(2, num=150, components=5)
    columns, weights = jnp.asarray(data.T), jnp.ones(len(data))

    def potential(centers):
        return np.square(data[None] - np.asarray(centers)[:, None]).sum(-1).min(0).sum()

    num = 300
    uniforms = jax.random.uniform(KEY, (num, kmeans.num_uniforms(components)))
    seed = jax.jit(jax.vmap(lambda u: kmeans.seed_centers(u, columns, weights, components)))
    ours = np.array([potential(centers) for centers in seed(uniforms)])
    theirs = [kmeans_plusplus(data, components, random_state=r)[0] for r in range(num)]
    theirs = np.array([potential(centers) for centers in theirs])
    error = np.hypot(ours.std(), theirs.std()) / num**0.5
    assert abs(ours.mean() - theirs.mean()) < 4 * error

    run = jax.jit(jax.vmap(lambda c: kmeans.lloyd(c, columns, weights, 1e-8)))
    ours = [potential(centers) for centers in run(seed(uniforms[:20]))]
    theirs = [KMeans(components, n_init=1, random_state=r).fit(data).inertia_ for r in range(20)]
    np.testing.assert_allclose(min(ours), min(theirs), rtol=1e-3)
    np.testing.assert_allclose(np.median(ours), np.median(theirs), rtol=0.05)


@pytest.mark.parametrize("num", [1, 7, 100, 1000, 997])
def test_choice_inverts_the_running_sum_and_skips_empty_slots(x64, num):
    rng = np.random.default_rng(num)
    masses = rng.uniform(size=num) * (rng.uniform(size=num) < 0.7)
    masses[num // 2] = 1.0
    uniforms = np.concatenate([rng.uniform(size=200), [0.0, np.nextafter(1, 0)]])
    found = np.asarray(jax.jit(kmeans.choose)(jnp.asarray(uniforms), jnp.asarray(masses)))
    ends = np.cumsum(masses)
    np.testing.assert_array_equal(
        found[:-1], np.searchsorted(ends, uniforms[:-1] * ends[-1], "right")
    )
    assert (masses[found] > 0).all()


@pytest.mark.parametrize("init", ["kmeans", "quantile"])
def test_weights_are_repeated_rows_and_empty_slots_are_nothing(x64, init):
    data, rng = overlapping(2), np.random.default_rng(5)
    learner, told = gmm(init=init), settings(tol=1e-6, max_iter=500)
    counts = rng.integers(0, 4, len(data))
    repeated, found = fit(learner, told, np.repeat(data, counts, 0))
    weighted, info = fit(learner, told, data, counts)
    scaled, _ = fit(learner, told, data, counts / counts.sum())
    garbage = np.where(counts[:, None] > 0, data, 1e6)
    padded, _ = fit(learner, told, garbage, counts)
    np.testing.assert_allclose(info["lower_bound"], found["lower_bound"], rtol=1e-6)
    for other in (weighted, scaled, padded):
        for name, value in repeated._asdict().items():
            np.testing.assert_allclose(getattr(other, name), value, rtol=1e-4, atol=1e-4)


def two_sources(features):
    """Overlapping blobs of which a third are a source of their own, somewhat off; their pool."""
    data = overlapping(features)
    source = (np.arange(len(data)) % 3 == 0).astype(np.int32)
    data = data + 0.8 * source[:, None]
    totals = np.array([0.7, 0.3])
    weights = (totals / np.bincount(source))[source]
    return Pool(*map(jnp.asarray, (data, weights, source, totals)))


def weighted_em(pool, weights, means, covs, steps, reg_covar):
    """The fit as a loop: every component's covariance is taken about each source's own mean."""
    data, mass, source, totals = map(np.asarray, pool)
    for _ in range(steps):
        laws = [multivariate_normal(m, c) for m, c in zip(means, covs, strict=True)]
        joint = np.stack([w * law.pdf(data) for w, law in zip(weights, laws, strict=True)])
        share = mass * joint / joint.sum(0)
        weights = share.sum(1)
        means = share @ data / weights[:, None]
        covs = np.zeros_like(covs)
        for k, s in itertools.product(range(len(weights)), range(len(totals))):
            own = share[k] * (source == s)
            covs[k] += own.sum() / weights[k] * np.cov(data.T, aweights=own, ddof=0)
        covs += reg_covar * np.eye(data.shape[1])
    return weights, means, covs


def test_covariances_are_taken_within_sources(x64):
    """The regime `weighted`: sources that lie apart do not widen the components."""
    pool = two_sources(2)
    params, start = start_of(np.asarray(pool.data), 2, "full")
    told = settings(tol=1e-9, max_iter=400)
    fitted, _ = fit_pool(gmm(init="previous"), told, KEY, params, pool)
    covs = np.linalg.inv(start["precisions_init"])
    begin = start["weights_init"], start["means_init"], covs
    law, expected = mixture_of(fitted), weighted_em(pool, *begin, 400, 1e-6)
    order = np.argsort(np.asarray(law.means[:, 0]))
    like = np.argsort(expected[1][:, 0])
    for a, b in zip((law.weights, law.means, covariances(law)), expected, strict=True):
        np.testing.assert_allclose(np.asarray(a)[order], b[like], rtol=1e-4, atol=1e-5)
    together = pool._replace(group=0 * pool.group, totals=pool.totals.sum(keepdims=True))
    wide, _ = fit_pool(gmm(init="previous"), told, KEY, params, together)
    assert np.linalg.slogdet(covariances(mixture_of(wide)))[1].sum() > (
        np.linalg.slogdet(expected[2])[1].sum() + 0.1
    )


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_one_component_of_weighted_sources_is_a_gaussian(x64, covariance):
    """He, Xu and Cheng: means and within-source variances are averaged, w and 1 - w."""
    pool = two_sources(3)
    learner = gmm(components=1, covariance=covariance)
    told = settings(reg_covar=0.0)
    params = init(learner, told, pool.data)
    law = mixture_of(fit_pool(learner, told, KEY, params, pool)[0])
    parts = [np.asarray(pool.data)[np.asarray(pool.group) == s] for s in (0, 1)]
    expected = sum(w * np.cov(a.T, ddof=0) for w, a in zip((0.7, 0.3), parts, strict=True))
    expected = expected if covariance == "full" else np.diag(np.diag(expected))
    np.testing.assert_allclose(covariances(law)[0], expected, rtol=1e-6, atol=1e-9)
    mean = sum(w * a.mean(0) for w, a in zip((0.7, 0.3), parts, strict=True))
    np.testing.assert_allclose(law.means[0], mean, rtol=1e-6)


def test_zero_weight_rows_change_nothing_of_a_fit_from_given_parameters():
    data = overlapping(3)
    learner, told = gmm(init="previous"), settings()
    params, _ = start_of(data, 2, "full")
    alone, info = fit(learner, told, data, params=params)
    longer = np.concatenate([data, np.full((50, 3), 77.0)])
    weights = np.concatenate([np.ones(len(data)), np.zeros(50)])
    padded, also = fit(learner, told, longer, weights, params=params)
    for a, b in zip(jax.tree.leaves((alone, info)), jax.tree.leaves((padded, also)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


def test_reg_covar_bounds_the_scales():
    data = 1e-4 * overlapping(2)
    fitted, _ = fit(gmm(), settings(reg_covar=0.04), data)
    np.testing.assert_allclose(np.exp(fitted.log_scales), 0.2, rtol=1e-3)


@pytest.mark.slow
def test_the_best_of_several_starts_is_kept(x64):
    data = overlapping(2, num=200, seed=2, components=4)
    several, alone = gmm(components=4, n_init=4), gmm(components=4)
    gains = []
    for seed in range(5):
        key = jax.random.key(seed)
        best = fit(several, settings(), data, key=key)[1]["lower_bound"]
        gains.append(best - fit(alone, settings(), data, key=key)[1]["lower_bound"])
    # Starts that share a key are not the same starts, but the best of four rarely loses to one.
    assert np.mean(gains) > 0 and min(gains) > -0.02


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_a_lost_component_keeps_finite_parameters(covariance):
    data = overlapping(2, components=1)
    far = Mixture(
        jnp.array([0.5, 0.5]),
        jnp.array([[0.0, 0.0], [1e4, 0.0]]),
        jnp.zeros((2, 2)),
        jnp.broadcast_to(jnp.eye(2), (2, 2, 2)),
    )
    learner = gmm(covariance=covariance, init="previous")
    fitted, info = fit(learner, settings(), data, params=params_of(far, covariance))
    assert info["degenerate"]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fitted))
    assert 0 < fitted.weights[1] < 1e-6
    np.testing.assert_allclose(fitted.means[0], data.mean(0), atol=1e-3)
    cov = np.cov(data.T, ddof=0)
    if covariance == "diag":
        cov = cov * np.eye(2)
    np.testing.assert_allclose(covariances(mixture_of(fitted))[0], cov, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("init", ["kmeans", "kmeans++", "quantile", "previous"])
def test_hopeless_data_gives_finite_parameters(init):
    """Identical points, and fewer points than features."""
    few = np.random.default_rng(0).normal(size=(12, 6)) * (np.arange(12) < 4)[:, None]
    cases = (np.full((12, 6), 3.0), np.ones(12)), (few, np.arange(12) < 4)
    for (data, weights), reg_covar in itertools.product(cases, (0.0, 1e-6)):
        fitted, info = fit(gmm(init=init), settings(reg_covar=reg_covar), data, weights)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fitted))
        assert info["degenerate"] or reg_covar > 0
        assert np.isfinite(draw(KEY, mixture_of(fitted), 5)).all()


@pytest.mark.parametrize("components", [3, 7])
def test_components_take_the_labels_of_the_previous_generation(components):
    rng = np.random.default_rng(0)
    data = np.concatenate(
        [rng.normal(size=(60, 2)) + 15 * c for c in rng.normal(size=(components, 2)) * 3]
    )
    learner = gmm(components=components, n_init=4)
    first, _ = fit(learner, settings(), data)
    assert (np.diff(first.means[:, 0]) > 0).all()
    order = rng.permutation(components)
    switched = jax.tree.map(lambda a: a[order], first)
    again, _ = fit(learner, settings(), data + 0.1, params=switched, key=jax.random.key(9))
    np.testing.assert_allclose(again.means, switched.means + 0.1, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("covariance", ["full", "diag"])
@pytest.mark.parametrize("features", [1, 2, 4])
def test_parameters_hold_no_constants_and_keep_the_law(features, covariance):
    data = overlapping(features, components=3)
    params, _ = start_of(data, 3, covariance)
    sizes = {name: leaf.size for name, leaf in params._asdict().items()}
    lean = covariance == "diag" or features == 1
    a_component = 2 * features if lean else features + features * (features + 1) // 2
    assert sum(sizes.values()) == 3 * (1 + a_component)
    again = params_of(mixture_of(params), covariance)
    for a, b in zip(params, again, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    assert mixture_of(params).factors.shape == (3, features, features)


def test_nearly_singular_factors_survive_storage():
    tilt = 1e-3
    cov = jnp.array([[[1.0, 1.0], [1.0, 1.0 + tilt**2]]])
    law = Mixture(jnp.ones(1), jnp.zeros((1, 2)), jnp.zeros((1, 2)), jnp.linalg.cholesky(cov))
    factor = mixture_of(params_of(law)).factors[0]
    np.testing.assert_allclose(factor[1, 1], law.factors[0, 1, 1], rtol=1e-5)


@pytest.mark.parametrize(
    ("features", "components", "covariance"),
    [(1, 1, "full"), (1, 3, "full"), (3, 3, "full"), (5, 2, "full"), (2, 2, "diag")],
)
def test_samples_have_the_moments_of_the_law(features, components, covariance):
    """Component shares, means and second moments of 100,000 points, each within 4.5 errors."""
    data = overlapping(features, components=components) if components > 1 else overlapping(features)
    params, _ = start_of(data, components, covariance)
    spread = jnp.arange(components)[:, None] * 60.0  # so far apart that a point tells its component
    params = params._replace(means=params.means + spread)
    num, bias = 100_000, 1.3
    learner = gmm(components=components, covariance=covariance)
    told = settings(bias=jnp.float32(bias))
    points = np.asarray(jax.jit(learner.sample, static_argnums=4)(KEY, told, params, None, num))
    assert points.shape == (num, features)
    law = mixture_of(params)
    label = np.argmin(np.square(points[:, None] - np.asarray(law.means)).sum(-1), 1)
    for k in range(components):
        share, weight = (label == k).mean(), float(law.weights[k])
        assert abs(share - weight) <= 4.5 * (weight * (1 - weight) / num) ** 0.5 + 1e-6
        mine = points[label == k].astype(float) - np.asarray(law.means[k], float)
        cov = bias * np.asarray(covariances(law)[k], float)
        z = mine.mean(0) / np.sqrt(np.diag(cov) / len(mine))
        products = mine[:, :, None] * mine[:, None, :]
        w = (products.mean(0) - cov) / (products.std(0) / len(mine) ** 0.5)
        assert np.abs(z).max() < 4.5 and np.abs(w).max() < 4.5


def test_samples_are_independent_of_their_neighbours():
    law = from_moments(jnp.array([0.3, 0.7]), jnp.array([[-1.0], [1.0]]), jnp.ones((2, 1, 1)))
    points = np.asarray(draw(KEY, law, 100_000))[:, 0]
    for lag in (1, 2, 50_000):
        z = np.corrcoef(points[lag:], points[:-lag])[0, 1] * (len(points) - lag) ** 0.5
        assert abs(z) < 4.5


def loop(learner, told, generations, num):
    """A replace chain in one program; also says how often it was traced."""
    traces = []

    @jax.jit
    def run(key, params, context):
        traces.append(1)

        def generation(params, g):
            key_sample, key_fit = jax.random.split(jax.random.fold_in(key, g))
            data = learner.sample(key_sample, told, params, None, num)
            pool = Pool(data, jnp.ones(num), jnp.zeros(num, jnp.int32), jnp.ones(1))
            state = learner.fit_begin(key_fit, told, params, pool)
            state, _ = learner.fit_step(key_fit, told, state, pool)
            params, info = learner.fit_end(state)
            return params, info | learner.measure(told, params, context)

        return jax.lax.scan(generation, params, jnp.arange(generations))

    return run, traces


def test_a_chain_compiles_once_and_reports_every_metric():
    truth = from_moments(jnp.ones(2) / 2, jnp.array([[-2.0], [2.0]]), jnp.ones((2, 1, 1)))
    start = params_of(truth)
    context = Context(truth_of(truth), start, jnp.linspace(-4, 4, 50)[:, None])
    run, traces = loop(gmm(), settings(), generations=20, num=200)
    for seed in (1, 2, 3):
        _, metrics = run(jax.random.key(seed), start, context)
    assert len(traces) == 1
    assert metrics["mean"].shape == (20, 1)
    for name in ("component_mean", "component_std", "weights"):
        assert metrics[name].shape == (20, 2)
    for name in ("variance", "l2_squared", "w2_squared", "tail_mass", "separation", "em_steps"):
        assert metrics[name].shape == (20,)
        assert np.isfinite(metrics[name]).all()
    assert metrics["converged"].dtype == bool and metrics["em_steps"].dtype == np.int32


@pytest.mark.slow
def test_many_chains_equal_each_alone():
    truth = from_moments(
        jnp.ones(2) / 2, jnp.array([[-3.0, 0.0], [3.0, 1.0]]), jnp.stack([jnp.eye(2)] * 2)
    )
    start = params_of(truth)
    context = Context(truth_of(truth), start, None)
    learner = gmm(metrics=("variance", "l2_squared", "em_steps"))
    run, _ = loop(learner, settings(), generations=3, num=100)
    keys = jax.random.split(KEY, 4)
    together, metrics = jax.vmap(run, (0, None, None))(keys, start, context)
    assert set(metrics) == {"variance", "l2_squared", "em_steps", "degenerate"}
    for c in range(4):
        alone, _ = run(keys[c], start, context)
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[c], b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"components": 0}, "components=0"),
        ({"n_init": 0}, "n_init=0"),
        ({"covariance": "tied"}, "full, diag"),
        ({"init": "random"}, "quantile"),
        ({"metrics": ("varience",)}, "varience"),
    ],
)
def test_wrong_arguments_are_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        gmm(**wrong)
