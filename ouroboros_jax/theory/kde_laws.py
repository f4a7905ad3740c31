"""Which closed forms hold for a run of kernel density estimates, from its settings."""

from typing import Any

import numpy as np

from ouroboros_jax.theory import kde
from ouroboros_jax.theory.clock import as_generations, counts_of
from ouroboros_jax.theory.law import Law
from ouroboros_jax.theory.truths import feature_variances

SOURCE = "loop of Kazdan et al. 2024; exact recursion, c being the variance of a kernel"
FORMS = {"replace": kde.replace, "accumulate": kde.accumulate}
LABELS = {"replace": "n c + (1 - 1/n)^g (V0 - (n-1) c)", "accumulate": "exact mean, accumulate"}
KNOWN_MEANS = ("normal", "mixture", "blobs")
LIMIT = 0.05  # relative standard error up to which means of variances are close to Gaussian


def kde_laws(point: dict[str, Any], generations: np.ndarray) -> dict[str, Law]:
    """Laws of `variance` and `mean_squared_error` for a run's point, by metric name.

    Premises: learner `kde`; `replace` or `accumulate`; data whose variances are known; at least 2
    points in every fit. `mean_squared_error` needs data whose mean is recorded as known.
    """
    generations = as_generations(generations)
    form, truth = FORMS.get(point["regime.name"]), feature_variances(point)
    if form is None or truth is None or not generations.size:
        return {}
    num_samples, num_real = point["num_samples"], point["data.num_samples"]
    if counts_of(num_samples, generations, num_real).min() < 2:
        return {}
    spread = form(
        generations,
        num_samples,
        bandwidth=point["learner.bandwidth"],
        rule=point["learner.rule"],
        kernel=point["learner.kernel"],
        num_features=len(truth),
        num_real=num_real,
        variance=truth,
    )
    equal = isinstance(num_samples, int) and num_real in (None, num_samples)
    plain = equal and isinstance(point["learner.bandwidth"], int | float)
    label = LABELS[point["regime.name"]] if plain else f"exact mean, {point['regime.name']}"
    found = {"variance": Law(label, SOURCE, spread.variance.mean(-1), max_relative_error=LIMIT)}
    if point["data.name"] in KNOWN_MEANS:
        found["mean_squared_error"] = Law(
            f"exact mean, {point['regime.name']}",
            SOURCE,
            spread.mean_squared_error.sum(-1),
            max_relative_error=LIMIT,
        )
    return found
