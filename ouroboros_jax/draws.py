"""Exact random draws that JAX lacks or draws slowly, of one chain, cheap under `vmap`."""

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Key


def log_chi_square(key: Key, df: jax.Array) -> jax.Array:
    """Logarithm of independent chi-square variates with `df` degrees of freedom, of `df`'s shape.

    Marsaglia and Tsang's rejection, all lanes at once: the loop ends when the last lane accepts
    (more than 95% do at the first attempt), which on a CPU beats `jax.random.loggamma`, whose
    lanes run one after another. `df` is a float array, traced or not; -inf where `df` <= 0.

    References:
      Marsaglia and Tsang, A Simple Method for Generating Gamma Variables, 2000.
    """
    df = jnp.asarray(df)
    dtype, shape = df.dtype, df.shape
    alpha = jnp.maximum(df, 1e-3) / 2
    boosted = alpha < 1  # Gamma(a) = Gamma(a + 1) U^(1/a)
    d = jnp.where(boosted, alpha + 1, alpha) - 1 / 3
    c = 1 / (3 * jnp.sqrt(d))

    def settle(log_v, x, u):
        """Lanes not settled before (NaN) take this attempt if it is accepted."""
        cube = 1 + c * x
        v = cube * cube * cube
        log_new = jnp.log(jnp.where(v > 0, v, 1))
        accepted = (v > 0) & (jnp.log(u) < x * x / 2 + d * (1 - v + log_new))
        return jnp.where(jnp.isnan(log_v) & accepted, log_new, log_v)

    def again(carry):
        round_, log_v = carry
        key_x, key_u = jax.random.split(jax.random.fold_in(key_again, round_))
        x = jax.random.normal(key_x, shape, dtype)
        u = jax.random.uniform(key_u, shape, dtype, minval=tiny)
        return round_ + 1, settle(log_v, x, u)

    # The first attempt stands outside the loop: hashing keys is most of the cost.
    tiny = jnp.finfo(dtype).tiny
    key_normal, key_uniform, key_again = jax.random.split(key, 3)
    x = jax.random.normal(key_normal, shape, dtype)
    u, boost = jax.random.uniform(key_uniform, (2, *shape), dtype, minval=tiny)
    log_v = settle(jnp.full(shape, jnp.nan, dtype), x, u)
    _, log_v = jax.lax.while_loop(
        lambda carry: jnp.isnan(carry[1]).any(), again, (jnp.uint32(0), log_v)
    )
    log_gamma = jnp.log(d) + log_v
    log_gamma = jnp.where(boosted, log_gamma + jnp.log(boost) / alpha, log_gamma)
    return jnp.where(df > 0, jnp.log(2.0).astype(dtype) + log_gamma, -jnp.inf)
