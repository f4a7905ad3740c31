"""Samples as files: arrays, tables, a grid of images, text."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ouroboros_jax.atomic import naming, replacing
from ouroboros_jax.errors import UserError, listed

SEPARATOR = "\n\n----\n\n"  # between texts
GAP = 2  # pixels between images
Decode = Callable[[Any], str]


def write_samples(out: Path, data: Any, decode: Decode | None = None) -> str:
    """Write points into a file of the kind given by its ending, whole or not at all.

    Args:
      out: a path that ends in one of `WRITERS`.
      data: the points, a pytree of arrays with a leading axis.
      decode: turns tokens `[T]` into text, if points are text.

    Returns:
      A description of what was written.

    Raises:
      UserError: for points that the kind of file cannot hold, a place that cannot be written.
    """
    arrays = named_arrays(data)
    with naming(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as temporary:
            return WRITERS[out.suffix](temporary, arrays, decode)


def named_arrays(data: Any) -> dict[str, np.ndarray]:
    """Points as named arrays: the fields of a dict or tuple, or else `data`."""
    if isinstance(data, dict):
        return {name: np.asarray(value) for name, value in data.items()}
    if isinstance(data, tuple):
        names = getattr(data, "_fields", None) or [f"data{i}" for i in range(len(data))]
        return {name: np.asarray(value) for name, value in zip(names, data, strict=True)}
    return {"data": np.asarray(data)}


def _npz(path: Path, arrays: Mapping[str, np.ndarray], decode: Decode | None) -> str:
    with path.open("wb") as stream:
        np.savez(stream, **arrays)
    return ", ".join(f"{name} {array.shape}" for name, array in arrays.items())


def _npy(path: Path, arrays: Mapping[str, np.ndarray], decode: Decode | None) -> str:
    array = _only(arrays)
    with path.open("wb") as stream:
        np.save(stream, array)
    return f"data {array.shape}"


def _csv(path: Path, arrays: Mapping[str, np.ndarray], decode: Decode | None) -> str:
    array = _only(arrays)
    np.savetxt(path, array.reshape(len(array), -1), delimiter=",", fmt="%.9g")
    return f"data {array.shape}"


def _only(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    if len(arrays) > 1:
        raise UserError(f"samples of {listed(arrays)} need a .npz file")
    return next(iter(arrays.values()))


def _png(path: Path, arrays: Mapping[str, np.ndarray], decode: Decode | None) -> str:
    from PIL import Image

    images = arrays.get("image", next(iter(arrays.values())))
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] not in (1, 3)):
        raise UserError(
            f"a .png file holds images, and the points of this run have shape {images.shape[1:]}: "
            "use a .npz file"
        )
    grid = image_grid(images)
    Image.fromarray(grid).save(path, format="PNG")
    return f"{len(images)} images of {images.shape[1]} x {images.shape[2]} pixels"


def image_grid(images: np.ndarray) -> np.ndarray:
    """Images `[N, H, W]` or `[N, H, W, 1 or 3]`, bytes or floats in [0, 1], in a near-square grid.

    Returns:
      uint8 `[rows * (H + 2) - 2, columns * (W + 2) - 2]`, with a last axis of 3 for colours; unused
      places and gaps are mid-grey, unlike any digit's background.
    """
    if images.dtype != np.uint8:
        images = np.round(255 * np.clip(np.nan_to_num(images), 0, 1)).astype(np.uint8)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    num, high, wide, *colours = images.shape
    columns = int(np.ceil(np.sqrt(num)))
    rows = -(-num // columns)
    shape = rows * (high + GAP) - GAP, columns * (wide + GAP) - GAP, *colours
    grid = np.full(shape, 128, np.uint8)
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        top, left = row * (high + GAP), column * (wide + GAP)
        grid[top : top + high, left : left + wide] = image
    return grid


def _txt(path: Path, arrays: Mapping[str, np.ndarray], decode: Decode | None) -> str:
    tokens = arrays.get("tokens", next(iter(arrays.values())))
    if decode is None or tokens.ndim != 2 or tokens.dtype.kind not in "iu":
        raise UserError("a .txt file holds text, and the points of this run are none: use .npz")
    path.write_text(SEPARATOR.join(decode(row) for row in tokens) + "\n", encoding="utf-8")
    return f"{len(tokens)} texts of {tokens.shape[1]} tokens"


WRITERS: dict[str, Callable[[Path, Mapping[str, np.ndarray], Decode | None], str]] = {
    ".npz": _npz,
    ".npy": _npy,
    ".csv": _csv,
    ".png": _png,
    ".txt": _txt,
}
