"""The linear-regression chain: ridgeless least squares, fitted to its own targets.

Serves Gerstgrasser et al. 2024 (arXiv 2404.01413) and Dohmatob et al. 2024 (arXiv 2402.07712). A
generation keeps the inputs and replaces the targets by the last model's, plus noise. With `inputs`
`same`, the inputs are always those of the chain's real data set; with `fresh`, they are new real
ones at every generation. With fewer points than features, a fit is the shortest of the exact
solutions.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Context, Learner, Pool, closed_form, effective_count
from ouroboros_jax.draws.numbers import normals
from ouroboros_jax.learners.least_squares import shortest_solution
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.metrics.asked import chosen_metrics, computed, if_known
from ouroboros_jax.metrics.linalg import matmul
from ouroboros_jax.metrics.names.regression import OF_LINEAR

PROMPTS = {"same": "real", "fresh": "fresh"}


class Linear(NamedTuple):
    """Targets x . w + b + N(0, s^2)."""

    coefficients: jax.Array  # [D]
    intercept: jax.Array  # []
    log_noise: jax.Array  # [], log s; -inf if targets are reproduced exactly


class LeastSquares(NamedTuple):
    """Least squares of one pool."""

    coefficients: jax.Array  # [D]
    intercept: jax.Array  # []
    residual: jax.Array  # [], weighted sum of squares


def predict(params, inputs: jax.Array) -> jax.Array:
    """x . w + b of the rows of `inputs` [N, D], [N]."""
    return matmul(inputs, params.coefficients) + params.intercept


def excess_error(params, truth) -> jax.Array:
    """|w - w*|^2 + (b - b*)^2: the noiseless test error for standard normal inputs."""
    apart = jnp.square(params.coefficients - truth.coefficients).sum()
    return apart + jnp.square(params.intercept - truth.intercept)


def least_squares(
    inputs: jax.Array, targets: jax.Array, weights: jax.Array, *, intercept: bool = False
) -> LeastSquares:
    """The shortest minimiser of the sum of weights * (targets - inputs w - b)^2.

    Args:
      inputs: [N, D]; rows of weight 0 may hold anything finite.
      targets: [N].
      weights: [N].
      intercept: whether b is fitted; otherwise it is 0.
    """
    num_features, dtype = inputs.shape[1], inputs.dtype
    weights = weights.astype(dtype)
    rows = jnp.concatenate([inputs, targets.astype(dtype)[:, None]], 1)
    centre = jnp.zeros(num_features + 1, dtype)
    if intercept:
        centre = matmul(weights / weights.sum(), rows)
    rows = jnp.sqrt(weights)[:, None] * (rows - centre[None])
    coefficients, residual = shortest_solution(rows[:, :num_features], rows[:, num_features])
    offset = centre[num_features] - matmul(centre[:num_features], coefficients)
    return LeastSquares(coefficients, offset, residual)


def linear_regression(
    *, inputs: str = "same", noise: str = "auto", intercept: bool = False, metrics=None
) -> Learner:
    """Ridgeless least squares.

    Args:
      inputs: `same`, those of generation 0's data set, row i for point i; or `fresh`, new ones.
      noise: standard deviation of generated targets. `known`: the data's own, `data.noise`;
        `fitted`: sqrt(residual sum of squares / (n - number of coefficients)); `auto`: `known` if
        the data has one, else `fitted`.
      intercept: whether an intercept is fitted.
      metrics: names of the metrics to compute; None for all.

    Pool weights count as repeated rows do; its groups are ignored.
    """
    check_choices("linear_regression", inputs=inputs, noise=noise)
    wanted = chosen_metrics(metrics, OF_LINEAR)

    def init(key, settings, data):
        del key, settings
        zeros = jnp.zeros(data["inputs"].shape[1], data["inputs"].dtype)
        return Linear(zeros, zeros.sum(), zeros.sum())

    def log_noise(settings, found: LeastSquares, pool: Pool):
        dtype = found.residual.dtype
        if noise == "known" or (noise == "auto" and "noise" in settings.data):
            return jnp.log(jnp.asarray(settings.data["noise"], dtype))
        count = effective_count(pool.weights)
        freedom = count - found.coefficients.shape[0] - intercept
        variance = found.residual * (count / pool.weights.sum()) / jnp.maximum(freedom, 1)
        return jnp.log(jnp.where(freedom > 0, variance, 0).astype(dtype)) / 2

    def fit(key, settings, params, pool: Pool):
        del key, params
        there = pool.weights > 0
        x = jnp.where(there[:, None], pool.data["inputs"], 0)
        y = jnp.where(there, pool.data["targets"], 0)
        found = least_squares(x, y, pool.weights, intercept=intercept)
        return Linear(found.coefficients, found.intercept, log_noise(settings, found, pool))

    def sample(key, settings, params, source, num):
        del settings
        x = source["inputs"][:num].astype(params.coefficients.dtype)
        z = normals(key, (num,), x.dtype)
        return {"inputs": x, "targets": predict(params, x) + jnp.exp(params.log_noise) * z}

    def measure(settings, params, context: Context):
        del settings
        known = partial(if_known, dtype=params.coefficients.dtype)

        def error(test):
            return jnp.square(test["targets"] - predict(params, test["inputs"])).mean()

        compute = {
            "excess_error": lambda: known(context.truth, partial(excess_error, params)),
            "test_mse": lambda: known(context.test, error),
            "coefficient_norm": lambda: jnp.sqrt(jnp.square(params.coefficients).sum()),
            "noise": lambda: jnp.exp(params.log_noise),
        }
        return computed(compute, wanted)

    return closed_form(
        init,
        fit,
        sample,
        measure,
        block=512,
        prompts=PROMPTS[inputs],
    )
