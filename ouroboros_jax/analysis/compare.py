"""Paired differences between the values of a swept setting.

A chain's random numbers depend on its seed and replicate alone, so chains of different values that
share both are pairs: their difference has less spread than that of independent chains. Intervals
are percentiles of the bootstrap over pairs.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ouroboros_jax.analysis.cells import positions
from ouroboros_jax.analysis.coords import last_places, plain, swept_settings
from ouroboros_jax.errors import UserError, listed, nearest, whole_number

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

BLOCK = 4_000_000  # resampled pairs held at a time


class Comparison:
    """Differences of a metric to its baseline, by value of a setting.

    Attributes:
      setting: the swept path.
      metric: name of the metric.
      baseline: the value of the setting that the others are compared with.
      generation: the generation that `table` shows.
      level: confidence level of the intervals.
      dataset: `difference`, `low`, `high` and `num_pairs` over (row, generation), at every
        generation; a row is a `value` of the setting, with one value of every other swept setting.
    """

    def __init__(self, dataset: "xr.Dataset", generation: int):
        self.dataset = dataset
        self.generation = generation
        self.setting: str = dataset.attrs["setting"]
        self.metric: str = dataset.attrs["metric"]
        self.baseline: Any = dataset.attrs["baseline"]
        self.level: float = dataset.attrs["level"]

    @property
    def others(self) -> list[str]:
        """What else distinguishes rows: other swept settings, axes of the metric."""
        return [str(name) for name in self.dataset.coords if name not in ("value", "generation")]

    @functools.cached_property
    def table(self) -> "pd.DataFrame":
        """One row a value: `value`, the other settings, `difference`, `low`, `high`,
        `num_pairs`."""
        import pandas as pd

        here = self.dataset.sel(generation=self.generation)
        names = ["value", *self.others, "difference", "low", "high", "num_pairs"]
        return pd.DataFrame({name: here[name].values for name in names})

    def __repr__(self) -> str:
        heading = (
            f"{self.metric} at generation {self.generation}: differences to "
            f"{self.setting} = {self.baseline}, paired over seeds and replicates, "
            f"{100 * self.level:g}% bootstrap intervals"
        )
        rows = self.table.to_string(index=False, float_format=lambda x: f"{x:.4g}")
        return f"{heading}\n{rows}"

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False)

    def plot(self, **options: Any) -> Any:
        """A figure of the differences over generations."""
        from ouroboros_jax.figures import compare_figure

        return compare_figure(self._curves(), **options)

    def _curves(self) -> "xr.Dataset":
        """The rows by value and generation; values become labels if other settings vary too."""
        from ouroboros_jax.figures.words import assign, text

        here = self.dataset
        counts = here["num_pairs"].sel(generation=self.generation).values
        attrs = {
            "setting": self.setting,
            "metric": self.metric,
            "baseline": self.baseline,
            "confidence": self.level,
        }
        if len(set(counts.tolist())) == 1:
            attrs["pairs"] = int(counts[0])
        if self.others:
            paths = {"value": self.setting} | {name: name for name in self.others}
            columns = [
                [assign(path, text(plain(v))) for v in here[name].values]
                for name, path in paths.items()
            ]
            labels = [", ".join(words) for words in zip(*columns, strict=True)]
            here = here.drop_vars(self.others).assign_coords(value=("row", labels))
        return here.swap_dims(row="value").assign_attrs(attrs)


def compare(
    dataset: "xr.Dataset",
    setting: str,
    metric: str,
    *,
    generation: int = -1,
    baseline: Any = None,
    level: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Mean differences of a metric between values of a setting, over chains that share a seed.

    Args:
      dataset: a run's metrics.
      setting: a swept path, as "regime.real_fraction"; other swept settings are kept apart.
      metric: a metric by chain and generation.
      generation: the one the table shows; negative ones count from the last one common to all.
      baseline: the value to subtract; by default the first of the sweep.
      level: confidence level of the intervals.
      num_resamples: of the bootstrap.
      seed: of the bootstrap.

    Returns:
      A `Comparison`; pairs in which a value is not finite are left out.

    Raises:
      UserError: a setting that is not swept, an unknown metric, a baseline that is no value of the
        setting, a generation that does not exist, or values without chains in common.
    """
    _check(dataset, setting, metric)
    _check_numbers(generation, level, num_resamples, seed)
    swept = [path for path in swept_settings(dataset) if path != setting]
    labels = [plain(v) for v in dataset[setting].values]
    values = list(dict.fromkeys(labels))
    base = _find(baseline, values, setting)
    last = int(last_places(dataset).min())
    chosen = generation if generation >= 0 else last + 1 + generation
    if not 0 <= chosen <= last:
        raise UserError(f"generation={generation} is not there: expected {_span(last)}")
    columns = [labels, *([plain(v) for v in dataset[path].values] for path in swept)]
    cells = positions(zip(*columns, strict=True))
    codes = _codes(dataset["seed"].values, dataset["replicate"].values)
    array = dataset[metric].values[:, : last + 1].astype(np.float64)
    axes = {
        str(dim): size
        for dim, size in zip(dataset[metric].dims[2:], array.shape[2:], strict=True)
        if size > 1
    }
    array = array.reshape(*array.shape[:2], *axes.values())
    resample = _Resampler(num_resamples, seed)
    rows, numbers = [], []
    for row, first, second in _pairs(cells, base, values, codes):
        with np.errstate(invalid="ignore"):
            difference = array[second] - array[first]
        for index in np.ndindex(*axes.values()):
            found = _bootstrap(difference[:, :, *index], level, resample)
            if axes and not found[3].any():
                continue  # padding: this group has no such component
            rows.append((*row, *index))
            numbers.append(found)
    if not rows:
        raise UserError(_no_pairs(setting, swept, values))
    attrs = {"setting": setting, "metric": metric, "baseline": base, "level": level}
    generations = dataset["generation"].values[: last + 1]
    names = ["value", *swept, *axes]
    return Comparison(_table(names, rows, numbers, generations, attrs), chosen)


