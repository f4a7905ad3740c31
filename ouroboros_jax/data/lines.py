"""Lines of text: from a file, gzipped or not, and from the reference that comes with Python."""

import gzip
import zlib
from pathlib import Path

from ouroboros_jax.errors import UserError


def lines_of(path: Path) -> tuple[str, ...]:
    """The lines of a UTF-8 text file, with their ends; a .gz file is unpacked, and a
    byte-order mark left out.

    Raises:
      UserError: if the file cannot be read, or is not text.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = f"byte {error.start} is no part of it"
        raise UserError(f"{path} is not text in UTF-8: {at}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    return tuple(text.splitlines(True))


def reference_documents() -> list[tuple[str, ...]]:
    """The language reference behind Python's `help`, a document per topic; differs by version."""
    from pydoc_data.topics import topics

    return [tuple(topics[name].splitlines(True)) for name in sorted(topics)]
