"""Mixtures by their moments, for the tests of mixtures."""

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Mixture
from ouroboros_jax.metrics.linalg import correlation_cholesky


@jax.jit
def from_moments(weights: jax.Array, means: jax.Array, covariances: jax.Array) -> Mixture:
    """The mixture with weights [K], means [K, D] and positive definite covariances [K, D, D]."""
    scales = jnp.sqrt(jnp.diagonal(covariances, axis1=-2, axis2=-1))
    factors = correlation_cholesky(covariances / (scales[:, :, None] * scales[:, None, :]))
    return Mixture(weights, means, jnp.log(scales), factors)
