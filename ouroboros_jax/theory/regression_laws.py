"""Which closed forms hold for a run of linear regressions, from its settings."""

from typing import Any

import numpy as np

from ouroboros_jax.theory import regression
from ouroboros_jax.theory.clock import as_generations, counts_of
from ouroboros_jax.theory.law import Law

SOURCE = "Gerstgrasser et al. 2024; Dohmatob et al. 2024"
FORMS = {  # by regime and inputs
    ("replace", "same"): (regression.replace, "(g+1) s^2 d/(n-d-1)", SOURCE),
    ("replace", "fresh"): (regression.replace, "(g+1) s^2 d/(n-d-1)", SOURCE),
    ("accumulate", "same"): (regression.accumulate, "s^2 d/(n-d-1) sum_j 1/j^2", SOURCE),
    ("fixed_real", "same"): (
        regression.fixed_real,
        "s^2 d/(n-d-1) (4 - 4^(-g))/3",
        "exact recursion",
    ),
}
LIMIT = 0.05  # relative standard error up to which means of squares are close to Gaussian
TAME = 6  # with this many more rows than features, a mean of inverse Wishart traces is well behaved


def regression_laws(point: dict[str, Any], generations: np.ndarray) -> dict[str, Law]:
    """Laws of `excess_error` and `test_mse` for a run's point, by metric name.

    Premises: learner `linear_regression` without intercept; data `linear` with noise; `replace`, or
    `accumulate` or `fixed_real` on the same inputs; the same number of points n throughout, with n
    >= d + 2. Generated targets have the data's noise or, under `replace`, the fitted one, whose
    expected variance is the data's.
    """
    generations = as_generations(generations)
    found = FORMS.get((point["regime.name"], point["learner.inputs"]))
    is_plain = point["data.name"] == "linear" and not point["learner.intercept"]
    if found is None or not is_plain or not generations.size:
        return {}
    noise = point["data.noise"]
    if not isinstance(noise, int | float) or not noise > 0:
        return {}
    if point["learner.noise"] == "fitted" and point["regime.name"] != "replace":
        return {}
    counts = counts_of(point["num_samples"], generations, point["data.num_samples"])
    features = int(point["data.num_features"])
    if np.ptp(counts) or counts[0] < features + 2:
        return {}
    form, label, source = found
    excess = form(generations, counts[0], features, noise=noise)
    limit = LIMIT if counts[0] >= features + TAME else 0.0
    laws = {"excess_error": Law(label, source, excess, max_relative_error=limit)}
    if point["data.num_test"]:
        laws["test_mse"] = Law(
            f"s^2 + {label}", source, noise**2 + excess, max_relative_error=limit
        )
    return laws
