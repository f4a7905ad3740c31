"""Metrics of sets of images against NumPy, SciPy and brute force."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg
from scipy.spatial import distance

from ouroboros_jax.metrics import images as of_images

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def clouds():
    """Two sets of features that overlap in part."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((6, 6))
    real = rng.standard_normal((200, 6)) @ mixing
    return real.astype(np.float32), (0.7 * real[:150] + 1.0).astype(np.float32)


def test_labels():
    labels = jnp.array([3, 3, 0, 3, 9, 0])
    counts = of_images.label_counts(labels, 10)
    np.testing.assert_array_equal(counts, [2, 0, 0, 3, 0, 0, 0, 0, 0, 1])
    shares = np.array([2, 3, 1]) / 6
    np.testing.assert_allclose(
        of_images.label_entropy(counts), -(shares * np.log(shares)).sum(), rtol=1e-6
    )
    assert of_images.label_entropy(jnp.array([0.0, 7.0, 0.0])) == 0


def test_spread():
    images = np.random.default_rng(1).random((30, 5, 4, 1)).astype(np.float32)
    np.testing.assert_allclose(
        of_images.pixel_variance(jnp.asarray(images)), images.var(0).mean(), rtol=1e-5
    )
    expected = distance.pdist(images.reshape(30, -1)).mean()
    np.testing.assert_allclose(of_images.mean_distance(jnp.asarray(images)), expected, rtol=1e-5)
    same = jnp.broadcast_to(images[:1], images.shape)
    assert of_images.mean_distance(same) < 1e-3 and of_images.pixel_variance(same) < 1e-12


def test_frechet_distance(clouds):
    """Against the square root of a matrix product, as it is usually written."""
    moments = [(c.mean(0), np.cov(c.T)) for c in clouds]
    (mean, covariance), (other_mean, other_covariance) = moments
    root = linalg.sqrtm(covariance @ other_covariance).real
    expected = ((mean - other_mean) ** 2).sum()
    expected += np.trace(covariance + other_covariance - 2 * root)
    found = of_images.frechet_distance(*(jnp.asarray(a) for pair in moments for a in pair))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    same = of_images.frechet_distance(*(jnp.asarray(a) for a in moments[0] * 2))
    assert abs(float(same)) < 1e-3 * np.trace(covariance)


def test_precision_and_recall(clouds):
    """Against all distances sorted; and what lies far away is not covered."""
    real, generated = clouds
    squares = distance.cdist(real, real, "sqeuclidean")
    expected = np.sort(squares, 1)[:, of_images.NEIGHBOURS]
    radii = of_images.radii(jnp.asarray(real))
    np.testing.assert_allclose(radii, expected, rtol=1e-4)
    covered = (distance.cdist(generated, real, "sqeuclidean") <= expected[None]).any(1).mean()
    found = of_images.covered(jnp.asarray(generated), jnp.asarray(real), radii)
    np.testing.assert_allclose(found, covered, atol=0.02)
    assert 0 < covered < 1
    assert of_images.covered(jnp.asarray(real), jnp.asarray(real), radii) == 1
    assert of_images.covered(jnp.asarray(real + 1000), jnp.asarray(real), radii) == 0
