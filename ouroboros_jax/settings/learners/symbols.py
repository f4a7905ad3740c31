"""Learners of symbols and of counts."""

from ouroboros_jax.errors import UserError
from ouroboros_jax.metrics.names.symbols import OF_RATES, OF_SYMBOLS
from ouroboros_jax.schedule import extremes
from ouroboros_jax.settings.counts import num_real_points
from ouroboros_jax.settings.learners.start import START
from ouroboros_jax.settings.regimes import find_regime
from ouroboros_jax.settings.setting import COUNT, TEMPERATURE, Entry, Point, Setting

_DRAW = Setting(
    "auto",
    "draw points (samples), or their counts, exact in law (sufficient); auto is sufficient "
    "wherever the regime allows it",
    choices=("auto", "sufficient", "samples"),
)


def _traces_counts(point: Point) -> bool:
    draw = point["learner.draw"]
    if draw == "auto":
        return not _keeps_points(point)
    return draw == "sufficient"


def _keeps_points(point: Point) -> bool:
    """Whether points go on as the same points, or one by one through a selector."""
    keeps_identity = find_regime(point["regime.name"]).keeps_identity is not False
    again = point.get("regime.real_of") == "previous" and point["regime.name"] == "fresh"
    return keeps_identity or again or point.get("selector.name", "none") != "none"


def _check(point: Point) -> None:
    if point["learner.draw"] == "sufficient" and _keeps_points(point):
        raise UserError(
            "learner.draw='sufficient' counts points, and "
            f"regime.name={point['regime.name']!r} with selector.name={point['selector.name']!r} "
            "goes on with some of them: use learner.draw='auto' or 'samples'"
        )
    most = extremes(point["num_samples"], point["generations"])[2]
    kept = point["generations"] if point["regime.name"].startswith("accumulate") else 1
    total = num_real_points(point) + most * kept
    if total > COUNT:
        raise UserError(
            f"{total:,.0f} points would be counted, more than {COUNT:,}: lower "
            f"num_samples={point['num_samples']} or generations={point['generations']}"
        )


LEARNERS = {
    "categorical": Entry(
        "ouroboros_jax.learners.categorical:categorical",
        "frequencies of V symbols",
        {
            "draw": _DRAW,
            "smoothing": Setting(
                0.0, "pseudo-count added to every symbol's count", traced=True, low=0.0
            ),
            "start": START,
        },
        apart=("start",),
        counts_traced=_traces_counts,
        check=_check,
        kind="symbols",
        sampler={"temperature": TEMPERATURE},
        metrics=OF_SYMBOLS,
        fewest=1,
    ),
    "poisson": Entry(
        "ouroboros_jax.learners.poisson:poisson",
        "a Poisson rate",
        {"draw": _DRAW, "start": START},
        apart=("start",),
        counts_traced=_traces_counts,
        check=_check,
        kind="counts",
        metrics=OF_RATES,
        fewest=1,
    ),
}
