"""What a run's language models are scored on: a file of tokens, or text in the run's tokens."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ouroboros_jax.data.corpora import documents_of, wiki_test
from ouroboros_jax.data.files import read_npy, read_npz
from ouroboros_jax.data.text import blocks, published_blocks
from ouroboros_jax.data.tokenizer import Tokenizer
from ouroboros_jax.errors import UserError, listed, nearest
from ouroboros_jax.settings.data import DATA
from ouroboros_jax.settings.data.text import is_text_path

ARRAYS = (".npz", ".npy")


def blocks_to_score(
    data: str, folder: str | None, tokenizer: Tokenizer, block: int
) -> np.ndarray | None:
    """Blocks `[N, T]` of the run's tokens, all that a file or a folder holds.

    Args:
      data: a `.npz` or `.npy` file of tokens `[N, T]`, such as `sample` writes, whose rows are the
        blocks; or text, cut into blocks of `block` tokens as a run's own is: a file, or a folder,
        which is WikiText-2's test split if it holds that, and else all its text files.
      folder: where a file is looked for that is not where `data` says; may be None.
      tokenizer: the run's.
      block: tokens of the run's own blocks.

    Returns:
      The blocks, in the tokenizer's type; None if `data` is the name of a data set.

    Raises:
      UserError: for a file that is missing or holds no such tokens, a text shorter than a block.
    """
    if data in DATA:
        return None
    path = Path(data).expanduser()
    if folder is not None and not path.exists():
        path = Path(folder).expanduser() / path
    if path.suffix in ARRAYS:
        return _given(path, tokenizer, block)
    if not is_text_path(data) and not path.is_dir():
        return None
    published = wiki_test(path) if path.is_dir() else None
    if published is not None:
        return cut(published, tokenizer, block, published_blocks)
    lines = [line for document in documents_of(str(path)) for line in document]
    return cut(lines, tokenizer, block)


def cut(
    lines: Sequence[str], tokenizer: Tokenizer, block: int, grouped: Callable = blocks
) -> np.ndarray:
    """Blocks `[N, block]` of a text, of which `grouped` says what is cut together.

    Raises:
      UserError: if it has too few tokens for one.
    """
    found = grouped(tokenizer.encode(lines), block, tokenizer.dtype)
    if not len(found):
        raise UserError(f"the text has fewer than the {block} tokens of one block")
    return found


def _given(path: Path, tokenizer: Tokenizer, block: int) -> np.ndarray:
    """The rows of a file of tokens, which are checked to be such."""
    if not path.is_file():
        beside = path.parent.iterdir() if path.parent.is_dir() else []
        names = [str(other) for other in beside if other.suffix in ARRAYS]
        raise UserError(f"{path} is not there{nearest(str(path), names)}")
    arrays = read_npz(path) if path.suffix == ".npz" else {"data": read_npy(path, str(path))}
    if len(arrays) != 1:
        raise UserError(f"{path} holds {listed(arrays)}, expected one array of tokens")
    (tokens,) = arrays.values()
    if tokens.dtype.kind not in "iu":
        raise UserError(
            f"{path} holds numbers of type {tokens.dtype}, expected whole numbers: tokens"
        )
    if tokens.ndim != 2 or not tokens.size:
        raise UserError(
            f"{path} holds an array of shape {list(tokens.shape)}, expected tokens [N, T]"
        )
    if not min(2, block) <= tokens.shape[1] <= block:
        raise UserError(
            f"{path} holds blocks of {tokens.shape[1]} tokens, expected 2 to the {block} of the "
            "run's own"
        )
    if tokens.min() < 0 or tokens.max() >= tokenizer.size:
        raise UserError(
            f"{path} holds tokens from {tokens.min()} to {tokens.max()}, expected those of the "
            f"run's vocabulary, 0 to {tokenizer.size - 1}"
        )
    return tokens.astype(tokenizer.dtype)
