"""metrics.nc: every chain's metrics as one `xarray.Dataset`, dims (chain, generation, ...).

Groups of chains with arrays of other shapes, and chains that have not got as far, are padded with
NaN. Importing xarray takes a second or more because of pandas, so functions import it when needed.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ouroboros_jax.analysis.collapse import quantity_of, times_to_collapse
from ouroboros_jax.atomic import replacing
from ouroboros_jax.metrics.names import NAMES, ONCE, name_of
from ouroboros_jax.registry import Point, settings_of
from ouroboros_jax.sweep import Group

if TYPE_CHECKING:
    import xarray as xr

Part = Mapping[str, np.ndarray]  # a group's metrics, [generations done, C, ...]

STATUSES = ("ok", "degenerate", "frozen")
NOT_REACHED = -1  # the status of a generation not yet reached
RESERVED = (
    *("chain", "generation", "feature", "component", "threshold"),
    *("seed", "replicate", "group"),
)
CHUNK = 2**20  # bytes
MOSTLY = 0.25  # floats are compressed from this share of NaN on


def assemble(
    groups: Sequence[Group], parts: Sequence[Part], config_point: Point, attrs: Mapping[str, Any]
) -> "xr.Dataset":
    """The metrics of a run, finished or not.

    Args:
      groups: the run's groups of chains; the `chain` axis holds them in this order.
      parts: for every group its metrics by name, `[generations done, C, ...]`; empty if it has not
        begun.
      config_point: the run's flat settings, for `generations` and `collapse.*`.
      attrs: attributes of the dataset; values that NetCDF cannot hold are written as JSON.

    Returns:
      Variables (chain, generation, ...) with units and long names; along `chain` the coordinates
      `seed`, `replicate`, every swept setting under its path and, if there are several groups,
      `group`. `status` is -1 at generations that were not reached.
    """
    import xarray as xr

    done = [len(next(iter(part.values()))) if part else 0 for part in parts]
    total = max(config_point["generations"] + 1, *done)
    stops = np.cumsum([group.num_chains for group in groups])
    places = [slice(b - g.num_chains, b) for g, b in zip(groups, stops.tolist(), strict=True)]
    variables = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        arrays = [part.get(name) for part in parts]
        values = _pad(arrays, places, total, NOT_REACHED if name == "status" else None)
        dims = ("chain", "generation", *dims_of(name, values.ndim - 2))
        variables[_allowed(name)] = (dims, values, _attrs(name))
    variables |= _collapse(variables, config_point)
    coords = _coords(groups) | {
        "generation": (
            "generation",
            np.arange(total),
            {"long_name": "generation, 0 being the fit to real data", "units": "1"},
        )
    }
    if "time_to_collapse" in variables:
        coords["threshold"] = (
            "threshold",
            np.array(config_point["collapse.thresholds"], np.float64),
            {
                "long_name": "share of generation 0's value that a chain fell below",
                "units": "1",
            },
        )
    return xr.Dataset(variables, coords, {key: _storable(v) for key, v in attrs.items()})


def joined(segments: Sequence[Part]) -> Part:
    """Consecutive segments of a group as one; NaN where a segment lacks a metric of the others, as
    a fork's source may. Arrays `[G, C, ...]` lie in memory with chains first, as datasets need."""
    lengths = [len(part["status"]) for part in segments]
    names = {name: None for part in segments for name in part}
    return {name: _joined([part.get(name) for part in segments], lengths) for name in names}


def _joined(arrays: Sequence[np.ndarray | None], lengths: Sequence[int]) -> np.ndarray:
    present = [a for a in arrays if a is not None]
    shape = tuple(max(sizes) for sizes in zip(*(a.shape[1:] for a in present), strict=True))
    dtype = np.result_type(*(a.dtype for a in present))
    is_whole = len(present) == len(arrays) and len({a.shape[1:] for a in present}) == 1
    if not is_whole:
        dtype = np.result_type(np.float32, dtype)
    values = np.empty((shape[0], sum(lengths), *shape[1:]), dtype)
    if not is_whole:
        values.fill(np.nan)
    stops = np.cumsum(lengths).tolist()
    for a, stop, length in zip(arrays, stops, lengths, strict=True):
        if a is not None:
            chains, *inner = (slice(n) for n in a.shape[1:])
            values[(chains, slice(stop - length, stop), *inner)] = np.swapaxes(a, 0, 1)
    return np.swapaxes(values, 0, 1)


def write(dataset: "xr.Dataset", path: Path) -> None:
    """Replace a NetCDF4 file by the dataset, whole or not at all."""
    encoding = {name: _encoding(variable) for name, variable in dataset.variables.items()}
    with replacing(Path(path)) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)


