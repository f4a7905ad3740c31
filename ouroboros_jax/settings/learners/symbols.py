"""Learners of symbols and of counts."""

from ouroboros_jax.errors import UserError
from ouroboros_jax.metrics.names.symbols import OF_RATES, OF_SYMBOLS
from ouroboros_jax.settings.counts import check_total, most_pooled
from ouroboros_jax.settings.learners.draw import DRAW, check_draw, draws_statistics, resolve_draw
from ouroboros_jax.settings.setting import COUNT, TEMPERATURE, Entry, Point, Setting


def _check(point: Point) -> None:
    check_draw(point)
    check_total(point)


def _check_poisson(point: Point) -> None:
    """Sums of counts are int32 too, and rates wander, so half of the range is left for that."""
    _check(point)
    if point["data.name"] != "counts":
        return
    rate, points = point["data.rate"], most_pooled(point, point["generations"])
    if rate * points > COUNT / 2:
        raise UserError(
            f"data.rate={rate:g} on up to {points:,} points is counted to {rate * points:.3g}, "
            f"more than {COUNT // 2:,}: lower data.rate or num_samples"
        )


LEARNERS = {
    "categorical": Entry(
        "ouroboros_jax.learners.categorical:categorical",
        "the frequencies of V symbols",
        {
            "draw": DRAW,
            "smoothing": Setting(
                0.0, "pseudo-count added to every symbol's count", traced=True, low=0.0
            ),
        },
        counts_traced=draws_statistics,
        resolve=resolve_draw,
        check=_check,
        kind="symbols",
        sampler={"temperature": TEMPERATURE},
        metrics=OF_SYMBOLS,
        fewest=1,
    ),
    "poisson": Entry(
        "ouroboros_jax.learners.poisson:poisson",
        "a Poisson rate",
        {"draw": DRAW},
        counts_traced=draws_statistics,
        resolve=resolve_draw,
        check=_check_poisson,
        kind="counts",
        metrics=OF_RATES,
        fewest=1,
    ),
}
