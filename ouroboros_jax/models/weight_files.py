"""The tensors of a checkpoint's folder, from whichever weight file exists."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ouroboros_jax.errors import UserError, listed
from ouroboros_jax.models.hf_layout import Style
from ouroboros_jax.models.torch_pickle import read_bin


class Format(NamedTuple):
    """A kind of weight file."""

    style: Style
    read: Callable[[Path], dict[str, np.ndarray]]


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path} is cut short or damaged: {error}") from None
    except (AttributeError, KeyError, TypeError) as error:  # a dtype that NumPy does not have
        raise UserError(f"{path} holds tensors of a kind that is not read: {error}") from None


def _read_msgpack(path: Path) -> dict[str, np.ndarray]:
    from flax import serialization

    try:
        tree = serialization.msgpack_restore(path.read_bytes())
    except Exception as error:  # a damaged file may raise anything
        raise UserError(f"{path} is cut short or damaged: {error}") from None
    flat: dict[str, np.ndarray] = {}
    _flatten(tree, (), flat, path)
    return flat


def _flatten(tree: Any, at: tuple[str, ...], flat: dict[str, np.ndarray], path: Path) -> None:
    if isinstance(tree, np.ndarray):
        flat[".".join(at)] = tree
        return
    if not isinstance(tree, dict):
        raise UserError(f"{path}: {'.'.join(at) or 'it'} is no array: expected arrays alone")
    for name, value in tree.items():
        _flatten(value, (*at, str(name)), flat, path)


FORMATS = {  # in the order in which they are tried
    "model.safetensors": Format("torch", _read_safetensors),
    "flax_model.msgpack": Format("flax", _read_msgpack),
    "pytorch_model.bin": Format("torch", read_bin),
}


def find_weights(folder: Path) -> str:
    """The name of a folder's weight file, or of its shards' index.

    Raises:
      UserError: if there is none.
    """
    for name in FORMATS:
        for candidate in (name, f"{name}.index.json"):
            if (folder / candidate).is_file():
                return candidate
    raise UserError(f"{folder} has no weights: expected one of {listed(FORMATS)}")


def weight_files_in(folder: Path) -> list[Path]:
    """All files of a folder that hold weights, and the indices of shards."""
    found = []
    for name in FORMATS:
        index = folder / f"{name}.index.json"
        if index.is_file():
            found += [index, *shards_of(index)]
        found += [folder / name]
    return [path for path in found if path.is_file()]


def read_weights(path: Path) -> tuple[dict[str, np.ndarray], Style]:
    """Tensors by name, and the style of their names and layouts, of a file or an index of shards.

    Raises:
      UserError: for files that are missing, damaged, cut short or empty.
    """
    name = path.name.removesuffix(".index.json")
    form = FORMATS.get(name)
    if form is None:
        raise UserError(f"{path} is not a weight file: expected one of {listed(FORMATS)}")
    shards = [path] if name == path.name else shards_of(path)
    flat: dict[str, np.ndarray] = {}
    for shard in shards:
        try:
            tensors = form.read(shard)
        except OSError as error:
            raise UserError(f"{shard} cannot be read: {error.strerror or error}") from None
        if twice := [tensor for tensor in tensors if tensor in flat]:
            raise UserError(f"{shard} holds {twice[0]}, which another shard has as well")
        flat |= tensors
    if not flat:
        raise UserError(f"{path} holds no tensors")
    return flat, form.style


def shards_of(index: Path) -> list[Path]:
    """The files that an index names, in its folder and nowhere else."""
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(places.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{index} is no index of shards: {error!r}") from None
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[\w][\w.-]*", name):
            raise UserError(f"{index} names the shard {name!r}, expected a file beside it")
    return [index.parent / name for name in names]
