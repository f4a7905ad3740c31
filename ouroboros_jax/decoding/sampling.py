"""Generating token by token, drawn or the likeliest."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.decoding.choice import draw, forbid, is_one_of, penalise, restrict
from ouroboros_jax.decoding.plan import Generated, Knobs, Plan
from ouroboros_jax.decoding.stepping import empty_slots, prefill, step
from ouroboros_jax.models.decoder import Decoder, Keys


class _State(NamedTuple):
    t: jax.Array  # int32 [], tokens generated
    logits: jax.Array  # [B, V], of the next token
    slots: tuple[Keys, ...]
    tokens: jax.Array  # int32 [B, N]
    seen: jax.Array  # bool [B, V]
    is_done: jax.Array  # bool [B]


def sample_tokens(
    model: Decoder,
    params: Any,
    prompts: jax.Array,
    mask: jax.Array | None,
    uniforms: jax.Array | None,
    knobs: Knobs,
    plan: Plan,
) -> Generated:
    """Continuations of `prompts` [B, P], padded on the left where `mask` is False.

    `uniforms` [B, N, 2] decide what is drawn; without them every token is the likeliest.
    """
    rows = jnp.arange(prompts.shape[0])
    prefix, logits = prefill(model, params, prompts, mask)
    num = plan.max_new_tokens
    seen = seen_in(prompts, mask, logits.shape[-1])

    def choose(state):
        logits = penalise(state.logits, state.seen, knobs.repetition_penalty)
        logits = forbid(logits, plan.ends, state.t < plan.min_new_tokens)
        if uniforms is None:
            return jnp.argmax(logits, -1).astype(jnp.int32)
        logits = restrict(logits / knobs.temperature, knobs.top_k, knobs.top_p)
        return draw(uniforms[:, state.t], logits)

    def body(state):
        token = choose(state)
        token = jnp.where(state.is_done, plan.fill, token)
        is_done = state.is_done
        if plan.can_end:
            is_done = is_done | is_one_of(token, plan.ends)
        visible = jnp.broadcast_to(jnp.arange(num) <= state.t, (len(rows), 1, num))
        slots, logits = step(model, params, prefix, state.slots, token[:, None], state.t, visible)
        return _State(
            state.t + 1,
            logits[:, 0],
            slots,
            jax.lax.dynamic_update_slice_in_dim(state.tokens, token[:, None], state.t, 1),
            state.seen.at[rows, token].set(True),
            is_done,
        )

    def goes_on(state):
        more = state.t < num
        return more & ~state.is_done.all() if plan.can_end else more

    state = jax.lax.while_loop(
        goes_on,
        body,
        _State(
            jnp.int32(0),
            logits,
            empty_slots(prefix, num),
            jnp.full((len(rows), num), plan.fill, jnp.int32),
            seen,
            jnp.zeros(len(rows), bool),
        ),
    )
    return Generated(state.tokens)


def seen_in(prompts: jax.Array, mask: jax.Array | None, vocab: int) -> jax.Array:
    """Which tokens [B, V] occur in each prompt."""
    rows = jnp.arange(prompts.shape[0])[:, None]
    # As in transformers, tokens masked after a prompt has begun count.
    there = jnp.ones(prompts.shape, bool) if mask is None else jnp.cumsum(mask, 1) > 0
    return jnp.zeros((prompts.shape[0], vocab), bool).at[rows, prompts].max(there)
