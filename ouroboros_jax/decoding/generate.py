"""Prompts to continuations: one batch, or all rows of a data set."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.chunks import in_chunks
from ouroboros_jax.decoding.beams import beam_search
from ouroboros_jax.decoding.plan import METHODS, Generated, Knobs, Plan
from ouroboros_jax.decoding.sampling import sample_tokens
from ouroboros_jax.draws.numbers import unit_uniforms
from ouroboros_jax.errors import UserError
from ouroboros_jax.models.decoder import Decoder


def generate(
    model: Decoder,
    params: Any,
    prompts: jax.Array,
    plan: Plan,
    *,
    key: jax.Array | None = None,
    mask: jax.Array | None = None,
    knobs: Knobs = Knobs(),  # noqa: B008, never changed
) -> Generated:
    """Continuations of one batch of prompts, all its rows at once.

    Args:
      model: the decoder.
      params: its parameters.
      prompts: int [B, P], padded on the left.
      plan: how to decode.
      key: for the draws, needed if `plan.method` is "sample".
      mask: bool [B, P], False at padding; None if there is none.
      knobs: settings that may be traced.

    Returns:
      Tokens int32 [B, N], `plan.fill` after the end, and scores [B].

    Raises:
      UserError: if prompts are empty, or with their continuations longer than the model's
        positions, for draws without a key, and for tokens and settings out of range; traced values
        are not checked.
    """
    if prompts.ndim != 2 or not prompts.shape[1]:
        raise UserError(
            f"prompts have shape {list(prompts.shape)}, expected [B, P] of at least one token each"
        )
    plan = plan._replace(eos=plan.ends)  # a list could be no static argument
    check_plan(model, prompts.shape[1], plan)
    if plan.method == "sample" and key is None:
        raise UserError("method='sample' draws, expected a key")
    _check_values(model, prompts, mask, knobs)
    return _generate(model, params, prompts, plan, key, mask, knobs)


@partial(jax.jit, static_argnames=("model", "plan"))
def _generate(model, params, prompts, plan, key, mask, knobs) -> Generated:
    uniforms = None
    if plan.method == "sample":
        uniforms = unit_uniforms(key, (prompts.shape[0], plan.max_new_tokens, 2))
    return _one_batch(model, params, prompts, mask, uniforms, knobs, plan)


@partial(jax.jit, static_argnames=("model", "plan", "batch_size"))
def continue_rows(
    key: jax.Array,
    model: Decoder,
    params: Any,
    prompts: jax.Array,
    knobs: Knobs,
    plan: Plan,
    batch_size: int,
    places: jax.Array | None = None,
) -> jax.Array:
    """Continuations int32 [M, N] of all prompts [M, P], batch by batch; or, if `places` int32 [R]
    are given, only of those prompts, [R, N].

    A row's draws depend on the key and its place alone, not on the batches.
    """
    check_plan(model, prompts.shape[1], plan)
    uniforms = None
    if plan.method == "sample":
        uniforms = unit_uniforms(key, (prompts.shape[0], plan.max_new_tokens, 2))
    rows = prompts, uniforms
    if places is not None:
        rows = jax.tree.map(lambda a: a[places], rows)

    def one(_, batch):
        tokens, draws = batch
        return _one_batch(model, params, tokens, None, draws, knobs, plan).tokens

    return in_chunks(one, rows, batch_size)


def check_plan(model: Decoder, prompt_length: int, plan: Plan) -> None:
    """Refuse a plan that the model cannot carry out.

    Raises:
      UserError: in one sentence.
    """
    if plan.method not in METHODS:
        raise UserError(f"method is {plan.method!r}, expected one of {', '.join(METHODS)}")
    for name in ("max_new_tokens", "num_beams"):
        if getattr(plan, name) < 1:
            raise UserError(f"{name} is {getattr(plan, name)}, expected at least 1")
    if not 0 <= plan.min_new_tokens <= plan.max_new_tokens:
        raise UserError(
            f"min_new_tokens is {plan.min_new_tokens}, expected 0 to the {plan.max_new_tokens} of "
            "max_new_tokens"
        )
    vocab_size = model.config.vocab_size
    for name, tokens in (("eos", plan.ends), ("pad", (plan.fill,))):
        for token in tokens:
            if not 0 <= token < vocab_size:
                raise UserError(f"{name} is {token}, expected one of the {vocab_size} tokens")
    if plan.method == "beam" and len(plan.ends) >= vocab_size:
        raise UserError(
            f"eos has {len(plan.ends)} tokens, expected at most {vocab_size - 1} for beams, which "
            "go on with another"
        )
    length = prompt_length + plan.max_new_tokens
    if length > model.config.num_positions:
        raise UserError(
            f"prompts of {prompt_length} tokens and {plan.max_new_tokens} new ones are more than "
            f"the {model.config.num_positions} positions of the model"
        )


def _check_values(model: Decoder, prompts: jax.Array, mask: jax.Array | None, knobs: Knobs) -> None:
    """Refuse tokens, masks and settings that are out of range; traced values are not checked."""

    def is_known(value) -> bool:
        return not isinstance(value, jax.core.Tracer)

    for name, expected, is_right in (
        ("temperature", "a number above 0", lambda value: value > 0),
        ("top_k", "0 or more", lambda value: value >= 0),
        ("top_p", "a share from 0 to 1", lambda value: (value >= 0) & (value <= 1)),
        ("repetition_penalty", "a number above 0", lambda value: value > 0),
    ):
        value = getattr(knobs, name)
        if is_known(value) and not np.all(is_right(np.asarray(value))):
            raise UserError(f"{name} is {value}, expected {expected}")
    if mask is not None and is_known(mask) and not np.asarray(mask)[:, -1].all():
        row = np.flatnonzero(~np.asarray(mask, bool)[:, -1])[0]
        raise UserError(
            f"mask leaves out the last token of prompt {row}: expected padding on the left, and "
            "the last token there"
        )
    if is_known(prompts) and prompts.size:
        tokens, vocab_size = np.asarray(prompts), model.config.vocab_size
        least, most = tokens.min(), tokens.max()
        if least < 0 or most >= vocab_size:
            raise UserError(
                f"prompts hold tokens from {least} to {most}, expected those of the vocabulary, 0 "
                f"to {vocab_size - 1}"
            )


def _one_batch(model, params, prompts, mask, uniforms, knobs, plan) -> Generated:
    knobs = Knobs(*(jnp.asarray(knob, jnp.float32) for knob in knobs))
    if plan.method == "beam":
        return beam_search(model, params, prompts, mask, knobs, plan)
    return sample_tokens(model, params, prompts, mask, uniforms, knobs, plan)
