"""Key streams: every random number is a function of (seed, replicate, stage, generation, step).

Nothing random is ever stored, so resuming is exact; and a chain's key knows nothing of its place in
a sweep, so the points of a grid share random numbers and their differences are paired.
"""

import jax

from ouroboros_jax.base import Key
from ouroboros_jax.draws.threefry import NAME, fold_in

STAGES = {
    "real": 0,  # the real data set, and fresh real points
    "test": 1,  # held-out points of a synthetic truth
    "init": 2,  # initial parameters
    "sample": 3,  # points drawn from a model
    "select": 4,  # which points of a pool are trained on (selectors split the `sample` key)
    "fit": 5,  # random restarts, shuffles, dropout
    "measure": 6,  # random numbers of metrics
    "prepare": 7,  # what metrics need, made once a run
}


def new_key(seed: jax.Array | int) -> Key:
    """A Threefry key, whatever JAX's default: others draw one block for all chains under `vmap`."""
    return jax.random.key(seed, impl=NAME)


def chain_key(seed: jax.Array, replicate: jax.Array) -> Key:
    """The key of one chain; `seed` and `replicate` are uint32 scalars."""
    return fold_in(new_key(seed), replicate)


def stage_key(key: Key, stage: str, generation: jax.Array | int, source: int = 0) -> Key:
    """The key of one stage of one generation of the chain with key `key`.

    `source` distinguishes the draws of one stage from several models; it costs no extra hash.
    """
    number = STAGES[stage] + len(STAGES) * source
    return fold_in(fold_in(key, number), generation)
