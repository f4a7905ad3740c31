"""Text to train on, in three parts: WikiText-2, files of the user's own, Python's reference text.

A corpus is a list of lines with their ends; blank lines are kept, as empty ones.
"""

import itertools
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ouroboros_jax.data.base import SPLIT_SEED
from ouroboros_jax.data.lines import lines_of, reference_documents
from ouroboros_jax.errors import UserError, either, nearest, reason

SPLITS = ("train", "valid", "test")
WIKI_KINDS = ("raw", "tokens")  # the text as it was, or with <unk> for rare words
WIKI_FOLDERS = ("", "wikitext-2-raw", "wikitext-2", "wikitext-2-raw-v1", "wikitext-2-v1")
HUB = "Salesforce/wikitext", "wikitext-2-raw-v1"
TEXT_ENDINGS = (".txt", ".md", ".rst", ".raw", ".tokens", ".gz")
FEWEST = 3  # documents, one for each part
PIECES = 100  # into which a single file is split, to be shuffled
SHORTEST = 50  # characters of a piece of a line
LONG = 0.1  # of a text: a line that is longer is cut, since a part is no larger


class Corpus(NamedTuple):
    """Lines of text; train, validation and test share no document."""

    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]
    origin: str


class NotAtHand(Exception):
    """A corpus can be neither found nor downloaded; says why."""


def wikitext2(folder: Path | None) -> Corpus:
    """WikiText-2 from `wiki.<split>.<raw or tokens>[.gz]` files, or the hub's parquet files.

    Files in `folder` take precedence over the network, raw ones over tokenised ones.

    References:
      Merity et al., Pointer Sentinel Mixture Models, 2016 (arXiv 1609.07843).

    Raises:
      NotAtHand: if neither is available.
    """
    files = wiki_files(folder)
    if not files:
        return _from_hub(folder)
    kind = next(kind for kind in WIKI_KINDS if f".{kind}" in files[0].suffixes)
    return Corpus(*map(_wiki_lines, files), f"{files[0].parent.resolve()} ({kind})")


def wiki_files(folder: Path | None) -> list[Path]:
    """WikiText-2's training, validation and test files in `folder` or below; empty if it has none.

    Raw files come before tokenised ones.
    """
    for kind in WIKI_KINDS:
        for place in WIKI_FOLDERS if folder else ():
            found = [_wiki_file(folder / place, split, kind) for split in SPLITS]
            if all(found):
                return found
    return []


def wiki_test(folder: Path) -> tuple[str, ...] | None:
    """The test split of the WikiText-2 files in a folder; None if it holds none."""
    for kind in WIKI_KINDS:
        for place in WIKI_FOLDERS:
            found = _wiki_file(folder / place, "test", kind)
            if found:
                return _wiki_lines(found)
    return None


def _wiki_file(folder: Path, split: str, kind: str) -> Path | None:
    for ending in ("", ".gz"):
        path = folder / f"wiki.{split}.{kind}{ending}"
        if path.is_file():
            return path
    return None


def _wiki_lines(path: Path) -> tuple[str, ...]:
    """Lines as the hub's data set has them: a blank one is empty."""
    return tuple(line if line.strip() else "" for line in lines_of(path))


def _from_hub(folder: Path | None) -> Corpus:
    where = (
        f"no wiki.{{train,valid,test}}.raw or .tokens files in {folder}"
        if folder
        else "data.dir is not set"
    )
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise NotAtHand(f"{where}, and the hub's parquet files need pyarrow") from None
    from ouroboros_jax.models.hub import fetch_dataset_file

    parts = []
    for split in ("train", "validation", "test"):
        name = f"{HUB[1]}/{split}-00000-of-00001.parquet"
        try:
            path = fetch_dataset_file(HUB[0], name)
        except Exception as error:  # of many kinds: the network's, the hub's, the disk's
            why = reason(error)
            raise NotAtHand(f"{where}, and {HUB[0]} cannot be downloaded ({why})") from None
        parts.append(tuple(parquet.read_table(path, columns=["text"])["text"].to_pylist()))
    return Corpus(*parts, f"{HUB[0]}, {HUB[1]}")


