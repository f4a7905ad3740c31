"""One epoch of training a language model: batches, torch's optimisers, schedules."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ouroboros_jax.base import Pool
from ouroboros_jax.draws.numbers import shuffled
from ouroboros_jax.draws.threefry import fold_in, split
from ouroboros_jax.learners.lm_loss import token_losses
from ouroboros_jax.models.decoder import Decoder

FINAL_RATE = 1e-6  # of the cosine schedules, as in the code of Shumailov et al.


class TrainingOptions(NamedTuple):
    """The static settings of training."""

    batch_size: int
    num_epochs: int
    optimizer: str
    schedule: str
    bos: int | None  # see `token_losses`
    has_dropout: bool


class TrainState(NamedTuple):
    """A model being trained."""

    params: Any
    moments: Any  # the optimiser's
    step: jax.Array  # int32 [], batches so far
    epoch: jax.Array  # int32 []


def _adamw(settings) -> optax.GradientTransformation:
    """torch's AdamW without the rate: moments .9 and .999, decay of every parameter."""
    return optax.chain(
        optax.scale_by_adam(eps=1e-8), optax.add_decayed_weights(settings["weight_decay"])
    )


def _sgd(settings) -> optax.GradientTransformation:
    return optax.chain(optax.add_decayed_weights(settings["weight_decay"]), optax.trace(0.9))


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adamw": _adamw,
    "adam": lambda settings: optax.scale_by_adam(eps=1e-8),
    "sgd": _sgd,
}


def _linear(progress, settings):
    warmup = settings["warmup"]
    rising = progress / jnp.maximum(warmup, 1e-9)
    falling = (1 - progress) / jnp.maximum(1 - warmup, 1e-9)
    return jnp.where(progress < warmup, rising, falling) * settings["learning_rate"]


def _cosine(progress, settings):
    rate = settings["learning_rate"]
    lowest = jnp.minimum(FINAL_RATE, rate)
    return lowest + (rate - lowest) * (1 + jnp.cos(jnp.pi * progress)) / 2


SCHEDULES: dict[str, Callable[..., jax.Array]] = {  # functions of the share of all batches done
    "constant": lambda progress, settings: settings["learning_rate"],
    "linear": _linear,
    "cosine": _cosine,
    "cosine_epochs": _cosine,
}


def learning_rate(schedule: str, progress: jax.Array, settings, num_epochs: int) -> jax.Array:
    """The rate after a share `progress` of all batches."""
    if schedule == "cosine_epochs":  # like torch's CosineAnnealingLR stepped once an epoch
        progress = jnp.floor(progress * num_epochs + 1e-4) / num_epochs
    return SCHEDULES[schedule](progress, settings)


def begin(params: Any, settings: dict[str, jax.Array], options: TrainingOptions) -> TrainState:
    """Training from `params` with a new optimiser."""
    moments = OPTIMIZERS[options.optimizer](settings).init(params)
    return TrainState(params, moments, jnp.int32(0), jnp.int32(0))


def train_epoch(
    key: jax.Array,
    model: Decoder,
    state: TrainState,
    pool: Pool,
    settings: dict[str, jax.Array],
    options: TrainingOptions,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """One pass over the pool's rows in random order, each counting by its weight.

    Rows of weight 0 come last, and batches that have no others are skipped. The rate of a step
    depends on the share of all epochs' batches before it.

    Returns:
      The state, and means over the epoch's batches: `training_loss`, `gradient_norm` and
      `learning_rate`.
    """
    key_order, key_dropout = split(key)
    num, size = pool.weights.shape[0], options.batch_size
    num_batches = -(-num // size)
    there = pool.weights > 0
    order = jnp.pad(shuffled(key_order, there), (0, num_batches * size - num))
    order = order.reshape(num_batches, size)
    is_real = (jnp.arange(num_batches * size) < num).reshape(num_batches, size)
    batches_there = -(-there.sum() // size)  # batches with rows of positive weight
    update = OPTIMIZERS[options.optimizer](settings).update

    def learn(state, i):
        rows = order[i]
        weights = jnp.where(is_real[i], pool.weights[rows], 0).astype(jnp.float32)
        weights = weights / weights.sum()
        key = fold_in(key_dropout, i) if options.has_dropout else None

        def loss_of(params):
            losses = token_losses(model, params, pool.data[rows], options.bos, key=key)
            return (weights * losses.mean(-1)).sum()

        loss, gradient = jax.value_and_grad(loss_of)(state.params)
        norm = optax.tree.norm(gradient)
        most = settings["clip_norm"]
        scale = jnp.where((most > 0) & (norm > most), most / (norm + 1e-6), 1.0)
        gradient = jax.tree.map(lambda g: g * scale, gradient)
        progress = state.step / (batches_there * options.num_epochs)
        rate = learning_rate(options.schedule, progress, settings, options.num_epochs)
        change, moments = update(gradient, state.moments, state.params)
        params = jax.tree.map(lambda p, c: p - rate * c, state.params, change)
        return TrainState(params, moments, state.step + 1, state.epoch), (loss, norm, rate)

    def body(i, carry):
        state, total = carry
        state, told = learn(state, i)
        return state, jax.tree.map(jnp.add, total, told)

    zeros = (jnp.float32(0),) * 3
    state, total = jax.lax.fori_loop(0, batches_there, body, (state, zeros))
    loss, norm, rate = (value / batches_there for value in total)
    info = {"training_loss": loss, "gradient_norm": norm, "learning_rate": rate}
    return state._replace(epoch=state.epoch + 1), info
