"""Laws with a known truth: a normal, Gaussian mixtures, and blobs laid out at random.

Points are drawn anew for each chain. A mixture takes one uniform per point for its component and
one normal per coordinate; its truth is the exact mixture.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Mixture
from ouroboros_jax.data.base import RealData, law
from ouroboros_jax.draws.numbers import normals, unit_uniforms
from ouroboros_jax.draws.threefry import split
from ouroboros_jax.errors import UserError


def normal(*, num_features: int = 1) -> RealData:
    """Independent features, each N(mean, std^2); `data.mean` and `data.std` are traced settings."""
    if num_features < 1:
        raise UserError(f"data.num_features is {num_features}, expected at least 1")

    def draw(key, settings, num):
        noise = normals(key, (num, num_features))
        mean, std = _moments(settings)
        return mean + std * noise

    def truth(settings):
        mean, std = _moments(settings)
        return Mixture(
            weights=jnp.ones(1),
            means=jnp.full((1, num_features), mean),
            log_scales=jnp.full((1, num_features), jnp.log(std)),
            factors=jnp.eye(num_features)[None],
        )

    return law("normal", draw, shape=(num_features,), truth=truth)


def mixture(
    *,
    means: Sequence = ((-2.0,), (2.0,)),
    stds: Sequence | float = 1.0,
    weights: Sequence[float] | None = None,
) -> RealData:
    """A Gaussian mixture with diagonal covariances.

    Args:
      means: K numbers in one dimension, or K rows of D numbers.
      stds: standard deviations: one number, one per component `[K]`, or one per component and
        feature `[K, D]`.
      weights: K relative weights, divided by their sum; equal by default.

    Raises:
      UserError: if shapes disagree, or a value is out of range.
    """
    centres = _numbers("data.means", means)
    if centres.ndim not in (1, 2) or centres.size == 0:
        raise UserError(f"data.means is {means}, expected K numbers or K rows of D numbers")
    centres = centres.reshape(len(centres), -1)
    num_components, num_features = centres.shape

    scales = _numbers("data.stds", stds)
    if scales.shape == (num_components,):
        scales = scales[:, None]
    if scales.shape not in ((), (num_components, 1), (num_components, num_features)):
        raise UserError(
            f"data.stds is {stds}, expected one number, {num_components} numbers (one a component) "
            f"or {num_components} rows of {num_features}"
        )
    if (scales <= 0).any():
        raise UserError(f"data.stds is {stds}, expected numbers above 0")
    scales = np.broadcast_to(scales, centres.shape)

    shares = np.ones(num_components) if weights is None else _numbers("data.weights", weights)
    if shares.shape != (num_components,):
        raise UserError(f"data.weights is {weights}, expected {num_components} numbers")
    if (shares < 0).any() or shares.sum() == 0:
        raise UserError(f"data.weights is {weights}, expected no negative and not only zeros")
    shares = shares / shares.sum()

    definition = {"means": centres.tolist(), "stds": scales.tolist(), "weights": shares.tolist()}
    return _mixture("mixture", centres, scales, shares, definition)


def blobs(
    *,
    num_centers: int = 3,
    num_features: int = 2,
    std: float = 1.0,
    box: float = 10.0,
    layout_seed: int = 0,
) -> RealData:
    """Equal isotropic blobs of standard deviation `std`, centres uniform in [-box, box]^D.

    The centres depend on `layout_seed` alone, never on a chain's seed, and are those of
    `sklearn.datasets.make_blobs(random_state=layout_seed)`.
    """
    for field, value in (("num_centers", num_centers), ("num_features", num_features)):
        if value < 1:
            raise UserError(f"data.{field} is {value}, expected at least 1")
    for field, value in (("std", std), ("box", box)):
        if not 0 < value < np.inf:
            raise UserError(f"data.{field} is {value}, expected a number above 0")
    if not 0 <= layout_seed < 2**32:
        raise UserError(f"data.layout_seed is {layout_seed}, expected 0 to 4294967295")
    layout = np.random.RandomState(layout_seed)  # NumPy keeps this stream frozen
    centres = layout.uniform(-box, box, (num_centers, num_features))
    scales = np.full_like(centres, std)
    shares = np.full(num_centers, 1 / num_centers)
    definition = {"means": centres.tolist(), "std": std}
    return _mixture("blobs", centres, scales, shares, definition)


def _mixture(name, means, scales, weights, definition) -> RealData:
    num_components, num_features = means.shape
    edges = np.cumsum(weights)[:-1]  # a uniform beyond edge k is past component k

    def draw(key, settings, num):
        del settings
        key_component, key_noise = split(key)
        uniform = unit_uniforms(key_component, (num,))
        noise = normals(key_noise, (num, num_features))
        component = (uniform[:, None] >= jnp.asarray(edges, uniform.dtype)[None]).sum(1)
        where, scale = (jnp.asarray(array, noise.dtype)[component] for array in (means, scales))
        return where + scale * noise

    def truth(settings):
        del settings
        eye = np.broadcast_to(np.eye(num_features), (num_components, num_features, num_features))
        leaves = weights, means, np.log(scales), eye
        return Mixture(*(jnp.asarray(leaf, jnp.result_type(float)) for leaf in leaves))

    return law(name, draw, shape=(num_features,), truth=truth, definition=definition)


def _moments(settings) -> tuple[jax.Array, jax.Array]:
    dtype = jnp.result_type(float)
    return jnp.asarray(settings.data["mean"], dtype), jnp.asarray(settings.data["std"], dtype)


def _numbers(field: str, value) -> np.ndarray:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{field} is {value}, expected numbers in rows of one length") from None
    if not np.isfinite(array).all():
        raise UserError(f"{field} is {value}, expected finite numbers")
    return array
