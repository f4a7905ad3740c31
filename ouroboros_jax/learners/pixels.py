"""Pixels as numbers."""

from typing import Any

import jax
import jax.numpy as jnp


def as_float(images: jax.Array) -> jax.Array:
    """Images in [0, 1], from bytes or from floats in [0, 1]."""
    if images.dtype == jnp.uint8:
        return images.astype(jnp.result_type(float)) * (1 / 255)
    return images


def as_kept(images: jax.Array, dtype: Any) -> jax.Array:
    """Images in [0, 1] as `dtype`: bytes, rounded, or floats."""
    if dtype == jnp.uint8:
        return jnp.round(255 * images).astype(jnp.uint8)
    return images.astype(dtype)
