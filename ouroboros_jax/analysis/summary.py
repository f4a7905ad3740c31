"""summary.json: a run's headline numbers, with the laws that govern them.

Chains are averaged within a *point*, a combination of the swept settings other than the seed:
seeds and replicates are independent there, and points are never pooled.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from ouroboros_jax.analysis.cells import Cell, find_cells, point_of
from ouroboros_jax.analysis.coords import last_places
from ouroboros_jax.analysis.headline import headline
from ouroboros_jax.disk.dataset import STATUSES
from ouroboros_jax.sweep import Group
from ouroboros_jax.theory.laws import laws, z_score

if TYPE_CHECKING:
    import xarray as xr

MAX_POINTS = 2000  # points of a larger grid beyond these are only in metrics.nc
LEVEL = 0.95
RISKS = ("test_loss", "test_log_loss", "test_mse")  # whose slopes are given
DIGITS = 8  # significant digits in the file


def summarise(dataset: "xr.Dataset", groups: Sequence[Group]) -> dict:
    """The content of summary.json.

    Args:
      dataset: as from `dataset.assemble`.
      groups: the run's groups, in the order of the dataset's chains.

    Returns:
      JSON-able: `points`, one dict each (settings, number of chains, last generation reached,
      metrics with mean, 95% t-interval, median and law, risks with a `slope`; `time_to_collapse`,
      `status`); `headline`; and for a mixture run `means`, `stds` (components in order of their
      first mean, averaged over chains, by generation), `l2_distances` (squared),
      `original_variance`, `final_variance` and `variance_reduction_percent`, each by number of
      samples. Numbers that are not finite are None.
    """
    every = find_cells(groups)
    cells = every[:MAX_POINTS]
    last = last_places(dataset)
    reached = [int(last[cell.chains].max()) for cell in cells]
    points = [
        {
            "settings": cell.settings,
            "num_chains": len(cell.chains),
            "generation": generation if generation >= 0 else None,
            "metrics": {},
        }
        for cell, generation in zip(cells, reached, strict=True)
    ]
    found = _laws(groups, cells, reached)
    for name, values in _scalars(dataset).items():
        _add_metric(points, name, values, cells, last, found)
    if "time_to_collapse" in dataset:
        _add_times(points, dataset, cells)
    if "status" in dataset:
        _add_status(points, dataset, cells, last)
    summary = {"num_points": len(every), "points": points}
    if len(every) > len(cells):
        summary["points_left_out"] = len(every) - len(cells)
    if "time_to_collapse" in dataset:
        summary["collapse_of"] = dataset["time_to_collapse"].attrs["quantity"]
    summary["headline"] = headline(summary)
    return summary | _mixture(dataset, groups, cells, reached)


def _scalars(dataset: "xr.Dataset") -> dict[str, np.ndarray]:
    """Metrics with one value a chain and generation, `[C, G]`."""
    found = {}
    for name, variable in dataset.data_vars.items():
        if variable.dims[:2] == ("chain", "generation") and name != "status":
            values = variable.values
            if math.prod(values.shape[2:]) == 1:
                found[str(name)] = values.reshape(values.shape[:2])
    return found


def _laws(groups: Sequence[Group], cells: Sequence[Cell], reached: Sequence[int]) -> list[dict]:
    """Laws at the last generation of every cell; computed once for equal settings."""
    is_mixed = [group.is_mixed for group in groups]
    cache: dict[tuple, dict] = {}
    found = []
    for cell, generation in zip(cells, reached, strict=True):
        group = groups[cell.group]
        indices = (int(column.index[cell.first]) for column in group.columns.values())
        key = (cell.group, generation, *indices)
        if key not in cache:
            knows = generation >= 0 and not is_mixed[cell.group]
            point = point_of(group, cell.first)
            cache[key] = laws(point, np.array([generation])) if knows else {}
        found.append(cache[key])
    return found


def _add_metric(points, name, values, cells: Sequence[Cell], last, found) -> None:
    """A metric's numbers at the last generation, in every point where it is known."""
    chain = np.arange(len(values))
    now = values[chain, np.maximum(last, 0)].astype(np.float64)
    now[last < 0] = np.nan
    means, lows, highs, counts = _intervals(now, cells)
    medians = _medians(now, cells)
    originals = _intervals(values[:, 0].astype(np.float64), cells)[0]
    for i, point in enumerate(points):
        if not counts[i]:
            continue
        entry = {
            "original": _finite(originals[i]),
            "mean": _finite(means[i]),
            "low": _finite(lows[i]),
            "high": _finite(highs[i]),
            "median": _finite(medians[i]),
        }
        if name in RISKS:
            entry["slope"] = _finite(_slope(values[cells[i].chains].astype(np.float64)))
        infinite = int(np.isinf(now[cells[i].chains]).sum())
        if infinite:
            entry["infinite"] = infinite
        if name in found[i]:
            law = found[i][name]
            score = z_score(law, now[cells[i].chains, None], 0)
            entry["law"] = {
                "label": law.label,
                "source": law.source,
                "predicted": _finite(score.predicted),
                "standard_error": _finite(score.standard_error),
                "z": _finite(score.z),
                "valid": score.valid,
            }
        point["metrics"][name] = entry


