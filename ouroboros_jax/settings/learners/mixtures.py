"""Learners of points: a Gaussian, a Gaussian mixture."""

from ouroboros_jax.metrics.names.mixtures import OF_COMPONENTS, OF_EM, OF_MIXTURES
from ouroboros_jax.settings.counts import check_enough_points
from ouroboros_jax.settings.learners.draw import DRAW, check_draw, draws_statistics, resolve_draw
from ouroboros_jax.settings.setting import BIAS, COUNT, Entry, Point, Setting


def _check_gmm(point: Point) -> None:
    components = point["learner.components"]
    why = f"learner.components={components} needs at least {components} points a generation"
    check_enough_points(point, components, why)


LEARNERS = {
    "gaussian": Entry(
        "ouroboros_jax.learners.gaussian:gaussian",
        "a Gaussian with full covariance, in closed form",
        {
            "estimator": Setting(
                "mle",
                "covariance divides by n (mle) or n - 1 (unbiased)",
                choices=("mle", "unbiased"),
            ),
            "draw": DRAW,
        },
        counts_traced=draws_statistics,
        resolve=resolve_draw,
        check=check_draw,
        kind="points",
        sampler={"bias": BIAS},
        metrics=OF_MIXTURES,
    ),
    "gmm": Entry(
        "ouroboros_jax.learners.gmm:gmm",
        "a Gaussian mixture, fitted by expectation-maximisation",
        {
            "components": Setting(2, "number of components, K", low=1),
            "covariance": Setting("full", "full or diagonal covariances", choices=("full", "diag")),
            "tol": Setting(
                1e-3, "stop if the mean log-likelihood gains less than this", traced=True, low=0.0
            ),
            "max_iter": Setting(100, "most steps in one fit", traced=True, low=1, high=COUNT),
            "reg_covar": Setting(
                1e-6, "added to the diagonals of the covariances", traced=True, low=0.0
            ),
            "n_init": Setting(
                1, "number of fits from different starts, of which the best is kept", low=1
            ),
            "init": Setting(
                "kmeans",
                "how a fit begins: full k-means (scikit-learn's cold start), only its seeding "
                "(kmeans++), quantiles, or the parameters that learner.start names (previous)",
                choices=("kmeans", "kmeans++", "quantile", "previous"),
            ),
        },
        check=_check_gmm,
        kind="points",
        sampler={"bias": BIAS},
        metrics=(*OF_MIXTURES, *OF_COMPONENTS, *OF_EM),
    ),
}
