"""Data sets of labelled images: MNIST and its kin, files of the user's own, bundled digits."""

import os

from ouroboros_jax.settings.data.common import ROWS_APART, data_settings, fallback, path_check
from ouroboros_jax.settings.setting import Entry, Setting

ENDING = ".npz"
_IMAGES = {
    "num_test": Setting(
        None,
        "number of held-out images for the metrics; None: the data set's own test set, or a fifth "
        "of the images if it has none",
        low=1,
        optional=True,
        kinds=(int,),
    ),
    "dtype": Setting(
        "float32",
        "type in which images are kept: bytes (uint8; rounds generated ones to 1/255), or floats",
        choices=("uint8", "float32"),
    ),
}
_DIR = Setting(
    None,
    "a folder that holds the four IDX files, or in which TensorFlow Datasets prepares the data; "
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
    "mnist": _named("mnist", "MNIST, 70,000 handwritten digits, from TensorFlow Datasets"),
    "fashion_mnist": _named("fashion_mnist", "Fashion-MNIST, 70,000 pieces of clothing, likewise"),
    "kmnist": _named("kmnist", "KMNIST, 70,000 handwritten hiragana, likewise"),
    "image_digits": Entry(
        "ouroboros_jax.data.images:digits",
        "scikit-learn's 1,797 digits upsampled to 28 x 28 pixels; learners of images read 'digits' "
        "as this",
        data_settings(**_IMAGES),
        apart=ROWS_APART,
    ),
    "image_file": IMAGE_FILE,
}
IMAGES = {name: entry._replace(kind="images") for name, entry in _TABLE.items()}
IMAGE_FILE = IMAGES["image_file"]
