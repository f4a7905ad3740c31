"""One turn of modified Gram-Schmidt, which vectorises over chains; LAPACK takes them one by one.

Its triangular factor is as accurate as Householder's, and so are least squares if the right-hand
side goes through it as a column of its own.

References:
  Björck, Solving Linear Least Squares Problems by Gram-Schmidt Orthogonalization, 1967.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.metrics.linalg import matmul


class Turn(NamedTuple):
    """The result of taking one column off the later ones."""

    counts: jax.Array  # bool [], whether the column is more than rounding
    length: jax.Array  # [], 0 if it does not count
    unit: jax.Array  # [N], its direction; 0 likewise
    later: jax.Array  # [D], the component of each later column along it; 0 for the others
    left: jax.Array  # [N, D], the columns without it

    def put(self, upper: jax.Array, j) -> jax.Array:
        """The triangular factor [., D] with row `j`."""
        is_own = jnp.arange(upper.shape[1]) == j
        return upper.at[j].set(jnp.where(is_own, self.length, self.later))


def take_off(columns: jax.Array, j, least: jax.Array, may_count=True) -> Turn:
    """Take column `j` off the later `columns` [N, D] if it may count and is longer than `least`."""
    is_later = jnp.arange(columns.shape[1]) > j
    here = columns[:, j]
    length = jnp.sqrt(jnp.square(here).sum())
    counts = (length > least) & may_count
    length = jnp.where(counts, length, 0)
    unit = here / jnp.where(counts, length, 1) * counts
    later = jnp.where(is_later, matmul(unit, columns), 0)
    return Turn(counts, length, unit, later, columns - unit[:, None] * later[None])
