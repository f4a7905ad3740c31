"""Images from IDX files, archives, TensorFlow Datasets and scikit-learn; what bad files say."""

import dataclasses
import gzip
import hashlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from ouroboros_jax import registry
from ouroboros_jax.config import load_config
from ouroboros_jax.data import images, tfds_images
from ouroboros_jax.data.base import check_counts
from ouroboros_jax.data.idx import read_folder, read_idx
from ouroboros_jax.errors import UserError

DATA = Path(os.environ.get("OUROBOROS_DATA", ""))
needs_data = pytest.mark.skipif(
    "OUROBOROS_DATA" not in os.environ, reason="OUROBOROS_DATA does not name a folder with MNIST"
)
NAMES = {"train": 30, "t10k": 6}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No test asks a server for anything."""

    def check_reachable(url):
        raise tfds_images.Unavailable(f"{url} cannot be reached")

    monkeypatch.setattr(tfds_images, "check_reachable", check_reachable)
    images._load.cache_clear()
    yield
    images._load.cache_clear()


def idx(array, magic=None):
    """Bytes of an IDX file."""
    head = struct.pack(">HBB", 0, 8, array.ndim) if magic is None else magic
    return head + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


def sets(seed=0, pixels=8):
    """Random images and labels, by IDX name."""
    rng = np.random.default_rng(seed)
    found = {}
    for which, num in NAMES.items():
        found[f"{which}-images-idx3-ubyte"] = rng.integers(0, 256, (num, pixels, pixels), np.uint8)
        found[f"{which}-labels-idx1-ubyte"] = rng.integers(0, 10, num).astype(np.uint8)
    return found


def write(folder, arrays, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        raw = idx(array)
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(raw) if packed else raw)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", ["", "fashion-mnist"])
def test_idx_folders_are_read(tmp_path, packed, place):
    arrays = sets()
    write(tmp_path / place, arrays, packed)
    real = images.fashion_mnist(dir=str(tmp_path), dtype="uint8")
    np.testing.assert_array_equal(real.table["image"][..., 0], arrays["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(real.table["label"], arrays["train-labels-idx1-ubyte"])
    pixels = arrays["t10k-images-idx3-ubyte"] / 255
    np.testing.assert_allclose(real.test["image"][..., 0], pixels, rtol=1e-6)
    assert real.test["image"].dtype == np.float32 and "IDX files" in real.origin
    floats = images.fashion_mnist(dir=str(tmp_path))
    assert floats.sha256 == real.sha256 and floats.table["image"].dtype == np.float32
    np.testing.assert_allclose(floats.table["image"] * 255, real.table["image"], atol=1e-4)
    assert images.fashion_mnist(dir=str(tmp_path), num_test=2).test["label"].shape == (2,)


def test_older_names_are_known(tmp_path):
    write(tmp_path, {name.replace("-idx", ".idx"): a for name, a in sets().items()}, packed=False)
    assert len(read_folder(tmp_path)[0].labels) == NAMES["train"]


def damaged(tmp_path, name, change):
    """A folder of IDX files, one of them changed."""
    write(tmp_path, sets(), packed=True)
    path = tmp_path / f"{name}.gz"
    path.write_bytes(change(path.read_bytes()))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("train-images-idx3-ubyte", lambda raw: raw[:-40], r"damaged or cut short \(gzip: "),
        (
            "train-labels-idx1-ubyte",
            lambda raw: idx(np.zeros(30, np.uint8), b"\0\0\x0d\1"),
            "magic number 0x00000d01, expected 0x00000801: 1 axes of unsigned bytes",
        ),
        ("t10k-images-idx3-ubyte", lambda raw: b"", "magic number 0x0, expected 0x00000803"),
        (
            "train-images-idx3-ubyte",
            lambda raw: idx(np.zeros((30, 8, 8), np.uint8))[:-5],
            "holds 1,915 bytes of numbers, expected 30 x 8 x 8",
        ),
        (
            "t10k-labels-idx1-ubyte",
            lambda raw: idx(np.full(6, 11, np.uint8)),
            "labels from 11 to 11, expected whole numbers from 0 to 9",
        ),
        (
            "t10k-labels-idx1-ubyte",
            lambda raw: idx(np.zeros(5, np.uint8)),
            r"6 images and labels of shape \[5\]: expected a label for each image",
        ),
        (
            "t10k-images-idx3-ubyte",
            lambda raw: idx(np.zeros((6, 9, 9), np.uint8)),
            "training images of 8 x 8 pixels and test images of 9 x 9: expected one size",
        ),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, name, change, sentence):
    with pytest.raises(UserError, match=sentence) as refusal:
        images.image_file(str(damaged(tmp_path, name, change)))
    assert "\n" not in str(refusal.value)


def test_missing_files_are_named(tmp_path):
    write(tmp_path, {k: v for k, v in sets().items() if k.startswith("t10k")})
    with pytest.raises(UserError, match="lacks train-images-idx3-ubyte, train-labels-idx1-ubyte"):
        images.kmnist(dir=str(tmp_path), fallback="digits")
    with pytest.raises(UserError, match="cannot be read"):
        read_idx(tmp_path / "nothing", 3)


def test_archives_are_read(tmp_path):
    image = np.random.default_rng(0).random((20, 6, 6, 1))
    label = np.arange(20) % 10
    own, keras = tmp_path / "own.npz", tmp_path / "keras.npz"
    np.savez(own, image=image, label=label)
    real = images.image_file(str(own))
    assert (len(real.table["label"]), len(real.test["label"])) == (16, 4)
    together = np.concatenate([real.table["image"], real.test["image"]])
    order = np.argsort(np.concatenate([real.table["image"], real.test["image"]])[:, 0, 0, 0])
    expected = image[np.argsort(image[:, 0, 0, 0])]
    np.testing.assert_allclose(together[order], expected, rtol=1e-6)
    assert images.image_file(str(own), num_test=1).test["label"].shape == (1,)
    rounded = images.image_file(str(own), dtype="uint8").table["image"]
    np.testing.assert_allclose(rounded / 255, real.table["image"], atol=0.5 / 255 + 1e-6)
    pixels = (255 * image).astype(np.uint8)
    np.savez(keras, x_train=pixels[5:], y_train=label[5:], x_test=pixels[:5], y_test=label[:5])
    real = images.image_file(str(keras), dtype="uint8")
    np.testing.assert_array_equal(real.table["image"], pixels[5:])
    np.testing.assert_array_equal(real.test["label"], label[:5])


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"pixels": np.zeros((3, 4, 4))}, "holds pixels and not x_train, y_train, x_test and y_"),
        (
            {"image": np.zeros((9, 4, 4, 3), np.uint8), "label": np.zeros(9, int)},
            r"shape \[9, 4, 4, 3\], expected \[number, height, width\]",
        ),
        ({"image": np.full((9, 4, 4), 2.0), "label": np.zeros(9, int)}, r"outside \[0, 1\]"),
        ({"image": np.zeros((9, 4, 4), int), "label": np.zeros(9, int)}, "of type int64, expected"),
        ({"image": np.zeros((9, 4, 4), np.uint8), "label": -np.ones(9, int)}, "from -1 to -1"),
        (
            {"image": np.zeros((9, 4, 4), np.uint8), "label": np.array(["a"] * 9)},
            "labels of type <U1",
        ),
        (
            {"image": np.zeros((9, 4, 4), np.uint8), "label": np.array([None] * 9)},
            "holds Python objects, which are never read",
        ),
        ({"image": np.zeros((2, 4, 4), np.uint8), "label": np.zeros(2, int)}, "num_test=1 of the"),
    ],
)
def test_bad_archives_are_refused(tmp_path, arrays, sentence):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=sentence):
        images.image_file(str(path), num_test=1)
    path.write_bytes(b"PK\3\4 not an archive")
    with pytest.raises(UserError, match=r"cannot be read as an .npz file"):
        images.image_file(str(path))


def test_paths_are_names(tmp_path):
    path = str(tmp_path / "no-such.npz")
    entry = registry.find("data", path)
    assert entry is registry.find("data", str(tmp_path)) is registry.DATA["image_file"]
    with pytest.raises(UserError, match=r"no-such.npz' is not there: expected an .npz file"):
        entry.check({"data.name": path, "data.dir": None})
    np.savez(path, image=np.zeros((9, 4, 4), np.uint8), label=np.zeros(9, int))
    entry.check({"data.name": "no-such.npz", "data.dir": str(tmp_path)})
    with pytest.raises(UserError, match=r"is fitted to points, and .* holds images"):
        load_config("gmm", {"data.name": "mnist"})


def test_what_cannot_be_had_is_an_error_or_the_digits(tmp_path):
    with pytest.raises(UserError) as refusal:
        images.mnist(dir=str(tmp_path))
    for way in ("where there is a network", "IDX files in", ".npz file", "data.fallback='digits'"):
        assert way in str(refusal.value)
    real = images.mnist(dir=str(tmp_path), fallback="digits")
    assert real.name == "digits in place of mnist"
    assert "mnist IS NOT AT HAND" in real.note and "\n" not in real.note
    assert real.sha256 == images.digits().sha256
    check_counts(real, num_data=60_000)  # gone through again


def test_digits_are_the_bundled_ones_enlarged():
    from sklearn.datasets import load_digits

    real = images.digits(dtype="uint8")
    assert real.table["image"].shape == (1438, 28, 28, 1) and real.test["label"].shape == (359,)
    assert np.bincount(np.append(real.table["label"], real.test["label"])).tolist() == (
        np.bincount(load_digits().target).tolist()
    )
    # Pixel centres of 8 fall between those of 28: the mean of the four nearest is about the pixel.
    found = np.sort(real.table["image"].mean((1, 2, 3)) / 255)[::100]
    expected = np.sort(load_digits().images.mean((1, 2)) / 16)[::125]
    np.testing.assert_allclose(found.mean(), expected.mean(), rtol=0.05)
    drawn = real.draw(jax.random.key(0), None, real.table, 3000)["label"]
    counts = np.bincount(np.asarray(drawn), minlength=10)
    assert np.abs(counts - np.bincount(real.table["label"]) * 3000 / 1438).max() < 20


@needs_data
def test_mnist_by_idx_and_by_tensorflow_datasets(tmp_path):
    """The same 70,000 images; the second needs no TensorFlow, and leaves arrays behind."""
    by_idx = images.mnist(dir=str(DATA), dtype="uint8")
    assert by_idx.table["image"].shape == (60_000, 28, 28, 1)
    assert by_idx.test["label"][:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    tree = tmp_path / "mnist" / "3.0.1"
    tree.mkdir(parents=True)
    for path in (DATA / "tfds" / "mnist" / "3.0.1").iterdir():
        if "train" not in path.name:
            (tree / path.name).symlink_to(path)
    script = (
        "import sys; from ouroboros_jax.data.tfds_images import _builder, _decode; "
        "from pathlib import Path; builder = _builder('mnist', Path(sys.argv[1])); "
        "test = _decode(builder, 'test'); import numpy as np; np.savez(sys.argv[2], *test); "
        "assert 'tensorflow' not in sys.modules"
    )
    out = tmp_path / "test.npz"
    command = [sys.executable, "-c", script, str(tmp_path), str(out)]
    subprocess.run(command, check=True, capture_output=True)
    with np.load(out) as stored:
        found, labels = stored["arr_0"], stored["arr_1"]

    def ordered(pixels, label):
        rows = np.column_stack([pixels.reshape(len(pixels), -1), label])
        return rows[np.lexsort(rows.T)]

    expected = np.round(255 * by_idx.test["image"]).astype(np.uint8)
    np.testing.assert_array_equal(ordered(found, labels), ordered(expected, by_idx.test["label"]))


def _measured(path):
    raw = path.read_bytes()
    return {"checksum": hashlib.sha256(raw).hexdigest(), "size": len(raw)}


def test_tensorflow_datasets_prepares_without_tensorflow(tmp_path):
    """What its builder writes is read again, and kept as arrays for the next time."""
    arrays = sets(pixels=28)
    write(tmp_path / "raw", arrays)
    builder = tfds_images._builder("mnist", tmp_path)
    with pytest.raises(tfds_images.Unavailable, match="wrong checksum"):
        tfds_images._prepare(builder, tmp_path / "raw")
    type(builder).url_infos = {
        url: dataclasses.replace(info, **_measured(tmp_path / "raw" / info.filename))
        for url, info in builder.url_infos.items()
    }
    tfds_images._prepare(builder, tmp_path / "raw")
    assert (tmp_path / "mnist" / "3.0.1" / "dataset_info.json").is_file()
    assert len(builder.url_infos) == 4  # TFDS's checksums of the files
    assert "tensorflow" not in sys.modules
    train, test = tfds_images.load("mnist", tmp_path)

    def rows(images, labels):
        return sorted(zip(labels.tolist(), (image.tobytes() for image in images), strict=True))

    for found, which in ((train, "train"), (test, "t10k")):
        expected = arrays[f"{which}-images-idx3-ubyte"], arrays[f"{which}-labels-idx1-ubyte"]
        assert rows(*found) == rows(*expected)
    kept = tmp_path / "ouroboros_jax" / "mnist-3.0.1.npz"
    again = tfds_images.load("mnist", tmp_path)
    np.testing.assert_array_equal(again[0].images, train.images)
    kept.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"is damaged .*: remove it, and it is made again"):
        tfds_images.load("mnist", tmp_path)
