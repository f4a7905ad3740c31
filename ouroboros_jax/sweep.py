"""A config's grid, as groups of chains that share one program.

Every point of the grid runs `chains` replicates. Settings that keep shapes become columns, values
along the chains axis of one compiled call; settings that change shapes or programs split the grid
into groups. A chain's keys depend on its seed and replicate alone, never on its place in the grid,
so points share random numbers and differences between them are paired.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from ouroboros_jax.checks import check_alone, check_together, name_combinations
from ouroboros_jax.config import changed, flatten, from_json, to_json
from ouroboros_jax.registry import SECTIONS, Entry, Point, find, settings_of
from ouroboros_jax.schedule import (
    Constant,
    Golden,
    Schedule,
    Switched,
    count_share,
    parse,
    round_half_up,
)
from ouroboros_jax.settings.counts import num_real_points
from ouroboros_jax.settings.values import check_value

COUNTS = ("num_samples", "data.num_samples")
TRACED_SECTIONS = (*SECTIONS, "sampler")


class Column(NamedTuple):
    """A setting along the chains axis: chain c has schedule `values[index[c]]`."""

    values: tuple[Schedule, ...]
    index: np.ndarray  # int32 [C]

    @property
    def is_constant(self) -> bool:
        """Whether no chain's value changes from generation to generation."""
        return all(value.is_constant for value in self.values)

    def at(self, generations: np.ndarray) -> np.ndarray:
        """float64 [C, L], the values of every chain at L generations."""
        table = np.empty((len(self.values), len(generations)))
        constant = np.array([value.is_constant for value in self.values])
        numbers = [value.value for value in self.values if isinstance(value, Constant)]
        table[constant] = np.array(numbers, np.float64)[:, None]
        for row in np.nonzero(~constant)[0]:
            table[row] = self.values[row].at(generations)
        return table[self.index]


class Before(NamedTuple):
    """The static settings under which a fork's generations up to `last` were made."""

    point: Point
    last: int


class Group(NamedTuple):
    """Chains that one compiled program runs, point-major, then by replicate."""

    name: str  # "" if the run has one group, else "g000", "g001", ...
    point: Point  # the static settings, and the first chain's values of the traced ones
    seeds: np.ndarray  # uint32 [C]
    replicates: np.ndarray  # int32 [C]
    columns: dict[str, Column]  # every traced setting by path, counts included
    coords: dict[str, list[Any]]  # every swept setting but the seed by path, one value a chain
    before: tuple[Before, ...] = ()  # of a fork: earlier static settings, if different, in order
    forked: int = -1  # of a fork: the last generation taken from its source

    @property
    def num_chains(self) -> int:
        return len(self.seeds)

    @property
    def is_mixed(self) -> bool:
        """Whether generations were made under different settings, which no law covers."""
        values = (value for column in self.columns.values() for value in column.values)
        return bool(self.before) or any(isinstance(value, Switched) for value in values)

    def at(self, generation: int) -> "Group":
        """The group as generation `generation` was run."""
        for number, before in enumerate(self.before):
            if generation <= before.last:
                return self._replace(point=before.point, before=self.before[:number])
        return self

    @property
    def points(self) -> list[Point]:
        """Static settings: the group's own, and those of a fork's earlier generations."""
        return [self.point, *(before.point for before in self.before)]

    def _shares_real(self, generations: np.ndarray) -> np.ndarray:
        """bool [1, L], whether a generation's regime has a share of fresh real points."""
        has = [
            "real_fraction" in find("regime", point["regime.name"]).settings
            for point in self.points
        ]
        shares = np.full((1, len(generations)), has[0])
        for before, had in reversed(list(zip(self.before, has[1:], strict=True))):
            shares = np.where(generations <= before.last, had, shares)
        return shares

    def counts(self, generations: np.ndarray) -> dict[str, np.ndarray]:
        """Numbers of points, int32, each [C, L], or [C, 1] if no chain's number changes.

        Returns:
          `num_samples`; `num_real`, how many of them are fresh real points (0 if the regime has no
          such share); `num_data`, the points of generation 0's real data set.
        """
        generations = np.asarray(generations)
        first = generations[:1]

        def whole(path):
            column = self.columns[path]
            return round_half_up(column.at(first if column.is_constant else generations))

        num_samples = whole("num_samples")
        num_real = np.zeros_like(num_samples[:, :1])
        shares = self._shares_real(generations)
        if shares.any():
            column = self.columns["regime.real_fraction"]
            fraction = column.at(first if column.is_constant else generations)
            num_real = count_share(fraction, num_samples)
            if not shares.all():
                num_real = np.where(shares, num_real, 0)
        counts = {
            "num_samples": num_samples,
            "num_real": num_real,
            "num_data": whole("data.num_samples"),
        }
        return {name: count.astype(np.int32) for name, count in counts.items()}


