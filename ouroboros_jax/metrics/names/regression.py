"""Metrics of regressions, linear and logistic."""

from ouroboros_jax.metrics.names.name import Name

OF_LINEAR = ("excess_error", "test_mse", "coefficient_norm", "noise")
OF_LOGISTIC = ("excess_error", "test_log_loss", "accuracy", "coefficient_norm", "newton_steps")
NAMES: dict[str, Name] = {
    "excess_error": Name(
        "excess test error: squared distance of the coefficients from the truth's",
        "1",
        (),
        "excess test error",
        "auto",
    ),
    "test_mse": Name(
        "mean squared error on held-out real points", "target^2", (), "test error", "auto"
    ),
    "test_log_loss": Name(
        "mean log loss on held-out real points", "nat", (), "test log loss (nat)", "auto"
    ),
    "accuracy": Name("share of held-out real points classified rightly", "1", (), "accuracy"),
    "coefficient_norm": Name("length of the coefficients", "1", (), "|w|", "auto"),
    "noise": Name(
        "standard deviation of the noise of generated targets", "target", (), "noise", "auto"
    ),
    "newton_steps": Name("steps of Newton's method in the fit", "1", (), "Newton steps"),
}
