"""Learners of symbols and of counts."""

from ouroboros_jax.metrics.names.symbols import OF_RATES, OF_SYMBOLS
from ouroboros_jax.settings.counts import check_total
from ouroboros_jax.settings.learners.draw import DRAW, check_draw, draws_statistics
from ouroboros_jax.settings.learners.start import START
from ouroboros_jax.settings.setting import TEMPERATURE, Entry, Point, Setting


def _check(point: Point) -> None:
    check_draw(point)
    check_total(point)


LEARNERS = {
    "categorical": Entry(
        "ouroboros_jax.learners.categorical:categorical",
        "frequencies of V symbols",
        {
            "draw": DRAW,
            "smoothing": Setting(
                0.0, "pseudo-count added to every symbol's count", traced=True, low=0.0
            ),
            "start": START,
        },
        apart=("start",),
        counts_traced=draws_statistics,
        check=_check,
        kind="symbols",
        sampler={"temperature": TEMPERATURE},
        metrics=OF_SYMBOLS,
        fewest=1,
    ),
    "poisson": Entry(
        "ouroboros_jax.learners.poisson:poisson",
        "a Poisson rate",
        {"draw": DRAW, "start": START},
        apart=("start",),
        counts_traced=draws_statistics,
        check=_check,
        kind="counts",
        metrics=OF_RATES,
        fewest=1,
    ),
}
