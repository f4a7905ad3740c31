"""The laws that hold for a run.

`laws` reads the flat resolved settings of one point of a run and returns the closed forms whose
premises hold there, keyed by the metric they predict; figures draw them and summaries quote them
with the z-score of `z_score`. Nothing is returned if a premise fails: a wrong law beside data is
worse than none.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ouroboros_jax.theory.discrete_laws import categorical_laws, poisson_laws
from ouroboros_jax.theory.gaussian_laws import gaussian_laws
from ouroboros_jax.theory.heat_death_laws import heat_death_laws
from ouroboros_jax.theory.kde_laws import kde_laws
from ouroboros_jax.theory.law import Law, ZScore, z_score
from ouroboros_jax.theory.location_laws import mean_laws, median_laws
from ouroboros_jax.theory.ngram_laws import ngram_laws
from ouroboros_jax.theory.regression_laws import regression_laws

__all__ = ["LAWS", "Law", "ZScore", "laws", "z_score"]
LAWS: dict[str, Callable[[dict[str, Any], np.ndarray], dict[str, Law]]] = {  # by learner
    "gaussian": gaussian_laws,
    "kde": kde_laws,
    "mean": mean_laws,
    "median": median_laws,
    "linear_regression": regression_laws,
    "heat_death": heat_death_laws,
    "categorical": categorical_laws,
    "poisson": poisson_laws,
    "ngram": ngram_laws,
}


def laws(point: dict[str, Any], generations: np.ndarray) -> dict[str, Law]:
    """Laws that hold for a run's point, by metric name; empty if none does.

    Args:
      point: flat resolved settings, `{"learner.name": "gaussian", "num_samples": 100, ...}`; a
        value is a number, a list, or a schedule with `at(generations)`.
      generations: int `[G]`, 0 being the fit to real data.
    """
    if point["selector.name"] != "none":
        return {}  # no law here covers a selection of points
    found = LAWS.get(point["learner.name"])
    return found(point, generations) if found else {}
