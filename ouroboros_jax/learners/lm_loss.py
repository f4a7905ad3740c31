"""Losses of a language model on blocks of tokens, batch by batch."""

from typing import Any

import jax
import jax.numpy as jnp

from ouroboros_jax.chunks import in_chunks
from ouroboros_jax.models.decoder import Decoder


def token_losses(
    model: Decoder,
    params: Any,
    tokens: jax.Array,
    bos: int | None = None,
    *,
    key: jax.Array | None = None,
) -> jax.Array:
    """-log p of every token given those before it in its row.

    Args:
      model: the decoder.
      params: its parameters.
      tokens: int [B, T].
      bos: a token put before each row; None: a row's first token is given, not predicted.
      key: for dropout; None for none.

    Returns:
      float32 [B, T] with a `bos`, else [B, T - 1]; in nats.
    """
    tokens = tokens.astype(jnp.int32)
    before, after = tokens[:, :-1], tokens[:, 1:]
    if bos is not None:
        before = jnp.concatenate([jnp.full_like(tokens[:, :1], bos), before], 1)
        after = tokens
    positions = jnp.broadcast_to(jnp.arange(before.shape[1]), before.shape)
    rngs = {} if key is None else {"dropout": key}
    out = model.apply({"params": params}, before, positions, deterministic=key is None, rngs=rngs)
    picked = jnp.take_along_axis(out.logits, after[..., None], -1)[..., 0]
    return jax.nn.logsumexp(out.logits, -1) - picked


def mean_loss(
    model: Decoder, params: Any, blocks: jax.Array, bos: int | None, batch_size: int
) -> jax.Array:
    """Mean loss per token of `blocks` [N, T], in nats."""
    return in_chunks(
        lambda i, rows: token_losses(model, params, rows, bos).mean(-1), blocks, batch_size
    ).mean()
