"""The paired difference of two runs whose chains share their random numbers: a run and its fork."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ouroboros_jax.analysis.compare import Comparison, compare
from ouroboros_jax.analysis.coords import swept_settings
from ouroboros_jax.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

    from ouroboros_jax.results import Run

SETTING = "run"


def difference(
    first: "Run | str | Path",
    second: "Run | str | Path",
    metric: str,
    *,
    names: tuple[str, str] | None = None,
    **options: Any,
) -> Comparison:
    """The mean difference, second run minus first, of `metric` over pairs of chains.

    Chains are pairs if seed and replicate agree, and so do the settings that both runs sweep. A
    chain of the first run may be the partner of several of the second.

    Args:
      first, second: runs or their folders.
      metric: a metric by chain and generation that both have.
      names: what the runs are called; by default their folders, or `first` and `second`.
      **options: `generation`, `level`, `num_resamples` and `seed` of `analysis.compare.compare`.

    Returns:
      A `Comparison`, by generation in its `dataset`, with a `plot()`.

    Raises:
      UserError: for a metric that is missing, or runs without chains in common.
    """
    from ouroboros_jax.results import Run, open_run

    runs = [run if isinstance(run, Run) else open_run(run) for run in (first, second)]
    a, b = (run.metrics for run in runs)
    for data, which in ((a, "first"), (b, "second")):
        if metric not in data:
            raise UserError(f"metric={metric!r} is not in the {which} run")
    partners = _partners(a, b)
    there = partners >= 0
    if not there.any():
        raise UserError(
            "the runs have no chains in common: expected some of equal seed, replicate and "
            "settings that both sweep"
        )
    names = names or _names(runs)
    both = [data[[metric, "status"]] for data in (a, b)]
    num = 1 + min(int(data["generation"].values[-1]) for data in both)
    parts = [
        both[0].isel(chain=partners[there], generation=slice(num)),
        both[1].isel(chain=np.flatnonzero(there), generation=slice(num)),
    ]
    return compare(_joined(parts, names), SETTING, metric, baseline=names[0], **options)


def _partners(a: "xr.Dataset", b: "xr.Dataset") -> np.ndarray:
    """The chain of `a` that each chain of `b` is paired with, -1 if there is none."""
    shared = [path for path in swept_settings(a) if path in swept_settings(b)]
    columns = ["seed", "replicate", *shared]
    place = {}
    for chain, key in enumerate(zip(*(a[name].values.tolist() for name in columns), strict=True)):
        if place.setdefault(key, chain) != chain:
            raise UserError(
                "the first run has several chains for one of the second: it sweeps "
                f"{', '.join(path for path in swept_settings(a) if path not in shared)}, and the "
                "second does not"
            )
    keys = zip(*(b[name].values.tolist() for name in columns), strict=True)
    return np.array([place.get(key, -1) for key in keys])


def _joined(parts: list["xr.Dataset"], names: tuple[str, str]) -> "xr.Dataset":
    """Both runs along one axis of chains, told apart by the coordinate `run`; settings are those of
    the second run."""
    import xarray as xr

    coords = parts[1].coords
    along = {name: coord for name, coord in coords.items() if coord.dims == ("chain",)}
    bare = [part.reset_coords(drop=True) for part in parts]
    count = parts[1].sizes["chain"]
    joined = xr.concat(bare, "chain", join="override").assign_coords(
        {name: ("chain", np.tile(coord.values, 2)) for name, coord in along.items()}
        | {SETTING: ("chain", np.repeat(names, count))}
    )
    return joined.assign_coords(generation=coords["generation"])


def _names(runs: list["Run"]) -> tuple[str, str]:
    if all(run.workdir for run in runs) and runs[0].workdir.name != runs[1].workdir.name:
        return runs[0].workdir.name, runs[1].workdir.name
    return "first", "second"
