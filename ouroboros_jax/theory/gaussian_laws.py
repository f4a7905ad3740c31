"""Which closed forms hold for a run of the Gaussian learner, from its settings."""

from typing import Any

import numpy as np

from ouroboros_jax.theory import gaussian, multivariate, regimes
from ouroboros_jax.theory.clock import (
    ESTIMATORS,
    as_generations,
    biases_of,
    counts_of,
    generations_up_to,
    sizes_of,
    uses_plain_points,
    values_at,
)
from ouroboros_jax.theory.law import Law

SOURCES = {
    "replace": "Shumailov et al. 2024, Thm 3.1; Alemohammad et al. 2023; exact form at finite n",
    "accumulate": "Gerstgrasser et al. 2024; Kazdan et al. 2024; exact form at finite n",
    "accumulate_subsample": "Kazdan et al. 2024; exact recursion at finite n",
    "accumulate_fresh": "Marchi et al. 2024, urn with external data; exact form derived here",
    "window": "covariance recursion of redrawn regimes; Jangjoo et al. 2025 for the martingale",
    "fresh": "Alemohammad et al. 2023, fresh data loop; exact recursion at finite n",
    "fixed_real": "Alemohammad et al. 2023; Seddik et al. 2024; exact recursion at finite n",
    "weighted": "He, Xu and Cheng 2025; exact recursion at finite n",
}
LABELS = {  # for equal sizes and no bias, in units of std
    ("replace", "mle", "variance"): "(1 - 1/n)^(g+1)",
    ("replace", "unbiased", "variance"): "constant (martingale)",
    ("replace", "mle", "mean_squared_error"): "1 - (1 - 1/n)^(g+1)",
    ("replace", "unbiased", "mean_squared_error"): "(g+1)/n",
    ("replace", "mle", "log_det_covariance"): "(g+1) sum_j [psi((n-j)/2) + ln(2/n)]",
    ("replace", "unbiased", "log_det_covariance"): "(g+1) sum_j [psi((n-j)/2) + ln(2/(n-1))]",
    ("replace", "mle", "w2_squared"): "2 (1 - E[s])",
    ("replace", "unbiased", "w2_squared"): "(g+1)/n + 2 (1 - c4^(g+1))",
    ("accumulate", "mle", "variance"): "prod_j [1 - 1/(n j^2)]",
    ("accumulate", "mle", "mean_squared_error"): "1 - prod_j [1 - 1/(n j^2)]",
}
NEUTRAL_SAMPLER = {"bias": 1.0, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
# Relative standard errors up to which means of products of chi-squares, and of squares of nearly
# Gaussian variables, are close to Gaussian. The first is stricter, since their tails are heavier.
VARIANCE_LIMIT, SQUARE_LIMIT = 0.02, 0.05


def gaussian_laws(point: dict[str, Any], generations: np.ndarray) -> dict[str, Law]:
    """Laws that hold for a run's point, by metric name.

    Premises: learner `gaussian`; data `normal`, its mean and standard deviation the same at every
    generation; a regime of the registry, `window` with redrawn points only; no sampler setting but
    `bias`; at least 2 points in every fit (and, under `weighted`, in every source).
    `log_det_covariance` needs `replace` and more points than features; `w2_squared` needs `replace`
    and one feature. Chains are taken to be independent.

    Args:
      point: flat resolved settings, `{"learner.name": "gaussian", "num_samples": 100, ...}`; a
        value is a number, a list, or a schedule with `at(generations)`.
      generations: int `[G]`, 0 being the fit to real data.

    Returns:
      `{"variance": Law, "mean_squared_error": Law, ...}`; empty if no law holds.
    """
    generations = as_generations(generations)
    common = _premises(point, generations)
    if common is None:
        return {}
    regime, num_samples = point["regime.name"], point["num_samples"]
    num_features = point["data.num_features"]
    spread = SPREADS[regime](point, generations, num_samples, num_features, common)
    if spread is None:
        return {}
    plain = np.ptp(sizes_of(num_samples, generations, common["num_real"])) == 0
    plain = plain and (biases_of(common["bias"], generations) == 1).all()

    def label(metric):
        form = LABELS.get((regime, common["estimator"], metric)) if plain else None
        return form or f"exact mean, {regime}"

    source = SOURCES[regime]
    found = {
        "variance": Law(
            label("variance"),
            source,
            spread.variance,
            spread.variance_sd,
            max_relative_error=VARIANCE_LIMIT,
        ),
        "mean_squared_error": Law(
            label("mean_squared_error"),
            source,
            spread.mean_squared_error,
            spread.mean_squared_error_sd,
            max_relative_error=SQUARE_LIMIT,
        ),
    }
    if regime != "replace":
        return found
    num_real = common["num_real"]
    if sizes_of(num_samples, generations, num_real).min() > num_features:
        args = (generations, num_samples, num_features)
        found["log_det_covariance"] = Law(
            label("log_det_covariance"),
            source,
            multivariate.expected_log_det(*args, **common),
            np.sqrt(multivariate.variance_log_det(*args, num_real=num_real)),
        )
    if num_features == 1:
        sd = gaussian.sd_w2_squared(generations, num_samples, **common)
        found["w2_squared"] = Law(
            label("w2_squared"),
            source,
            gaussian.expected_w2_squared(generations, num_samples, **common),
            None if np.isnan(sd).any() else sd,
            max_relative_error=SQUARE_LIMIT,
        )
    return found


def _premises(point, generations) -> dict[str, Any] | None:
    """Arguments common to all forms, or None if a premise fails."""
    estimator = point["learner.estimator"]
    if (
        point["learner.name"] != "gaussian"
        or point["data.name"] != "normal"
        or point["regime.name"] not in SOURCES
        or not uses_plain_points(point)
        or estimator not in ESTIMATORS
        or not generations.size
        or not _plain_sampler(point)
    ):
        return None
    every = generations_up_to(generations)
    std = values_at(point["data.std"], every)
    if np.ptp(std) or not std[0] > 0 or np.ptp(values_at(point["data.mean"], every)):
        return None  # a truth that moves
    bias, num_real = point["sampler.bias"], point["data.num_samples"]
    if counts_of(point["num_samples"], generations, num_real).min() < 2:
        return None
    if biases_of(bias, generations).min() <= 0:
        return None
    return {"num_real": num_real, "estimator": estimator, "bias": bias, "std": float(std[0])}


def _plain_sampler(point) -> bool:
    """Whether no sampler setting but `bias` departs from its neutral value."""
    for path, value in point.items():
        name = path.removeprefix("sampler.")
        if name == path or name == "bias" or value is None:
            continue
        if name not in NEUTRAL_SAMPLER or not np.array_equal(value, NEUTRAL_SAMPLER[name]):
            return False
    return True


def _of_curve(name, *settings):
    """Only means, from the curve of one feature that `regimes` has under this name."""

    def spread(point, generations, num_samples, num_features, common):
        given = (point[path] for path in settings)
        curve = getattr(regimes, name)(generations, num_samples, *given, **common)
        error = num_features * curve.mean_squared_error
        return multivariate.Spread(curve.variance, None, error, None)

    return spread


def _replace(point, generations, num_samples, num_features, common):
    return multivariate.replace_spread(generations, num_samples, num_features, **common)


def _accumulate(point, generations, num_samples, num_features, common):
    return multivariate.accumulate_spread(generations, num_samples, num_features, **common)


def _weighted(point, generations, num_samples, num_features, common):
    shares = point["regime.real_fraction"], point["regime.real_weight"]
    spread = multivariate.weighted_spread(generations, num_samples, *shares, num_features, **common)
    return None if np.isnan(spread.variance).any() else spread


# Means of `variance` and `mean_squared_error` and their spread by regime; None if not known.
SPREADS = {
    "replace": _replace,
    "accumulate": _accumulate,
    "weighted": _weighted,
    "fresh": _of_curve("fresh", "regime.real_fraction"),
    "window": _of_curve("window", "regime.window"),
    "fixed_real": _of_curve("fixed_real"),
    "accumulate_subsample": _of_curve("accumulate_subsample"),
    "accumulate_fresh": _of_curve("accumulate_fresh", "regime.real_fraction"),
}
