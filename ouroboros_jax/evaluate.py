"""Scoring stored generations on other data than their own."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax import registry
from ouroboros_jax.base import Context
from ouroboros_jax.build import make_learner, make_real
from ouroboros_jax.checkpoint import like
from ouroboros_jax.errors import UserError

if TYPE_CHECKING:
    import xarray

    from ouroboros_jax.results import Run

METRIC = "test_log_likelihood"


def evaluate(
    run: "Run", data: str, name: str | None = None
) -> tuple["xarray.Dataset", Path | None]:
    """Mean log likelihood of `data` under every stored generation of every chain.

    Args:
      run: whose models are scored.
      data: a data set's name, a path to a table, or `module:function`; all of its rows are used.
      name: of the file `evaluations/<name>.nc`; by default from `data`.

    Returns:
      A dataset with `test_log_likelihood` (chain, generation), in nats a point, NaN where a
      generation's parameters were not kept; and its path, None for a run kept in memory.

    Raises:
      UserError: for data that is not there or has another number of features.
    """
    import xarray

    from ouroboros_jax.dataset import write

    rows = _rows(run, data)
    name = name or re.sub(r"[^A-Za-z0-9_-]+", "-", Path(data).stem).strip("-") or "data"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(f"name={name!r}: expected letters, digits, '-', '_' and '.'")
    scores = np.full((run.num_chains, run.generation + 1), np.nan, np.float32)
    place = 0
    for number, group in enumerate(run.groups):
        here = slice(place, place + group.num_chains)
        for generation, values in _score(run, number, rows):
            scores[here, generation] = values
        place += group.num_chains
    coords = {key: value for key, value in run.metrics.coords.items() if value.dims == ("chain",)}
    attrs = {"units": "nat", "long_name": f"mean log likelihood of {data}"}
    dataset = xarray.Dataset(
        {METRIC: (("chain", "generation"), scores, attrs)},
        coords | {"generation": np.arange(run.generation + 1)},
        {"data": data, "num_points": len(rows)},
    )
    if run.workdir is None:
        return dataset, None
    path = run.workdir / "evaluations" / f"{name}.nc"
    path.parent.mkdir(exist_ok=True)
    write(dataset, path)
    return dataset, path


def _rows(run: "Run", data: str) -> np.ndarray:
    settings = registry.section_settings("data", data)
    real = make_real({f"data.{key}": setting.default for key, setting in settings.items()})
    if real.table is None:
        raise UserError(f"data={data!r} is a law, expected rows: a bundled table or a file")
    rows = np.concatenate([real.table, real.test]) if len(real.test) else np.asarray(real.table)
    trained = _num_features(run)
    if trained and rows.shape[1] != trained:
        raise UserError(
            f"data={data!r} has {rows.shape[1]} features, and the models of this run {trained}"
        )
    return rows


def _num_features(run: "Run") -> int | None:
    mean = run.metrics.get("mean")
    return None if mean is None or len(run.groups) > 1 else mean.sizes["feature"]


def _score(run: "Run", number: int, rows: np.ndarray) -> Any:
    """`(generation, [C])` for every stored generation of a group."""
    point = run.points[number] | {"metrics": (METRIC,)}
    with run.precision():
        learner = make_learner(point)
        program = run.program(number)
        template = program.state_shapes.params
        settings = jax.tree.map(lambda a: jnp.asarray(a[:, 0]), program.settings(0, 1))
        test = jnp.asarray(rows, jnp.result_type(float))

        def one(settings, params):
            metrics = learner.measure(settings, params, Context(None, params, test))
            if METRIC not in metrics:
                name = point["learner.name"]
                raise UserError(f"the learner {name!r} has no {METRIC} to score data by")
            return metrics[METRIC]

        # One chain after another: a block of the data's log densities at a time.
        score = jax.jit(lambda s, p: jax.lax.map(lambda args: one(*args), (s, p)))
        for generation in range(run.generation + 1):
            try:
                params = run.stores[number].params(generation)
            except UserError:
                continue
            yield generation, np.asarray(score(settings, like(template, params)))
