"""Closed loops of generative models, many chains at once.

    import ouroboros_jax as oj
    config = oj.load_config("gmm", {"chains": 64, "generations": 20})
    run = oj.run(config, workdir="runs/gmm")
    run.metrics

Importing this package imports nothing else: each name is looked up when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ouroboros_jax.analysis.paired import difference as difference
    from ouroboros_jax.config import load_config as load_config
    from ouroboros_jax.experiment import run as run
    from ouroboros_jax.forks.fork import fork as fork
    from ouroboros_jax.results import open_run as open_run
    from ouroboros_jax.schedule import geometric as geometric
    from ouroboros_jax.schedule import linear as linear

__version__ = "0.1.0"

_HOMES = {
    "run": "experiment",
    "fork": "forks.fork",
    "difference": "analysis.paired",
    "open_run": "results",
    "load_config": "config",
    "linear": "schedule",
    "geometric": "schedule",
}
__all__ = [
    "__version__",
    "difference",
    "fork",
    "geometric",
    "linear",
    "load_config",
    "open_run",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
