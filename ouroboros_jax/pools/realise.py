"""Which of the three ways holds the pools of a learner under a regime."""

from collections.abc import Sequence
from typing import Literal

from ouroboros_jax.base import Learner
from ouroboros_jax.data.base import RealData
from ouroboros_jax.pools.realisation import Realisation, reads_last
from ouroboros_jax.pools.recipes import recipes
from ouroboros_jax.pools.rows import rows
from ouroboros_jax.pools.statistics import statistics
from ouroboros_jax.regimes import Regime


def kind_of(learner: Learner, regime: Regime) -> Literal["statistics", "recipes", "rows"]:
    """Statistics where the learner draws them exactly; recipes where points are better drawn again
    than kept; else rows."""
    if learner.moments:
        return "statistics"
    keeps = regime.kept in ("window", "all")
    if learner.points == "stream" or (learner.points == "recipes" and keeps):
        return "recipes"
    return "rows"


def realise(
    learner: Learner,
    regime: Regime,
    real: RealData,
    earlier: Sequence[tuple[Learner, Regime, int]] = (),
) -> Realisation:
    """The pools of a learner under a regime.

    `earlier` are the learner and regime of earlier generations, where they were others, each up to
    its last generation.
    """
    kind = kind_of(learner, regime)
    if kind == "statistics":
        return statistics(learner, regime, real)
    if kind == "recipes":
        return recipes(learner, regime, real, earlier)
    keeps_last = any(reads_last(maker, drawn_by) for maker, drawn_by, _ in earlier)
    return rows(learner, regime, real, keeps_last=keeps_last)
