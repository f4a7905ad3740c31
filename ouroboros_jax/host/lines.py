"""The sentences of a run: what will run, which group runs, and the result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_collections import ConfigDict

from ouroboros_jax.config import flatten
from ouroboros_jax.registry import off_default
from ouroboros_jax.sweep import Group

if TYPE_CHECKING:
    from ouroboros_jax.results import Run


def first_line(
    config: ConfigDict,
    groups: Sequence[Group],
    manifest: Mapping[str, Any],
    workdir: Path | None,
    name: str | None = None,
) -> str:
    """What will run: learner, regime, chains, generations, data, devices, workdir."""
    point = flatten(config)
    names = {g.point["regime.name"]: None for g in groups}
    chains = sum(group.num_chains for group in groups)
    devices = manifest["devices"]
    learner = point["learner.name"]
    drawn = off_default(groups[0].point, "sampler", "selector")
    told = "".join(
        f", {path}={value}" for path, value in drawn.items() if path not in point["sweep"]
    )
    return (
        f"{name + ': ' if name and name != learner else ''}{learner} under {', '.join(names)}"
        f"{told}, "
        f"{chains} chain{'s' * (chains != 1)}"
        f"{f' in {len(groups)} groups' if len(groups) > 1 else ''}, "
        f"{point['generations']} generations, data {manifest['data']['name']}, "
        f"{len(devices)} {devices[0]} device{'s' * (len(devices) != 1)}, "
        f"{_forked_from(manifest)}"
        f"workdir {workdir if workdir else '(in memory)'}"
    )


def _forked_from(manifest: Mapping[str, Any]) -> str:
    if "fork" not in manifest:
        return ""
    source, generation = (manifest["fork"][name] for name in ("workdir", "generation"))
    return f"forked from {source or 'a run in memory'} after generation {generation}, "


def label(group: Group, point: Mapping[str, Any]) -> str:
    """A group, named by the swept settings that all its chains share, and its number of chains."""
    swept = [path for path in point["sweep"] if path != "seed"]
    fixed = [f"{path}={group.point[path]}" for path in swept if len(set(group.coords[path])) == 1]
    chains = f"{group.num_chains} chain{'s' * (group.num_chains != 1)}"
    return ", ".join([*fixed, chains])


def last_lines(result: "Run", workdir: Path | None, drawn: Sequence[Path], done: str) -> str:
    """The headline, and where everything is."""
    lines = [f"  {line}" for line in result.summary["headline"]]
    where = f"everything is in {workdir}" if workdir else "kept in memory"
    lines.append(f"{done}: {where}")
    if drawn:
        lines[-1] += "; see " + ", ".join(str(path) for path in drawn[:3])
    return "\n".join(lines)
