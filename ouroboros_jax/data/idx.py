"""Raw IDX files, the format of MNIST and its successors, compressed or not.

A file is four bytes of magic (0, 0, a type, the number of axes), the axes' lengths as big-endian
int32, and the numbers. Both sets of a folder are read: training and test images with labels.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ouroboros_jax.errors import UserError

NUM_CLASSES = 10
UNSIGNED_BYTE = 8  # the type of MNIST's files; other types hold no pixels
GZIP = b"\x1f\x8b"
PARTS = (("train", "images"), ("train", "labels"), ("t10k", "images"), ("t10k", "labels"))


class Labelled(NamedTuple):
    """Images of one size with their classes."""

    images: np.ndarray  # [N, H, W], uint8, or float32 in [0, 1]
    labels: np.ndarray  # int32 [N], 0 to 9


def find_idx(folder: Path) -> dict[tuple[str, str], Path]:
    """Files of a folder that are named like MNIST's, by (set, content).

    For example `train-images-idx3-ubyte`, with a dot before `idx3` in older copies, or with `.gz`.
    """
    found: dict[tuple[str, str], Path] = {}
    for part in PARTS:
        axes = {"images": 3, "labels": 1}[part[1]]
        names = [f"{part[0]}-{part[1]}{dot}idx{axes}-ubyte" for dot in "-."]
        paths = [folder / f"{name}{end}" for name in names for end in ("", ".gz")]
        if there := [path for path in paths if path.is_file()]:
            found[part] = there[0]
    return found


def read_folder(folder: Path) -> tuple[Labelled, Labelled]:
    """Training and test set of a folder of four IDX files.

    Raises:
      UserError: in one sentence, if a file is missing, damaged or of another kind.
    """
    found = find_idx(folder)
    if missing := [part for part in PARTS if part not in found]:
        axes = {"images": 3, "labels": 1}
        names = [f"{which}-{what}-idx{axes[what]}-ubyte" for which, what in missing]
        raise UserError(f"{folder} lacks {', '.join(names)} (or with .gz): expected all four files")
    train, test = (
        labelled(
            read_idx(found[which, "images"], 3),
            read_idx(found[which, "labels"], 1),
            str(found[which, "images"]),
        )
        for which in ("train", "t10k")
    )
    if train.images.shape[1:] != test.images.shape[1:]:
        raise UserError(
            f"{folder} holds training images of {size(train.images)} pixels and test images of "
            f"{size(test.images)}: expected one size"
        )
    return train, test


def read_idx(path: Path, num_axes: int) -> np.ndarray:
    """The bytes of one IDX file, uint8 with `num_axes` axes.

    Raises:
      UserError: a wrong magic number, a file cut short or too long, gzip that does not unpack.
    """
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == GZIP else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged or cut short (gzip: {error})") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    expected = bytes([0, 0, UNSIGNED_BYTE, num_axes])
    if raw[:4] != expected:
        raise UserError(
            f"{path} begins with the magic number 0x{raw[:4].hex() or '0'}, expected "
            f"0x{expected.hex()}: {num_axes} axes of unsigned bytes"
        )
    start = 4 + 4 * num_axes
    shape = tuple(int(n) for n in np.frombuffer(raw[4:start].ljust(4 * num_axes), ">i4"))
    if min(shape) < 1 or len(raw) - start != math.prod(shape):
        raise UserError(
            f"{path} holds {max(len(raw) - start, 0):,} bytes of numbers, expected "
            f"{' x '.join(map(str, shape))} as its head says"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def labelled(images: np.ndarray, labels: np.ndarray, name: str) -> Labelled:
    """Images [N, H, W] or [N, H, W, 1] and labels [N], checked.

    Args:
      images: unsigned bytes, or floats in [0, 1].
      labels: whole numbers from 0 to 9.
      name: what to call them in a refusal.

    Raises:
      UserError: in one sentence.
    """
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3 or not images.size:
        raise UserError(
            f"{name} holds images of shape {list(images.shape)}, expected [number, height, width] "
            "with one channel"
        )
    if images.dtype.kind == "f":
        if not (np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1):
            raise UserError(f"{name} holds pixels outside [0, 1], expected such floats or bytes")
        images = images.astype(np.float32)
    elif images.dtype != np.uint8:
        raise UserError(
            f"{name} holds pixels of type {images.dtype}, expected unsigned bytes or floats"
        )
    if labels.shape != images.shape[:1]:
        raise UserError(
            f"{name} holds {len(images):,} images and labels of shape {list(labels.shape)}: "
            "expected a label for each image"
        )
    if labels.dtype.kind not in "iuf":
        raise UserError(
            f"{name} has labels of type {labels.dtype}, expected whole numbers from 0 to "
            f"{NUM_CLASSES - 1}"
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= NUM_CLASSES:
        raise UserError(
            f"{name} has labels from {labels.min()} to {labels.max()}, expected whole numbers "
            f"from 0 to {NUM_CLASSES - 1}"
        )
    return Labelled(images, labels.astype(np.int32))


def size(images: np.ndarray) -> str:
    """`28 x 28`, of images [N, H, W]."""
    return " x ".join(map(str, images.shape[1:]))
