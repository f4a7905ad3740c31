"""Pixels as numbers, and many images a few at a time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def as_float(images: jax.Array) -> jax.Array:
    """Images in [0, 1], of bytes or of floats that are so already."""
    if images.dtype == jnp.uint8:
        return images.astype(jnp.result_type(float)) * (1 / 255)
    return images


def as_kept(images: jax.Array, dtype: Any) -> jax.Array:
    """Images in [0, 1] as `dtype`: bytes, rounded, or floats."""
    if dtype == jnp.uint8:
        return jnp.round(255 * images).astype(jnp.uint8)
    return images.astype(dtype)


def in_chunks(function: Callable[[jax.Array, Any], Any], rows: Any, size: int) -> Any:
    """`function(i, chunk)` of rows [N, ...], `size` at a time, put together again.

    Args:
      function: of a chunk's number and `size` rows, which gives a pytree of as many.
      rows: a pytree with a leading axis.
      size: rows at a time, so that what `function` needs besides stays small.
    """
    num = jax.tree.leaves(rows)[0].shape[0]
    size = min(size, num)
    count = -(-num // size)

    def split(a):
        padded = jnp.pad(a, [(0, count * size - num)] + [(0, 0)] * (a.ndim - 1))
        return padded.reshape(count, size, *a.shape[1:])

    def one(item):
        return function(*item)

    done = jax.lax.map(one, (jnp.arange(count), jax.tree.map(split, rows)))
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:num], done)
