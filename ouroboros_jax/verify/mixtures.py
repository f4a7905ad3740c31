"""Checks of mixtures: the exact L2 distance against quadrature."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Mixture
from ouroboros_jax.metrics import mixture as metrics
from ouroboros_jax.theory import mixture
from ouroboros_jax.theory.mixture import Gaussians
from ouroboros_jax.verify import reading
from ouroboros_jax.verify.reading import Reading
from ouroboros_jax.verify.session import Session

P = Gaussians(
    np.array([0.4, 0.6]),
    np.array([[-1.0, 0.5], [1.2, -0.3]]),
    np.array([[[0.5, 0.2], [0.2, 0.7]], [[0.9, -0.3], [-0.3, 0.4]]]),
)
Q = Gaussians(np.ones(1), np.array([[0.1, 0.2]]), np.array([[[1.0, 0.1], [0.1, 0.8]]]))


def _density(p: Gaussians, points: np.ndarray) -> np.ndarray:
    total = np.zeros(len(points))
    for weight, mean, covariance in zip(*p, strict=True):
        apart = points - mean[None]
        squares = np.einsum("ni,ij,nj->n", apart, np.linalg.inv(covariance), apart)
        total += weight * np.exp(-squares / 2) / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))
    return total


def _as_metric(p: Gaussians) -> Mixture:
    scales = np.sqrt(np.diagonal(p.covariances, axis1=1, axis2=2))
    factors = np.linalg.cholesky(p.covariances) / scales[:, :, None]
    leaves = p.weights, p.means, np.log(scales), factors
    return Mixture(*(jnp.asarray(leaf, jnp.result_type(float)) for leaf in leaves))


def squared_l2(session: Session) -> Iterator[Reading]:
    """The closed form, in the theory and in the loop, against a fine grid."""
    del session
    line = np.linspace(-9, 9, 601)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    gap = _density(P, grid) - _density(Q, grid)
    quadrature = np.square(gap).sum() * (line[1] - line[0]) ** 2
    found = mixture.squared_l2(P, Q)
    yield reading.exact("squared L2 of mixtures against quadrature", quadrature, found, 1e-12)
    with jax.enable_x64(True):
        metric = float(metrics.l2_squared(_as_metric(P), _as_metric(Q)))
    yield reading.exact("l2_squared, as the loop records it", quadrature, metric, 1e-12)
