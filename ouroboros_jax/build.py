"""From names to values: the program of a group of chains, put together from its settings."""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax import pools, recipes, registry
from ouroboros_jax.base import Learner
from ouroboros_jax.chain import make_chain
from ouroboros_jax.data.base import RealData, check_counts
from ouroboros_jax.program import Program, num_bytes
from ouroboros_jax.regimes import REAL, Regime
from ouroboros_jax.selectors import Select
from ouroboros_jax.sweep import Group
from ouroboros_jax.vectorize import choose_block, make_layout


def make_real(point: registry.Point) -> RealData:
    """The real data a point names."""
    entry = registry.find("data", point["data.name"])
    options = registry.options("data", point)
    factory = registry.load(entry)
    if entry is registry.FILE:
        return factory(registry.data_path(point), **options)
    return factory(**options)


def make_learner(point: registry.Point) -> Learner:
    """The learner a point names, with the metrics it asks for where the learner offers a choice."""
    entry = registry.find("learner", point["learner.name"])
    options = registry.options("learner", point)
    factory = registry.load(entry)
    if "metrics" in inspect.signature(factory).parameters:
        options["metrics"] = point["metrics"] or None
    return factory(**options)


def make_regime(point: registry.Point) -> Regime:
    """The regime a point names."""
    entry = registry.find("regime", point["regime.name"])
    return registry.load(entry)(**registry.options("regime", point)).check()


def make_selector(point: registry.Point) -> Select | None:
    """The selector a point names; None where every point is kept."""
    name = point["selector.name"]
    if name == "none":
        return None
    return registry.load(registry.find("selector", name))(**registry.options("selector", point))


def _selected(learner: Learner, select: Select | None) -> Learner:
    """The learner whose points are those that `select` keeps."""
    if select is None:
        return learner

    def sample(key, settings, params, source, num):
        def draw(key, num):
            return learner.sample(key, settings, params, source, num)

        return select(key, settings, draw, num)

    return learner._replace(sample=sample, moments=None)


def build(group: Group, chain_block: int | str = "auto", devices=None) -> Program:
    """The program of a group, not yet compiled.

    Raises:
      UserError: where the real data cannot serve the counts asked for.
    """
    point = group.point
    learner, regime, real = make_learner(point), make_regime(point), make_real(point)
    draw = learner.sample
    learner = _selected(learner, make_selector(point))
    realisation = _realise(learner, regime)(learner, regime, real)
    backend = jax.default_backend()
    if learner.hosted and backend == "cpu":
        devices = (devices or jax.local_devices())[:1]  # whose operations use all cores
    chain = make_chain(learner, regime, real, realisation, start=point["learner.start"])
    num_data = int(group.counts(np.arange(1))["num_data"].max())
    check_counts(real, num_data=num_data)
    program = Program(
        group=group,
        learner=learner,
        draw=draw,
        real=real,
        chain=chain,
        memory=realisation.memory,
        layout=make_layout(group.num_chains, 1, devices),
        kept_growth=_kept_growth(learner, regime),
        keeps_models=regime.kept == "all" and recipes.wants_recipes(learner, regime),
        num_test=point["data.num_test"] or 0,
        shared={},
        cache={},
    )
    if real.table is not None and REAL in regime.sources:
        check_counts(real, num_data=num_data, num_real=_most_real(program, regime))
    if chain_block == "auto":
        num_floats = num_bytes(program.state_shapes.params) // 4
        if learner.moments is None:
            num_floats += program.capacity(0).new * _point_floats(program)
        chain_block = choose_block(backend, learner.block, num_floats, group.num_chains)
    layout = make_layout(group.num_chains, int(chain_block), devices)
    return dataclasses.replace(program, layout=layout, cache={})


def _realise(learner: Learner, regime: Regime):
    if learner.moments:
        return pools.statistics
    return recipes.recipes if recipes.wants_recipes(learner, regime) else pools.rows


def _point_floats(program: Program) -> int:
    """Numbers in one point, as bytes by four."""
    settings = jax.tree.map(lambda a: jnp.asarray(a[0, 0]), program.settings(0, 1))
    point = jax.eval_shape(
        lambda key: program.real.draw(key, settings, program.table, 1), jax.random.key(0)
    )
    return max(1, num_bytes(point) // 4)


def _most_real(program: Program, regime: Regime) -> int:
    """The most fresh real points that a generation asks for."""
    generations = np.arange(1, program.group.point["generations"] + 1)
    if not len(generations):
        return 0
    settings = program.settings(1, len(generations))
    place = regime.sources.index(REAL)

    def most(settings):
        here = jax.tree.map(
            lambda a: jnp.broadcast_to(a, len(generations)) if len(a) == 1 else a, settings
        )
        return jax.vmap(regime.counts)(here, jnp.asarray(generations))[:, place].max()

    return int(jax.jit(jax.vmap(most))(jax.tree.map(jnp.asarray, settings)).max())


def _kept_growth(learner: Learner, regime: Regime) -> int:
    """Empty slots cost a fit its time, and a subsample next to nothing: compiling costs it more."""
    if regime.kept != "all" or learner.moments is not None:
        return 0
    return 16 if regime.subsample else 2
