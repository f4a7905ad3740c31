"""One chain: a learner and a regime folded into `init` and `step`, pure functions.

`step` is `begin`, `num_steps` times `advance`, and `end`; a host that wants to show progress inside
a long fit, or to cut it at an epoch, drives the three itself. The chains axis is added elsewhere.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Context, Data, Key, Learner, Metrics, Params, Pool
from ouroboros_jax.draws.threefry import fold_in
from ouroboros_jax.keys import stage_key
from ouroboros_jax.pools.memory import Capacity
from ouroboros_jax.pools.realisation import Realisation
from ouroboros_jax.regimes import Regime

OK, DEGENERATE, FROZEN = 0, 1, 2  # values of the metric `status`
NO_CURVES: Mapping[str, jax.Array] = {}
STARTS = ("previous", "base", "fresh")
IsFirst = bool | jax.Array  # see `Chain`


class State(NamedTuple):
    """What a chain needs for its next generation."""

    generation: jax.Array  # int32 [], 0 is the fit to real data, -1 before it
    params: Params
    past: tuple[Params, ...]  # of the models before, newest first, as far as the regime reaches
    memory: Any  # what the regime remembers of earlier data sets
    frozen: jax.Array  # bool []


class Fit(NamedTuple):
    """A generation half-way through its fit."""

    state: State  # of the generation before, with the memory of this one
    pool: Pool
    fit_state: Any


def _is_broken(path, leaf: jax.Array) -> jax.Array:
    """Whether a parameter is NaN or infinite; in a leaf named `log_...`, -inf is a zero's."""
    name = jax.tree_util.keystr(path[-1:], simple=True)
    if name.startswith("log_"):
        return (jnp.isnan(leaf) | jnp.isposinf(leaf)).any()
    return ~jnp.isfinite(leaf).all()


def _either(is_first: IsFirst, first: Callable[[], Any], later: Callable[[], Any]) -> Any:
    """What `first` gives at generation 0 and `later` after it; a branch where that is traced."""
    if isinstance(is_first, bool):
        return first() if is_first else later()
    return jax.lax.cond(is_first, first, later)


