"""Choosing from next-token logits: penalties, restrictions, a draw.

Restrictions find their threshold by bisection over the bits of the logits, so that `k` and `p` may
be traced and nothing is sorted: 32 passes that count or add.
"""

import jax
import jax.numpy as jnp

NEVER = -jnp.inf
LARGEST = jnp.uint32(0xFFFFFFFF)


def penalise(logits: jax.Array, seen: jax.Array, penalty: jax.Array) -> jax.Array:
    """Logits [..., V] with those of `seen` tokens made less likely.

    Positive ones are divided by the penalty, negative ones multiplied.

    References:
      Keskar et al., CTRL, 2019 (arXiv 1909.05858), as transformers implements it.
    """
    changed = jnp.where(logits < 0, logits * penalty, logits / penalty)
    return jnp.where(seen, changed, logits)


def forbid(logits: jax.Array, tokens: tuple[int, ...], when: jax.Array) -> jax.Array:
    """Logits [..., V] with `tokens` ruled out where `when` holds."""
    for token in tokens:
        logits = logits.at[..., token].set(jnp.where(when, NEVER, logits[..., token]))
    return logits


def is_one_of(token: jax.Array, tokens: tuple[int, ...]) -> jax.Array:
    """Whether each of `token` [...] is among `tokens`, bool [...]."""
    found = jnp.zeros(token.shape, bool)
    for other in tokens:
        found |= token == other
    return found


def restrict(logits: jax.Array, top_k: jax.Array, top_p: jax.Array) -> jax.Array:
    """Logits [B, V] of the `top_k` likeliest tokens, then of the fewest with mass `top_p`.

    `top_k` = 0 and `top_p` >= 1 keep everything. Tokens as likely as the last kept are kept too.

    References:
      Fan et al., 2018 (arXiv 1805.04833); Holtzman et al., 2019 (arXiv 1904.09751).
    """

    def by_count(logits):
        kept = _largest_threshold(logits, jnp.ones_like(logits), jnp.asarray(top_k, logits.dtype))
        return jnp.where(kept, logits, NEVER)

    def by_mass(logits):
        least = jnp.maximum(top_p, jnp.finfo(logits.dtype).tiny)  # at 0 the likeliest token is kept
        kept = _largest_threshold(logits, jax.nn.softmax(logits), least.astype(logits.dtype))
        return jnp.where(kept, logits, NEVER)

    def same(logits):
        return logits

    logits = jax.lax.cond(jnp.asarray(top_k) > 0, by_count, same, logits)
    return jax.lax.cond(jnp.asarray(top_p) < 1, by_mass, same, logits)


def _largest_threshold(logits, mass, least):
    """Which logits [B, V] reach the highest threshold that keeps at least `least` mass."""
    bits = jax.lax.bitcast_convert_type(logits.astype(jnp.float32), jnp.uint32)
    # Unsigned integers in the order of the floats.
    order = bits ^ jnp.where(bits >> 31 == 1, LARGEST, jnp.uint32(1 << 31))

    def narrow(i, threshold):
        tried = threshold | (jnp.uint32(1) << (31 - i).astype(jnp.uint32))
        above = jnp.where(order >= tried[:, None], mass, 0).sum(-1)
        return jnp.where(above >= least, tried, threshold)

    start = jnp.zeros(logits.shape[0], jnp.uint32)
    return order >= jax.lax.fori_loop(0, 32, narrow, start)[:, None]


def draw(uniforms: jax.Array, logits: jax.Array) -> jax.Array:
    """One token for each row of `logits` [B, V], from two uniforms in [0, 1) [B, 2].

    The first chooses a block of about sqrt(V) tokens, the second a token in it: two random numbers
    a token instead of V, and rare tokens are resolved to 2^-24 of their block, not of everything.
    """
    batch, vocab = logits.shape
    width = 1 << max(0, (vocab - 1).bit_length() // 2)
    num_blocks = -(-vocab // width)
    mass = jnp.exp(logits - logits.max(-1, keepdims=True))
    mass = jnp.pad(mass, ((0, 0), (0, num_blocks * width - vocab)))
    blocks = mass.reshape(batch, num_blocks, width)
    block = _pick(uniforms[:, 0], blocks.sum(-1))
    inside = jnp.take_along_axis(blocks, block[:, None, None], 1)[:, 0]
    return (block * width + _pick(uniforms[:, 1], inside)).astype(jnp.int32)


def _pick(uniform, mass):
    """A place of each row of `mass` [B, K] in proportion to it; never one without mass."""
    # One product in place of the many small steps of a cumulative sum; its sums may round
    # differently, so places without mass are masked explicitly.
    until = jnp.triu(jnp.ones((mass.shape[1],) * 2, mass.dtype))
    total = jnp.matmul(mass, until, precision=jax.lax.Precision.HIGHEST)
    highest = jnp.where(mass > 0, total, 0).max(-1)
    most = jnp.nextafter(highest, jnp.zeros((), total.dtype))
    target = jnp.minimum(uniform.astype(total.dtype) * highest, most)
    is_beyond = (total > target[:, None]) & (mass > 0)
    place = jnp.arange(mass.shape[1], dtype=jnp.int32)
    return jnp.where(is_beyond, place[None], mass.shape[1] - 1).min(-1)
