"""One decoder for GPT-2 and the OPT family, as a Flax module, with a key-value cache.

Parameters are nested dicts of float32 named as in published GPT-2 checkpoints, kernels (in, out);
queries, keys and values are one kernel [D, 3D]. Blocks are not stacked along an axis: indexing
stacked weights copies them, which makes decoding up to twice as slow.

References:
  Radford et al., Language Models are Unsupervised Multitask Learners, 2019.
  Zhang et al., OPT: Open Pre-trained Transformer Language Models, 2022 (arXiv 2205.01068).
"""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ouroboros_jax.models.decoder_config import DecoderConfig
from ouroboros_jax.models.dropout import Dropout, LayerDropout

MASKED = -1e9  # finite: a row in which nothing may be attended to must not become NaN
ACTIVATIONS = {
    "gelu_new": partial(jax.nn.gelu, approximate=True),
    "gelu": partial(jax.nn.gelu, approximate=False),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}


class Keys(NamedTuple):
    """Keys and values of one block; keys are laid out for the product with queries."""

    k: jax.Array  # [B, H, D / H, S]
    v: jax.Array  # [B, H, S, D / H]


class Past(NamedTuple):
    """What new tokens attend to besides each other: a prompt, and slots written one step at a time.

    A step has W tokens per row, one for each beam, which share the prompt's keys. Their keys go
    into W slots of their own, and `visible` tells which slots belong to each beam's history, so
    choosing among beams copies no keys.
    """

    prompt: tuple[Keys, ...]  # a block each, S = P
    slots: tuple[Keys, ...]  # a block each, S = N W
    place: jax.Array  # int32 [], the slot of the first of this step's tokens
    prompt_bias: jax.Array | None  # float32 [B, 1, 1, P], 0 or MASKED; None: all visible
    slots_bias: jax.Array  # float32 [B, 1, W, N W], 0 or MASKED; this step's own slots included


class Outputs(NamedTuple):
    """A decoder's outputs for tokens."""

    logits: jax.Array | None  # float32 [B, T, V]
    # Embeddings and the blocks' outputs; the last is the head's input.
    hidden: tuple[jax.Array, ...]
    keys: tuple[Keys, ...]  # of these tokens; of a step, all slots


class Attention(nn.Module):
    """Causal self-attention of all heads."""

    config: DecoderConfig
    layer: int
    dtype: Any

    @nn.compact
    def __call__(self, x, bias, past=None, deterministic=True):
        config = self.config
        batch, length, width = x.shape
        dense = partial(_dense, config, self.dtype)
        qkv = dense(3 * width, name="c_attn")(x)
        qkv = qkv.reshape(batch, length, 3, config.num_heads, config.head_width)
        q, v = (qkv[:, :, i].transpose(0, 2, 1, 3) for i in (0, 2))
        k = qkv[:, :, 1].transpose(0, 2, 3, 1)
        q = q * _attention_scale(config, self.layer)
        if past is None:
            keys = Keys(k, v)
            dropout = partial(Dropout(config.attention_dropout), deterministic=deterministic)
            attended = _attend(q, keys, bias, dropout)
        else:
            prompt, slots, place, prompt_bias, slots_bias = past
            keys = Keys(_write(slots.k, k, place, 3), _write(slots.v, v, place, 2))
            attended = _attend_to_both(q, prompt, keys, prompt_bias, slots_bias)
        merged = attended.transpose(0, 2, 1, 3).reshape(batch, length, width)
        return dense(width, name="c_proj")(merged), keys


class Mlp(nn.Module):
    """The two-layer network of a block."""

    config: DecoderConfig
    dtype: Any

    @nn.compact
    def __call__(self, x):
        dense = partial(_dense, self.config, self.dtype)
        hidden = ACTIVATIONS[self.config.activation](dense(self.config.ffn_width, name="c_fc")(x))
        return dense(x.shape[-1], name="c_proj")(hidden)


class Block(nn.Module):
    """Attention and network, each added to its input."""

    config: DecoderConfig
    layer: int
    dtype: Any

    @nn.compact
    def __call__(self, x, bias, past=None, deterministic=True):
        config = self.config
        dropout = Dropout(config.dropout)
        attention = Attention(config, self.layer, self.dtype, name="attn")
        mlp = Mlp(config, self.dtype, name="mlp")
        norms = [_norm(config, self.dtype, name=name) for name in ("ln_1", "ln_2")]
        if config.norm_first:
            attended, keys = attention(norms[0](x), bias, past, deterministic)
            x = x + dropout(attended, deterministic)
            return x + dropout(mlp(norms[1](x)), deterministic), keys
        attended, keys = attention(x, bias, past, deterministic)
        x = norms[0](x + dropout(attended, deterministic))
        return norms[1](x + dropout(mlp(x), deterministic)), keys


