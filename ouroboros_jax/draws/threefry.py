"""JAX's own keys and random words, with the cipher's rounds written out.

JAX loops over the rounds of Threefry-2x32 on a CPU, array by array. Written out, the rounds are a
single pass: four times as fast for many words, and far less for XLA to compile for a single key, of
which a chain's program derives dozens. All results are JAX's to the bit.

References:
  Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011.
"""

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Key

NAME = "threefry2x32"  # JAX's name for such keys
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # of the rounds, in fours


@jax.jit  # traced once per shape, not at each of a program's dozens of uses
def _two_words(key: Key, counts: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The two words that the cipher makes of each count, uint32."""
    first, second = jax.random.key_data(key)
    keys = first, second, first ^ second ^ jnp.uint32(0x1BD11BDA)
    a, b = jnp.broadcast_to(first, counts.shape), counts + second
    for four in range(5):
        for rotation in _ROTATIONS[four % 2]:
            a = a + b
            b = a ^ ((b << rotation) | (b >> (32 - rotation)))
        a = a + keys[(four + 1) % 3]
        b = b + keys[(four + 2) % 3] + jnp.uint32(four + 1)
    return a, b


def _as_keys(words: tuple[jax.Array, jax.Array]) -> Key:
    return jax.random.wrap_key_data(_once(jnp.stack(words, -1)), impl=NAME)


def _once(array: jax.Array) -> jax.Array:
    """Keep XLA from recomputing `array` in each of its consumers."""
    return jax.lax.optimization_barrier(array)


def _is_checked() -> bool:
    """Whether JAX's key-reuse checker is on; it tracks only JAX's own functions."""
    return jax.config.jax_debug_key_reuse


def fold_in(key: Key, number: jax.Array | int) -> Key:
    """`jax.random.fold_in`: a key from a key and an integer."""
    if _is_checked():
        return jax.random.fold_in(key, number)
    return _as_keys(_two_words(key, jnp.uint32(number)))


def split(key: Key, num: int = 2) -> Key:
    """`jax.random.split`: `num` keys [num] of one."""
    if _is_checked():
        return jax.random.split(key, num)
    return _as_keys(_two_words(key, jnp.arange(num, dtype=jnp.uint32)))


def words(key: Key, num: int) -> jax.Array:
    """`num` random words, uint32; `num` is static.

    The two words that the cipher makes of each counter 0, 1, ..., interleaved; the same words as
    the data of `split`'s keys.
    """
    if _is_checked():
        return jax.random.key_data(jax.random.split(key, -(-num // 2))).reshape(-1)[:num]
    places = jnp.arange(num, dtype=jnp.uint32)
    a, b = _two_words(key, places >> 1)  # each computed twice: cheaper than interleaving them
    return _once(jnp.where(places & 1 == 0, a, b))


def bits(key: Key, num: int, width: int = 32) -> jax.Array:
    """`num` random words of 32 bits or 64, those of `jax.random.bits`; `num` is static."""
    dtype = {32: jnp.uint32, 64: jnp.uint64}[width]
    if _is_checked():
        return jax.random.bits(key, (num,), dtype)
    a, b = _two_words(key, jnp.arange(num, dtype=jnp.uint32))
    return _once(a ^ b if width == 32 else (a.astype(dtype) << 32) | b.astype(dtype))
