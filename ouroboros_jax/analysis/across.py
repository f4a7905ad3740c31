"""Metrics across generations: a pass over the stored parameters of each chain, after the last."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax.checkpoint import like
from ouroboros_jax.keys import chain_key, stage_key
from ouroboros_jax.programs.factories import make_learner

if TYPE_CHECKING:
    from ouroboros_jax.results import Run


def across(run: "Run", number: int) -> dict[str, np.ndarray]:
    """The metrics of the learner's `across` for a group, [G, C, ...].

    Empty if the learner has none, or if `store.every` thinned the parameters.
    """
    if make_learner(run.points[number]).across is None:
        return {}
    program = run.program(number)
    store, every = run.stores[number], range(run.generation + 1)
    if not set(every) <= set(store.kept()):
        return {}
    stored = [store.params(generation) for generation in every]
    template, group = program.state_shapes.params, program.group
    with run.precision():
        settings = program.settings(0, 1)
        table, test = program.table, program.test
        measure = jax.jit(program.learner.across)
        rows = []
        for chain in range(group.num_chains):
            key = chain_key(jnp.uint32(group.seeds[chain]), jnp.uint32(group.replicates[chain]))
            models = jax.tree.map(lambda *a, c=chain: np.stack([x[c] for x in a]), *stored)
            told = jax.tree.map(lambda a, c=chain: jnp.asarray(a[c, 0]), settings)
            key_measure = stage_key(key, "measure", 0)
            rows.append(measure(key_measure, told, like(template, models), table, test))
    return jax.tree.map(lambda *a: np.stack([np.asarray(x) for x in a], 1), *rows)