class _Base(NamedTuple):
    """What the points of one choice of names have in common."""

    point: Point
    values: list[tuple[Any, ...]]  # of every swept path
    static: tuple[int, ...]  # places of the swept paths that split groups
    learner: Entry
    traced: tuple[str, ...]  # paths that become columns


class _Gathered(NamedTuple):
    """A group under construction: lists over its points."""

    base: _Base
    point: Point
    seeds: list[int]
    rows: list[tuple[int, ...]]  # the point's place in every swept list


def expand(config: ConfigDict, *, recorded: bool = False) -> list[Group]:
    """The groups of a config's sweep; one group of one point if there is no sweep.

    A config that a run has `recorded` was checked when it began: its files need not be there still.

    Raises:
      UserError: a sweep over an unknown field, an empty list, lists of unequal length under `zip`,
        more combinations than `sweep_limit`, a point whose settings do not go together.
    """
    return [
        group._replace(
            point=dict(group.point), columns=dict(group.columns), coords=dict(group.coords)
        )
        for group in _expanded(to_json(config), recorded)
    ]


@functools.lru_cache(maxsize=4)
def _expanded(config: str, recorded: bool) -> tuple[Group, ...]:
    """The groups of a config, given as JSON. Cached: a run asks for them several times, and a phase
    diagram has 40,000 points."""
    point = flatten(from_json(config))
    sweep = point["sweep"]
    paths = tuple(sweep)
    bases = _bases(point, sweep)
    gathered: dict[Any, _Gathered] = {}
    checked: dict[tuple[int, ...], Any] = {}
    names = [place for place, path in enumerate(paths) if path.endswith(".name")]
    seed = paths.index("seed") if "seed" in sweep else 0
    others = [place for place, path in enumerate(paths) if path != "seed"]
    for row in _rows(point, bases):
        name = tuple(sweep[paths[place]][row[place]] for place in names)
        base = bases[name]
        cell = tuple(row[place] for place in others)
        if cell not in checked:
            values = {path: base.values[i][row[i]] for i, path in enumerate(paths)}
            here = base.point | values
            if not recorded:
                check_together(here)
            key = (name, *(values[paths[place]] for place in base.static))
            if not base.learner.counts_traced(here):
                key = (*key, here["num_samples"], num_real_points(here))
            checked[cell] = key
            if key not in gathered:
                gathered[key] = _Gathered(base, here, [], [])
        group = gathered[checked[cell]]
        group.seeds.append(base.values[seed][row[seed]] if "seed" in sweep else point["seed"])
        group.rows.append(row)
    labels = {path: _labels(path, bases, paths) for path in paths if path != "seed"}
    return tuple(
        _group(f"g{i:03d}" if len(gathered) > 1 else "", group, paths, labels, point["chains"])
        for i, group in enumerate(gathered.values())
    )


def _rows(point: Point, bases: Mapping[Any, _Base]) -> Iterator[tuple[int, ...]]:
    """Every combination, as places in the swept lists."""
    places = [range(len(values)) for values in next(iter(bases.values())).values]
    if point["sweep_mode"] == "zip" and places:
        return zip(*places, strict=True)
    return itertools.product(*places)


