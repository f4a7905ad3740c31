"""What --help prints: verbs, flags, and every setting of a config with its range."""

import shutil
import textwrap
from collections.abc import Sequence

from ml_collections import ConfigDict

from ouroboros_jax.cli.command import FLAGS, VERBS, Command, program_name
from ouroboros_jax.config import flatten, load_config
from ouroboros_jax.config_files import find_config, load_module, packaged_configs
from ouroboros_jax.errors import listed
from ouroboros_jax.registry import SECTIONS, known_names, settings_of
from ouroboros_jax.settings.data import PATHS
from ouroboros_jax.settings.values import SCHEDULE, describe


def help_text(command: Command, *, explicit: bool = False) -> str:
    """Verbs and flags, and with a config its docstring and every setting."""
    verb = VERBS[command.verb]
    lines = [f"usage: {program_name()} [verb] [flags]", ""]
    if explicit:
        lines += _table([(command.verb, verb.help)])
    else:
        lines += ["verbs:", *_table([(name, other.help) for name, other in VERBS.items()])]
    shown = (*verb.flags, "help") if explicit else FLAGS
    lines += ["", "flags:", *_table([(f"--{name}", _flag_help(name)) for name in shown])]
    lines += ["", *textwrap.wrap(f"packaged configs: {listed(packaged_configs())}", _width())]
    if command.flags["config"] is not None:
        module = load_module(find_config(command.flags["config"])[0])
        config = load_config(command.flags["config"], command.overrides)
        lines += ["", f"config {command.flags['config']}", "", (module.__doc__ or "").strip()]
        lines += ["", "settings (--config.<setting>=<value>):", *_settings(config)]
        lines += ["", "A schedule gives the value at each generation g: a list, linear(a, b) for"]
        lines += ["a + b g, or geometric(a, r) for a r^g."]
    else:
        lines += ["", "--config=<name> --help lists every setting, with its value and range."]
    return "\n".join(lines)


def _flag_help(name: str) -> str:
    flag = FLAGS[name]
    default = (
        f" (default {flag.default})" if flag.kind is not bool and flag.default is not None else ""
    )
    return f"{flag.help}{default}"


def _settings(config: ConfigDict) -> list[str]:
    point = flatten(config)
    rows = []
    for path, setting in settings_of(point).items():
        section, _, key = path.partition(".")
        if section in SECTIONS and key == "name":
            file = f", {PATHS}," if section == "data" else ""
            expected = f"{', '.join(known_names(section))}{file} or module:function"
        else:
            expected = describe(setting).replace(SCHEDULE, "a schedule")
        rows.append((f"{path}={point[path]!r}", f"{setting.help} [{expected}]"))
    return _table(rows)


def _width() -> int:
    """Characters to a line."""
    return min(100, max(60, shutil.get_terminal_size().columns))


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Two columns, the second wrapped to the terminal."""
    wide = min(34, max(len(name) for name, _ in rows)) + 4
    width = _width()
    lines = []
    for name, text in rows:
        first, *others = textwrap.wrap(text, width - wide, break_long_words=False) or [""]
        if len(name) > wide - 4:
            lines.append(f"  {name}")
            lines.append(" " * wide + first)
        else:
            lines.append(f"  {name:<{wide - 2}}{first}")
        lines += [" " * wide + other for other in others]
    return lines
