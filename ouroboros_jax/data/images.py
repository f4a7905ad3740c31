"""Images with labels: MNIST and its kin, files of the user's own, scikit-learn's digits.

A point is `{"image": [H, W, 1], "label": int}`. Images are bytes from 0 to 255 if `data.dtype` is
uint8, else floats from 0 to 1; held-out images are always floats.
"""

import functools
from pathlib import Path

import numpy as np

from ouroboros_jax.data import tfds_images
from ouroboros_jax.data.base import SPLIT_SEED, RealData, hash_rows, subset
from ouroboros_jax.data.files import read_npz
from ouroboros_jax.data.idx import Labelled, find_idx, labelled, read_folder, size
from ouroboros_jax.data.tables import bundled
from ouroboros_jax.errors import UserError, listed
from ouroboros_jax.schedule import count_share

FALLBACK = "digits, upsampled to 28 x 28 pixels"
TEST_FRACTION = 0.2  # held out if a data set has no test set of its own
NPZ_NAMES = (("x_train", "y_train", "x_test", "y_test"), ("image", "label", "", ""))
IDX_FOLDERS = {
    "mnist": ("mnist",),
    "fashion_mnist": ("fashion_mnist", "fashion-mnist"),
    "kmnist": ("kmnist",),
}

FIRST_LABELS = {  # of the training images as published, whose files bear the same names
    "mnist": (5, 0, 4, 1, 9, 2, 1, 3, 1, 4),
    "fashion_mnist": (9, 0, 0, 3, 0, 2, 7, 2, 5, 5),
    "kmnist": (8, 7, 0, 1, 4, 2, 4, 8, 1, 1),
}


def named(
    name: str, *, dir: str | None, dtype: str, num_test: int | None, fallback: str
) -> RealData:
    """A data set of TensorFlow Datasets, or of IDX files in `dir` or its folder of that name.

    Raises:
      UserError: if it cannot be obtained and `fallback` is empty; lists the ways to get it.
    """
    folder = Path(dir).expanduser() if dir else tfds_images.default_dir()
    sets, origin = _load(name, folder)
    if sets is not None:
        return _real(name, *sets, origin=origin, dtype=dtype, num_test=num_test)
    ways = (
        f"let TensorFlow Datasets download it where there is a network, put its four IDX files "
        f"in {folder} (data.dir), or set data.name to an .npz file with "
        f"{listed(NPZ_NAMES[0])}"
    )
    if not fallback:
        raise UserError(
            f"data.name={name!r} is not at hand ({origin}): {ways}; data.fallback='digits' goes "
            "on with scikit-learn's digits"
        )
    note = f"{name} IS NOT AT HAND ({origin}): going on with {FALLBACK}. To have it, {ways}"
    real = digits(dtype=dtype)
    return real._replace(
        name=f"digits in place of {name}", origin=f"{real.origin}, since {origin}", note=note
    )


@functools.lru_cache(maxsize=2)
def _load(name: str, folder: Path) -> tuple[tuple[Labelled, Labelled] | None, str]:
    """Training and test set, and their origin; or None and the reason. Cached."""
    for place in (folder, *(folder / inner for inner in IDX_FOLDERS[name])):
        if find_idx(place):
            sets = read_folder(place)
            _check_which(name, sets[0], place)
            return sets, f"IDX files in {place.resolve()}"
    try:
        return tfds_images.load(name, folder), f"tensorflow_datasets {name} in {folder}"
    except tfds_images.Unavailable as error:
        return None, f"{folder} has neither IDX files nor a prepared data set, and {error}"


def _check_which(name: str, train: Labelled, place: Path) -> None:
    """Refuse files of another data set, whose names are the same."""
    begins = tuple(train.labels[:10].tolist())
    other = next((other for other, labels in FIRST_LABELS.items() if labels == begins), name)
    if other != name:
        raise UserError(f"{place} holds {other}: expected the IDX files of data.name={name!r}")


def mnist(
    *,
    dir: str | None = None,
    dtype: str = "float32",
    num_test: int | None = None,
    fallback: str = "",
) -> RealData:
    """70,000 handwritten digits (LeCun, Cortes and Burges, 1998)."""
    return named("mnist", dir=dir, dtype=dtype, num_test=num_test, fallback=fallback)


def fashion_mnist(
    *,
    dir: str | None = None,
    dtype: str = "float32",
    num_test: int | None = None,
    fallback: str = "",
) -> RealData:
    """70,000 pieces of clothing (Xiao, Rasul and Vollgraf, 2017)."""
    return named("fashion_mnist", dir=dir, dtype=dtype, num_test=num_test, fallback=fallback)


def kmnist(
    *,
    dir: str | None = None,
    dtype: str = "float32",
    num_test: int | None = None,
    fallback: str = "",
) -> RealData:
    """70,000 handwritten hiragana (Clanuwat et al., 2018)."""
    return named("kmnist", dir=dir, dtype=dtype, num_test=num_test, fallback=fallback)