def _pad(arrays, places, total: int, fill: int | None) -> np.ndarray:
    """All groups in one array `[chain, generation, ...]`; `fill`, or NaN, where unknown."""
    known = [None if array is None else _number(np.asarray(array)) for array in arrays]
    present = [array for array in known if array is not None]
    ndim = max(array.ndim for array in present)
    known = [
        None if array is None else array.reshape(*array.shape, *(1,) * (ndim - array.ndim))
        for array in known
    ]
    present = [array for array in known if array is not None]
    inner = tuple(max(array.shape[axis] for array in present) for axis in range(2, ndim))
    shape = (places[-1].stop, total, *inner)
    dtype = np.result_type(*(array.dtype for array in present))
    is_whole = sum(array.size for array in present) == np.prod(shape)
    if is_whole and len(known) == 1:
        return np.ascontiguousarray(np.swapaxes(known[0], 0, 1))
    if not is_whole and fill is None and dtype.kind != "f":
        dtype = np.dtype(np.float32)
    values = np.empty(shape, dtype)
    if not is_whole:
        values.fill(np.nan if fill is None else fill)
    for array, place in zip(known, places, strict=True):
        if array is not None:
            moved = np.swapaxes(array, 0, 1)
            values[(place, *(slice(n) for n in moved.shape[1:]))] = moved
    return values


def _number(array: np.ndarray) -> np.ndarray:
    """The array in a type that NetCDF has: booleans as int8, short floats as float32."""
    if array.dtype.kind == "b":
        return array.astype(np.int8)
    if array.dtype.kind in "iu" or array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float32)


def dims_of(name: str, ndim: int) -> tuple[str, ...]:
    """Names of a metric's own axes."""
    dims = NAMES[name].dims if name in NAMES else ()
    return dims[:ndim] if ndim <= len(dims) else tuple(f"{name}_{i}" for i in range(ndim))


def _allowed(name: str) -> str:
    """A name that NetCDF accepts and that is not a dimension's or coordinate's."""
    name = name.replace("/", "_")
    return f"{name}_metric" if name in RESERVED or name in ONCE else name


def _attrs(name: str) -> dict[str, Any]:
    words = name_of(name)
    attrs = {"long_name": words.long_name, "units": words.units}
    if name == "status":
        attrs |= {
            "flag_values": np.arange(len(STATUSES), dtype=np.int8),
            "flag_meanings": " ".join(STATUSES),
            "comment": f"{NOT_REACHED} where the generation has not been reached; a degenerate "
            "chain goes on, a frozen one keeps its last finite parameters",
        }
    if name == "converged":
        attrs["comment"] = "0 or 1"
    return attrs


def _collapse(variables, point: Point) -> dict[str, tuple]:
    """`time_to_collapse`, if the metric that it watches is recorded."""
    metric, thresholds = point["collapse.metric"], point["collapse.thresholds"]
    if metric not in variables or variables[metric][1].ndim != 2 or not thresholds:
        return {}
    quantity = quantity_of(metric)
    attrs = {
        "long_name": f"first generation with the {quantity} below a share of generation 0's; "
        "NaN where never",
        "units": ONCE["time_to_collapse"].units,
        "metric": metric,
        "quantity": quantity,
    }
    times = times_to_collapse(metric, variables[metric][1], thresholds)
    return {"time_to_collapse": (("chain", "threshold"), times, attrs)}


def _coords(groups: Sequence[Group]) -> dict[str, Any]:
    """Coordinates along `chain`."""

    def along(values, long_name):
        return ("chain", values, {"long_name": long_name, "units": "1"})

    coords = {
        "seed": along(
            np.concatenate([group.seeds for group in groups]).astype(np.int64), "seed of the keys"
        ),
        "replicate": along(
            np.concatenate([group.replicates for group in groups]),
            "number of the chain among those of its seed and settings",
        ),
    }
    if len(groups) > 1:
        names = np.repeat([g.name for g in groups], [g.num_chains for g in groups])
        coords["group"] = along(names, "group of chains that ran as one program")
    settings = settings_of(groups[0].point)
    for path in groups[0].coords:
        values = np.array([value for group in groups for value in group.coords[path]])
        coords[path] = along(values, settings[path].help if path in settings else path)
    return coords


def _storable(value: Any) -> Any:
    """An attribute in a form that NetCDF accepts."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | np.number | np.ndarray):
        return json.dumps(value, default=str)
    return value


def _encoding(variable: "xr.Variable") -> dict[str, Any]:
    """Compression for what it shrinks: words, whole numbers, padding; not random floats."""
    dtype, encoding = variable.dtype, {}
    if not variable.size or not variable.ndim:
        return encoding
    if dtype.kind in "UO":
        return {"dtype": "S1", "zlib": True, "complevel": 1}
    if dtype.kind == "f" and np.isnan(variable.values).mean() < MOSTLY:
        return encoding
    row = max(1, variable.nbytes // len(variable))
    rows = min(len(variable), max(1, CHUNK // row))
    return {"zlib": True, "complevel": 1, "chunksizes": (rows, *variable.shape[1:])}
