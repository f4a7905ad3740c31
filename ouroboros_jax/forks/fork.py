"""Forks: any stored generation of a run, continued under other settings.

A fork has its source's chains and generations 0 to g, and runs on from there. Keys depend on seed,
replicate, stage and generation alone, so a fork draws the same random numbers as its source, if
shapes allow, and the two differ only by what was changed: a paired difference, chain by chain.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from ouroboros_jax import experiment
from ouroboros_jax.checkpoint import plain
from ouroboros_jax.config import flatten
from ouroboros_jax.disk.store import not_there
from ouroboros_jax.errors import UserError, whole_number
from ouroboros_jax.forks.lineage import check_chains, forked_config, groups_of, origin_of, places_in
from ouroboros_jax.programs.build import build
from ouroboros_jax.programs.program import Program
from ouroboros_jax.results import Run, open_run
from ouroboros_jax.sweep import Group

NO_OVERRIDES: Mapping[str, Any] = {}


def fork(
    run: Run | str | Path,
    generation: int,
    overrides: Mapping[str, Any] = NO_OVERRIDES,
    workdir: str | Path | None = None,
    *,
    name: str | None = None,
    progress: bool = True,
    figures: bool = True,
) -> Run:
    """Continue a run from one of its generations, under its own settings or others.

    The fork is a run: generations 0 to `generation` are the source's, with their metrics, and the
    rest is run under the source's config with `overrides`. Regime, selector, sampler, number of
    samples, and those settings of the learner that keep the shapes of its parameters may change;
    without overrides the fork equals its source bit for bit. A schedule goes on counting from
    generation 0.

    A regime with a memory begins with what it would remember had it been in force from the start:
    the real data set and every set that the source drew, under the settings of the time. A source
    that drew only statistics has no points to remember, and is refused. For a learner that streams,
    these sets are those that its models draw in one piece.

    The sweep of a fork may have other settings than its source's: each chain then continues the
    source's chain of the same seed and replicate.

    Args:
      run: a run or its folder, finished or not.
      generation: the last generation taken from the source.
      overrides: by dotted path, as in `load_config`.
      workdir: the fork's own folder; without one it is kept in memory. An interrupted fork is
        resumed by the same call, or by `ouroboros --workdir` alone.
      name: what the first line calls the fork.
      progress: report progress on stderr.
      figures: draw the figures at the end, if there is a workdir.

    Raises:
      UserError: for a run or generation that does not exist, and settings that cannot be continued.
    """
    run = run if isinstance(run, Run) else open_run(run)
    generation = whole_number("generation", generation)
    if not 0 <= generation <= run.generation:
        raise not_there(generation, run.generation)
    config = forked_config(run.config, overrides, generation)
    source = str(run.workdir.resolve()) if run.workdir else None
    origin = origin_of(run.config, run.manifest, source, generation)
    groups = groups_of(config, origin)
    check_chains(groups, run.groups)
    blocks = _blocks(run, groups, config)
    with run.precision():
        for group in groups:
            program = build(group, blocks.get(group.name, flatten(config)["chain_block"]))
            _check(program, run, generation)
    return experiment.launch(
        config,
        workdir,
        origin=origin,
        source=run,
        blocks=blocks,
        name=name,
        progress=progress,
        figures=figures,
    )


def _blocks(run: Run, groups: list[Group], config: Any) -> dict[str, int]:
    """The widths of the source's blocks, which affect bits, if they can be kept."""
    if config.chain_block != run.config.chain_block:
        return {}
    shapes = [(group.name, group.num_chains) for group in run.groups]
    same = shapes == [(group.name, group.num_chains) for group in groups]
    return dict(run.manifest["chain_blocks"]) if same else {}


def _check(program: Program, run: Run, generation: int) -> None:
    """Refuse a fork that cannot be continued, before anything is written."""
    places = places_in(program.group, run.groups)
    numbers = sorted({number for number, _ in places})
    for number in numbers:
        run.check_data(number, program.real.sha256, "the source")
    stores = [run.stores[number] for number in numbers]
    remembers = bool(jax.tree.leaves(program.state_shapes.memory))
    lags = range(1 + len(program.state_shapes.past))
    needed = range(generation + 1) if remembers else [max(generation - lag, 0) for lag in lags]
    for store in stores:
        kept = set(store.kept())
        missing = [g for g in needed if g not in kept]
        if missing:
            why = ", and the fork's regime remembers all before it" if remembers else ""
            raise UserError(
                f"generation={missing[-1]} was not kept: store.every thins the parameters of the "
                f"source{why}"
            )
        expected = _shapes(plain(program.state_shapes.params), 0)
        found = _shapes(store.params(generation), 1)
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                raise UserError(
                    f"parameters of other shapes cannot be continued: {name or 'they'} would be "
                    f"{_told(expected, name)} and is {_told(found, name)} in the source"
                )


def _shapes(tree: Any, skip: int) -> dict[str, tuple]:
    """Shape and dtype of every array by name, without the first `skip` axes."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): (a.shape[skip:], str(a.dtype))
        for path, a in leaves
    }


def _told(shapes: dict[str, tuple], name: str) -> str:
    return "{1} {0}".format(*shapes[name]) if name in shapes else "absent"
