"""One chain: a learner, a regime and real data folded into `init` and `step`, pure functions.

`step` is `begin`, `num_steps` times `advance`, and `end`; a host that wants to show progress inside
a long fit, or to cut it at an epoch, drives the three itself. The chains axis is added elsewhere.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ouroboros_jax.base import Data, Learner, Metrics, Params, Pool
from ouroboros_jax.data.base import RealData
from ouroboros_jax.draws.threefry import fold_in
from ouroboros_jax.keys import stage_key
from ouroboros_jax.pools.memory import Capacity
from ouroboros_jax.pools.realisation import Realisation
from ouroboros_jax.regimes import Regime

OK, DEGENERATE, FROZEN = 0, 1, 2  # values of the metric `status`
NO_CURVES: Mapping[str, jax.Array] = {}


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


class Chain(NamedTuple):
    """Pure functions of one chain.

    `key` is the chain's own key (`keys.chain_key`), the same at every generation; `table` the rows
    of finite real data or None; `capacity` static sizes. `blank` is the state before generation 0;
    `train` the pool generation `state.generation + 1` is fitted to, and the memory; `part` some of
    the points that it draws, where the host draws them; `open` a pool as rows.

    A fit begins, advances a step at a time, and ends; `curves` are what the steps said, leaves
    [num_steps, ...].

    `is_first` says whether that generation is 0, False unless given. It may be traced, one for all
    chains of a call, where both have the same shapes: a program then has both ways to draw and to
    pool, but one fit.
    """

    init: Callable[..., tuple[State, Metrics]]  # (key, settings, table, capacity): generation 0
    # (key, settings, state, context, table, capacity, is_first)
    step: Callable[..., tuple[State, Metrics]]
    blank: Callable[..., State]  # (key, settings, table, capacity)
    begin: Callable[..., Fit]  # (key, settings, state, table, capacity, drawn=None, is_first)
    advance: Callable[..., tuple[Fit, Metrics]]  # (key, settings, fit, step, table, capacity)
    finish: Callable[[Fit, Metrics], tuple[State, Metrics]]  # (fit, curves): before measuring
    end: Callable[..., tuple[State, Metrics]]  # (settings, fit, context, curves, is_first)
    # (key, settings, state, table, capacity, drawn=None, is_first)
    train: Callable[..., tuple[Pool, Any]]
    part: Callable[..., list[Data]] | None  # (key, settings, state, table, capacity, turn)
    open: Callable[..., Pool]  # (key, settings, pool, table, generation, step, capacity)
    measure: Callable[..., Metrics]  # (settings, params, context, info, frozen)


def _is_broken(path, leaf: jax.Array) -> jax.Array:
    """Whether a parameter is NaN or infinite; in a leaf named `log_...`, -inf is a zero's."""
    name = jax.tree_util.keystr(path[-1:], simple=True)
    if name.startswith("log_"):
        return (jnp.isnan(leaf) | jnp.isposinf(leaf)).any()
    return ~jnp.isfinite(leaf).all()


def _either(is_first: bool | jax.Array, first: Callable[[], Any], later: Callable[[], Any]) -> Any:
    """What `first` gives at generation 0 and `later` after it; a branch where that is traced."""
    if isinstance(is_first, bool):
        return first() if is_first else later()
    return jax.lax.cond(is_first, first, later)


def reference_of(is_first: bool | jax.Array, params: Params, reference: Params) -> Params:
    """What metrics are measured against: generation 0 is its own reference, and all others'."""
    if is_first is False:
        return reference
    return jax.tree.map(lambda a, b: jnp.where(is_first, a, b), params, reference)


