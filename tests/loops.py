"""Runs of many chains held against their laws, for the tests of learners."""

from typing import Any, NamedTuple

import numpy as np

import ouroboros_jax as oj
from ouroboros_jax.config import new_config
from ouroboros_jax.figures.study import as_study
from ouroboros_jax.theory import z_score

LIMIT = 4.5  # standard errors: a false alarm in 150,000 assertions


class Cell(NamedTuple):
    """The chains of one point of a sweep."""

    point: dict[str, Any]
    laws: dict[str, Any]
    metrics: dict[str, np.ndarray]  # [C, G]

    def z(self, metric: str) -> np.ndarray:
        """z-scores [G] of the mean over chains, all of which must be readable."""
        law, values = self.laws[metric], self.metrics[metric]
        scores = [z_score(law, values, g) for g in range(values.shape[1])]
        assert all(score.valid for score in scores), "too few chains to read z"
        return np.array([score.z for score in scores])

    def notices(self, metric: str, generations: int = 1) -> bool:
        """Whether the law of a later generation, in the place of this one's, would be seen."""
        law = self.laws[metric]
        late = law._replace(expected=np.roll(law.expected, -generations))
        values = self.metrics[metric]
        scores = [z_score(late, values, g) for g in range(values.shape[1] - generations)]
        return max(abs(score.z) for score in scores) > LIMIT


def simulate(learner: str, regime: str, data: str, **settings) -> list[Cell]:
    """The cells of a run kept in memory; `__` stands for a dot in a setting's path."""
    settings = {key.replace("__", "."): value for key, value in settings.items()}
    config = new_config(learner=learner, regime=regime, data=data, **settings)
    seen = as_study(oj.run(config, progress=False))
    names = [name for name in seen.metrics.data_vars if seen.metrics[name].ndim == 2]
    arrays = {str(name): seen.array(str(name)) for name in names}
    return [
        Cell(
            cell.point,
            seen.laws(i),
            {name: values[cell.chains] for name, values in arrays.items()},
        )
        for i, cell in enumerate(seen.cells)
    ]
