"""Data on a few outcomes: the start of a heat-death loop, and its external law."""

import math

from ouroboros_jax.errors import UserError
from ouroboros_jax.settings.data.common import NUM_TEST, data_settings
from ouroboros_jax.settings.setting import Entry, Point, Setting

SUM_TOLERANCE = 1e-6


def _check(point: Point) -> None:
    num = point["data.num_outcomes"]
    for path in ("data.start", "data.external"):
        values = point[path]
        if isinstance(values, str):
            continue
        if len(values) != num:
            raise UserError(
                f"{path}={values} has {len(values)} values: expected one for each of "
                f"data.num_outcomes={num}"
            )
        total = math.fsum(values)
        if total == 0:
            raise UserError(f"{path}={values} has no support: expected a value above 0")
        counts = path == "data.start" and total > 1 and all(value == int(value) for value in values)
        if not counts and abs(total - 1) > SUM_TOLERANCE:
            also = " (or whole numbers, which are counts)" if path == "data.start" else ""
            raise UserError(
                f"{path}={values} sums to {total:g}: expected probabilities that sum to 1{also}"
            )


DATA = {
    "outcomes": Entry(
        "ouroboros_jax.data.outcomes:outcomes",
        "a start and an external law on a few outcomes",
        data_settings(
            num_outcomes=Setting(3, "number of outcomes, K", low=2),
            start=Setting(
                "uniform",
                "the start, which is generation 0: a word, K probabilities, or K counts",
                low=0.0,
                choices=("uniform", "external", "corner"),
                kinds=(str, tuple),
            ),
            corner=Setting(
                0.9,
                "start=corner: probability of the first outcome, the others sharing the rest",
                traced=True,
                low=0.0,
                high=1.0,
                scheduled=False,
            ),
            concentration=Setting(
                0.0,
                "draw each chain's start from Dirichlet(concentration * start); 0: do not draw",
                traced=True,
                low=0.0,
                scheduled=False,
            ),
            external=Setting(
                "uniform",
                "the law h that real points come from after generation 0: a word or K "
                "probabilities",
                low=0.0,
                choices=("uniform",),
                kinds=(str, tuple),
            ),
            num_test=NUM_TEST._replace(default=0),
        ),
        check=_check,
        kind="outcomes",
        apart=("num_samples", "num_test", "dir"),
    ),
}
