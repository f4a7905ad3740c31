"""Expectation-maximisation of one Gaussian mixture, as scikit-learn defines it, and its starts.

Points lie in columns [D, N], so that a pass over them is a pass over contiguous memory, and second
moments are taken about the components' last means: in float32 a component may be a thousand times
narrower than its distance from the origin.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Mixture
from ouroboros_jax.learners import kmeans
from ouroboros_jax.metrics import mixture as metrics_of
from ouroboros_jax.metrics.linalg import (
    UNROLLED,
    correlation_cholesky,
    is_singular,
    matmul,
)


class Points(NamedTuple):
    """What a mixture is fitted to."""

    columns: jax.Array  # [D, N], about `center`; 0 in empty slots
    weights: jax.Array  # [N], sums to 1
    by_source: tuple[jax.Array, ...]  # the weights of each source's points, 0 elsewhere
    center: jax.Array  # [D]
    variances: jax.Array  # [D]


class EMState(NamedTuple):
    """A fit under way, or over."""

    mixture: Mixture
    lower_bound: jax.Array  # mean log likelihood before the last step, in nats
    change: jax.Array  # of the lower bound, in the last step
    steps: jax.Array  # int32 []
    degenerate: jax.Array  # bool []


def points_of(
    data: jax.Array, weights: jax.Array, source: jax.Array | None = None, num_sources: int = 1
) -> Points:
    """Rows [N, D] and their weights [N] as centred columns; empty slots lie at the centre.

    `source` [N] is the number of each point's source, below `num_sources`.
    """
    weights = weights.astype(data.dtype)
    is_point = weights > 0
    weights = weights / weights.sum()
    columns = jnp.where(is_point[None], data.T, 0)
    center = matmul(columns, weights)
    columns = jnp.where(is_point[None], columns - center[:, None], 0)
    by_source = (weights,)
    if num_sources > 1:
        by_source = tuple(jnp.where(source == s, weights, 0) for s in range(num_sources))
    variances = matmul(jnp.square(columns), weights)
    return Points(columns, weights, by_source, center, variances)


def least_scales(points: Points) -> jax.Array:
    """The smallest allowed standard deviation [D]; below it the E-step's squares overflow."""
    return 1e-15 * jnp.sqrt(points.variances) + 1e-17


def begin(init, uniforms, points: Points, like: Mixture, reg_covar) -> Mixture:
    """The mixture that expectation-maximisation begins from, about the points' centre."""
    num_components = len(like.weights)
    columns, weights = points.columns, points.weights
    dtype = columns.dtype
    factors = None
    if like.factors is not None:
        factors = jnp.broadcast_to(jnp.eye(like.factors.shape[-1], dtype=dtype), like.factors.shape)
    floors = least_scales(points)
    wide = jnp.log(jnp.maximum(jnp.sqrt(points.variances), floors))
    start = Mixture(
        jnp.full(num_components, 1 / num_components, dtype),
        jnp.zeros_like(like.means),
        jnp.broadcast_to(wide[None], like.means.shape),
        factors,
    )
    if init == "quantile":
        owned = _quantile_groups(points, num_components)
    else:
        centers = kmeans.seed_centers(uniforms, columns, weights, num_components)
        if init == "kmeans++":
            narrow = jnp.log(jnp.maximum(jnp.sqrt(reg_covar), floors))
            log_scales = jnp.broadcast_to(narrow[None], like.means.shape)
            return start._replace(means=centers, log_scales=log_scales)
        centers = kmeans.lloyd(centers, columns, weights, 1e-4 * points.variances.mean())
        owned = kmeans.nearest(centers, columns)
        start = start._replace(means=centers)
    deltas = columns[None] - start.means[:, :, None]
    owned = jnp.stack(owned).astype(dtype)
    return _m_step(start, owned, deltas, points, reg_covar)[0]


def _quantile_groups(points: Points, num_groups: int) -> list[jax.Array]:
    """K groups of equal weight along the first principal axis, lowest first."""
    columns, weights = points.columns, points.weights
    along = columns[0]
    if len(columns) > 1:
        power = matmul(columns * weights[None], columns.T)
        for _ in range(10):  # the 1024th power leaves the first axis
            power = power / jnp.maximum(jnp.trace(power), jnp.finfo(power.dtype).tiny)
            power = matmul(power, power)
        axis = power[:, jnp.argmax(jnp.diagonal(power))]
        axis = axis * jnp.where(axis[jnp.argmax(jnp.abs(axis))] < 0, -1, 1)
        axis = axis / jnp.maximum(jnp.abs(axis).max(), jnp.finfo(axis.dtype).tiny)
        along = matmul(axis, columns)
    # A little below k / K, so that rounding does not decide whether a group ends exactly there.
    levels = jnp.asarray(np.arange(1, num_groups) / num_groups * (1 - 1e-6), columns.dtype)

    def halve(_, bracket):
        left, right = bracket
        middle = 0.5 * (left + right)
        mass = matmul((along[None] <= middle[:, None]).astype(along.dtype), weights)
        is_low = mass < levels
        return jnp.where(is_low, middle, left), jnp.where(is_low, right, middle)

    ends = jnp.full_like(levels, along.min()), jnp.full_like(levels, along.max())
    _, cuts = jax.lax.fori_loop(0, 20, halve, ends)
    below = [along <= cuts[k] for k in range(num_groups - 1)] + [jnp.full(along.shape, True)]
    return below[:1] + [inner & ~outer for inner, outer in zip(below[1:], below[:-1], strict=True)]


