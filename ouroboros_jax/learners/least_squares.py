"""Least squares of any rank in plain arithmetic, cheap under `vmap`.

It uses modified Gram-Schmidt, see `metrics/gram_schmidt.py`; LAPACK would take chains one by one.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.metrics.gram_schmidt import take_off
from ouroboros_jax.metrics.linalg import matmul


class Factors(NamedTuple):
    """Columns [N, D + E] as units @ upper, and the residual of the last E columns."""

    units: jax.Array  # [N, D], orthonormal or 0
    upper: jax.Array  # [D, D + E]; row j is 0 if column j is explained by those before
    rest: jax.Array  # [N, E]


def orthogonalise(columns: jax.Array, num: int) -> Factors:
    """Modified Gram-Schmidt by the first `num` columns of `columns` [N, D + E].

    A column that those before it explain to within rounding becomes 0.
    """
    size, width = columns.shape
    least = float(jnp.finfo(columns.dtype).eps) * 4 * (size + num) ** 0.5
    lengths = jnp.sqrt(jnp.square(columns).sum(0))

    def take(j, carry):
        left, units, upper = carry
        turn = take_off(left, j, least * lengths[j])
        return turn.left, units.at[:, j].set(turn.unit), turn.put(upper, j)

    start = columns, jnp.zeros_like(columns[:, :num]), jnp.zeros((num, width), columns.dtype)
    left, units, upper = jax.lax.fori_loop(0, num, take, start)
    return Factors(units, upper, left[:, num:])


def shortest_solution(rows: jax.Array, response: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The shortest w among those with the smallest |rows w - response|^2, and that square.

    Args:
      rows: [N, D], of any rank.
      response: [N].

    Returns:
      w [D], and a scalar.
    """
    num = rows.shape[1]
    factors = orthogonalise(jnp.concatenate([rows, response[:, None]], 1), num)
    design, target = factors.upper[:, :num], factors.upper[:, num]
    # rows w = response is now design w = target: with design^T = P S, the shortest w is P u where
    # S^T u = target, which is triangular.
    transposed = orthogonalise(design.T, num)
    lower, units = transposed.upper.T, transposed.units

    def substitute(j, u):
        pivot = lower[j, j]
        value = (target[j] - (lower[j] * u).sum()) / jnp.where(pivot > 0, pivot, 1)
        return u.at[j].set(jnp.where(pivot > 0, value, 0))

    u = jax.lax.fori_loop(0, num, substitute, jnp.zeros(num, rows.dtype))
    return matmul(units, u), jnp.square(factors.rest).sum()
