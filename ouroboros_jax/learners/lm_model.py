"""The decoder that the settings of a language model's chain describe."""

import dataclasses
from functools import lru_cache

from ouroboros_jax.base import Params
from ouroboros_jax.data.text import Text
from ouroboros_jax.errors import UserError
from ouroboros_jax.models.checkpoints import Checkpoint, files_of, load
from ouroboros_jax.models.decoder_config import DecoderConfig
from ouroboros_jax.stamps import Stamp, stamp_of

DECODER = (  # the settings of `lm` that `decoder_of` takes
    "checkpoint",
    "family",
    "num_layers",
    "num_heads",
    "width",
    "ffn_width",
    "dropout",
    "prompts",
)


@lru_cache(maxsize=1)
def _loaded(checkpoint: str, stamp: Stamp) -> Checkpoint:
    """A checkpoint; loaded again only when its files have changed."""
    del stamp
    return load(checkpoint)


def decoder_of(
    text: Text,
    *,
    checkpoint: str,
    family: str,
    num_layers: int,
    num_heads: int,
    width: int,
    ffn_width: int,
    dropout: float | None,
    prompts: str,
) -> tuple[DecoderConfig, Params | None]:
    """The model of a learner's settings, and a checkpoint's parameters or None.

    Raises:
      UserError: for a checkpoint that does not fit the tokens, or their blocks.
    """
    block, tokenizer = text.validation.shape[1], text.tokenizer
    prompt = 1 if prompts == "none" else block
    initial = None
    if checkpoint:
        found = _loaded(checkpoint, stamp_of(files_of(checkpoint)))
        config, initial = found.config, found.params
        if tokenizer.size != config.vocab_size:
            raise UserError(
                f"data.tokenizer={tokenizer.name!r} has {tokenizer.size} tokens and "
                f"learner.checkpoint={checkpoint!r} {config.vocab_size}: leave data.tokenizer at "
                "'auto'"
            )
        if prompt + block > config.num_positions:
            raise UserError(
                f"prompts of {prompt} tokens and data.block={block} new ones are more than the "
                f"{config.num_positions} positions of learner.checkpoint={checkpoint!r}"
            )
    else:
        is_opt = family == "opt"
        # A padding token that also begins or ends texts is learnt like any other.
        pad = None if tokenizer.pad in (tokenizer.bos, tokenizer.eos) else tokenizer.pad
        config = DecoderConfig(
            vocab_size=tokenizer.size,
            num_positions=prompt + block,
            width=width,
            num_layers=num_layers,
            num_heads=num_heads,
            ffn_width=ffn_width or 4 * width,
            family=family,
            activation="relu" if is_opt else "gelu_new",
            position_offset=2 if is_opt else 0,
            embed_dropout=0.0,
            dropout=0.0,
            attention_dropout=0.0,
            bos=tokenizer.bos,
            eos=tokenizer.eos,
            pad=pad,
        )
    if dropout is not None:
        rates = dict.fromkeys(("embed_dropout", "dropout", "attention_dropout"), dropout)
        if config.family == "opt":
            rates = {"dropout": dropout}
        config = dataclasses.replace(config, **rates)
    return config, initial
