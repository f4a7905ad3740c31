"""The lineage of a fork: the settings under which each of its generations was made.

A fork is a whole run whose generations 0 to g are another run's. Its chains are its source's, by
seed, replicate and swept settings; up to g they have the source's settings, from g + 1 their own.
Settings that keep shapes become columns that switch after g; the others are kept beside the group,
since the sets that a regime remembers were drawn under them. Nothing here imports jax.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from ouroboros_jax.config import (
    changed,
    check_overridden,
    flatten,
    from_json,
    identity,
    nest,
    unflatten,
)
from ouroboros_jax.errors import UserError
from ouroboros_jax.registry import SECTIONS, Point, settings_of
from ouroboros_jax.schedule import Schedule, Switched
from ouroboros_jax.settings.counts import num_real_points
from ouroboros_jax.sweep import Before, Column, Group, expand

Place = tuple[int, int]  # number of a group, and of a chain in it


class Era(NamedTuple):
    """The settings under which generations up to `last` were made."""

    config: ConfigDict
    last: int


class Origin(NamedTuple):
    """Where a fork's first generations come from."""

    workdir: str | None  # of the source; None if that was kept in memory
    source: str  # sha256 that identifies the source
    eras: tuple[Era, ...]  # in order; several if the source is a fork itself

    @property
    def generation(self) -> int:
        """The last generation taken from the source."""
        return self.eras[-1].last

    def to_json(self) -> dict[str, Any]:
        """Its form in `run.json`."""
        eras = [{"last": era.last, "config": nest(flatten(era.config))} for era in self.eras]
        told = {"workdir": self.workdir, "generation": self.generation, "source": self.source}
        return told | {"eras": eras}

    def identity(self) -> dict[str, Any]:
        """The fields that tell forks of one config apart."""
        return {"source": self.source, "generation": self.generation}


def origin_in(manifest: Mapping[str, Any]) -> Origin | None:
    """The origin recorded in a run's manifest; None if the run is no fork."""
    told = manifest.get("fork")
    if told is None:
        return None
    eras = [Era(from_json(json.dumps(era["config"])), era["last"]) for era in told["eras"]]
    return Origin(told["workdir"], told["source"], tuple(eras))


def origin_of(
    config: ConfigDict, manifest: Mapping[str, Any], workdir: str | None, generation: int
) -> Origin:
    """The origin of a fork that continues a run after `generation`."""
    eras = []
    before = origin_in(manifest)
    for era in before.eras if before else ():
        eras.append(era._replace(last=min(era.last, generation)))
        if era.last >= generation:
            break
    else:
        eras.append(Era(config, generation))
    return Origin(workdir, fingerprint(config, manifest), tuple(eras))


