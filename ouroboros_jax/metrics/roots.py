"""Triangular roots of scatter matrices of any rank: of rows, and of a root and further rows.

A root of `rows` [m, D] is the lower triangular R [D, D] with R R^T = rows^T rows. Few columns go
through Gram-Schmidt, which is always accurate. With many columns a shortcut is tried first, which
is several times as fast and checks whether it is accurate.
"""

import jax
import jax.numpy as jnp

from ouroboros_jax.metrics.gram_schmidt import take_off
from ouroboros_jax.metrics.linalg import cholesky, divide_lower, matmul

MANY_COLUMNS = 8  # from here on LAPACK is faster, although it takes chains one by one
# Smallest share of its length that a column may keep once its predecessors are taken off; squaring
# then costs one decimal.
CLEAR = 0.3
MOST_TURNED = 100.0  # ratio of squares: the added rows may be this much larger than the root


def root_of_rows(rows: jax.Array, rank=None, size=None) -> jax.Array:
    """The root of `rows` [m, D].

    A column that the ones before it explain to within rounding, or that comes after `rank` others,
    has a zero on the diagonal. Rounding is that of numbers of `size` [D] (by default the columns'
    lengths), and grows with the columns taken off before.

    With many columns the Cholesky factor of their products is tried first. It loses at most a
    decimal if no column is nine tenths explained by those before it.
    """
    m, d = rows.shape
    if not m > d >= MANY_COLUMNS:
        return _gram_schmidt(rows, d, rank, size)
    lengths = _lengths(rows)
    unit = rows / jnp.where(lengths > 0, lengths, 1)[None]
    factor = cholesky(matmul(unit.T, unit))
    # Share of a column's length left once those before it are taken off.
    left = jnp.diagonal(factor)
    _, most = _noise(rows, size)
    is_clear = ((left > CLEAR) & (left * lengths > most)).all()
    if rank is not None:
        is_clear &= rank >= d
    return _unless(is_clear, lengths[:, None] * factor, rows, rank, size)


def root_with_rows(root: jax.Array, rows: jax.Array) -> jax.Array:
    """The root of the rows whose root is `root` [D, D], together with `rows` [m, D].

    With many columns a shortcut is tried first: with T root^T = rows, the result is root times the
    root of 1 + T^T T. Forming T^T T loses no precision, however little the points vary in some
    direction, even not at all. The shortcut is accurate if `rows` vary only in directions in which
    `root` does, and not by much more.
    """
    d = root.shape[0]
    all_rows = jnp.concatenate([root.T, rows])
    if d < MANY_COLUMNS:
        return _gram_schmidt(all_rows, d)
    varies = jnp.diagonal(root) != 0
    whole = root + jnp.diag(jnp.where(varies, 0, 1).astype(root.dtype))
    turned = divide_lower(rows, whole)  # T; in directions that `root` lacks, the residual
    own = jnp.where(varies[None], turned, 0)
    square = matmul(own.T, own)
    over = _lengths(turned - own) > _rounding(all_rows) * _lengths(all_rows)
    is_sound = (jnp.diagonal(square) < MOST_TURNED).all() & ~over.any()
    found = matmul(root, cholesky(jnp.eye(d, dtype=root.dtype) + square))
    return _unless(is_sound, found, all_rows)


@jax.custom_batching.custom_vmap
def is_any(there: jax.Array) -> jax.Array:
    """bool []: whether a chain's bool [] is True in any chain of the block.

    A loop whose number of turns depends on it alone has one length for the block; otherwise `vmap`
    would select between old and new for every chain at every turn. No result of a chain may depend
    on it.
    """
    return there


@is_any.def_vmap
def _(axis_size, in_batched, there):
    del axis_size
    return is_any(there.any() if in_batched[0] else there), False


def _unless(is_good: jax.Array, root: jax.Array, rows: jax.Array, rank=None, size=None):
    """`root` if it is good, else that of Gram-Schmidt, which a block of good chains skips."""
    # No `cond`: under `vmap` it runs both branches.
    turns = jnp.where(is_any(~is_good), rows.shape[1], 0)
    return jnp.where(is_good, root, _gram_schmidt(rows, turns, rank, size))


def _gram_schmidt(rows: jax.Array, turns, rank=None, size=None) -> jax.Array:
    """The first `turns` columns of the root of `rows`, by modified Gram-Schmidt."""
    d = rows.shape[1]
    if d == 1:
        return _lengths(rows)[:, None]
    rank = d if rank is None else rank
    noise, most = _noise(rows, size)

    def column(j, carry):
        rows, upper, noise, found = carry
        turn = take_off(rows, j, noise[j], found < rank)
        safe = jnp.where(turn.counts, turn.length, 1)
        noise = jnp.minimum(noise + turn.counts * jnp.abs(turn.later) / safe * noise[j], most)
        return turn.left, turn.put(upper, j), noise, found + turn.counts

    start = (rows, jnp.zeros((d, d), rows.dtype), noise, jnp.int32(0))
    return jax.lax.fori_loop(0, turns, column, start)[1].T


def _lengths(rows: jax.Array) -> jax.Array:
    """Lengths [D] of the columns."""
    return jnp.sqrt(jnp.square(rows).sum(0))


def _rounding(rows: jax.Array) -> float:
    """What rounding may do to a number of size 1 in sums over rows and columns."""
    return float(jnp.finfo(rows.dtype).eps) * 4 * sum(rows.shape) ** 0.5


def _noise(rows: jax.Array, size) -> tuple[jax.Array, jax.Array]:
    """Lengths [D] below which a column is rounding error, and the most that it may grow to."""
    lengths = _lengths(rows)
    noise = _rounding(rows) * (lengths if size is None else lengths + size)
    # A bound that compounds must not swallow the variance.
    return noise, jnp.maximum(noise, 1e-4 * lengths)