def _bases(point: Point, sweep: Mapping[str, Any]) -> dict[tuple[str, ...], _Base]:
    """A base for every combination of swept names, which are its key."""
    paths = tuple(sweep)
    name_paths = [path for path in paths if path.endswith(".name")]
    fixed = {key: value for key, value in point.items() if not key.startswith("sweep")}
    bases = {}
    for names in name_combinations(sweep, point["sweep_mode"]):
        here = changed(fixed | {"sweep": {}, "sweep_mode": "product", "sweep_limit": 1}, names)
        here = {key: value for key, value in here.items() if not key.startswith("sweep")}
        settings = settings_of(here)
        values = []
        for path in paths:
            swept = sweep[path]
            if isinstance(swept, int):
                swept = range(point["seed"], point["seed"] + swept)
            values.append(tuple(check_value(path, settings[path], value) for value in swept))
        swept = [(path, value) for path, own in zip(paths, values, strict=True) for value in own]
        check_alone(here, swept + [(path, here[path]) for path in here if path not in sweep])
        regime = find("regime", here["regime.name"])
        unused = {
            path
            for path in paths
            if path.startswith("regime.") and path.partition(".")[2] not in regime.settings
        }
        static = tuple(
            place
            for place, path in enumerate(paths)
            if path != "seed"
            and not settings[path].traced
            and path not in unused
            and path not in name_paths
        )
        traced = tuple(
            path
            for path, setting in settings.items()
            if setting.traced and (path in COUNTS or path.partition(".")[0] in TRACED_SECTIONS)
        )
        bases[tuple(names[path] for path in name_paths)] = _Base(
            here, values, static, find("learner", here["learner.name"]), traced
        )
    return bases


def _group(
    name: str,
    gathered: _Gathered,
    paths: tuple[str, ...],
    labels: Mapping[str, list[Any]],
    chains: int,
) -> Group:
    rows = np.array(gathered.rows, np.int32).reshape(len(gathered.rows), len(paths))
    columns = {path: _column(path, gathered, rows, paths, chains) for path in gathered.base.traced}
    coords = {
        path: [label for i in rows[:, paths.index(path)] for label in [values[i]] * chains]
        for path, values in labels.items()
    }
    num_points = len(gathered.seeds)
    return Group(
        name=name,
        point=gathered.point | {"seed": gathered.seeds[0]},
        seeds=np.repeat(np.array(gathered.seeds, np.uint32), chains),
        replicates=np.tile(np.arange(chains, dtype=np.int32), num_points),
        columns=columns,
        coords=coords,
    )


def _column(
    path: str, gathered: _Gathered, rows: np.ndarray, paths: tuple[str, ...], chains: int
) -> Column:
    """The column of a traced setting, from the swept settings on which its value depends."""
    depends = {
        "data.num_samples": ("data.num_samples", "num_samples"),
        "regime.real_weight": ("regime.real_weight", "regime.real_fraction", "num_samples"),
    }.get(path, (path,))
    places = [paths.index(other) for other in depends if other in paths]
    cells, index = np.unique(rows[:, places], axis=0, return_inverse=True)
    values = []
    for cell in cells:
        here = dict(gathered.point)
        for place, i in zip(places, cell, strict=True):
            here[paths[place]] = gathered.base.values[place][i]
        values.append(_schedule(path, here))
    return Column(tuple(values), np.repeat(index.reshape(-1).astype(np.int32), chains))


def _schedule(path: str, point: Point) -> Schedule:
    if path == "data.num_samples":
        return Constant(num_real_points(point))
    if point[path] == "golden":
        fraction, num = parse(point["regime.real_fraction"]), parse(point["num_samples"])
        golden = Golden(fraction, num)
        if fraction.is_constant and num.is_constant:
            return Constant(float(golden.at(np.zeros(1, np.int64))[0]))
        return golden
    return parse(point[path])


def _labels(path: str, bases: Mapping[Any, _Base], paths: tuple[str, ...]) -> list[Any]:
    """The swept values as a coordinate: numbers if all of them are, else all as text."""
    values = next(iter(bases.values())).values[paths.index(path)]
    kinds = {type(value) for value in values}
    if kinds <= {int, float} or kinds == {bool} or kinds == {str}:
        return list(values)
    return [str(list(v)) if isinstance(v, tuple) else str(v) for v in values]
