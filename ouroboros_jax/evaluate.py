"""Scoring stored generations on other data than their own.

The data may be points, inputs with targets, images or tokens. The scores are those metrics of the
learner that need test data, see `base.Learner`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ouroboros_jax import registry
from ouroboros_jax.base import Context, Data, Learner
from ouroboros_jax.checkpoint import like
from ouroboros_jax.checks import check_alone
from ouroboros_jax.config import changed, flatten
from ouroboros_jax.data.base import RealData
from ouroboros_jax.data.scored import blocks_to_score
from ouroboros_jax.data.translated import translated
from ouroboros_jax.errors import UserError, listed
from ouroboros_jax.keys import chain_key
from ouroboros_jax.metrics.names import name_of
from ouroboros_jax.pools.given import Given
from ouroboros_jax.programs.factories import make_learner, make_real
from ouroboros_jax.programs.program import Program
from ouroboros_jax.programs.stages import as_test

if TYPE_CHECKING:
    import xarray

    from ouroboros_jax.results import Run


def evaluate(
    run: "Run", data: str, name: str | None = None
) -> tuple["xarray.Dataset", Path | None]:
    """Scores of every stored generation of every chain on `data`.

    Args:
      run: whose models are scored.
      data: a data set's name, a path to a file or folder, or `module:function`. Settings of the
        section `data` are the run's own, such as `data.dir`. Of a table that is split at random,
        all rows are used, and so is all of a text file or of a folder of them; of other data, the
        held-out rows if there are any.
        Text is tokenised as the run's own; a `.npz` or `.npy` file of tokens `[N, T]` is scored as
        it is.
      name: of the file `evaluations/<name>.nc`; by default from `data`.

    Returns:
      A dataset of the learner's scores, (chain, generation, ...), NaN where a generation's
      parameters were not kept; and its path, None for a run kept in memory.

    Raises:
      UserError: for data that is missing or of another kind, and for learners without scores.
    """
    import xarray

    from ouroboros_jax.disk.dataset import dims_of, write

    name = name or re.sub(r"[^A-Za-z0-9_-]+", "-", Path(data).stem).strip("-") or "data"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(f"name={name!r}: expected letters, digits, '-', '_' and '.'")
    path = run.workdir / "evaluations" / f"{name}.nc" if run.workdir else None
    _check_free(path, data)
    found: dict[str, np.ndarray] = {}
    place = num_points = 0
    for number, group in enumerate(run.groups):
        with run.precision():
            program = run.program(number)
            rows = _rows(run, number, program, data)
            num_points = len(jax.tree.leaves(rows)[0])
            here = slice(place, place + group.num_chains)
            for generation, scores in _score(run, number, program, rows):
                for metric, values in scores.items():
                    shape = run.num_chains, run.generation + 1, *values.shape[1:]
                    array = found.setdefault(metric, np.full(shape, np.nan, values.dtype))
                    array[here, generation] = values
        place += group.num_chains
    variables = {}
    for metric, values in found.items():
        told = name_of(metric)
        attrs = {"units": told.units, "long_name": f"{told.long_name}: {data}"}
        dims = ("chain", "generation", *dims_of(metric, values.ndim - 2))
        variables[metric] = (dims, values, attrs)
    coords = {key: value for key, value in run.metrics.coords.items() if value.dims == ("chain",)}
    dataset = xarray.Dataset(
        variables,
        coords | {"generation": np.arange(run.generation + 1)},
        {"data": data, "num_points": num_points},
    )
    if path is not None:
        path.parent.mkdir(exist_ok=True)
        write(dataset, path)
    return dataset, path


def _check_free(path: Path | None, data: str) -> None:
    """Refuse to overwrite the scores on one data set with those on another."""
    import xarray

    if path is None or not path.is_file():
        return
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as there:
            other = there.attrs["data"]
    except (OSError, KeyError):
        return  # damaged: nothing is lost
    if other != data:
        raise UserError(
            f"{path} holds the scores on {other!r}: expected another name for those on {data!r}"
        )


def _rows(run: "Run", number: int, program: Program, data: str) -> Data:
    """The points that are scored by the models of a group, as host arrays."""
    own = program.real
    if own.text is not None:
        here = run.points[number]
        found = blocks_to_score(data, here.get("data.dir"), own.text.tokenizer, own.shape[0])
        if found is not None:
            registry.find("learner", here["learner.name"]).check(
                here | {"data.block": found.shape[1]}
            )
            return found
    point = changed(flatten(run.config) | {"sweep": {}}, {"data.name": data})
    settings = registry.section_settings("data", point["data.name"])
    # The run's own counts do not apply to other data.
    point |= {
        "num_samples": 2,
        "data.num_samples": None,
        "data.num_test": settings["num_test"].default,
    }
    check_alone(point, ())  # that they are of the learner's kind
    registry.find("data", point["data.name"]).check(point)
    real = make_real(point)
    if real.table is None:
        raise UserError(f"data={data!r} is a law, expected rows: a bundled table or a file")
    if real.text is not None and own.text is not None:
        return translated(real.test, real.text.tokenizer, own.text.tokenizer, own.shape[0])
    _check_shape(data, real, own)
    num_test = len(jax.tree.leaves(real.test)[0]) if real.test is not None else 0
    if "test_fraction" in settings and num_test:
        return jax.tree.map(lambda a, b: np.concatenate([a, b]), real.table, real.test)
    return real.test if num_test else jax.tree.map(np.asarray, real.table)


def _check_shape(data: str, real: RealData, own: RealData) -> None:
    if real.shape != own.shape:
        both = (real.shape, own.shape)
        if all(isinstance(shape, tuple) and len(shape) == 1 for shape in both):
            raise UserError(
                f"data={data!r} has {real.shape[0]} features, and this run's models have "
                f"{own.shape[0]}"
            )
        raise UserError(f"data={data!r} has points of {both[0]}, and this run of {both[1]}")
    if real.num_symbols != own.num_symbols:
        raise UserError(
            f"data={data!r} has {real.num_symbols} symbols, and this run's models have "
            f"{own.num_symbols}"
        )


def scores_of(learner: Learner, metrics: dict[str, Any]) -> list[str]:
    """The names of a learner's metrics that score it on test data."""
    if learner.scores is not None:
        return [name for name in metrics if name in learner.scores]
    return [name for name in metrics if name.startswith("test_")]


