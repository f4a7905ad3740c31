"""Decompositions of many small matrices; Cholesky factors are safe when singular.

Matrices of up to `UNROLLED` rows are factored by plain arithmetic, which fuses with its
neighbours; a LAPACK call on a 2 x 2 costs more than a pass over a thousand points. Triangular
factors are inverted while small and only then multiplied onto data: twice as fast as a triangular
solve over the points.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

UNROLLED = 4  # rows
matmul = partial(jnp.matmul, precision="highest")  # accelerators round to 10 bits by default


def one_by_one(function: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    """`function` of one matrix, by LAPACK, for matrices `[..., M, N]`, and under `vmap`.

    On a CPU in a loop: jaxlib splits a batched call into tasks for the very threads that wait for
    them, so several devices calling at once deadlock. The loop cannot be differentiated.
    """

    def over_all(matrices):
        one, over = function, jax.vmap
        if jax.default_backend() == "cpu":
            one = jax.custom_batching.sequential_vmap(function)
            over = partial(partial, jax.lax.map)
        for _ in range(matrices.ndim - 2):
            one = over(one)
        return one(matrices)

    return over_all


def cholesky(matrices: jax.Array) -> jax.Array:
    """Lower Cholesky factors of `[..., D, D]`; NaN if a matrix is not positive definite."""
    return one_by_one(jax.lax.linalg.cholesky)(matrices)


def singular_values(matrices: jax.Array) -> jax.Array:
    """Singular values of `[..., M, N]`, descending."""
    return one_by_one(partial(jnp.linalg.svd, compute_uv=False))(matrices)


def correlation_cholesky(corr: jax.Array) -> jax.Array:
    """Lower Cholesky factors of correlation matrices `[..., D, D]`, positive diagonal.

    Rows come out with length 1. A matrix that is singular, or indefinite by rounding, gets its
    pivots raised to rounding error, or independent features if that does not help: the factor is
    always finite and invertible.
    """
    dim = corr.shape[-1]
    slack = _slack(corr)
    if dim > UNROLLED:
        eye = jnp.broadcast_to(jnp.eye(dim, dtype=corr.dtype), corr.shape)
        factor = eye
        for matrix in (corr + slack * eye, corr):
            plain = cholesky(matrix)
            factor = jnp.where(jnp.isnan(plain).any((-1, -2), keepdims=True), factor, plain)
    else:
        rows = []
        for i in range(dim):
            row = []
            for j in range(i):
                dot = sum(row[m] * rows[j][m] for m in range(j))
                row.append((corr[..., i, j] - dot) / rows[j][j])
            pivot = corr[..., i, i] - sum(r * r for r in row)
            row.append(jnp.sqrt(jnp.maximum(pivot, slack)))
            rows.append(row)
        factor = _lower(rows, corr.dtype)
    return factor * jax.lax.rsqrt(jnp.square(factor).sum(-1, keepdims=True))


def is_singular(factor: jax.Array) -> jax.Array:
    """Whether factors `[..., D, D]` of `correlation_cholesky` had pivots at rounding error."""
    least = jnp.diagonal(factor, axis1=-2, axis2=-1).min(-1)
    return jnp.square(least) < 3 * _slack(factor)


def _slack(corr: jax.Array) -> float:
    """What rounding may do to a pivot of a correlation matrix."""
    dim = corr.shape[-1]
    return float(jnp.finfo(corr.dtype).eps) * (1 if dim <= UNROLLED else 8 * dim)


def invert_lower(factor: jax.Array) -> jax.Array:
    """Inverses of lower triangular matrices `[..., D, D]`."""
    dim = factor.shape[-1]
    if dim > UNROLLED:
        solve = partial(jax.lax.linalg.triangular_solve, left_side=True, lower=True)
        return one_by_one(lambda one: solve(one, jnp.eye(dim, dtype=one.dtype)))(factor)
    rows = []
    for i in range(dim):
        inverse = 1 / factor[..., i, i]
        row = []
        for j in range(i):
            dot = sum(factor[..., i, m] * rows[m][j] for m in range(j, i))
            row.append(-dot * inverse)
        rows.append([*row, inverse])
    return _lower(rows, factor.dtype)


def divide_lower(rows: jax.Array, factor: jax.Array) -> jax.Array:
    """The X with X R^T = rows, for `rows` [m, D] and a lower triangular R [D, D]."""
    dim = factor.shape[-1]

    def solve(both):
        divide = partial(jax.lax.linalg.triangular_solve, lower=True, transpose_a=True)
        return divide(both[:dim], both[dim:])

    return one_by_one(solve)(jnp.concatenate([factor, rows]))


def lower_times(factor: jax.Array, columns: jax.Array) -> jax.Array:
    """Products of lower triangular `[..., D, D]` with data in columns `[..., D, N]`."""
    dim = factor.shape[-1]
    if dim > UNROLLED:
        return matmul(factor, columns)
    rows = [
        sum(factor[..., i, j, None] * columns[..., j, :] for j in range(i + 1)) for i in range(dim)
    ]
    return jnp.stack(rows, -2)


def _lower(rows: list[list[jax.Array]], dtype) -> jax.Array:
    zero = jnp.zeros(rows[0][0].shape, dtype)
    dim = len(rows)
    full = [jnp.stack(row + [zero] * (dim - len(row)), -1) for row in rows]
    return jnp.stack(full, -2)
