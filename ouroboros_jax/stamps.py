"""Telling the files that are there from those that were there before."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[tuple[str, int, int], ...]  # path, bytes and time of change of every file


def stamp_of(files: Iterable[Path]) -> Stamp:
    """What changes when a file does, without reading it: a key for what was read from files."""
    known = [(path, path.stat()) for path in files if path.is_file()]
    return tuple((str(path.resolve()), info.st_size, info.st_mtime_ns) for path, info in known)


def sha256_of(files: Iterable[Path]) -> str:
    """The hash of files' names and contents, in that order."""
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            part = hashlib.file_digest(stream, "sha256")
        whole.update(f"{path.name} {part.hexdigest()}\n".encode())
    return whole.hexdigest()
