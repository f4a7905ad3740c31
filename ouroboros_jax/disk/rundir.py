"""A run's folder: where its files are, who may write them, and how they are replaced."""

import datetime
import fcntl
import json
import os
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from ouroboros_jax.atomic import replacing
from ouroboros_jax.config import from_json
from ouroboros_jax.errors import UserError

CONFIG, MANIFEST, METRICS, SUMMARY = "config.json", "run.json", "metrics.nc", "summary.json"


def write_text(path: Path, text: str) -> None:
    """Replace a file by `text`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file."""
    write_text(path, json.dumps(value, indent=2, sort_keys=False, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")


def read_json(path: Path) -> Any:
    """A JSON file of a run.

    Raises:
      UserError: if it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path.parent} holds no run: there is no {path.name} in it") from None
    except (json.JSONDecodeError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def read_config(workdir: Path) -> ConfigDict:
    """The config of the run in a workdir.

    Raises:
      UserError: if it is missing or not a config.
    """
    path = workdir / CONFIG
    if not isinstance(read_json(path), dict):
        raise UserError(f"{path} holds no config: expected a JSON object")
    return from_json(path.read_text(encoding="utf-8"))


def now() -> str:
    """The time, to the second, with its zone."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


class Lock:
    """The right to write into a workdir, released by the kernel when the process dies."""

    def __init__(self, workdir: Path):
        self._path = workdir / ".lock"
        self._file = self._path.open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise UserError(
                f"{workdir} is being written by another process; wait for it, or name another "
                "--workdir"
            ) from None

    def release(self) -> None:
        """Let another process write."""
        self._file.close()


def store_paths(workdir: Path, group: str) -> tuple[Path, Path]:
    """The paths of a group's generations and of its state for resuming."""
    return workdir / "generations" / group, workdir / "resume" / group


def as_path(workdir: Any) -> Path:
    """A user's workdir as a path.

    Raises:
      UserError: if it is neither text nor a path.
    """
    if not isinstance(workdir, str | Path):
        raise UserError(f"workdir={workdir!r}: expected the path of a folder")
    if "\0" in str(workdir):
        raise UserError(f"workdir={str(workdir)!r}: expected the path of a folder")
    try:
        Path(workdir).exists()
    except OSError as error:  # too long a name, too many links
        raise UserError(f"workdir {workdir} cannot be opened: {error.strerror}") from None
    return Path(workdir)


def check_writable(folder: Path, what: str = "folder") -> None:
    """Refuse a folder that cannot be written to, or made; `what` it is called.

    Raises:
      UserError: naming what is in the way.
    """
    existing = folder
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise UserError(f"{what} {folder} cannot be made: {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"{what} {folder} cannot be written: no permission for {existing}")


def check_workdir(workdir: Path) -> None:
    """Refuse a workdir that cannot hold a run, before anything is written.

    Raises:
      UserError: for a file, a directory that cannot be written to, or one that holds other things.
    """
    if workdir.exists() and not workdir.is_dir():
        raise UserError(f"workdir {workdir} is a file; expected a folder, new or of a run")
    check_writable(workdir, "workdir")
    if workdir.is_dir() and not (workdir / MANIFEST).exists():
        others = [path.name for path in workdir.iterdir() if not path.name.startswith(".")]
        others = [name for name in others if name != CONFIG]
        if others:
            raise UserError(
                f"workdir {workdir} holds {others[0]!r} but no run; expected a new folder, an "
                "empty one, or a run's"
            )
