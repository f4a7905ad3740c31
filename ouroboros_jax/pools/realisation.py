"""What every way to hold a pool has in common: see `Realisation`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from ouroboros_jax.base import Data, Key, Learner, Pool, Settings
from ouroboros_jax.pools.memory import Capacity, Memory
from ouroboros_jax.regimes import PREVIOUS, Regime

Points = Any  # a data set as one way holds it: rows, statistics, or the recipe of its rows


class Realisation(NamedTuple):
    """How points are drawn and pooled; every function is of one chain and pure.

    `first(key, settings, table, capacity)` is the real data set of generation 0;
    `draw(key, settings, models, table, generation, capacity, memory)` a generation's new points,
    with `models[lag - 1]` the parameters that many generations back, and `drawn` what they draw,
    where the host has it; `part(..., turn)`, of learners with `parts` and with the same arguments,
    are rows of that, [R, ...] of each model, in turns 0, 1, ...; and
    `pool(key, settings, points, generation, capacity)` of what the memory says is trained on, the
    generation being a plain 0 where it is known to be the first.
    `open(key, settings, pool, table, generation, step, capacity)` is the pool as a step sees it,
    and `points_to_begin(key, settings, table, capacity)` points that a fit may begin from.

    Where one program has generation 0 and those after it: `either(..., is_first)`, of `draw`'s
    arguments, are the points of one or the other without a branch, None where there is no such way
    (and the function itself is None where a branch costs little); and `pools_alike` says that
    generation 0 is pooled like those after it, from a memory that was empty.
    """

    first: Callable[[Key, Settings, Data, Capacity], Points]
    draw: Callable[..., Points]
    pool: Callable[[Key, Settings, Points, int | jax.Array, Capacity], Pool]
    memory: Memory
    points_to_begin: Callable[[Key, Settings, Data, Capacity], Data]
    open: Callable[[Key, Settings, Pool, Data, jax.Array, jax.Array, Capacity], Pool] = (
        lambda key, settings, pool, *rest: pool
    )
    part: Callable[..., list[Data]] | None = None
    either: Callable[..., Points | None] | None = None
    pools_alike: bool = False


def part_size(learner: Learner, capacity: Capacity) -> int:
    """Rows of one turn of a draw in parts: at most those of the whole, which are drawn alike."""
    return min(learner.parts.size, capacity.new)


def reads_last(learner: Learner, regime: Regime) -> bool:
    """Whether a generation needs the points of the one before again."""
    return PREVIOUS in regime.sources or learner.prompts == "previous"
