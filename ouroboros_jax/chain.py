"""One chain: a learner and a regime folded into `init` and `step`, pure functions.

`step` is `begin`, `num_steps` times `advance`, and `end`; a host that wants to show progress inside
a long fit, or to interrupt it at an epoch, drives the three itself. The chains axis is added
elsewhere.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Context, Data, Learner, Metrics, Params, Pool, Settings
from ouroboros_jax.draws.threefry import fold_in
from ouroboros_jax.pools.given import Before, Given
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
    """Whether a parameter is NaN or infinite; -inf is allowed in a leaf named `log_...`: log 0."""
    name = jax.tree_util.keystr(path[-1:], simple=True)
    if name.startswith("log_"):
        return (jnp.isnan(leaf) | jnp.isposinf(leaf)).any()
    return ~jnp.isfinite(leaf).all()


def _before(state: State) -> Before:
    """What the generation after a state is drawn from."""
    return Before((state.params, *state.past), state.generation + 1, state.memory)


def _either(is_first: IsFirst, first: Callable[[], Any], later: Callable[[], Any]) -> Any:
    """`first()` at generation 0 and `later()` afterwards; a `lax.cond` if `is_first` is traced."""
    if isinstance(is_first, bool):
        return first() if is_first else later()
    return jax.lax.cond(is_first, first, later)


def reference_of(is_first: IsFirst, params: Params, reference: Params) -> Params:
    """What metrics are measured against: generation 0, which is its own reference too."""
    if is_first is False:
        return reference
    return jax.tree.map(lambda a, b: jnp.where(is_first, a, b), params, reference)


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """The closed loop of one chain.

    In the methods, `given` is the input of the generation being made, and `state` the chain after
    the generation before it.

    `is_first` says whether the generation being made is 0. It may be traced, one for all chains of
    a call, if generation 0 has the same shapes as later ones: a program then has both ways to draw
    and to pool, but one fit.

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

    def init(self, given: Given) -> tuple[State, Metrics]:
        """Generation 0, and the metrics of its fit."""
        fit = self.begin(given, self.blank(given), is_first=True)
        return self.finish(*self._all_steps(given, fit))

    def step(
        self, given: Given, state: State, context: Context, is_first: IsFirst = False
    ) -> tuple[State, Metrics]:
        """The next generation, and its metrics."""
        fit = self.begin(given, state, is_first=is_first)
        fit, curves = self._all_steps(given, fit)
        return self.end(given.settings, fit, context, curves, is_first)

    def blank(self, given: Given) -> State:
        """The state before generation 0."""
        realisation = self.realisation
        shapes = jax.eval_shape(lambda: realisation.first(given))
        points = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
        memory = realisation.memory.empty(points, given.capacity)
        params = self._new_params(given, 0)
        past = (params,) * (self.regime.lags - 1)
        return State(jnp.int32(-1), params, past, memory, jnp.array(False))

    # A fit

    def begin(
        self,
        given: Given,
        state: State,
        drawn: list[Data] | None = None,
        is_first: IsFirst = False,
    ) -> Fit:
        """The next generation's fit; `drawn` is what its models drew, if the host has drawn it."""
        pool, memory = self.draw_pool(given, state, drawn, is_first)
        generation = state.generation + 1
        params = state.params  # in a blank state, what every `start` begins from
        if is_first is not True and self.start != "previous":
            params = self._new_params(given, 0 if self.start == "base" else generation)
        seen = self.realisation.open(given, pool, generation, jnp.int32(0))
        key_fit = given.stage_key("fit", generation)
        fit_state = self.learner.fit_begin(key_fit, given.settings, params, seen)
        return Fit(state._replace(memory=memory), pool, fit_state)

    def _new_params(self, given: Given, generation: int | jax.Array) -> Params:
        """New, unfitted parameters for `generation`."""
        data = self.realisation.points_to_begin(given)
        return self.learner.init(given.stage_key("init", generation), given.settings, data)

    def advance(self, given: Given, fit: Fit, step: jax.Array) -> tuple[Fit, Metrics]:
        """Run step `step` of the fit; returns the fit and the step's metrics."""
        generation = fit.state.generation + 1
        key_step = fold_in(given.stage_key("fit", generation), step + 1)
        pool = self.realisation.open(given, fit.pool, generation, step)
        fit_state, info = self.learner.fit_step(key_step, given.settings, fit.fit_state, pool)
        return fit._replace(fit_state=fit_state), info

    def _all_steps(self, given: Given, fit: Fit) -> tuple[Fit, Metrics]:
        """The whole fit, and the metrics of its steps, leaves [num_steps, ...]."""
        if self.learner.num_steps == 1:
            fit, info = self.advance(given, fit, jnp.int32(0))
            return fit, jax.tree.map(lambda a: a[None], info)

        def advance(fit, step):
            return self.advance(given, fit, step)

        return jax.lax.scan(advance, fit, jnp.arange(self.learner.num_steps))

    def finish(self, fit: Fit, curves: Metrics = NO_CURVES) -> tuple[State, Metrics]:
        """The fit's end, before measuring; `curves` are the metrics of its steps."""
        params, info = self.learner.fit_end(fit.fit_state)
        broken = [_is_broken(path, a) for path, a in jax.tree_util.tree_leaves_with_path(params)]
        before = fit.state
        frozen = before.frozen | jnp.stack(broken).any()
        # There are no parameters before generation 0 to keep, and models before it are never read.
        is_first = before.generation < 0
        params = jax.tree.map(
            lambda a, b: jnp.where(frozen & ~is_first, a, b), before.params, params
        )
        past = (before.params, *before.past)[: len(before.past)]
        past = jax.tree.map(lambda a, b: jnp.where(is_first, a, b), (params,) * len(past), past)
        state = State(before.generation + 1, params, past, before.memory, frozen)
        return state, {**info, **curves}

    def end(
        self,
        settings: Settings,
        fit: Fit,
        context: Context,
        curves: Metrics = NO_CURVES,
        is_first: IsFirst = False,
    ) -> tuple[State, Metrics]:
        """The fit's end: the generation's state and its metrics."""
        state, info = self.finish(fit, curves)
        reference = reference_of(is_first, state.params, context.reference)
        context = context._replace(reference=reference)
        return state, self.measure(settings, state.params, context, info, state.frozen)

    def measure(
        self, settings: Settings, params: Params, context: Context, info: Metrics, frozen: jax.Array
    ) -> Metrics:
        """A generation's metrics; `info` holds those of its fit."""
        metrics = self.learner.measure(settings, params, context) | info
        degenerate = metrics.pop("degenerate", jnp.array(False))
        for value in jax.tree.leaves(metrics):
            degenerate |= jnp.isinf(value).any()
        status = jnp.where(frozen, FROZEN, jnp.where(degenerate, DEGENERATE, OK))
        return metrics | {"status": status.astype(jnp.int8)}

    # What a generation is fitted to

    def draw_pool(
        self,
        given: Given,
        state: State,
        drawn: list[Data] | None = None,
        is_first: IsFirst = False,
    ) -> tuple[Pool, Any]:
        """The pool that the next generation is fitted to, and the memory with its new points."""
        points = self.draw(given, state, drawn, is_first)
        return self.pool(given, state, points, is_first)

    def draw(
        self,
        given: Given,
        state: State,
        drawn: list[Data] | None = None,
        is_first: IsFirst = False,
    ) -> Any:
        """The new points alone, as the realisation holds them; None if the realisation cannot draw
        them under a traced `is_first`."""
        realisation, before = self.realisation, _before(state)
        if realisation.either and not isinstance(is_first, bool):
            return realisation.either(given, before, is_first)
        return _either(
            is_first,
            lambda: realisation.first(given),
            lambda: realisation.draw(given, before, drawn),
        )

    def pool(
        self, given: Given, state: State, points: Any, is_first: IsFirst = False
    ) -> tuple[Pool, Any]:
        """As `draw_pool`, from `points` that have already been drawn."""
        realisation = self.realisation
        # Outside the branches, which would copy the memory.
        memory = realisation.memory.add(state.memory, points, given.capacity)

        def first():
            return realisation.pool(given, points, 0)

        def later():
            union = realisation.memory.union(memory, points, lambda: realisation.first(given))
            return realisation.pool(given, union, state.generation + 1)

        if realisation.pools_alike and is_first is not True:
            return later(), memory
        return _either(is_first, first, later), memory

    @property
    def draws_in_parts(self) -> bool:
        """Whether the host may draw a generation's points by `part`, and hand them to `begin`."""
        return self.realisation.part is not None

    def part(self, given: Given, state: State, turn: int | jax.Array) -> list[Data]:
        """Some of the points that the next generation draws, [R, ...] of each of its models."""
        return self.realisation.part(given, _before(state), turn)

    def open(self, given: Given, pool: Pool, generation: jax.Array, step: jax.Array) -> Pool:
        """A pool as rows, as step `step` of a generation's fit sees them."""
        pool = self.realisation.open(given, pool, generation, step)
        return Pool(pool.data, pool.weights, pool.group, pool.totals)
