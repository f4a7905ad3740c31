"""Configs: made by config files, changed by flags, flattened, written to disk.

A config is a locked `ConfigDict` with every field of `registry.all_settings`; flat, it is a
*point*, a dict from dotted path to a plain value (number, word, tuple, or a schedule as written).
Nothing here imports jax.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ml_collections import ConfigDict

from ouroboros_jax.checks import check_point, check_sweep, check_watched
from ouroboros_jax.config_files import find_config, load_module
from ouroboros_jax.errors import UserError, failure, nearest
from ouroboros_jax.registry import (
    SECTIONS,
    Point,
    Setting,
    all_settings,
    find,
    known_names,
    section_settings,
    settings_of,
    unknown_field,
)
from ouroboros_jax.settings.run import NO_BITS
from ouroboros_jax.settings.values import check_value

Choice = TypeVar("Choice")


# In config files


def new_config(
    *, learner: str, regime: str, data: str, selector: str = "none", **overrides: Any
) -> ConfigDict:
    """A complete config: the defaults of the named learner, regime and data, and `overrides`.

    Args:
      learner, regime, data, selector: names of the registry, or `module:function`.
      **overrides: top-level fields; dotted paths by `**{"learner.components": 3}`.

    Raises:
      UserError: an unknown name or field, a value out of range.
    """
    names = {"learner.name": learner, "regime.name": regime, "data.name": data}
    names |= {"selector.name": selector}
    settings = all_settings(learner, regime, data, selector)
    point = {path: setting.default for path, setting in settings.items()} | names
    return unflatten(changed(point, overrides))


def choose(argument: str, variants: Mapping[str, Callable[[], Choice]]) -> Choice:
    """What a config file returns for its argument, "" being the default.

    Raises:
      UserError: listing the variants.
    """
    if argument not in variants:
        known = [name for name in variants if name]
        raise UserError(
            f"the config has no variant {argument!r}: expected none or one of {', '.join(known)}"
            f"{nearest(argument, known)}"
        )
    return variants[argument]()


# Read and changed


def load_config(name: str, overrides: Mapping[str, Any] | None = None) -> ConfigDict:
    """The config that a name stands for, with `overrides` by dotted path.

    Args:
      name: "configs/gmm.py" or "configs/gmm.py:shumailov", a file; "gmm" or "gmm:shumailov", one of
        the configs that come with the package.
      overrides: as in `apply`.

    Returns:
      A locked `ConfigDict`.

    Raises:
      UserError: an unknown name, variant or field, a value out of range.
    """
    path, argument = find_config(name)
    module = load_module(path)
    try:
        config = module.get_config(argument) if argument else module.get_config()
    except (AttributeError, KeyError) as error:
        field = re.search(r'Key "(\w+)" does not exist and cannot be added', str(error))
        if field is None:
            raise UserError(f"{path} cannot be run: {failure(error, path)}") from error
        known = sorted(path for path in _every_path())
        raise UserError(
            f"{path} sets a field {field[1]!r} that its config does not have"
            f"{nearest(field[1], known)}"
        ) from None
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path} cannot be run: {failure(error, path)}") from error
    point = changed(flatten(config), overrides or {})
    check_overridden(point, overrides or {})
    if not point["sweep"]:
        check_point(point)
    return unflatten(point)


def _every_path() -> set[str]:
    tables = [(s, name) for s in SECTIONS for name in known_names(s)]
    paths = {f"{s}.{key}" for s, name in tables for key in section_settings(s, name)}
    return paths | set(all_settings("gaussian", "replace", "normal"))


def apply(config: ConfigDict, overrides: Mapping[str, Any]) -> ConfigDict:
    """A new config with `overrides`, a dict from dotted path to value.

    A new `learner.name`, `regime.name` or `data.name` comes first: its section starts from the new
    name's defaults, and keeps what had been changed from the old name's defaults if the new one has
    such a field.
    """
    point = changed(flatten(config), overrides)
    check_overridden(point, overrides)
    return unflatten(point)


def check_overridden(point: Point, overrides: Mapping[str, Any]) -> None:
    """Refuse a value for a setting that the config sweeps already: it would have no effect.

    Raises:
      UserError: naming it, and what is swept.
    """
    if "sweep" in overrides:
        return
    for path, value in overrides.items():
        swept = point["sweep"].get(path)
        if swept is None or (path == "seed" and isinstance(swept, int)):  # seeds from there on
            continue
        raise UserError(
            f"{path}={value!r} decides nothing, since {path} is swept over {list(swept)}: change "
            "sweep, or set it to {} to sweep nothing"
        )


def changed(point: Point, overrides: Mapping[str, Any]) -> Point:
    """`apply`, for a point."""
    if not isinstance(overrides, Mapping):
        raise UserError(f"overrides={overrides!r}: expected a dict from dotted path to value")
    point = dict(point)
    for section in SECTIONS:
        path = f"{section}.name"
        name = overrides.get(path, point[path])
        if name != point[path]:
            point = _renamed(point, section, name)
    kind = find("learner", point["learner.name"]).kind
    if instead := find("data", point["data.name"]).instead.get(kind):
        point = _renamed(point, "data", instead)
        overrides = {**overrides, "data.name": instead}
    settings = settings_of(point)
    for path, value in overrides.items():
        if path not in settings:
            raise unknown_field(path, point)
        point[path] = check_value(path, settings[path], value)
    point["sweep"] = check_sweep(point)
    check_watched(point)
    return point


def _renamed(point: Point, section: str, name: Any) -> Point:
    before = point[f"{section}.name"]
    rest = _resettled(
        point, section, section_settings(section, before), section_settings(section, name)
    )
    if section == "learner":
        old, new = find(section, before).sampler, find(section, name).sampler
        rest = _resettled(rest, "sampler", old, new)
    return rest | {f"{section}.name": name}


def _resettled(
    point: Point, section: str, old: Mapping[str, Setting], new: Mapping[str, Setting]
) -> Point:
    """The point with `section` rebuilt from the `new` settings, keeping values still valid."""
    rest = {path: v for path, v in point.items() if not path.startswith(f"{section}.")}
    for key, setting in new.items():
        path = f"{section}.{key}"
        rest[path] = setting.default
        if key in old and point[path] != old[key].default and key != "name":
            try:
                rest[path] = check_value(path, setting, point[path])
            except UserError:
                continue  # the field of that name has another meaning there
    return rest


# Flat and nested


def flatten(config: ConfigDict | Mapping[str, Any]) -> Point:
    """The config as a point: every value checked and in its plain form.

    Raises:
      UserError: a field that is unknown or missing, a value out of range.
    """
    if not isinstance(config, ConfigDict | Mapping):
        raise UserError(f"config={config!r}: expected a config, as load_config returns it")
    raw = raw_point(config)
    for section in SECTIONS:
        if f"{section}.name" not in raw:
            raise UserError(f"the config has no {section}.name: configs come from new_config")
    settings = settings_of(raw)
    for path in raw:
        if path not in settings:
            raise unknown_field(path, raw)
    point = {}
    for path, setting in settings.items():
        point[path] = check_value(path, setting, raw.get(path, setting.default))
    point["sweep"] = check_sweep(point)
    return point


def raw_point(config: ConfigDict | Mapping[str, Any]) -> Point:
    """The config's fields by dotted path, as they are."""
    point: Point = {}
    for key, value in config.items():
        if isinstance(value, ConfigDict | Mapping) and key != "sweep":
            point |= {f"{key}.{inner}": v for inner, v in raw_point(value).items()}
        else:
            point[key] = value
    return point


