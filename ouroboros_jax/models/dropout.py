"""Dropout from 16 random bits per number, and dropout of whole layers.

It takes half the hashes of `nn.Dropout`, which on a CPU cost as much as the matrix products of a
small model. The share that is dropped is right to 1 in 65,536, and the scale is exact for it.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from ouroboros_jax.draws.threefry import bits

LEVELS = 1 << 16


class Dropout(nn.Module):
    """Set a share `rate` of the numbers to 0 and scale the others up."""

    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, deterministic: bool) -> jax.Array:
        if deterministic or self.rate == 0:
            return x
        num_dropped = round(self.rate * LEVELS)
        if num_dropped == LEVELS:
            return jnp.zeros_like(x)
        kept = random_words(self.make_rng("dropout"), x.shape) >= num_dropped
        return jnp.where(kept, x * (LEVELS / (LEVELS - num_dropped)), 0)


class LayerDropout(nn.Module):
    """With probability `rate`, skip a layer for all rows: its input becomes its output.

    References:
      Fan, Grave and Joulin, Reducing Transformer Depth on Demand with Structured Dropout, 2019
      (arXiv 1909.11556).
    """

    rate: float

    @nn.compact
    def __call__(self, before: jax.Array, after: jax.Array, deterministic: bool) -> jax.Array:
        if deterministic or self.rate == 0:
            return after
        is_passed = jax.random.uniform(self.make_rng("dropout")) < self.rate
        return jnp.where(is_passed, before, after)


def random_words(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Uniform uint16 of `shape`, two from each word of 32 bits."""
    num = math.prod(shape)
    words = bits(key, (num + 1) // 2)
    return jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:num].reshape(shape)
