"""How many points a run asks for, and whether they are enough."""

import math

import numpy as np

from ouroboros_jax.errors import UserError
from ouroboros_jax.schedule import extremes, parse, round_half_up
from ouroboros_jax.settings.regimes import KEEPING_ALL, find_regime
from ouroboros_jax.settings.setting import COUNT, Point

MOST_SUMMED = 1_000_000  # up to this many generations, points are counted one by one


def fewest(point: Point, path: str) -> tuple[int, int]:
    """The smallest count at `path` over the run's generations, and its generation."""
    low, generation, _, _ = extremes(point[path], point["generations"])
    return math.floor(low + 0.5), generation


def num_real_points(point: Point) -> int:
    """Points of the real data set of generation 0: `data.num_samples`, or else `num_samples`."""
    if point["data.num_samples"] is not None:
        return point["data.num_samples"]
    value = point["num_samples"]
    return value if isinstance(value, int) else int(round_half_up(parse(value).at([0]))[0])


def written(point: Point, path: str, count: int, generation: int) -> str:
    """`num_samples=1` or `num_samples=linear(9, -1), which is 1 at generation 8,`."""
    value = point[path]
    if isinstance(value, int | float):
        return f"{path}={value}"
    return f"{path}={value}, which is {count} at generation {generation},"


def check_enough_points(point: Point, needed: int, why: str) -> None:
    """Refuse a run in which some generation, or the real data set, has fewer than `needed`.

    Raises:
      UserError: naming the count, and `why` it is too few.
    """
    count, generation = fewest(point, "num_samples")
    if count < needed:
        text = written(point, "num_samples", count, generation)
        raise UserError(f"{text} is too few: {why}")
    if num_real_points(point) < needed:
        text = f"data.num_samples={num_real_points(point)}"
        raise UserError(f"{text} is too few: {why}")


def most_pooled(point: Point, last: int) -> int:
    """The most points that a generation up to `last` trains on."""
    real, most = num_real_points(point), _most_drawn(point, last)
    regime = find_regime(point["regime.name"])
    if regime.keeps == "all" and not regime.keeps_identity:
        return real + _total_drawn(point, last)
    if regime.keeps == "real":
        return real + most
    if "kept" in regime.settings and point["regime.kept"]:
        return max(real, most) * min(point["regime.window"], last + 1)
    return max(real, most)


def check_total(point: Point) -> None:
    """Refuse a run whose data set grows beyond the largest count, `COUNT`.

    Raises:
      UserError: naming the total, and the settings behind it.
    """
    drawn = _total_drawn if point["regime.name"] in KEEPING_ALL else _most_drawn
    total = num_real_points(point) + drawn(point, point["generations"])
    if total > COUNT:
        raise UserError(
            f"{total:,} points would be counted, more than {COUNT:,}: lower "
            f"num_samples={point['num_samples']} or generations={point['generations']}"
        )


def _most_drawn(point: Point, last: int) -> int:
    """The largest `num_samples` of generations 0 to `last`."""
    return int(round_half_up(extremes(point["num_samples"], last)[2]))


def _total_drawn(point: Point, last: int) -> int:
    """The sum of `num_samples` over generations 1 to `last`; an upper bound for more than
    `MOST_SUMMED` generations."""
    value = point["num_samples"]
    if isinstance(value, int):
        return value * last
    counted = round_half_up(parse(value).at(np.arange(1, min(last, MOST_SUMMED) + 1)))
    return int(counted.sum()) + _most_drawn(point, last) * (last - len(counted))
