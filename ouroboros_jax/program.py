"""A group of chains as compiled functions: the config ends here, arrays begin.

A `Program` has a group's first generation, a segment of further generations, and the pools of any
generation drawn again. Each is compiled once and serves every call, whatever the number of
generations in it, so nothing that decides bits depends on where a segment ends.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax import registry
from ouroboros_jax.base import Context, Data, Learner, Mixture, Params, Settings
from ouroboros_jax.chain import Chain, Fit, State
from ouroboros_jax.data.base import RealData
from ouroboros_jax.eras import Era
from ouroboros_jax.keys import chain_key, stage_key
from ouroboros_jax.memory import Capacity, Memory
from ouroboros_jax.metrics.mixture import truth_of
from ouroboros_jax.sweep import Group
from ouroboros_jax.vectorize import Layout, make_layout, over_block, over_chains

SEGMENT_GENERATIONS = 100  # most generations of one device call and of one step on disk
SEGMENT_BYTES = 64 << 20  # of parameters and metrics, likewise


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """One group's chains, compiled; build it with `build`."""

    group: Group
    learner: Learner
    draw: Callable[..., Data]  # points of a model, before any selector
    real: RealData
    chain: Chain
    memory: Memory
    layout: Layout
    kept_first: int  # data sets that a memory of all points has room for at first; 0: there is none
    kept_growth: int  # by what it grows at a time
    keeps_models: bool  # whether that memory holds a model for each data set, and not its points
    num_test: int  # points held out of a law's, for each chain
    shared: dict[str, Any]  # what programs of other layouts may use as well
    cache: dict[Any, Any]  # compiled functions
    eras: tuple[Era, ...] = ()  # of a fork: who drew what its regime remembers, before it did
    reach: int = 1  # how many models back any of them draws from

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
        column = self.group.columns["num_samples"]
        counts = self.group.counts(np.arange(generation + 1))
        real = int(counts["num_data"].max())
        if column.is_constant:
            new = int(counts["num_samples"].max())
            drawn = new * generation
        else:
            new = _grown(int(counts["num_samples"].max()), 16, 2)
            drawn = int(counts["num_samples"][:, 1:].sum(1).max(initial=0))
        kept = 0
        if self.keeps_models:
            kept = _grown(generation + 1, self.kept_first, self.kept_growth)
        elif self.kept_first:  # in steps that no later generation changes
            first = int(self.group.counts(np.arange(1, 2))["num_samples"].max())
            size = self.kept_first * max(real, first)
            kept = _grown(real + drawn + new, size, self.kept_growth)
        return Capacity(real, new, kept)

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
    def metric_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of one chain's metrics at one generation."""
        return self._shapes[1]

    @property
    def _shapes(self):
        # Tracing takes a second for the larger learners: once for a program and its relatives.
        if "shapes" not in self.shared:
            self.shared["shapes"] = self._trace_shapes()
        return self.shared["shapes"]

    def _trace_shapes(self):
        settings = jax.tree.map(lambda a: jnp.asarray(a[0, 0]), self.settings(0, 1))

        def first(key):
            state, info = self.chain.init(key, settings, self.table, self.capacity(0))
            prepared = self.prepared(key, settings, self.table)
            context = self._context(key, settings, state.params, self.test, prepared)
            return state, self.chain.measure(settings, state.params, context, info, state.frozen)

        return jax.eval_shape(first, jax.random.key(0))

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

    # One chain

    def prepared(self, key, settings, table):
        """What metrics need of one chain beyond its parameters."""
        prepare = self.learner.prepare
        return prepare(stage_key(key, "prepare", 0), settings, table) if prepare else ()

    def _context(self, key, settings, reference, test, prepared=()) -> Context:
        truth = self.real.truth(settings) if self.real.truth else None
        if isinstance(truth, Mixture):
            truth = truth_of(truth)  # its tails, found once a segment
        if test is None and self.real.table is None and self.num_test:
            key_test = stage_key(key, "test", 0)
            test = self.real.draw(key_test, settings, None, self.num_test)
        return Context(truth, reference, test, prepared)

    def _prepare(self, state, args, shared):
        """What `measure` needs of one block beyond its parameters."""
        del state

        def one(key, settings):
            return self.prepared(key, _at(settings, 0), shared["table"])

        return over_block(one, self.layout.block)(args["key"], args["settings"])

    def _measure(self, key, settings, state, info, reference, prepared, shared):
        """Metrics of one chain; `reference` is None at generation 0, which is its own."""
        reference = state.params if reference is None else reference
        context = self._context(key, settings, reference, shared["test"], prepared)
        return self.chain.measure(settings, state.params, context, info, state.frozen)

    def _first(self, capacity, state, args, shared):
        """Generation 0 of one block: its state and metrics."""
        del state

        def one(key, settings, prepared):
            settings = _at(settings, 0)
            state, info = self.chain.init(key, settings, shared["table"], capacity)
            return state, self._measure(key, settings, state, info, None, prepared, shared)

        return over_block(one, self.layout.block)(args["key"], args["settings"], args["prepared"])

    def _segment(self, capacity, length, state, args, shared):
        """Up to `length` generations of one block; `shared["num"]` of them, a traced number, so
        that segments of every size run the same program."""
        block = self.layout.block

        def context_of(key, settings, reference, prepared):
            return self._context(key, _at(settings, 0), reference, shared["test"], prepared)

        context = over_block(context_of, block)(
            args["key"], args["settings"], args["reference"], args["prepared"]
        )

        def step(i, state):
            def one(key, settings, state, context):
                settings = _at(settings, i)
                return self.chain.step(key, settings, state, context, shared["table"], capacity)

            return over_block(one, block)(args["key"], args["settings"], state, context)

        def body(i, carry):
            state, out = carry
            state, metrics = step(i, state)
            out = jax.tree.map(lambda a, b: a.at[i].set(b), out, (state.params, metrics))
            return state, out

        out = (state.params, jax.eval_shape(lambda: step(0, state)[1]))
        out = jax.tree.map(lambda a: jnp.zeros((length, *a.shape), a.dtype), out)
        return jax.lax.fori_loop(0, shared["num"], body, (state, out))

    # One chain whose fits the host drives

    def _start(self, capacity, state, args, shared):
        """Generation 0's fit of one block, begun."""
        del state

        def one(key, settings):
            return self.chain.start(key, _at(settings, 0), shared["table"], capacity)

        return over_block(one, self.layout.block)(args["key"], args["settings"])

    def _begin(self, capacity, state, args, shared):
        """The next generation's fit of one block, begun."""

        def one(key, settings, state):
            return self.chain.begin(key, _at(settings, 0), state, shared["table"], capacity)

        return over_block(one, self.layout.block)(args["key"], args["settings"], state)

    def _advance(self, capacity, state, args, shared):
        """Step `shared["num"]` of a fit; `state` is the fit's own alone, so that a pool which no
        step changes is not copied."""

        def one(key, settings, fit_state, before, pool):
            fit = Fit(before, pool, fit_state)
            fit, info = self.chain.advance(
                key, _at(settings, 0), fit, shared["num"], shared["table"], capacity
            )
            return fit.fit_state, info

        return over_block(one, self.layout.block)(
            args["key"], args["settings"], state, args["before"], args["pool"]
        )

    def _finish(self, state, args, shared):
        """The fit's end: the state of the generation and its metrics."""

        def one(key, settings, fit_state, before, curves, prepared, *reference):
            settings = _at(settings, 0)
            state, info = self.chain.finish(Fit(before, (), fit_state), curves)
            reference = reference[0] if reference else None
            return state, self._measure(key, settings, state, info, reference, prepared, shared)

        names = ("key", "settings"), ("before", "curves", "prepared", "reference")
        given = [args[name] for name in names[0]] + [state]
        given += [args[name] for name in names[1] if name in args]
        return over_block(one, self.layout.block)(*given)

    def _known(self, capacity, state, args, shared):
        """The state of generation 0, of known parameters `state`."""

        def one(key, settings, params):
            settings = _at(settings, 0)
            _, memory = self.chain.first(key, settings, shared["table"], capacity)
            past = (params,) * len(self.state_shapes.past)
            return State(jnp.int32(0), params, past, memory, jnp.array(False))

        return over_block(one, self.layout.block)(args["key"], args["settings"], state)

    def _replay(self, capacity, era, state, args, shared):
        """The memory after `shared["num"]` more generations whose parameters are known.

        `args["models"][lag - 1]` are the parameters that each of those generations, all of one
        era, drew from.
        """
        chain = [*(era.chain for era in self.eras), self.chain][era]

        def body(i, state):
            def one(key, settings, state, models):
                here = state._replace(params=models[0], past=models[1:])
                settings = _at(settings, i)
                _, memory = chain.train(key, settings, here, shared["table"], capacity)
                return state._replace(generation=state.generation + 1, memory=memory)

            models = jax.tree.map(lambda a: a[:, i], args["models"])
            return over_block(one, self.layout.block)(args["key"], args["settings"], state, models)

        return jax.lax.fori_loop(0, shared["num"], body, state)

    def _train(self, capacity, state, args, shared):
        """The pool that one block's next generation is fitted to."""

        def one(key, settings, state):
            settings, table = _at(settings, 0), shared["table"]
            pool = self.chain.train(key, settings, state, table, capacity)[0]
            generation = state.generation + 1
            return self.chain.open(key, settings, pool, table, generation, jnp.int32(0), capacity)

        return over_block(one, self.layout.block)(args["key"], args["settings"], state)

    def _real(self, capacity, state, args, shared):
        """The pool that one block's generation 0 is fitted to."""
        del state

        def one(key, settings):
            settings, table = _at(settings, 0), shared["table"]
            pool = self.chain.first(key, settings, table, capacity)[0]
            zero = jnp.int32(0)
            return self.chain.open(key, settings, pool, table, zero, zero, capacity)

        return over_block(one, self.layout.block)(args["key"], args["settings"])

    def _grow(self, capacity, state, args, shared):
        """The same state with room for more in its memory."""
        del args, shared

        def one(state):
            return state._replace(memory=self.memory.grow(state.memory, capacity))

        return over_block(one, self.layout.block)(state)

    # All chains

    def call(self, name: str, *static, state=(), settings=None, num: int = 1, **args):
        """One of the functions above, compiled for its static arguments, over all chains."""
        key = (name, *static)
        if key not in self.cache:
            function = functools.partial(getattr(self, name), *static)
            self.cache[key] = over_chains(function, self.layout)
        args["key"] = self.keys
        if settings is not None:
            args["settings"] = self.layout.split(settings)
        shared = {"table": self.table, "test": self.test, "num": np.int32(num)}
        return self.cache[key](state, args, shared)

    def sample(self, key, settings: Settings, params: Params, num: int):
        """`num` points of one chain's model; `params` as the learner's type."""
        if "sample" not in self.shared:

            def sample(key, settings, params, table, num):
                source = table
                if self.learner.prompts != "table":
                    key, key_source = jax.random.split(key)
                    source = self.real.draw(key_source, settings, table, num)
                return self.draw(key, settings, params, source, num)

            self.shared["sample"] = jax.jit(sample, static_argnums=4)
        return self.shared["sample"](key, settings, params, self.table, num)

    @functools.cached_property
    def keys(self) -> jax.Array:
        """The chains' keys, laid out on the devices."""
        keys = jax.vmap(chain_key)(jnp.asarray(self.group.seeds), self.group.replicates)
        return self.layout.split(keys)

    def real_set(self):
        """The pool that generation 0 is fitted to, on the host, [C, ...]."""
        return self.layout.join(self.call("_real", self.capacity(0), settings=self.settings(0, 1)))

    def only(self, chain: int) -> "Program":
        """The program of one chain alone, in a block of the same width."""
        layout = make_layout(1, self.layout.block, self.layout.mesh.devices.flat)
        return dataclasses.replace(self, group=_only(self.group, chain), layout=layout, cache={})


def as_test(rows: Data) -> Data:
    """Held-out rows on the device: floats as wide as the run's."""
    return jax.tree.map(
        lambda a: jnp.asarray(a, jnp.result_type(float) if a.dtype.kind == "f" else a.dtype), rows
    )


def _at(settings: Settings, i) -> Settings:
    """The settings of generation `i` of a segment; constant ones have one column for all."""
    return jax.tree.map(lambda a: a[0] if a.shape[0] == 1 else a[i], settings)


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


def _grown(num: int, size: int, factor: int) -> int:
    """The first of size, size * factor, ... that holds `num`."""
    while size < num:
        size *= factor
    return size


def num_bytes(shapes: Any) -> int:
    """Bytes of a pytree of arrays or of their shapes."""
    return sum(int(np.prod(s.shape)) * s.dtype.itemsize for s in jax.tree.leaves(shapes))
