"""Exact random counts for one chain, cheap under `vmap`: symbols, multinomial and Poisson draws.

Probabilities are compared as whole numbers of 31 bits, so that a rare symbol keeps its probability
to 2^-31 wherever it stands in the list; sums of float32 would lose it. Numbers of draws may be
traced. On a CPU these beat `jax.random.multinomial` and `jax.random.poisson` by an order of
magnitude, and NumPy's own samplers.
"""

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Key
from ouroboros_jax.draws.numbers import upper_product
from ouroboros_jax.draws.threefry import bits, fold_in, words

CHUNK = 512  # symbols drawn at a time if their number is traced
COARSE = 32  # parts of a list of symbols that are told apart by plain comparison
FEW = 12  # up to this many draws a symbol, they are made one by one
SPARE = 8.0  # standard deviations by which a Poisson total stays below `num`, see `multinomial`
SMALL_RATE = 10.0  # below it a Poisson count is found by inversion, above by rejection
MOST_SMALL = 60  # more than any such count, with probability 1 - 1e-26


def _edges(probabilities: jax.Array) -> jax.Array:
    """Cumulative probabilities `[V]` as whole numbers, the last near 2^31."""
    share = probabilities / probabilities.sum()
    return jax.lax.associative_scan(jnp.add, (share * 2.0**31).astype(jnp.uint32))


