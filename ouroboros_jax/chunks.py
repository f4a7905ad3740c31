"""Applying a function to many rows, a few at a time, to bound memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def in_chunks(function: Callable[[jax.Array, Any], Any], rows: Any, size: int) -> Any:
    """Apply `function(i, chunk)` to `size` rows at a time and concatenate the results.

    Args:
      function: takes a chunk's number and `size` rows, and returns a pytree of as many rows.
      rows: a pytree with a leading axis.
      size: rows at a time; the last chunk is filled up with the last row.
    """
    num = jax.tree.leaves(rows)[0].shape[0]
    size = min(size, num)
    count = -(-num // size)

    def split(a):
        padding = [(0, count * size - num)] + [(0, 0)] * (a.ndim - 1)
        return jnp.pad(a, padding, mode="edge").reshape(count, size, *a.shape[1:])

    chunks = jnp.arange(count), jax.tree.map(split, rows)
    done = jax.lax.map(lambda chunk: function(*chunk), chunks)
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:num], done)
