"""Beam search, step for step as transformers 5 defines it.

The W best unfinished continuations go on, the W best finished ones are kept. Keys are never
reordered: those of step t stand at slots t W to t W + W - 1, and a beam's `ancestors` say which of
the W was its own.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.decoding.choice import forbid, is_one_of, penalise
from ouroboros_jax.decoding.plan import Generated, Knobs, Plan
from ouroboros_jax.decoding.sampling import seen_in
from ouroboros_jax.decoding.stepping import empty_slots, prefill, step
from ouroboros_jax.models.decoder import Decoder, Keys

FAR = -1e9  # below every score
BLOCK = 64  # candidates that are looked at together


class _Running(NamedTuple):
    tokens: jax.Array  # int32 [B, W, N]
    scores: jax.Array  # [B, W], sums of log-probabilities
    ancestors: jax.Array  # int32 [B, W, N], a beam's slot among the W of each step
    seen: jax.Array  # bool [B, W, V]


class _Finished(NamedTuple):
    tokens: jax.Array  # int32 [B, W, N]
    scores: jax.Array  # [B, W], by length
    is_there: jax.Array  # bool [B, W]


class _State(NamedTuple):
    t: jax.Array  # int32 []
    logits: jax.Array  # [B, W, V]
    slots: tuple[Keys, ...]
    running: _Running
    finished: _Finished
    can_improve: jax.Array  # bool [B, 1]
    goes_on: jax.Array  # bool []


def beam_search(
    model: Decoder,
    params: Any,
    prompts: jax.Array,
    mask: jax.Array | None,
    knobs: Knobs,
    plan: Plan,
) -> Generated:
    """The best continuation of each of `prompts` [B, P], padded on the left, and its score."""
    batch, width, num = prompts.shape[0], plan.num_beams, plan.max_new_tokens
    prefix, logits = prefill(model, params, prompts, mask)
    vocab = logits.shape[-1]
    most = max(2, 1 + len(plan.ends)) * width  # enough to go on with if all of the best end

    def candidates(state):
        """The best continuations of all beams: tokens, scores and parents [B, most]."""
        log_probs = jax.nn.log_softmax(state.logits)
        log_probs = penalise(log_probs, state.running.seen, knobs.repetition_penalty)
        log_probs = forbid(log_probs, plan.ends, state.t < plan.min_new_tokens)
        total = log_probs + state.running.scores[:, :, None]
        scores, place = top(total.reshape(batch, width * vocab), most)
        return place % vocab, scores, place // vocab

    def body(state):
        t, running, finished = state.t, state.running, state.finished
        token, scores, parent = candidates(state)
        tokens = _rows(running.tokens, parent)
        tokens = tokens.at[:, :, t].set(token)
        ends = (t + 1 >= num) | is_one_of(token, plan.ends)

        going_scores = scores + ends * FAR
        going_scores, chosen = jax.lax.top_k(going_scores, width)
        went = jnp.take_along_axis(parent, chosen, 1)
        last = jnp.take_along_axis(token, chosen, 1)
        ancestors = _rows(running.ancestors, went)
        ancestors = ancestors.at[:, :, t].set(jnp.arange(width, dtype=jnp.int32)[None])
        seen = _rows(running.seen, went)
        row, beam = jnp.arange(batch)[:, None], jnp.arange(width)[None]
        seen = seen.at[row, beam, last].set(True)
        running = _Running(_rows(tokens, chosen), going_scores, ancestors, seen)

        # Only the best W candidates may be final; the others are there to go on with.
        ended = ends & (jnp.arange(most) < width)[None]
        by_length = scores / jnp.asarray(t + 1, scores.dtype) ** knobs.length_penalty
        by_length += (~state.can_improve) * FAR + (~ended) * FAR
        merged = _Finished(
            jnp.concatenate([finished.tokens, tokens], 1),
            jnp.concatenate([finished.scores, by_length], 1),
            jnp.concatenate([finished.is_there, ended], 1),
        )
        best, kept = jax.lax.top_k(merged.scores, width)
        finished = _Finished(
            _rows(merged.tokens, kept), best, jnp.take_along_axis(merged.is_there, kept, 1)
        )

        length = jnp.asarray(t + 1, scores.dtype) ** knobs.length_penalty
        hoped = running.scores[:, :1] / length
        worst = jnp.where(finished.is_there, finished.scores.min(1, keepdims=True), FAR)
        can_improve = state.can_improve & (hoped > worst).any(1, keepdims=True)
        goes_on = can_improve.any() & ~ends.all()

        visible = ancestors[:, :, :, None] == jnp.arange(width)[None, None, None]
        visible &= (jnp.arange(num) <= t)[None, None, :, None]
        visible = visible.reshape(batch, width, num * width)
        slots, logits = step(model, params, prefix, state.slots, last, t, visible)
        return _State(t + 1, logits, slots, running, finished, can_improve, goes_on)

    # A padding of 0 counts as none, as in transformers, whose sequences these are.
    fill = plan.pad or plan._replace(pad=None).fill
    blank = jnp.full((batch, width, num), fill, jnp.int32)
    # One beam begins, or all would be the same.
    first = jnp.where(jnp.arange(width) == 0, 0.0, FAR).astype(jnp.float32)
    seen = seen_in(prompts, mask, vocab)
    state = _State(
        jnp.int32(0),
        jnp.broadcast_to(logits[:, None], (batch, width, vocab)),
        empty_slots(prefix, num * width),
        _Running(
            blank,
            jnp.broadcast_to(first, (batch, width)),
            jnp.zeros((batch, width, num), jnp.int32),
            jnp.broadcast_to(seen[:, None], (batch, width, vocab)),
        ),
        _Finished(
            blank, jnp.full((batch, width), FAR, jnp.float32), jnp.zeros((batch, width), bool)
        ),
        jnp.ones((batch, 1), bool),
        jnp.bool_(True),
    )

    def goes_on(state):
        return state.goes_on if plan.can_end else state.t < num

    state = jax.lax.while_loop(goes_on, body, state)
    return Generated(state.finished.tokens[:, 0], state.finished.scores[:, 0])


def top(scores: jax.Array, num: int) -> tuple[jax.Array, jax.Array]:
    """The `num` highest of each row [B, M] and their places, highest first.

    They are within the `num` blocks of highest maximum, so that only those are sorted.
    """
    batch, total = scores.shape
    num_blocks = -(-total // BLOCK)
    padded = jnp.pad(scores, ((0, 0), (0, num_blocks * BLOCK - total)), constant_values=-jnp.inf)
    blocks = padded.reshape(batch, num_blocks, BLOCK)
    if num_blocks <= num:
        return jax.lax.top_k(scores, num)
    _, best = jax.lax.top_k(blocks.max(-1), num)
    best = jnp.sort(best, -1)  # so that of equal scores the first is taken
    few = jnp.take_along_axis(blocks, best[:, :, None], 1).reshape(batch, -1)
    found, place = jax.lax.top_k(few, num)
    return found, jnp.take_along_axis(best, place // BLOCK, 1) * BLOCK + place % BLOCK


def _rows(array: jax.Array, chosen: jax.Array) -> jax.Array:
    """Rows `chosen` [B, K] of the second axis of `array` [B, W, ...]."""
    return jnp.take_along_axis(array, chosen.reshape(*chosen.shape, *[1] * (array.ndim - 2)), 1)