def maximise(start: Mixture, points: Points, settings, reg_covar) -> EMState:
    """Expectation-maximisation from `start` until the lower bound changes by less than `tol`.

    With several sources, a component's covariance is the average over sources, by weight, of the
    covariance of its points about that source's own mean; with one component this is the weighted
    estimator of He, Xu and Cheng, 2025. With one source it is plain expectation-maximisation.
    """
    dtype = points.columns.dtype
    tol = jnp.asarray(settings["tol"], dtype)

    def step(run):
        joint, deltas = metrics_of.log_joint(run.mixture, points.columns)
        responsibilities, log_pdf = metrics_of.posterior(joint)
        lower_bound = matmul(log_pdf, points.weights)
        mixture, degenerate = _m_step(run.mixture, responsibilities, deltas, points, reg_covar)
        change = lower_bound - run.lower_bound
        return EMState(mixture, lower_bound, change, run.steps + 1, degenerate)

    def goes_on(run):
        return (run.steps < settings["max_iter"]) & (jnp.abs(run.change) >= tol)

    return jax.lax.while_loop(goes_on, step, unfitted(start))


def unfitted(mixture: Mixture) -> EMState:
    """A fit that has taken no step."""
    unknown = jnp.array(jnp.inf, mixture.means.dtype)
    return EMState(mixture, -unknown, unknown, jnp.int32(0), jnp.array(False))


def _m_step(mixture, responsibilities, deltas, points: Points, reg_covar):
    """The mixture that fits the responsibilities [K, N], and whether it is degenerate.

    `deltas` [K, D, N] are the points about the old means. A component that has lost all its points
    keeps its place and shape, and a weight of about 1e-9.
    """
    few = 0.01 * float(jnp.finfo(points.weights.dtype).eps)
    is_diagonal = mixture.factors is None
    each = [_moments(responsibilities, deltas, w, is_diagonal) for w in points.by_source]
    moments = jax.tree.map(lambda *sums: sum(sums), *each)
    mass = moments.mass + few
    shift = moments.shift / mass[:, None]
    within = sum(jax.vmap(jnp.multiply)(own.mass / mass, _spread(own, few)) for own in each)
    fit = _diagonal_fit if is_diagonal else _full_fit
    log_scales, factors, is_narrow = fit(within, points, reg_covar)
    new = Mixture(mass / mass.sum(), mixture.means + shift, log_scales, factors)
    is_alive = moments.mass > few
    kept = jax.tree.map(
        lambda a, b: jnp.where(is_alive.reshape((-1,) + (1,) * (a.ndim - 1)), a, b), new, mixture
    )
    return kept._replace(weights=new.weights), ~is_alive.all() | is_narrow


class _Moments(NamedTuple):
    """Weighted sums over the points that components are responsible for."""

    mass: jax.Array  # [K]
    shift: jax.Array  # [K, D], about the old means
    square: jax.Array  # [K, D], or [K, D, D] of full covariances


def _moments(responsibilities, deltas, weights, is_diagonal: bool) -> _Moments:
    """All sums in one matrix product; with full covariances of many features, the squares take one
    product per component instead."""
    dim = deltas.shape[1]
    if not is_diagonal and dim > UNROLLED:
        share = (responsibilities * weights[None])[:, None]
        once = share * deltas
        return _Moments(share.sum((1, 2)), once.sum(2), matmul(once, deltas.mT))
    first, second = (np.arange(dim),) * 2 if is_diagonal else np.tril_indices(dim)
    share = responsibilities[:, None]
    once = share * deltas
    twice = [once[:, i] * deltas[:, j] for i, j in zip(first, second, strict=True)]
    sums = matmul(jnp.concatenate([share, once, jnp.stack(twice, 1)], 1), weights)
    mass, shift, square = sums[:, 0], sums[:, 1 : 1 + dim], sums[:, 1 + dim :]
    if not is_diagonal:
        places = np.zeros((dim, dim), int)
        places[first, second] = places[second, first] = np.arange(len(first))
        square = square[:, places]
    return _Moments(mass, shift, square)


def _spread(moments: _Moments, few: float) -> jax.Array:
    """Variances [K, D], or covariances [K, D, D], about the points' own means."""
    mass = moments.mass[:, None] + few
    mean = moments.shift / mass
    if moments.square.ndim == mean.ndim:
        return moments.square / mass - jnp.square(mean)
    return moments.square / mass[:, :, None] - mean[:, :, None] * mean[:, None, :]


def _diagonal_fit(variances, points: Points, reg_covar):
    """Log-scales [K, D], no factors, and whether a component has the smallest allowed scale."""
    scales, is_narrow = _scales(variances, points, reg_covar)
    return jnp.log(scales), None, is_narrow


def _full_fit(cov, points: Points, reg_covar):
    """Log-scales [K, D], factors [K, D, D], and whether one has the smallest scale or is
    singular."""
    scales, is_narrow = _scales(jnp.diagonal(cov, axis1=-2, axis2=-1), points, reg_covar)
    corr = jnp.clip(cov / (scales[:, :, None] * scales[:, None, :]), -1, 1)
    is_own = np.eye(len(points.variances), dtype=bool)[None]
    factors = correlation_cholesky(jnp.where(is_own, 1, corr))
    return jnp.log(scales), factors, is_narrow | is_singular(factors).any()


def _scales(variances, points: Points, reg_covar):
    """Standard deviations [K, D] of regularised variances, and whether any is at its floor."""
    floors = least_scales(points)[None]
    wide = jnp.sqrt(jnp.maximum(variances, 0) + reg_covar)
    return jnp.maximum(wide, floors), (wide <= floors).any()
