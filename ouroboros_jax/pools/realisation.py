"""What all ways to hold a pool have in common: see `Realisation`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from ouroboros_jax.base import Data, Learner, Pool
from ouroboros_jax.pools.given import Before, Capacity, Given
from ouroboros_jax.pools.memory import Memory
from ouroboros_jax.regimes import PREVIOUS, Regime

Points = Any  # a data set in one of the three forms: rows, statistics, or the recipe of its rows


class Realisation(NamedTuple):
    """How points are drawn and pooled; every function is of one chain and pure.

    `first(given)` is the real data set of generation 0, and `draw(given, before, drawn)` a later
    generation's new points; `drawn` is what its models draw, if the host has drawn that already.
    `part(given, before, turn)` draws one slice of those points, [R, ...] per model, for turn 0, 1,
    ... (only if the learner has `parts`). `pool(given, points, generation)` builds the pool from
    the points that the memory says are trained on; `generation` is the Python int 0 if it is
    statically known to be the first. `open(given, pool, generation, step)` is that pool as a step
    of the fit sees it. `points_to_begin(given)` are points that a fit may begin from.

    For programs that make generation 0 as well as later ones: `either(given, before, is_first)`
    draws the points of either kind without a branch, or returns None if it cannot; the field is
    None if a branch is cheap. `pools_alike` says that generation 0 is pooled like those after it,
    from a memory that was empty.
    """

    first: Callable[[Given], Points]
    draw: Callable[[Given, Before, list[Data] | None], Points]
    pool: Callable[[Given, Points, int | jax.Array], Pool]
    memory: Memory
    points_to_begin: Callable[[Given], Data]
    open: Callable[[Given, Pool, jax.Array, jax.Array], Pool] = (
        lambda given, pool, generation, step: pool
    )
    part: Callable[[Given, Before, Any], list[Data]] | None = None
    either: Callable[[Given, Before, jax.Array], Points | None] | None = None
    pools_alike: bool = False


def part_size(learner: Learner, capacity: Capacity) -> int:
    """Rows per turn of a draw in parts; at most as many as the whole draw has."""
    return min(learner.parts.size, capacity.new)


def reads_last(learner: Learner, regime: Regime) -> bool:
    """Whether a generation needs the points of the one before again."""
    return PREVIOUS in regime.sources or learner.prompts == "previous"
