"""The shape of a decoder of the GPT-2 or OPT family."""

import dataclasses
from typing import Any, Literal

from ouroboros_jax.errors import UserError, listed

ACTIVATIONS = ("gelu_new", "gelu", "relu", "silu", "tanh")
SAME = {  # other names of the same functions
    "gelu_pytorch_tanh": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_python": "gelu",
    "swish": "silu",
}
LIMITS = {  # a number in a config beyond these is taken for a mistake
    "vocab_size": 2**24,
    "num_positions": 2**20,
    "width": 2**16,
    "embed_width": 2**16,
    "num_layers": 2**10,
    "num_heads": 2**10,
    "ffn_width": 2**18,
}
MOST_STD = 100


class FieldError(UserError):
    """A field with a value that no model has, and what was expected."""

    def __init__(self, field: str, value: Any, expected: str):
        super().__init__(f"{field} is {value!r}, expected {expected}")
        self.field, self.value, self.expected = field, value, expected


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
    """A decoder: learned positions, L blocks of attention and a two-layer network, a head.

    `position_offset` rows of the position table precede position 0 (OPT: 2). `norm_first` puts the
    layer norms before attention and network (all but OPT-350m), `final_norm` one after the last
    block. Embeddings of `embed_width` other than `width` are projected in and out.
    """

    vocab_size: int  # V
    num_positions: int
    width: int  # D
    num_layers: int
    num_heads: int
    ffn_width: int
    family: Literal["gpt2", "opt"] = "gpt2"
    embed_width: int | None = None  # None: `width`
    activation: str = "gelu_new"
    norm_first: bool = True
    final_norm: bool = True
    norm_eps: float = 1e-5
    norm_affine: bool = True
    use_bias: bool = True
    position_offset: int = 0
    scale_attention: bool = True  # by 1 / sqrt(D / heads)
    scale_by_layer: bool = False  # and by 1 / (layer + 1)
    tied: bool = True  # the head is the embedding
    embed_dropout: float = 0.1
    dropout: float = 0.1  # after attention and network
    attention_dropout: float = 0.1
    layer_dropout: float = 0.0  # of whole blocks
    init_std: float = 0.02
    bos: int | None = None  # the token a text begins with
    eos: int | tuple[int, ...] | None = None  # the token, or tokens, that end one
    pad: int | None = None

    def __post_init__(self):
        if isinstance(self.activation, str):
            object.__setattr__(self, "activation", SAME.get(self.activation, self.activation))
        if self.embed_width is None:
            object.__setattr__(self, "embed_width", self.width)
        for name, most in LIMITS.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise FieldError(name, value, f"a whole number from 1 to {most}")
        if self.width % self.num_heads:
            raise FieldError("num_heads", self.num_heads, f"a divisor of the width {self.width}")
        if self.activation not in ACTIVATIONS:
            raise FieldError("activation", self.activation, listed(ACTIVATIONS))
        for name in ("embed_dropout", "dropout", "attention_dropout", "layer_dropout"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value <= 1:
                raise FieldError(name, value, "a share from 0 to 1")
        for name, tokens in (("bos", (self.bos,)), ("eos", self.ends), ("pad", (self.pad,))):
            for token in tokens:
                is_number = isinstance(token, int) and not isinstance(token, bool)
                if token is not None and not (is_number and 0 <= token < self.vocab_size):
                    raise FieldError(name, token, f"one of the {self.vocab_size} tokens")
        if not isinstance(self.norm_eps, int | float) or not 0 < self.norm_eps < 1:
            raise FieldError("norm_eps", self.norm_eps, "a number above 0 and below 1")
        if not isinstance(self.init_std, int | float) or not 0 <= self.init_std <= MOST_STD:
            raise FieldError("init_std", self.init_std, f"a number from 0 to {MOST_STD}")

    @property
    def head_width(self) -> int:
        """Numbers in one head's key, D / heads."""
        return self.width // self.num_heads

    @property
    def ends(self) -> tuple[int, ...]:
        """The tokens that end a text."""
        return self.eos if isinstance(self.eos, tuple) else (self.eos,) * (self.eos is not None)

    @property
    def has_dropout(self) -> bool:
        """Whether training draws random numbers."""
        rates = self.embed_dropout, self.dropout, self.attention_dropout, self.layer_dropout
        return max(rates) > 0

    @property
    def untrained_row(self) -> int | None:
        """The token whose embedding no gradient reaches as an input: OPT's padding."""
        return self.pad if self.family == "opt" else None

    @property
    def projects(self) -> bool:
        """Whether embeddings are projected to another width."""
        return self.embed_width != self.width
