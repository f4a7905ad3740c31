"""Text to tokens and back: byte-level BPE, bytes, words, or a checkpoint's own tokenizer."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ouroboros_jax.errors import UserError, reason

END = "<|endoftext|>"
NUM_BYTES = 256
BPE_SIZE = 2048
BETWEEN_WORDS = r"[^\p{L}\p{N}_]+"
MARK = "▁"  # no part of a word
FILES = ("tokenizer.json", "tokenizer_config.json")
MANY = 1000  # lines passed to a tokenizer at once, or tokens


class Tokenizer(NamedTuple):
    """The meaning of token numbers, and the tokens that begin and end a text.

    `encode` gives the tokens of each line, `decode` the text of tokens, and `save(folder)` writes
    files that transformers reads.
    """

    name: str
    size: int  # V
    encode: Callable[[Sequence[str]], list[list[int]]]
    decode: Callable[[Sequence[int]], str]
    save: Callable[[Path], None]
    bos: int | None = None  # precedes the first token of a text
    eos: int | None = None
    pad: int | None = None
    checkpoint: str | None = None  # the checkpoint it belongs to

    def keep(self, folder: Path) -> None:
        """Write its files into `folder` unless they exist."""
        if not folder.exists():
            partial = folder.with_name(f".{folder.name}.partial")
            partial.mkdir(exist_ok=True)
            self.save(partial)
            partial.rename(folder)

    @property
    def dtype(self) -> np.dtype:
        """The narrowest integers that hold every token."""
        return np.dtype(np.min_scalar_type(self.size - 1))


def make_tokenizer(kind: str, size: int, lines: Sequence[str]) -> Tokenizer:
    """A tokenizer made from text, or a checkpoint's.

    Args:
      kind: `bpe` (trained on `lines`), `bytes`, `words` (those of `lines`), or a checkpoint's
        folder or hub id.
      size: the most tokens of a `bpe`, or the most `words`; 0: 2,048 for a `bpe`, and all words.
      lines: the training text.

    Raises:
      UserError: for a checkpoint without a usable tokenizer, text without words.
    """
    make = {"bpe": _bpe, "bytes": _bytes, "words": _words}
    return make[kind](size, lines) if kind in make else _of_checkpoint(kind)


def _bytes(size: int, lines: Sequence[str]) -> Tokenizer:
    """The 256 bytes, and the end of text: a BPE without merges."""
    del size, lines
    from tokenizers import Tokenizer as Inner
    from tokenizers import models

    inner = Inner(models.BPE({char: i for i, char in enumerate(_alphabet())}, []))
    inner.add_special_tokens([END])
    return _byte_level("bytes", inner)


def _bpe(size: int, lines: Sequence[str]) -> Tokenizer:
    """Byte-level BPE like GPT-2's, trained on text: the end of text, the bytes, and merges."""
    from tokenizers import Tokenizer as Inner
    from tokenizers import models, pre_tokenizers, trainers

    size = size or BPE_SIZE
    if size <= NUM_BYTES:
        raise UserError(f"data.vocab_size is {size}, expected at least {NUM_BYTES + 1} for a bpe")
    inner = Inner(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=_alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(lines, trainer, len(lines))
    return _byte_level("bpe", inner)


def _alphabet() -> list[str]:
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _byte_level(name: str, inner) -> Tokenizer:
    from tokenizers import decoders, pre_tokenizers

    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return _fast(name, inner)


def _fast(name: str, inner) -> Tokenizer:
    """A tokenizer of the library `tokenizers`, which may have a token that ends a text."""
    end = inner.token_to_id(END)

    def encode(lines: Sequence[str]) -> list[list[int]]:
        return [found.ids for found in inner.encode_batch(list(lines))]

    def decode(ids: Sequence[int]) -> str:
        return inner.decode([int(i) for i in ids], skip_special_tokens=False)

    def save(folder: Path) -> None:
        inner.save(str(folder / FILES[0]))
        about = {"tokenizer_class": "PreTrainedTokenizerFast"}
        if end is not None:
            about |= dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), END)
        (folder / FILES[1]).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")

    size = inner.get_vocab_size()  # of a bpe perhaps fewer than asked for: the text has no more
    return Tokenizer(name, size, encode, decode, save, end, end, end)