def reference_of(is_first: IsFirst, params: Params, reference: Params) -> Params:
    """What metrics are measured against: generation 0 is its own reference, and all others'."""
    if is_first is False:
        return reference
    return jax.tree.map(lambda a, b: jnp.where(is_first, a, b), params, reference)


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """The closed loop of one chain.

    In what follows `key` is the chain's own key (`keys.chain_key`), the same at every generation;
    `settings` are those of the generation that is made; `table` is the rows of finite real data or
    None; `capacity` static sizes; and `state` the chain after the generation before.

    `is_first` says whether the generation that is made is 0. It may be traced, one for all chains
    of a call, where both have the same shapes: a program then has both ways to draw and to pool,
    but one fit.

    Raises:
      ValueError: an unknown `start`.
    """

    learner: Learner  # how a generation is fitted and sampled
    regime: Regime  # what it is fitted to
    realisation: Realisation  # how that is held, see `pools/`
    # What a fit begins from: the parameters before, those generation 0 began from, or new ones.
    start: Literal["previous", "base", "fresh"] = "previous"

    def __post_init__(self):
        if self.start not in STARTS:
            raise ValueError(f"start={self.start!r}: expected one of {STARTS}.")

    def init(self, key: Key, settings, table, capacity: Capacity) -> tuple[State, Metrics]:
        """Generation 0, and what its fit said."""
        state = self.blank(key, settings, table, capacity)
        fit = self.begin(key, settings, state, table, capacity, is_first=True)
        return self.finish(*self._all_steps(key, settings, fit, table, capacity))

    def step(
        self, key: Key, settings, state: State, context: Context, table, capacity, is_first=False
    ) -> tuple[State, Metrics]:
        """The next generation, and its metrics."""
        fit = self.begin(key, settings, state, table, capacity, is_first=is_first)
        fit, curves = self._all_steps(key, settings, fit, table, capacity)
        return self.end(settings, fit, context, curves, is_first)

    def blank(self, key: Key, settings, table, capacity: Capacity) -> State:
        """The state before generation 0."""
        realisation = self.realisation
        shapes = jax.eval_shape(lambda: realisation.first(key, settings, table, capacity))
        points = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
        memory = realisation.memory.empty(points, capacity)
        data = realisation.points_to_begin(key, settings, table, capacity)
        params = self.learner.init(stage_key(key, "init", 0), settings, data)
        past = (params,) * (self.regime.lags - 1)
        return State(jnp.int32(-1), params, past, memory, jnp.array(False))

    # A fit

    def begin(
        self, key: Key, settings, state: State, table, capacity, drawn=None, is_first=False
    ) -> Fit:
        """The next generation's fit; `drawn` is what its models drew, where the host has it."""
        pool, memory = self.draw_pool(key, settings, state, table, capacity, drawn, is_first)
        params = state.params  # of a blank state those that any start means
        if is_first is not True and self.start != "previous":
            data = self.realisation.points_to_begin(key, settings, table, capacity)
            born = 0 if self.start == "base" else state.generation + 1
            params = self.learner.init(stage_key(key, "init", born), settings, data)
        generation = state.generation + 1
        seen = self._opened(key, settings, pool, table, generation, jnp.int32(0), capacity)
        key_fit = stage_key(key, "fit", generation)
        fit_state = self.learner.fit_begin(key_fit, settings, params, seen)
        return Fit(state._replace(memory=memory), pool, fit_state)

    def advance(
        self, key: Key, settings, fit: Fit, step, table=None, capacity=None
    ) -> tuple[Fit, Metrics]:
        """Step `step` of the fit, and what it says."""
        generation = fit.state.generation + 1
        key_step = fold_in(stage_key(key, "fit", generation), step + 1)
        pool = self._opened(key, settings, fit.pool, table, generation, step, capacity)
        fit_state, info = self.learner.fit_step(key_step, settings, fit.fit_state, pool)
        return fit._replace(fit_state=fit_state), info

    def _all_steps(self, key, settings, fit, table, capacity) -> tuple[Fit, Metrics]:
        """The whole fit, and what its steps said, leaves [num_steps, ...]."""
        if self.learner.num_steps == 1:
            fit, info = self.advance(key, settings, fit, jnp.int32(0), table, capacity)
            return fit, jax.tree.map(lambda a: a[None], info)

        def advance(fit, step):
            return self.advance(key, settings, fit, step, table, capacity)

        return jax.lax.scan(advance, fit, jnp.arange(self.learner.num_steps))

    def finish(self, fit: Fit, curves: Metrics = NO_CURVES) -> tuple[State, Metrics]:
        """The fit's end, before measuring; `curves` are what its steps said."""
        params, info = self.learner.fit_end(fit.fit_state)
        broken = [_is_broken(path, a) for path, a in jax.tree_util.tree_leaves_with_path(params)]
        before = fit.state
        frozen = before.frozen | jnp.stack(broken).any()
        # Generation 0 has no parameters before it to keep, and models before it are never read.
        is_first = before.generation < 0
        params = jax.tree.map(
            lambda a, b: jnp.where(frozen & ~is_first, a, b), before.params, params
        )
        past = (before.params, *before.past)[: len(before.past)]
        past = jax.tree.map(lambda a, b: jnp.where(is_first, a, b), (params,) * len(past), past)
        state = State(before.generation + 1, params, past, before.memory, frozen)
        return state, {**info, **curves}

    def end(
        self, settings, fit: Fit, context: Context, curves: Metrics = NO_CURVES, is_first=False
    ) -> tuple[State, Metrics]:
        """The fit's end: the generation's state and its metrics."""
        state, info = self.finish(fit, curves)
        reference = reference_of(is_first, state.params, context.reference)
        context = context._replace(reference=reference)
        return state, self.measure(settings, state.params, context, info, state.frozen)

    def measure(self, settings, params: Params, context: Context, info, frozen) -> Metrics:
        """A generation's metrics; `info` is what its fit said."""
        metrics = self.learner.measure(settings, params, context) | info
        degenerate = metrics.pop("degenerate", jnp.array(False))
        for value in jax.tree.leaves(metrics):
            degenerate |= jnp.isinf(value).any()
        status = jnp.where(frozen, FROZEN, jnp.where(degenerate, DEGENERATE, OK))
        return metrics | {"status": status.astype(jnp.int8)}

    # What a generation is fitted to

    def draw_pool(
        self, key: Key, settings, state: State, table, capacity, drawn=None, is_first=False
    ) -> tuple[Pool, Any]:
        """The pool that the next generation is fitted to, and the memory with its new points."""
        points = self.draw(key, settings, state, table, capacity, drawn, is_first)
        return self.pool(key, settings, state, points, table, capacity, is_first)

    def draw(
        self, key: Key, settings, state: State, table, capacity, drawn=None, is_first=False
    ) -> Any:
        """The new points alone, as the realisation holds them; None where it has no way to draw
        them for an `is_first` that is traced."""
        about = self._about(key, settings, state, table, capacity)
        if self.realisation.either and not isinstance(is_first, bool):
            return self.realisation.either(*about, is_first)
        given = {} if drawn is None else {"drawn": drawn}
        return _either(
            is_first,
            lambda: self.realisation.first(key, settings, table, capacity),
            lambda: self.realisation.draw(*about, **given),
        )

    def pool(
        self, key: Key, settings, state: State, points, table, capacity, is_first=False
    ) -> tuple[Pool, Any]:
        """What `draw_pool` returns, of `points` that are drawn."""
        realisation = self.realisation
        # Not in a branch, which would copy it.
        memory = realisation.memory.add(state.memory, points, capacity)

        def first():
            return realisation.pool(key, settings, points, 0, capacity)

        def later():
            union = realisation.memory.union(
                memory, points, lambda: realisation.first(key, settings, table, capacity)
            )
            return realisation.pool(key, settings, union, state.generation + 1, capacity)

        if realisation.pools_alike and is_first is not True:
            return later(), memory
        return _either(is_first, first, later), memory

    @property
    def draws_in_parts(self) -> bool:
        """Whether the host may draw a generation's points by `part`, and hand them to `begin`."""
        return self.realisation.part is not None

    def part(self, key: Key, settings, state: State, table, capacity, turn) -> list[Data]:
        """Some of the points that the next generation draws, [R, ...] of each of its models."""
        return self.realisation.part(*self._about(key, settings, state, table, capacity), turn)

    def open(self, key: Key, settings, pool: Pool, table, generation, step, capacity) -> Pool:
        """A pool as rows, as step `step` of a generation's fit sees them."""
        pool = self._opened(key, settings, pool, table, generation, step, capacity)
        return Pool(pool.data, pool.weights, pool.group, pool.totals)

    def _opened(self, key, settings, pool, table, generation, step, capacity):
        return self.realisation.open(key, settings, pool, table, generation, step, capacity)

    def _about(self, key, settings, state: State, table, capacity) -> tuple:
        """What the next generation draws from, as a `Realisation` takes it."""
        models = (state.params, *state.past)
        return key, settings, models, table, state.generation + 1, capacity, state.memory