def make_chain(
    learner: Learner,
    regime: Regime,
    real: RealData,
    realisation: Realisation,
    *,
    start: str = "previous",
) -> Chain:
    """The closed loop of one chain.

    Args:
      learner: how a generation is fitted and sampled.
      regime: what it is fitted to.
      real: the data generation 0 is fitted to.
      realisation: how the regime's pool is held, see `pools/`.
      start: what a fit begins from: `previous` parameters, the `base` ones that generation 0 began
        from, or `fresh` ones of this generation's own.
    """
    memory_kind = realisation.memory
    begins = {
        "previous": lambda key, settings, state, first: state.params,
        "base": lambda key, settings, state, first: learner.init(
            stage_key(key, "init", 0), settings, first()
        ),
        "fresh": lambda key, settings, state, first: learner.init(
            stage_key(key, "init", state.generation + 1), settings, first()
        ),
    }
    if start not in begins:
        raise ValueError(f"start={start!r}: expected one of {sorted(begins)}.")

    def opened(key, settings, pool, table, generation, step, capacity):
        return realisation.open(key, settings, pool, table, generation, step, capacity)

    def begin_fit(key, settings, state, params, pool, seen):
        key_fit = stage_key(key, "fit", state.generation + 1)
        return Fit(state, pool, learner.fit_begin(key_fit, settings, params, seen))

    def advance(key, settings, fit, step, table=None, capacity=None):
        generation = fit.state.generation + 1
        key_step = fold_in(stage_key(key, "fit", generation), step + 1)
        pool = opened(key, settings, fit.pool, table, generation, step, capacity)
        fit_state, info = learner.fit_step(key_step, settings, fit.fit_state, pool)
        return fit._replace(fit_state=fit_state), info

    def all_steps(key, settings, fit, table, capacity):
        if learner.num_steps == 1:
            fit, info = advance(key, settings, fit, jnp.int32(0), table, capacity)
            return fit, jax.tree.map(lambda a: a[None], info)
        steps = jnp.arange(learner.num_steps)
        return jax.lax.scan(
            lambda fit, i: advance(key, settings, fit, i, table, capacity), fit, steps
        )

    def measured(settings, params, context, info, frozen):
        metrics = learner.measure(settings, params, context) | info
        degenerate = metrics.pop("degenerate", jnp.array(False))
        for value in jax.tree.leaves(metrics):
            degenerate |= jnp.isinf(value).any()
        status = jnp.where(frozen, FROZEN, jnp.where(degenerate, DEGENERATE, OK))
        return metrics | {"status": status.astype(jnp.int8)}

    def finish(fit, curves=NO_CURVES):
        params, info = learner.fit_end(fit.fit_state)
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

    def end(settings, fit, context, curves=NO_CURVES, is_first=False):
        state, info = finish(fit, curves)
        reference = reference_of(is_first, state.params, context.reference)
        context = context._replace(reference=reference)
        return state, measured(settings, state.params, context, info, state.frozen)

    def blank(key, settings, table, capacity: Capacity):
        shapes = jax.eval_shape(lambda: realisation.first(key, settings, table, capacity))
        points = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
        memory = memory_kind.empty(points, capacity)
        data = realisation.begin(key, settings, table, capacity)
        params = learner.init(stage_key(key, "init", 0), settings, data)
        past = (params,) * (regime.lags - 1)
        return State(jnp.int32(-1), params, past, memory, jnp.array(False))

    def init(key, settings, table, capacity: Capacity):
        state = blank(key, settings, table, capacity)
        fit = begin(key, settings, state, table, capacity, is_first=True)
        return finish(*all_steps(key, settings, fit, table, capacity))

    def about(key, settings, state, table, capacity):
        models = (state.params, *state.past)
        return key, settings, models, table, state.generation + 1, capacity, state.memory

    def part(key, settings, state, table, capacity: Capacity, turn):
        return realisation.part(*about(key, settings, state, table, capacity), turn)

    def train(key, settings, state, table, capacity: Capacity, drawn=None, is_first=False):
        given = {} if drawn is None else {"drawn": drawn}

        def first_points():
            return realisation.first(key, settings, table, capacity)

        def new_points():
            return realisation.draw(*about(key, settings, state, table, capacity), **given)

        def first_pool():
            return realisation.pool(key, settings, points, 0, capacity)

        def later_pool():
            union = memory_kind.union(memory, points, first_points)
            return realisation.pool(key, settings, union, state.generation + 1, capacity)

        if realisation.either and not isinstance(is_first, bool):
            here = about(key, settings, state, table, capacity)
            points = realisation.either(*here, is_first)
        else:
            points = _either(is_first, first_points, new_points)
        # Not in a branch, which would copy it.
        memory = memory_kind.add(state.memory, points, capacity)
        if realisation.pools_alike and is_first is not True:
            return later_pool(), memory
        return _either(is_first, first_pool, later_pool), memory

    def begin(key, settings, state, table, capacity: Capacity, drawn=None, is_first=False):
        pool, memory = train(key, settings, state, table, capacity, drawn, is_first)
        begun = begins["previous" if is_first is True else start]  # a blank state's are all three
        params = begun(
            key, settings, state, lambda: realisation.begin(key, settings, table, capacity)
        )
        generation = state.generation + 1
        seen = opened(key, settings, pool, table, generation, jnp.int32(0), capacity)
        return begin_fit(key, settings, state._replace(memory=memory), params, pool, seen)

    def step(key, settings, state, context, table, capacity: Capacity, is_first=False):
        fit = begin(key, settings, state, table, capacity, is_first=is_first)
        fit, curves = all_steps(key, settings, fit, table, capacity)
        return end(settings, fit, context, curves, is_first)

    def as_rows(*args):
        pool = opened(*args)
        return Pool(pool.data, pool.weights, pool.group, pool.totals)

    in_parts = part if realisation.part else None
    fits = init, step, blank, begin, advance, finish, end
    return Chain(*fits, train, in_parts, as_rows, measured)
