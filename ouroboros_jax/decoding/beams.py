"""Beam search, the same step by step as that of transformers 5.

The W best unfinished continuations go on, the W best finished ones are kept. Keys are never
reordered: those of step t are in slots t W to t W + W - 1, and a beam's `ancestors` say which of
the W is its own.
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
BLOCK = 64  # candidates that are compared together


class _Running(NamedTuple):
    tokens: jax.Array  # int32 [B, W, N]
    scores: jax.Array  # [B, W], sums of log-probabilities
    ancestors: jax.Array  # int32 [B, W, N], a beam's slot among the W of each step
    seen: jax.Array  # bool [B, W, V]


class _Finished(NamedTuple):
    tokens: jax.Array  # int32 [B, W, N]
    scores: jax.Array  # [B, W], divided by length^penalty
    is_there: jax.Array  # bool [B, W]


class _State(NamedTuple):
    t: jax.Array  # int32 []
    logits: jax.Array  # [B, W, V]
    slots: tuple[Keys, ...]
    running: _Running
    finished: _Finished
    can_improve: jax.Array  # bool [B, 1]
    goes_on: jax.Array  # bool []


class _Candidates(NamedTuple):
    """The best continuations of all beams by one token, M per row."""

    tokens: jax.Array  # int32 [B, M, N]
    last: jax.Array  # int32 [B, M], the newest tokens
    scores: jax.Array  # [B, M], sums of log-probabilities, highest first
    parents: jax.Array  # int32 [B, M]
    ends: jax.Array  # bool [B, M]


def beam_search(
    model: Decoder,
    params: Any,
    prompts: jax.Array,
    mask: jax.Array | None,
    knobs: Knobs,
    plan: Plan,
) -> Generated:
    """The best continuation of each of `prompts` [B, P], padded on the left, and its score."""
    width, num = plan.num_beams, plan.max_new_tokens
    prefix, logits = prefill(model, params, prompts, mask)

    def body(state):
        t = state.t
        found = _candidates(state, knobs, plan)
        running, last = _go_on(state.running, found, t)
        by_length = jnp.asarray(t + 1, found.scores.dtype) ** knobs.length_penalty
        finished = _finish(state.finished, found, by_length, state.can_improve)
        hoped = running.scores[:, :1] / by_length
        worst = jnp.where(finished.is_there, finished.scores.min(1, keepdims=True), FAR)
        can_improve = state.can_improve & (hoped > worst).any(1, keepdims=True)
        goes_on = can_improve.any() & ~found.ends.all()
        visible = _visible(running.ancestors, t)
        slots, logits = step(model, params, prefix, state.slots, last, t, visible)
        return _State(t + 1, logits, slots, running, finished, can_improve, goes_on)

    def goes_on(state):
        return state.goes_on if plan.can_end else state.t < num

    seen = seen_in(prompts, mask, logits.shape[-1])
    slots = empty_slots(prefix, num * width)
    state = jax.lax.while_loop(goes_on, body, _begun(logits, slots, seen, plan))
    return Generated(state.finished.tokens[:, 0], state.finished.scores[:, 0])


def _begun(logits: jax.Array, slots: tuple[Keys, ...], seen: jax.Array, plan: Plan) -> _State:
    """All beams at the end of the prompt, whose `logits` and `seen` tokens are [B, V]."""
    (batch, vocab), width, num = logits.shape, plan.num_beams, plan.max_new_tokens
    blank = jnp.full((batch, width, num), plan.fill, jnp.int32)
    # Only one beam is live at first; otherwise all would be identical.
    first = jnp.where(jnp.arange(width) == 0, 0.0, FAR).astype(jnp.float32)
    running = _Running(
        tokens=blank,
        scores=jnp.broadcast_to(first, (batch, width)),
        ancestors=jnp.zeros((batch, width, num), jnp.int32),
        seen=jnp.broadcast_to(seen[:, None], (batch, width, vocab)),
    )
    finished = _Finished(
        tokens=blank,
        scores=jnp.full((batch, width), FAR, jnp.float32),
        is_there=jnp.zeros((batch, width), bool),
    )
    logits = jnp.broadcast_to(logits[:, None], (batch, width, vocab))
    can_improve = jnp.ones((batch, 1), bool)
    return _State(jnp.int32(0), logits, slots, running, finished, can_improve, jnp.bool_(True))


def _candidates(state: _State, knobs: Knobs, plan: Plan) -> _Candidates:
    batch, width, vocab = state.logits.shape
    running, t = state.running, state.t
    log_probs = jax.nn.log_softmax(state.logits)
    log_probs = penalise(log_probs, running.seen, knobs.repetition_penalty)
    log_probs = forbid(log_probs, plan.ends, t < plan.min_new_tokens)
    total = log_probs + running.scores[:, :, None]
    most = max(2, 1 + len(plan.ends)) * width  # enough to continue from if all of the best end
    scores, place = top(total.reshape(batch, width * vocab), most)
    token, parent = place % vocab, place // vocab
    tokens = _rows(running.tokens, parent).at[:, :, t].set(token)
    ends = (t + 1 >= plan.max_new_tokens) | is_one_of(token, plan.ends)
    return _Candidates(tokens, token, scores, parent, ends)


def _go_on(running: _Running, found: _Candidates, t: jax.Array) -> tuple[_Running, jax.Array]:
    """The W best candidates that have not ended, and their newest tokens [B, W]."""
    batch, width = running.scores.shape
    scores, chosen = jax.lax.top_k(found.scores + found.ends * FAR, width)
    parents = jnp.take_along_axis(found.parents, chosen, 1)
    last = jnp.take_along_axis(found.last, chosen, 1)
    ancestors = _rows(running.ancestors, parents)
    ancestors = ancestors.at[:, :, t].set(jnp.arange(width, dtype=jnp.int32)[None])
    row, beam = jnp.arange(batch)[:, None], jnp.arange(width)[None]
    seen = _rows(running.seen, parents).at[row, beam, last].set(True)
    return _Running(_rows(found.tokens, chosen), scores, ancestors, seen), last


def _finish(
    finished: _Finished, found: _Candidates, by_length: jax.Array, can_improve: jax.Array
) -> _Finished:
    """The W best that have ended, by score over `by_length`; only in rows that can improve.

    Only the best W candidates may be final; the others are for continuing.
    """
    width = finished.scores.shape[1]
    ended = found.ends & (jnp.arange(found.ends.shape[1]) < width)[None]
    scores = found.scores / by_length
    scores += (~can_improve) * FAR + (~ended) * FAR
    best, kept = jax.lax.top_k(jnp.concatenate([finished.scores, scores], 1), width)
    tokens = jnp.concatenate([finished.tokens, found.tokens], 1)
    is_there = jnp.concatenate([finished.is_there, ended], 1)
    return _Finished(_rows(tokens, kept), best, jnp.take_along_axis(is_there, kept, 1))


def _visible(ancestors: jax.Array, t: jax.Array) -> jax.Array:
    """Which slots hold each beam's history, step `t` included, bool [B, W, N W]."""
    batch, width, num = ancestors.shape
    visible = ancestors[:, :, :, None] == jnp.arange(width)[None, None, None]
    visible &= (jnp.arange(num) <= t)[None, None, :, None]
    return visible.reshape(batch, width, num * width)


def top(scores: jax.Array, num: int) -> tuple[jax.Array, jax.Array]:
    """The `num` highest of each row [B, M] and their places, highest first.

    They are within the `num` blocks of highest maximum, so only these are sorted.
    """
    batch, total = scores.shape
    num_blocks = -(-total // BLOCK)
    padded = jnp.pad(scores, ((0, 0), (0, num_blocks * BLOCK - total)), constant_values=-jnp.inf)
    blocks = padded.reshape(batch, num_blocks, BLOCK)
    if num_blocks <= num:
        return jax.lax.top_k(scores, num)
    _, best = jax.lax.top_k(blocks.max(-1), num)
    best = jnp.sort(best, -1)  # so that the first of equal scores is taken
    few = jnp.take_along_axis(blocks, best[:, :, None], 1).reshape(batch, -1)
    found, place = jax.lax.top_k(few, num)
    return found, jnp.take_along_axis(best, place // BLOCK, 1) * BLOCK + place % BLOCK


def _rows(array: jax.Array, chosen: jax.Array) -> jax.Array:
    """Rows `chosen` [B, K] of the second axis of `array` [B, W, ...]."""
    return jnp.take_along_axis(array, chosen.reshape(*chosen.shape, *[1] * (array.ndim - 2)), 1)