def pydoc(test_fraction: float = 0.1) -> Corpus:
    """The language reference behind Python's `help`; it differs by version."""
    origin = f"pydoc_data.topics of Python {platform.python_version()}"
    return _parted(reference_documents(), test_fraction, origin)


def text_file(path: str, test_fraction: float = 0.1) -> Corpus:
    """A text file, or all text files of a folder, as UTF-8.

    Raises:
      UserError: in one sentence, if there is no text.
    """
    documents = documents_of(path)
    if len(documents) < FEWEST:
        documents = [piece for lines in documents for piece in _pieces(lines)]
    return _parted(documents, test_fraction, str(Path(path).expanduser().resolve()))


def documents_of(path: str) -> list[tuple[str, ...]]:
    """The lines of a text file, or of each text file of a folder, as UTF-8.

    Raises:
      UserError: in one sentence, if there is no text.
    """
    where = Path(path).expanduser()
    if not where.exists():
        beside = where.parent.iterdir() if where.parent.is_dir() else []
        names = [str(p) for p in beside if p.is_dir() or p.suffix in TEXT_ENDINGS]
        raise UserError(f"{path} is not there{nearest(str(where), names)}")
    files = text_files(where)
    if not files:
        raise UserError(f"{path} has no text: expected files ending in {either(TEXT_ENDINGS)}")
    documents = [lines_of(file) for file in files]
    if not any(line.strip() for lines in documents for line in lines):
        raise UserError(f"{path} is empty: expected text")
    return documents


def text_files(where: Path) -> list[Path]:
    """The text file `where`, or those of the folder, by name."""
    if not where.is_dir():
        return [where]
    return sorted(p for p in where.rglob("*") if p.is_file() and p.suffix in TEXT_ENDINGS)


def _pieces(lines: tuple[str, ...]) -> list[tuple[str, ...]]:
    """A document as up to `PIECES` pieces of equally many lines, of which long ones are cut."""
    total = sum(map(len, lines))
    most = max(total // PIECES, SHORTEST)
    cut = (_cut(line, most) if len(line) > LONG * total else [line] for line in lines)
    lines = tuple(itertools.chain.from_iterable(cut))
    edges = np.linspace(0, len(lines), min(PIECES, len(lines)) + 1).astype(int)
    return [lines[a:b] for a, b in itertools.pairwise(edges)]


def _cut(line: str, most: int) -> list[str]:
    """Pieces of at most `most` characters that begin with a space, where there is one."""
    pieces, start = [], 0
    while len(line) - start > most:
        space = line.rfind(" ", start + 1, start + most + 1)
        end = space if space > 0 else start + most
        pieces.append(line[start:end])
        start = end
    return [*pieces, line[start:]]


def _parted(documents: list[tuple[str, ...]], test_fraction: float, origin: str) -> Corpus:
    """Split whole documents by one fixed shuffle: a share for testing, as much for validation, and
    the rest for training."""
    if len(documents) < FEWEST:
        raise UserError(
            f"{origin} has {len(documents)} piece{'s' * (len(documents) != 1)} of text, expected "
            f"at least {FEWEST}: documents, lines, or {SHORTEST} characters of a long one"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(len(documents))
    sizes = np.array([sum(map(len, documents[i])) for i in order])
    end = np.cumsum(sizes) / max(sizes.sum(), 1)
    part = np.where(end <= 1 - 2 * test_fraction, 0, np.where(end <= 1 - test_fraction, 1, 2))
    part[0], part[-2:] = 0, np.maximum(part[-2:], (1, 2))

    def joined(which: int) -> Iterator[str]:
        for place in np.flatnonzero(part == which):
            yield from documents[order[place]]

    return Corpus(*(tuple(joined(which)) for which in range(3)), origin)
