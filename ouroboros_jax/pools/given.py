"""What the points of a generation come from: what the chain is given, and the models before."""

from typing import Any, NamedTuple

import jax

from ouroboros_jax.base import Data, Key, Params, Settings
from ouroboros_jax.keys import stage_key


class Capacity(NamedTuple):
    """Static sizes of one stretch of generations; rows beyond a count have weight 0.

    They depend on the generation alone, never on how many generations are planned. The one
    exception is the room of a memory that is only subsampled, which does not affect results.
    """

    real: int  # rows of generation 0's real data set
    new: int  # rows drawn in a generation
    kept: int  # rows (or data sets) that fit into a memory that keeps everything


class Given(NamedTuple):
    """The input of one chain for making a generation.

    It is put together inside a transformed function, since its sizes are static.
    """

    key: Key  # the chain's (`keys.chain_key`), the same at every generation
    settings: Settings  # of the generation being made
    table: Data  # rows of finite real data; None if real data are a law
    capacity: Capacity | None  # None if no points are drawn

    def stage_key(self, stage: str, generation: jax.Array | int, source: int = 0) -> Key:
        """The key of one of `keys.STAGES`."""
        return stage_key(self.key, stage, generation, source)


class Before(NamedTuple):
    """What a generation after the first is drawn from."""

    models: tuple[Params, ...]  # by lag: of the last generation, of the one before it, ...
    generation: jax.Array  # int32 [], the one being drawn
    memory: Any = ()  # what the chain remembers of earlier data sets
