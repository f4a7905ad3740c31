"""Data sets of text: WikiText-2, files of the user's own, Python's reference text."""

import os

from ouroboros_jax.errors import UserError
from ouroboros_jax.settings.data.common import (
    NUM_TEST,
    ROWS_APART,
    data_settings,
    fallback,
    path_check,
)
from ouroboros_jax.settings.setting import Entry, Point, Setting

ENDINGS = (".txt", ".md", ".rst", ".raw", ".tokens", ".txt.gz", ".raw.gz", ".tokens.gz")
_TEXT = {
    "tokenizer": Setting(
        "auto",
        "bpe (trained on the text), bytes, words (lower-cased), or a checkpoint's: a folder or "
        "hub id; auto: that of learner.checkpoint, or else bpe",
    ),
    "vocab_size": Setting(
        0, "size of the vocabulary: most tokens of bpe, most words of words; 0: 2048, or all", low=0
    ),
    "block": Setting(64, "tokens in a block, T; a block is a point", low=1),
    "num_blocks": Setting(0, "train on the first n blocks only; 0: on all", low=0),
    "max_words": Setting(0, "train on the first n words only; 0: on all", low=0),
    "num_test": NUM_TEST._replace(
        default=None,
        help="number of blocks of the test text for the metrics; None: all",
        optional=True,
        kinds=(int,),
    ),
}


def is_text_path(name: str) -> bool:
    """Whether a data set's name is a path to a text file."""
    return name.endswith(ENDINGS)


def _check_folder(point: Point) -> None:
    if not point["data.dir"] or not os.path.isdir(os.path.expanduser(point["data.dir"])):
        raise UserError(
            f"data.name='text' is the text of a folder: expected it as data.dir, which is "
            f"{point['data.dir']!r}"
        )


def _resolve_tokenizer(point: Point) -> dict[str, str]:
    """By default the tokenizer is that of the learner's checkpoint, if it has one."""
    checkpoint = point.get("learner.checkpoint")
    is_auto = point["data.tokenizer"] == "auto"
    return {"tokenizer": checkpoint} if is_auto and checkpoint else {}


TEXT_FILE = Entry(
    "ouroboros_jax.data.text:text_file",
    "text of your own: a path to a file in UTF-8, gzipped or not",
    data_settings(**_TEXT),
    check=path_check("a text file", ENDINGS),
    apart=ROWS_APART,
    resolve=_resolve_tokenizer,
    kind="tokens",
)
TEXTS = {
    "wikitext2": Entry(
        "ouroboros_jax.data.text:wikitext2",
        "WikiText-2, two million words of Wikipedia, from data.dir or the Hugging Face hub",
        data_settings(**_TEXT, fallback=fallback("pydoc")),
        apart=("num_samples",),
        resolve=_resolve_tokenizer,
        kind="tokens",
    ),
    "text": Entry(
        "ouroboros_jax.data.text:text",
        "all text files of the folder data.dir",
        data_settings(**_TEXT),
        check=_check_folder,
        apart=("num_samples",),
        resolve=_resolve_tokenizer,
        kind="tokens",
    ),
    "pydoc": Entry(
        "ouroboros_jax.data.text:pydoc",
        "the reference text that comes with Python; needs no download",
        data_settings(**_TEXT),
        apart=ROWS_APART,
        resolve=_resolve_tokenizer,
        kind="tokens",
    ),
    "text_file": TEXT_FILE,
}
