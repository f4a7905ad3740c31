"""Looking up a name: in a table, or as a user's `module:function`.

The settings of a user's own factory are its keyword-only arguments, or its attribute `settings`, a
dict from name to `Setting`.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ouroboros_jax.errors import UserError, failure, nearest
from ouroboros_jax.settings.setting import BIAS, Entry, Setting

NO_SETTINGS: Mapping[str, Setting] = {}


def look_up(
    section: str,
    table: Mapping[str, Entry],
    name: Any,
    *,
    every: Mapping[str, Setting] = NO_SETTINGS,
    also: str = "",
) -> Entry:
    """The entry called `name`.

    Args:
      section: "learner", "regime" or "data".
      table: the known names.
      every: settings of every entry of the section, which a user's entry then has too.
      also: what else the name may be, in words.

    Raises:
      UserError: an unknown name, with the known ones; a `module:function` that cannot be imported.
    """
    if isinstance(name, str) and name in table:
        return table[name]
    if isinstance(name, str) and ":" in name:
        own = own_entry(section, name)
        apart = tuple(key for key in every if key not in own.settings)
        return own._replace(settings={**every, **own.settings}, apart=apart)
    raise UserError(
        f"{section}.name={name!r} is unknown: expected {', '.join(table)}{also} or your own "
        f"'module:function'{nearest(name, table)}"
    )


@lru_cache
def own_entry(section: str, name: str) -> Entry:
    """A user's factory as an entry: settings from its `settings`, or its keyword-only arguments."""
    module_name, _, function = name.partition(":")
    if not module_name or not function:
        raise UserError(f"{section}.name={name!r}: expected 'module:function'")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # a console script's path does not include it
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not f"{module_name}.".startswith(f"{error.name}."):
            raise UserError(
                f"{section}.name={name!r}: {module_name} imports {error.name!r}, which is not there"
            ) from error
        raise UserError(
            f"{section}.name={name!r}: there is no module {module_name!r} here or on Python's path"
        ) from None
    except Exception as error:
        raise UserError(
            f"{section}.name={name!r}: {module_name} cannot be imported: {failure(error)}"
        ) from error
    factory = getattr(module, function, None)
    if not callable(factory):
        names = [key for key, value in vars(module).items() if callable(value)]
        raise UserError(
            f"{section}.name={name!r}: {module_name} has no function {function!r}"
            f"{nearest(function, names)}"
        )
    own = getattr(factory, "settings", None)
    settings = _arguments(section, name, factory) if own is None else dict(own)
    return Entry(
        name,
        (inspect.getdoc(factory) or "your own").splitlines()[0],
        settings,
        counts_traced=getattr(factory, "counts_traced", lambda point: False),
        check=getattr(factory, "check", lambda point: None),
        resolve=getattr(factory, "resolve", lambda point: {}),
        keeps_identity=getattr(factory, "keeps_identity", None),
        kind=getattr(factory, "kind", None),
        sampler=getattr(factory, "sampler", {"bias": BIAS}),
    )


def _arguments(section: str, name: str, factory: Callable[..., Any]) -> dict[str, Setting]:
    settings = {}
    for key, parameter in inspect.signature(factory).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY or key == "metrics":
            continue  # the run's setting `metrics` determines it
        default = parameter.default
        if default is parameter.empty:
            raise UserError(
                f"{section}.name={name!r}: its argument {key!r} has no default, and every setting "
                "needs one"
            )
        if isinstance(default, list):
            default = tuple(default)
        anything = (bool, int, float, str, tuple) if default is None else ()
        settings[key] = Setting(
            default, "a setting of your own", optional=default is None, kinds=anything, item=object
        )
    return settings
