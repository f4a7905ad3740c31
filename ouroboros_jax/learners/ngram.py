"""The n-gram chain: counts of n-grams of tokens, sampled as they are.

Serves Suresh et al. (arXiv 2412.17646). Order 1 under `replace` is exactly a Wright-Fisher chain of
every token's count, so the surviving vocabulary has an exact law; at higher orders every context is
such a chain, with its own random number of draws.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Context, Learner, Metrics, Pool, closed_form
from ouroboros_jax.data.text import Text
from ouroboros_jax.decoding.choice import draw
from ouroboros_jax.draws.numbers import unit_uniforms
from ouroboros_jax.errors import UserError
from ouroboros_jax.metrics import text as measures
from ouroboros_jax.metrics.asked import chosen_metrics, picked
from ouroboros_jax.metrics.names.text import OF_COUNTS

MOST_COUNTS = 2**25  # numbers in the largest table


class NGrams(NamedTuple):
    """Weighted counts of n-grams of every length up to the order.

    `tables[k]`, [V^k, V], counts each token after each k-token context; the row is the context read
    as a base-V number, first token most significant.
    """

    tables: tuple[jax.Array, ...]


class Shape(NamedTuple):
    """The sizes of counts and blocks."""

    order: int
    vocab: int  # V
    length: int  # tokens of a block
    dtype: np.dtype  # of tokens


def init(key, settings, data, *, shape: Shape) -> NGrams:
    """Empty counts."""
    del key, settings, data
    rows = (shape.vocab**k for k in range(shape.order))
    return NGrams(tuple(jnp.zeros((num, shape.vocab), jnp.float32) for num in rows))


def fit(key, settings, params: NGrams, pool: Pool, *, shape: Shape) -> NGrams:
    """The counts of a pool's blocks."""
    del key, settings, params
    vocab = shape.vocab
    tokens, weights = pool.data.astype(jnp.int32), pool.weights.astype(jnp.float32)
    tables = []
    for k in range(shape.order):
        context, token = _windows(tokens, k, vocab)
        each = jnp.broadcast_to(weights[:, None], token.shape)
        tables.append(jnp.zeros((vocab**k, vocab), jnp.float32).at[context, token].add(each))
    return NGrams(tuple(tables))


def sample(key, settings, params: NGrams, source, num: int, *, shape: Shape) -> jax.Array:
    """`num` blocks [num, T]."""
    del source
    order, vocab, length, dtype = shape
    uniforms = unit_uniforms(key, (num, length, 2), jnp.float32)
    temperature = settings.sampler["temperature"].astype(jnp.float32)

    def step(contexts, t):
        """`contexts` [order, B] are table rows: for no token, for the last one, ..."""

        def look(k):
            counts = params.tables[k][contexts[k]]
            return counts, counts.sum(-1, keepdims=True)

        token = draw(uniforms[:, t], _backed_off(look, t, settings, shape) / temperature)
        rows = [jnp.zeros_like(token)]
        rows += [(contexts[k - 1] * vocab + token) % vocab**k for k in range(1, order)]
        return jnp.stack(rows), token

    start = jnp.zeros((order, num), jnp.int32)
    _, tokens = jax.lax.scan(step, start, jnp.arange(length))
    return tokens.T.astype(dtype)


def losses(settings, params: NGrams, blocks: jax.Array, shape: Shape) -> jax.Array:
    """-log p of every token of blocks [N, T], [N, T]."""
    blocks = blocks.astype(jnp.int32)

    def look(k):
        context, token = _windows(blocks, k, shape.vocab)
        context, token = (jnp.pad(a, ((0, 0), (k, 0))) for a in (context, token))
        return params.tables[k][context, token], params.tables[k].sum(-1)[context]

    depth = jnp.arange(blocks.shape[1])[None]
    return -_backed_off(look, depth, settings, shape)


def measure(
    settings, params: NGrams, context: Context, *, shape: Shape, wanted: Sequence[str]
) -> Metrics:
    """Metrics of one generation."""
    counts = params.tables[0][0]
    surviving = (counts > 0).sum(dtype=jnp.int32)
    first = (context.reference.tables[0][0] > 0).sum()
    found = {
        "surviving": surviving,
        "surviving_share": surviving / first,
        "token_entropy": measures.entropy_of(counts),
        "zipf_exponent": measures.zipf_exponent(counts),
        "num_contexts": (params.tables[-1].sum(-1) > 0).sum(dtype=jnp.int32),
    }
    if context.test is not None:
        each = losses(settings, params, context.test, shape)
        loss = each.mean()
        found |= {"test_loss": loss, "test_perplexity": jnp.exp(loss)}
        found["relative_loss"] = loss / math.log(counts.shape[-1])
        found["test_log_likelihood"] = -each.sum(-1).mean()
    return picked(found, wanted)


def _context(tokens: jax.Array, k: int, vocab: int) -> jax.Array:
    """Rows [N, T - k + 1] of the k tokens from each place on, as digits of base V."""
    places = tokens.shape[1] - k + 1
    row = jnp.zeros((tokens.shape[0], places), jnp.int32)
    for i in range(k):
        row = row * vocab + tokens[:, i : i + places]
    return row


def _windows(tokens: jax.Array, k: int, vocab: int) -> tuple[jax.Array, jax.Array]:
    """Contexts of k tokens and the token after each, [N, T - k]."""
    return _context(tokens, k, vocab)[:, :-1], tokens[:, k:]


def _backed_off(look, depth, settings, shape: Shape) -> jax.Array:
    """Log-probabilities from the longest context, of at most `depth` tokens, that was seen.

    `look(k)` gives the counts of tokens after contexts of the last k, and of those contexts.
    """
    alpha = settings.learner["smoothing"].astype(jnp.float32)

    def log_probability(counts, total):
        total = total + alpha * shape.vocab
        is_seen = total > 0
        share = jnp.log(jnp.where(is_seen, counts + alpha, 1))
        return share - jnp.log(jnp.where(is_seen, total, shape.vocab)), is_seen

    found, _ = log_probability(*look(0))
    for k in range(1, shape.order):
        longer, is_seen = log_probability(*look(k))
        found = jnp.where(is_seen & (depth >= k), longer, found)
    return found


def ngram(text: Text, *, order: int = 1, metrics=None) -> Learner:
    """Counts of n-grams. A block's token follows the longest context that was seen.

    Args:
      text: the source of the tokens.
      order: n; a token is drawn given the n - 1 before it, at the start of a block given fewer.
      metrics: names of the metrics to compute; None for all.

    The traced setting `learner.smoothing` is added to every count after every context, seen or not;
    without it, a token that never followed a context has probability 0.
    """
    tokenizer, length = text.tokenizer, text.validation.shape[1]
    num_counts = tokenizer.size**order
    if num_counts > MOST_COUNTS:
        raise UserError(
            f"learner.order={order} with a vocabulary of {tokenizer.size} has {num_counts:,} "
            f"counts, more than {MOST_COUNTS:,}: lower data.vocab_size, or set data.tokenizer to "
            "'bytes'"
        )
    wanted = chosen_metrics(metrics, OF_COUNTS)
    shape = Shape(order, tokenizer.size, length, tokenizer.dtype)
    return closed_form(
        partial(init, shape=shape),
        partial(fit, shape=shape),
        partial(sample, shape=shape),
        partial(measure, shape=shape, wanted=wanted),
        block=64,
    )
