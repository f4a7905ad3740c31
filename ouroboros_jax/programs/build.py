"""The program of a group of chains, put together from its settings."""

import dataclasses

import jax
import numpy as np

from ouroboros_jax import registry
from ouroboros_jax.base import Learner, Metrics
from ouroboros_jax.chain import Chain, State
from ouroboros_jax.data.base import RealData, check_counts
from ouroboros_jax.errors import UserError
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
from ouroboros_jax.programs.own import check_data, check_regime, check_selector, checked
from ouroboros_jax.programs.program import Program, drawn_shapes, of_counts, one_setting
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
    check_data(group, real)
    learner, regime = _make_drawing(point)
    learner = checked(learner, group, real)
    earlier = earlier_of(group, learner, regime, _make_drawing)
    realisation = realise(learner, regime, real, earlier)
    backend = jax.default_backend()
    if learner.hosted and backend == "cpu":
        devices = (devices or jax.local_devices())[:1]  # its operations use all cores
    chain = Chain(learner, regime, realisation, start=point["learner.start"])
    num_data = int(group.counts(np.arange(1))["num_data"].max())
    check_counts(real, num_data=num_data)
    check_selector(group, real)
    check_regime(group, regime)
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
    return max(1, num_bytes(drawn_shapes(group, real, 1)) // 4)


def _most_real(group: Group, regime: Regime) -> int:
    """The most fresh real points that a generation asks for."""
    if not group.point["generations"]:
        return 0
    place = regime.sources.index(REAL)
    return int(of_counts(group, regime, lambda counts, num: counts[:, place].max()).max())


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
