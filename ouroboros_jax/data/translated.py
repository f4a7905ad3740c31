"""Text of one tokenizer in the tokens of another."""

import numpy as np

from ouroboros_jax.data.text import blocks
from ouroboros_jax.data.tokenizer import Tokenizer
from ouroboros_jax.errors import UserError


def translated(rows: np.ndarray, old: Tokenizer, new: Tokenizer, block: int) -> np.ndarray:
    """Blocks `[N, T]` of tokens of `old` as blocks of `block` tokens of `new`.

    Raises:
      UserError: if there are too few tokens for one block.
    """
    if old is new and rows.shape[1] == block:
        return rows
    lines = old.decode(rows.reshape(-1).tolist()).splitlines(keepends=True)
    found = blocks(new.encode(lines), block, new.dtype)
    if not len(found):
        raise UserError(f"the text has fewer than the {block} tokens of one block")
    return found
