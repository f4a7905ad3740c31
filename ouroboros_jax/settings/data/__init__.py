"""The data: what generation 0 is fitted to, by name; a file for each kind of data."""

from typing import Any

from ouroboros_jax.settings.data import outcomes, points, regression, symbols
from ouroboros_jax.settings.data.common import data_path, data_settings
from ouroboros_jax.settings.data.images import IMAGE_FILE, IMAGES, is_image_path
from ouroboros_jax.settings.data.points import FILE, FILES
from ouroboros_jax.settings.data.text import TEXT_FILE, TEXTS, is_text_path
from ouroboros_jax.settings.names import look_up
from ouroboros_jax.settings.setting import Entry

__all__ = ["BY_PATH", "DATA", "FILE", "PATHS", "data_path", "find_data"]
DATA = points.DATA | regression.DATA | outcomes.DATA
DATA |= IMAGES | TEXTS | symbols.DATA
DATA["digits"] = DATA["digits"]._replace(instead={"images": "image_digits"})
BY_PATH = (FILE, IMAGE_FILE, TEXT_FILE)  # named by a path
PATHS = "a path to a .npy or .csv file, or to images (.npz, a folder of IDX files) or text"
_NAMED = {name: entry for name, entry in DATA.items() if entry not in BY_PATH}
_EVERY = data_settings()


def find_data(name: Any) -> Entry:
    """The data of that name, in a file, or a user's own, which also gets `data_settings`."""
    if isinstance(name, str) and name.endswith(FILES):
        return FILE
    if isinstance(name, str) and is_image_path(name):
        return IMAGE_FILE
    if isinstance(name, str) and is_text_path(name):
        return TEXT_FILE
    return look_up("data", _NAMED, name, every=_EVERY, also=f", {PATHS},")
