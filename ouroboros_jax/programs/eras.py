"""Redrawing the points of a fork's earlier generations, for the memory of its own regime.

In a fork, a regime with a memory remembers the data sets that the source drew: by the source's
regime, selector and settings, from the source's models and keys. A `Drawer` is the learner and
regime of one era, set up so that their draws go into the fork's memory.
"""

from collections.abc import Callable
from typing import NamedTuple

from ouroboros_jax.base import Learner
from ouroboros_jax.chain import Chain
from ouroboros_jax.errors import UserError
from ouroboros_jax.pools.realisation import reads_last
from ouroboros_jax.pools.realise import kind_of
from ouroboros_jax.regimes import Regime
from ouroboros_jax.sweep import Group


class Drawer(NamedTuple):
    """The learner and regime that drew the points of the generations up to `last`."""

    learner: Learner
    regime: Regime  # its sources and counts; what is kept is up to the fork's regime
    last: int


class Redraw(NamedTuple):
    """The chain that redraws the points of the generations up to `last`."""

    chain: Chain
    last: int


def earlier_of(
    group: Group,
    learner: Learner,
    regime: Regime,
    make: Callable[[dict], tuple[Learner, Regime]],
) -> list[Drawer]:
    """The drawers from before the group's own settings were in force; empty if nothing is
    remembered.

    Args:
      group: a fork's group of chains.
      learner: fits its own generations.
      regime: what they train on.
      make: returns a point's learner and regime.

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
        if reads_last(maker, drawn_by) and kind_of(learner, regime) == "recipes":
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
