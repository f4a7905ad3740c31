"""MNIST and its kin through TensorFlow Datasets, without TensorFlow.

TFDS downloads, checks checksums and lays out folders; its own builders call TensorFlow to read and
to encode images, so a subclass replaces these two steps. It prepares an ordinary TFDS data set
(array_record, PNG), which TFDS with TensorFlow can read, and vice versa. Reading 60,000 records one
by one takes 10 to 20 s, so the arrays are then cached beside them.
"""

import inspect
import io
import logging
import os
import types
from pathlib import Path

import numpy as np

from ouroboros_jax.atomic import replacing
from ouroboros_jax.data.idx import Labelled, labelled, read_idx
from ouroboros_jax.errors import UserError, reason

BUILDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
SECONDS = 5.0  # for checking whether the files' server can be reached


class Unavailable(Exception):
    """The data set is not on disk and cannot be downloaded."""


def default_dir() -> Path:
    """The default folder of TFDS data sets."""
    return Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def load(name: str, folder: Path) -> tuple[Labelled, Labelled]:
    """Training and test set, from `folder` if they are prepared there, else downloaded to it.

    Raises:
      Unavailable: saying why it could not be downloaded.
      UserError: if the files on disk cannot be read.
    """
    builder = _builder(name, folder)
    cached = folder / "ouroboros_jax" / f"{name}-{builder.version}.npz"
    if cached.is_file():
        return _read(cached)
    if not builder.is_prepared():
        _prepare(builder)
    try:
        splits = tuple(_decode(builder, split) for split in ("train", "test"))
    except Exception as error:  # array_record raises bare RuntimeErrors
        raise UserError(f"{builder.data_path} cannot be read: {reason(error, 400)}") from None
    _write(cached, splits)
    return splits


def _builder(name: str, folder: Path):
    """TFDS's own builder of that name, with the two steps that need TensorFlow replaced."""
    import tensorflow_datasets as tfds
    from etils import epath
    from PIL import Image

    own = getattr(tfds.image_classification, BUILDERS[name])

    class WithoutTensorFlow(own, skip_registration=True):
        def _split_generators(self, dl_manager):
            # The files are unpacked below, without TensorFlow.
            keeps_packed = types.SimpleNamespace(download_and_extract=dl_manager.download)
            return super()._split_generators(keeps_packed)

        def _generate_examples(self, num_examples, data_path, label_path):
            images, labels = read_idx(Path(data_path), 3), read_idx(Path(label_path), 1)
            pairs = zip(images[:num_examples], labels[:num_examples], strict=True)
            for i, (image, label) in enumerate(pairs):
                png = io.BytesIO()
                Image.fromarray(image).save(png, "png")
                yield i, {"image": png.getvalue(), "label": int(label)}

    WithoutTensorFlow.name = own.name
    # Checksums are found relative to it.
    WithoutTensorFlow.code_path = epath.Path(inspect.getfile(own))
    return WithoutTensorFlow(data_dir=str(folder), file_format="array_record")


def _prepare(builder, files: Path | None = None) -> None:
    """Download and write a data set; `files` is a folder that already has the IDX files."""
    import tensorflow_datasets as tfds

    if files is None:
        check_reachable(builder.URL)
    config = tfds.download.DownloadConfig(manual_dir=files, try_download_gcs=False)
    try:
        builder.download_and_prepare(download_config=config)
    except Exception as error:  # of many kinds: network, disk, checksums
        raise Unavailable(
            f"the download from {builder.URL} failed: {reason(error, 400)}"
        ) from error


def check_reachable(url: str) -> None:
    """Find out within seconds whether a server answers; TFDS itself retries for a long time.

    Raises:
      Unavailable: if it does not answer.
    """
    import requests

    try:
        requests.head(url, timeout=SECONDS)
    except (requests.RequestException, OSError):
        raise Unavailable(f"{url} cannot be reached") from None


def _decode(builder, split: str) -> Labelled:
    """All images of a split, [N, H, W] uint8."""
    import tensorflow_datasets as tfds
    from PIL import Image

    raw = {"image": tfds.decode.SkipDecoding()}
    records = builder.as_data_source(split=split, decoders=raw)
    images = np.empty((len(records), *builder.info.features["image"].shape[:2]), np.uint8)
    labels = np.empty(len(records), np.int32)
    for i, record in enumerate(records):
        images[i] = np.asarray(Image.open(io.BytesIO(record["image"])))
        labels[i] = record["label"]
    return labelled(images, labels, f"{builder.name} ({split})")


def _read(cached: Path) -> tuple[Labelled, Labelled]:
    try:
        with cached.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in ("x_train", "y_train", "x_test", "y_test")}
    except Exception as error:  # a damaged archive may raise anything
        raise UserError(
            f"{cached} is damaged ({reason(error, 400)}): remove it, and it is made again"
        ) from None
    return tuple(
        labelled(arrays[f"x_{split}"], arrays[f"y_{split}"], str(cached))
        for split in ("train", "test")
    )


def _write(cached: Path, splits: tuple[Labelled, Labelled]) -> None:
    """Cache the arrays, whole or not at all, unless the folder cannot be written to."""
    train, test = splits
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with replacing(cached, shared=True) as temporary:
            np.savez(
                temporary,
                x_train=train.images,
                y_train=train.labels,
                x_test=test.images,
                y_test=test.labels,
            )
    except OSError as error:
        logging.getLogger(__name__).info("no copy of the arrays at %s: %s", cached, error)
