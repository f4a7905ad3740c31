"""Metrics of a language model at every generation.

They cover its loss on held-out real text; what it writes after held-out prompts, and the perplexity
of that under generation 0; its next-token distribution.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Context
from ouroboros_jax.chunks import in_chunks
from ouroboros_jax.learners.lm_loss import mean_loss, token_losses
from ouroboros_jax.metrics import text
from ouroboros_jax.metrics.asked import picked
from ouroboros_jax.models.decoder import Decoder

TOPS = (10, 100, 1000)
NUM_COMPARED = 32  # texts that are compared with each other and with the training text
NUM_SHOWN = 4  # texts that are stored
GRAMS = (1, 2, 3, 4)


class Prepared(NamedTuple):
    """What all generations of a chain are measured with."""

    key: jax.Array  # for the draws, which generations share
    corpus: jax.Array  # int [M, T], real training text


class Scored(NamedTuple):
    """The static settings of measuring."""

    model: Decoder
    vocab: int
    batch_size: int
    bos: int | None  # for writing without prompts; None: after prompts
    num_scored: int  # texts that are written and scored; 0: none
    write: Callable[[jax.Array, Any, Any, jax.Array], jax.Array]  # (key, settings, params, prompts)


def prepare(key: jax.Array, settings, table: jax.Array, *, told: Scored) -> Prepared:
    """What a chain is measured with; `table` is the real training text."""
    del settings
    return Prepared(key, table if told.num_scored else jnp.zeros((0, table.shape[1]), jnp.int32))


def measure(
    settings, params, context: Context, *, told: Scored, wanted: Sequence[str]
) -> dict[str, jax.Array]:
    """Metrics of one generation; see `metrics/names/text.py`."""
    loss = mean_loss(told.model, params, context.test, told.bos, told.batch_size)
    found = {
        "test_loss": loss,
        "relative_loss": loss / math.log(told.vocab),
        "test_perplexity": jnp.exp(loss),
        "test_log_likelihood": -loss * _predicted(told, context.test),
    }
    found |= next_token(told, params, context.test)
    if told.num_scored:
        found |= of_writing(told, settings, params, context)
    return picked(found, wanted)


def _predicted(told, blocks) -> int:
    return blocks.shape[1] - (told.bos is None)


def next_token(told: Scored, params, blocks) -> dict[str, jax.Array]:
    """Metrics of the distribution of the token after a held-out prefix, half a block long."""
    prefixes = blocks[: told.num_scored or NUM_COMPARED, : max(1, blocks.shape[1] // 2)]
    if told.bos is not None:  # as in training
        prefixes = jnp.pad(prefixes, ((0, 0), (1, 0)), constant_values=told.bos)

    def last_logits(_, rows):
        positions = jnp.broadcast_to(jnp.arange(rows.shape[1]), rows.shape)
        out = told.model.apply(
            {"params": params}, rows.astype(jnp.int32), positions, last_only=True
        )
        return out.logits[:, 0]

    logits = in_chunks(last_logits, prefixes, told.batch_size)
    masses = text.top_masses(logits, TOPS)
    return {
        "top_mass": masses,
        "effective_vocabulary": text.effective_vocabulary(logits),
    }


def of_writing(told: Scored, settings, params, context) -> dict[str, jax.Array]:
    """Metrics of texts written after held-out prompts, with the same random numbers at every
    generation."""
    prepared: Prepared = context.prepared
    place = jnp.arange(told.num_scored) % context.test.shape[0]
    prompts = context.test[place].astype(jnp.int32)
    written = told.write(prepared.key, settings, params, prompts)
    counts, real = (text.counts_of(tokens, told.vocab) for tokens in (written, prompts))
    perplexity = jnp.exp(_loss_under(told, context.reference, prompts, written))
    few = written[:NUM_COMPARED]
    found = {f"distinct_{n}": text.distinct(written, n) for n in GRAMS}
    found |= {
        "vocabulary_survival": text.shared_types(counts, real),
        "zipf_exponent": text.zipf_exponent(counts),
        "token_entropy": text.entropy_of(counts),
        "repetition": text.repetition(written),
        "self_bleu": text.self_bleu(few),
        "longest_copy": text.longest_copies(few, prepared.corpus).astype(jnp.float32).mean(),
        "sequence_perplexity": perplexity,
        "sequence_perplexity_median": jnp.median(perplexity),
        "sequence_perplexity_tail": jnp.quantile(perplexity, 0.99) / jnp.median(perplexity),
    }
    if told.bos is None:  # else nothing was continued
        found["continuation"] = jnp.concatenate([prompts, written], 1)[:NUM_SHOWN]
    return found


def _loss_under(told: Scored, params, prompts, written) -> jax.Array:
    """Mean loss per written token, [S]; given the prompt if there is one."""
    num = written.shape[1]

    def one(_, rows):
        prompt, new = rows
        if told.bos is not None:
            return token_losses(told.model, params, new, told.bos).mean(-1)
        whole = jnp.concatenate([prompt, new], 1)
        return token_losses(told.model, params, whole)[:, -num:].mean(-1)

    return in_chunks(one, (prompts, written), told.batch_size)
