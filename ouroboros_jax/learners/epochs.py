"""Epochs of gradient steps over a pool: exactly shuffled batches, Adam as in PyTorch.

One call is one epoch in one compiled loop. The `weight_decay` of PyTorch's Adam adds to the
gradient (L2), which the second moment then scales, unlike AdamW.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ouroboros_jax.base import Data, Key, Pool
from ouroboros_jax.draws.numbers import shuffled
from ouroboros_jax.draws.threefry import fold_in, split

Loss = Callable[[Key, Any, Data, jax.Array], tuple[jax.Array, dict[str, jax.Array]]]


class Training(NamedTuple):
    """A network being trained."""

    params: Any
    moments: Any  # Adam's


def begin(params: Any) -> Training:
    """Training from `params` with a new optimiser."""
    return Training(params, _adam(0.0).init(params))


def _adam(weight_decay) -> optax.GradientTransformation:
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.scale_by_adam(eps=1e-8))


def step(
    training: Training, gradient: Any, learning_rate: jax.Array, weight_decay: jax.Array
) -> Training:
    """One step of `torch.optim.Adam`."""
    change, moments = _adam(weight_decay).update(gradient, training.moments, training.params)
    params = jax.tree.map(lambda p, c: p - learning_rate * c, training.params, change)
    return Training(params, moments)


def epoch(
    key: Key,
    training: Training,
    pool: Pool,
    loss: Loss,
    *,
    batch_size: int,
    learning_rate: jax.Array,
    weight_decay: jax.Array | float = 0.0,
    is_due: jax.Array | bool = True,
) -> tuple[Training, dict[str, jax.Array]]:
    """One pass over the pool's points in a new order, each once; the last batch may be smaller.

    Args:
      key: for the order and for the draws of the loss.
      training: the state to continue from.
      pool: rows; those of weight 0 are left out. Weights count relative to their mean.
      loss: `(key, params, data, weights) -> (loss, sums)`, the loss to descend, and weighted sums
        over the batch's points of what to report.
      batch_size: points a step.
      learning_rate: Adam's.
      weight_decay: as in `torch.optim.Adam`: L2, added to the gradient.
      is_due: if False, the epoch is skipped at no cost and the means are NaN.

    Returns:
      The training and the means over the epoch's points of what `loss` reports.
    """
    key_order, key_loss = split(key)
    slots = pool.weights.shape[0]
    there = pool.weights > 0
    count = there.sum()
    order = shuffled(key_order, there)
    together = min(max(pool.most_taken // batch_size, 1), -(-slots // batch_size))  # batches
    size = together * batch_size
    order = jnp.pad(order, (0, -slots % size), constant_values=slots)
    unit = count / pool.weights.sum()

    def learn(i, carry, taken):
        training, total = carry
        rows = jax.lax.dynamic_slice_in_dim(order, i * batch_size, batch_size)
        is_row = i * batch_size + jnp.arange(batch_size) < count
        weights = jnp.where(is_row, pool.weights[rows] * unit, 0)
        place = i % together * batch_size
        data = jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, place, batch_size), taken)
        key_batch = fold_in(key_loss, i)
        of_params = jax.grad(lambda p: loss(key_batch, p, data, weights), has_aux=True)
        gradient, sums = of_params(training.params)
        training = step(training, gradient, learning_rate, weight_decay)
        return training, jax.tree.map(jnp.add, total, sums)

    batches = jnp.where(is_due, -(-count // batch_size), 0)

    def learn_section(s, carry):
        taken = pool.take(jax.lax.dynamic_slice_in_dim(order, s * size, size))
        last = jnp.minimum((s + 1) * together, batches)
        return jax.lax.fori_loop(s * together, last, lambda *at: learn(*at, taken), carry)

    def about_one():
        return loss(key, training.params, pool.take(order[:1]), pool.weights[:1])[1]

    zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(about_one))
    training, total = jax.lax.fori_loop(
        0, -(-batches // together), learn_section, (training, zeros)
    )
    num = jnp.where(is_due, count, jnp.nan)
    return training, jax.tree.map(lambda a: a / num, total)
