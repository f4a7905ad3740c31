"""How text is decoded: static settings, and settings that may be traced."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax

METHODS = ("sample", "greedy", "beam")


class Plan(NamedTuple):
    """Static settings."""

    max_new_tokens: int  # N
    min_new_tokens: int = 0  # no text ends before this many
    method: Literal["sample", "greedy", "beam"] = "sample"
    num_beams: int = 1  # W; 1 unless `method` is "beam"
    eos: int | Sequence[int] | None = None  # tokens that end a text; None: nothing does
    # Fills the row after the end, see `fill`; None: the first of the tokens that end a text.
    pad: int | None = None

    @property
    def ends(self) -> tuple[int, ...]:
        """The tokens that end a text."""
        if self.eos is None:
            return ()
        return tuple(self.eos) if isinstance(self.eos, Sequence) else (self.eos,)

    @property
    def fill(self) -> int:
        """The token that fills a row after the end; for beams a `pad` of 0 is none, as in
        transformers."""
        is_none = self.pad is None or (self.pad == 0 and self.method == "beam")
        return (*self.ends, 0)[0] if is_none else self.pad

    @property
    def can_end(self) -> bool:
        """Whether a row may end before it has all its tokens."""
        return bool(self.ends) and self.min_new_tokens < self.max_new_tokens


class Knobs(NamedTuple):
    """Settings of one chain that may be traced; the defaults are neutral."""

    temperature: jax.Array | float = 1.0  # above 0
    top_k: jax.Array | int = 0  # 0: all tokens
    top_p: jax.Array | float = 1.0
    repetition_penalty: jax.Array | float = 1.0
    length_penalty: jax.Array | float = 1.0  # beams: scores are divided by length^this


class Generated(NamedTuple):
    """Continuations, and their scores if they come from beams."""

    tokens: jax.Array  # int32 [B, N]
    scores: jax.Array | None = None  # float32 [B], beams only: log-probability / length^penalty