def _score(
    run: "Run", number: int, program: Program, rows: Data
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """`(generation, {metric: [C, ...]})` for every stored generation of a group."""
    learner = make_learner(run.points[number] | {"metrics": ()})
    template = program.state_shapes.params
    settings = jax.tree.map(lambda a: jnp.asarray(a[:, 0]), program.settings(0, 1))
    keys = jax.vmap(chain_key)(jnp.asarray(program.group.seeds), program.group.replicates)

    def one(key, settings, params, table, test):
        # XLA drops whatever no score reads.
        prepared = program.stages.prepared(Given(key, settings, table, None))
        context = Context(None, params, test, prepared)
        metrics = learner.measure(settings, params, context)
        names = scores_of(learner, metrics)
        if not names:
            raise UserError(
                f"the learner {run.points[number]['learner.name']!r} has no metric of test data "
                f"to score by: it has {listed(metrics)}"
            )
        return {name: metrics[name] for name in names}

    # One chain after another: a block of the data's log densities at a time.
    score = jax.jit(
        lambda args, *shared: jax.lax.map(lambda of_chain: one(*of_chain, *shared), args)
    )
    table, test = program.table, as_test(rows)
    store = run.stores[number]
    for generation in (g for g in store.kept() if g <= run.generation):
        params = store.params(generation)
        scores = score((keys, settings, like(template, params)), table, test)
        yield generation, jax.tree.map(np.asarray, scores)