def fingerprint(config: ConfigDict, manifest: Mapping[str, Any]) -> str:
    """SHA-256 of what identifies a run: config, data, and the origin of a fork."""
    told = manifest["identity"]
    parts = [identity(config), told["data_sha256"], told.get("fork")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


# Chains


def groups_of(config: ConfigDict, origin: Origin | None, *, recorded: bool = False) -> list[Group]:
    """The groups of a run; for a fork, with the settings of its first generations.

    `recorded` is that of `expand`.

    Raises:
      UserError: as `expand` and `places_in` do.
    """
    groups = expand(config, recorded=recorded)
    if origin is None:
        return groups
    eras = [(expand(era.config, recorded=True), era.last) for era in origin.eras]
    return [_forked(group, eras) for group in groups]


def places_in(group: Group, sources: Sequence[Group]) -> list[Place]:
    """The chain of a source that each chain of a fork's group continues.

    It is the one of the same seed and replicate, and of the same value of every setting that the
    source sweeps.

    Raises:
      UserError: if there is no such chain.
    """
    paths = list(sources[0].coords)
    there = {
        key: (number, place)
        for number, source in enumerate(sources)
        for place, key in enumerate(_keys(source, paths))
    }
    places = []
    for key in _keys(group, paths):
        if key not in there:
            names = ("seed", "replicate", *paths)
            words = ", ".join(f"{name}={value}" for name, value in zip(names, key, strict=True))
            raise UserError(
                f"the source has no chain of {words}: a fork goes on with the chains of its "
                "source, and keeps the values that were swept there"
            )
        places.append(there[key])
    return places


def _keys(group: Group, paths: Sequence[str]) -> list[tuple]:
    columns = [group.seeds.tolist(), group.replicates.tolist()]
    for path in paths:
        values = group.coords.get(path, [group.point.get(path)] * group.num_chains)
        columns.append([_text(value) for value in values])
    return list(zip(*columns, strict=True))


def _text(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _forked(group: Group, eras: Sequence[tuple[list[Group], int]]) -> Group:
    """A fork's group, with columns that switch where an era ends."""
    points, lasts, found = [], [last for _, last in eras], []
    for sources, _ in eras:
        places = places_in(group, sources)
        points.append(sources[places[0][0]].point)
        found.append(_gathered(sources, places))
    found.append(group.columns)
    columns = {}
    for path in dict.fromkeys(path for era in found for path in era):
        if path == "data.num_samples":  # belongs to generation 0
            columns[path] = found[0][path]
            continue
        # A setting of one regime or selector only; other eras do not read it.
        known = [era[path] for era in found if path in era]
        parts = [era.get(path, known[0]) for era in found]
        columns[path] = _switched(parts, lasts)
    before = _before([*points, group.point], lasts)
    return group._replace(columns=columns, before=before, forked=lasts[-1])


def _gathered(sources: Sequence[Group], places: Sequence[Place]) -> dict[str, Column]:
    """The columns of the chains at `places`, from whichever groups they are in."""
    numbers = np.array([number for number, _ in places])
    chains = np.array([place for _, place in places])
    used = np.unique(numbers).tolist()
    found = {}
    for path in sources[used[0]].columns:
        values: list[Schedule] = []
        index = np.zeros(len(places), np.int32)
        for number in used:
            column = sources[number].columns[path]
            here = numbers == number
            index[here] = column.index[chains[here]] + len(values)
            values += column.values
        found[path] = Column(tuple(values), index)
    return found


def _switched(parts: Sequence[Column], lasts: Sequence[int]) -> Column:
    """One column from several in succession, each but the last up to a generation."""
    rows = np.stack([part.index for part in parts], 1)
    cells, index = np.unique(rows, axis=0, return_inverse=True)
    values = []
    for cell in cells:
        schedules = [part.values[i] for part, i in zip(parts, cell, strict=True)]
        schedule = schedules[-1]
        for before, last in zip(schedules[-2::-1], lasts[::-1], strict=True):
            schedule = schedule if schedule == before else Switched(before, schedule, last)
        values.append(schedule)
    return Column(tuple(values), index.reshape(-1).astype(np.int32))


def _before(points: Sequence[Point], lasts: Sequence[int]) -> tuple[Before, ...]:
    """The eras whose static settings differ from those of the next era."""
    kept = []
    for point, after, last in zip(points[:-1], points[1:], lasts, strict=True):
        if static_settings(point) != static_settings(after):
            kept.append(Before(point, last))
    return tuple(kept)


def static_settings(point: Point) -> Point:
    """The static settings of a point's sections and sampler, which determine its programs."""
    settings = settings_of(point)
    return {
        path: value
        for path, value in point.items()
        if path.partition(".")[0] in (*SECTIONS, "sampler")
        and path not in ("data.dir", "data.num_samples")
        and not settings[path].traced
    }


# What a fork may change


def forked_config(config: ConfigDict, overrides: Mapping[str, Any], generation: int) -> ConfigDict:
    """The config of a fork of a run of `config`, with `overrides` from after `generation`.

    Raises:
      UserError: for overrides of what a fork inherits: data, chains, seeds, learner and precision.
    """
    old = flatten(config)
    new = changed(old, overrides)
    check_overridden(new, overrides)
    is_other = new["num_samples"] != old["num_samples"] or "num_samples" in new["sweep"]
    if is_other and new["data.num_samples"] is None and "num_samples" not in old["sweep"]:
        new["data.num_samples"] = num_real_points(old)
    for path in sorted(old.keys() | new.keys()):
        if not _is_inherited(path) or old.get(path) == new.get(path):
            continue
        if path == "data.num_samples" and num_real_points(old) == num_real_points(new):
            continue
        raise UserError(
            f"{path}={new.get(path)!r} differs from the source's {old.get(path)!r}: a fork goes on "
            "with the chains, the learner and the data of its source"
        )
    swept = sorted(path for path in new["sweep"].keys() - old["sweep"].keys())
    for path in swept:
        if _is_inherited(path) and path != "seed":
            raise UserError(
                f"sweep over {path!r}: a fork goes on with the learner and the data of its source"
            )
    if new["generations"] <= generation:
        raise UserError(
            f"generations={new['generations']} leaves nothing to run after generation "
            f"{generation}: expected more"
        )
    return unflatten(new)


def _is_inherited(path: str) -> bool:
    """Whether generation 0, the chains, or their parameters depend on a setting."""
    if path in ("seed", "chains", "x64", "learner.name"):
        return True
    return path.startswith("data.") and path != "data.dir"


def check_chains(groups: Sequence[Group], sources: Sequence[Group]) -> None:
    """Refuse a fork that leaves out chains of its source.

    Raises:
      UserError: naming one.
    """

    def chains(groups):
        columns = [(g.seeds.tolist(), g.replicates.tolist()) for g in groups]
        return {pair for column in columns for pair in zip(*column, strict=True)}

    if missing := chains(sources) - chains(groups):
        seed, replicate = min(missing)
        raise UserError(
            f"the chain of seed={seed}, replicate={replicate} is missing: a fork goes on with all "
            "chains of its source, so give the sweep its list of seeds"
        )
