"""The static sizes of a group's programs: what a group holds at every generation."""

import dataclasses
import functools

import numpy as np

from ouroboros_jax.base import Learner
from ouroboros_jax.pools.given import Capacity
from ouroboros_jax.pools.realise import kind_of
from ouroboros_jax.regimes import Regime
from ouroboros_jax.schedule import round_half_up
from ouroboros_jax.sweep import Column, Group


@dataclasses.dataclass(frozen=True, eq=False)
class Sizes:
    """The sizes of a group; they grow in large steps, so that few programs serve a run."""

    group: Group
    kept_first: int  # data sets that a memory of all points has room for at first; 0: there is none
    kept_growth: int  # factor by which it grows; 0: room for all planned data sets at once
    keeps_models: bool  # whether that memory holds a model for each data set, and not its points

    def capacity(self, generation: int) -> Capacity:
        """Static sizes at a generation."""
        real, (new, drawn) = self._num_real, self._num_drawn(generation)
        kept = 0
        if self.keeps_models:
            kept = _grown(generation + 1, self.kept_first, self.kept_growth)
        elif self.kept_first and self.kept_growth:  # in steps that later generations do not change
            first = int(self.group.counts(np.arange(1, 2))["num_samples"].max())
            size = self.kept_first * max(real, first)
            kept = _grown(real + drawn + new, size, self.kept_growth)
        elif self.kept_first:
            last = max(generation, self.group.point["generations"])
            kept = real + sum(self._num_drawn(last))
        return Capacity(real, new, kept)

    @property
    def first(self) -> Capacity:
        """The sizes of generation 0, independent of how many are planned."""
        capacity = self.capacity(0)
        if self.kept_first and not self.kept_growth:
            return capacity._replace(kept=capacity.real)
        return capacity

    @functools.cached_property
    def _num_real(self) -> int:
        """Rows of the real data set."""
        return int(self.group.counts(np.arange(1))["num_data"].max())

    def _num_drawn(self, generation: int) -> tuple[int, int]:
        """Rows enough for any set drawn up to a generation; and the most points that a chain has
        drawn up to it, without the real ones."""
        column = self.group.columns["num_samples"]
        if column.is_constant:
            new = int(self.group.counts(np.arange(1))["num_samples"].max())
            return new, new * generation
        most, total = self._scheduled
        if generation >= len(most):  # beyond the planned generations
            most, total = _cumulated(column, generation)
        return _grown(int(most[generation]), 16, 2), int(total[generation])

    @functools.cached_property
    def _scheduled(self) -> tuple[np.ndarray, np.ndarray]:
        return _cumulated(self.group.columns["num_samples"], self.group.point["generations"] + 1)

    def stretch(self, generation: int, most: int) -> int:
        """How many generations from `generation` on share its capacity, up to `most`."""
        here = self.capacity(generation)
        low, high = 1, most  # capacities only grow
        while low < high:
            middle = (low + high + 1) // 2
            if self.capacity(generation + middle - 1) == here:
                low = middle
            else:
                high = middle - 1
        return low


def sizes_of(group: Group, learner: Learner, regime: Regime) -> Sizes:
    """The sizes of a group of such chains.

    Empty slots cost a fit time and affect its last bits, so a memory grows by doubling. A subsample
    does not see them, so its memory grows sixteenfold, or has room for everything from the start: a
    program for each size would cost more.
    """
    first, growth = 0, 0
    kind = kind_of(learner, regime)
    if regime.kept == "all" and kind != "statistics":
        first, growth = 8, 2
        if regime.subsample:
            first, growth = (8, 16) if learner.hosted or kind == "recipes" else (128, 0)
    return Sizes(group, first, growth, keeps_models=regime.kept == "all" and kind == "recipes")


def _cumulated(column: Column, last: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 [last + 1] both, by generation: the largest count so far of any chain, and the largest
    sum of those after generation 0."""
    used = Column(column.values, np.unique(column.index))
    counts = round_half_up(used.at(np.arange(last + 1))).astype(np.int64)
    most = np.maximum.accumulate(counts.max(0))
    counts[:, 0] = 0
    return most, counts.cumsum(1).max(0)


def _grown(num: int, size: int, factor: int) -> int:
    """The first of size, size * factor, ... that holds `num`."""
    while size < num:
        size *= factor
    return size
