"""Learners of inputs with targets: linear and logistic regression."""

from ouroboros_jax.errors import UserError
from ouroboros_jax.metrics.names.regression import OF_LINEAR, OF_LOGISTIC
from ouroboros_jax.settings.setting import COUNT, Entry, Point, Setting

_INPUTS = Setting(
    "same",
    "inputs of generated points: those of generation 0's data set, or fresh real ones",
    choices=("same", "fresh"),
)
_INTERCEPT = Setting(False, "fit an intercept")


def _check_linear(point: Point) -> None:
    if point["learner.noise"] == "known" and "data.noise" not in point:
        raise UserError(
            f"learner.noise='known' needs data that says its noise, and data.name="
            f"{point['data.name']!r} does not: use learner.noise='fitted' or 'auto'"
        )


LEARNERS = {
    "linear_regression": Entry(
        "ouroboros_jax.learners.linear_regression:linear_regression",
        "ridgeless least squares, fitted to targets of its own making",
        {
            "inputs": _INPUTS,
            "noise": Setting(
                "auto",
                "noise of generated targets: the data's own (known), or that of the residuals "
                "(fitted); auto is known if the data have one",
                choices=("auto", "known", "fitted"),
            ),
            "intercept": _INTERCEPT,
        },
        check=_check_linear,
        kind="regression",
        metrics=OF_LINEAR,
    ),
    "logistic_regression": Entry(
        "ouroboros_jax.learners.logistic_regression:logistic_regression",
        "logistic regression, fitted to classes drawn from itself",
        {
            "inputs": _INPUTS,
            "intercept": _INTERCEPT,
            "ridge": Setting(
                1e-3,
                "penalty: ridge / 2 times the sum of squared coefficients, added to the summed log "
                "loss",
                traced=True,
                low=0.0,
            ),
            "tol": Setting(
                1e-6, "stop if the mean log loss falls by less than this", traced=True, low=0.0
            ),
            "max_iter": Setting(
                25, "most steps of Newton's method in one fit", traced=True, low=1, high=COUNT
            ),
        },
        kind="classes",
        metrics=OF_LOGISTIC,
    ),
}
