"""The logistic-regression chain, fitted by Newton's method to classes that its own models draw.

Serves Dey and Donoho 2024 (arXiv 2410.22812), and shows their pi^2/6 beyond least squares. Inputs
are kept, or drawn anew, as in `linear_regression.py`. Classes are the targets 0 and 1. If these can
be separated exactly, maximum likelihood has no finite solution: coefficients then grow until the
`ridge` or the number of steps stops them.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Context, Learner, Pool
from ouroboros_jax.draws.numbers import unit_uniforms
from ouroboros_jax.learners.least_squares import shortest_solution
from ouroboros_jax.learners.linear_regression import PROMPTS, excess_error, predict
from ouroboros_jax.learners.options import check_choices
from ouroboros_jax.metrics.asked import chosen_metrics, computed, if_known, picked
from ouroboros_jax.metrics.linalg import matmul
from ouroboros_jax.metrics.names.regression import OF_LOGISTIC

HALVINGS = 8  # shares of a step that are tried, 1, 1/2, ...


class Logistic(NamedTuple):
    """Targets 1 with probability 1 / (1 + exp(-(x . w + b)))."""

    coefficients: jax.Array  # [D]
    intercept: jax.Array  # []


class FitState(NamedTuple):
    """A fit, before (`steps` is 0) or after it."""

    params: Logistic
    steps: jax.Array  # int32 []


def log_loss(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """-ln P(target) of every point."""
    return jax.nn.softplus(logits) - targets * logits


def is_right(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """1 where the likelier class is the target, else 0."""
    return ((logits > 0) == (targets > 0.5)).astype(logits.dtype)


def newton(
    start: jax.Array, columns: jax.Array, targets: jax.Array, weights: jax.Array, ridge, tol, limit
) -> tuple[jax.Array, jax.Array]:
    """The minimiser of sum(weights * log loss) + sum(ridge * coefficients^2) / 2.

    Newton's method with step halving. Stops after the first step that gains at most `tol` per unit
    of weight, or after `limit` steps. A singular Hessian is inverted on its range.

    Args:
      start: coefficients to begin from, [P].
      columns: inputs, [N, P].
      targets: 0 or 1, [N].
      weights: [N].
      ridge: [P].
      tol, limit: scalars.

    Returns:
      The coefficients, and how many steps it took, int32.
    """
    total = weights.sum()

    def objective(logits, w):
        return (weights * log_loss(logits, targets)).sum() + (ridge * jnp.square(w)).sum() / 2

    shares = jnp.exp2(-jnp.arange(HALVINGS, dtype=start.dtype))

    def step(carry):
        w, logits, value, _, steps = carry
        p = jax.nn.sigmoid(logits)
        slope = matmul(weights * (p - targets), columns) + ridge * w
        curvature = matmul(columns.T * (weights * p * (1 - p))[None], columns) + jnp.diag(ridge)
        move, _ = shortest_solution(curvature, slope)
        along = matmul(columns, move)
        values = jax.vmap(lambda share: objective(logits - share * along, w - share * move))(shares)
        # At convergence a step gains less than rounding error; it is accepted, so that halving does
        # not go on.
        falls = values <= value + 4 * jnp.finfo(value.dtype).eps * value
        first = jnp.argmax(falls)
        share = jnp.where(falls.any(), shares[first], 0)
        after = jnp.where(falls.any(), values[first], value)
        return w - share * move, logits - share * along, after, value - after, steps + 1

    def goes_on(carry):
        *_, gain, steps = carry
        return (gain > tol * total) & (steps < limit)

    logits = matmul(columns, start)
    begun = start, logits, objective(logits, start), jnp.inf * total, jnp.int32(0)
    w, *_, steps = jax.lax.while_loop(goes_on, step, begun)
    return w, steps


def logistic_regression(*, inputs: str = "same", intercept: bool = False, metrics=None) -> Learner:
    """Logistic regression of two classes.

    Args:
      inputs: `same`, those of generation 0's data set, row i for point i; or `fresh`, new ones.
      intercept: whether an intercept is fitted; the ridge leaves it alone.
      metrics: names of the metrics to compute; None for all.

    Traced settings: `ridge`, `tol` and `max_iter` of `settings.learner`. Pool weights count as
    repeated rows do; its groups are ignored.
    """
    check_choices("logistic_regression", inputs=inputs)
    wanted = chosen_metrics(metrics, OF_LOGISTIC)

    def init(key, settings, data):
        del key, settings
        zeros = jnp.zeros(data["inputs"].shape[1], data["inputs"].dtype)
        return Logistic(zeros, zeros.sum())

    def fit_begin(key, settings, params, pool):
        del key, settings, pool
        return FitState(params, jnp.int32(0))

    def fit_step(key, settings, fit_state, pool: Pool):
        del key
        params, options = fit_state.params, settings.learner
        dtype = params.coefficients.dtype
        there = pool.weights > 0
        x = jnp.where(there[:, None], pool.data["inputs"], 0).astype(dtype)
        y = jnp.where(there, pool.data["targets"], 0).astype(dtype)
        start, ridge = params.coefficients, jnp.full(x.shape[1], options["ridge"], dtype)
        if intercept:
            x = jnp.concatenate([x, jnp.ones((x.shape[0], 1), dtype)], 1)
            start = jnp.append(start, params.intercept)
            ridge = jnp.append(ridge, jnp.zeros((), dtype))
        tol = jnp.asarray(options["tol"], dtype)
        weights = pool.weights.astype(dtype)
        w, steps = newton(start, x, y, weights, ridge, tol, options["max_iter"])
        num = params.coefficients.shape[0]
        offset = w[num] if intercept else jnp.zeros((), dtype)
        return FitState(Logistic(w[:num], offset), steps), {}

    def fit_end(fit_state):
        return fit_state.params, picked({"newton_steps": fit_state.steps}, wanted)

    def sample(key, settings, params, source, num):
        del settings
        x = source["inputs"][:num].astype(params.coefficients.dtype)
        uniforms = unit_uniforms(key, (num,), x.dtype)
        is_one = uniforms < jax.nn.sigmoid(predict(params, x))
        return {"inputs": x, "targets": is_one.astype(x.dtype)}

    def measure(settings, params, context: Context):
        del settings
        known = partial(if_known, dtype=params.coefficients.dtype)

        def mean_of(score):
            return lambda test: score(predict(params, test["inputs"]), test["targets"]).mean()

        compute = {
            "excess_error": lambda: known(context.truth, partial(excess_error, params)),
            "test_log_loss": lambda: known(context.test, mean_of(log_loss)),
            "accuracy": lambda: known(context.test, mean_of(is_right)),
            "coefficient_norm": lambda: jnp.sqrt(jnp.square(params.coefficients).sum()),
        }
        return computed(compute, wanted)

    return Learner(
        init,
        fit_begin,
        fit_step,
        fit_end,
        sample,
        measure,
        block=512,
        prompts=PROMPTS[inputs],
    )
