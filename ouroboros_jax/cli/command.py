"""The verbs and flags, and parsing a command line."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags

from ouroboros_jax.errors import UserError, either, listed, nearest
from ouroboros_jax.registry import known_paths
from ouroboros_jax.settings.values import parse_text
from ouroboros_jax.settings.verify import SIZES


class Flag(NamedTuple):
    kind: type
    default: Any
    help: str
    low: int = 0  # of whole numbers
    high: int | None = None


class Verb(NamedTuple):
    help: str
    flags: tuple[str, ...]
    needs: tuple[str, ...] = ()


FLAGS = {
    "config": Flag(
        str,
        None,
        "what to run: a file or a packaged name, such as gmm or configs/gmm.py:iris; "
        "--config.<setting>=<value> changes a setting",
    ),
    "workdir": Flag(
        str, None, "the run's directory; for a new run, by default runs/<config name>-<timestamp>"
    ),
    "from": Flag(str, None, "a run's directory: continue one of its generations in a new run"),
    "from_generation": Flag(int, None, "with --from: the last generation taken from that run"),
    "dry_run": Flag(
        bool, False, "print shapes, number of compilations, disk and memory, without running"
    ),
    "time": Flag(
        bool, False, "with --dry_run: compile, time a few calls, and estimate the whole run's time"
    ),
    "devices": Flag(int, None, "number of CPU devices; by default one per core", low=1, high=1024),
    "generation": Flag(int, None, "which generation; 0 is the fit to real data"),
    "chain": Flag(int, 0, "which chain"),
    "num_samples": Flag(int, 64, "how many points to draw", low=1),
    "seed": Flag(int, 0, "seed of the draw"),
    "out": Flag(str, None, "path to write to"),
    "name": Flag(str, None, "name of the evaluation; by default derived from --data"),
    "data": Flag(str, None, "data to score on: a name, such as iris or mnist, a file or a folder"),
    "size": Flag(str, "quick", f"how thorough: {', '.join(SIZES)}"),
    "help": Flag(bool, False, "print this and exit; with --config, also every setting"),
}
VERBS = {
    "run": Verb(
        "run a config, or resume a run that was interrupted (no verb means run)",
        ("config", "workdir", "from", "from_generation", "dry_run", "time", "devices"),
    ),
    "sample": Verb(
        "draw points from a stored generation into a file: .npz, .npy, .csv, .png, .txt",
        ("workdir", "generation", "chain", "num_samples", "seed", "out", "devices"),
        ("workdir", "generation", "out"),
    ),
    "evaluate": Verb(
        "score stored generations on other data, into evaluations/<name>.nc",
        ("workdir", "name", "data", "devices"),
        ("workdir", "data"),
    ),
    "figures": Verb("draw a run's figures again", ("config", "workdir", "devices"), ("workdir",)),
    "export": Verb(
        "write a stored language model as a checkpoint that transformers loads",
        ("workdir", "generation", "chain", "out", "devices"),
        ("workdir", "generation", "out"),
    ),
    "verify": Verb(
        "test the code against the laws it should follow; exit status 1 if one fails",
        ("size", "devices"),
    ),
}


class Command(NamedTuple):
    """A parsed command line."""

    verb: str
    flags: dict[str, Any]
    overrides: dict[str, Any]  # by dotted path, as written after --config.


def program_name() -> str:
    """How a command line begins: `python launch.py`, or `ouroboros` if installed."""
    name = Path(sys.argv[0]).name
    return f"python {name}" if name.endswith(".py") else name or "ouroboros"


def parse(argv: Sequence[str]) -> Command:
    """The verb, flags and config overrides of a command line.

    Raises:
      UserError: an unknown verb or flag, a flag of another verb, a value of the wrong type.
    """
    rest, overrides = _config_flags(argv)
    for word in rest:
        if match := re.match(r"--?(flagfile|undefok)\b", word):  # absl's own, not used here
            raise UserError(f"there is no flag --{match[1]}")
    values = _flag_values()
    try:
        words = values(["launch.py", *rest])[1:]
    except flags.UnrecognizedFlagError as error:
        known = {f"--{name}" for name in FLAGS}
        hint = _as_setting(error.flagname) or nearest("--" + error.flagname, known)
        raise UserError(f"there is no flag --{error.flagname}{hint}") from None
    except flags.IllegalFlagValueError as error:
        raise UserError(_illegal_value(str(error))) from None
    except flags.Error as error:
        name = re.search(r"--?(\w+)", str(error))
        if name and name[1] in FLAGS:
            raise UserError(_needs_value(name[1])) from None
        raise UserError(str(error)) from None
    verb = words[0] if words else "run"
    if verb not in VERBS:
        raise UserError(
            f"there is no verb {verb!r}: expected {listed(VERBS)}{nearest(verb, VERBS)}"
        )
    if len(words) > 1:
        raise UserError(f"{words[1]!r} is one word too many after {verb}: flags begin with --")
    given = {name for name in FLAGS if values[name].present}
    for name in sorted(given - {"help"} - set(VERBS[verb].flags)):
        takes = listed(f"--{own}" for own in VERBS[verb].flags)
        hint = _as_setting(name) if "config" in VERBS[verb].flags else ""
        raise UserError(f"{verb} takes no --{name}{hint or f': it takes {takes}'}")
    if overrides and "config" not in VERBS[verb].flags:
        raise UserError(
            f"{verb} takes no --config.{next(iter(overrides))}: a run's config is fixed"
        )
    chosen = {name: values[name].value for name in FLAGS}
    for name, value in chosen.items():
        if value == "":
            raise UserError(_needs_value(name))
    if not chosen["help"]:
        for name in VERBS[verb].needs:
            if chosen[name] is None:
                raise UserError(f"{verb} needs --{name}: {FLAGS[name].help}")
        _check_fork(chosen)
        if chosen["time"] and not chosen["dry_run"]:
            raise UserError(
                "--time goes with --dry_run: it times one segment and runs nothing more"
            )
    return Command(verb, chosen, overrides)


def _as_setting(name: str) -> str:
    """`: settings are written --config.chains=<value>` for a flag that is named like a setting."""
    paths = known_paths()
    same = [path for path in paths if path == name] or [
        path for path in paths if path.rpartition(".")[2] == name and name != "name"
    ]
    if not same:
        return ""
    return f": settings are written {either(f'--config.{path}=<value>' for path in same[:3])}"


def _check_fork(chosen: dict[str, Any]) -> None:
    """Refuse flags that are incompatible with those of a fork."""
    for one, other in (("from", "from_generation"), ("from_generation", "from")):
        if chosen[one] is not None and chosen[other] is None:
            raise UserError(f"--{one} goes with --{other}: {FLAGS[other].help}")
    for name in ("config", "dry_run"):
        if chosen["from"] is not None and chosen[name]:
            raise UserError(
                f"--from takes no --{name}: a fork has the config of {chosen['from']}, which "
                "--config.<setting>=<value> changes"
            )


def _config_flags(argv: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Split off `--config.path=value`, `--config.path value`, and `--config.path` for True."""
    rest: list[str] = []
    overrides: dict[str, Any] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        match = re.match(r"--?(no)?config\.([^=]*)(=(.*))?$", word, re.DOTALL)
        if match is None:
            rest.append(word)
            continue
        negated, path, has_value, text = match.groups()
        if negated:
            value: Any = False
        elif has_value:
            value = parse_text(text)
        elif words and not re.match(r"--?[A-Za-z]", words[0]):
            value = parse_text(words.pop(0))
        else:
            value = True
        if not path:
            raise UserError(f"{word} names no setting: expected --config.<setting>=<value>")
        overrides[path] = value
    return rest, overrides


def _flag_values() -> flags.FlagValues:
    values = flags.FlagValues()
    for name, flag in FLAGS.items():
        if flag.kind is bool:
            short = "h" if name == "help" else None
            flags.DEFINE_boolean(name, flag.default, flag.help, values, short_name=short)
        elif flag.kind is int:
            flags.DEFINE_integer(
                name, flag.default, flag.help, flag.low, flag.high, flag_values=values
            )
        else:
            flags.DEFINE_string(name, flag.default, flag.help, values)
    values.set_gnu_getopt(True)
    return values


def _needs_value(name: str) -> str:
    return f"--{name} needs a value: {FLAGS[name].help.partition(';')[0]}"


def _illegal_value(message: str) -> str:
    match = re.match(r"flag --(\w+)=(.*?): ", message, re.DOTALL)
    if match is None:
        return message
    name, value = match.groups()
    if FLAGS[name].kind is bool:
        return f"--{name}={value} is not true or false"
    low, high = FLAGS[name].low, FLAGS[name].high
    span = f"of at least {low}" if high is None else f"from {low} to {high}"
    return f"--{name}={value} is not a whole number {span}"
