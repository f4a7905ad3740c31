"""Epochs of training a language model without a run around them, for the benchmarks."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.base import Pool
from ouroboros_jax.learners import lm_training
from ouroboros_jax.models.decoder import Decoder

RATES = {"learning_rate": 1e-4, "weight_decay": 0.01, "clip_norm": 0.0, "warmup": 0.1}


def epochs_of(model: Decoder, params: Any, tokens: np.ndarray, batch: int) -> Callable[[int], None]:
    """An epoch of so many chains in one call, their states handed on from call to call."""
    options = lm_training.TrainingOptions(batch, 1, "adamw", "constant", None, True)
    rates = {name: jnp.float32(value) for name, value in RATES.items()}
    weights = jnp.ones(len(tokens))
    pool = Pool(
        jnp.asarray(tokens), weights, jnp.zeros(len(tokens), jnp.int32), weights.sum()[None]
    )

    @partial(jax.jit, static_argnums=1)
    def begin(params, chains):
        begun = lm_training.begin(params, rates, options)
        return jax.tree.map(lambda a: jnp.stack([a] * chains), begun)

    @partial(jax.jit, donate_argnums=1)
    def epoch(keys, states):
        def one(item):
            return lm_training.train_epoch(item[0], model, item[1], pool, rates, options)[0]

        return jax.lax.map(one, (keys, states))

    states: dict[int, Any] = {}

    def run(chains: int) -> None:
        if chains not in states:
            states[chains] = begin(params, chains)
        keys = jax.random.split(jax.random.key(0), chains)
        states[chains] = jax.block_until_ready(epoch(keys, states[chains]))

    return run
