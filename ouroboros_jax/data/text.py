"""Text as blocks of tokens: WikiText-2, the user's own, or Python's reference text.

A point is a block of `block` tokens, in the narrowest integers that hold the vocabulary. Lines are
tokenised one by one, concatenated and cut into blocks; the remainder at the end is dropped. For
WikiText-2 this is done for every 1,000 lines of each of 4 parts, as in the code of Shumailov et al.
"""

import functools
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ouroboros_jax.data import corpora
from ouroboros_jax.data.base import RealData, hash_rows, subset
from ouroboros_jax.data.corpora import Corpus, NotAtHand
from ouroboros_jax.data.tokenizer import Tokenizer, make_tokenizer
from ouroboros_jax.errors import UserError
from ouroboros_jax.stamps import Stamp, stamp_of

LEAST = 2  # blocks that training needs at least
PARTS, LINES = 4, 1000  # of WikiText-2, in the published code


class Text(NamedTuple):
    """The tokenizer of a corpus, and validation blocks for choosing the best epoch."""

    tokenizer: Tokenizer
    validation: np.ndarray  # [N, T]


def wikitext2(
    *,
    dir: str | None = None,
    tokenizer: str = "auto",
    vocab_size: int = 0,
    block: int = 64,
    max_words: int = 0,
    num_blocks: int = 0,
    num_test: int | None = None,
    fallback: str = "",
) -> RealData:
    """WikiText-2 (Merity et al., 2016), the raw version if available.

    Raises:
      UserError: if it cannot be obtained and `fallback` is empty; lists the ways to get it.
    """
    folder = Path(dir).expanduser() if dir else None
    options = (tokenizer, vocab_size, block, max_words, num_blocks, num_test)
    try:
        return _real("wikitext2", ("wikitext2", folder), *options)
    except NotAtHand as error:
        why = str(error)
    ways = (
        "run where there is a network and pyarrow, set data.dir to a folder with "
        "wiki.train.raw, wiki.valid.raw and wiki.test.raw (or .tokens, gzipped or not), or set "
        "data.name to a text file or a folder of them"
    )
    if not fallback:
        raise UserError(
            f"data.name='wikitext2' is not at hand ({why}): {ways}; data.fallback='pydoc' goes on "
            "with Python's reference text"
        )
    note = f"wikitext2 IS NOT AT HAND ({why}): going on with Python's reference text. To have it, "
    real = _real("pydoc", ("pydoc",), *options)
    return real._replace(
        name="pydoc in place of wikitext2",
        origin=f"{real.origin}, since {why}",
        note="; ".join(filter(None, (note + ways, real.note))),
    )


def pydoc(
    *,
    tokenizer: str = "auto",
    vocab_size: int = 0,
    block: int = 64,
    max_words: int = 0,
    num_blocks: int = 0,
    num_test: int | None = None,
) -> RealData:
    """The reference text that comes with Python, about half a million characters."""
    options = (tokenizer, vocab_size, block, max_words, num_blocks, num_test)
    return _real("pydoc", ("pydoc",), *options)


def text_file(
    path: str,
    *,
    tokenizer: str = "auto",
    vocab_size: int = 0,
    block: int = 64,
    max_words: int = 0,
    num_blocks: int = 0,
    num_test: int | None = None,
) -> RealData:
    """A text file, or a folder of them.

    Raises:
      UserError: in one sentence, if there is no such text.
    """
    options = (tokenizer, vocab_size, block, max_words, num_blocks, num_test)
    return _real(path, ("text_file", path), *options)


def text(
    *,
    dir: str | None = None,
    tokenizer: str = "auto",
    vocab_size: int = 0,
    block: int = 64,
    max_words: int = 0,
    num_blocks: int = 0,
    num_test: int | None = None,
) -> RealData:
    """All text files of the folder `dir`."""
    if dir is None:
        raise UserError("data.name='text' is the text of a folder: set data.dir to it")
    return text_file(
        dir,
        tokenizer=tokenizer,
        vocab_size=vocab_size,
        block=block,
        max_words=max_words,
        num_blocks=num_blocks,
        num_test=num_test,
    )


