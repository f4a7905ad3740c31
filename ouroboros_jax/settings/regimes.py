"""The regimes: what generation g trains on, by name."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ouroboros_jax.errors import UserError
from ouroboros_jax.schedule import count_share, parse, round_half_up
from ouroboros_jax.settings.names import look_up
from ouroboros_jax.settings.setting import Entry, Point, Setting

_WINDOW = Setting(3, "how many models back, or how many kept data sets", low=1)
_KEPT = Setting(False, "window: train on the data sets as first drawn, not on points drawn again")
_FRACTION = Setting(
    0.1,
    "share of new real data among each generation's points; counts round half up",
    traced=True,
    low=0.0,
    high=1.0,
)
_REAL_OF = Setting(
    "original",
    "fresh: where the real share comes from, the original data or the previous data set (whose "
    "points repeat if it has too few)",
    choices=("original", "previous"),
)
_WEIGHT = Setting(
    0.5,
    "total weight of the real points, or 'golden' for (sqrt(k^2 + 4k) - k) / 2 with k real points "
    "per synthetic one",
    traced=True,
    low=0.0,
    high=1.0,
    choices=("golden",),
    kinds=(float, str),
)
_OF_WEIGHTED = ("regime.real_fraction", "regime.real_weight", "num_samples")
_MOST_CHECKED = 100_000  # generations


def _check_weighted(point: Point) -> None:
    fraction, weight, num = (point[path] for path in _OF_WEIGHTED)
    if weight == "golden":
        return
    generations = np.arange(1, min(point["generations"], _MOST_CHECKED) + 1)
    fractions, weights, nums = (parse(value).at(generations) for value in (fraction, weight, num))
    nums = round_half_up(nums)
    real = count_share(fractions, nums)
    for points, totals, source in (
        (real, weights, "real"),
        (nums - real, 1 - weights, "synthetic"),
    ):
        missing = np.flatnonzero((points == 0) & (totals > 0))
        if missing.size:
            place = missing[0]
            scheduled = any(not isinstance(value, int | float) for value in (fraction, weight, num))
            when = f" at generation {generations[place]}" if scheduled else ""
            raise UserError(
                f"regime.real_weight={weight} gives the {source} points weight "
                f"{totals[place]:g}{when}, but regime.real_fraction={fraction} of "
                f"num_samples={num} leaves none"
            )


REGIMES = {
    "replace": Entry("ouroboros_jax.regimes:replace", "the previous model's points alone", {}),
    "accumulate": Entry(
        "ouroboros_jax.regimes:accumulate",
        "the real data and every set drawn so far",
        {},
        keeps="all",
    ),
    "accumulate_fresh": Entry(
        "ouroboros_jax.regimes:accumulate_fresh",
        "as accumulate, but a share of the points that each generation adds is new real data",
        {"real_fraction": _FRACTION},
        keeps="all",
    ),
    "accumulate_subsample": Entry(
        "ouroboros_jax.regimes:accumulate_subsample",
        "num_samples points drawn without replacement from accumulate's pool",
        {},
        keeps_identity=True,
        keeps="all",
    ),
    "window": Entry(
        "ouroboros_jax.regimes:window",
        "points of the last `window` models, the truth standing in before generation 0",
        {"window": _WINDOW, "kept": _KEPT},
    ),
    "fresh": Entry(
        "ouroboros_jax.regimes:fresh",
        "a share of new real data in each generation, the rest from the previous model",
        {"real_fraction": _FRACTION, "real_of": _REAL_OF},
    ),
    "fixed_real": Entry(
        "ouroboros_jax.regimes:fixed_real",
        "the same real data in every generation, and num_samples synthetic points",
        {},
        keeps="real",
    ),
    "weighted": Entry(
        "ouroboros_jax.regimes:weighted",
        "as fresh, with a total weight for each source; Gaussians take variances within sources",
        {"real_fraction": _FRACTION, "real_weight": _WEIGHT},
        check=_check_weighted,
    ),
}


def _names(has: Callable[[Entry], bool]) -> tuple[str, ...]:
    return tuple(name for name, entry in REGIMES.items() if has(entry))


KEEPING_ALL = _names(lambda entry: entry.keeps == "all")
KEEPING_REAL = _names(lambda entry: entry.keeps != "nothing" and not entry.keeps_identity)
WITH_SHARE = _names(lambda entry: "real_fraction" in entry.settings)
WEIGHTED = _names(lambda entry: "real_weight" in entry.settings)
# Fresh real points weigh as much as the others.
WITH_FRESH = tuple(name for name in WITH_SHARE if name not in WEIGHTED)
# All points are new, from the last model and the truth.
FROM_LAST = _names(lambda entry: entry.keeps == "nothing" and "window" not in entry.settings)


def find_regime(name: Any) -> Entry:
    """The regime of that name, or a user's own."""
    return look_up("regime", REGIMES, name)


def keeps_previous(point: Point) -> bool:
    """Whether the real share of a data set is taken from the data set before."""
    entry = find_regime(point["regime.name"])
    return "real_of" in entry.settings and point["regime.real_of"] == "previous"


def keeps_points(point: Point) -> bool:
    """Whether the very points of one generation are used in the next, not just the same law."""
    return bool(find_regime(point["regime.name"]).keeps_identity) or keeps_previous(point)
