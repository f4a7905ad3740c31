"""Text of one tokenizer in the tokens of another."""

import numpy as np

from ouroboros_jax.data.scored import cut
from ouroboros_jax.data.tokenizer import Tokenizer


def translated(rows: np.ndarray, old: Tokenizer, new: Tokenizer, block: int) -> np.ndarray:
    """Blocks `[N, T]` of tokens of `old` as blocks of `block` tokens of `new`.

    Raises:
      UserError: if there are too few tokens for one block.
    """
    if old is new and rows.shape[1] == block:
        return rows
    return cut(old.decode(rows.reshape(-1).tolist()).splitlines(keepends=True), new, block)