def _files(source: str, *where) -> list[Path]:
    """The files that a corpus is read from."""
    if source == "wikitext2":
        return corpora.wiki_files(*where)
    if source == "text_file":
        return corpora.text_files(Path(*where).expanduser())
    return []


@functools.lru_cache(maxsize=4)
def _read(source: tuple, stamp: Stamp = ()) -> Corpus:
    """A corpus; read again only when its files have changed."""
    del stamp
    readers: dict[str, Callable[..., Corpus]] = {
        "wikitext2": corpora.wikitext2,
        "pydoc": corpora.pydoc,
        "text_file": corpora.text_file,
    }
    kind, *where = source
    return readers[kind](*where)


def _real(name: str, source: tuple, tokenizer: str, *options) -> RealData:
    """A corpus tokenised and cut into blocks; `source` tells how it is read."""
    stamps = [stamp_of(_files(*source))]
    folder = Path(tokenizer).expanduser()
    stamps += [stamp_of(sorted(folder.iterdir()))] if folder.is_dir() else []
    return _tokenised(name, source, tuple(stamps), tokenizer, *options)


@functools.lru_cache(maxsize=4)
def _tokenised(
    name, source, stamps, tokenizer, vocab_size, block, max_words, num_blocks, num_test
) -> RealData:
    corpus = _read(source, stamps[0])
    if max_words:
        corpus = corpus._replace(train=first_words(corpus.train, max_words))
    kind = "bpe" if tokenizer == "auto" else tokenizer
    chosen = make_tokenizer(kind, vocab_size, corpus.train)
    grouped = published_blocks if source[0] == "wikitext2" else blocks
    train, valid, test = (
        grouped(chosen.encode(lines), block, chosen.dtype)
        for lines in (corpus.train, corpus.valid, corpus.test)
    )
    train = train[: num_blocks or None]
    if len(train) < max(LEAST, num_blocks):
        raise UserError(
            f"{name} has {len(train)} blocks of data.block={block} tokens to train on, expected "
            f"at least {max(LEAST, num_blocks)}"
        )
    for held_out, what in ((valid, "validate"), (test, "test")):
        if not len(held_out):
            raise UserError(
                f"{name} has no block of data.block={block} tokens to {what} on: expected a longer "
                "text, or a smaller data.block"
            )
    if num_test is not None and num_test > len(test):
        raise UserError(
            f"data.num_test={num_test} is more than the {len(test)} blocks that {name} has to "
            "test on"
        )
    size, note = chosen.size, ""
    if kind == "bpe" and vocab_size > size:
        note = f"data.vocab_size={vocab_size} is more than the text gives: a bpe of {size} tokens"
    return RealData(
        draw=subset,
        truth=None,
        table=train,
        test=test[:num_test],
        name=name,
        origin=corpus.origin,
        sha256=hash_rows(train, valid, test),
        shape=(block,),
        dtype=chosen.dtype,
        note=note,
        text=Text(chosen, valid),
    )


def blocks(lines: list[list[int]], block: int, dtype) -> np.ndarray:
    """Tokens of lines, concatenated and cut into blocks `[N, block]`; the remainder is dropped."""
    flat = np.fromiter((token for line in lines for token in line), dtype)
    num = len(flat) // block
    return flat[: num * block].reshape(num, block)


def published_blocks(lines: list[list[int]], block: int, dtype) -> np.ndarray:
    """As `blocks`, of every `LINES` lines of each of `PARTS` parts on their own."""
    parts = min(PARTS, max(1, len(lines)))
    whole, rest = divmod(len(lines), parts)
    edges = [whole * i + min(i, rest) for i in range(parts + 1)]
    return np.concatenate(
        [
            blocks(lines[first : min(first + LINES, stop)], block, dtype)
            for start, stop in pairwise(edges)
            for first in range(start, stop, LINES)
        ]
        or [blocks([], block, dtype)]
    )


def first_words(lines: tuple[str, ...], num: int) -> tuple[str, ...]:
    """The lines that hold the first `num` words, the last line cut after these."""
    kept, left = [], num
    for line in lines:
        words = line.split()
        if len(words) >= left:
            kept.append(" ".join(words[:left]) + "\n")
            break
        kept.append(line)
        left -= len(words)
    return tuple(kept)