class Decoder(nn.Module):
    """Tokens to next-token logits.

    `dtype` is that of the computation; parameters, norms' moments, attention weights and logits
    are float32. `remat` computes each block again in the backward pass, to save memory.
    """

    config: DecoderConfig
    dtype: Any = jnp.float32
    remat: bool = False

    @nn.compact
    def __call__(
        self,
        tokens: jax.Array,
        positions: jax.Array,
        mask: jax.Array | None = None,
        past: Past | None = None,
        *,
        deterministic: bool = True,
        last_only: bool = False,
    ) -> Outputs:
        """Logits, hidden states and keys of tokens.

        Args:
          tokens: int [B, T]; with a `past`, T beams of one step.
          positions: int [B, T], without the family's offset; those of padding are arbitrary.
          mask: bool [B, T], False at padding; None if there is none.
          past: what came before; without one the tokens attend to themselves, causally.
          deterministic: no dropout; otherwise needs the key stream `dropout`.
          last_only: logits of the last token alone, [B, 1, V].
        """
        config = self.config
        embed = partial(nn.Embed, dtype=self.dtype)
        init = _init_tokens(config)
        wte = embed(config.vocab_size, config.embed_width, embedding_init=init, name="wte")
        num_positions = config.num_positions + config.position_offset
        wpe = embed(num_positions, config.width, embedding_init=_init(config), name="wpe")
        x = wte(tokens)
        if config.untrained_row is not None:
            is_padding = (tokens == config.untrained_row)[..., None]
            x = jnp.where(is_padding, jax.lax.stop_gradient(x), x)
        if config.projects:
            x = _dense(config, self.dtype, config.width, name="project_in", use_bias=False)(x)
        x = x + wpe(positions + config.position_offset)
        x = Dropout(config.embed_dropout)(x, deterministic)
        bias = None if past else _causal_bias(tokens.shape, mask)
        block = nn.remat(Block, static_argnums=(4,)) if self.remat else Block
        hidden, keys = [x], []
        for layer in range(config.num_layers):
            here = past and Past(past.prompt[layer], past.slots[layer], past.place, *past[3:])
            after, new = block(config, layer, self.dtype, name=f"h_{layer}")(
                x, bias, here, deterministic
            )
            x = LayerDropout(config.layer_dropout)(x, after, deterministic)
            hidden.append(x)
            keys.append(new)
        if last_only:
            x = x[:, -1:]
        if config.final_norm:
            x = _norm(config, self.dtype, name="ln_f")(x)
        if config.projects:
            x = _dense(config, self.dtype, config.embed_width, name="project_out", use_bias=False)(
                x
            )
        hidden[-1] = x
        if config.tied:
            table = wte.embedding.astype(self.dtype)
            logits = jnp.einsum("bte,ve->btv", x, table, preferred_element_type=jnp.float32)
        else:
            logits = _dense(config, self.dtype, config.vocab_size, name="lm_head", use_bias=False)(
                x
            )
        return Outputs(logits.astype(jnp.float32), tuple(hidden), tuple(keys))


def positions_of(mask: jax.Array) -> jax.Array:
    """Position of each real token, counted without padding, int32 [B, T]; padding repeats the last
    position (0 at the start)."""
    return jnp.maximum(jnp.cumsum(mask.astype(jnp.int32), 1) - 1, 0)


def _init(config):
    return nn.initializers.normal(config.init_std)


def _init_tokens(config):
    def init(key, shape, dtype):
        table = _init(config)(key, shape, dtype)
        return table if config.untrained_row is None else table.at[config.untrained_row].set(0)

    return init


def _dense(config, dtype, features, *, name, use_bias=None):
    use_bias = config.use_bias if use_bias is None else use_bias
    # GPT-2 scales additions to the residual stream down with depth; OPT does not.
    depth = (2 * config.num_layers) ** -0.5
    is_added = name == "c_proj" and config.family == "gpt2"
    init = nn.initializers.normal(config.init_std * (depth if is_added else 1))
    return nn.Dense(features, use_bias=use_bias, dtype=dtype, kernel_init=init, name=name)


def _norm(config, dtype, *, name):
    affine = config.norm_affine
    return nn.LayerNorm(
        config.norm_eps,
        dtype=dtype,
        use_bias=affine,
        use_scale=affine,
        use_fast_variance=False,
        name=name,
    )


def _attention_scale(config, layer):
    scale = config.head_width**-0.5 if config.scale_attention else 1.0
    return scale / (layer + 1) if config.scale_by_layer else scale


def _causal_bias(shape, mask):
    """0 where a token may be attended to, MASKED elsewhere; float32 [1 or B, 1, T, T]."""
    causal = jnp.tril(jnp.ones((shape[1], shape[1]), bool))[None, None]
    allowed = causal if mask is None else causal & mask.astype(bool)[:, None, None]
    return jnp.where(allowed, 0.0, MASKED)


def _write(slots, new, place, axis):
    """`new` at the slots from `place` on, along `axis`."""
    return jax.lax.dynamic_update_slice_in_dim(slots, new.astype(slots.dtype), place, axis)


def _scores(q, k, bias):
    scores = jnp.einsum("bhqd,bhdk->bhqk", q, k, preferred_element_type=jnp.float32)
    return scores if bias is None else scores + jnp.broadcast_to(bias, scores.shape)


def _attend(q, keys, bias, dropout):
    weights = dropout(jax.nn.softmax(_scores(q, keys.k, bias)))
    return jnp.einsum("bhqk,bhkd->bhqd", weights.astype(keys.v.dtype), keys.v)


def _attend_to_both(q, prompt, slots, prompt_bias, slots_bias):
    """One softmax over a prompt, shared by all queries of a row, and slots, which are not."""
    parts = [(prompt, prompt_bias), (slots, slots_bias)]
    scores = [_scores(q, keys.k, bias) for keys, bias in parts]
    highest = jnp.maximum(*(s.max(-1, keepdims=True) for s in scores))
    weights = [jnp.exp(s - highest) for s in scores]
    total = sum(w.sum(-1, keepdims=True) for w in weights)
    mixed = sum(
        jnp.einsum("bhqk,bhkd->bhqd", w.astype(keys.v.dtype), keys.v)
        for w, (keys, _) in zip(weights, parts, strict=True)
    )
    return (mixed / total).astype(slots.v.dtype)