def _pairs(
    cells: Mapping[tuple, np.ndarray], base: Any, values: Sequence[Any], codes: np.ndarray
) -> Iterator[tuple[tuple, np.ndarray, np.ndarray]]:
    """Every cell beside that of the baseline with equal other settings.

    Yields:
      The cell's key, and the chains of the baseline and the cell, int [P] both, whose codes agree.
    """
    for rest in dict.fromkeys(key[1:] for key in cells):
        for value in values:
            first, second = cells.get((base, *rest)), cells.get((value, *rest))
            if value == base or first is None or second is None:
                continue
            _, a, b = np.intersect1d(codes[first], codes[second], return_indices=True)
            if a.size:
                yield (value, *rest), first[a], second[b]


def _table(
    names: Sequence[str],
    rows: Sequence[tuple],
    numbers: Sequence[tuple[np.ndarray, ...]],
    generations: np.ndarray,
    attrs: Mapping[str, Any],
) -> "xr.Dataset":
    """The `Comparison.dataset`, from rows of settings and `_bootstrap`'s numbers."""
    import xarray as xr

    columns = zip(names, zip(*rows, strict=True), strict=True)
    coords = {name: ("row", np.array(column)) for name, column in columns}
    told = ("difference", "low", "high", "num_pairs")
    variables = {
        name: (("row", "generation"), np.stack(column))
        for name, column in zip(told, zip(*numbers, strict=True), strict=True)
    }
    return xr.Dataset(variables, coords | {"generation": generations}, attrs)