def digits(*, dtype: str = "float32", num_test: int | None = None) -> RealData:
    """scikit-learn's 1,797 digits of 8 x 8 pixels (Kaynak, 1995), upsampled to 28 x 28.

    If more are asked for than there are training images, they are cycled through.
    """
    bunch = bundled("digits")
    weights = _cubic(8, 28)
    images = weights @ (bunch.images / 16) @ weights.T
    images = np.round(255 * np.clip(images, 0, 1)).astype(np.uint8)
    everything = labelled(images, bunch.target, "digits")
    train, test = _split(everything, num_test, "digits")
    origin = "sklearn.datasets.load_digits, 8 x 8 pixels upsampled to 28 x 28"
    real = _real("digits (28 x 28)", train, test, origin=origin, dtype=dtype)
    return real._replace(repeats=True)


def image_file(path: str, *, dtype: str = "float32", num_test: int | None = None) -> RealData:
    """Images of the user's own: a folder of IDX files, or an `.npz`.

    An `.npz` holds `x_train`, `y_train`, `x_test` and `y_test`; or `image` and `label`, some of
    which are then held out.

    Raises:
      UserError: in one sentence, if the file is missing or holds no such images.
    """
    where = Path(path).expanduser()
    origin = str(where.resolve())
    sets = read_folder(where) if where.is_dir() else _read_npz(where, num_test)
    return _real(str(path), *sets, origin=origin, dtype=dtype, num_test=num_test)


def _read_npz(path: Path, num_test: int | None) -> tuple[Labelled, Labelled]:
    arrays = read_npz(path)
    names = next((names for names in NPZ_NAMES if names[0] in arrays), NPZ_NAMES[0])
    if missing := [name for name in names if name and name not in arrays]:
        raise UserError(
            f"{path} holds {listed(arrays) if arrays else 'nothing'} and not {listed(missing)}: "
            f"expected {' or '.join(listed(n for n in names if n) for names in NPZ_NAMES)}"
        )
    train = labelled(arrays[names[0]], arrays[names[1]], str(path))
    if not names[2]:
        return _split(train, num_test, str(path))
    test = labelled(arrays[names[2]], arrays[names[3]], f"the test set of {path}")
    if train.images.shape[1:] != test.images.shape[1:]:
        raise UserError(
            f"{path} holds training images of {size(train.images)} pixels and test images of "
            f"{size(test.images)}: expected one size"
        )
    return train, test


def _split(everything: Labelled, num_test: int | None, name: str) -> tuple[Labelled, Labelled]:
    """Training and held-out images by one fixed shuffle, the same in every run."""
    num = len(everything.labels)
    num_test = count_share(TEST_FRACTION, num) if num_test is None else num_test
    if num - num_test < 2:
        raise UserError(
            f"data.num_test={num_test} of the {num} images of {name} are to be held out: expected "
            "at least 2 left to train on"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(num)
    test, train = order[:num_test], order[num_test:]
    return tuple(Labelled(everything.images[i], everything.labels[i]) for i in (train, test))


def _real(
    name: str,
    train: Labelled,
    test: Labelled,
    *,
    origin: str,
    dtype: str,
    num_test: int | None = None,
) -> RealData:
    """Images as real data; `num_test` limits the test set to its first images, None for all."""
    if num_test is not None and num_test > len(test.labels):
        raise UserError(
            f"data.num_test={num_test} is more than the {len(test.labels)} test images of {name}"
        )
    test = Labelled(test.images[:num_test], test.labels[:num_test])
    table = {"image": _pixels(train.images, dtype)[..., None], "label": train.labels}
    held_out = {"image": _pixels(test.images, "float32")[..., None], "label": test.labels}
    shape = {"image": table["image"].shape[1:], "label": ()}
    return RealData(
        draw=subset,
        truth=None,
        table=table,
        test=held_out,
        name=name,
        origin=origin,
        sha256=hash_rows(train.images, train.labels, test.images, test.labels),
        shape=shape,
        dtype={"image": dtype, "label": "int32"},
    )


def _pixels(images: np.ndarray, dtype: str) -> np.ndarray:
    """Bytes 0 to 255, or floats 0 to 1, from either."""
    if images.dtype == dtype:
        return images
    if dtype == "uint8":
        return np.round(255 * images).astype(np.uint8)
    return images * np.float32(1 / 255)


def _cubic(num: int, more: int) -> np.ndarray:
    """Weights [more, num] of Catmull and Rom's cubic interpolation, pixel centres to centres."""
    places = (np.arange(more) + 0.5) * num / more - 0.5
    distance = np.abs(places[:, None] - np.arange(-2, num + 2)[None])
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    weights[:, 2] += weights[:, :2].sum(1)  # beyond the border, the border pixel repeats
    weights[:, -3] += weights[:, -2:].sum(1)
    return weights[:, 2:-2]
