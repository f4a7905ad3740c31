"""Distances and moments of mixtures against quadrature, SciPy and sampling."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mixtures import from_moments
from scipy import linalg, stats

from ouroboros_jax.base import Context, Mixture, Settings
from ouroboros_jax.learners import gmm
from ouroboros_jax.metrics import mixture
from ouroboros_jax.metrics.names.mixtures import OF_MIXTURES

pytestmark = pytest.mark.usefixtures("quick_compilation")

MIXTURE = [
    "broaden covariances expected_log_likelihood full_factors l2_squared log_pdf moment_match",
    "log_det_covariance separation tail_bounds tail_mass total_mean truth_of variance w2_squared",
]
m = SimpleNamespace(  # compiled whole, which is far faster than operation by operation
    **{name: jax.jit(getattr(mixture, name)) for line in MIXTURE for name in line.split()},
    metrics=jax.jit(mixture.mixture_metrics, static_argnames="names"),
)
draw = jax.jit(gmm.draw, static_argnames="num")


def random_mixture(seed, components, features, spread=1.0, scale=1.0):
    """A law in general position."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(components, 5.0))
    means = spread * rng.normal(size=(components, features))
    roots = rng.normal(size=(components, features, features)) + 1.5 * np.eye(features)
    covs = scale**2 * roots @ roots.transpose(0, 2, 1) / features
    return from_moments(*(jnp.asarray(a, jnp.result_type(float)) for a in (weights, means, covs)))


def scipy_pdf(law, points):
    covs = np.asarray(m.covariances(law))
    parts = [
        w * stats.multivariate_normal(mean, cov).pdf(points)
        for w, mean, cov in zip(law.weights, np.asarray(law.means), covs, strict=True)
    ]
    return np.sum(parts, 0)


def moments(law):
    w, means = np.asarray(law.weights), np.asarray(law.means)
    mean = w @ means
    apart = means - mean
    return mean, np.einsum("k,kij->ij", w, m.covariances(law)) + (w * apart.T) @ apart


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def settings(**sampler):
    return Settings(None, None, None, {}, {}, sampler, {})


@pytest.mark.parametrize("features", [1, 2, 3, 5, 7])
def test_log_pdf_equals_scipy(x64, features):
    law = random_mixture(features, 3, features)
    points = np.random.default_rng(0).normal(size=(50, features)) * 2
    density = np.exp(m.log_pdf(law, jnp.asarray(points)))
    np.testing.assert_allclose(density, scipy_pdf(law, points), rtol=1e-9)


def test_log_pdf_without_factors_equals_the_one_with_unit_factors():
    law = random_mixture(0, 3, 3)._replace(factors=None)
    points = jnp.linspace(-2, 2, 30).reshape(10, 3)
    full = law._replace(factors=m.full_factors(law))
    np.testing.assert_allclose(m.log_pdf(law, points), m.log_pdf(full, points), rtol=1e-5)


def test_log_pdf_far_from_every_component_is_finite():
    law = Mixture(jnp.ones(2) / 2, jnp.zeros((2, 1)), jnp.full((2, 1), -20.0), None)
    assert np.isfinite(m.log_pdf(law, jnp.array([[1e3], [0.0]]))).all()


