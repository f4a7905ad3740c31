"""Learners of points besides Gaussians and mixtures: kernels, a symmetric mixture, a centre."""

from ouroboros_jax.errors import UserError
from ouroboros_jax.metrics.names.densities import OF_KDE, OF_LOCATION, OF_SYMMETRIC
from ouroboros_jax.schedule import extremes
from ouroboros_jax.settings.counts import most_pooled, num_real_points
from ouroboros_jax.settings.setting import Entry, Point, Setting


def _check_kde(point: Point) -> None:
    """Refuse to draw more points than are kept, since each of these may be used only once."""
    kept = point["learner.capacity"] * num_real_points(point)
    _, _, most, generation = extremes(point["num_samples"], point["generations"])
    if most > kept:
        raise UserError(
            f"learner.capacity={point['learner.capacity']} keeps {kept} points, fewer than the "
            f"num_samples={most:g} drawn at generation {generation}: raise learner.capacity or "
            "data.num_samples"
        )
    # Of the generations that are drawn from.
    pool = most_pooled(point, max(point["generations"] - 1, 0))
    if point["selector.name"] != "none" and pool > kept:
        raise UserError(
            f"selector.name={point['selector.name']!r} draws points again, and of pools of up to "
            f"{pool:,} learner.capacity={point['learner.capacity']} keeps {kept:,} draws, each for "
            f"one use: raise it to {-(-pool // num_real_points(point))}"
        )


def _location(estimator: str) -> Entry:
    spread = Setting(
        1.0, "fixed standard deviation of every feature", traced=True, low=0.0, open_low=True
    )
    return Entry(
        f"ouroboros_jax.learners.location:{estimator}",
        f"the {estimator} of a normal law of known spread",
        {"spread": spread},
        kind="points",
        metrics=OF_LOCATION,
    )


LEARNERS = {
    "kde": Entry(
        "ouroboros_jax.learners.kde:kde",
        "a kernel density estimate",
        {
            "kernel": Setting("gaussian", "shape of the kernels", choices=("gaussian", "tophat")),
            "rule": Setting(
                "fixed",
                "where the bandwidth comes from: learner.bandwidth (fixed), or the number of "
                "points by Scott's or Silverman's factor as in scikit-learn, in units of the data",
                choices=("fixed", "scott", "silverman"),
            ),
            "bandwidth": Setting(
                0.3, "bandwidth h if rule is fixed", traced=True, low=0.0, open_low=True
            ),
            "capacity": Setting(
                1,
                "how many points a model keeps, as a multiple of the real data set's size; from a "
                "larger pool it keeps draws, exact in law",
                low=1,
            ),
        },
        check=_check_kde,
        kind="points",
        metrics=OF_KDE,
    ),
    "symmetric_gmm": Entry(
        "ouroboros_jax.learners.symmetric_gmm:symmetric_gmm",
        "two equal components at +-mu with a common standard deviation, one feature",
        {
            "estimator": Setting(
                "approximate",
                "joint maximum likelihood, or the closed-form approximation of Suresh et al.",
                choices=("joint", "approximate"),
            ),
        },
        kind="points",
        metrics=OF_SYMMETRIC,
    ),
    "mean": _location("mean"),
    "median": _location("median"),
}
