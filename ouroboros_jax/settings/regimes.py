"""The regimes: what generation g trains on, by name."""

from typing import Any

from ouroboros_jax.errors import UserError
from ouroboros_jax.schedule import count_share
from ouroboros_jax.settings.names import look_up
from ouroboros_jax.settings.setting import Entry, Point, Setting

_WINDOW = Setting(3, "how many models, or kept data sets, back", low=1)
_KEPT = Setting(False, "window: train on the data sets as drawn, not on points drawn again")
_FRACTION = Setting(
    0.1,
    "share of each generation's points that are new real data; counts round half up",
    traced=True,
    low=0.0,
    high=1.0,
)
_REAL_OF = Setting(
    "original",
    "fresh: what the share is of, the original data or the previous data set",
    choices=("original", "previous"),
)
_WEIGHT = Setting(
    0.5,
    "total weight of the real points, or 'golden' for (sqrt(k^2 + 4k) - k) / 2, k real points to "
    "a synthetic one",
    traced=True,
    low=0.0,
    high=1.0,
    choices=("golden",),
    kinds=(float, str),
)


def _check_weighted(point: Point) -> None:
    fraction, weight = point["regime.real_fraction"], point["regime.real_weight"]
    if weight == "golden" or not all(
        isinstance(value, int | float) for value in (fraction, weight, point["num_samples"])
    ):
        return
    num = point["num_samples"]
    real = count_share(fraction, num)
    for points, total, source in ((real, weight, "real"), (num - real, 1 - weight, "synthetic")):
        if points == 0 and total > 0:
            raise UserError(
                f"regime.real_weight={weight} gives the {source} points weight {total:g}, but "
                f"regime.real_fraction={fraction} of num_samples={num} leaves none"
            )


REGIMES = {
    "replace": Entry("ouroboros_jax.regimes:replace", "the previous model's points alone", {}),
    "accumulate": Entry(
        "ouroboros_jax.regimes:accumulate",
        "the real data and every set drawn so far",
        {},
        keeps_all=True,
    ),
    "accumulate_fresh": Entry(
        "ouroboros_jax.regimes:accumulate_fresh",
        "as accumulate, with a share of new real data in what each generation adds",
        {"real_fraction": _FRACTION},
        keeps_all=True,
        has_fresh=True,
    ),
    "accumulate_subsample": Entry(
        "ouroboros_jax.regimes:accumulate_subsample",
        "num_samples points drawn without replacement from accumulate's pool",
        {},
        keeps_identity=True,
        keeps_all=True,
    ),
    "window": Entry(
        "ouroboros_jax.regimes:window",
        "points of the last `window` models, the truth before the first",
        {"window": _WINDOW, "kept": _KEPT},
    ),
    "fresh": Entry(
        "ouroboros_jax.regimes:fresh",
        "a share of new real data each generation, the rest from the previous model",
        {"real_fraction": _FRACTION, "real_of": _REAL_OF},
        has_fresh=True,
    ),
    "fixed_real": Entry(
        "ouroboros_jax.regimes:fixed_real",
        "the same real data for ever, and num_samples synthetic points",
        {},
    ),
    "weighted": Entry(
        "ouroboros_jax.regimes:weighted",
        "as fresh, with total weights for the two sources and variances within them",
        {"real_fraction": _FRACTION, "real_weight": _WEIGHT},
        check=_check_weighted,
    ),
}
KEEPING_ALL = tuple(name for name, entry in REGIMES.items() if entry.keeps_all)
WITH_FRESH = tuple(name for name, entry in REGIMES.items() if entry.has_fresh)


def find_regime(name: Any) -> Entry:
    """The regime of that name, or a user's own."""
    return look_up("regime", REGIMES, name)
