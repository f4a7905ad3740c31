"""The program of a group of chains, put together from its settings."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax import registry
from ouroboros_jax.base import Data, Learner, Metrics
from ouroboros_jax.chain import Chain, State
from ouroboros_jax.data.base import RealData, check_counts
from ouroboros_jax.errors import UserError, failure, listed
from ouroboros_jax.keys import new_key
from ouroboros_jax.pools.memory import num_bytes
from ouroboros_jax.pools.realisation import Realisation, reads_last
from ouroboros_jax.pools.realise import kind_of, realise
from ouroboros_jax.pools.rows import rows
from ouroboros_jax.pools.statistics import statistics
from ouroboros_jax.programs.eras import Drawer, Redraw, earlier_of
from ouroboros_jax.programs.factories import (
    failed,
    make_learner,
    make_real,
    make_regime,
    make_selector,
)
from ouroboros_jax.programs.program import Program, one_setting, settings_of
from ouroboros_jax.programs.sizes import Sizes, sizes_of
from ouroboros_jax.programs.stages import Stages
from ouroboros_jax.regimes import REAL, Regime
from ouroboros_jax.selectors import Select
from ouroboros_jax.sweep import Group
from ouroboros_jax.vectorize import choose_block, make_layout


def _selected(learner: Learner, select: Select | None) -> Learner:
    """The learner with its draws restricted to what `select` keeps."""
    if select is None:
        return learner

    def sample(key, settings, params, source, num):
        def draw(key, num):
            return learner.sample(key, settings, params, source, num)

        return select(key, settings, draw, num)

    return learner._replace(sample=sample, moments=None, parts=None)


def build(group: Group, chain_block: int | str = "auto", devices=None) -> Program:
    """The program of a group, not yet compiled.

    Raises:
      UserError: if the real data cannot serve the counts asked for.
    """
    point = group.point
    real, draw = make_real(point), make_learner(point).sample
    _check_data(group, real)
    learner, regime = _make_drawing(point)
    learner = _checked(learner, group, real)
    earlier = earlier_of(group, learner, regime, _make_drawing)
    realisation = realise(learner, regime, real, earlier)
    backend = jax.default_backend()
    if learner.hosted and backend == "cpu":
        devices = (devices or jax.local_devices())[:1]  # its operations use all cores
    chain = Chain(learner, regime, realisation, start=point["learner.start"])
    num_data = int(group.counts(np.arange(1))["num_data"].max())
    check_counts(real, num_data=num_data)
    check_selector(group, real)
    _check_own(group, regime)
    if real.table is not None and REAL in regime.sources:
        check_counts(real, num_data=num_data, num_real=_most_real(group, regime))
    sizes = sizes_of(group, learner, regime)
    eras = _eras(learner, regime, real, realisation, earlier)
    stages = Stages(real, chain, eras, point["data.num_test"] or 0)
    shapes = _shapes(group, stages, sizes)
    if chain_block == "auto":
        num_floats = _num_floats(sizes, stages, shapes[0])
        chain_block = choose_block(backend, learner.block, num_floats, group.num_chains)
    return Program(
        sizes=sizes,
        stages=dataclasses.replace(stages, block=int(chain_block)),
        layout=make_layout(
            group.num_chains, int(chain_block), devices, quick=point["compile"] == "quick"
        ),
        draw=draw,
        shapes=shapes,
        reach=max(each.regime.lags for each in (Drawer(learner, regime, 0), *earlier)),
    )


def _check_data(group: Group, real: RealData) -> None:
    """Refuse a user's own data that cannot be drawn, or whose points have another shape than it
    says."""
    name = group.point["data.name"]
    if ":" not in name:
        return
    try:
        drawn = _drawn(group, real, 2)
    except UserError:
        raise
    except Exception as error:
        raise failed("data", name, error) from error
    shapes = [(2, *shape) for shape in jax.tree.leaves(real.shape, is_leaf=_is_shape)]
    found = [leaf.shape for leaf in jax.tree.leaves(drawn)]
    if found != shapes:
        raise UserError(
            f"data.name={name!r} draws 2 points as {_told(found)}: expected {_told(shapes)}, "
            f"points of its shape={real.shape}"
        )


def _checked(learner: Learner, group: Group, real: RealData) -> Learner:
    """A user's own learner that refuses to draw points unlike the real ones; others as they are."""
    name = group.point["learner.name"]
    if ":" not in name:
        return learner

    def sample(key, settings, params, source, num):
        points = learner.sample(key, settings, params, source, num)
        expected = _drawn(group, real, num)
        if jax.tree.map(jnp.shape, points) != jax.tree.map(jnp.shape, expected):
            found, wanted = (
                _told(jnp.shape(a) for a in jax.tree.leaves(tree)) for tree in (points, expected)
            )
            raise UserError(
                f"learner.name={name!r} samples {num} points as {found}: expected {wanted}, as the "
                "real ones are"
            )
        return points

    return learner._replace(sample=sample)


def _drawn(group: Group, real: RealData, num: int) -> Data:
    """Shapes of `num` real points."""
    settings = one_setting(group)
    return jax.eval_shape(
        lambda key, table: real.draw(key, settings, table, num), new_key(0), real.table
    )


