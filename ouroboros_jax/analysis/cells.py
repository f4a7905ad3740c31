"""The cells of a run, which are its points over all seeds, and their settings."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ouroboros_jax.registry import Point
from ouroboros_jax.sweep import Group


class Cell(NamedTuple):
    """Chains that share every setting but the seed."""

    chains: np.ndarray  # int [C], positions among all chains of the run
    group: int  # position of their group among the run's
    first: int  # the first of the chains, as a position in that group
    settings: dict[str, Any]  # the swept settings by path: numbers, or text as in `metrics`


def find_cells(groups: Sequence[Group]) -> list[Cell]:
    """The cells of a run's groups, in the order of their first chains."""
    paths = list(groups[0].coords)
    counts = [group.num_chains for group in groups]
    starts, owners = np.cumsum([0, *counts]), np.repeat(np.arange(len(groups)), counts)
    columns = [[value for group in groups for value in group.coords[path]] for path in paths]
    rows = zip(*columns, strict=True) if paths else [()] * len(owners)
    found = []
    for row, chains in positions(rows).items():
        group, first = int(owners[chains[0]]), int(chains[0])
        settings = dict(zip(paths, row, strict=True))
        found.append(Cell(chains, group, first - int(starts[group]), settings))
    return found


def positions(rows: Iterable[tuple]) -> dict[tuple, np.ndarray]:
    """The positions of each row, int [C], in order of first appearance."""
    found: dict[tuple, list[int]] = {}
    for place, row in enumerate(rows):
        found.setdefault(row, []).append(place)
    return {row: np.array(places) for row, places in found.items()}


def point_of(group: Group, chain: int) -> Point:
    """The flat settings of one of a group's chains; schedules stay schedules."""
    point = dict(group.point)
    for path, column in group.columns.items():
        schedule = column.values[column.index[chain]]
        point[path] = schedule.value if schedule.is_constant else schedule
    point["seed"] = int(group.seeds[chain])
    return point
