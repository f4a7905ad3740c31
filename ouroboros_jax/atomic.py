"""Files that are replaced whole or not at all, and what is said where they cannot be."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ouroboros_jax.errors import UserError


@contextlib.contextmanager
def replacing(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    Args:
      path: the file to replace; its folder must exist.
      shared: whether several processes may replace it at a time.
    """
    process = f".{os.getpid()}" if shared else ""
    temporary = path.with_name(f".{path.stem}{process}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """A failure to write as one sentence about `path`, the one that the user asked for.

    Raises:
      UserError: in place of the system's error, which may be about a temporary file.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
