"""What one block of chains does in one device call: the pure functions that are compiled.

Each takes `(state, args, shared)`, with the chains of the block along the first axis of `state` and
`args`; what comes before those is static.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Context, Data, Metrics, Mixture, Settings
from ouroboros_jax.chain import Chain, Fit, State, reference_of
from ouroboros_jax.data.base import RealData
from ouroboros_jax.keys import new_key
from ouroboros_jax.metrics.mixture import truth_of
from ouroboros_jax.pools.given import Capacity, Given
from ouroboros_jax.programs.eras import Redraw
from ouroboros_jax.vectorize import all_in_place, each_in_place, over_block

# Stages that donate their state, and how the new one replaces it.
IN_PLACE = {"advance": each_in_place, "segment": all_in_place, "replay": all_in_place}


@dataclasses.dataclass(frozen=True, eq=False)
class Stages:
    """The stages of a generation, for blocks of `block` chains."""

    real: RealData
    chain: Chain
    eras: tuple[Redraw, ...] = ()  # of a fork: redraw its source's points for its memory
    num_test: int = 0  # points to draw from a law as each chain's test data
    block: int = 1

    @property
    def table(self) -> Data | None:
        """Rows of finite real data, or None."""
        return jax.tree.map(jnp.asarray, self.real.table)

    @property
    def test(self) -> Data | None:
        """Held-out rows of finite real data, or None."""
        if self.real.test is None or not jax.tree.leaves(self.real.test)[0].shape[0]:
            return None
        return as_test(self.real.test)

    def shapes(self, settings: Settings, capacity: Capacity) -> tuple[State, Metrics]:
        """Shapes of one chain's state after generation 0 and of its metrics."""
        test = self.test

        def first(key):
            given = Given(key, settings, self.table, capacity)
            state, info = self.chain.init(given)
            context = self.context(given, state.params, test, self.prepared(given))
            return state, self.chain.measure(settings, state.params, context, info, state.frozen)

        return jax.eval_shape(first, new_key(0))

    def check_step(self, settings: Settings, first: Capacity, capacity: Capacity) -> None:
        """Trace generation 1 of one chain, from sizes `first` to `capacity`, for what it raises."""
        test, memory = self.test, self.chain.realisation.memory

        def step(key):
            given = Given(key, settings, self.table, first)
            state, _ = self.chain.init(given)
            state = state._replace(memory=memory.grow(state.memory, capacity))
            context = self.context(given, state.params, test, self.prepared(given))
            return self.chain.step(given._replace(capacity=capacity), state, context)

        jax.eval_shape(step, new_key(0))

    def _each(self, one: Callable, capacity: Capacity | None, args, shared, *more):
        """`one(given, *more)` of each chain of a block, with one generation's settings."""

        def of_chain(key, settings, *more):
            return one(Given(key, _at(settings, 0), shared["table"], capacity), *more)

        return over_block(of_chain, self.block)(args["key"], args["settings"], *more)

    def prepared(self, given: Given):
        """What one chain's metrics need beyond its parameters."""
        if self.chain.learner.prepare is None:
            return ()
        key = given.stage_key("prepare", 0)
        return self.chain.learner.prepare(key, given.settings, given.table)

    def context(self, given: Given, reference, test, prepared=()) -> Context:
        """What one chain is measured against."""
        truth = self.real.truth(given.settings) if self.real.truth else None
        if isinstance(truth, Mixture):
            truth = truth_of(truth)  # its tails, computed once per segment
        if test is None and self.real.table is None and self.num_test:
            key_test = given.stage_key("test", 0)
            test = self.real.draw(key_test, given.settings, None, self.num_test)
        return Context(truth, reference, test, prepared)

    def prepare(self, state, args, shared):
        """What `measure` needs beyond parameters, for one block."""
        del state
        return self._each(self.prepared, None, args, shared)

    def real_pool(self, given: Given):
        """What generation 0 of one chain is fitted to, and the memory of it."""
        return self.chain.draw_pool(given, self.chain.blank(given), is_first=True)

    def measure(self, given: Given, state, info, reference, prepared, test):
        """Metrics of one chain; `reference` is None at generation 0, which is its own reference."""
        reference = state.params if reference is None else reference
        context = self.context(given, reference, test, prepared)
        return self.chain.measure(given.settings, state.params, context, info, state.frozen)

    def blank(self, capacity, state, args, shared):
        """The state of one block before generation 0."""
        del state
        return self._each(self.chain.blank, capacity, args, shared)

    def first(self, capacity, state, args, shared):
        """Generation 0 of one block: its state and metrics."""
        del state

        def one(given, prepared):
            state, info = self.chain.init(given)
            return state, self.measure(given, state, info, None, prepared, shared["test"])

        return self._each(one, capacity, args, shared, args["prepared"])

    def segment(self, capacity, length, from_blank, memory, args, shared):
        """Up to `length` generations of one block; `shared["num"]` of them, a traced number, so
        that segments of every size run the same program.

        The memory, if it is not None, is that of `args["before"]`, and is donated. `from_blank`
        says whether generation 0 may be one of them. Returns the memory, the state without it, the
        reference, and the parameters and metrics of each generation.
        """
        before = args["before"]
        gives = memory is not None
        before = before._replace(memory=memory) if gives else before

        def context_of(given, prepared):
            return self.context(given, None, shared["test"], prepared)

        context = self._each(context_of, None, args, shared, args["prepared"])

        def step(i, state, reference):
            # One flag for the block, whose chains are at one generation, so branches stay branches.
            is_first = state.generation[0] < 0 if from_blank else False

            def one(key, settings, state, reference, context):
                given = Given(key, _at(settings, i), shared["table"], capacity)
                context = context._replace(reference=reference)
                return self.chain.step(given, state, context, is_first)

            state, metrics = over_block(one, self.block)(
                args["key"], args["settings"], state, reference, context
            )
            return state, reference_of(is_first, state.params, reference), metrics

        def body(i, carry):
            *carry, out = carry
            state, reference, metrics = step(i, *carry)
            out = jax.tree.map(lambda a, b: a.at[i].set(b), out, (state.params, metrics))
            return state, reference, out

        reference = args["reference"]
        out = (before.params, jax.eval_shape(lambda: step(0, before, reference)[2]))
        out = jax.tree.map(lambda a: jnp.zeros((length, *a.shape), a.dtype), out)
        carry = before, reference, out
        state, reference, out = jax.lax.fori_loop(0, shared["num"], body, carry)
        if not gives:
            return None, (state, reference, out)
        return state.memory, (state._replace(memory=None), reference, out)

    # Blocks whose fits the host drives

    def start(self, capacity, state, args, shared):
        """Generation 0's fit of one block, begun."""
        del state

        def one(given):
            return self.chain.begin(given, self.chain.blank(given), is_first=True)

        return self._each(one, capacity, args, shared)

    def part(self, capacity, state, args, shared):
        """Turn `shared["num"]` of drawing what the next generation is fitted to."""

        def one(given, state):
            return self.chain.part(given, state, shared["num"])

        return self._each(one, capacity, args, shared, state)

    def begin(self, capacity, state, args, shared):
        """The next generation's fit of one block, begun; on the host's draws if there are any."""
        return self._each(self.chain.begin, capacity, args, shared, state, args["drawn"])

    def advance(self, capacity, state, args, shared):
        """Step `shared["num"]` of a fit. `state` is the fit state alone; the pool, which no step
        changes, is passed separately so that it is not copied."""

        def one(given, fit_state, before, pool):
            fit, info = self.chain.advance(given, Fit(before, pool, fit_state), shared["num"])
            return fit.fit_state, info

        return self._each(one, capacity, args, shared, state, args["before"], args["pool"])

    def finish(self, state, args, shared):
        """The fit's end: the state of the generation and its metrics."""

        def one(given, fit_state, before, curves, prepared, reference=None):
            state, info = self.chain.finish(Fit(before, (), fit_state), curves)
            return state, self.measure(given, state, info, reference, prepared, shared["test"])

        more = [args["before"], args["curves"], args["prepared"]]
        more += [args["reference"]] if "reference" in args else []
        return self._each(one, None, args, shared, state, *more)

    def known(self, capacity, num_past, state, args, shared):
        """The state of generation 0, from its known parameters `state`."""

        def one(given, params):
            _, memory = self.real_pool(given)
            past = (params,) * num_past
            return State(jnp.int32(0), params, past, memory, jnp.array(False))

        return self._each(one, capacity, args, shared, state)

    def replay(self, capacity, era, state, args, shared):
        """The memory after `shared["num"]` more generations whose parameters are known.

        `args["models"][lag - 1]` are the parameters from which each of those generations, all of
        one era, drew.
        """
        chain = [*(era.chain for era in self.eras), self.chain][era]

        def body(i, state):
            def one(key, settings, state, models):
                here = state._replace(params=models[0], past=models[1:])
                given = Given(key, _at(settings, i), shared["table"], capacity)
                _, memory = chain.draw_pool(given, here)
                return state._replace(generation=state.generation + 1, memory=memory)

            models = jax.tree.map(lambda a: a[:, i], args["models"])
            return over_block(one, self.block)(args["key"], args["settings"], state, models)

        return jax.lax.fori_loop(0, shared["num"], body, state), ()

    def pool(self, capacity, state, args, shared):
        """The pool that one block's next generation is fitted to."""

        def one(given, state):
            pool, _ = self.chain.draw_pool(given, state)
            return self.chain.open(given, pool, state.generation + 1, jnp.int32(0))

        return self._each(one, capacity, args, shared, state)

    def real_set(self, capacity, state, args, shared):
        """The pool that one block's generation 0 is fitted to."""
        del state

        def one(given):
            pool, _ = self.real_pool(given)
            return self.chain.open(given, pool, jnp.int32(0), jnp.int32(0))

        return self._each(one, capacity, args, shared)

    def grow(self, capacity, state, args, shared):
        """The same state with room for more in its memory."""
        del args, shared

        def one(state):
            return state._replace(memory=self.chain.realisation.memory.grow(state.memory, capacity))

        return over_block(one, self.block)(state)


def as_test(rows: Data) -> Data:
    """Held-out rows on the device: floats as wide as the run's."""
    return jax.tree.map(
        lambda a: jnp.asarray(a, jnp.result_type(float) if a.dtype.kind == "f" else a.dtype), rows
    )


def _at(settings: Settings, i) -> Settings:
    """The settings of generation `i` of a segment; constant ones have one column for all."""
    return jax.tree.map(lambda a: a[0] if a.shape[0] == 1 else a[i], settings)
