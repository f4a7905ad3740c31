"""Look-up: which settings a config has, and the factories behind its names.

The only access to the tables in `settings/`, for config files, the command line, `--help` and the
tests. It imports no jax, so that a misspelt name is answered at once; `load` imports a factory when
a run is built.
"""

import importlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ouroboros_jax.errors import UserError, nearest
from ouroboros_jax.settings.data import BY_PATH, DATA, FILE, data_path, find_data
from ouroboros_jax.settings.learners import LEARNERS, find_learner
from ouroboros_jax.settings.regimes import REGIMES, find_regime
from ouroboros_jax.settings.run import RUN
from ouroboros_jax.settings.selectors import SELECTORS, find_selector
from ouroboros_jax.settings.setting import Entry, Point, Setting

__all__ = [
    "BY_PATH",
    "DATA",
    "FILE",
    "LEARNERS",
    "REGIMES",
    "RUN",
    "SECTIONS",
    "SELECTORS",
    "Entry",
    "Point",
    "Setting",
    "all_settings",
    "data_path",
    "find",
    "known_names",
    "known_paths",
    "load",
    "off_default",
    "options",
    "section_settings",
    "settings_of",
    "unknown_field",
]
SECTIONS = {"learner": LEARNERS, "regime": REGIMES, "data": DATA, "selector": SELECTORS}
_FINDERS = {
    "learner": find_learner,
    "regime": find_regime,
    "data": find_data,
    "selector": find_selector,
}


def known_names(section: str) -> list[str]:
    """The known names in section "learner", "regime", "data" or "selector"."""
    return [name for name, entry in SECTIONS[section].items() if entry not in BY_PATH]


def find(section: str, name: Any) -> Entry:
    """The entry called `name` in section "learner", "regime", "data" or "selector".

    Raises:
      UserError: an unknown name, with the known ones; a `module:function` that cannot be imported.
    """
    return _FINDERS[section](name)


def load(entry: Entry) -> Callable[..., Any]:
    """The entry's factory, imported."""
    module, _, function = entry.path.partition(":")
    return getattr(importlib.import_module(module), function)


def options(section: str, point: Point) -> Point:
    """The static settings that the section's factory takes as keywords, with `auto` resolved."""
    entry = find(section, point[f"{section}.name"])
    chosen = {
        key: point[f"{section}.{key}"]
        for key, setting in entry.settings.items()
        if not setting.traced and key not in entry.apart
    }
    if section == "learner":
        static = (key for key, setting in entry.sampler.items() if not setting.traced)
        chosen |= {key: point[f"sampler.{key}"] for key in static}
    return chosen | entry.resolve(point)


def section_settings(section: str, name: Any) -> dict[str, Setting]:
    """The fields of a section under `name`, `name` itself included; of regimes, all of them."""
    entry = find(section, name)
    settings = {"name": Setting(name, f"which {section}, or 'module:function' of your own")}
    if section == "regime":
        for other in REGIMES.values():
            settings |= other.settings
    return settings | entry.settings


@lru_cache(maxsize=1024)
def all_settings(
    learner: str, regime: str, data: str, selector: str = "none"
) -> dict[str, Setting]:
    """Every field of a config of these names, by dotted path."""
    names = {"learner": learner, "regime": regime, "data": data, "selector": selector}
    sections = {
        f"{section}.{key}": setting
        for section, name in names.items()
        for key, setting in section_settings(section, name).items()
    }
    entry = find("learner", learner)
    sampler = {f"sampler.{key}": setting for key, setting in entry.sampler.items()}
    run = {
        "metrics": RUN["metrics"]._replace(choices=entry.metrics or ()),
        "num_samples": RUN["num_samples"]._replace(low=entry.fewest),
    }
    return RUN | run | sampler | sections


def settings_of(point: Point) -> dict[str, Setting]:
    """The settings of a point's fields, by path."""
    return all_settings(*(point[f"{section}.name"] for section in SECTIONS))


@lru_cache(maxsize=1)
def known_paths() -> tuple[str, ...]:
    """Every setting that some config has, by dotted path."""
    paths = [*RUN, *(f"{section}.name" for section in SECTIONS)]
    for section, entries in SECTIONS.items():
        for entry in entries.values():
            paths += [f"{section}.{key}" for key in entry.settings]
            paths += [f"sampler.{key}" for key in entry.sampler]
    return tuple(dict.fromkeys(paths))


def off_default(point: Point, *sections: str) -> Point:
    """The settings of some sections that are not at their defaults, by path."""
    return {
        path: point[path]
        for path, setting in settings_of(point).items()
        if path.partition(".")[0] in sections and point[path] != setting.default
    }


def unknown_field(path: str, point: Point) -> UserError:
    """The error for a path that is no field of the point."""
    known = settings_of(point)
    if not isinstance(path, str):
        return UserError(f"{path!r} is no name of a setting: expected text, as 'num_samples'")
    section, _, key = path.partition(".")
    if section in SECTIONS and key:
        name = point[f"{section}.name"]
        own = [other for other in known if other.startswith(f"{section}.")]
        keys = ", ".join(other.partition(".")[2] for other in own if not other.endswith(".name"))
        return UserError(
            f"{path!r} is not a setting of the {section} {name!r}, which has {keys or 'none'}"
            f"{nearest(path, own)}"
        )
    inside = [other for other in known if other.startswith(f"{path}.")]
    if inside:
        return UserError(f"{path!r} is a section: set one of its fields, {', '.join(inside)}")
    return UserError(
        f"there is no setting {path!r}{nearest(path, known) or '; --help lists them all'}"
    )
