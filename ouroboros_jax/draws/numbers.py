"""Exact random draws that JAX lacks or makes slowly; for one chain, cheap under `vmap`."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Key
from ouroboros_jax.draws.threefry import bits, fold_in, split, words


def unit_uniforms(key: Key, shape: tuple[int, ...], dtype=None) -> jax.Array:
    """Numbers uniform on [0, 1), those of `jax.random.uniform`, by default of the run's floats."""
    dtype = jnp.dtype(jnp.result_type(float) if dtype is None else dtype)
    width, digits = 8 * dtype.itemsize, jnp.finfo(dtype).nmant
    drawn = bits(key, math.prod(shape), width) >> (width - digits)
    one = jax.lax.bitcast_convert_type(jnp.ones((), dtype), drawn.dtype)
    return (jax.lax.bitcast_convert_type(drawn | one, dtype) - 1).reshape(shape)


def symmetric_uniforms(key: Key, shape: tuple[int, ...], dtype) -> jax.Array:
    """Numbers uniform on (-1, 1) and symmetric: the midpoints of 2^23 cells, or 2^52."""
    size, dtype = math.prod(shape), jnp.dtype(dtype)
    if dtype == jnp.float32:
        cells = words(key, size) >> 9
        half = 2.0**-23
    else:
        pairs = words(key, 2 * size).reshape(size, 2).astype(jnp.uint64)
        cells = (pairs[:, 0] << 20) | (pairs[:, 1] >> 12)
        half = 2.0**-52
    return (cells.astype(dtype) * (2 * half) + (half - 1)).reshape(shape)


def normals(key: Key, shape: tuple[int, ...], dtype=None) -> jax.Array:
    """Standard normal numbers, those of `jax.random.normal`, by default of the run's floats.

    Drawn as one flat row: for tables with short rows XLA's CPU compiler unrolls every loop, which
    adds half again to the compile time of a whole program.
    """
    dtype = jnp.dtype(jnp.result_type(float) if dtype is None else dtype)
    inside = np.nextafter(np.array(-1, dtype), np.array(0, dtype))
    uniform = unit_uniforms(key, (math.prod(shape),), dtype) * (1 - inside) + inside
    return normal_of(jnp.maximum(uniform, inside)).reshape(shape)


def normal_of(uniform: jax.Array) -> jax.Array:
    """Standard normal numbers from numbers uniform on (-1, 1)."""
    return math.sqrt(2) * jax.lax.erf_inv(uniform)


def normal_of_unit(uniform: jax.Array) -> jax.Array:
    """Standard normal numbers from numbers uniform on [0, 1)."""
    inside = float(np.nextafter(np.array(-1, uniform.dtype), np.array(0, uniform.dtype)))
    return normal_of(jnp.maximum(2 * uniform - 1, inside))


def upper_product(a: jax.Array, b: jax.Array) -> jax.Array:
    """The upper half of the 64-bit products of uint32; for random words `a`, numbers below `b`."""
    low_mask = jnp.uint32(0xFFFF)
    a_high, a_low = a >> 16, a & low_mask
    b_high, b_low = b >> 16, b & low_mask
    middle = (a_low * b_low >> 16) + (a_high * b_low & low_mask) + (a_low * b_high & low_mask)
    return a_high * b_high + (a_high * b_low >> 16) + (a_low * b_high >> 16) + (middle >> 16)


