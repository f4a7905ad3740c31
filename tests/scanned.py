"""A whole run as one compiled scan, for tests of laws, where the host loop is not the point."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from loops import Cell

from ouroboros_jax.config import new_config
from ouroboros_jax.keys import chain_key
from ouroboros_jax.pools.given import Given
from ouroboros_jax.programs.build import build
from ouroboros_jax.sweep import Group, expand
from ouroboros_jax.theory import laws


def scan(learner: str, regime: str, data: str, **settings) -> Cell:
    """The chains of a config without a sweep; `__` stands for a dot in a setting's path."""
    settings = {key.replace("__", "."): value for key, value in settings.items()}
    config = new_config(learner=learner, regime=regime, data=data, **settings)
    (group,) = expand(config)
    known = laws(group.point, np.arange(int(config.generations) + 1))
    return Cell(group.point, known, scan_group(group))


def scan_group(group: Group) -> dict[str, np.ndarray]:
    """Metrics [C, G] of a group whose real data are a law."""
    program, last = build(group), group.point["generations"]
    chain, capacity = program.chain, program.sizes.capacity(last)
    keys = jax.vmap(chain_key)(jnp.asarray(group.seeds), jnp.asarray(group.replicates))

    def at(settings, g):
        return jax.tree.map(lambda a: a[0] if a.shape[0] == 1 else a[g], settings)

    # Laws do not depend on bits: points, of which there are few, compile without optimisation.
    options = {"xla_backend_optimization_level": 0} if program.learner.moments is None else {}

    @partial(jax.jit, compiler_options=options)
    @jax.vmap
    def run(key, settings):
        given = Given(key, at(settings, 0), None, capacity)
        state, info = chain.init(given)
        context = program.stages.context(given, state.params, None, ())
        first = chain.measure(given.settings, state.params, context, info, state.frozen)

        def step(state, g):
            return chain.step(given._replace(settings=at(settings, g)), state, context)

        _, rest = jax.lax.scan(step, state, jnp.arange(1, last + 1))
        return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, rest)

    metrics = run(keys, program.settings(0, last + 1))
    return {name: np.asarray(values, np.float64) for name, values in metrics.items()}