def _words(size: int, lines: Sequence[str]) -> Tokenizer:
    """Lower-cased words, separated by anything but letters, digits and underscores, the most
    frequent first; words beyond `size` are left out.

    For transformers it is a BPE without merges whose every token begins with a mark: of a word that
    is none of them no part is one either, so that nothing stands in its place.

    References:
      Suresh et al., 2024 (arXiv 2412.17646): their preparation of WikiText-2.
    """
    from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers
    from tokenizers import Tokenizer as Inner

    spaced = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(BETWEEN_WORDS), " "),
            normalizers.Strip(),
        ]
    )
    counts = Counter(word for line in lines for word in spaced.normalize_str(line).split())
    if not counts:
        raise UserError("the training text has no words")
    ordered = sorted(counts, key=lambda word: (-counts[word], word))[: size or None]
    tokens = {MARK + word: i for i, word in enumerate(ordered)}
    inner = Inner(models.BPE(tokens, [], ignore_merges=True))
    inner.normalizer = spaced
    inner.pre_tokenizer = pre_tokenizers.Metaspace(MARK)
    inner.decoder = decoders.Metaspace(MARK)
    return _fast("words", inner)


def _of_checkpoint(checkpoint: str) -> Tokenizer:
    from ouroboros_jax.models.hf_config import CONFIG, read_config
    from ouroboros_jax.models.hub import find_folder

    folder = find_folder(checkpoint)
    config = read_config(folder / CONFIG)
    inner = _load(folder, checkpoint)
    own = inner.decode(list(range(min(MANY, len(inner)))), skip_special_tokens=True)
    is_empty = not inner(own, add_special_tokens=False)["input_ids"]  # it has special tokens alone
    if is_empty or len(inner) > config.vocab_size:
        raise UserError(
            f"the tokenizer of {checkpoint!r} has {len(inner)} tokens and its model "
            f"{config.vocab_size}: its folder lacks tokenizer.json, or vocab.json and merges.txt"
        )
    # A bare OPT vocabulary begins texts with a different token than its model.
    begins = [config.bos] if config.family == "opt" and config.bos is not None else []

    def encode(lines: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = []
        for at in range(0, len(lines), MANY):
            batch = inner(list(lines[at : at + MANY]), add_special_tokens=False, verbose=False)
            ids += [begins + list(line) for line in batch["input_ids"]]
        return ids

    def decode(ids: Sequence[int]) -> str:
        return inner.decode([int(i) for i in ids])

    def save(folder: Path) -> None:
        if begins and inner.bos_token_id != config.bos:
            _tell_begin(inner, config.bos, config.pad)
        inner.save_pretrained(folder)

    eos = next(iter(config.ends), None)
    pad = eos if config.pad is None else config.pad
    return Tokenizer(
        *(checkpoint, config.vocab_size, encode, decode, save, config.bos, eos, pad),
        checkpoint=checkpoint,
    )


def _tell_begin(inner, bos: int, pad: int | None) -> None:
    """Make a bare vocabulary begin, end and pad texts with the tokens of its model."""
    inner.bos_token = inner.eos_token = inner.unk_token = inner.convert_ids_to_tokens(bos)
    if pad is not None:
        inner.pad_token = inner.convert_ids_to_tokens(pad)
    inner.add_bos_token = True


def _load(folder: Path, checkpoint: str):
    """The checkpoint's tokenizer, quietly."""
    import logging
    import os

    # Silences the warning that torch is missing.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import AutoTokenizer

    logger = logging.getLogger("transformers")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # of many kinds: a missing, a damaged or an unknown tokenizer
        why = reason(error)
        raise UserError(f"{checkpoint!r} has no tokenizer that can be read: {why}") from None
    finally:
        logger.setLevel(before)
