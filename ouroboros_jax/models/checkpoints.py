"""Published checkpoints in, ours out: `load` and `export`."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from ouroboros_jax.atomic import naming
from ouroboros_jax.errors import UserError
from ouroboros_jax.models.decoder_config import DecoderConfig
from ouroboros_jax.models.hf_config import (
    CONFIG,
    GENERATION,
    config_fields,
    generation_fields,
    read_config,
)
from ouroboros_jax.models.hf_layout import to_flat, to_tree
from ouroboros_jax.models.hub import find_folder
from ouroboros_jax.models.weight_files import (
    find_weights,
    read_weights,
    shards_of,
    weight_files_in,
)

WEIGHTS = "model.safetensors"  # the name of the file that is written


class Checkpoint(NamedTuple):
    """A model and its parameters, float32 NumPy arrays."""

    config: DecoderConfig
    params: dict[str, Any]
    folder: Path


def load(checkpoint: str, weights: str | None = None) -> Checkpoint:
    """A checkpoint of the GPT-2 or OPT family.

    Args:
      checkpoint: a folder, or an id of the Hugging Face hub (`gpt2`, `facebook/opt-125m`).
      weights: which of the folder's weight files; by default safetensors before msgpack before
        `.bin`.

    Raises:
      UserError: in one sentence, for files that are missing, damaged, hostile or do not fit.
    """
    folder = find_folder(checkpoint)
    config = read_config(folder / CONFIG)
    path = folder / (weights or find_weights(folder))
    flat, style = read_weights(path)
    try:
        return Checkpoint(config, to_tree(config, flat, style), folder)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def files_of(checkpoint: str) -> list[Path]:
    """The files of a checkpoint that decide what it is: configs and weights, shards included.

    Raises:
      UserError: if it is neither a folder nor to be had from the hub.
    """
    folder = find_folder(checkpoint)
    index = folder / find_weights(folder)
    weights = [index, *shards_of(index)] if index.suffix == ".json" else [index]
    return [path for path in (folder / CONFIG, folder / GENERATION, *weights) if path.is_file()]


def export(
    config: DecoderConfig, params: dict[str, Any], folder: str | Path, tokenizer: Any = None
) -> None:
    """Write a folder that transformers loads: configs, model.safetensors, the tokenizer.

    Args:
      config: the model.
      params: its parameters.
      folder: created if missing; a checkpoint in it is replaced, weights of other formats included.
      tokenizer: has `save(folder)`; None: none is written.

    Raises:
      UserError: if `folder` cannot be such a folder, or be written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, expected a folder to write to")
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _write(config, params, folder, tokenizer)


def _write(config: DecoderConfig, params: dict[str, Any], folder: Path, tokenizer: Any) -> None:
    from safetensors.numpy import save_file

    partial = folder / ".export.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    save_file(to_flat(config, params), partial / WEIGHTS, {"format": "pt"})
    for name, fields in (
        (CONFIG, config_fields(config)),
        (GENERATION, generation_fields(config)),
    ):
        text = json.dumps(fields, indent=2, sort_keys=True)
        (partial / name).write_text(text + "\n", encoding="utf-8")
    if tokenizer is not None:
        tokenizer.save(partial)
    stale = weight_files_in(folder)
    for path in partial.iterdir():
        path.replace(folder / path.name)
    partial.rmdir()
    for path in stale:
        if path.name != WEIGHTS:
            path.unlink(missing_ok=True)
