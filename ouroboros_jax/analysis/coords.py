"""Reading a run's metrics: which settings were swept, and how far each chain has got."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ouroboros_jax.disk.dataset import NOT_REACHED

if TYPE_CHECKING:
    import xarray as xr

NOT_SETTINGS = ("seed", "replicate", "group", "chain", "generation")


def swept_settings(dataset: "xr.Dataset") -> list[str]:
    """Swept settings: the coordinates along `chain` that do not just name chains."""
    return [
        str(name)
        for name, coord in dataset.coords.items()
        if coord.dims == ("chain",) and name not in NOT_SETTINGS
    ]


def plain(value: Any) -> Any:
    """A coordinate's value as a Python number or text."""
    return value.item() if isinstance(value, np.generic) else value


def last_places(dataset: "xr.Dataset") -> np.ndarray:
    """The position along `generation` of each chain's last one, int [C]; -1 if there is none."""
    if "status" not in dataset:
        return np.full(dataset.sizes["chain"], dataset.sizes["generation"] - 1)
    return (dataset["status"].values != NOT_REACHED).sum(1) - 1
