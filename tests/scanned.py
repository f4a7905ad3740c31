"""A whole run as one compiled scan, for tests of laws, where the host loop is not the point."""

import jax
import jax.numpy as jnp
import numpy as np
from loops import Cell

from ouroboros_jax.config import new_config
from ouroboros_jax.keys import chain_key
from ouroboros_jax.pools.given import Given
from ouroboros_jax.programs.build import build
from ouroboros_jax.sweep import expand
from ouroboros_jax.theory import laws


def scan(learner: str, regime: str, data: str, **settings) -> Cell:
    """The chains of a config without a sweep; `__` stands for a dot in a setting's path."""
    settings = {key.replace("__", "."): value for key, value in settings.items()}
    config = new_config(learner=learner, regime=regime, data=data, **settings)
    (group,) = expand(config)
    program, last = build(group), int(config.generations)
    chain, capacity = program.chain, program.sizes.capacity(last)
    keys = jax.vmap(chain_key)(jnp.asarray(group.seeds), jnp.asarray(group.replicates))

    def at(settings, g):
        return jax.tree.map(lambda a: a[0] if a.shape[0] == 1 else a[g], settings)

    @jax.jit
    @jax.vmap
    def run(key, settings):
        given = Given(key, at(settings, 0), None, capacity)
        state, info = chain.init(given)
        context = program.stages.context(given, state.params, None, ())
        first = chain.measure(at(settings, 0), state.params, context, info, state.frozen)

        def step(state, g):
            return chain.step(given._replace(settings=at(settings, g)), state, context)

        _, rest = jax.lax.scan(step, state, jnp.arange(1, last + 1))
        return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, rest)

    metrics = run(keys, program.settings(0, last + 1))
    metrics = {name: np.asarray(values, np.float64) for name, values in metrics.items()}
    return Cell(group.point, laws(group.point, np.arange(last + 1)), metrics)