def _slope(values: np.ndarray) -> float:
    """The slope over the later half of the generations of chains' mean, [C, G], by least squares.

    A risk that diverges keeps a positive one: Schaeffer et al. 2025 (arXiv 2503.03150), the third
    of their definitions of collapse.
    """
    known = np.flatnonzero(np.isfinite(values).all(0))
    later = known[len(known) // 2 :]
    if len(later) < 2:
        return float("nan")
    apart = later - later.mean()
    return float(apart @ values[:, later].mean(0) / (apart @ apart))


def _cell_of(cells: Sequence[Cell], num_chains: int) -> np.ndarray:
    """The position of every chain's cell, int [C]; `len(cells)` for a chain in none of them."""
    found = np.full(num_chains, len(cells))
    sizes = [len(cell.chains) for cell in cells]
    found[np.concatenate([cell.chains for cell in cells])] = np.repeat(range(len(cells)), sizes)
    return found


def _intervals(values: np.ndarray, cells: Sequence[Cell]) -> tuple[np.ndarray, ...]:
    """Means of the points, ends of their t-intervals, and the number of chains with a value."""
    num, place = len(cells), _cell_of(cells, len(values))
    known = ~np.isnan(values) & (place < num)
    place, values = place[known], values[known]
    count = np.bincount(place, minlength=num)
    with np.errstate(all="ignore"):
        mean = np.bincount(place, values, num) / count
        squares = np.bincount(place, np.square(values - mean[place]), num)
        error = np.sqrt(squares / (count - 1) / count)
        half = special.stdtrit(np.maximum(count - 1.0, 1), (1 + LEVEL) / 2) * error
    half[count < 2] = np.nan
    return mean, mean - half, mean + half, count


def _medians(values: np.ndarray, cells: Sequence[Cell]) -> np.ndarray:
    """Medians of the points, ignoring NaN; the mean of the middle two if there are two."""
    num, place = len(cells), _cell_of(cells, len(values))
    known = ~np.isnan(values) & (place < num)
    place, values = place[known], values[known]
    ordered = np.append(values[np.lexsort((values, place))], np.nan)
    count = np.bincount(place, minlength=num)
    start = np.cumsum(count) - count
    low = ordered[np.where(count, start + (count - 1) // 2, -1)]
    high = ordered[np.where(count, start + count // 2, -1)]
    with np.errstate(invalid="ignore"):
        return np.where(low == high, low, low / 2 + high / 2)


def _add_times(points, dataset: "xr.Dataset", cells: Sequence[Cell]) -> None:
    """How many chains of each point fell below the thresholds, and when."""
    times = dataset["time_to_collapse"]
    metric = times.attrs["metric"]
    is_known = np.isfinite(dataset[metric].values[:, 0])
    for j, threshold in enumerate(times["threshold"].values.tolist()):
        values = times.values[:, j].astype(np.float64)
        collapsed = np.isfinite(values)
        medians = _medians(np.where(is_known & ~collapsed, np.inf, values), cells)
        for point, cell, median in zip(points, cells, medians, strict=True):
            known = int(is_known[cell.chains].sum())
            point.setdefault("time_to_collapse", {})[f"{threshold:g}"] = {
                "median": _finite(median),
                "collapsed": _finite(collapsed[cell.chains].sum() / known) if known else None,
            }


def _add_status(points, dataset: "xr.Dataset", cells: Sequence[Cell], last: np.ndarray) -> None:
    """How many chains of each point have which status at their last generation."""
    num, place = len(cells), _cell_of(cells, len(last))
    now = dataset["status"].values[np.arange(len(last)), np.maximum(last, 0)].astype(np.int64)
    known = (place < num) & (now >= 0)
    codes = place[known] * len(STATUSES) + now[known]
    counts = np.bincount(codes, minlength=num * len(STATUSES)).reshape(num, len(STATUSES))
    for point, row in zip(points, counts.tolist(), strict=True):
        point["status"] = dict(zip(STATUSES, row, strict=True))


def _mixture(
    dataset: "xr.Dataset", groups: Sequence[Group], cells: Sequence[Cell], reached: Sequence[int]
) -> dict[str, dict]:
    """The fields of a mixture run by number of samples, from the first point with that number."""
    if any(groups[cell.group].point["learner.name"] != "gmm" for cell in cells):
        return {}
    fields: dict[str, dict] = {}

    def put(field, number, value):
        fields.setdefault(field, {}).setdefault(number, value)

    for cell, generation in zip(cells, reached, strict=True):
        point, chains, stop = groups[cell.group].point, cell.chains, generation + 1
        number = str(cell.settings.get("num_samples", point["num_samples"]))
        if number in fields.get("original_variance", {}) or not stop:
            continue
        means, stds = _ordered(dataset, chains, stop, int(point["learner.components"]))
        put("means", number, means)
        put("stds", number, stds)
        if "l2_squared" in dataset:
            distances = dataset["l2_squared"].values[chains, :stop].astype(np.float64).mean(0)
            put("l2_distances", number, _listed(distances))
        if "variance" in dataset:
            variance = dataset["variance"].values[chains].astype(np.float64)
            first, final = variance[:, 0].mean(), variance[:, stop - 1].mean()
            put("original_variance", number, _finite(first))
            put("final_variance", number, _finite(final))
            drop = 100 * (1 - final / first) if first > 0 else math.nan
            put("variance_reduction_percent", number, _finite(drop))
    return fields


def _ordered(dataset: "xr.Dataset", chains, stop: int, components: int) -> list:
    """Component means and standard deviations over generations, components in their order at 0."""
    if "component_mean" not in dataset:
        return [None, None]
    first = dataset["component_mean"].values[chains, 0, :components]
    order = np.argsort(first.reshape(*first.shape[:2], -1)[..., 0], axis=1)
    found = []
    for name in ("component_mean", "component_std"):
        if name not in dataset:
            found.append(None)
            continue
        values = dataset[name].values[chains, :stop, :components].astype(np.float64)
        places = order.reshape(len(chains), 1, components, *(1,) * (values.ndim - 3))
        found.append(_listed(np.take_along_axis(values, places, 2).mean(0)))
    return found


def _finite(value: float) -> float | None:
    """A number for JSON, which has neither NaN nor infinity."""
    value = float(value)
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def _listed(values: np.ndarray) -> Any:
    return [_listed(v) for v in values] if values.ndim else _finite(values)
