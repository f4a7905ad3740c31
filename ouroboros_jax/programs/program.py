"""A group of chains as compiled functions: the config ends here, arrays begin.

A `Program` has the calls that make a group's generations, by the segment (the first apart, where it
has other shapes), and that draw the pool of any generation again. Each call is compiled once and
serves any number of generations, so nothing that decides bits depends on where a segment ends.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax import registry
from ouroboros_jax.base import Data, Learner, Params, Settings
from ouroboros_jax.chain import Chain, State
from ouroboros_jax.data.base import RealData
from ouroboros_jax.draws.threefry import split
from ouroboros_jax.keys import chain_key, new_key
from ouroboros_jax.pools.memory import Capacity, Memory, are_alike, num_bytes
from ouroboros_jax.programs.eras import Redraw
from ouroboros_jax.programs.stages import IN_PLACE, Stages
from ouroboros_jax.schedule import round_half_up
from ouroboros_jax.sweep import Column, Group
from ouroboros_jax.vectorize import Layout, over_chains

SEGMENT_GENERATIONS = 100  # most generations of one device call and of one step on disk
SEGMENT_BYTES = 64 << 20  # of parameters and metrics, likewise


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """One group's chains, compiled; build it with `build`."""

    group: Group
    draw: Callable[..., Data]  # points of a model, before any selector
    real: RealData
    chain: Chain
    layout: Layout
    kept_first: int  # data sets that a memory of all points has room for at first; 0: there is none
    kept_growth: int  # by what it grows at a time; 0: it has room for all planned ones
    keeps_models: bool  # whether that memory holds a model for each data set, and not its points
    num_test: int  # points held out of a law's, for each chain
    shared: dict[str, Any]  # what programs of other layouts may use as well
    cache: dict[Any, Any]  # compiled functions
    eras: tuple[Redraw, ...] = ()  # of a fork: who drew what its regime remembers, before it did
    reach: int = 1  # how many models back any of them draws from

    @property
    def learner(self) -> Learner:
        return self.chain.learner

    @property
    def memory(self) -> Memory:
        """How the chains remember earlier data sets."""
        return self.chain.realisation.memory

    @property
    def draws_memory_again(self) -> bool:
        """Whether what chains remember is left out of a stored state, and drawn again from the
        parameters: points of closed-form learners, and models, which are on disk already."""
        return self.keeps_models or bool(self.kept_first and not self.learner.hosted)

    # Settings and sizes, on the host

    def settings(self, start: int, num: int) -> Settings:
        """Settings of `num` generations from `start`, leaves [C, num], or [C, 1] if constant."""
        # Slots beyond the last generation are never read: a growing schedule may stop growing.
        last = max(self.group.point["generations"], start)
        generations = np.minimum(np.arange(start, start + num), last)
        counts = self.group.counts(generations)
        sections: dict[str, dict[str, np.ndarray]] = {s: {} for s in Settings._fields[3:]}
        for path, column in self.group.columns.items():
            section, _, name = path.partition(".")
            if not name or path == "data.num_samples":
                continue
            values = column.at(generations[:1] if column.is_constant else generations)
            sections[section][name] = values.astype(self._dtype(path))
        return Settings(counts["num_samples"], counts["num_real"], counts["num_data"], **sections)

    def _dtype(self, path: str):
        tables = [registry.settings_of(point) for point in self.group.points]
        setting = next(table[path] for table in tables if path in table)
        return np.int32 if setting.types == (int,) else jnp.result_type(float)

    def capacity(self, generation: int) -> Capacity:
        """Static sizes at a generation; far apart, so that few programs serve a run."""
        real, (new, drawn) = self._num_real, self._num_drawn(generation)
        kept = 0
        if self.keeps_models:
            kept = _grown(generation + 1, self.kept_first, self.kept_growth)
        elif self.kept_first and self.kept_growth:  # in steps that no later generation changes
            first = int(self.group.counts(np.arange(1, 2))["num_samples"].max())
            size = self.kept_first * max(real, first)
            kept = _grown(real + drawn + new, size, self.kept_growth)
        elif self.kept_first:
            last = max(generation, self.group.point["generations"])
            kept = real + sum(self._num_drawn(last))
        return Capacity(real, new, kept)

    @functools.cached_property
    def _num_real(self) -> int:
        """Rows of the real data set."""
        return int(self.group.counts(np.arange(1))["num_data"].max())

    def _num_drawn(self, generation: int) -> tuple[int, int]:
        """Rows that hold any set drawn up to a generation; and the most points that a chain has
        drawn up to it, the real ones aside."""
        column = self.group.columns["num_samples"]
        if column.is_constant:
            new = int(self.group.counts(np.arange(1))["num_samples"].max())
            return new, new * generation
        most, total = self._scheduled
        if generation >= len(most):  # beyond what is planned
            most, total = _cumulated(column, generation)
        return _grown(int(most[generation]), 16, 2), int(total[generation])

    @functools.cached_property
    def _scheduled(self) -> tuple[np.ndarray, np.ndarray]:
        return _cumulated(self.group.columns["num_samples"], self.group.point["generations"] + 1)

    def era(self, generation: int) -> int:
        """Which era drew a generation's points; the number of eras where it is the chain's own."""
        return sum(generation > era.last for era in self.eras)

    def within_era(self, generation: int, most: int) -> int:
        """How many generations from `generation` on are of one era, up to `most`."""
        ends = [era.last + 1 for era in self.eras if era.last >= generation]
        return min(most, ends[0] - generation) if ends else most

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

    @functools.cached_property
    def segment_length(self) -> int:
        """Most generations of one call: enough to hide its cost, few enough to be lost."""
        asked = self.group.point.get("store.segment", "auto")
        if asked != "auto":
            return int(asked)
        if self.learner.hosted:
            return 1
        return int(np.clip(SEGMENT_BYTES // max(self.generation_bytes, 1), 1, SEGMENT_GENERATIONS))

    @functools.cached_property
    def generation_bytes(self) -> int:
        """Bytes of parameters and metrics that one generation of all chains adds."""
        return self.parameter_bytes + num_bytes(self._shapes[1]) * self.group.num_chains

    @functools.cached_property
    def parameter_bytes(self) -> int:
        """Bytes of one generation's parameters, of all chains."""
        return num_bytes(self._shapes[0].params) * self.group.num_chains

    def memory_bytes(self, capacity: Capacity) -> int:
        """Bytes that one chain remembers of earlier data sets at a capacity."""
        memory = self.state_shapes.memory
        return num_bytes(jax.eval_shape(lambda m: self.memory.grow(m, capacity), memory))

    @property
    def state_shapes(self) -> State:
        """Shapes of one chain's state after generation 0."""
        return self._shapes[0]

    @property
    def from_blank(self) -> bool:
        """Whether one compiled call serves generation 0 and those after it.

        So it is where both have the same shapes, and statistics can be drawn without a branch,
        which would take a tenth of their generation. One compiles in two thirds of the time of two.
        """
        if "from_blank" not in self.shared:
            self.shared["from_blank"] = self._trace_from_blank()
        return self.shared["from_blank"]

    def _trace_from_blank(self) -> bool:
        first, second = self.capacity(0), self.capacity(1)
        if self.learner.hosted or first[:2] != second[:2]:
            return False
        settings = jax.tree.map(lambda a: jnp.asarray(a[0, 0]), self.settings(0, 1))

        has_either = self.chain.realisation.either is not None

        def both(key):
            state = self.chain.blank(key, settings, self.table, first)
            here = key, settings, state

            def made(is_first):
                points = self.chain.points(*here, self.table, first, is_first=is_first)
                return points, self.chain.pooled(*here, points, self.table, first, is_first)

            if has_either:
                return state.params, self.chain.points(
                    *here, self.table, first, is_first=jnp.array(True)
                )
            return state.params, (made(True), made(False))

        params, found = jax.eval_shape(both, new_key(0))
        if not are_alike(params, self.state_shapes.params):
            return False
        return found is not None if has_either else are_alike(*found)

    @property
    def _shapes(self):
        # Tracing takes a second for the larger learners: once for a program and its relatives.
        if "shapes" not in self.shared:
            self.shared["shapes"] = self._trace_shapes()
        return self.shared["shapes"]

    def _trace_shapes(self):
        settings = jax.tree.map(lambda a: jnp.asarray(a[0, 0]), self.settings(0, 1))
        capacity = self.capacity(0)
        if self.kept_first and not self.kept_growth:  # the same however many are planned
            capacity = capacity._replace(kept=capacity.real)

        def first(key):
            state, info = self.chain.init(key, settings, self.table, capacity)
            prepared = self.stages.prepared(key, settings, self.table)
            context = self.stages.context(key, settings, state.params, self.test, prepared)
            return state, self.chain.measure(settings, state.params, context, info, state.frozen)

        return jax.eval_shape(first, new_key(0))

    # Arrays that all chains share

    @property
    def table(self):
        """Rows of finite real data, or None."""
        return jax.tree.map(jnp.asarray, self.real.table)

    @property
    def test(self):
        """Held-out rows of finite real data, or None."""
        if self.real.test is None or not jax.tree.leaves(self.real.test)[0].shape[0]:
            return None
        return as_test(self.real.test)

    # All chains

    @functools.cached_property
    def stages(self) -> Stages:
        """What one block of the chains does."""
        return Stages(self.real, self.chain, self.eras, self.num_test, self.layout.block)

    def call(self, name: str, *static, state=(), **args):
        """A stage of `Stages`, compiled for its static arguments, over all chains. Those of
        `IN_PLACE` give their `state` away."""
        return self._over_chains(name, static)(state, *self._arguments(**args))

    def compile(self, name: str, *static, state=(), **args):
        """Compile a stage for arguments of which the shapes are enough, and do not run it: a `call`
        finds it compiled. Returns the shapes of its results."""
        return self._over_chains(name, static).compile(state, *self._arguments(**args))

    def _over_chains(self, name: str, static: tuple[Any, ...]) -> Callable:
        key = (name, *static)
        if key not in self.cache:
            function = functools.partial(getattr(self.stages, name), *static)
            self.cache[key] = IN_PLACE.get(name, over_chains)(function, self.layout)
        return self.cache[key]

    def _arguments(self, settings: Settings | None = None, num: int = 1, **args):
        args["key"] = self.keys
        if settings is not None:
            args["settings"] = self.layout.split(settings)
        return args, self._real_rows | {"num": np.int32(num)}

    def sample(self, key, settings: Settings, params: Params, num: int):
        """`num` points of one chain's model; `params` as the learner's type."""
        if "sample" not in self.shared:

            def sample(key, settings, params, table, num):
                source = table
                if self.learner.prompts != "table":
                    key, key_source = split(key)
                    source = self.real.draw(key_source, settings, table, num)
                return self.draw(key, settings, params, source, num)

            self.shared["sample"] = jax.jit(sample, static_argnums=4)
        return self.shared["sample"](key, settings, params, self.table, num)

    @functools.cached_property
    def _real_rows(self) -> dict[str, Any]:
        """Finite real data on the devices: put there once, and not at every epoch of a fit."""
        return self.layout.everywhere({"table": self.table, "test": self.test})

    @functools.cached_property
    def keys(self) -> jax.Array:
        """The chains' keys, laid out on the devices."""
        keys = jax.vmap(chain_key)(jnp.asarray(self.group.seeds), self.group.replicates)
        return self.layout.split(keys)

    def real_set(self):
        """The pool that generation 0 is fitted to, on the host, [C, ...]."""
        return self.layout.join(
            self.call("real_set", self.capacity(0), settings=self.settings(0, 1))
        )

    def only(self, chain: int) -> "Program":
        """The program of one chain alone, in a block of the same width."""
        layout = self.layout._replace(num_chains=1)
        return dataclasses.replace(self, group=_only(self.group, chain), layout=layout, cache={})


def as_test(rows: Data) -> Data:
    """Held-out rows on the device: floats as wide as the run's."""
    return jax.tree.map(
        lambda a: jnp.asarray(a, jnp.result_type(float) if a.dtype.kind == "f" else a.dtype), rows
    )


def _only(group: Group, chain: int) -> Group:
    """The group of one of its chains."""
    columns = {
        path: column._replace(index=column.index[chain : chain + 1])
        for path, column in group.columns.items()
    }
    return group._replace(
        seeds=group.seeds[chain : chain + 1],
        replicates=group.replicates[chain : chain + 1],
        columns=columns,
        coords={path: values[chain : chain + 1] for path, values in group.coords.items()},
    )


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