def unflatten(point: Point) -> ConfigDict:
    """The locked config of a point."""
    return _config_dict(nest(point)).lock()


def nest(point: Point) -> dict[str, Any]:
    """The point as a dict of sections."""
    tree: dict[str, Any] = {"sampler": {}}  # empty for some learners
    for path, value in point.items():
        *sections, key = path.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[key] = value
    return tree


def _config_dict(tree: dict[str, Any]) -> ConfigDict:
    # Dicts stay dicts, since those of `sweep` have dots in their keys; a value may turn into a
    # schedule, so types are checked by `check_value` and not by the ConfigDict.
    config = ConfigDict(type_safe=False, convert_dict=False)
    for key, value in tree.items():
        is_section = isinstance(value, dict) and key != "sweep"
        config[key] = _config_dict(value) if is_section else value
    return config


# On disk


def to_json(config: ConfigDict) -> str:
    """config.json: the config as nested JSON, from which `from_json` makes an equal one."""
    return json.dumps(nest(flatten(config)), indent=2) + "\n"


def from_json(text: str) -> ConfigDict:
    """The config that `to_json` wrote; names are not looked up, so a user's own need not exist."""
    tree = json.loads(text)
    if not isinstance(tree, dict):
        raise UserError("config.json does not hold a config: expected a JSON object")
    return _config_dict(_tuples(tree)).lock()


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(_tuples(inner) for inner in value) if isinstance(value, list) else value


def identity(config: ConfigDict) -> Point:
    """The fields that decide a run's bits, by path, JSON-ready.

    More generations, figures and the limit of a sweep may differ between a run and its resumption.
    """
    point = flatten(config)
    return json.loads(json.dumps({k: v for k, v in sorted(point.items()) if k not in NO_BITS}))


def completed(recorded: Point, asked: Point) -> Point:
    """The `identity` of a recorded run, with settings introduced since filled in at their defaults,
    to compare with `asked`."""
    defaults = {path: setting.default for path, setting in settings_of(asked).items()}
    defaults = {path: value for path, value in defaults.items() if path in asked}
    return json.loads(json.dumps(defaults)) | recorded