def places_below(drawn: jax.Array, end: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Places, int32 [N], uniform on 0, ..., end - 1, from random words, uint32 [N]; and a mask of
    those to reject, so that the others are exactly uniform. Almost none are rejected if `end` is
    far below 2^32.

    References:
      Lemire, Fast Random Integer Generation in an Interval, 2019.
    """
    end = end.astype(jnp.uint32)
    return upper_product(drawn, end).astype(jnp.int32), drawn * end < -end % jnp.maximum(end, 1)


def shuffled(key: Key, mask: jax.Array) -> jax.Array:
    """The places where `mask` [N] is True, in random order, then the others; int32 [N].

    Tied scores keep their order.
    """
    scores = unit_uniforms(key, mask.shape, jnp.float32)
    return jnp.argsort(jnp.where(mask, scores, 2.0)).astype(jnp.int32)


def without_replacement(
    key: Key, mask: jax.Array, num: jax.Array, slots: int, filled: jax.Array | None = None
) -> jax.Array:
    """A uniformly random sequence of distinct places at which `mask` is True.

    Places are drawn one after another, skipping those that are masked out or drawn before: exact,
    and a function of the key, the mask and `num` alone. Costs about `slots` draws plus clearing a
    table of N; up to log(slots) times as many draws if nearly all places are taken.

    Args:
      key: a key.
      mask: bool [N].
      num: int32, how many are wanted, at most `slots`; all if the mask has fewer.
      slots: static.
      filled: int32, the number of True places if these are known to be the first; saves a search.

    Returns:
      int32 [slots]; the first `num` are the chosen places, the rest is unspecified.
    """
    size, width = len(mask), slots + slots // 2 + 8
    order = jnp.arange(width, dtype=jnp.int32)
    if filled is None:
        end, total = jnp.where(mask, jnp.arange(1, size + 1), 0).max(), mask.sum()
        # Masked-out places count as drawn before all others.
        never = jnp.where(mask, jnp.int32(width), -1)
    else:
        end, total, never = filled, filled, jnp.full(size, width, jnp.int32)
    num = jnp.minimum(num, total)  # or the loop would never end

    def draw(carry):
        """Add new draws after the `count` places kept, and move the distinct ones to the front."""
        kept, count, drawn = carry
        keys = jax.vmap(fold_in, (None, 0))(key, drawn + order - count)
        new, is_dropped = places_below(jax.random.key_data(keys)[:, 0], end)
        places = jnp.where(order < count, kept, jnp.where(is_dropped, size, new))
        when = never.at[places].min(order, mode="drop")
        is_first = when.at[places].get(mode="fill", fill_value=-1) == order
        firsts = jax.lax.sort(jnp.where(is_first, order, width - 1), is_stable=False)
        return places[firsts], is_first.sum(dtype=jnp.int32), drawn + width - count

    start = jnp.zeros(width, jnp.int32), jnp.int32(0), jnp.int32(0)
    return jax.lax.while_loop(lambda carry: carry[1] < num, draw, start)[0][:slots]


def log_chi_square(key: Key, df: jax.Array) -> jax.Array:
    """Logarithm of independent chi-square variates with `df` degrees of freedom, of `df`'s shape.

    Args:
      key: a key.
      df: a float array, traced or not; the logarithm is -inf if `df` <= 0.
    """
    key_first, key_again = split(key)
    return log_chi_square_of(symmetric_uniforms(key_first, (3, *df.shape), df.dtype), key_again, df)


def log_chi_square_of(first: jax.Array, key: Key, df: jax.Array) -> jax.Array:
    """As `log_chi_square`, from `first` [3, ...], uniform on (-1, 1); `key` is for retries.

    Marsaglia and Tsang's rejection, all lanes at once: the loop ends when the last lane accepts
    (more than 95% do at the first attempt), which on a CPU beats `jax.random.loggamma`, whose
    lanes run one after another.

    References:
      Marsaglia and Tsang, A Simple Method for Generating Gamma Variables, 2000.
    """
    dtype, shape = df.dtype, df.shape
    alpha = jnp.maximum(df, 1e-3) / 2
    boosted = alpha < 1  # Gamma(a) = Gamma(a + 1) U^(1/a)
    d = jnp.where(boosted, alpha + 1, alpha) - 1 / 3
    c = 1 / (3 * jnp.sqrt(d))

    def settle(log_v, attempt):
        """Lanes not settled before (NaN) take this attempt if it is accepted."""
        x, log_u = normal_of(attempt[0]), _log_uniform(attempt[1])
        cube = 1 + c * x
        v = cube * cube * cube
        log_new = jnp.log(jnp.where(v > 0, v, 1))
        accepted = (v > 0) & (log_u < x * x / 2 + d * (1 - v + log_new))
        return jnp.where(jnp.isnan(log_v) & accepted, log_new, log_v)

    def again(carry):
        turn, log_v = carry
        attempt = symmetric_uniforms(fold_in(key, turn), (2, *shape), dtype)
        return turn + 1, settle(log_v, attempt)

    # The first attempt is outside the loop, with the caller's numbers: hashing keys costs most.
    log_v = settle(jnp.full(shape, jnp.nan, dtype), first[:2])
    _, log_v = jax.lax.while_loop(
        lambda carry: jnp.isnan(carry[1]).any(), again, (jnp.uint32(0), log_v)
    )
    log_gamma = jnp.log(d) + log_v
    log_gamma = jnp.where(boosted, log_gamma + _log_uniform(first[2]) / alpha, log_gamma)
    return jnp.where(df > 0, math.log(2) + log_gamma, -jnp.inf)


def _log_uniform(uniform: jax.Array) -> jax.Array:
    """ln U with U on (0, 1), from a number on (-1, 1)."""
    return jnp.log(uniform / 2 + 0.5)
