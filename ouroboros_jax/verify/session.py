"""Runs that checks share: each is a config of the package, run in memory by the package's loop."""

import threading
from collections import defaultdict
from typing import Any

import numpy as np

from ouroboros_jax import experiment
from ouroboros_jax.config import new_config
from ouroboros_jax.results import Run


class Session:
    """Runs by their settings, so that checks of the same run do not run it twice, in any thread."""

    def __init__(self, size: float = 1.0):
        self.size = size
        self._runs: dict[str, Run] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def run(self, learner: str, regime: str, data: str, *, chains: int = 1, **settings: Any) -> Run:
        """A run of at least `chains` * `size` chains; names as in `new_config`.

        A double underscore in a name stands for the dot: `data__num_test=0`.
        """
        key = repr((learner, regime, data, chains, sorted(settings.items())))
        with self._locks[key]:
            if key not in self._runs:
                paths = {path.replace("__", "."): value for path, value in settings.items()}
                count = max(1, round(chains * self.size)) if chains > 1 else 1
                config = new_config(
                    learner=learner, regime=regime, data=data, chains=count,
                    **{"store.every": 10**6, "data.num_test": 0} | paths,
                )  # fmt: skip
                self._runs[key] = experiment.run(config, progress=False)
            return self._runs[key]


def values(run: Run, metric: str, generation: int, **where: Any) -> np.ndarray:
    """A metric of the chains whose swept settings are as in `where`, `[C, ...]`, float64."""
    return chosen(run, metric, **where)[:, generation]


def chosen(run: Run, metric: str, **where: Any) -> np.ndarray:
    """A metric of the chains whose swept settings are as in `where`, `[C, G + 1, ...]`, float64."""
    dataset = run.metrics
    keep = np.ones(dataset.sizes["chain"], bool)
    for path, value in where.items():
        keep &= dataset[path.replace("__", ".")].values == value
    return dataset[metric].values[keep].astype(np.float64)
