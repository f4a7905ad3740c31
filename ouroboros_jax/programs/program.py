"""A group of chains as compiled functions: the config ends here, arrays begin.

A `Program` has the calls that make a group's generations, segment by segment (the first separately,
if it has other shapes), and that redraw the pool of any generation. Each call is compiled once and
serves any number of generations, so the bits do not depend on where a segment ends.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax import registry
from ouroboros_jax.base import Data, Learner, Metrics, Params, Settings
from ouroboros_jax.chain import Chain, State
from ouroboros_jax.data.base import RealData
from ouroboros_jax.draws.threefry import split
from ouroboros_jax.keys import chain_key, new_key
from ouroboros_jax.pools.given import Capacity, Given
from ouroboros_jax.pools.memory import Memory, are_alike, num_bytes
from ouroboros_jax.programs.sizes import Sizes
from ouroboros_jax.programs.stages import IN_PLACE, Stages
from ouroboros_jax.regimes import Regime
from ouroboros_jax.sweep import Group
from ouroboros_jax.vectorize import Compiled, Layout, over_chains

SEGMENT_GENERATIONS = 100  # most generations of one device call and of one step on disk
SEGMENT_BYTES = 64 << 20  # most bytes of parameters and metrics, likewise


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """One group's chains, compiled; build it with `build`."""

    sizes: Sizes
    stages: Stages  # what one block of the chains does
    layout: Layout
    draw: Callable[..., Data]  # draws points of a model, before any selector
    shapes: tuple[State, Metrics]  # of one chain after generation 0
    reach: int = 1  # how many models back the chains draw from, now or in a fork's earlier eras
    compiled: dict[Any, Compiled] = dataclasses.field(default_factory=dict)  # by stage

    @property
    def group(self) -> Group:
        return self.sizes.group

    @property
    def chain(self) -> Chain:
        return self.stages.chain

    @property
    def real(self) -> RealData:
        return self.stages.real

    @property
    def learner(self) -> Learner:
        return self.chain.learner

    @property
    def memory(self) -> Memory:
        """How the chains remember earlier data sets."""
        return self.chain.realisation.memory

    @property
    def draws_memory_again(self) -> bool:
        """Whether stored states omit the memory, which is then redrawn from the parameters: points
        of learners that are not hosted, and models, which are on disk already."""
        sizes = self.sizes
        return sizes.keeps_models or bool(sizes.kept_first and not self.learner.hosted)

    # On the host

    def settings(self, start: int, num: int) -> Settings:
        """Settings of `num` generations from `start`, leaves [C, num], or [C, 1] if constant."""
        return settings_of(self.group, start, num)

    def era(self, generation: int) -> int:
        """Which era drew a generation's points; the number of eras if that was the chain itself."""
        return sum(generation > era.last for era in self.stages.eras)

    def within_era(self, generation: int, most: int) -> int:
        """How many generations from `generation` on are of one era, up to `most`."""
        ends = [era.last + 1 for era in self.stages.eras if era.last >= generation]
        return min(most, ends[0] - generation) if ends else most

    @functools.cached_property
    def segment_length(self) -> int:
        """The most generations per device call: enough to amortise its overhead, few enough to lose
        when interrupted."""
        asked = self.group.point.get("store.segment", "auto")
        if asked != "auto":
            return int(asked)
        if self.learner.hosted:
            return 1
        return int(np.clip(SEGMENT_BYTES // max(self.generation_bytes, 1), 1, SEGMENT_GENERATIONS))

    @functools.cached_property
    def generation_bytes(self) -> int:
        """Bytes of parameters and metrics that one generation of all chains adds."""
        return self.parameter_bytes + num_bytes(self.shapes[1]) * self.group.num_chains

    @functools.cached_property
    def parameter_bytes(self) -> int:
        """Bytes of one generation's parameters, of all chains."""
        return num_bytes(self.state_shapes.params) * self.group.num_chains

    def memory_bytes(self, capacity: Capacity) -> int:
        """Bytes that one chain remembers of earlier data sets at a capacity."""
        memory = self.state_shapes.memory
        return num_bytes(jax.eval_shape(lambda m: self.memory.grow(m, capacity), memory))

    @functools.cached_property
    def fit_bytes(self) -> int:
        """Bytes of one chain's fit under way, which the devices hold between the steps of a hosted
        learner's fit."""
        settings, chain = one_setting(self.group), self.chain

        def begun(key):
            given = Given(key, settings, self.table, self.sizes.capacity(0))
            return chain.begin(given, chain.blank(given), is_first=True).fit_state

        return num_bytes(jax.eval_shape(begun, new_key(0)))

    @property
    def state_shapes(self) -> State:
        """Shapes of one chain's state after generation 0."""
        return self.shapes[0]

    @functools.cached_property
    def from_blank(self) -> bool:
        """Whether one compiled call serves generation 0 and those after it.

        It does, unless fits are hosted, if both have the same shapes and, for statistics, drawing
        needs no branch (which would add a tenth to a generation). One program compiles in two
        thirds of the time of two.
        """
        first, second = self.sizes.capacity(0), self.sizes.capacity(1)
        if self.learner.hosted or first[:2] != second[:2]:
            return False
        settings = one_setting(self.group)
        chain = self.chain
        has_either = chain.realisation.either is not None

        def both(key):
            given = Given(key, settings, self.table, first)
            state = chain.blank(given)

            def drawn(is_first):
                return chain.draw(given, state, is_first=is_first)

            def pooled(is_first):
                points = drawn(is_first)
                return points, chain.pool(given, state, points, is_first)

            if has_either:
                return state.params, drawn(jnp.array(True))
            return state.params, (pooled(True), pooled(False))

        params, found = jax.eval_shape(both, new_key(0))
        if not are_alike(params, self.state_shapes.params):
            return False
        return found is not None if has_either else are_alike(*found)

    @property
    def table(self):
        """Rows of finite real data, or None."""
        return self.stages.table

    @property
    def test(self):
        """Held-out rows of finite real data, or None."""
        return self.stages.test

    # All chains

    def call(self, name: str, *static, state=(), **args):
        """Call a stage of `Stages`, compiled for its static arguments, over all chains. Those in
        `IN_PLACE` donate their `state`."""
        return self._over_chains(name, static).call(state, *self._arguments(**args))

    def compile(self, name: str, *static, state=(), **args):
        """Compile a stage without running it; the arguments may be shapes, and a later `call`
        reuses the result. Returns the shapes of its results."""
        return self._over_chains(name, static).compile(state, *self._arguments(**args))

    def _over_chains(self, name: str, static: tuple[Any, ...]) -> Compiled:
        key = (name, *static)
        if key not in self.compiled:
            function = functools.partial(getattr(self.stages, name), *static)
            self.compiled[key] = IN_PLACE.get(name, over_chains)(function, self.layout)
        return self.compiled[key]

    def _arguments(self, settings: Settings | None = None, num: int = 1, **args):
        args["key"] = self.keys
        if settings is not None:
            args["settings"] = self.layout.split(settings)
        return args, self._real_rows | {"num": np.int32(num)}

    def sample(self, key, settings: Settings, params: Params, num: int):
        """`num` points of one chain's model; `params` as the learner's type."""
        return self._sample(key, settings, params, self.table, num)

    @functools.cached_property
    def _sample(self) -> Callable:
        def sample(key, settings, params, table, num):
            source = table
            if self.learner.prompts != "table":
                key, key_source = split(key)
                source = self.real.draw(key_source, settings, table, num)
            return self.draw(key, settings, params, source, num)

        return jax.jit(sample, static_argnums=4)

    @functools.cached_property
    def _real_rows(self) -> dict[str, Any]:
        """Finite real data on the devices, transferred once and not at every epoch of a fit."""
        return self.layout.everywhere({"table": self.table, "test": self.test})

    @functools.cached_property
    def keys(self) -> jax.Array:
        """The chains' keys, laid out on the devices."""
        keys = jax.vmap(chain_key)(jnp.asarray(self.group.seeds), self.group.replicates)
        return self.layout.split(keys)

    def real_set(self):
        """The pool that generation 0 is fitted to, on the host, [C, ...]."""
        return self.layout.join(
            self.call("real_set", self.sizes.capacity(0), settings=self.settings(0, 1))
        )

    def only(self, chain: int) -> "Program":
        """The program of one chain alone, in a block of the same width."""
        layout = self.layout._replace(num_chains=1)
        alone = dataclasses.replace(self, layout=layout, compiled={})
        return alone.of(_only(self.group, chain))

    def of(self, group: Group) -> "Program":
        """The same calls for other chains of the same shapes."""
        return dataclasses.replace(self, sizes=dataclasses.replace(self.sizes, group=group))


def settings_of(group: Group, start: int, num: int) -> Settings:
    """Settings of `num` generations from `start`, leaves [C, num], or [C, 1] if constant."""
    # Slots beyond the last generation are never read, so a growing schedule may be cut off there.
    last = max(group.point["generations"], start)
    generations = np.minimum(np.arange(start, start + num), last)
    counts = group.counts(generations)
    sections: dict[str, dict[str, np.ndarray]] = {s: {} for s in Settings._fields[3:]}
    for path, column in group.columns.items():
        section, _, name = path.partition(".")
        if not name or path == "data.num_samples":
            continue
        values = column.at(generations[:1] if column.is_constant else generations)
        sections[section][name] = values.astype(_dtype(group, path))
    return Settings(counts["num_samples"], counts["num_real"], counts["num_data"], **sections)


def one_setting(group: Group) -> Settings:
    """Settings of generation 0 of one chain, leaves [], which have every chain's shapes."""
    return jax.tree.map(lambda a: jnp.asarray(a[0, 0]), settings_of(group, 0, 1))


def _dtype(group: Group, path: str):
    tables = [registry.settings_of(point) for point in group.points]
    setting = next(table[path] for table in tables if path in table)
    return np.int32 if setting.types == (int,) else jnp.result_type(float)


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


def drawn_shapes(group: Group, real: RealData, num: int) -> Data:
    """Shapes of `num` real points."""
    settings = one_setting(group)
    return jax.eval_shape(
        lambda key, table: real.draw(key, settings, table, num), new_key(0), real.table
    )


def of_counts(group: Group, regime: Regime, summary: Callable) -> np.ndarray:
    """`summary` of every chain's counts, int32 [generations, sources], from generation 1 on."""
    generations = np.arange(1, group.point["generations"] + 1)
    settings = settings_of(group, 1, len(generations))

    def of_chain(settings):
        by_generation = jax.tree.map(
            lambda a: jnp.broadcast_to(a, len(generations)) if len(a) == 1 else a, settings
        )
        counts = jax.vmap(regime.counts)(by_generation, jnp.asarray(generations))
        return summary(counts, by_generation.num_samples)

    return np.asarray(jax.jit(jax.vmap(of_chain))(jax.tree.map(jnp.asarray, settings)))
