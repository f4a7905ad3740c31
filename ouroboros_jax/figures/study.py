"""A run for drawing: the cells of its sweep, their settings, values and laws."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ouroboros_jax.analysis.cells import find_cells, point_of
from ouroboros_jax.analysis.coords import last_places
from ouroboros_jax.errors import UserError, listed, nearest
from ouroboros_jax.figures.bands import evenly
from ouroboros_jax.figures.style import SEPARATOR
from ouroboros_jax.figures.words import (
    assign,
    describe_drawing,
    describe_learner,
    describe_regime,
    text,
    word,
)
from ouroboros_jax.metrics.names import DERIVED, name_of
from ouroboros_jax.results import Run
from ouroboros_jax.settings.regimes import WITH_SHARE
from ouroboros_jax.theory.laws import Law, laws

MAX_FEATURES = 6  # at most this many entries along a metric's own axes are drawn


class Factor(NamedTuple):
    """Something that differs between lines: a swept setting, or an axis of a metric."""

    path: str
    values: tuple[Any, ...]  # in order
    labels: tuple[str, ...]

    @property
    def word(self) -> str:
        return word(self.path)

    @property
    def is_ordered(self) -> bool:
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values)


class Cell(NamedTuple):
    """Chains that share every setting but the seed."""

    place: tuple[int, ...]  # of its value in every factor
    chains: np.ndarray  # int [C], positions along `chain`
    point: dict[str, Any]  # flat resolved settings
    group: int  # position among the run's groups


class Series(NamedTuple):
    """The chains of one line of a figure."""

    place: dict[str, int]  # of its value in every factor, by path
    values: np.ndarray  # [C, G]
    law: Law | None


Choice = tuple[str, Callable[[], Figure]]  # a file's name, and the function that makes its figure


class Study:
    """A run, read for drawing. Every figure takes one, or makes its own with `as_study`."""

    def __init__(self, run: Run):
        self.run = run
        self.metrics = run.metrics
        self.generations = np.asarray(self.metrics["generation"].values).astype(np.int64)
        self._laws: dict[int, dict[str, Law]] = {}

    @cached_property
    def last(self) -> int:
        """The last generation that every chain has reached; -1 if there is none."""
        place = last_places(self.metrics).min(initial=self.generations.size)
        return int(self.generations[place]) if place >= 0 else -1

    @cached_property
    def stored(self) -> list[int]:
        """Generations up to `last` whose parameters are kept, of all chains."""
        kept = [set(store.kept()) for store in self.run.stores]
        return [g for g in sorted(set.intersection(*kept)) if g <= self.last]

    @property
    def forked(self) -> int | None:
        """For a fork, the last generation taken from its source."""
        last = self.run.groups[0].forked
        return last if last >= 0 else None

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """The swept settings with more than one value; one for all of them under `zip`."""
        return self._grid[0]

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        return self._grid[1]

    @cached_property
    def _grid(self) -> tuple[tuple[Factor, ...], tuple[Cell, ...]]:
        groups = self.run.groups
        found = find_cells(groups)
        factors, columns = [], []
        for path in groups[0].coords:
            column = [cell.settings[path] for cell in found]
            values = _in_order(column)
            if len(values) > 1:
                place = {value: i for i, value in enumerate(values)}
                factors.append(Factor(path, values, tuple(text(v) for v in values)))
                columns.append([place[value] for value in column])
        places = list(zip(*columns, strict=True)) if columns else [()] * len(found)
        if len(factors) > 1 and self.run.config.sweep_mode == "zip":
            factors, places = _as_one(factors, places)
        cells = [
            Cell(place, cell.chains, point_of(groups[cell.group], cell.first), cell.group)
            for place, cell in zip(places, found, strict=True)
        ]
        return tuple(factors), tuple(sorted(cells, key=lambda cell: cell.place))

    @cached_property
    def learners(self) -> set[str]:
        """The names of the cells' learners."""
        return {cell.point["learner.name"] for cell in self.cells}

    def has(self, metric: str) -> bool:
        """Whether the run recorded the metric and any of its values is finite."""
        base = "variance" if metric == "variance_ratio" else metric
        return base in self.metrics and bool(np.isfinite(self.array(base)).any())

    def array(self, metric: str) -> np.ndarray:
        """A metric as float64, (chain, generation, ...)."""
        return np.asarray(self.metrics[metric].values, np.float64)

    def known(self) -> list[str]:
        """Metrics that can be drawn against generation."""
        own = [
            str(name)
            for name, array in self.metrics.data_vars.items()
            if array.dims[:2] == ("chain", "generation")
        ]
        return own + [name for name in DERIVED if "variance" in own]

    def laws(self, cell: int) -> dict[str, Law]:
        """The laws that hold in a cell, by metric."""
        if cell not in self._laws:
            is_mixed = self.run.groups[self.cells[cell].group].is_mixed
            found = {} if is_mixed else dict(laws(self.cells[cell].point, self.generations))
            law = found.get("variance")
            if law is not None and self.is_truth_known(cell):  # a ratio of means otherwise
                found["variance_ratio"] = _scaled(law, 1 / self.original(cell))
            self._laws[cell] = found
        return self._laws[cell]

    def is_truth_known(self, cell: int) -> bool:
        """Whether the original variance is known to be the truth's: Gaussians on normal data."""
        point = self.cells[cell].point
        own = point["learner.name"] == "gaussian" and point["data.name"] == "normal"
        return own and isinstance(point["data.std"], int | float)

    def original(self, cell: int) -> Any:
        """What variances are divided by: the truth's if a law may hold, else generation 0's.

        The truth's is a number; generation 0's are `[C, 1]`, one per chain.
        """
        if self.is_truth_known(cell):
            return float(self.cells[cell].point["data.std"]) ** 2
        first = self.array("variance")[self.cells[cell].chains, :1]
        return np.where(first > 0, first, np.nan)

    def axis_label(self, metric: str) -> str:
        """The words at an axis; a ratio says what it is relative to."""
        if metric != "variance_ratio":
            return name_of(metric).axis_label
        is_true = all(self.is_truth_known(cell) for cell in range(len(self.cells)))
        return "variance / true variance" if is_true else "variance / generation 0's"

    def series(self, metric: str) -> tuple[tuple[Factor, ...], list[Series]]:
        """The factors of a metric and its lines: cells, times the metric's own axes.

        Raises:
          UserError: a metric that the run does not have.
        """
        if metric not in self.known():
            raise UserError(
                f"metric={metric!r} is not in this run: expected {listed(self.known())}"
                f"{nearest(metric, self.known())}"
            )
        if metric == "variance_ratio":
            array, extra = self.array("variance"), ()
        else:
            array, extra = self.array(metric), self.metrics[metric].dims[2:]
        own = []
        for axis, dim in enumerate(extra, 2):
            size = min(array.shape[axis], MAX_FEATURES)
            array = array.take(np.arange(size), axis)
            if size > 1:
                labels = tuple(f"{dim} {i + 1}" for i in range(size))
                own.append(Factor(str(dim), tuple(range(1, size + 1)), labels))
        first = [f for f in own if f.path == "component"]
        factors = (*first, *self.factors, *(f for f in own if f not in first))
        if metric == "l2_squared" and self.generations.size > 1:
            # The ratio to itself is only round-off.
            array = np.where(self.generations[None] > 0, array, np.nan)
        array = array.reshape(*array.shape[:2], *(s for s in array.shape[2:] if s > 1))
        found = []
        for i, cell in enumerate(self.cells):
            block = array[cell.chains]
            if metric == "variance_ratio":
                block = block / self.original(i)
            place = {f.path: p for f, p in zip(self.factors, cell.place, strict=True)}
            law = None if own else self.laws(i).get(metric)
            for inner in np.ndindex(*(len(f.values) for f in own)):
                values = block[(slice(None), slice(None), *inner)]
                if not np.isfinite(values).any():
                    continue  # a ragged group has no such component
                where = place | {f.path: p for f, p in zip(own, inner, strict=True)}
                found.append(Series(where, values, law))
        return factors, found

    def detail(self, *, but: tuple[str, ...] = (), held: str = "", cell: int | None = None) -> str:
        """One line describing the run: learner, regime, n, chains.

        Args:
          but: paths that the figure itself shows.
          held: a remark on settings that are held fixed.
          cell: the one cell that is drawn; None for all of them.
        """
        cells = self.cells if cell is None else [self.cells[cell]]
        swept = set(but) if cell is None else set()
        if cell is None:
            swept |= {f.path for f in self.factors}
            if self.run.config.sweep_mode == "zip":
                swept |= set(self.run.groups[0].coords)
        point = cells[0].point
        parts = [describe_learner(point, swept)]
        if "regime.name" not in swept:
            parts.append(self._regimes(cells[0], swept))
        elif "regime.real_fraction" not in swept:
            shares = {
                c.point["regime.real_fraction"]
                for c in cells
                if c.point["regime.name"] in WITH_SHARE
            }
            parts += [f"real fraction {text(share)}" for share in shares]
        if "num_samples" not in swept:
            parts.append(f"n = {text(point['num_samples'])}")
        parts.append(describe_drawing(point, swept))
        if self.forked is not None:
            parts.append(f"forked after generation {self.forked}")
        if "data.name" not in swept:
            used = self.run.manifest["data"]  # which may differ from the data requested
            name = used["name"] if "note" in used else point["data.name"]
            parts.append(f"{str(name).rpartition('/')[2]} data")
        counts = sorted({len(c.chains) for c in cells})
        many = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        each = " each" if len(cells) > 1 else ""
        parts.append(f"{many} chain{'s' if counts[-1] > 1 else ''}{each}")
        if held:
            parts.append(held)
        return SEPARATOR.join(part for part in parts if part)

    def _regimes(self, cell: Cell, swept: set[str]) -> str:
        """The regime of a cell; of a fork, those before it too."""
        spans = [
            (describe_regime(p, swept), last) for p, last in self.run.groups[cell.group].before
        ]
        words, now = "", describe_regime(cell.point, swept)
        for i, (name, last) in enumerate(spans):
            if name != [*(other for other, _ in spans[i + 1 :]), now][0]:
                words += f"{name} to generation {last}, then "
        return words + now

    def held(self, cell: int, *, but: tuple[str, ...] | None = None) -> str:
        """`shown: n = 100`: the settings of a cell that a figure does not vary.

        Args:
          but: paths that the figure varies; by default that of the first factor.
        """
        but = tuple(f.path for f in self.factors[:1]) if but is None else but
        chosen = zip(self.factors, self.cells[cell].place, strict=True)
        words = [assign(f.path, f.labels[i]) for f, i in chosen if f.path not in but]
        return f"shown: {', '.join(words)}" if words else ""

    def label(self, cell: int) -> str:
        """The swept settings of a cell in words."""
        chosen = zip(self.factors, self.cells[cell].place, strict=True)
        return ", ".join(assign(f.path, f.labels[i]) for f, i in chosen)

    def first_label(self, cell: int) -> str:
        """The value of the first factor in words; "" if there is none."""
        first = zip(self.factors[:1], self.cells[cell].place[:1], strict=True)
        return "".join(assign(f.path, f.labels[i]) for f, i in first)

    def along_first(self, most: int) -> list[int]:
        """Cells in which only the first factor varies: at most `most`, evenly chosen."""
        cells = self.slice(*(f.path for f in self.factors[:1]))
        return [cells[i] for i in evenly(len(cells), most)]

    def slice(self, *paths: str) -> list[int]:
        """Cells in which only the factors `paths` vary and every other has its first value."""
        free = [f.path in paths for f in self.factors]
        base = self.cells[0].place
        return [
            i
            for i, cell in enumerate(self.cells)
            if all(f or p == b for f, p, b in zip(free, cell.place, base, strict=True))
        ]


def as_study(run: Run | Study) -> Study:
    """The run as a study; a study is returned as it is."""
    return run if isinstance(run, Study) else Study(run)


def _scaled(law: Law, factor: float) -> Law:
    sd = None if law.sd is None else law.sd * factor
    return law._replace(expected=law.expected * factor, sd=sd)


def _in_order(column: list[Any]) -> tuple[Any, ...]:
    """Distinct values: numbers by size, words in the order given."""
    values = list(dict.fromkeys(column))
    is_number = all(isinstance(value, int | float) for value in values)
    return tuple(sorted(values) if is_number else values)


def _as_one(
    factors: list[Factor], places: list[tuple[int, ...]]
) -> tuple[list[Factor], list[tuple[int, ...]]]:
    """Factors that vary together, merged into one whose values are the combinations."""
    number = {place: i for i, place in enumerate(sorted(set(places)))}
    labels = tuple(
        ", ".join(assign(f.path, f.labels[i]) for f, i in zip(factors, place, strict=True))
        for place in number
    )
    joined = Factor(" and ".join(f.word for f in factors), labels, labels)
    return [joined], [(number[place],) for place in places]