class _Resampler:
    """Weights of bootstrap resamples of P pairs, `[R, P]` in blocks; the same for equal P."""

    def __init__(self, num: int, seed: int):
        self.num, self.seed = num, seed
        self._kept: tuple[int, np.ndarray] | None = None

    def blocks(self, pairs: int):
        if self._kept is not None and self._kept[0] == pairs:
            yield self._kept[1]
            return
        rng = np.random.default_rng(self.seed)
        size = max(1, BLOCK // pairs)
        for start in range(0, self.num, size):
            num = min(size, self.num - start)
            drawn = rng.integers(pairs, size=(num, pairs)) + np.arange(num)[:, None] * pairs
            weights = np.bincount(drawn.ravel(), minlength=num * pairs).reshape(num, pairs)
            weights = weights.astype(np.float64)
            if num == self.num:
                self._kept = (pairs, weights)
            yield weights


def _bootstrap(difference: np.ndarray, level: float, resample: _Resampler) -> tuple:
    """Mean of `[P, G]`, ends of its percentile interval and number of finite pairs, each `[G]`."""
    known = np.isfinite(difference)
    count = known.sum(0)
    filled = np.where(known, difference, 0.0)
    is_whole = bool(known.all())
    parts = []
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(0) / count
        for weights in resample.blocks(len(difference)):
            total = len(difference) if is_whole else weights @ known
            parts.append(weights @ filled / total)
    means = np.concatenate(parts)
    tail = (1 - level) / 2
    low, high = np.full((2, len(count)), np.nan)
    two = count > 1  # one pair has no spread
    if two.any():
        ends = np.nanquantile if not is_whole else np.quantile
        low[two], high[two] = ends(means[:, two], [tail, 1 - tail], axis=0)
    return mean, low, high, count


def _check(dataset, setting, metric) -> None:
    swept, known = swept_settings(dataset), _metrics(dataset)
    if setting not in swept:
        what = f"the sweep has {listed(swept)}" if swept else "the run has no sweep"
        raise UserError(f"setting={setting!r} was not swept: {what}{nearest(setting, swept)}")
    if metric not in known:
        raise UserError(
            f"metric={metric!r} is not in this run: expected {listed(known)}"
            f"{nearest(metric, known)}"
        )


def _check_numbers(generation, level, num_resamples, seed) -> None:
    whole_number("generation", generation)
    whole_number("num_resamples", num_resamples, 1)
    whole_number("seed", seed, 0)
    if not isinstance(level, float) or not 0 < level < 1:
        raise UserError(f"level={level!r}: expected a number between 0 and 1")


def _metrics(dataset) -> list[str]:
    return [
        str(name)
        for name, variable in dataset.data_vars.items()
        if variable.dims[:2] == ("chain", "generation") and name != "status"
    ]


def _find(baseline: Any, values: Sequence[Any], setting: str) -> Any:
    """The value that `baseline` denotes; a schedule may be given as in the sweep."""
    if baseline is None:
        return values[0]
    if isinstance(baseline, list | tuple):
        baseline = str(list(baseline))
    for value in values:
        if value == baseline or str(value) == str(baseline):
            return value
    raise UserError(
        f"baseline={baseline!r} is no value of {setting}: expected {_or(values)}"
        f"{nearest(baseline, values)}"
    )


def _or(values: Sequence[Any]) -> str:
    shown = [*values[:8], "..."] if len(values) > 8 else values
    return f"one of {', '.join(str(value) for value in shown)}"


def _span(last: int) -> str:
    if last < 0:
        return "a run with at least one generation"
    return f"0 to {last}, or {-last - 1} to -1 from the end"


def _codes(seed: np.ndarray, replicate: np.ndarray) -> np.ndarray:
    """One number for each (seed, replicate)."""
    return seed.astype(np.int64) * (int(replicate.max(initial=0)) + 1) + replicate


def _no_pairs(setting: str, swept: Sequence[str], values: Sequence[Any]) -> str:
    if len(values) < 2:
        return f"{setting} has the one value {values[0]!r} in this run: expected two or more"
    why = f"; {listed(swept)} changed with it" if swept else ""
    return (
        f"no chains to pair: no two values of {setting} share a seed and a replicate at equal "
        f"other settings{why}"
    )
