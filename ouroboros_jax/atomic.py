"""Files that are replaced whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


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
