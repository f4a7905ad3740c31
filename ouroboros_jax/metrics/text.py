"""How varied generated text is: exact, pure functions of one chain's tokens.

Serves definitions 4 and 7 of collapse in Schaeffer et al. (arXiv 2503.03150): loss of diversity,
and of the real tail first.
"""

import jax
import jax.numpy as jnp

MOST_GRAMS = 4  # n of the longest n-grams


def counts_of(tokens: jax.Array, vocab: int) -> jax.Array:
    """How often each of V tokens occurs in `tokens` of any shape, int32 [V]."""
    return jnp.zeros(vocab, jnp.int32).at[tokens.reshape(-1)].add(1)


def gram_ids(tokens: jax.Array, n: int) -> jax.Array:
    """A number for each n-gram of the rows of `tokens` [S, T], int32 [S, T - n + 1].

    Equal n-grams have equal numbers, and different ones different numbers: these are ranks of pairs
    of an (n - 1)-gram's number and a token, without hashing.
    """
    ids = tokens.astype(jnp.int32)
    for i in range(1, n):
        ids = _ranks(ids[:, :-1], tokens[:, i:].astype(jnp.int32))
    return ids


def _ranks(first: jax.Array, second: jax.Array) -> jax.Array:
    """Dense ranks of the pairs of two integer arrays of one shape."""
    place = jnp.arange(first.size)
    a, b, place = jax.lax.sort((first.reshape(-1), second.reshape(-1), place), num_keys=2)
    is_new = jnp.concatenate([jnp.zeros(1, bool), (a[1:] != a[:-1]) | (b[1:] != b[:-1])])
    ranks = jnp.zeros(first.size, jnp.int32).at[place].set(jnp.cumsum(is_new, dtype=jnp.int32))
    return ranks.reshape(first.shape)


def distinct(tokens: jax.Array, n: int) -> jax.Array:
    """Different n-grams as a share of all n-grams in the rows of `tokens` [S, T]; for n = 1, the
    type-token ratio.

    References:
      Li et al., A Diversity-Promoting Objective Function, 2016 (arXiv 1510.03055).
    """
    ids = jnp.sort(gram_ids(tokens, n).reshape(-1))
    return (1 + (ids[1:] != ids[:-1]).sum()) / ids.size


def entropy_of(counts: jax.Array) -> jax.Array:
    """Entropy of the frequencies counts / sum [V], in nats."""
    p = counts / jnp.maximum(counts.sum(), 1)
    return -jnp.where(p > 0, p * jnp.log(jnp.where(p > 0, p, 1)), 0).sum()


def zipf_exponent(counts: jax.Array) -> jax.Array:
    """a of frequencies ~ rank^-a: least squares of log count on log rank, over types that occur.

    Rank r weighs 1 / r, so that every decade of ranks counts alike. NaN with fewer than two types.
    """
    ordered = jnp.sort(counts)[::-1].astype(jnp.float32)
    rank = jnp.arange(1, len(ordered) + 1, dtype=jnp.float32)
    weight = jnp.where(ordered > 0, 1 / rank, 0)
    weight = weight / weight.sum()
    x, y = jnp.log(rank), jnp.log(jnp.maximum(ordered, 1))
    x = x - (weight * x).sum()
    variance = (weight * x * x).sum()
    return -(weight * x * y).sum() / jnp.where(variance > 1e-12, variance, jnp.nan)


def repetition(tokens: jax.Array, n: int = MOST_GRAMS) -> jax.Array:
    """Share of a row's n-grams that occurred earlier in it, averaged over rows of `tokens` [S, T].

    References:
      Welleck et al., Neural Text Generation with Unlikelihood Training, 2019 (arXiv 1908.04319):
      seq-rep-n.
    """
    ids = gram_ids(tokens, n)
    place = jnp.arange(ids.shape[1])
    earlier = (place[:, None] > place[None])[None]
    return ((ids[:, :, None] == ids[:, None, :]) & earlier).any(-1).mean()


def self_bleu(tokens: jax.Array) -> jax.Array:
    """BLEU-4 of each row of `tokens` [S, T] with all others as references, averaged over rows.

    1 if all rows are the same. All rows are of one length, so there is no brevity penalty; a row
    that shares no 4-gram scores 0.

    References:
      Zhu et al., Texygen, 2018 (arXiv 1802.01886); Papineni et al., BLEU, 2002.
    """
    log_precision = sum(jnp.log(_precision(gram_ids(tokens, n))) for n in range(1, MOST_GRAMS + 1))
    return jnp.exp(log_precision / MOST_GRAMS).mean()


def _precision(ids: jax.Array) -> jax.Array:
    """Clipped precision of each row's n-grams [S, P] among the others', [S]."""
    num = ids.shape[0]

    def one(i):
        counts = (ids[i][None, :, None] == ids[:, None, :]).sum(-1)  # [S, P], in every row
        others = jnp.where((jnp.arange(num) == i)[:, None], 0, counts).max(0)
        return (jnp.minimum(counts[i], others) / counts[i]).mean()

    return jax.lax.map(one, jnp.arange(num))


def longest_copies(tokens: jax.Array, corpus: jax.Array) -> jax.Array:
    """Length of the longest span of each row of `tokens` [S, T] that is in `corpus` [M, B], int32.

    A span lies within one block of the corpus.
    """
    corpus = corpus.astype(jnp.int32)

    def one(row):
        def extend(carry, token):
            run, longest = carry
            before = jnp.pad(run[:, :-1], ((0, 0), (1, 0)))
            run = jnp.where(corpus == token, before + 1, 0)
            return (run, jnp.maximum(longest, run.max())), None

        start = jnp.zeros(corpus.shape, jnp.int32), jnp.int32(0)
        return jax.lax.scan(extend, start, row.astype(jnp.int32))[0][1]

    return jax.lax.map(one, tokens)


def shared_types(counts: jax.Array, real: jax.Array) -> jax.Array:
    """Types that occur in both generated and real text, as a share of those in an equal amount of
    real text."""
    return ((counts > 0) & (real > 0)).sum() / jnp.maximum((real > 0).sum(), 1)


def top_masses(logits: jax.Array, tops: tuple[int, ...]) -> jax.Array:
    """Mean probability of tokens by rank: up to the first of `tops`, between one and the next, and
    beyond the last, [tops + 1].

    `logits` are [B, V]. The parts add up to 1.
    """
    p = -jnp.sort(-jax.nn.softmax(logits), -1)
    total = jnp.cumsum(p, -1)
    vocab = logits.shape[-1]
    within = jnp.stack([total[:, min(top, vocab) - 1].mean() for top in tops])
    within = jnp.concatenate([within, jnp.ones(1, within.dtype)])
    return jnp.diff(within, prepend=0)


def effective_vocabulary(logits: jax.Array) -> jax.Array:
    """exp of the entropy of the next token, averaged over rows of `logits` [B, V]."""
    log_p = jax.nn.log_softmax(logits)
    return jnp.exp(-(jnp.exp(log_p) * log_p).sum(-1)).mean()