def _is_shape(node: Any) -> bool:
    return isinstance(node, tuple | list) and all(isinstance(size, int) for size in node)


def _told(shapes: Iterable[tuple[int, ...]]) -> str:
    return f"arrays of shape {listed(shapes)}"


def check_selector(group: Group, real: RealData) -> None:
    """Refuse a selector that cannot score a group's points, before anything runs.

    Raises:
      UserError: the selector's own, or naming a user's function that fails.
    """
    select = make_selector(group.point)
    if select is None:
        return
    settings, num = one_setting(group), int(group.counts(np.arange(2))["num_samples"].max())

    def selected(key, table):
        return select(key, settings, lambda key, num: real.draw(key, settings, table, num), num)

    try:
        jax.eval_shape(selected, new_key(0), real.table)  # shapes: no rows go to the device
    except UserError:
        raise
    except Exception as error:
        for path in ("selector.score", "selector.name"):
            if ":" in group.point.get(path, ""):
                named = f"{path}={group.point[path]!r}"
                raise UserError(f"{named} failed: {failure(error)}") from error
        raise


def _make_drawing(point: registry.Point) -> tuple[Learner, Regime]:
    """A point's learner, with its draws selected, and its regime."""
    return _selected(make_learner(point), make_selector(point)), make_regime(point)


def _eras(
    learner: Learner,
    regime: Regime,
    real: RealData,
    own: Realisation,
    earlier: list[Drawer],
) -> tuple[Redraw, ...]:
    """The chains that redraw the points of earlier generations, into the memory of `regime`."""
    eras, kind = [], kind_of(learner, regime)
    keeps_last = any(reads_last(*each[:2]) for each in ((learner, regime), *earlier))
    for each in earlier:
        realisation = own  # recipes record who drew
        if kind == "statistics":
            realisation = statistics(each.learner, each.regime, real)
        elif kind == "rows":
            realisation = rows(each.learner, each.regime, real, keeps_last=keeps_last)
        eras.append(Redraw(Chain(each.learner, each.regime, realisation), each.last))
    return tuple(eras)


def point_floats(group: Group, real: RealData) -> int:
    """The size of one real point, in numbers of 32 bits."""
    return max(1, num_bytes(_drawn(group, real, 1)) // 4)


def _of_counts(group: Group, regime: Regime, summary: Callable) -> np.ndarray:
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


def _most_real(group: Group, regime: Regime) -> int:
    """The most fresh real points that a generation asks for."""
    if not group.point["generations"]:
        return 0
    place = regime.sources.index(REAL)
    return int(_of_counts(group, regime, lambda counts, num: counts[:, place].max()).max())


def _check_own(group: Group, regime: Regime) -> None:
    """Refuse a user's own regime whose counts are not those it promises."""
    name = group.point["regime.name"]
    if ":" not in name or not group.point["generations"]:
        return

    def first_wrong(counts, num):
        if counts.shape[1] != len(regime.sources):
            raise UserError(
                f"regime.name={name!r} counts {counts.shape[1]} sources: expected one count for "
                f"each of its {len(regime.sources)}"
            )
        is_wrong = (counts < 0).any(1) | (counts.sum(1) != num)
        place = jnp.argmax(is_wrong)
        about = jnp.stack([num[place], place, is_wrong[place].astype(place.dtype)])
        return jnp.concatenate([counts[place], about])

    try:
        rows = _of_counts(group, regime, first_wrong).tolist()
    except UserError:
        raise
    except Exception as error:
        raise failed("regime", name, error) from error
    for *counts, num, place, is_wrong in rows:
        if is_wrong:
            raise UserError(
                f"regime.name={name!r} counts {counts} points at generation {place + 1}: expected "
                f"counts of at least 0 that add up to num_samples={num}"
            )


def _shapes(group: Group, stages: Stages, sizes: Sizes) -> tuple[State, Metrics]:
    """Shapes of one chain's state and metrics.

    Raises:
      UserError: where a user's own learner or regime fails, in generation 0 or the next.
    """
    point = group.point
    own = [section for section in ("learner", "regime") if ":" in point[f"{section}.name"]]
    try:
        shapes = stages.shapes(one_setting(group), sizes.first)
        if own and point["generations"]:
            stages.check_step(one_setting(group), sizes.first, sizes.capacity(1))
    except UserError:
        raise
    except Exception as error:
        if not own:
            raise
        raise failed(own[0], point[f"{own[0]}.name"], error) from error
    return shapes


def _num_floats(sizes: Sizes, stages: Stages, state: State) -> int:
    """The size of what one chain holds on the device, in numbers of 32 bits; it does not depend on
    the number of planned generations."""
    chain, capacity = stages.chain, sizes.capacity(0)
    total = num_bytes(state.params) // 4
    if chain.learner.moments is not None:
        return total
    of_point = point_floats(sizes.group, stages.real)
    total += capacity.new * of_point
    if sizes.kept_first and not sizes.kept_growth:
        return total + sizes.kept_first * max(capacity.real, capacity.new) * of_point
    grown = jax.eval_shape(lambda m: chain.realisation.memory.grow(m, capacity), state.memory)
    return total + num_bytes(grown) // 4
