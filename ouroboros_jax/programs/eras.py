"""What a fork's earlier generations drew, for the memory of its own regime.

A regime that remembers earlier data sets remembers, in a fork, those that its source drew: by the
source's regime, selector and settings, from the source's models and keys. A `Drawer` is who drew
in one era, put together so that what it draws goes into the fork's memory.
"""

from collections.abc import Callable
from typing import NamedTuple

from ouroboros_jax.base import Learner
from ouroboros_jax.chain import Chain
from ouroboros_jax.errors import UserError
from ouroboros_jax.pools.realisation import reads_last
from ouroboros_jax.pools.recipes import wants_recipes
from ouroboros_jax.regimes import Regime
from ouroboros_jax.sweep import Group


class Drawer(NamedTuple):
    """Who drew the points of the generations up to `last`."""

    learner: Learner
    regime: Regime  # its sources and counts; what is kept is up to the fork's regime
    last: int


class Redraw(NamedTuple):
    """The chain that draws again what the generations up to `last` drew."""

    chain: Chain
    last: int


def earlier_of(
    group: Group,
    learner: Learner,
    regime: Regime,
    make: Callable[[dict], tuple[Learner, Regime]],
) -> list[Drawer]:
    """Who drew before the group's own settings held; empty where nothing of it is remembered.

    Args:
      group: a fork's group of chains.
      learner: what its own generations are fitted by.
      regime: what they train on.
      make: a point's learner and regime.

    Raises:
      UserError: if one era was fitted to points and the other to statistics alone, since neither
        can stand in for the other; or if data sets that hold parts of each other would have to be
        drawn again.
    """
    if regime.kept == "nothing" and not reads_last(learner, regime):
        return []
    found = []
    for point, last in group.before:
        maker, drawn_by = make(point)
        if (maker.moments is None) != (learner.moments is None):
            had, needs = ("points", "statistics") if learner.moments else ("statistics", "points")
            whose = "fork it" if learner.moments else "run the source"
            raise UserError(
                f"regime.name={group.point['regime.name']!r} remembers data sets as {needs}, and "
                f"the source was fitted to {had}: {whose} with learner.draw='samples', or choose a "
                "regime that keeps nothing"
            )
        if reads_last(maker, drawn_by) and wants_recipes(learner, regime):
            raise UserError(
                f"regime.name={group.point['regime.name']!r} draws earlier data sets again, and "
                f"those of the source's regime.name={point['regime.name']!r} hold parts of each "
                "other: choose a regime that keeps nothing"
            )
        drawn_by = drawn_by._replace(
            weights=None, kept=regime.kept, window=regime.window, subsample=regime.subsample
        )
        found.append(Drawer(maker, drawn_by, last))
    return found
