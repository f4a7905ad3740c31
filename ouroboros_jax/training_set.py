"""The training set of any generation, drawn again from keys and stored parameters."""

from typing import Any

import jax
import numpy as np

from ouroboros_jax.base import Pool
from ouroboros_jax.disk.store import Store, not_there
from ouroboros_jax.errors import UserError
from ouroboros_jax.host.restore import rebuild
from ouroboros_jax.programs.program import Program


class _OneChain:
    """A store as one of its chains sees it."""

    def __init__(self, store: Store, chain: int):
        self._store, self._chain = store, chain

    def params(self, generation: int) -> Any:
        chain = self._chain
        return jax.tree.map(lambda a: a[chain : chain + 1], self._store.params(generation))

    def segments(self):
        chain = self._chain
        for first, metrics in self._store.segments():
            yield first, {name: a[:, chain : chain + 1] for name, a in metrics.items()}


def training_set(program: Program, store: Store, generation: int, chain: int) -> Any:
    """The points that generation `generation` of a chain was fitted to, [N, ...].

    `chain` is its place in the group of the program. They are drawn by the same functions as in the
    run, in a block of the same width.

    Raises:
      UserError: if the generation was not run, or its predecessors were not kept.
    """
    if not 0 <= generation <= store.last():
        raise not_there(generation, store.last())
    alone = program.only(chain)
    if generation == 0:
        pool = alone.real_set()
    else:
        pool = rebuild(alone, _OneChain(store, chain), generation - 1).training_set()
    pool = jax.tree.map(lambda a: a[0], pool)
    if program.learner.moments is None:
        there = pool.weights > 0
        return jax.tree.map(lambda a: a[there], pool.data)
    return _points(program, pool, generation, chain)


def _points(program: Program, pool: Pool, generation: int, chain: int) -> np.ndarray:
    """Points with exactly the statistics that were fitted, from their conditional law.

    Given mean and covariance, a normal sample is uniform over the samples that have them (Basu).
    """
    points = program.learner.moments.points
    if points is None:
        draw = "learner.draw" in program.group.point
        raise UserError(
            "this run's learner was fitted to statistics and cannot name points that have them"
            f"{': run it with learner.draw=' + repr('samples') if draw else ''}"
        )
    group = program.group
    rng = np.random.default_rng([group.seeds[chain], group.replicates[chain], generation])
    rows = [
        points(rng, jax.tree.map(lambda a, s=s: a[s], pool.data)) for s in range(len(pool.weights))
    ]
    return np.concatenate(rows)