@pytest.mark.parametrize("features", [1, 2, 5])
@pytest.mark.parametrize("components", [1, 4])
def test_total_moments(x64, features, components):
    law = random_mixture(3, components, features)
    mean, cov = moments(law)
    np.testing.assert_allclose(m.total_mean(law), mean, rtol=1e-12)
    np.testing.assert_allclose(m.covariances(m.moment_match(law))[0], cov, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(m.variance(law), np.trace(cov) / features, rtol=1e-12)
    log_det = np.linalg.slogdet(cov)[1]
    np.testing.assert_allclose(m.log_det_covariance(law), log_det, rtol=1e-9)


def test_l2_squared_equals_quadrature_in_one_dimension(x64):
    p, q = random_mixture(1, 3, 1), random_mixture(2, 2, 1)
    grid = np.linspace(-15, 15, 20001)[:, None]
    square = (scipy_pdf(p, grid) - scipy_pdf(q, grid)) ** 2
    expected = square.sum() * (grid[1, 0] - grid[0, 0])
    np.testing.assert_allclose(m.l2_squared(p, q), expected, rtol=1e-12)


def test_l2_squared_equals_quadrature_in_two_dimensions(x64):
    p, q = random_mixture(4, 2, 2), random_mixture(5, 3, 2)
    axis = np.linspace(-14, 14, 561)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    square = (scipy_pdf(p, grid) - scipy_pdf(q, grid)) ** 2
    expected = square.sum() * (axis[1] - axis[0]) ** 2
    np.testing.assert_allclose(m.l2_squared(p, q), expected, rtol=1e-10)


def test_l2_squared_in_many_dimensions_equals_scipy(x64):
    p, q = random_mixture(6, 2, 6), random_mixture(7, 2, 6)
    both = list(zip(p.weights, p.means, m.covariances(p), strict=True))
    both += list(zip(-q.weights, q.means, m.covariances(q), strict=True))
    expected = sum(
        a * b * stats.multivariate_normal(np.asarray(mu), np.asarray(s + t)).pdf(nu)
        for a, mu, s in both
        for b, nu, t in both
    )
    np.testing.assert_allclose(m.l2_squared(p, q), expected, rtol=1e-9)


@pytest.mark.parametrize("features", [1, 2, 5])
def test_l2_squared_of_a_mixture_to_itself_and_to_its_relabelling_is_nothing(features):
    p = random_mixture(8, 3, features)
    q = jax.tree.map(lambda a: a[::-1], p)
    size = float(m.l2_squared(p, p._replace(means=p.means + 100)))
    for other in (p, q):
        assert 0 <= m.l2_squared(p, other) < 1e-6 * size


def test_l2_squared_of_a_collapsed_gaussian(x64):
    """Close to 1 / (4 pi sqrt(det S)) once the first fit is wide by comparison."""
    first, last = random_mixture(0, 1, 2), random_mixture(0, 1, 2, scale=1e-5)
    expected = 1 / (4 * np.pi * np.sqrt(np.linalg.det(m.covariances(last)[0])))
    np.testing.assert_allclose(m.l2_squared(last, first), expected, rtol=1e-4)


def test_l2_squared_overflows_only_with_the_distance():
    tiny = Mixture(jnp.ones(1), jnp.zeros((1, 2)), jnp.array([[-60.0, 20.0]]), jnp.eye(2)[None])
    wide = tiny._replace(log_scales=jnp.zeros((1, 2)))
    np.testing.assert_allclose(m.l2_squared(tiny, wide), np.exp(40) / (4 * np.pi), rtol=1e-4)


@pytest.mark.parametrize(
    ("features", "components"), [(1, 1), (1, 3), (2, 1), (2, 2), (3, 2), (5, 1)]
)
def test_w2_squared_equals_the_matrix_square_root(x64, features, components):
    p, q = random_mixture(9, components, features), random_mixture(10, 2, features)
    (mean_p, cov_p), (mean_q, cov_q) = moments(p), moments(q)
    root = linalg.sqrtm(cov_q)
    cross = linalg.sqrtm(root @ cov_p @ root).real
    expected = np.square(mean_p - mean_q).sum() + np.trace(cov_p + cov_q - 2 * cross)
    np.testing.assert_allclose(m.w2_squared(p, q), expected, rtol=1e-8)


def test_expected_log_likelihood_is_the_limit_of_test_data(x64):
    truth, model = random_mixture(11, 3, 2), random_mixture(12, 1, 2)
    scores = np.asarray(m.log_pdf(model, draw(jax.random.key(0), truth, 100_000)))
    z = (scores.mean() - m.expected_log_likelihood(model, truth)) / (scores.std() / 100_000**0.5)
    assert abs(z) < 4
    lean = model._replace(factors=None)
    unit = model._replace(factors=m.full_factors(lean))
    same = m.expected_log_likelihood(unit, truth)
    np.testing.assert_allclose(m.expected_log_likelihood(lean, truth), same, rtol=1e-12)


@pytest.mark.parametrize("features", [1, 2])
def test_tail_bounds_leave_one_percent_on_either_side(x64, features):
    truth = random_mixture(13, 3, features, spread=4)
    low, high = m.tail_bounds(truth)
    np.testing.assert_allclose(m.tail_mass(truth, low, high), 0.02, rtol=1e-10)
    marginal = [
        stats.norm(mean, np.exp(ls)).cdf(low[-1])
        for mean, ls in zip(truth.means[:, -1], truth.log_scales[:, -1], strict=True)
    ]
    np.testing.assert_allclose(np.dot(truth.weights, marginal), 0.01, rtol=1e-10)


def test_tail_bounds_of_a_gaussian_are_its_quantiles():
    truth = Mixture(jnp.ones(1), jnp.full((1, 1), 3.0), jnp.full((1, 1), np.log(2.0)), None)
    np.testing.assert_allclose(m.tail_bounds(truth), stats.norm(3, 2).ppf([[0.01], [0.99]]), 1e-6)


def test_tail_mass_is_the_share_of_generated_samples():
    truth, model = random_mixture(14, 2, 2), random_mixture(15, 3, 2)
    known = m.truth_of(truth)
    bias, num = 1.7, 200_000
    context = Context(known, None, None)
    value = m.metrics(model, settings(bias=jnp.float32(bias)), context, ("tail_mass",))
    points = np.asarray(draw(jax.random.key(1), m.broaden(model, bias), num))
    per_point = ((points < np.asarray(known.low)) | (points > np.asarray(known.high))).mean(1)
    z = (per_point.mean() - value["tail_mass"]) / (per_point.std() / num**0.5)
    assert abs(z) < 4


def test_separation(x64):
    line = Mixture(
        jnp.ones(3) / 3,
        jnp.array([[0.0], [4.0], [10.0]]),
        jnp.log(jnp.array([[1.0], [7.0], [1.0]])),
        None,
    )
    np.testing.assert_allclose(m.separation(line), 4 / 5, rtol=1e-12)
    plane = random_mixture(16, 2, 2)
    apart = np.asarray(plane.means[0] - plane.means[1])
    pooled = np.asarray(m.covariances(plane)).mean(0)
    expected = np.sqrt(apart @ np.linalg.solve(pooled, apart))
    np.testing.assert_allclose(m.separation(plane), expected, rtol=1e-10)
    assert np.isnan(m.separation(random_mixture(17, 1, 2)))


def test_singular_gaussians_give_infinities_and_no_nan():
    factor = jnp.array([[[1.0, 0.0], [1.0, 0.0]]])
    flat = Mixture(jnp.ones(1), jnp.zeros((1, 2)), jnp.zeros((1, 2)), factor)
    still = Mixture(jnp.ones(1), jnp.zeros((1, 1)), jnp.full((1, 1), -jnp.inf), jnp.ones((1, 1, 1)))
    for singular in (flat, still):
        width = singular.means.shape[1]
        wide = random_mixture(18, 1, width)
        context = Context(m.truth_of(wide), wide, None)
        found = m.metrics(singular, settings(), context)
        assert found["log_det_covariance"] == -np.inf
        assert found["l2_squared"] == np.inf
        assert found["test_log_likelihood"] == -np.inf
        assert np.isfinite(found["w2_squared"]) and found["w2_squared"] > 0
        assert not any(np.isnan(value).any() for value in found.values())


def test_metrics_are_named_and_only_the_named_are_given():
    model = random_mixture(19, 2, 3)
    nothing = m.metrics(model, settings(), Context(None, None, None))
    assert set(nothing) == set(OF_MIXTURES)
    unknown = {"mean_squared_error", "l2_squared", "w2_squared", "test_log_likelihood", "tail_mass"}
    for name, value in nothing.items():
        assert np.isnan(value).all() == (name in unknown), name
        assert value.shape == ((3,) if name == "mean" else ())
    context = Context(m.truth_of(model), model, model.means)
    everything = m.metrics(model, settings(), context)
    assert not any(np.isnan(value).any() for value in everything.values())
    few = m.metrics(model, settings(), context, ("variance", "l2_squared"))
    assert set(few) == {"variance", "l2_squared"}
    with pytest.raises(ValueError, match="varience"):
        m.metrics(model, settings(), context, ("varience",))


def test_test_log_likelihood_of_a_mixture_is_the_mean_over_test_data():
    model, points = random_mixture(20, 2, 1), jnp.linspace(-1, 1, 9)[:, None]
    context = Context(m.truth_of(model), None, points)
    found = m.metrics(model, settings(), context, ("test_log_likelihood",))
    expected = np.log(scipy_pdf(model, np.asarray(points))).mean()
    np.testing.assert_allclose(found["test_log_likelihood"], expected, rtol=1e-5)


def test_metrics_of_many_chains_equal_those_of_each():
    models = [random_mixture(seed, 2, 5) for seed in (21, 22, 23)]
    context = Context(m.truth_of(models[0]), models[0], models[1].means)
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *models)
    together = jax.vmap(lambda model: m.metrics(model, settings(), context))(stacked)
    for c, model in enumerate(models):
        alone = m.metrics(model, settings(), context)
        for name in OF_MIXTURES:
            np.testing.assert_allclose(together[name][c], alone[name], rtol=1e-4, atol=1e-5)