def _find(edges: jax.Array, u: jax.Array) -> jax.Array:
    """How many edges are at most `u`, int32 of the shape of `u`.

    By comparison with a few edges, which a CPU makes eight at a time, then by bisection.
    """
    size = 1 << (edges.shape[0] - 1).bit_length()
    full = jnp.full(size - edges.shape[0], 0xFFFFFFFF, jnp.uint32)
    edges = jnp.concatenate([edges, full])
    width = max(size // COARSE, 1)
    part = jnp.zeros(u.shape, jnp.int32)
    for last in range(width - 1, size - 1, width):
        part += (edges[last] <= u).astype(jnp.int32)

    def halve(_, carry):
        place, step = carry
        beyond = edges.at[place + step - 1].get(mode="promise_in_bounds") <= u
        return place + jnp.where(beyond, step, 0), step // 2

    start = part * width, jnp.int32(width // 2)
    return jax.lax.fori_loop(0, width.bit_length() - 1, halve, start)[0]


def symbols(key: Key, probabilities: jax.Array, num: int) -> jax.Array:
    """`num` independent symbols of these probabilities `[V]`, int32 `[num]`; `num` is static."""
    edges = _edges(probabilities)
    return _find(edges, upper_product(words(key, num), edges[-1]))


def tally(points: jax.Array, weights: jax.Array, num_symbols: int) -> jax.Array:
    """Total weight of each symbol among `points` `[N]`, `[V]` of the type of `weights`."""
    zeros = jnp.zeros(num_symbols, weights.dtype)
    return zeros.at[points].add(weights, mode="promise_in_bounds")


def _one_by_one(key: Key, probabilities: jax.Array, num: jax.Array) -> jax.Array:
    """Counts `[V]` of `num` symbols, drawn `CHUNK` at a time."""
    edges = _edges(probabilities)
    slots = jnp.arange(CHUNK)

    def chunk(i, counts):
        bits = words(fold_in(key, i), CHUNK)
        drawn = (i * CHUNK + slots < num).astype(jnp.int32)
        return counts + tally(_find(edges, upper_product(bits, edges[-1])), drawn, edges.shape[0])

    zeros = jnp.zeros(probabilities.shape, jnp.int32)
    return jax.lax.fori_loop(0, -(-num // CHUNK), chunk, zeros)


def multinomial(key: Key, probabilities: jax.Array, num: jax.Array) -> jax.Array:
    """Counts `[V]` of `num` independent symbols, int32; `num` may be traced, and 0.

    If there are many draws a symbol, most are made as independent Poisson counts of a total
    somewhat below `num`: given their sum M they are multinomial. Conditioning on M <= `num`
    preserves that (it fails once in 10^14 and is then redrawn); the remaining `num` - M symbols are
    drawn one by one.
    """
    num = jnp.asarray(num, jnp.int32)
    share = probabilities / probabilities.sum()
    many = num > FEW * probabilities.shape[0]
    size = num.astype(share.dtype)
    total = jnp.where(many, jnp.maximum(size - SPARE * jnp.sqrt(size), 0), 0)

    def draw(carry):
        # The barrier keeps XLA from hoisting this turn's work out of a loop that may take no turn.
        turn, rate = jax.lax.optimization_barrier((carry[0], total * share))
        return turn - 1, poisson(fold_in(key, turn), rate)

    def is_wrong(carry):
        turn, counts = carry
        return many & ((turn == -1) | (counts.sum() > num))

    zeros = jnp.zeros(probabilities.shape, jnp.int32)
    # A loop and no `cond`: under `vmap` it takes no turn if no chain has many draws. Its keys count
    # down from -1, those of the chunks up from 0.
    _, counts = jax.lax.while_loop(is_wrong, draw, (jnp.int32(-1), zeros))
    return counts + _one_by_one(key, probabilities, num - counts.sum())


def poisson(key: Key, rate: jax.Array) -> jax.Array:
    """Independent Poisson counts, int32 of the shape of `rate`, which is 0 or more.

    Small rates by inversion, large ones by rejection.

    References:
      Hörmann, The Transformed Rejection Method for Generating Poisson Random Variables, 1993.
    """
    is_small = rate < SMALL_RATE

    def step(carry):
        turn, count = carry
        # Pairs, so that the first counts do not depend on how many are drawn.
        drawn = bits(fold_in(key, turn), 2 * rate.size).reshape(*rate.shape, 2)
        u = (drawn.astype(rate.dtype) + 0.5) * 2.0**-32
        small = _inverted(u[..., 0], jnp.where(is_small, rate, 0), turn)
        tried = jnp.where(is_small, small, _attempt(u, rate))
        return turn + 1, jnp.where(count < 0, tried, count)

    # One array holds both what was drawn and what is still open: XLA would compute a separate flag
    # a second time, possibly with other rounding.
    start = jnp.int32(0), jnp.full(rate.shape, -1, jnp.int32)
    return jax.lax.while_loop(lambda carry: (carry[1] < 0).any(), step, start)[1]


def _inverted(u: jax.Array, rate: jax.Array, turn: jax.Array) -> jax.Array:
    """Counts of small rates: how many k >= 1 have Pr(X >= k) above `u`; only at turn 0.

    Works on the upper tail, where small probabilities keep 32 bits.
    """

    def is_open(carry):
        k, tail, _, _ = carry
        return (turn == 0) & (k < MOST_SMALL) & (u < tail).any()

    def step(carry):
        k, tail, mass, count = carry
        mass = mass * rate / k
        return k + 1, tail - mass, mass, count + (u < tail)

    one = jnp.ones((), rate.dtype)
    start = one, -jnp.expm1(-rate), jnp.exp(-rate), jnp.zeros(rate.shape, jnp.int32)
    return jax.lax.while_loop(is_open, step, start)[3]


def _attempt(u: jax.Array, rate: jax.Array) -> jax.Array:
    """Counts for rates of 10 and more, from pairs of uniform numbers; -1 where rejected.

    The mass is evaluated as a distance from the mode, lambda ((1 + x) ln(1 + x) - x) with x = k /
    lambda - 1, whose terms stay small enough for float32, and ln k! by Stirling's series.
    """
    rate = jnp.maximum(rate, SMALL_RATE)
    b = 0.931 + 2.53 * jnp.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    place = u[..., 0] - 0.5
    room = jnp.maximum(0.5 - jnp.abs(place), jnp.finfo(rate.dtype).eps / 4)
    k = jnp.floor((2 * a / room + b) * place + rate + 0.43)
    whole = jnp.maximum(k, 1)
    x = (whole - rate) / rate
    distance = rate * ((1 + x) * jnp.log1p(x) - x)
    rest = (1 / 12 - (1 / 360 - 1 / (1260 * whole * whole)) / (whole * whole)) / whole
    log_mass = jnp.where(k == 0, -rate, -distance - rest - 0.5 * jnp.log(2 * jnp.pi * whole))
    accepted = jnp.log(u[..., 1] * inverse_alpha / (a / (room * room) + b)) <= log_mass
    return jnp.where(accepted & (k >= 0), k, -1).astype(jnp.int32)
