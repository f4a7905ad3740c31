"""k-means of weighted points in columns, as scikit-learn defines it: the published cold start.

Greedy k-means++ seeding and Lloyd's steps, one run, on data centred by the caller. One departure: a
cluster that loses all its points keeps its centre, while scikit-learn moves it to the farthest
point.

References:
  Arthur and Vassilvitskii, k-means++: The Advantages of Careful Seeding, 2007.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.metrics.linalg import matmul

_UNROLLED = 8  # up to this many clusters or features, loops are written out


def num_trials(num_clusters: int) -> int:
    """Candidates of greedy seeding per centre after the first."""
    return 2 + int(math.log(num_clusters))


def num_uniforms(num_clusters: int) -> int:
    """How many uniform draws `seed_centers` consumes."""
    return 1 + (num_clusters - 1) * num_trials(num_clusters)


def choose(uniforms: jax.Array, masses: jax.Array) -> jax.Array:
    """Indices [T] drawn with probability proportional to `masses` [N], by inverting their sums.

    Works in two levels, blocks and then points, to avoid a running sum over all points. A point of
    mass 0 is never drawn if another has mass.
    """
    width = max(1, math.isqrt(masses.shape[0]))
    while masses.shape[0] % width and width > math.isqrt(masses.shape[0]) // 2 + 1:
        width -= 1  # a nearby divisor avoids padding
    pad = -masses.shape[0] % width
    blocks = jnp.pad(masses, (0, pad)).reshape(-1, width)
    block_ends = _running_sum(blocks.sum(1)[None])[0]
    targets = uniforms * block_ends[-1]
    block = _first_beyond(targets, block_ends[None], blocks.sum(1)[None] > 0)
    inside = blocks[block]  # [T, width]
    before = jnp.where(block > 0, block_ends[jnp.maximum(block - 1, 0)], 0)
    point = _first_beyond(targets - before, _running_sum(inside), inside > 0)
    return block * width + point


def _running_sum(rows: jax.Array) -> jax.Array:
    """Inclusive sums along the last axis of [T, M], M small: one product with a triangle."""
    upper = np.triu(np.ones((rows.shape[1],) * 2))
    return matmul(rows, jnp.asarray(upper, rows.dtype))


def _first_beyond(targets: jax.Array, ends: jax.Array, is_open: jax.Array) -> jax.Array:
    """First position of each row of `ends` above its target, at most the last open one."""
    last = jnp.where(is_open, jnp.arange(ends.shape[1])[None], 0).max(1)
    return jnp.minimum((ends <= targets[:, None]).sum(1), last)


def square_distances(centers: jax.Array, columns: jax.Array) -> jax.Array:
    """|x - c|^2, [K, N]; with many features, minus |x|^2, which does not affect comparisons."""
    if columns.shape[0] <= _UNROLLED:
        return jnp.square(columns[None] - centers[:, :, None]).sum(1)
    return jnp.square(centers).sum(1)[:, None] - 2 * matmul(centers, columns)


def nearest(centers: jax.Array, columns: jax.Array) -> list[jax.Array]:
    """For every cluster, which points it owns, bool [N]; ties go to the first."""
    distances = square_distances(centers, columns)
    if len(centers) > _UNROLLED:
        label = jnp.argmin(distances, 0)
    else:
        best, label = distances[0], jnp.zeros(columns.shape[1], jnp.int32)
        for k in range(1, len(centers)):
            label = jnp.where(distances[k] < best, k, label)
            best = jnp.minimum(best, distances[k])
    return [label == k for k in range(len(centers))]


def seed_centers(
    uniforms: jax.Array, columns: jax.Array, weights: jax.Array, num_clusters: int
) -> jax.Array:
    """Centres [K, D] by greedy k-means++ from `num_uniforms(K)` uniform draws."""
    trials = num_trials(num_clusters)
    first = choose(uniforms[:1], weights)
    centers = jnp.zeros((num_clusters, columns.shape[0]), columns.dtype)
    centers = centers.at[0].set(columns[:, first[0]])

    def distances_to(picked):
        return jnp.square(columns[:, None] - picked[:, :, None]).sum(0)  # [T, N]

    def add(c, carry):
        centers, closest = carry
        draws = jax.lax.dynamic_slice(uniforms, (1 + (c - 1) * trials,), (trials,))
        picked = columns[:, choose(draws, weights * closest)]  # [D, T]
        distances = jnp.minimum(closest[None], distances_to(picked))
        best = jnp.argmin(matmul(distances, weights))
        return centers.at[c].set(picked[:, best]), distances[best]

    carry = centers, distances_to(columns[:, first])[0]
    if num_clusters <= 3:
        for c in range(1, num_clusters):
            carry = add(c, carry)
        return carry[0]
    return jax.lax.fori_loop(1, num_clusters, add, carry)[0]


def lloyd(
    centers: jax.Array, columns: jax.Array, weights: jax.Array, tol: jax.Array, max_steps: int = 300
) -> jax.Array:
    """Centres after Lloyd's steps: until their summed squared moves are at most `tol`, or
    `max_steps`."""
    counted = jnp.concatenate([jnp.ones_like(columns[:1]), columns])  # [1 + D, N]

    def step(carry):
        centers, _, steps = carry
        owned = jnp.stack([jnp.where(mine, weights, 0) for mine in nearest(centers, columns)])
        sums = matmul(owned, counted.T)
        mass = sums[:, :1]
        moved = jnp.where(mass > 0, sums[:, 1:] / jnp.where(mass > 0, mass, 1), centers)
        return moved, jnp.square(moved - centers).sum(), steps + 1

    def is_moving(carry):
        return (carry[1] > tol) & (carry[2] < max_steps)

    start = centers, jnp.full((), jnp.inf, columns.dtype), 0
    return jax.lax.while_loop(is_moving, step, start)[0]
