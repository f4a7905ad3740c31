"""How points are drawn: temperature on laws of symbols, bias on laws of points.

Restrictions and penalties on language models' logits are in `decoding/choice.py`; the truncation of
latent codes is in `learners/vae_model.py`.
"""

import jax
import jax.numpy as jnp


def tempered(probabilities: jax.Array, temperature: jax.Array) -> jax.Array:
    """p^(1/T) / sum p^(1/T), `[V]`; lost symbols stay lost, and T = 1 has no effect."""

    def sharpen(_, p):
        log_p = jnp.log(p)
        powers = jnp.exp((log_p - log_p.max()) / temperature)
        return powers / powers.sum()

    # A loop of one turn or none: under `vmap` it costs nothing if every chain has T = 1.
    turns = (jnp.asarray(temperature) != 1).astype(jnp.int32)
    return jax.lax.fori_loop(0, turns, sharpen, probabilities)


def broadened(log_scales: jax.Array, bias: jax.Array) -> jax.Array:
    """Logarithms of standard deviations whose squares `bias` multiplies; 1 changes nothing."""
    return log_scales + jnp.log(jnp.asarray(bias, log_scales.dtype)) / 2
