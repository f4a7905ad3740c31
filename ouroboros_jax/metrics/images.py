"""Metrics of sets of images: spread, labels, and the distance to real ones in a feature space.

References:
  Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017 (arXiv 1706.08500): the Frechet
  distance; Kynkaanniemi et al., Improved Precision and Recall, 2019 (arXiv 1904.06991).
"""

import jax
import jax.numpy as jnp

from ouroboros_jax.metrics.linalg import matmul

NEIGHBOURS = 5  # k of precision and recall


def label_counts(labels: jax.Array, num_classes: int) -> jax.Array:
    """How often each class occurs, float [K], of labels int [N]."""
    return (labels[:, None] == jnp.arange(num_classes)[None]).sum(0).astype(jnp.result_type(float))


def label_entropy(counts: jax.Array) -> jax.Array:
    """Entropy of the frequencies behind `counts` [K], in nats; 0 if one class has them all."""
    p = counts / counts.sum()
    return -(p * jnp.log(jnp.where(p > 0, p, 1))).sum()


def pixel_variance(images: jax.Array) -> jax.Array:
    """Variance of each pixel over images [N, ...], averaged over pixels."""
    return images.reshape(images.shape[0], -1).var(0).mean()


def squared_distances(a: jax.Array, b: jax.Array) -> jax.Array:
    """Squared Euclidean distances [N, M] of rows [N, D] and [M, D]."""
    # About a common centre, so that little cancels.
    centre = b.mean(0, keepdims=True)
    a, b = a - centre, b - centre
    squares = jnp.square(a).sum(1)[:, None] + jnp.square(b).sum(1)[None]
    return jnp.maximum(squares - 2 * matmul(a, b.T), 0)


def mean_distance(images: jax.Array) -> jax.Array:
    """Mean Euclidean distance between two different images out of [N, ...]."""
    rows = images.reshape(images.shape[0], -1)
    num = rows.shape[0]
    squares = jnp.where(jnp.eye(num, dtype=bool), 0, squared_distances(rows, rows))
    return jnp.sqrt(squares).sum() / (num * (num - 1))


def frechet_distance(
    mean: jax.Array, covariance: jax.Array, other_mean: jax.Array, other_covariance: jax.Array
) -> jax.Array:
    """Squared 2-Wasserstein distance of two normal laws.

    |m - m'|^2 + tr(S) + tr(S') - 2 tr((S^1/2 S' S^1/2)^1/2)

    Args:
      mean, covariance: [D] and [D, D].
      other_mean, other_covariance: of the same D.
    """
    values, vectors = jnp.linalg.eigh(covariance)
    root = matmul(vectors * jnp.sqrt(jnp.maximum(values, 0))[None], vectors.T)
    between = matmul(matmul(root, other_covariance), root)
    between = jnp.linalg.eigvalsh((between + between.T) / 2)
    traces = jnp.trace(covariance) + jnp.trace(other_covariance)
    distance = jnp.square(mean - other_mean).sum() + traces
    return distance - 2 * jnp.sqrt(jnp.maximum(between, 0)).sum()


def radii(features: jax.Array, neighbours: int = NEIGHBOURS) -> jax.Array:
    """Squared distance of each row of [N, D] to its k-th nearest other row, [N]."""
    squares = squared_distances(features, features)
    # Each row is its own nearest, despite rounding.
    squares = jnp.where(jnp.eye(features.shape[0], dtype=bool), -1, squares)
    nearest, _ = jax.lax.top_k(-squares, neighbours + 1)
    return -nearest[:, -1]


def covered(points: jax.Array, features: jax.Array, squared_radii: jax.Array) -> jax.Array:
    """Share of `points` [M, D] within the k-th neighbour's distance of any of `features` [N, D].

    For generated points among real ones this is precision; the other way round, recall.
    """
    squares = squared_distances(points, features)
    return (squares <= squared_radii[None]).any(1).mean(dtype=jnp.result_type(float))
