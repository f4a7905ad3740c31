"""Data sets of labelled images: MNIST and its kin, files of the user's own, bundled digits."""

import os

from ouroboros_jax.settings.data.common import ROWS_APART, data_settings, fallback, path_check
from ouroboros_jax.settings.setting import Entry, Setting

ENDING = ".npz"
_IMAGES = {
    "num_test": Setting(
        None,
        "held-out images that metrics are taken of; None: the data set's own test set, or a fifth "
        "where it has none",
        low=1,
        optional=True,
        kinds=(int,),
    ),
    "dtype": Setting(
        "float32",
        "what images are kept as: bytes (uint8, generated ones rounded to 1/255), or floats",
        choices=("uint8", "float32"),
    ),
}
_DIR = Setting(
    None,
    "a folder of the four IDX files, or of TensorFlow Datasets, which prepares the data there; "
    "None: $TFDS_DATA_DIR or ~/tensorflow_datasets",
    optional=True,
    kinds=(str,),
)


def _named(name: str, text: str) -> Entry:
    settings = data_settings(**_IMAGES, fallback=fallback("digits")) | {"dir": _DIR}
    return Entry(f"ouroboros_jax.data.images:{name}", text, settings, apart=("num_samples",))


def is_image_path(name: str) -> bool:
    """Whether a data set's name is a path to images: an .npz file, or a folder."""
    return name.endswith(ENDING) or (os.sep in name and os.path.isdir(os.path.expanduser(name)))


IMAGE_FILE = Entry(
    "ouroboros_jax.data.images:image_file",
    "images of your own: a path to an .npz file or to a folder of IDX files",
    data_settings(**_IMAGES),
    check=path_check("an .npz file or a folder of IDX files", (ENDING,), folders=True),
    apart=ROWS_APART,
    kind="images",
)
_TABLE = {
    "mnist": _named("mnist", "MNIST, 70,000 handwritten digits, by TensorFlow Datasets"),
    "fashion_mnist": _named("fashion_mnist", "Fashion-MNIST, 70,000 pieces of clothing, likewise"),
    "kmnist": _named("kmnist", "KMNIST, 70,000 handwritten hiragana, likewise"),
    "image_digits": Entry(
        "ouroboros_jax.data.images:digits",
        "scikit-learn's 1,797 digits upsampled to 28 x 28 pixels; what 'digits' means to learners "
        "of images",
        data_settings(**_IMAGES),
        apart=ROWS_APART,
    ),
    "image_file": IMAGE_FILE,
}
IMAGES = {name: entry._replace(kind="images") for name, entry in _TABLE.items()}
IMAGE_FILE = IMAGES["image_file"]
