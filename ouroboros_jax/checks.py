"""Checks that a config's values are compatible: sweep, schedules over the generations, names.

What one value may be is in `settings/values.py`; what a learner, regime or data set asks of the
other settings is the `check` of its entry in `settings/`.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ouroboros_jax.errors import UserError, either, listed, nearest
from ouroboros_jax.registry import BY_PATH, SECTIONS, Point, find, settings_of, unknown_field
from ouroboros_jax.schedule import extremes
from ouroboros_jax.settings.counts import check_enough_points
from ouroboros_jax.settings.run import RUN
from ouroboros_jax.settings.setting import Setting
from ouroboros_jax.settings.values import check_value, describe_number, in_range

MOST_CHAINS = 100_000_000
OF_YOUR_OWN = {  # data named by a path, by the kind of data
    "points": ("the path of a .npy or .csv file",),
    "images": ("the path of an .npz file or of a folder of IDX files",),
    "tokens": ("the path of a text file", "for a folder of them 'text' with data.dir=FOLDER"),
}


def check_point(point: Point) -> None:
    """All cross-checks of a point: its values alone, and in combination.

    Raises:
      UserError: one sentence.
    """
    check_alone(point, point.items())
    check_together(point)


def check_alone(point: Point, values: Iterable[tuple[str, Any]]) -> None:
    """Check paths with values, as they would be in a point: schedules over its generations, whether
    its learner goes with its data, the colour map.

    Raises:
      UserError: one sentence.
    """
    settings = settings_of(point)
    _check_colormap(point["figures.colormap"])
    _check_kind(point)
    for path, value in values:
        if isinstance(value, str) and settings[path].is_scheduled and "(" in value:
            _check_schedule(path, value, settings[path], point["generations"])


def check_together(point: Point) -> None:
    """Check what the learner, regime, data and selector of a point ask of its other settings.

    Raises:
      UserError: one sentence.
    """
    fewest = find("learner", point["learner.name"]).fewest
    check_enough_points(point, fewest, f"a generation needs at least {fewest} points")
    for section in SECTIONS:
        find(section, point[f"{section}.name"]).check(point)


def _check_schedule(path: str, value: str, setting: Setting, generations: int) -> None:
    low, first, high, last = extremes(value, generations)
    for bound, generation in ((low, first), (high, last)):
        if int in setting.types:
            bound = math.floor(bound + 0.5) if math.isfinite(bound) else bound
        if not in_range(setting, bound):
            raise UserError(
                f"{path}={value} is {bound:g} at generation {generation}: expected "
                f"{describe_number(setting, bound)}"
            )


def unread(point: Point) -> str:
    """A sentence naming the regime settings that are set but that no regime of the run reads; "" if
    there are none.

    Args:
      point: a config's, with its sweep.
    """
    names = point["sweep"].get("regime.name", [point["regime.name"]])
    read = {f"regime.{key}" for name in names for key in find("regime", name).settings}
    settings = settings_of(point)
    idle = [
        path
        for path, value in point.items()
        if path.startswith("regime.")
        and path not in (*read, "regime.name")
        and (value != settings[path].default or path in point["sweep"])
    ]
    if not idle:
        return ""
    verb = "is" if len(idle) == 1 else "are"
    return f"{listed(idle)} {verb} not read under regime.name={listed(map(repr, names))}"


def check_watched(point: Point) -> None:
    """Refuse to watch a metric for collapse that no chain of the run records; the default may be
    missing.

    Args:
      point: a config's, with its sweep.

    Raises:
      UserError: naming what can be watched.
    """
    setting, metric = RUN["collapse.metric"], point["collapse.metric"]
    if metric == setting.default:
        return
    names = point["sweep"].get("learner.name", [point["learner.name"]])
    known = [find("learner", name).metrics for name in names]
    if None in known:  # a user's own, which may record anything
        return
    if not any(metric in metrics for metrics in known):
        kept = [m for m in setting.choices if any(m in metrics for metrics in known)]
        raise UserError(
            f"collapse.metric={metric!r} is not recorded by learner.name={either(map(repr, names))}"
            f": expected {either(map(repr, kept or [setting.default]))}"
        )
    if point["metrics"] and metric not in point["metrics"]:
        raise UserError(
            f"collapse.metric={metric!r} is not recorded, since metrics={list(point['metrics'])} "
            "leaves it out: expected it to be among them"
        )


def _check_colormap(name: str) -> None:
    if name == RUN["figures.colormap"].default:
        return  # the default exists, and matplotlib takes long to import
    from matplotlib import colormaps

    if name not in colormaps:
        raise UserError(
            f"figures.colormap={name!r} is unknown: expected a colour map of matplotlib's"
            f"{nearest(name, colormaps)}"
        )


def _check_kind(point: Point) -> None:
    learner, data = (find(section, point[f"{section}.name"]) for section in ("learner", "data"))
    if learner.kind and data.kind and learner.kind != data.kind:
        suited = [
            name
            for name, entry in SECTIONS["data"].items()
            if entry.kind == learner.kind and entry not in BY_PATH
        ]
        raise UserError(
            f"learner.name={point['learner.name']!r} is fitted to {learner.kind}, and "
            f"data.name={point['data.name']!r} holds {data.kind}: expected "
            f"{listed([*suited, *OF_YOUR_OWN.get(learner.kind, ())])}"
        )


def check_sweep(point: Point) -> dict[str, Any]:
    """`point["sweep"]` in its plain form: tuples of checked values, an int under `seed` as it is.

    If a name is swept, a value has to suit every learner, regime and data set of the sweep.
    """
    sweep = point["sweep"]
    for path, values in sweep.items():
        if isinstance(values, int) and path not in settings_of(point):  # meant as a number of seeds
            raise UserError(f"sweep: {unknown_field(path, point)}")
    lists = {path: _swept_values(path, values) for path, values in sweep.items()}
    lengths = {path: v if isinstance(v, int) else len(v) for path, v in lists.items()}
    if point["sweep_mode"] == "zip" and len(set(lengths.values())) > 1:
        text = ", ".join(f"{path} {length}" for path, length in lengths.items())
        raise UserError(f"sweep_mode='zip' needs lists of one length, not {text}")
    is_product = point["sweep_mode"] == "product"
    total = math.prod(lengths.values()) if is_product else max(lengths.values(), default=1)
    if total > point["sweep_limit"]:
        raise UserError(
            f"the sweep has {total:,} combinations, more than sweep_limit={point['sweep_limit']:,}"
            f": shorten it, or raise the limit with --config.sweep_limit={total}"
        )
    if total * point["chains"] > MOST_CHAINS:
        of_points = f"{total:,} points of " if total > 1 else ""
        raise UserError(
            f"{of_points}chains={point['chains']:,} are more chains than {MOST_CHAINS:,}: lower it"
        )
    named = [point | names for names in name_combinations(lists, point["sweep_mode"])]
    settings = [settings_of(other) for other in named]
    checked = {}
    for path, values in lists.items():
        for other, known in zip(named, settings, strict=True):
            if path not in known:
                error = unknown_field(path, other)
                raise UserError(f"sweep: {error}")
            if not known[path].swept:
                raise UserError(
                    f"sweep over {path!r}: a run has one value of it; what can be swept is seed, "
                    "num_samples and every setting of learner, regime, selector, sampler and data"
                )
        if isinstance(values, int):
            last = point["seed"] + values - 1
            check_value("seed", settings[0]["seed"], last)
            checked[path] = values
            continue
        for known in {id(known[path]): known[path] for known in reversed(settings)}.values():
            checked[path] = tuple(check_value(path, known, value) for value in values)
        if is_product and len(set(checked[path])) < len(values):
            twice = next(v for v in checked[path] if checked[path].count(v) > 1)
            raise UserError(f"sweep: the list of {path} holds {twice!r} twice")
    if not is_product and lists and len(set(zip(*swept_lists(checked), strict=True))) < total:
        raise UserError("sweep: two combinations are the same under sweep_mode='zip'")
    return checked


def swept_lists(sweep: Mapping[str, Any]) -> list[Any]:
    """The swept lists; a number of seeds becomes that many seeds."""
    return [range(values) if isinstance(values, int) else values for values in sweep.values()]


def _swept_values(path: str, values: Any) -> tuple[Any, ...] | int:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if path == "seed" and isinstance(values, int) and not isinstance(values, bool):
        if values < 1:
            raise UserError(f"sweep: seed={values} is not a number of seeds of at least 1")
        return values
    if not isinstance(values, list | tuple | range):
        also = " or a number of seeds" if path == "seed" else ""
        raise UserError(f"sweep: {path}={values!r} is not a list of values{also}")
    if not len(values):
        raise UserError(f"sweep: the list of {path} is empty: expected at least one value")
    return tuple(values)


def name_combinations(sweep: Mapping[str, Any], mode: str) -> list[dict[str, str]]:
    """Every combination of the swept names of learner, regime and data that occurs, once each."""
    paths = [f"{section}.name" for section in SECTIONS if f"{section}.name" in sweep]
    lists = [sweep[path] for path in paths]
    rows = itertools.product(*lists) if mode == "product" or not lists else zip(*lists, strict=True)
    return [dict(zip(paths, row, strict=True)) for row in dict.fromkeys(rows)]
