"""A prompt's keys, computed once and shared by its beams, and one step of all beams after it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.models.decoder import MASKED, Decoder, Keys, Past, positions_of


class Prefix(NamedTuple):
    """What every step needs from a prompt."""

    keys: tuple[Keys, ...]  # a block each, [B, H, P, D / H]
    bias: jax.Array | None  # [B, 1, 1, P], 0 or MASKED at padding; None: there is none
    length: jax.Array  # int32 [B], real tokens


def prefill(
    model: Decoder, params: Any, prompts: jax.Array, mask: jax.Array | None
) -> tuple[Prefix, jax.Array]:
    """A prompt's keys and the logits [B, V] of the token after it.

    Args:
      model: the decoder.
      params: its parameters.
      prompts: int [B, P], padded on the left.
      mask: bool [B, P], False at padding; None if there is none.
    """
    if mask is None:
        positions = jnp.broadcast_to(jnp.arange(prompts.shape[1]), prompts.shape)
        length, bias = jnp.full(len(prompts), prompts.shape[1], jnp.int32), None
    else:
        positions, length = positions_of(mask), mask.sum(-1, dtype=jnp.int32)
        bias = jnp.where(mask, 0.0, MASKED)[:, None, None]
    out = model.apply({"params": params}, prompts, positions, mask, last_only=True)
    return Prefix(out.keys, bias, length), out.logits[:, 0]


def empty_slots(prefix: Prefix, num: int) -> tuple[Keys, ...]:
    """Empty slots for the keys of `num` tokens per row."""

    def room(keys):
        batch, heads, width, _ = keys.k.shape
        k = jnp.zeros((batch, heads, width, num), keys.k.dtype)
        return Keys(k, k.swapaxes(2, 3))

    return tuple(room(keys) for keys in prefix.keys)


def step(
    model: Decoder,
    params: Any,
    prefix: Prefix,
    slots: tuple[Keys, ...],
    tokens: jax.Array,
    t: jax.Array,
    visible: jax.Array,
) -> tuple[tuple[Keys, ...], jax.Array]:
    """The slots with the keys of step `t`'s tokens, and the logits [B, W, V] of the next.

    Args:
      model: the decoder.
      params: its parameters.
      prefix: of the prompt.
      slots: keys of the steps before, at places 0 to t W.
      tokens: int32 [B, W], one a beam.
      t: int32 [], tokens generated before these.
      visible: bool [B, W, N W], which slots are a beam's own history, these tokens included.
    """
    num_beams = tokens.shape[1]
    positions = jnp.broadcast_to((prefix.length + t)[:, None], tokens.shape)
    slots_bias = jnp.where(visible, 0.0, MASKED)[:, None]
    past = Past(prefix.keys, slots, t * num_beams, prefix.bias, slots_bias)
    out = model.apply({"params": params}, tokens, positions, None, past)
    return out.keys, out.logits
